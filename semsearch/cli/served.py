"""Open an index for a command: by a server that runs for it, where there is one, or else as `Index.open` does."""

import importlib
import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

from semsearch.storage.location import SOCKET, locate

if TYPE_CHECKING:
    from semsearch.index import Index
    from semsearch.requests import SearchRequest, SimilarRequest
    from semsearch.search.hits import Hits
    from semsearch.server.wire import Connection
    from semsearch.types import FieldCounts, Hit

_T = TypeVar("_T")


def opened(folder: Path | None, *, shown: bool) -> "AbstractContextManager[Index]":
    """Return the index that `Index.open` would open, to be used in a `with` block. `shown` says that a person reads."""
    found = locate(folder)
    if found is not None and os.path.lexists(found / SOCKET):
        from semsearch.server.wire import connect

        if connection := connect(found):
            return cast("AbstractContextManager[Index]", _Served(found, connection, shown))
    from semsearch.index import Index

    return Index.open(folder)


def count_tokens(index: "Index", text: str) -> int:
    """Return the number of tokens of a text, as the model of an index counts them."""
    if isinstance(index, _Served):
        return index.count_tokens(text)
    from semsearch import embedding

    return int(embedding.count_tokens(index.embedder, [text])[0][0])


def _named(rerank: str | None) -> str | None:
    """Return the name of a cross-encoder, or its folder from the root: the server may run in another folder."""
    return rerank if rerank is None or not Path(rerank).is_dir() else str(Path(rerank).absolute())


class _Counts(NamedTuple):
    counts: dict[str, int]


class _Served:
    """An index that a server answers for. It is opened here for what the server does not answer."""

    def __init__(self, folder: Path, connection: "Connection", shown: bool) -> None:
        self.folder = folder
        self._shown = shown
        self._connection = connection
        self._index: Index | None = None

    def __enter__(self) -> "_Served":
        return self

    def __exit__(self, *error: object) -> None:
        self._connection.close()
        if self._index is not None:
            self._index.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._opened(), name)

    def _opened(self) -> "Index":
        if self._index is None:
            from semsearch.index import Index

            self._index = Index.open(self.folder)
        return self._index

    def _asked(self, call: str, read: Callable[[Any], _T], here: Callable[["Index"], _T], **given: Any) -> _T:
        """Return what the server answers, or what the index does that is opened `here`."""
        from semsearch.server.wire import Unanswered

        if self._index is None:
            try:
                self._connection.ask(call, **given)
                if call in ("search", "similar") and self._shown:  # while the server works
                    importlib.import_module("rich.console")
                return read(self._connection.answer())
            except Unanswered:
                pass
        return here(self._opened())

    def path_of(self, source: str) -> Path:
        return self.folder.parent / source

    def key_of(self, path: Path) -> str:
        from semsearch.ingest.sources import source_key

        return source_key(path, self.folder.parent)

    def __contains__(self, name: str) -> bool:
        from semsearch.server.wire import flag_from

        return self._asked("contains", flag_from, lambda index: name in index, name=name)

    def is_unchanged(self, source: str) -> bool:
        from semsearch.server.wire import flag_from

        return self._asked("unchanged", flag_from, lambda index: index.is_unchanged(source), source=source)

    def count_tokens(self, text: str) -> int:
        from semsearch.server.wire import count_from

        return self._asked("tokens", count_from, lambda index: count_tokens(index, text), text=text)

    def status(self) -> Any:
        return self._asked("counts", _Counts, lambda index: _Counts(index.status().counts))

    def search(self, requests: "list[SearchRequest]") -> "Sequence[Sequence[Hit]]":
        from semsearch.server.wire import fields_of, hits_from

        asked = [{**fields_of(request), "rerank": _named(request.rerank)} for request in requests]
        return self._asked("search", hits_from, lambda index: index.search(requests), requests=asked)

    def find_similar(self, request: "SimilarRequest") -> "Hits":
        from semsearch.server.wire import fields_of, similar_from

        # A relative path starts here, which the server does not know.
        keys = [self.key_of(Path(request.document)), request.document]
        return self._asked(
            "similar",
            similar_from,
            lambda index: index.find_similar(request),
            request=fields_of(request),
            keys=keys,
        )

    def notes(self, request: "SearchRequest | SimilarRequest", found: "Hits | None" = None) -> list[str]:
        from semsearch.server.wire import fields_of, texts_from

        return self._asked(
            "notes" if found is None else "notes of similar",
            texts_from,
            lambda index: index.notes(request, found),
            request=fields_of(request),
            left_out=0 if found is None else found.left_out,
        )

    def engine_notes(self) -> list[str]:
        """Return an empty list: `notes` has what the server says of its vector engine."""
        return []

    def facets(
        self, fields: Sequence[str], query: str = "", *, source: str | None = None, literal: bool = False
    ) -> "list[FieldCounts]":
        from semsearch.server.wire import counts_from

        return self._asked(
            "facets",
            counts_from,
            lambda index: index.facets(fields, query, source=source, literal=literal),
            fields=list(fields),
            query=query,
            source=source,
            literal=literal,
        )
