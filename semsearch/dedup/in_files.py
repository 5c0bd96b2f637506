"""Data sets as they are, without an index: the near-duplicates in one, and what of one occurs in another.

A data set is read once. Its texts are embedded chunk by chunk and set aside in a temporary file, so that memory grows
with the number of records and their vectors, and not with their text.
"""

import hashlib
import tempfile
from array import array
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import numpy as np

from semsearch.dedup import (
    DEFAULT_MEMORY,
    Corpus,
    DocumentPassages,
    Duplicates,
    Traits,
    compare,
    jaccard,
    matching,
    passages_of,
    preference,
    shingles,
    tier_of,
)
from semsearch.dedup.join import Integers
from semsearch.embedding import Embedder, Vectors
from semsearch.errors import InvalidInput, SemsearchError
from semsearch.ingest.chunk import chunk
from semsearch.ingest.reading import file_sha256, skipping, walk_named
from semsearch.readers import Found, RowFields, read
from semsearch.readers.rewrite import copy_rows
from semsearch.types import TIERS, Document, Linkage, Pair, Skipped, Tier

_CHUNK_PASSAGES, _CHUNK_CHARACTERS = 4_096, 512 * 1024
"""What is embedded in one go."""

ReadProgress = Callable[[int, int, int], None]
"""Called with the bytes read so far and in all, and the distinct passages embedded so far."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file as it was when it was read: its modification time in nanoseconds, and the SHA-256 of its bytes in hex."""

    mtime_ns: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Leaks:
    """The records of a test set that occur in a training set, out of `total`, at a `threshold`.

    In each pair the test record is on the left, and on the right the one of `against` training records that is most
    like it, the first of equals. They come by falling similarity, then in the order of the test set. `positions`
    (int64) are those of the test records in the `Dataset`.
    """

    pairs: tuple[Pair, ...]
    threshold: float
    total: int
    against: int
    positions: Integers = field(repr=False, compare=False)

    @property
    def rate(self) -> float:
        """The share of all test records that occurs in the training set; 0 if there are none."""
        return len(self.pairs) / self.total if self.total else 0.0

    def count(self, tier: Tier) -> int:
        """How many of the pairs are of a tier."""
        return sum(pair.tier == tier for pair in self.pairs)


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """The documents of one or several `parts`, in order: rows of files of rows, whole files of any other kind.

    Of each document: its name (`data.jsonl#3`), its source, its row there (the number that `read` gives it, or 0 where
    it is the whole file), the digest of its cleaned text, and its passages as rows of `vectors` (float32 [distinct
    passages, d]). `roots` are the paths of each part and `sizes` the documents it has; `files` has each source that
    was read. `skipped` is what was not, and `unknown` the share of all tokens that the model does not know.

    Made by `Dataset.read`. Close it, or use it in a `with` block: until then the texts are in a temporary file.
    """

    roots: tuple[tuple[Path, ...], ...]
    sizes: tuple[int, ...]
    names: Sequence[str]
    sources: Sequence[str]
    rows: Integers
    digests: Sequence[bytes]
    documents: Sequence[DocumentPassages]
    vectors: Vectors
    files: Mapping[str, SourceFile]
    skipped: tuple[Skipped, ...]
    unknown: float
    _spool: "_Spool" = field(repr=False)

    @classmethod
    def read(
        cls,
        *parts: Iterable[Path | str],
        embedder: Embedder,
        fields: RowFields = RowFields(),
        progress: ReadProgress | None = None,
    ) -> "Dataset":
        """Read and embed the files and folders of each part, found as `walk` finds them; equal passages only once.

        A file that is named is read whatever its size. What cannot be read is `skipped`, but `InvalidInput` is raised
        for a path that does not exist, and where the only file of a part has no such column as `fields` names;
        `SemsearchError` where there is no room for temporary files.
        """
        roots = tuple(tuple(map(Path, paths)) for paths in parts)
        found = [list(walk_named(paths)) for paths in roots]
        reading = _Reading(embedder, fields, found, progress)
        try:
            return reading.dataset(roots)
        except BaseException:
            reading.spool.close()
            raise

    def close(self) -> None:
        """Let go of the texts."""
        self._spool.close()

    def __enter__(self) -> "Dataset":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def failed(self) -> tuple[Skipped, ...]:
        """What should have been read and could not be."""
        return tuple(skipped for skipped in self.skipped if skipped.failed)

    def texts(self, positions: Iterable[int]) -> list[str]:
        """The cleaned texts of the documents at some positions."""
        return [self._spool[position] for position in positions]

    def duplicates(
        self,
        threshold: float,
        *,
        linkage: Linkage = "keeper",
        keep: Sequence[str] = (),
        protect: Sequence[str] = (),
        lexical: float | None = None,
        memory: int = DEFAULT_MEMORY,
        progress: Callable[[int, int], None] | None = None,
    ) -> Duplicates:
        """Every group of near-duplicates, of all parts together, as `Index.duplicates` finds them in an index.

        In the end the first in order stays. What is returned reads from this data set, so close it afterwards.
        """
        compared = compare(
            self.names,
            self.digests,
            self.documents,
            self.vectors,
            threshold,
            read=self.texts,
            lexical=lexical,
            progress=progress,
            memory=memory,
        )
        protected = matching(self.sources, protect)
        modified = [self.files[source].mtime_ns for source in self.sources]
        lengths = [int(document.weights.sum()) for document in self.documents]
        traits = Traits(self.sources, np.array(modified, np.int64), np.array(lengths, np.int64))
        order = preference(keep, traits, protected)
        return Duplicates.of(compared, threshold, linkage=linkage, order=order, protected=protected.tolist())

    def write(
        self,
        duplicates: Duplicates,
        to: Path,
        *,
        group_field: str = "",
        keep_all: bool = False,
        tiers: Collection[Tier] = TIERS,
        force: bool = False,
    ) -> int:
        """Write the file of rows that this data set is without the members of groups that are of one of `tiers` and not
        protected; keepers stay, and so do rows that could not be read. Returns how many rows were written.

        `group_field` names a column to add: the number of the row's group, from 1, or nothing. With `keep_all` no row
        is left out. Raises `InvalidInput` where the data set is not exactly one file of rows, `SemsearchError` where
        the file has changed since it was read, and as `copy_rows` does.
        """
        paths = [path for paths in self.roots for path in paths]
        if len(paths) != 1 or not paths[0].is_file():
            raise InvalidInput("only a single file of rows can be written without its duplicates")
        (path,) = paths
        # What is not among the files was empty, or could not be read.
        known = self.files.get(path.as_posix(), SourceFile(0, hashlib.sha256().hexdigest()))
        if file_sha256(path) != known.sha256:
            raise SemsearchError(f"{path} has changed since it was read, or could not be", "run it again")
        row = dict(zip(self.names, self.rows.tolist(), strict=True))
        numbers: dict[int, str] = {}
        gone: set[int] = set()
        for number, group in enumerate(duplicates.groups, 1):
            numbers[row[group.keeper]] = str(number)
            for member in group.members:
                numbers[row[member.name]] = str(number)
                if member.tier in tiers and not (member.protected or keep_all):
                    gone.add(row[member.name])
        column = (group_field, lambda row: numbers.get(row, "")) if group_field else None
        return copy_rows(path, to, keep=lambda row: row not in gone, group=column, force=force)

    def leaks(
        self,
        threshold: float,
        *,
        memory: int = DEFAULT_MEMORY,
        progress: Callable[[int, int], None] | None = None,
    ) -> Leaks:
        """The documents of the first part that the second has too, with a similarity of at least `threshold`.

        Exact and complete: each text of the one is compared with each of the other, as `Corpus.pairs` compares
        them. Raises `InvalidInput` unless there are two parts, and as `Corpus.pairs` does.
        """
        if len(self.sizes) != 2:
            raise InvalidInput(f"leaks are from one part to another, but there are {len(self.sizes)} parts")
        total, against = self.sizes
        # Each text once, and those that both sides have not at all: they are found already.
        train = _first(self.digests, range(total, total + against))
        test = {
            digest: at for digest, at in _first(self.digests, range(total)).items() if digest not in train
        }
        texts, positions = list(test), [*test.values(), *train.values()]
        corpus = Corpus(self.vectors, [self.documents[at] for at in positions])
        pairs = corpus.pairs(threshold, split=len(test), progress=progress, memory=memory)
        ranked = np.lexsort((pairs.right, -pairs.similarity, pairs.left))
        best = ranked[np.flatnonzero(np.diff(pairs.left[ranked], prepend=-1))]
        found: dict[bytes, tuple[int, float, float, Tier]]
        found = {digest: (at, 1.0, 1.0, "exact") for digest, at in train.items()}
        columns = (column[best].tolist() for column in (pairs.left, pairs.right, pairs.similarity))
        for x, y, similarity in zip(*columns, strict=True):
            share = jaccard(*map(shingles, self.texts((positions[x], positions[y]))))
            found[texts[x]] = (positions[y], similarity, share, tier_of(False, share))
        leaked = [at for at in range(total) if self.digests[at] in found]
        leaked.sort(key=lambda at: -found[self.digests[at]][1])
        return Leaks(
            tuple(
                Pair(self.names[at], self.names[match], similarity, share, tier)
                for at in leaked
                for match, similarity, share, tier in (found[self.digests[at]],)
            ),
            threshold,
            total,
            against,
            np.array(leaked, np.int64),
        )


