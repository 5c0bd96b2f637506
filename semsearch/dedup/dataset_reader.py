"""Read the documents of data sets and embed their passages, without an index."""

import tempfile
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from semsearch.dedup.collection import passages_of
from semsearch.dedup.compared_fields import compared_fields
from semsearch.dedup.document_join import DocumentPassages
from semsearch.embedding import Embedder, Vectors, embed_checked
from semsearch.errors import InvalidInput
from semsearch.files import temporary_files
from semsearch.ingest.chunk import chunk
from semsearch.ingest.inputs import file_sha256, skipping
from semsearch.readers import Found, RowFields, how_to_split, read
from semsearch.storage.vector_cache import VectorCache
from semsearch.text.suffixes import PROSE_SUFFIXES
from semsearch.types import Document, Skipped, Unit

_BATCH_PASSAGES, _BATCH_CHARACTERS = 4_096, 512 * 1024
"""The size of a batch of passages that is embedded at once, by either measure."""

ReadProgress = Callable[[int, int, int], None]
"""Called with the bytes read so far, all bytes, and the distinct passages embedded so far."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file when it was read: its modification time in nanoseconds, and the SHA-256 of its bytes in hex."""

    mtime_ns: int
    sha256: str


class TextFile:
    """Texts in a temporary file, by number."""

    def __init__(self) -> None:
        with temporary_files():
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - `close` closes it
        self._ends = array("q", [0])

    def append(self, text: str) -> None:
        """Add a text at the end. Raises `SemsearchError` where the disk is full."""
        content = text.encode()
        with temporary_files():
            self._file.write(content)
        self._ends.append(self._ends[-1] + len(content))

    def __getitem__(self, number: int) -> str:
        start, end = self._ends[number : number + 2]
        with temporary_files():
            self._file.seek(start)
            return self._file.read(end - start).decode()

    def close(self) -> None:
        """Delete the file."""
        with temporary_files():
            self._file.close()


