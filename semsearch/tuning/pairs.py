"""Load labelled pairs of texts: SICK, the STS benchmark, the project's sample, or a user's file."""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from semsearch.errors import InvalidInput, UnreadableSource
from semsearch.files import sample_corpus
from semsearch.readers import RowFields, RowFormat
from semsearch.readers.dialect import DETECT
from semsearch.readers.rows import Tell, table_rows
from semsearch.tuning.labels import SKIP, read_draw
from semsearch.tuning.public_datasets import DATA, PUBLIC_DATASETS
from semsearch.types import LabelledPair, Skipped

_TEXTS = (
    ("text_a", "text_b"),
    ("sentence1", "sentence2"),
    ("sentence_a", "sentence_b"),
    ("question1", "question2"),
    ("text1", "text2"),
    ("a", "b"),
)
_LABELS = ("label", "duplicate", "is_duplicate")
_SCORES = ("score", "similarity", "relatedness_score")
_SPLITS = ("split", "semeval_set")
_KINDS = ("kind", "entailment_label")
_LABELS_FILE = ("band", "band_pairs", "cosine", "model")
"""Columns of a file that `semsearch label` has written."""
_TRUTH = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
_SICK_COLUMNS = {
    "sentence_A",
    "sentence_B",
    "relatedness_score",
    "entailment_AB",
    "entailment_BA",
    "SemEval_set",
}
_SCORE_RULE = re.compile(r"(?:relatedness|score)\s*(>=|>)\s*(-?\d+(?:\.\d+)?)")


@dataclass(frozen=True, slots=True)
class PairColumns:
    """The columns of a user's file. None means that the column is recognised by its name.

    If the label or the score is named, the other is read only if it is named too. So a column that happens to be called
    "label" can be left out. Naming any column turns off the handling of SICK and of STS-B's three columns.
    """

    text_a: str | None = None
    text_b: str | None = None
    label: str | None = None
    score: str | None = None


RECOGNISE = PairColumns()
"""No column is named; all are recognised by their names."""


@dataclass(frozen=True, slots=True)
class PairSet:
    """Labelled pairs in the order of their file, and the rows left out (with "file:LINE" as their `path`).

    `notes` say what was detected in a file that is not plain.
    """

    name: str
    pairs: tuple[LabelledPair, ...]
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def default_rule(self) -> str:
        """The default rule for duplicates: `paraphrase`, or `score>=4` on a 0-5 scale.

        In the STS guidelines, four of five means that the texts differ only in unimportant details. On another scale
        any cut would be a guess, so this raises `InvalidInput` and the user has to give a rule.
        """
        if all(pair.duplicate is not None for pair in self.pairs):
            return "paraphrase"
        scores = [pair.score for pair in self.pairs if pair.score is not None]
        if len(scores) == len(self.pairs) and min(scores) >= 0 and 4 < max(scores) <= 5:
            return "score>=4"
        raise InvalidInput(
            f"{self.name}: which pairs count as duplicates? {_available(self.pairs)}",
            hint="give a rule with --positive, for example --positive 'score>=0.8'",
        )


def load_pairs(spec: str, *, columns: PairColumns = RECOGNISE, format: RowFormat = DETECT) -> PairSet:
    """Load the pairs of `sick`, `sts-b` (its test part), `sts-b:train|dev|test`, `sample`, or a file.

    A file has rows as a data set has: a table, JSON Lines, JSON or Parquet, with any of the formats that are detected
    there; `format` says what detection cannot. A file of another name is a table. SICK is
    recognised by its columns. So is the file of `semsearch label`; its pairs get the weights of their bands. Three
    columns without a header, the third a number, are read as STS-B's. A column `weight` holds the weights.

    A row is skipped and reported if a column is missing, a text is empty, the label is not 0/1, true/false or yes/no,
    or the score is not a number.

    Raises `InvalidInput` if the file is missing or not text, if its columns cannot be recognised, or if no pair is
    left.
    """
    path = _find(spec)
    notes: list[str] = []
    header, rows = _read(path, format, notes.append, recognise=columns == RECOGNISE)
    if not rows:
        raise InvalidInput(
            f"{spec}: no usable pairs in 0 rows", "it needs a row for each pair, below a header"
        )
    layout = _layout(spec, header, columns)
    pairs, skipped, bands = [], [], []
    for line, row in rows:
        try:
            if isinstance(row, Mapping) and layout.label and row.get(layout.label) == SKIP:
                skipped.append(Skipped(f"{path}:{line}", "skipped while labelling"))
                continue
            pairs.append(layout.pair(row))
            bands.append(row.get("band") if isinstance(row, Mapping) else None)
        except ValueError as error:
            skipped.append(Skipped(f"{path}:{line}", str(error), failed=True))
    if layout.banded:  # `weight` is the number of pairs in the band; see `labels`
        drawn = Counter(bands)
        pairs = [
            replace(pair, weight=pair.weight / drawn[band]) for pair, band in zip(pairs, bands, strict=True)
        ]
    if not pairs:
        first = f"; {skipped[0].path}: {skipped[0].reason}" if skipped else ""
        raise InvalidInput(f"{spec}: no usable pairs in {len(rows):,} rows{first}", hint=_columns(header))
    return PairSet(spec, tuple(pairs), tuple(skipped), tuple(notes))


