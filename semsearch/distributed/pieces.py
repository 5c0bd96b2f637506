"""Read inputs in pieces of documents, and keep each piece embedded as a Parquet file.

A piece is some consecutive documents of a bundle: one file, or several small ones. Where a bundle is cut depends on its
files alone, so a run that goes on finds the pieces that an earlier one finished.
"""

import tempfile
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from semsearch.dedup.collection import passages_of
from semsearch.dedup.dataset_reader import SourceFile, TextFile
from semsearch.dedup.decision import default_threshold
from semsearch.dedup.in_files import Dataset
from semsearch.distributed.work import arrow, is_url
from semsearch.embedding import Embedder
from semsearch.embedding.vocabulary import Vocabulary
from semsearch.errors import UnreadableSource
from semsearch.files import temporary_files
from semsearch.ingest.inputs import skipping
from semsearch.readers import RowFields, read
from semsearch.types import Document, Skipped

_DOCUMENTS, _CHARACTERS = 4096, 2**21
"""A piece ends at so many documents, or at so many characters: about five seconds of a core."""
_BUNDLE = 2**24
"""Bytes of small files that are read together."""


@dataclass(frozen=True, slots=True)
class Input:
    """A file to read: its path or URL, its size in bytes, its modification time in nanoseconds, and its part, from 0.

    `fields` says how its rows are read, and `place` where it is, as every machine can name it.
    """

    path: str
    size: int
    mtime_ns: int
    part: int = 0
    fields: RowFields = RowFields()
    place: str = ""


@dataclass(frozen=True, slots=True)
class Piece:
    """Some documents of a bundle: the number of the piece in it, and the documents.

    The last one has no documents. Its number is the number of all others, and it has what was not read, and the notes.
    """

    number: int
    documents: Sequence[Document] = ()
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()
    last: bool = False


def bundles(inputs: Iterable[Input]) -> list[tuple[Input, ...]]:
    """Return consecutive inputs of one part together, as far as they are small: each bundle is read by one worker."""
    found: list[tuple[Input, ...]] = []
    size = 0
    for one in inputs:
        size += one.size
        if found and size <= _BUNDLE and found[-1][0].part == one.part:
            found[-1] += (one,)
        else:
            found.append((one,))
            size = one.size
    return found


def pieces(files: Sequence[Input], done: frozenset[int], *, alone: bool = False) -> Iterator[Piece]:
    """Yield the pieces of a bundle whose numbers are not in `done`, and then the last one, without documents.

    A file that cannot be read is in `skipped` of the last piece; with `alone`, a missing column raises `InvalidInput`.
    """
    skipped: list[Skipped] = []
    notes: list[str] = []
    waiting: list[Document] = []
    number = characters = 0
    for file in files:
        source = _source(file.path)
        told: list[str] = []
        with skipping(Path(file.path), skipped, alone=alone), local_copy(file.place) as path:
            for item in read(path, source, file.fields, told.append):
                if isinstance(item, Skipped):
                    skipped.append(item)
                    continue
                waiting.append(item)
                characters += len(item.text)
                if len(waiting) == _DOCUMENTS or characters >= _CHARACTERS:
                    if number not in done:
                        yield Piece(number, tuple(waiting))
                    number, characters, waiting = number + 1, 0, []
        notes += (f"{source}: {note}" for note in told)
    if waiting:
        if number not in done:
            yield Piece(number, tuple(waiting))
        number += 1
    yield Piece(number, (), tuple(skipped), tuple(notes), last=True)


def _source(path: str) -> str:
    return path if is_url(path) else Path(path).as_posix()


@contextmanager
def local_copy(path: str) -> Iterator[Path]:
    """Yield a path of this machine; what a URL names is copied to a temporary file first.

    Raises `UnreadableSource` where it cannot be read.
    """
    if not is_url(path):
        yield Path(path)
        return
    with tempfile.TemporaryDirectory() as folder:
        try:
            system, inner = arrow().fs.FileSystem.from_uri(path)
            copy = Path(folder) / inner.rpartition("/")[2]
            with system.open_input_stream(inner) as stream, copy.open("wb") as to:
                while block := stream.read(2**20):
                    to.write(block)
        except (OSError, ValueError) as error:
            raise UnreadableSource(f"{path}: {error}") from error
        yield copy


