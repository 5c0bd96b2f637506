"""The routes by which a person labels pairs of texts, and sees what the labels say of each threshold."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from threading import Lock
from typing import Annotated, Any, Literal, TypedDict

from semsearch import serialize
from semsearch.answers import CurveAnswer, PairAnswer
from semsearch.dedup.review import pair_view
from semsearch.errors import InvalidInput, extra
from semsearch.server.context import API, Context
from semsearch.server.jobs import Kind, Progress
from semsearch.server.operations import Operation
from semsearch.server.results import SampleFound
from semsearch.tuning.guarantee import Guarantee
from semsearch.tuning.labels import FILE, SKIP, Label, SampledPair, open_labels, read_labels
from semsearch.tuning.measured import label_metrics
from semsearch.tuning.metrics import PrecisionRecallCurve
from semsearch.tuning.sampling import DEFAULT_PRECISION, NextPair, PairSample
from semsearch.tuning.threshold import TuningResult
from semsearch.types import Level

with extra("server", "the server"):
    from starlette.routing import Route

_LABELS = {"yes": "1", "no": "0", "skip": SKIP}


@dataclass(frozen=True, slots=True)
class LabelOptions:
    """The pairs to label; see `Index.sample_pairs`.

    Args:
        level: Pair whole documents, or passages.
        above: The lowest similarity of a pair.
        around: The similarity near which most pairs are.
        precision: The precision that the labels shall guarantee.
        by: Draw pairs by the cosine, or by the saved classifier; by default the classifier, if there is one.
    """

    level: Level = "document"
    above: float | None = None
    around: float | None = None
    precision: float = DEFAULT_PRECISION
    by: Literal["cosine", "classifier"] | None = None


@dataclass(frozen=True, slots=True)
class TuningRequest:
    """The curve to show with the saved threshold: that a job of the kind `tune` measured, else one by the labels."""

    job: str = ""


@dataclass(frozen=True, slots=True)
class LabelsRequest:
    """A sample of pairs, by its job of the kind `label`."""

    job: str


@dataclass(frozen=True, slots=True)
class LabelRequest:
    """A person's answer on a pair of a sample: duplicates, not, or skipped."""

    job: str
    left: str
    right: str
    label: Literal["yes", "no", "skip"]


class LabelCounts(TypedDict):
    """The labels of the index, by what they say."""

    yes: int
    no: int
    skip: int


class LabelledPair(TypedDict):
    """Two texts by their names, and their label: 1 for duplicates, 0 for others, or empty."""

    left: str
    right: str
    label: str


class UndoneAnswer(LabelCounts):
    """The label that was taken back, or null."""

    undone: LabelledPair | None


class PairToLabel(PairAnswer):
    """A pair to label, with the words that differ."""

    left: str
    right: str


class NextAnswer(LabelCounts):
    """The next pair to label, and what the labels guarantee so far."""

    pairs: int
    guarantee: Annotated[dict[str, Any], Guarantee] | None
    needed: int | None
    pair: PairToLabel | None


class TuningAnswer(TypedDict):
    """The threshold and the classifier that `tune` saved, and a curve of precision and recall."""

    threshold: Mapping[str, Any] | None
    classifier: Mapping[str, Any] | None
    usual: float
    labels: LabelCounts
    curve: CurveAnswer | None


def routes(context: Context) -> list[Route]:
    """Return the routes, and offer the kind of jobs."""
    labelling = _Labelling(context)
    context.kinds["label"] = Kind(LabelOptions, labelling.sample, labelling.sampled, "pairs")
    operations = [
        Operation("GET", f"{API}/labels/next", labelling.next),
        Operation("POST", f"{API}/labels", labelling.add, changes=True),
        Operation("POST", f"{API}/labels/undo", labelling.undo, changes=True),
        Operation("GET", f"{API}/tuning", labelling.tuning),
    ]
    return [operation.route(context) for operation in operations]


