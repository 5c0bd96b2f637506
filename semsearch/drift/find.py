"""Compare the texts of an index, or the queries of a log, between two windows of time."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from semsearch.dedup.shift import shift
from semsearch.drift.contents import Contents, Ints, Progress, index_contents, log_contents
from semsearch.drift.exchange import (
    ALARM,
    Floats,
    Mask,
    adjusted,
    exchanges,
    kernel_features,
    mean_differences,
    p_value,
    witness,
)
from semsearch.drift.measures import DriftMeasure, measured
from semsearch.drift.model import DriftModel, drift_model
from semsearch.drift.scores import DriftScores, drift_scores
from semsearch.drift.terms import DriftTerm, drift_terms, highest_z
from semsearch.drift.windows import EARLY, LATE, DriftWindow, document_dates, require_enough, windows_of
from semsearch.embedding import Embedder, Vectors
from semsearch.errors import FingerprintMismatch, InvalidInput, MissingExtra, ModelError
from semsearch.requests import INGESTED, DriftRequest
from semsearch.search.query import asked_name
from semsearch.storage.library import Library
from semsearch.tables import Table
from semsearch.tuning.metrics import Estimate
from semsearch.types import Record, as_date, several

MOST = 100_000
"""The documents that are compared; of more, so many are drawn at random."""
_TOLD_APART = 5_000
"""The documents of a window that say how far the windows can be told apart."""
_SHOWN = 3
"""The documents of each window that are shown."""
_NORMAL = 1.96


@dataclass(frozen=True, slots=True)
class DriftTest:
    """A test of one thing: "terms", "vectors", "length", "pieces", "unknown" or "scores".

    `p` is the chance of so great a difference where nothing has changed, and `adjusted` the same over all tests of a
    run. `drift` says that the latter is at most 0.02.
    """

    name: str
    p: float
    adjusted: float
    drift: bool


@dataclass(frozen=True, slots=True)
class DriftDocument:
    """A document that sets its window apart, the later one if `late`; `weight` is its value of the witness function."""

    document: str
    late: bool
    weight: float
    text: str


@dataclass(frozen=True, slots=True, repr=False)
class Drift(Table):
    """The differences between an earlier and a later window of time.

    Args:
        by: The field, or the time, that the windows are made by.
        before: The earlier window.
        now: The later window.
        undated: The documents of no window.
        amount: The share of the documents that would have to be of a new kind for a classifier to tell the windows
            apart as well as it does, in [0, 1], with its 95% interval.
        tests: The tests, the most certain difference first.
        measures: Lengths and tokens of both windows.
        terms: The terms that a window has more often, where that is not by chance.
        documents: The documents that set their window apart the most, whether or not the vectors have moved.
        model: Whether the model gives other vectors than those stored; None for a log.
        scores: Whether the guarantee of a saved threshold covers the later window; None without one, and for a log.
        notes: What was not compared, and why.
    """

    by: str
    before: DriftWindow
    now: DriftWindow
    undated: int
    amount: Estimate
    tests: tuple[DriftTest, ...]
    measures: tuple[DriftMeasure, ...]
    terms: tuple[DriftTerm, ...]
    documents: tuple[DriftDocument, ...]
    model: DriftModel | None
    scores: DriftScores | None
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        said = "drift" if self.found else "no drift"
        return f"<{said} from {self.before.documents:,} to {self.now.documents:,} documents>"

    @property
    def found(self) -> bool:
        """True where something has changed. Where nothing has, this is so in at most 2% of runs."""
        return any(test.drift for test in self.tests) or (self.model is not None and self.model.changed)

    def exceeds(self, amount: float) -> bool:
        """Return whether a check that allows an amount of drift fails: there is drift, and so much or more of it."""
        changed = self.model is not None and self.model.changed
        return self.found and (changed or self.amount.value >= amount)

    def to_dicts(self) -> list[dict[str, Any]]:
        """Return a dict for each term."""
        return [
            {"term": one.term, "before": one.before, "now": one.now, "odds": one.odds.value, "p": one.p}
            for one in self.terms
        ]


def find_drift(
    library: Library,
    request: DriftRequest,
    embedder: Callable[[], Embedder],
    progress: Progress | None = None,
) -> Drift:
    """Return what differs between two windows of the documents of a Library.

    Raises `InvalidInput` for an empty index, for a field without dates, and for a window with too few documents.
    """
    with library.snapshot():
        table, vectors = library.passage_matrix()
        if not len(table.row):
            raise InvalidInput(
                "the index has no passages yet", "ingest some texts first: semsearch ingest FOLDER"
            )
        by, dates = document_dates(library, table, request.by or INGESTED)
        windows = windows_of(dates, request)
        passages = np.bincount(table.document, minlength=len(dates))
        chosen = _drawn(windows)
        model, notes, loaded = None, [], None
        try:
            loaded = embedder()
            model = drift_model(library, table, vectors, windows, loaded)
        except FingerprintMismatch as error:
            model = DriftModel(0, None, None, True, str(error))
        except (ModelError, MissingExtra) as error:
            model = DriftModel(0, None, None, False, str(error))
            notes.append(f"the model was not asked: {error}")
        contents = index_contents(library, table, vectors, chosen, loaded, progress)
        late = windows[chosen] == LATE
        found = _compared(contents, late, by, dates, windows, passages, library.setting("threshold"))
        return replace(found, model=model, notes=(*notes, *found.notes))


def find_query_drift(queries: Sequence[Record], request: DriftRequest, embedder: Embedder) -> Drift:
    """Return what differs between two windows of a log of queries.

    Their dates are those of the field `by`; without one their order counts, and each half is a window. Raises
    `InvalidInput` as `find_drift` does.
    """
    if request.by is None:
        if request.since or request.before:
            raise InvalidInput("dates need the name of their field", "name it with --by, such as --by date")
        dates: list[str | None] = [str(row) for row in range(1, len(queries) + 1)]
        windows = np.where(np.arange(len(queries)) < len(queries) // 2, EARLY, LATE)
        require_enough(windows, dates)
    else:
        dates = [_date_of(query, request.by) for query in queries]
        windows = windows_of(dates, request)
    order = sorted(_drawn(windows).tolist(), key=lambda at: (queries[at].text, windows[at], queries[at].id))
    chosen = np.array(order, np.int64)  # the same for any order of the rows
    some = [queries[at] for at in chosen.tolist()]
    contents = log_contents([one.text for one in some], [one.id for one in some], embedder)
    ones = np.ones(len(queries), np.int64)
    return _compared(contents, windows[chosen] == LATE, request.by or "row", dates, windows, ones, None)


def _compared(
    contents: Contents,
    late: Mask,
    by: str,
    dates: Sequence[str | None],
    windows: Ints,
    passages: Ints,
    threshold: Mapping[str, Any] | None,
) -> Drift:
    scores = drift_scores(contents, late, threshold) if threshold else None
    tested = test_all(contents, late)
    values = dict(tested.values)
    if scores is not None and scores.p is not None:
        values["scores"] = scores.p
    tests = tuple(
        DriftTest(name, values[name], value, value <= ALARM) for name, value in adjusted(values).items()
    )
    drifted = {test.name for test in tests if test.drift}
    if scores is not None and scores.p is not None:
        scores = replace(scores, covered="scores" not in drifted)
    notes = [] if contents.tokens is not None else ["tokens were not counted, since no tokenizer was at hand"]
    return Drift(
        by,
        _window(EARLY, dates, windows, passages, int((~late).sum())),
        _window(LATE, dates, windows, passages, int(late.sum())),
        sum(date is None for date in dates),
        _amount(contents, late),
        tests,
        tested.measures,
        tuple(drift_terms(contents, late, tested.highest)) if "terms" in drifted else (),
        tuple(_documents(contents, late, witness(tested.features, late))),
        None,
        scores,
        tuple(notes),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Tested:
    """The p-values of some tests by name, and what they were made of: `highest` has the highest z of each exchange."""

    values: dict[str, float]
    measures: tuple[DriftMeasure, ...]
    features: Vectors
    highest: Floats


def test_all(contents: Contents, late: Mask) -> Tested:
    """Test whether the documents that are `late` [n] differ from the others in any way, but for scores of pairs."""
    measures, columns = measured(contents, late)
    features = kernel_features(contents.vectors)
    highest: list[Floats] = []
    figures: dict[str, list[Floats]] = {name: [] for name in ("vectors", *columns)}
    for some in exchanges(late):
        highest.append(highest_z(some, contents.has))
        figures["vectors"].append(np.square(mean_differences(some, features)).sum(axis=1))
        for name, column in columns.items():
            figures[name].append(np.abs(mean_differences(some, column)[:, 0]))
    values = {name: p_value(np.concatenate(parts)) for name, parts in figures.items()}
    values["terms"] = p_value(np.concatenate(highest))
    return Tested(values, tuple(measures), features, np.concatenate(highest))


def _amount(contents: Contents, late: Mask) -> Estimate:
    """Return how far a classifier tells the windows apart: twice the area under its ROC curve, less one."""
    draw = np.random.default_rng(0)
    counts = [np.log(np.maximum(1, contents.characters))[:, None], contents.vectors]
    if contents.tokens is not None and contents.unknown is not None:
        counts += [
            (contents.tokens / np.maximum(1, contents.words))[:, None],
            (contents.unknown / np.maximum(1, contents.tokens))[:, None],
        ]
    sides = (np.flatnonzero(side) for side in (~late, late))
    some = [draw.choice(own, min(_TOLD_APART, len(own)), replace=False) for own in sides]
    rows = [np.concatenate([part[own] for part in counts], axis=1).astype(np.float32) for own in some]
    told = shift(*rows)
    assert told is not None  # a window has enough documents
    area, error = told
    # Perfectly told apart: by the rule of three, at most 3 in n documents are not so, with 95% confidence.
    if not error:
        error = 3 / min(map(len, some)) / _NORMAL
    value, low, high = (min(1.0, max(0.0, 2 * (area + step * _NORMAL * error) - 1)) for step in (0, -1, 1))
    return Estimate(value, low, high)


def _documents(contents: Contents, late: Mask, weights: Floats) -> list[DriftDocument]:
    found = []
    for side in (True, False):
        own = np.flatnonzero(late == side)
        for at in own[np.argsort(-weights[own], kind="stable")[:_SHOWN]].tolist():
            text = contents.read(at)[0]
            found.append(DriftDocument(contents.names[at], side, float(weights[at]), text))
    return found


def _window(side: int, dates: Sequence[str | None], windows: Ints, passages: Ints, drawn: int) -> DriftWindow:
    own = np.flatnonzero(windows == side).tolist()
    rows = [(len(date), date) if date.isdigit() else (0, date) for at in own if (date := dates[at])]
    return DriftWindow(min(rows)[1], max(rows)[1], len(own), int(passages[own].sum()), drawn)


def _drawn(windows: Ints) -> Ints:
    """Return the documents of both windows, or of very many some of each, in rising order."""
    draw = np.random.default_rng(0)
    early, late = (np.flatnonzero(windows == side) for side in (EARLY, LATE))
    room = max(MOST // 2, MOST - len(late)), max(MOST // 2, MOST - len(early))
    some = [
        own if len(own) <= most else draw.choice(own, most, replace=False)
        for own, most in zip((early, late), room, strict=True)
    ]
    return np.sort(np.concatenate(some))


def _date_of(query: Record, name: str) -> str | None:
    values = (value for key, value in query.metadata.items() if asked_name(key) == asked_name(name))
    return next(filter(None, (as_date(one) for value in values for one in several(value))), None)
