"""The labels that a person gives to pairs of their own texts: one CSV file, which a kill loses nothing of.

A row is a pair: its texts, `label` (1 a duplicate, 0 none, `skip` neither), its `cosine` to the `model`, the `band` of
cosines that it was drawn from and how many pairs that has (`band_pairs`), the names of the two documents, and when.

Within a band every pair is as likely to be among the labelled as any other, however many there are and whenever one
stops; the bands are labelled unevenly. So a labelled pair stands for `band_pairs` / the labels of its band: the
Horvitz-Thompson weight of stratified sampling (Cochran, Sampling Techniques, 3rd ed., chapter 5). It is not in the
file, since it changes with each label; whoever reads the file counts.
"""

import csv
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from filelock import FileLock, Timeout

from semsearch.errors import IndexLocked, InvalidInput, SemsearchError, UnreadableSource
from semsearch.files import replacing
from semsearch.readers.table import CSV, Table

SKIP = "skip"
FILE = "labels.csv"
"""The file's name in an index."""


@dataclass(frozen=True, slots=True)
class Label:
    """A row of the file."""

    text_a: str
    text_b: str
    label: str
    cosine: float
    model: str
    band: str
    band_pairs: int
    left: str
    right: str
    labelled: str


_COLUMNS = tuple(field.name for field in fields(Label))


class Labels:
    """The labels in a file, and those given now; each is on the disk when `add` returns. Made by `open_labels`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows = _read(path)
        self._rewrite()  # what a power cut has torn is gone, and the last line has an end

    def add(self, label: Label) -> None:
        """Append a label."""
        with _translated(self.path), self.path.open("ab") as file:
            file.write(_line(astuple(label)))
            file.flush()
            os.fsync(file.fileno())
        self.rows.append(label)

    def undo(self) -> Label | None:
        """Take back the last label, of this run or an earlier one, and return it."""
        if not self.rows:
            return None
        last = self.rows.pop()
        self._rewrite()
        return last

    def count(self, *labels: str) -> int:
        """How many rows have one of these labels."""
        return sum(row.label in labels for row in self.rows)

    def _rewrite(self) -> None:
        with _translated(self.path), replacing(self.path) as file:
            file.write(_line(_COLUMNS) + b"".join(_line(astuple(row)) for row in self.rows))


@contextmanager
def open_labels(path: Path) -> Iterator[Labels]:
    """The labels in a file, which is made if there is none, while nobody else adds any.

    Raises `IndexLocked` while another process labels, and `InvalidInput` for a file that holds something else
    or has no folder.
    """
    if not path.parent.is_dir():
        raise InvalidInput(f"there is no folder {path.parent}", "make it first")
    lock = FileLock(path.with_name(f".{path.name}.lock"), timeout=0)
    try:
        with _translated(path):
            lock.acquire()
    except Timeout:
        raise IndexLocked(f"another process is adding to {path}", "end it first") from None
    try:
        yield Labels(path)
    finally:
        lock.release()


def _read(path: Path) -> list[Label]:
    if not path.exists():
        return []
    found: list[Label] = []
    written = ""
    try:
        written = path.read_bytes().decode("utf-8-sig")
        table = Table(io.StringIO(written, newline=""), (CSV,))
        for record in table:
            if not record.number:
                if record.cells and tuple(record.cells) != _COLUMNS:
                    raise InvalidInput(
                        f"{path} holds no labels: its columns are {', '.join(record.cells)}",
                        "name another file",
                    )
                continue
            if record.problem:
                raise ValueError(record.problem)
            a, b, label, cosine, model, band, pairs, left, right, labelled = record.cells
            found.append(Label(a, b, label, float(cosine), model, band, int(pairs), left, right, labelled))
    except (UnreadableSource, ValueError) as error:
        # Each row is written in one go, so a power cut can tear the last one only, and takes its line end away.
        if not found or written.endswith("\n"):
            where = f"after {len(found):,} good rows"
            raise InvalidInput(
                f"{path} is damaged {where}: {error}", "mend it, or name another file"
            ) from error
    except OSError as error:
        raise InvalidInput(f"cannot read {path}: {error.strerror}") from error
    return found


def _line(values: tuple[object, ...]) -> bytes:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(values)
    return line.getvalue().encode()


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except Timeout:
        raise
    except OSError as error:
        raise SemsearchError(f"cannot write {path}: {error.strerror or error}") from error