class Labelling:
    """A sample of pairs to label. The labels alone decide which pair is next, so all tabs show the same."""

    def __init__(self, sample: PairSample, precision: float) -> None:
        self.sample, self._precision = sample, precision
        self._shown: dict[tuple[str, str], SampledPair] = {}
        self._lock = Lock()

    def next(self, labels: Sequence[Label]) -> NextPair:
        """Return the next pair, and what the labels guarantee."""
        found = self.sample.next(labels, self._precision)
        if pair := found.pair:
            with self._lock:
                self._shown.setdefault((pair.left, pair.right), pair)
        return found

    def named(self, left: str, right: str) -> SampledPair:
        """Return a pair that was shown. Raises `InvalidInput` for any other."""
        with self._lock:
            if pair := self._shown.get((left, right)):
                return pair
        raise InvalidInput(f"{left!r} and {right!r} are not a pair that was shown", "ask for the next pair")


class _Labelling:
    """The work of a person on pairs. The docstrings are the description of the API."""

    def __init__(self, context: Context) -> None:
        self._index, self._jobs = context.index, context.jobs
        self._file = context.index.folder / FILE
        self._lock = Lock()  # the lock of the file is for processes, and raises where it is held

    def next(self, request: LabelsRequest) -> NextAnswer:
        """Return the next pair to label, with the words that differ and without its similarity, or null at the end.

        `guarantee` is the precision that the labels guarantee so far, or null. `needed` is about how many labels more
        may guarantee more; null where that is unlikely, or not known yet.
        """
        labelling = self._labelling(request.job)
        found = labelling.next(read_labels(self._file))
        pair = found.pair
        shown: PairToLabel | None = None
        if pair is not None:
            view = pair_view((pair.text_a, pair.text_b), (pair.original_a, pair.original_b))
            shown = {"left": pair.left, "right": pair.right, **serialize.pair_json(view)}
        return {
            **self._counts(),
            "pairs": len(labelling.sample),
            "guarantee": asdict(found.guarantee) if found.guarantee else None,
            "needed": found.needed,
            "pair": shown,
        }

    def add(self, request: LabelRequest) -> LabelCounts:
        """Save a person's answer on a pair. It is on the disk when this answers."""
        pair = self._labelling(request.job).named(request.left, request.right)
        label = Label.of(pair, _LABELS[request.label], self._index.model)
        with self._lock, open_labels(self._file) as labels:
            labels.require_model(self._index.model)
            labels.merge([label])
        return self._counts()

    def undo(self) -> UndoneAnswer:
        """Take the last label back, and say which it was; null if there is none."""
        with self._lock, open_labels(self._file) as labels:
            last = labels.undo()
        undone: LabelledPair | None = None
        if last is not None:
            undone = {"left": last.left, "right": last.right, "label": last.label}
        return {**self._counts(), "undone": undone}

    def tuning(self, request: TuningRequest) -> TuningAnswer:
        """Return what `tune` saved in the index, and precision and recall at every threshold.

        They are those of the pairs that a job of the kind `tune` has held out, else those of all labels of the index;
        null while there is neither.
        """
        index = self._index
        if request.job:
            tuning: TuningResult = self._jobs.found(request.job, "tune")
            curve: PrecisionRecallCurve | None = tuning.curve
        else:
            measured = label_metrics(self._file, index.model)
            curve = measured.curve if measured else None
        return {
            "threshold": index.threshold,
            "classifier": index.classifier,
            "usual": index.usual_threshold(),
            "labels": self._counts(),
            "curve": serialize.curve_json(curve) if curve else None,
        }

    def sample(self, options: LabelOptions, progress: Progress) -> Labelling:
        """Sample the pairs to label."""
        found = self._index.sample_pairs(
            options.above, around=options.around, level=options.level, by=options.by, progress=progress
        )
        return Labelling(found, options.precision)

    def sampled(self, labelling: Labelling) -> SampleFound:
        """Return how many pairs there are, and from which similarity up."""
        sample = labelling.sample
        return {"pairs": len(sample), "lowest": sample.lowest, "asked": sample.asked}

    def _counts(self) -> LabelCounts:
        count = Counter(row.label for row in read_labels(self._file))
        return {"yes": count[_LABELS["yes"]], "no": count[_LABELS["no"]], "skip": count[_LABELS["skip"]]}

    def _labelling(self, job: str) -> Labelling:
        labelling: Labelling = self._jobs.found(job, "label")
        return labelling
