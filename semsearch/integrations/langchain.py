"""Use an index as a vector store and as a retriever of LangChain: `IndexVectorStore(index).as_retriever()`."""

from collections.abc import Iterable, Sequence
from typing import Any

from semsearch.errors import InvalidInput, extra
from semsearch.index import Index
from semsearch.types import Hit

with extra("langchain", "the vector store"):
    from langchain_core.documents import Document
    from langchain_core.vectorstores import VectorStore

_RECORD = "record://"


class IndexVectorStore(VectorStore):  # type: ignore[misc]  # unknown where LangChain is not installed
    """An index as a `langchain_core.vectorstores.VectorStore`. Its texts are the records of the index, and its files.

    The index embeds with its own model. Searches take the options of `Index.search` as keyword arguments, such as
    `mode="dense"` or `source="notes/*"`; a query is plain text unless `literal=False`.
    """

    def __init__(self, index: Index) -> None:
        self.index = index

    def add_texts(
        self,
        texts: Iterable[str],
        metadatas: Sequence[dict[str, Any]] | None = None,
        *,
        ids: Sequence[str | None] | None = None,
        **options: Any,
    ) -> list[str]:
        """Add texts as records, see `Index.add`; return their ids, which are digests of the texts by default."""
        rows = [{"text": text} for text in texts]
        if ids is not None:
            rows = [{**row, "id": id_} for row, id_ in zip(rows, ids, strict=True)]  # type: ignore[dict-item]
        report = self.index.add(rows, text="text", metadata=metadatas, **options)
        if report.skipped:
            raise InvalidInput(f"{len(report.skipped)} of the texts are empty", "the others were added")
        return list(report.ids)

    def delete(self, ids: Sequence[str] | None = None, **options: Any) -> bool:
        """Remove records by id, or all records without `ids`; return True."""
        if ids is None:
            ids = [name.removeprefix(_RECORD) for name in self.index.sources() if name.startswith(_RECORD)]
        self.index.delete(ids)
        return True

    def get_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """Return records by id; those that the index does not have are left out."""
        return [
            Document(id=record.id, page_content=record.text, metadata=dict(record.metadata))
            for record in self.index.get(ids)
        ]

    def similarity_search(self, query: str, k: int = 4, **options: Any) -> list[Document]:
        """Return the passages that answer a query best, as documents."""
        return [document for document, _ in self.similarity_search_with_score(query, k, **options)]

    def similarity_search_with_score(
        self, query: str, k: int = 4, **options: Any
    ) -> list[tuple[Document, float]]:
        """Return the passages that answer a query best, each with its score; higher is better."""
        hits = self.index.search(query, k=k, **{"literal": True, **options})
        return [(_document(hit), hit.score) for hit in hits]

    @classmethod
    def from_texts(
        cls,
        texts: list[str],
        embedding: Any = None,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        folder: str = "",
        **options: Any,
    ) -> "IndexVectorStore":
        """Open or create the index in `folder`, and add texts to it. `options` are those of `Index.open_or_create`.

        Raises `InvalidInput` with an `embedding`, since an index has its own model.
        """
        if embedding is not None or not folder:
            raise InvalidInput("an index has its own model and a folder", "give folder=, and embedding=None")
        store = cls(Index.open_or_create(folder, **options))
        store.add_texts(texts, metadatas, ids=ids)
        return store


def _document(hit: Hit) -> Document:
    """Return a hit as a document: a record with its own metadata, a file with its place as well."""
    if hit.source.startswith(_RECORD):
        return Document(
            id=hit.source.removeprefix(_RECORD), page_content=hit.text, metadata=dict(hit.metadata)
        )
    place = {"source": hit.source, "unit": hit.unit, "start": hit.start, "end": hit.end}
    return Document(id=hit.passage_id, page_content=hit.text, metadata={**hit.metadata, **place})