def positives(pairs: Sequence[LabelledPair], rule: str) -> NDArray[np.bool_]:
    """Return the mask of the duplicates, bool [pairs], by a rule in the syntax of `--positive`.

    `paraphrase` takes the label; `score>=4` or `score>4` (`relatedness` means the same) cuts the score. Raises
    `InvalidInput` for any other rule, and if a pair lacks the label or score that the rule needs.
    """
    match = _SCORE_RULE.fullmatch(rule.strip())
    if not match and rule.strip() != "paraphrase":
        raise InvalidInput(
            f"unknown rule {rule!r}: use paraphrase, or score>=NUMBER or relatedness>=NUMBER (or > for >=)",
            hint=_available(pairs),
        )
    values = list(map(attrgetter("score" if match else "duplicate"), pairs))
    if missing := values.count(None):
        what = "score" if match else "duplicate label"
        raise InvalidInput(
            f"{rule}: {missing:,} of {len(pairs):,} pairs have no {what}", hint=_available(pairs)
        )
    if not match:
        return np.array(values, bool)
    scores, cut = np.array(values, float), float(match[2])
    return scores >= cut if match[1] == ">=" else scores > cut


def _available(pairs: Sequence[LabelledPair]) -> str:
    """Return in words which labels and scores these pairs have."""
    labels = sum(pair.duplicate is not None for pair in pairs)
    scores = [pair.score for pair in pairs if pair.score is not None]
    found = []
    if labels:
        found.append(f"{labels:,} duplicate labels (paraphrase)")
    if scores:
        found.append(f"{len(scores):,} scores from {min(scores):g} to {max(scores):g} (score>=NUMBER)")
    return f"the {len(pairs):,} pairs have {' and '.join(found) or 'neither labels nor scores'}"


def _columns(header: Sequence[str]) -> str:
    return f"the columns are: {', '.join(header)}"


def _find(spec: str) -> Path:
    """Return the file that `spec` names; public data sets lie in $SEMSEARCH_DATA or the user's cache."""
    if spec == "sample":
        return sample_corpus() / "pairs.csv"
    if (dataset := PUBLIC_DATASETS.get(spec)) is None:
        return Path(spec)
    if (found := dataset.find()) is None:
        raise InvalidInput(
            f"{spec}: no {dataset.file} in {' or '.join(map(str, dataset.folders()))}",
            hint=f"--download gets {dataset.description}; or set {DATA} to a folder that holds {dataset.file}",
        )
    return found


_Row = Mapping[str, object] | str
"""A row by its column names, or the reason why it could not be read."""
_Rows = list[tuple[int, _Row]]
"""Rows, each with the line of the file that it starts on, from 1."""


def _read(path: Path, format: RowFormat, tell: Tell, *, recognise: bool) -> tuple[list[str], _Rows]:
    """Return the column names and the rows of a file, without blank lines."""
    rows: _Rows = []
    header: dict[str, None] = {}
    try:
        for item in table_rows(path, RowFields(format=format), tell):
            if isinstance(item, Skipped):
                rows.append((int(item.path.rpartition(":")[2]), item.reason))
            else:
                rows.append((item.line, item.values))
                header.update(dict.fromkeys(item.values))
    except OSError as error:
        names = ", ".join(PUBLIC_DATASETS)
        raise InvalidInput(
            f"cannot read the pairs in {path}: {error.strerror or error}",
            hint=f"name a CSV, TSV, JSON, JSON Lines or Parquet file, or one of sample, {names}",
        ) from error
    except UnreadableSource as error:
        raise InvalidInput(f"cannot read the pairs in {path}: {error}") from error
    return _recognised(list(header), rows) if recognise else (list(header), rows)


