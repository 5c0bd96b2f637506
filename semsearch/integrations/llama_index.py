"""Use an index with LlamaIndex: as a retriever, as a vector store, and its model as an embedding."""

from collections.abc import Mapping, Sequence
from typing import Any

from semsearch.errors import InvalidInput, extra
from semsearch.index import Index
from semsearch.types import FieldValue, Hit, Mode

with extra("llama-index", "the retriever"):
    from llama_index.core.base.base_retriever import BaseRetriever
    from llama_index.core.base.embeddings.base import BaseEmbedding
    from llama_index.core.bridge.pydantic import PrivateAttr
    from llama_index.core.schema import (
        BaseNode,
        MetadataMode,
        NodeRelationship,
        NodeWithScore,
        QueryBundle,
        RelatedNodeInfo,
        TextNode,
    )
    from llama_index.core.vector_stores.types import (
        BasePydanticVectorStore,
        MetadataFilters,
        VectorStoreQuery,
        VectorStoreQueryResult,
    )

_RECORD = "record://"
_DOCUMENT = "ref_doc_id"
"""The field of a record with the id of the document that its node is a part of."""
_MODES: dict[str, Mode] = {
    "default": "hybrid",
    "hybrid": "hybrid",
    "semantic_hybrid": "hybrid",
    "sparse": "lexical",
    "text_search": "lexical",
}
"""The kind of a search for each mode of LlamaIndex that an index has."""


class IndexRetriever(BaseRetriever):  # type: ignore[misc]  # unknown where LlamaIndex is not installed
    """An index as a retriever: `IndexRetriever(index, k=4).retrieve("how are refunds paid?")`.

    `options` are those of `Index.search`, such as `mode="dense"` or `source="notes/*"`; a query is plain text unless
    `literal=False`.
    """

    def __init__(self, index: Index, k: int = 4, **options: Any) -> None:
        super().__init__()
        self.index, self.k, self.options = index, k, options

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        hits = self.index.search(query_bundle.query_str, k=self.k, **{"literal": True, **self.options})
        return [NodeWithScore(node=_node(hit), score=hit.score) for hit in hits]


class IndexEmbedding(BaseEmbedding):  # type: ignore[misc]
    """The model of an index as an embedding of LlamaIndex."""

    _index: Index = PrivateAttr()

    def __init__(self, index: Index) -> None:
        super().__init__(model_name=index.model)
        self._index = index

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._vectors([query], "query")[0]

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_query_embedding(query)

    def _get_text_embedding(self, text: str) -> list[float]:
        return self._vectors([text])[0]

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return self._vectors(texts)

    def _vectors(self, texts: list[str], kind: Any = "passage") -> list[list[float]]:
        vectors: list[list[float]] = self._index.embed(texts, kind).tolist()
        return vectors


class IndexVectorStore(BasePydanticVectorStore):  # type: ignore[misc]
    """An index as a vector store: `VectorStoreIndex.from_vector_store(store, embed_model=IndexEmbedding(index))`.

    Its texts are the records of the index, and its files. The index embeds with its own model: what LlamaIndex has
    embedded is not used, and a query is asked by its words.
    """

    stores_text: bool = True
    is_embedding_query: bool = False
    _index: Index = PrivateAttr()

    def __init__(self, index: Index) -> None:
        super().__init__(stores_text=True, is_embedding_query=False)
        self._index = index

    @property
    def client(self) -> Index:
        """The index."""
        return self._index

    def add(self, nodes: Sequence[BaseNode], **options: Any) -> list[str]:
        """Add the texts of nodes as records, see `Index.add`; return their ids. Raises `InvalidInput` for no text."""
        rows = [
            {"id": node.node_id, "text": node.get_content(metadata_mode=MetadataMode.NONE)} for node in nodes
        ]
        fields = [
            dict(node.metadata) | ({_DOCUMENT: node.ref_doc_id} if node.ref_doc_id else {}) for node in nodes
        ]
        report = self._index.add(rows, text="text", metadata=fields, **options)
        if report.skipped:
            raise InvalidInput(f"{len(report.skipped)} of the texts are empty", "the others were added")
        return list(report.ids)

    def delete(self, ref_doc_id: str, **options: Any) -> None:
        """Remove the records that were made from the document with an id."""
        records = self._index.get(self._ids())
        self._index.delete([one.id for one in records if one.metadata.get(_DOCUMENT) == ref_doc_id])

    def delete_nodes(
        self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None, **options: Any
    ) -> None:
        """Remove records by the ids of their nodes. Raises `InvalidInput` with `filters`."""
        _refuse(filters)
        self._index.delete(node_ids or [])

    def clear(self) -> None:
        """Remove all records. Files stay."""
        self._index.delete(self._ids())

    def get_nodes(
        self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None
    ) -> list[BaseNode]:
        """Return records as nodes: those with these ids, or all. Raises `InvalidInput` with `filters`."""
        _refuse(filters)
        records = self._index.get(self._ids() if node_ids is None else node_ids)
        return [_text_node(one.id, one.text, one.metadata) for one in records]

    def query(self, query: VectorStoreQuery, **options: Any) -> VectorStoreQueryResult:
        """Return the passages that answer a query best, with their scores.

        `options` are those of `Index.search`. Raises `InvalidInput` with filters, with a mode that an index does not
        have, and for a query without words.
        """
        _refuse(query.filters)
        mode = str(getattr(query.mode, "value", query.mode))
        if mode not in _MODES:
            raise InvalidInput(
                f"an index does not search in the mode {mode!r}", f"it has {', '.join(_MODES)}"
            )
        if not query.query_str:
            raise InvalidInput("a query of an index needs its words", "give query_str")
        found = {"literal": True, "mode": _MODES[mode], "k": query.similarity_top_k, **options}
        hits = self._index.search(query.query_str, **found)
        nodes = [_node(hit) for hit in hits]
        return VectorStoreQueryResult(nodes, [hit.score for hit in hits], [node.node_id for node in nodes])

    def _ids(self) -> list[str]:
        return [name.removeprefix(_RECORD) for name in self._index.sources() if name.startswith(_RECORD)]


def _refuse(filters: MetadataFilters | None) -> None:
    if filters is not None and filters.filters:
        raise InvalidInput(
            "filters are not understood", "write conditions in the query, as `date>=2025`, with literal=False"
        )


def _node(hit: Hit) -> TextNode:
    """Return a hit as a node: a record with its own metadata, a file with its place as well."""
    if hit.source.startswith(_RECORD):
        return _text_node(hit.source.removeprefix(_RECORD), hit.text, hit.metadata)
    place: dict[str, FieldValue] = {
        "source": hit.source,
        "unit": hit.unit,
        "start": hit.start,
        "end": hit.end,
    }
    return _text_node(hit.passage_id, hit.text, {**hit.metadata, **place})


def _text_node(id_: str, text: str, metadata: Mapping[str, FieldValue]) -> TextNode:
    """Return a node that belongs to the document that its metadata names, if it does."""
    fields = dict(metadata)
    document = fields.pop(_DOCUMENT, "")
    related = {NodeRelationship.SOURCE: RelatedNodeInfo(node_id=str(document))} if document else {}
    return TextNode(id_=id_, text=text, metadata=fields, relationships=related)
