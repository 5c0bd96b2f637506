"""Hold every passage of an index in memory, as one immutable view that all threads share."""

from collections.abc import Callable, Iterable, Sequence
from threading import Lock, RLock
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from semsearch.errors import IndexDamaged
from semsearch.patterns import Names
from semsearch.search.query import asked_name
from semsearch.storage.library import SALVAGE, Column, Library, PassageTable, VectorBytes, VectorTable

Rows = NDArray[np.int64]
_T = TypeVar("_T")


class Corpus:
    """Every passage, as the Library had them at one state.

    The table is read when the corpus is made. Everything else is read when it is first needed, once for all threads,
    and only within a snapshot of the same state.
    """

    def __init__(self, library: Library, state: int, table: PassageTable) -> None:
        self.library = library
        self.state = state
        self.table = table
        self.rows: Rows = np.flatnonzero(table.live)
        """The rows of `table` that are passages, not tombstones."""
        self._lock = RLock()
        self._computed: dict[object, object] = {}
        self._columns: dict[str, Column] = {}
        self._distrusted = False

    @property
    def scanned(self) -> bool:
        """True where there are so few vectors that all of them are compared with a query."""
        return self.once("scanned", lambda: self._bytes.scanned if self.mapped else self._bytes.few)

    @property
    def mapped(self) -> bool:
        """True where all but a few vectors are in the vector file."""
        return self._bytes.mapped and not self._distrusted

    @property
    def _bytes(self) -> VectorBytes:
        return self.once("bytes", self.library.vector_bytes)

    @property
    def vectors(self) -> tuple[VectorTable, Rows]:
        """All vectors, and for each row of `table` the row of its vector."""
        return self.once("vectors", self._vectors)

    def _vectors(self) -> tuple[VectorTable, Rows]:
        wanted = self.table.vectors
        for map_file in (True, False)[self._distrusted :]:
            found = self.library.vectors(map_file=map_file)
            numbers = found.numbers
            if len(numbers) and numbers[-1] - numbers[0] == len(numbers) - 1:
                places = wanted - numbers[0]
            else:
                places = np.searchsorted(numbers, wanted)
            places = np.clip(places, 0, max(0, len(numbers) - 1))
            if np.array_equal(numbers.take(places[self.rows], mode="clip"), wanted[self.rows]):
                return found, places
        raise IndexDamaged("a passage has a vector that the Library does not have", SALVAGE)

    def confirm(self, rows: Rows) -> bool:
        """Return whether the vectors of some rows are the Library's; if not, read from there from now on.

        The vector file has no checksums, so what is shown is compared with the Library.
        """
        with self._lock:
            if "vectors" not in self._computed:
                return True
            vectors, places = self.vectors
            numbers, at = np.unique(self.table.vectors[rows], return_inverse=True)
            own = self.library.vectors_numbered(numbers.tolist())[at]
            if len(rows) and not np.array_equal(vectors.take(places[rows]), own):
                self._distrusted = True
                del self._computed["vectors"]
                return False
            return True

    def rows_numbered(self, numbers: Sequence[int]) -> Rows:
        """Return the rows of passages by their numbers."""
        order, rising = self.once("order", self._order)
        return order[np.searchsorted(rising, numbers)]

    def _order(self) -> tuple[Rows, Rows]:
        """Return the rows of all passages in the order of their numbers, and these."""
        numbers = self.table.numbers[self.rows]
        order = np.argsort(numbers, kind="stable")
        return self.rows[order], numbers[order]

    @property
    def has_long_documents(self) -> bool:
        """True where any document has several passages."""
        return self.once("long", self._has_repeated_document)

    def _has_repeated_document(self) -> bool:
        documents = self.table.documents[self.rows]
        if np.any(documents[1:] == documents[:-1]):  # as ingest stores them
            return True
        ordered = np.sort(documents)  # np.unique takes 50 times as long
        return bool(np.any(ordered[1:] == ordered[:-1]))

    @property
    def fields(self) -> dict[str, list[str]]:
        """The names of the metadata's fields, by the normalized name that a query asks for."""
        return self.once("fields", self._fields)

    def _fields(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for name in self.library.fields():
            found.setdefault(asked_name(name), []).append(name)
        return found

    @property
    def names(self) -> tuple[Rows, Names]:
        """The number of every document, and the names of the documents and of their sources."""
        return self.once("names", self.library.document_names)

    def columns(self, name: str) -> list[Column]:
        """Return the values that documents have in the fields of a normalized name; `source` has none."""
        self.read_columns([name])
        return [self._columns[spelling] for spelling in self.fields.get(name, [])]

    def read_columns(self, names: Iterable[str]) -> None:
        """Read the fields of some normalized names in one pass over the documents, unless they are read already."""
        wanted = {spelling for name in names for spelling in self.fields.get(name, [])}
        with self._lock:
            if missing := wanted - self._columns.keys():
                self._columns |= self.library.columns(missing)

    def once(self, key: object, compute: Callable[[], _T]) -> _T:
        """Return the value under `key`; the first thread to ask computes it, and the others wait for it."""
        with self._lock:
            if key not in self._computed:
                self._computed[key] = compute()
            value: _T = self._computed[key]  # type: ignore[assignment]
            return value


class CorpusCache:
    """The latest corpus of a Library."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._lock = Lock()
        self._latest: Corpus | None = None

    @property
    def is_empty(self) -> bool:
        """True until a corpus is read."""
        return self._latest is None

    def current(self) -> Corpus:
        """Return the corpus of the snapshot that this thread reads within; read it if the Library has changed.

        One thread reads it, and the others wait.
        """
        state = self._library.state()
        latest = self._latest
        if latest is None or latest.state != state:
            with self._lock:
                latest = self._latest
                if latest is None or latest.state != state:
                    self._latest = latest = None  # two of them may not fit into memory
                    self._latest = latest = Corpus(self._library, state, self._library.passage_table())
        return latest