def _recognised(header: list[str], rows: _Rows) -> tuple[list[str], _Rows]:
    """Return the columns and the rows, with the labels of SICK, and with names for three columns without a header."""
    read = [row for _, row in rows if not isinstance(row, str)]
    if set(header) >= _SICK_COLUMNS:
        whole = (
            (line, row if isinstance(row, str) else {**row, "duplicate": _both_entail(row)})
            for line, row in rows
        )
        return [*header, "duplicate"], list(whole)
    if header == ["column 1", "column 2", "column 3"] and read and _is_number(read[0]["column 3"]):
        names = ["text_a", "text_b", "score"]
        named = (
            (line, row if isinstance(row, str) else dict(zip(names, row.values(), strict=True)))
            for line, row in rows
        )
        return names, list(named)
    return header, rows


def _both_entail(row: Mapping[str, object]) -> bool:
    """Return whether each sentence entails the other; these pairs are SICK's paraphrases."""
    return row["entailment_AB"] == "A_entails_B" and row["entailment_BA"] == "B_entails_A"


@dataclass(frozen=True, slots=True)
class _Layout:
    """The columns of a row by their role."""

    text_a: str
    text_b: str
    label: str | None
    score: str | None
    split: str | None
    kind: str | None
    weight: str | None
    banded: bool

    def pair(self, row: _Row) -> LabelledPair:
        """Return the pair that a row holds. Raises `ValueError`, which says what is wrong with it."""
        if isinstance(row, str):
            raise ValueError(row)
        return LabelledPair(
            _text(row, self.text_a),
            _text(row, self.text_b),
            duplicate=_truth(row, self.label) if self.label else None,
            score=_number(row, self.score) if self.score else None,
            split=str(row.get(self.split) or "").strip().lower() if self.split else "",
            kind=str(row.get(self.kind) or "").strip() if self.kind else "",
            weight=_positive(row, self.weight) if self.weight else 1.0,
            cosine=_number(row, "cosine") if self.banded else None,
            model=str(row.get("model")) if self.banded else "",
            draw=read_draw(row) if self.banded else None,
        )


def _layout(spec: str, header: Sequence[str], columns: PairColumns) -> _Layout:
    for name in (columns.text_a, columns.text_b, columns.label, columns.score):
        if name is not None and name not in header:
            raise InvalidInput(f"{spec}: no column {name!r}", hint=_columns(header))
    known = {name.lower(): name for name in reversed(header)}

    def recognised(*names: str) -> str | None:
        return next((known[name] for name in names if name in known), None)

    first, second = next((pair for pair in _TEXTS if known.keys() >= set(pair)), ("", ""))
    text_a, text_b = columns.text_a or known.get(first), columns.text_b or known.get(second)
    if not text_a or not text_b:
        raise InvalidInput(f"{spec}: cannot tell which two columns hold the texts", hint=_columns(header))
    label, score = columns.label, columns.score
    banded = set(_LABELS_FILE) <= set(header)
    if not label and not score:  # in a file of `label` the score belongs to a draw
        label, score = recognised(*_LABELS), None if banded else recognised(*_SCORES)
    if not label and not score:
        raise InvalidInput(
            f"{spec}: cannot tell which column holds a label or a score", hint=_columns(header)
        )
    weight = "band_pairs" if banded else recognised("weight")
    return _Layout(text_a, text_b, label, score, recognised(*_SPLITS), recognised(*_KINDS), weight, banded)


def _text(row: Mapping[str, object], column: str) -> str:
    text = row.get(column)
    if not isinstance(text, str) or not text.strip():
        raise ValueError(f"no text in {column!r}")
    text.encode()  # half a surrogate pair (JSON's "\\ud800") is a ValueError too
    return text


def _truth(row: Mapping[str, object], column: str) -> bool:
    label = row.get(column)
    truth = _TRUTH.get(str(label).strip().lower())
    if truth is None:
        raise ValueError(f"{column} {label!r:.40} is not 0/1, true/false or yes/no")
    return truth


def _number(row: Mapping[str, object], column: str) -> float:
    score = row.get(column)
    if not _is_number(score):
        raise ValueError(f"{column} {score!r:.40} is not a number")
    return float(str(score))


def _positive(row: Mapping[str, object], column: str) -> float:
    number = _number(row, column)
    if number <= 0:
        raise ValueError(f"{column} {number:g} is not above 0")
    return number


def _is_number(value: object) -> bool:
    try:
        return math.isfinite(float(str(value)))
    except ValueError:
        return False