class _Spool:
    """Texts in a temporary file, by number."""

    def __init__(self) -> None:
        with self._translated():
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - `close` closes it
        self._ends = array("q", [0])

    def append(self, text: str) -> None:
        content = text.encode()
        with self._translated():
            self._file.write(content)
        self._ends.append(self._ends[-1] + len(content))

    def __getitem__(self, number: int) -> str:
        start, end = self._ends[number : number + 2]
        with self._translated():
            self._file.seek(start)
            return self._file.read(end - start).decode()

    def close(self) -> None:
        with self._translated():
            self._file.close()

    @staticmethod
    @contextmanager
    def _translated() -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise SemsearchError(
                f"cannot keep texts in {tempfile.gettempdir()}: {error.strerror or error}",
                "TMPDIR names another folder for temporary files",
            ) from error


class _Reading:
    """A data set on its way from the files."""

    def __init__(
        self,
        embedder: Embedder,
        fields: RowFields,
        parts: Sequence[Sequence[Found | Skipped]],
        progress: ReadProgress | None,
    ) -> None:
        self.spool = _Spool()
        self._embedder, self._fields, self._parts, self._progress = embedder, fields, parts, progress
        self._names: list[str] = []
        self._sources: list[str] = []
        self._digests: list[bytes] = []
        self._rows, self._owners, self._passages, self._lengths = (array("q") for _ in range(4))
        self._known: dict[bytes, int] = {}
        self._waiting: list[str] = []
        self._characters = 0
        self._vectors: list[Vectors] = []
        self._files: dict[str, SourceFile] = {}
        self._skipped: list[Skipped] = []
        self._tokens = self._unknown = 0
        self._done = self._embedded = 0
        self._total = sum(file.size for part in parts for file in _found(part))

    def dataset(self, roots: tuple[tuple[Path, ...], ...]) -> Dataset:
        """Read and embed everything."""
        sizes = []
        for items in self._parts:
            before, alone = len(self._names), len(list(_found(items))) == 1
            self._skipped += (item for item in items if isinstance(item, Skipped))
            for file in _found(items):
                with skipping(file.path, self._skipped, alone=alone):
                    self._file(file)
            sizes.append(len(self._names) - before)
        self._embed()
        owners, passages, lengths = (
            np.array(column, np.int64) for column in (self._owners, self._passages, self._lengths)
        )
        return Dataset(
            roots,
            tuple(sizes),
            self._names,
            self._sources,
            np.array(self._rows, np.int64),
            self._digests,
            passages_of(owners, passages, lengths),
            _stacked(self._vectors, self._embedder.fingerprint.dimension),
            self._files,
            tuple(dict.fromkeys(self._skipped)),
            self._unknown / max(1, self._tokens),
            self.spool,
        )

    def _file(self, file: Found) -> None:
        source, end = file.path.as_posix(), self._done + file.size
        self._files[source] = SourceFile(file.mtime_ns, file_sha256(file.path))
        for item in read(file.path, source, self._fields):
            if isinstance(item, Skipped):
                self._skipped.append(item)
                continue
            self._add(item)
            self._done = min(end, self._done + len(item.text))
            if len(self._waiting) >= _CHUNK_PASSAGES or self._characters >= _CHUNK_CHARACTERS:
                self._embed()
        self._done = end

    def _add(self, document: Document) -> None:
        chunked = chunk(document, self._embedder)
        record = chunked.record
        if not record.passages:
            self._skipped.append(Skipped(record.name, "no text"))
            return
        self._tokens += chunked.tokens
        self._unknown += chunked.oov
        self._owners.extend([len(self._names)] * len(record.passages))
        self._names.append(record.name)
        self._sources.append(document.source)
        self._rows.append(document.numbers[0] if document.row_id and document.numbers else 0)
        self._digests.append(record.digest)
        self.spool.append(chunked.text)
        for passage in record.passages:
            row = self._known.setdefault(passage.digest, len(self._known))
            if row == self._embedded + len(self._waiting):
                self._waiting.append(passage.text)
                self._characters += len(passage.text)
            self._passages.append(row)
            self._lengths.append(len(passage.text))

    def _embed(self) -> None:
        """Embed what is waiting."""
        waiting, finished = self._waiting, self._embedded

        def tell(texts: int) -> None:
            nonlocal finished
            finished += texts
            if self._progress is not None:
                self._progress(self._done, self._total, finished)

        self._vectors.append(self._embedder.embed(waiting, progress=tell))
        self._embedded += len(waiting)
        self._waiting, self._characters = [], 0


def _found(items: Iterable[Found | Skipped]) -> Iterator[Found]:
    return (item for item in items if isinstance(item, Found))


def _stacked(parts: list[Vectors], dimension: int) -> Vectors:
    """All rows of some parts in one, each part let go of when it is copied: two of everything need not fit."""
    rows = np.empty((sum(map(len, parts)), dimension), np.float32)
    end = len(rows)
    while parts:
        part = parts.pop()
        rows[end - len(part) : end] = part
        end -= len(part)
    return rows


def _first(digests: Sequence[bytes], positions: range) -> dict[bytes, int]:
    """The first of some positions that has each digest, in order."""
    first: dict[bytes, int] = {}
    for at in positions:
        first.setdefault(digests[at], at)
    return first
