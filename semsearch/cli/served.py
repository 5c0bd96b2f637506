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
    from semsearch.requests import SearchRequest
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
                if call == "search" and self._shown:  # while the server works
                    importlib.import_module("rich.console")
                return read(self._connection.answer())
            except Unanswered:
                pass
        return here(self._opened())

    def path_of(self, source: str) -> Path:
        return self.folder.parent / source

    def status(self) -> Any:
        return self._asked("counts", _Counts, lambda index: _Counts(index.status().counts))

    def search(self, requests: "list[SearchRequest]") -> "Sequence[Sequence[Hit]]":
        from semsearch.server.wire import fields_of, hits_from

        asked = [fields_of(request) for request in requests]
        if any(
            request.rerank for request in requests
        ):  # its model may be in a folder that is named from here
            return self._opened().search(requests)
        return self._asked("search", hits_from, lambda index: index.search(requests), requests=asked)

    def notes(self, request: "SearchRequest") -> list[str]:
        from semsearch.server.wire import fields_of, texts_from

        return self._asked(
            "notes", texts_from, lambda index: index.notes(request), request=fields_of(request)
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
