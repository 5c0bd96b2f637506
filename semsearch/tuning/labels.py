"""Store the labels that a person gives to text pairs in a CSV file that survives a kill.

A row holds a pair: its texts, the `label` (1 for a duplicate, 0 for none, `skip`), the `cosine` that the `model` gives,
the `band` of cosines it was drawn from, the number of pairs in that band (`band_pairs`), the names of the two
documents, and the time. A pair that was drawn for a guarantee also has its `score` by a `scorer`, the `cut` that it
tests, and the `floor` and sampling `probability` of its draw; see `semsearch.tuning.drawn`. These may be empty, and a
file of an earlier release does not have these columns.

Within a band, every pair is equally likely to be labelled, wherever the person stops. The bands are labelled unevenly.
So a labelled pair represents `band_pairs` / (labels of its band) pairs, the Horvitz-Thompson weight of stratified
sampling (Cochran, Sampling Techniques, 3rd ed., chapter 5). The weight changes with each label, so it is computed when
the file is read.
"""

import csv
import io
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import astuple, dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from semsearch.errors import IndexLocked, InvalidInput, SemsearchError, UnreadableSource
from semsearch.files import mode_within, read_bounded, replacing
from semsearch.readers.table import CSV, Table
from semsearch.storage.library import is_of
from semsearch.types import Draw

SKIP = "skip"
FILE = "labels.csv"
"""The name of the labels file in an index."""


@dataclass(frozen=True, slots=True)
class SampledPair:
    """A pair to label: the names and cleaned texts, their similarity, its band, and the number of pairs in that band.

    The originals are what the texts were made from, to be shown.
    """

    left: str
    right: str
    text_a: str
    text_b: str
    cosine: float
    band: str
    band_pairs: int
    original_a: str
    original_b: str
    draw: Draw | None = None

    @property
    def texts(self) -> frozenset[str]:
        """The two texts, by which the pair is known."""
        return frozenset((self.text_a, self.text_b))


@dataclass(frozen=True, slots=True)
class Label:
    """A row of a labels file."""

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
    draw: Draw | None = None

    @classmethod
    def of(cls, pair: SampledPair, label: str, model: str) -> "Label":
        """Return the label that a person gives to a pair now."""
        names = (field.name for field in fields(cls) if hasattr(pair, field.name))
        now = datetime.now(UTC).isoformat(timespec="seconds")
        return cls(**{name: getattr(pair, name) for name in names}, label=label, model=model, labelled=now)

    @property
    def texts(self) -> frozenset[str]:
        """The two texts, by which the pair is known."""
        return frozenset((self.text_a, self.text_b))


_MOST_BYTES = 1_000_000_000
_DRAW = tuple(field.name for field in fields(Draw))
_FIRST = tuple(field.name for field in fields(Label) if field.name != "draw")
_COLUMNS = _FIRST + _DRAW


