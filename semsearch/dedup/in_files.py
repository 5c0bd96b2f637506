"""Find near-duplicates in files as they are, without an index.

A data set is read once. Its texts go to temporary files, so memory grows with the number of records and their
vectors, and not with their text.
"""

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Unpack

import numpy as np

from semsearch.dedup.collection import DocumentCollection
from semsearch.dedup.dataset_reader import DatasetReader, ReadProgress, SourceFile, TextFile
from semsearch.dedup.decision import NO_RULE, default_threshold
from semsearch.dedup.document_join import DocumentPassages
from semsearch.dedup.find import find_groups
from semsearch.dedup.join import Integers, Pairs
from semsearch.dedup.leak import Leaks, find_leaks
from semsearch.dedup.result import Duplicates
from semsearch.embedding import Embedder, Vectors
from semsearch.embedding.vocabulary import Vocabulary
from semsearch.errors import InvalidInput, SemsearchError, UnreadableSource
from semsearch.ingest.inputs import file_sha256, walk_named
from semsearch.readers import RowFields
from semsearch.readers.rewrite import Columns, copy_rows
from semsearch.requests import DEFAULT_MEMORY, DedupOptions, DedupRequest
from semsearch.storage.vector_cache import VectorCache
from semsearch.text.unseen import UnknownWords
from semsearch.types import TIERS, Document, Skipped, Tier, Unit