class DatasetReader:
    """Reads the files of some parts into columns with an entry for each document; see `Dataset` for these.

    Equal passages are embedded once. Texts go to temporary files, so memory holds names and vectors only.
    """

    def __init__(
        self,
        embedder: Embedder,
        fields: RowFields,
        parts: Sequence[Sequence[Found | Skipped]],
        progress: ReadProgress | None,
        cache: VectorCache | None = None,
    ) -> None:
        self.texts, self.originals = TextFile(), TextFile()
        self.sizes: list[int] = []
        self.names: list[str] = []
        self.sources: list[str] = []
        self.digests: list[bytes] = []
        self.rows = array("q")
        self.files: dict[str, SourceFile] = {}
        self.skipped: list[Skipped] = []
        self.notes: list[str] = []
        self._whole = self._why_whole = ""
        self.fields: dict[Path, RowFields] = {}
        self.tokens = self.oov = 0
        self._embedder, self._fields, self._parts, self._progress = embedder, fields, parts, progress
        self._cache = cache
        self._owners, self._vector_rows, self._lengths = (array("q") for _ in range(3))
        self._units: list[Unit] = []
        self._firsts, self._lasts = array("q"), array("q")
        self._row_of: dict[bytes, int] = {}
        self._waiting: list[str] = []
        self._characters = 0
        self._vectors: list[Vectors] = []
        self._done = self._embedded = 0
        self._total = sum(file.size for part in parts for file in _files_of(part))

    def read_all(self) -> None:
        """Read and embed everything. Raises the errors of `Dataset.read`."""
        files = [list(_files_of(items)) for items in self._parts]
        self.notes += leave_out_repeats(files)
        paths = [file.path for part in files for file in part]
        compared, notes = compared_fields(paths, self._fields)
        self.fields = dict.fromkeys(paths, self._fields) | compared
        self.notes += notes
        for items, part in zip(self._parts, files, strict=True):
            before = len(self.names)
            skipped = (item for item in items if isinstance(item, Skipped))
            self.skipped += (item for item in skipped if not self._is_repeated(item))
            for file in part:
                with skipping(file.path, self.skipped, alone=len(part) == 1):
                    self._read_file(file)
            self.sizes.append(len(self.names) - before)
            if self.sizes[-1] == 1 and self._whole:
                raise one_record(self._whole, self._why_whole, Path(self._whole), self._fields)
            self._whole = ""
        self._tell_copies(files)
        self._embed_waiting()

    def take_documents(self, parts: Sequence[Sequence[Document]]) -> None:
        """Take and embed parts of documents from memory. Progress counts documents in place of bytes."""
        self._total = sum(map(len, parts))
        for part in parts:
            before = len(self.names)
            for document in part:
                self.files.setdefault(document.source, SourceFile(0, ""))
                self._add(document)
                self._done += 1
                self._embed_full()
            self.sizes.append(len(self.names) - before)
        self._embed_waiting()

    def _is_repeated(self, skipped: Skipped) -> bool:
        """Return whether a path is a link to a file of this data set, which is read under its own name."""
        path = Path(skipped.path)
        if not path.is_symlink() or path.resolve() not in {Path(source).resolve() for source in self.files}:
            return False
        self.notes.append(f"{skipped.path} links to a file that is read already: not compared with itself")
        return True

    def _tell_copies(self, parts: Sequence[Sequence[Found]]) -> None:
        """Note which files of a later part have the bytes of one of an earlier part."""
        seen: dict[str, str] = {}
        for part in parts:
            own: dict[str, str] = {}
            for source in (file.path.as_posix() for file in part):
                digest = self.files[source].sha256 if source in self.files else ""
                if digest in seen:
                    self.notes.append(f"{source} has the same bytes as {seen[digest]}")
                own[digest] = source
            seen |= {digest: source for digest, source in own.items() if digest}

    @property
    def passages(self) -> list[bytes]:
        """The digest of each distinct passage, in the order of the vectors."""
        return list(self._row_of)

    def documents(self) -> list[DocumentPassages]:
        """Return the passages of each document, as rows of the vectors."""
        columns = (self._owners, self._vector_rows, self._lengths)
        owners, rows, lengths = (np.array(column, np.int64) for column in columns)
        return passages_of(owners, rows, lengths)

    def places(self) -> Callable[[int], list[tuple[Unit, int, int]]]:
        """Return a function of a document's position that returns the place of each of its passages."""
        starts = np.searchsorted(np.array(self._owners, np.int64), np.arange(len(self.names) + 1)).tolist()

        def places(position: int) -> list[tuple[Unit, int, int]]:
            of = slice(starts[position], starts[position + 1])
            return list(zip(self._units[of], self._firsts[of], self._lasts[of], strict=True))

        return places

    def take_vectors(self) -> Vectors:
        """Return the vectors of all distinct passages in one array, and free the parts while they are copied."""
        parts = self._vectors
        vectors = np.empty((sum(map(len, parts)), self._embedder.fingerprint.dimension), np.float32)
        end = len(vectors)
        while parts:
            part = parts.pop()
            vectors[end - len(part) : end] = part
            end -= len(part)
        return vectors

    def _read_file(self, file: Found) -> None:
        source, end = file.path.as_posix(), self._done + file.size
        self.files[source] = SourceFile(file.mtime_ns, file_sha256(file.path))

        def tell(note: str) -> None:
            self.notes.append(f"{source}: {note}")

        for item in read(file.path, source, self.fields[file.path], tell):
            if isinstance(item, Skipped):
                self.skipped.append(item)
                continue
            if why := why_many(item):
                self._whole, self._why_whole = source, why
            self._add(item)
            self._done = min(end, self._done + len(item.text))
            self._embed_full()
        self._done = end

    def _add(self, document: Document) -> None:
        chunked = chunk(document, self._embedder)
        record = chunked.record
        if not record.passages:
            self.skipped.append(Skipped(record.name, "no text"))
            return
        self.tokens += chunked.tokens
        self.oov += chunked.oov
        self._owners.extend([len(self.names)] * len(record.passages))
        self.names.append(record.name)
        self.sources.append(document.source)
        self.rows.append(document.numbers[0] if document.row_id and document.numbers else 0)
        self.digests.append(record.digest)
        self.texts.append(chunked.text)
        self.originals.append(chunked.original)
        for passage in record.passages:
            row = self._row_of.setdefault(passage.digest, len(self._row_of))
            if row == self._embedded + len(self._waiting):
                self._waiting.append(passage.text)
                self._characters += len(passage.text)
            self._vector_rows.append(row)
            self._lengths.append(len(passage.text))
            self._units.append(passage.unit)
            self._firsts.append(passage.first)
            self._lasts.append(passage.last)

    def _embed_full(self) -> None:
        """Embed what is waiting once it fills a batch."""
        if len(self._waiting) >= _BATCH_PASSAGES or self._characters >= _BATCH_CHARACTERS:
            self._embed_waiting()

    def _embed_waiting(self) -> None:
        waiting, finished = self._waiting, self._embedded

        def tell(texts: int) -> None:
            nonlocal finished
            finished += texts
            if self._progress is not None:
                self._progress(self._done, self._total, finished)

        if self._cache is None:
            self._vectors.append(embed_checked(self._embedder, waiting, progress=tell))
        else:
            self._vectors.append(self._cache.embed(self._embedder, waiting, tell))
        self._embedded += len(waiting)
        self._waiting, self._characters = [], 0


def leave_out_repeats(files: list[list[Found]]) -> list[str]:
    """Leave out the files of an earlier part, under whatever name, and return notes on them.

    They would be compared with themselves.
    """
    notes = []
    seen: dict[tuple[int, int], Path] = {}
    for part in files:
        own = dict(seen)
        for file in list(part):
            try:
                state = file.path.stat()
            except OSError:
                continue  # reading it says why
            identity = (state.st_dev, state.st_ino)
            if first := seen.get(identity):
                part.remove(file)
                name, known = file.path.as_posix(), first.as_posix()
                both = name if name == known else f"{name} (as {known})"
                notes.append(f"{both} is in both parts: the same file is not compared with itself")
            own.setdefault(identity, file.path)
        seen = own
    return notes


def one_record(source: str, why: str, path: Path, fields: RowFields) -> InvalidInput:
    """Return the error for the only record of a part, which looks like many. The source is at `path`."""
    return InvalidInput(f"{source} is read as one record, {why}", how_to_split(path, fields))


def why_many(document: Document) -> str:
    """Return why a document that is a file as a whole looks like many: it is data, or has lines that are not prose.

    Return "" for other documents.
    """
    suffix = Path(document.source).suffix.lower()
    if document.row_id:
        return ""
    if "\n" not in document.text.strip():
        return "since no text column was found in it" if suffix == ".json" else ""
    lined = suffix == ".json" or suffix in _LINED or suffix not in PROSE_SUFFIXES
    return "though it has many lines" if lined else ""


_LINED = frozenset({"", ".csv", ".jsonl", ".ndjson", ".text", ".tsv", ".txt", ".gz", ".bz2", ".xz", ".zst"})
"""The suffixes of texts whose lines may be records, although a text with one of them may be prose."""


def _files_of(items: Iterable[Found | Skipped]) -> Iterator[Found]:
    return (item for item in items if isinstance(item, Found))