class LabelFile:
    """A labels file, opened by `open_labels`. A label is on the disk when `add` returns."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows = read_labels(path)
        self._rewrite()  # drops a row that a power cut has torn, and ends the last line

    def add(self, label: Label) -> None:
        """Append a label. Raises `SemsearchError` if it cannot be written."""
        with _translated(self.path), self.path.open("ab") as file:
            file.write(_line(_values(label)))
            file.flush()
            os.fsync(file.fileno())
        self.rows.append(label)

    def require_model(self, model: str) -> None:
        """Raise `InvalidInput` if the file has labels for another model, whose cosines mean something else."""
        if others := {row.model for row in self.rows} - {model}:
            raise InvalidInput(
                f"{self.path} has labels for the model {min(others)}, and the index has {model}",
                "name another file with --output",
            )

    def merge(self, labels: Iterable[Label]) -> int:
        """Add labels, each in place of an earlier one of the same two texts; return how many are new or other ones."""
        known = {row.texts: row for row in self.rows}
        changed = {
            row.texts: row for row in labels if row.texts not in known or known[row.texts].label != row.label
        }
        count = len(changed)
        if changed:
            # The order, and how a pair was drawn, stay: what the labels guarantee depends on them.
            self.rows = [
                replace(row, label=new.label, labelled=new.labelled)
                if (new := changed.pop(row.texts, None))
                else row
                for row in self.rows
            ]
            self.rows += changed.values()
            self._rewrite()
        return count

    def undo(self) -> Label | None:
        """Remove the last label, of this run or an earlier one, and return it; None if there is none."""
        if not self.rows:
            return None
        last = self.rows.pop()
        self._rewrite()
        return last

    def keep(self, wanted: Callable[[Label], bool]) -> None:
        """Remove all labels but those that are wanted."""
        self.rows = list(filter(wanted, self.rows))
        self._rewrite()

    def count(self, *labels: str) -> int:
        """Return the number of rows with one of these labels."""
        return sum(row.label in labels for row in self.rows)

    def _rewrite(self) -> None:
        like = self.path if self.path.exists() else None
        mode = mode_within(self.path.parent)
        with _translated(self.path), replacing(self.path, like=like, mode=mode) as file:
            file.write(_line(_COLUMNS) + b"".join(_line(_values(row)) for row in self.rows))


@contextmanager
def open_labels(path: Path) -> Iterator[LabelFile]:
    """Open a labels file, or create it, and lock it for this process.

    Raises `IndexLocked` while another process adds labels, and `InvalidInput` if the file holds something else or its
    folder does not exist.
    """
    if not path.parent.is_dir():
        raise InvalidInput(f"there is no folder {path.parent}", "create it first")
    lock = FileLock(path.with_name(f".{path.name}.lock"), timeout=0, mode=mode_within(path.parent))
    try:
        with _translated(path):
            lock.acquire()
    except Timeout:
        raise IndexLocked(f"another process is adding to {path}", "stop it first") from None
    try:
        yield LabelFile(path)
    finally:
        lock.release()


def forget_labels(folder: Path, sources: Collection[str]) -> None:
    """Remove the pairs with a document of some sources from the labels file in an index's folder.

    Raises what `open_labels` does.
    """
    path = folder / FILE
    if any(_names_any(row, sources) for row in read_labels(path)):
        with open_labels(path) as file:
            file.keep(lambda row: not _names_any(row, sources))


def _names_any(row: Label, sources: Collection[str]) -> bool:
    return is_of(row.left, sources) or is_of(row.right, sources)


def read_labels(path: Path) -> list[Label]:
    """Return the rows of a labels file, none where there is no file. Raises `InvalidInput` for another file."""
    if not path.exists():
        return []
    found: list[Label] = []
    written = ""
    try:
        with _translated(path):
            content = read_bounded(path, _MOST_BYTES)
        written = content.decode("utf-8-sig")
        table = Table(io.StringIO(written, newline=""), (CSV,))
        for record in table:
            if not record.number:
                if record.cells and tuple(record.cells) not in (_COLUMNS, _FIRST):
                    raise InvalidInput(
                        f"{path} is not a labels file: its columns are {', '.join(record.cells)}",
                        "name another file",
                    )
                continue
            if record.problem:
                raise ValueError(record.problem)
            a, b, label, cosine, model, band, pairs, left, right, labelled, *draw = record.cells
            drawn = read_draw(dict(zip(_DRAW, draw, strict=bool(draw))))
            found.append(
                Label(a, b, label, float(cosine), model, band, int(pairs), left, right, labelled, drawn)
            )
    except (UnreadableSource, ValueError) as error:
        # Each row is one write, so a power cut can tear only the last row, which then lacks its line end.
        if not found or written.endswith("\n"):
            where = f"after {len(found):,} good rows"
            raise InvalidInput(
                f"{path} is damaged {where}: {error}", "repair it, or name another file"
            ) from error
    except OSError as error:
        raise InvalidInput(f"cannot read {path}: {error.strerror}") from error
    return found


def read_draw(row: Mapping[str, object]) -> Draw | None:
    """Return the draw in a row, None where it has no scorer. Raises `ValueError` for one that cannot be."""
    cells = {name: str(row.get(name) or "").strip() for name in _DRAW}
    if not (scorer := cells.pop("scorer")):
        return None
    score, *draw = cells.values()
    return Draw(scorer, float(score), *(float(cell) if cell else None for cell in draw))


def _values(row: Label) -> tuple[object, ...]:
    """Return the cells of a row."""
    draw = astuple(row.draw) if row.draw else ()
    return (*(getattr(row, name) for name in _FIRST), *draw, *[None] * (len(_DRAW) - len(draw)))


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