_NOTHING_TO_READ = frozenset({
    "empty file", "hidden file", "hidden folder", "no text", "page without text", "row without text",
    "symbolic link inside the folder", "symbolic link loop",
})  # fmt: skip
"""The reasons for leaving out what has no text, or is read under another name."""


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """The documents of one or several `parts`, in order: each row of a file of rows, each other file as a whole.

    Of each document: its name (`data.jsonl#3`), its source, its row there (0 for a whole file), the digest of its
    cleaned text, and its passages as rows of `vectors` (float32 [distinct passages, d]). Of each distinct passage: its
    digest in `passages`. Of each part: its paths in `roots`, and its number of documents in `sizes`. `files` has each
    source that was read, `skipped` the others.
    `oov` is the share of all tokens that are not in the model's vocabulary. `notes` say what was detected in files
    that are not plain, by which columns rows are compared, and which file is in two parts.

    Make one with `Dataset.read`. Close it, or use it in a `with` block; until then its texts are in temporary files.
    """

    roots: tuple[tuple[Path, ...], ...]
    sizes: tuple[int, ...]
    names: Sequence[str]
    sources: Sequence[str]
    rows: Integers
    digests: Sequence[bytes]
    documents: Sequence[DocumentPassages]
    passages: Sequence[bytes]
    vectors: Vectors
    files: Mapping[str, SourceFile]
    skipped: tuple[Skipped, ...]
    oov: float
    notes: tuple[str, ...]
    _fields: Mapping[Path, RowFields] = field(repr=False)
    _texts: TextFile = field(repr=False)
    _originals: TextFile = field(repr=False)
    """The text of each document as it was written, empty where that is its cleaned text."""
    _places: Callable[[int], Sequence[tuple[Unit, int, int]]] = field(repr=False)
    _unknown: UnknownWords = field(repr=False)
    _default: Callable[[], float] = field(repr=False)
    _positions: dict[str, int] = field(default_factory=dict, init=False, repr=False)
    """The position of each document by its name, once one is asked for."""

    @classmethod
    def read(
        cls,
        *parts: Iterable[Path | str],
        embedder: Embedder,
        fields: RowFields = RowFields(),
        progress: ReadProgress | None = None,
        cache: VectorCache | None = None,
    ) -> "Dataset":
        """Read and embed the files and folders of each part.

        A named file is read whatever its size. A file that cannot be read is `skipped`. A file that an earlier part
        has, under whatever name, is left out. If `fields` names no text, texts are compared without titles, by columns
        that all files have. `cache` keeps the vectors for the next time. Raises `InvalidInput` for a path that does not
        exist, where the only file of a part lacks a column that `fields` names, and where a part is a single text of
        many lines; raises `SemsearchError` where there is too little room for temporary files.
        """
        roots = tuple(tuple(map(Path, paths)) for paths in parts)
        parts_found = [list(walk_named(paths)) for paths in roots]
        reader = DatasetReader(embedder, fields, parts_found, progress, cache)
        return cls._read_by(reader, reader.read_all, roots, embedder)

    @classmethod
    def of(
        cls,
        *parts: Sequence[Document],
        embedder: Embedder,
        progress: ReadProgress | None = None,
        cache: VectorCache | None = None,
    ) -> "Dataset":
        """Embed documents from memory. Their names must differ; those without text are `skipped`."""
        reader = DatasetReader(embedder, RowFields(), (), progress, cache)
        return cls._read_by(reader, lambda: reader.take_documents(parts), (), embedder)

    @classmethod
    def _read_by(
        cls,
        reader: DatasetReader,
        read: Callable[[], None],
        roots: tuple[tuple[Path, ...], ...],
        embedder: Embedder,
    ) -> "Dataset":
        try:
            read()
            return cls(
                roots,
                tuple(reader.sizes),
                reader.names,
                reader.sources,
                np.array(reader.rows, np.int64),
                reader.digests,
                reader.documents(),
                reader.passages,
                reader.take_vectors(),
                reader.files,
                tuple(dict.fromkeys(reader.skipped)),
                reader.oov / max(1, reader.tokens),
                tuple(dict.fromkeys(reader.notes)),
                reader.fields,
                reader.texts,
                reader.originals,
                reader.places(),
                Vocabulary(lambda: embedder).unknown,
                lambda: default_threshold(embedder.fingerprint, lambda: embedder),
            )
        except BaseException:
            reader.texts.close()
            reader.originals.close()
            raise

    def close(self) -> None:
        """Delete the temporary files with the texts."""
        self._texts.close()
        self._originals.close()

    def __enter__(self) -> "Dataset":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def failed(self) -> tuple[Skipped, ...]:
        """The sources that could not be read."""
        return tuple(skipped for skipped in self.skipped if skipped.failed)

    @property
    def unread(self) -> tuple[Skipped, ...]:
        """The sources that could not be read, and those left out that may have text."""
        return tuple(one for one in self.skipped if one.failed or one.reason not in _NOTHING_TO_READ)

    @property
    def collection(self) -> DocumentCollection:
        """The documents as they are compared."""
        return DocumentCollection(
            self.names,
            self.sources,
            self.digests,
            self.documents,
            self.vectors,
            self.texts,
            self._places,
            unknown=self._unknown,
            originals=self._written,
        )

    def texts(self, positions: Iterable[int]) -> list[str]:
        """Return the cleaned texts of the documents at some positions."""
        return [self._texts[position] for position in positions]

    def originals(self, names: Iterable[str]) -> list[str]:
        """Return the texts of documents by name, as they were written."""
        if not self._positions:
            self._positions.update(zip(self.names, range(len(self.names)), strict=True))
        return self._written([self._positions[name] for name in names])

    def _written(self, positions: Sequence[int]) -> list[str]:
        """Return the texts at some positions as they were written."""
        return [self._originals[at] or self._texts[at] for at in positions]

    def duplicates(
        self,
        threshold: float | None = None,
        *,
        progress: Callable[[int, int], None] | None = None,
        **options: Unpack[DedupOptions],
    ) -> Duplicates:
        """Return every group of near-duplicates; see `find_duplicates`.

        The options are the fields of `DedupRequest`.
        """
        return self.find_duplicates(DedupRequest(threshold, **options), progress=progress)

    def find_duplicates(
        self,
        request: DedupRequest,
        *,
        matches: Callable[[float], Pairs] | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> Duplicates:
        """Return every group of near-duplicates, of all parts together, as `Index.find_duplicates` does.

        `default_threshold` gives the threshold where the request has none. `matches` is an argument of `Corpus.pairs`.

        The result reads texts from this data set, so close the data set later. Raises
        `InvalidInput` for requests that need an index: `min_precision`, `from_run` and passages.
        """
        if request.level != "document" or request.from_run or request.min_precision is not None:
            raise InvalidInput("min_precision, from_run and level passage need an index, and these are files")
        modified = np.array([self.files[source].mtime_ns for source in self.sources], np.int64)
        found = find_groups(
            self.collection,
            request,
            replace(NO_RULE, default=self._default),
            base=Path.cwd(),
            modified=modified,
            matches=matches,
            progress=progress,
        )
        return replace(found, _read_originals=self.originals)

    def leaks(
        self,
        threshold: float | None = None,
        *,
        contained: float | None = None,
        count_differing: bool = False,
        memory: int = DEFAULT_MEMORY,
        matches: Callable[[float], Pairs] | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> Leaks:
        """Return the documents of the first part that the second part has too, exactly or nearly.

        Every text is compared with every text of the other part. With `contained` (a share in (0, 1]) the documents
        count as well of which this much lies in a document of the second part. A text that differs from all similar
        ones in a number, a date, a sign or another fact counts with `count_differing` only; see `Leaks.alike`.
        `matches` is an argument of `Corpus.pairs`. Raises `InvalidInput` unless there are two parts, and the errors of
        `Corpus.pairs`.
        """
        if len(self.sizes) != 2:
            raise InvalidInput(f"leaks are from one part to another, but there are {len(self.sizes)} parts")
        if contained is not None and not 0 < contained <= 1:
            raise InvalidInput(f"contained is {contained}, but must be above 0 and at most 1")
        return find_leaks(
            self.collection,
            self.sizes[0],
            self._default() if threshold is None else threshold,
            memory=memory,
            contained=contained,
            differing=count_differing,
            matches=matches,
            progress=progress,
        )

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
        """Write the data set's file of rows to `to` without duplicates; return the number of rows written.

        The members of groups go that are of one of `tiers` and not protected. Keepers stay, and so do rows that could
        not be read. `group_field` adds a column with the number of each row's group, from 1. With `keep_all` every row
        stays. Raises `InvalidInput` where the data set is not exactly one file of rows, `SemsearchError` where the
        file has changed since it was read, and the errors of `copy_rows`.
        """
        paths = [path for paths in self.roots for path in paths]
        if len(paths) != 1 or not paths[0].is_file():
            raise InvalidInput("only a single file of rows can be written without its duplicates")
        (path,) = paths
        row = dict(zip(self.names, self.rows.tolist(), strict=True))
        numbers: dict[int, str] = {}
        gone: set[int] = set()
        for number, group in enumerate(duplicates.groups, 1):
            numbers[row[group.keeper]] = str(number)
            for member in group.members:
                numbers[row[member.name]] = str(number)
                if member.tier in tiers and not (member.protected or keep_all):
                    gone.add(row[member.name])
        columns = {group_field: lambda row: numbers.get(row, "")} if group_field else {}
        return self.copy(path, to, keep=lambda row: row not in gone, columns=columns, force=force)

    def copy(
        self, path: Path, to: Path, *, keep: Callable[[int], bool], columns: Columns, force: bool = False
    ) -> int:
        """Write one file of rows to `to`, with the rows to keep and with columns to add; see `copy_rows`.

        Raises `UnreadableSource` where a part of the file could not be read, `SemsearchError` where it has changed
        since, and the errors of `copy_rows`.
        """
        for one in self.skipped:
            if one.path == str(path) and (one.failed or one.reason not in _NOTHING_TO_READ):
                raise UnreadableSource(f"{path}: {one.reason}")
        # A file that is not among the sources was empty.
        known = self.files.get(path.as_posix(), SourceFile(0, hashlib.sha256().hexdigest()))
        if file_sha256(path) != known.sha256:
            raise SemsearchError(f"{path} has changed since it was read", "run the command again")
        fields = self._fields.get(path, RowFields())
        return copy_rows(path, to, keep=keep, columns=columns, fields=fields, force=force)