def table_of(data: Dataset) -> Any:
    """Return the documents of a piece as an Arrow table with a row each; see docs/batch.md for its columns."""
    pa = arrow()
    counts = [len(document.rows) for document in data.documents]
    rows = np.concatenate([np.empty(0, np.int64), *(document.rows for document in data.documents)])
    lengths = np.concatenate([np.empty(0), *(document.weights for document in data.documents)])
    offsets = pa.array(np.cumsum([0, *counts]), pa.int32())
    digests = pa.array([data.passages[row] for row in rows.tolist()], pa.binary())
    vectors = pa.FixedSizeListArray.from_arrays(
        pa.array(data.vectors[rows].ravel(), pa.float32()), data.vectors.shape[1]
    )
    every = range(len(data.names))
    texts = data.texts(every)
    originals = data.originals(data.names)
    return pa.table(
        {
            "name": pa.array(data.names, pa.string()),
            "source": pa.array(data.sources, pa.string()),
            "row": pa.array(data.rows, pa.int64()),
            "digest": pa.array(list(data.digests), pa.binary()),
            "text": pa.array(texts, pa.string()),
            "written": pa.array(
                [
                    "" if text == original else original
                    for text, original in zip(texts, originals, strict=True)
                ],
                pa.string(),
            ),
            "passages": pa.ListArray.from_arrays(offsets, digests),
            "lengths": pa.ListArray.from_arrays(offsets, pa.array(lengths.astype(np.int32))),
            "vectors": pa.ListArray.from_arrays(offsets, vectors),
        }
    )


def parquet_bytes(table: Any) -> bytes:
    """Return an Arrow table as the bytes of a Parquet file."""
    pa = arrow()
    sink = pa.BufferOutputStream()
    pa.parquet.write_table(table, sink, compression="zstd")
    content: bytes = sink.getvalue().to_pybytes()
    return content


def parquet_table(content: bytes) -> Any:
    """Return the Arrow table in the bytes of a Parquet file."""
    pa = arrow()
    return pa.parquet.read_table(pa.BufferReader(content))


def dataset_of(
    tables: Iterable[Any], sizes: Sequence[int], inputs: Sequence[Input], embedder: Embedder
) -> Dataset:
    """Return the data set in the tables of all pieces, in order; close it as one that was read.

    `sizes` are the documents of each part. A passage that several pieces have takes the vector of the first. Texts and
    vectors go to temporary files, so memory holds names and digests. Raises `SemsearchError` where the disk is full.
    """
    names, sources, digests = list[str](), list[str](), list[bytes]()
    rows, owners, vector_rows, lengths = (array("q") for _ in range(4))
    row_of: dict[bytes, int] = {}
    width = embedder.fingerprint.dimension
    with ExitStack() as opened, temporary_files(), tempfile.TemporaryFile() as file:
        texts, originals = (opened.enter_context(closing(TextFile())) for _ in range(2))
        for table in tables:
            for text, written in zip(*(table[name].to_pylist() for name in ("text", "written")), strict=True):
                texts.append(text)
                originals.append(written)
            passages = table["passages"].combine_chunks()
            counts = np.diff(passages.offsets.to_numpy())
            owners.extend((len(names) + np.repeat(np.arange(len(counts)), counts)).tolist())
            names += table["name"].to_pylist()
            sources += table["source"].to_pylist()
            digests += table["digest"].to_pylist()
            rows.extend(table["row"].to_pylist())
            lengths.extend(table["lengths"].combine_chunks().flatten().to_pylist())
            new = []
            for at, digest in enumerate(passages.flatten().to_pylist()):
                row = row_of.setdefault(digest, before := len(row_of))
                if row == before:
                    new.append(at)
                vector_rows.append(row)
            vectors = table["vectors"].combine_chunks().flatten().flatten().to_numpy().reshape(-1, width)
            file.write(vectors[new].tobytes())
        file.flush()
        shape = len(row_of), width
        mapped = (
            np.asarray(np.memmap(file, np.float32, "r", shape=shape))
            if row_of
            else np.empty(shape, np.float32)
        )
        opened.pop_all()  # from here on the data set closes them
    columns = (np.array(column, np.int64) for column in (owners, vector_rows, lengths))
    return Dataset(
        (),
        tuple(sizes),
        names,
        sources,
        np.array(rows, np.int64),
        digests,
        passages_of(*columns),
        list(row_of),
        mapped,
        {_source(one.path): SourceFile(one.mtime_ns, "") for one in inputs},
        (),
        0.0,
        (),
        {},
        texts,
        originals,
        lambda position: (),  # the places of passages are for documents in longer ones only
        Vocabulary(lambda: embedder).unknown,
        lambda: default_threshold(embedder.fingerprint, lambda: embedder),
    )
