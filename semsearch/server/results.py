"""The types of what jobs find, for the description of the API."""

from collections.abc import Mapping
from typing import Annotated, Any, TypedDict

from semsearch.answers import DedupAnswer, UndoneAdaptation
from semsearch.ingest.report import IngestReport
from semsearch.storage.check import CheckReport
from semsearch.tuning.adapt import Adaptation
from semsearch.tuning.guarantee import Guarantee
from semsearch.tuning.metrics import OperatingPoint, ThresholdMetrics
from semsearch.tuning.threshold import Objective
from semsearch.types import Level


class Soundness(TypedDict):
    """The verdict of a check: true where nothing is wrong."""

    sound: bool


class TunedClassifierAnswer(TypedDict):
    """A trained classifier, see `TunedClassifier`, without its trees."""

    probability_threshold: float
    guarantee: Annotated[Mapping[str, Any], Guarantee] | None
    reported: Annotated[Mapping[str, Any], ThresholdMetrics]


class TuningFound(TypedDict):
    """A chosen threshold, see `TuningResult`, the model it is for, and the folder of the index that it is saved in."""

    name: str
    rule: str
    objective: Annotated[Mapping[str, Any], Objective]
    threshold: float
    guarantee: Annotated[Mapping[str, Any], Guarantee] | None
    chosen_on: Annotated[Mapping[str, Any], ThresholdMetrics]
    reported: Annotated[Mapping[str, Any], ThresholdMetrics]
    table: list[Annotated[Mapping[str, Any], OperatingPoint]]
    notes: list[str]
    classifier: TunedClassifierAnswer | None
    model: str
    saved_in: str | None


class ReviewFound(TypedDict):
    """The subject of a review: its lowest and its usual threshold, and the number of documents."""

    level: Level
    lowest: float
    usual: float
    documents: int


class SampleFound(TypedDict):
    """The number of pairs to label, the lowest similarity of one, and the one that was asked for."""

    pairs: int
    lowest: float
    asked: float


JobResult = (
    Annotated[Mapping[str, Any], IngestReport]
    | DedupAnswer
    | TuningFound
    | Annotated[Mapping[str, Any], Adaptation]
    | UndoneAdaptation
    | Annotated[Mapping[str, Any], CheckReport, Soundness]
    | ReviewFound
    | SampleFound
    | None
)
"""The result of a job, by its kind; null until it is done."""
