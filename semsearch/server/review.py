"""The routes by which a person reviews near-duplicates: groups, decisions, the plan, and what becomes of it.

A review is what a job of the kind `review` finds. Its groups are those of any threshold from the lowest one up.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypedDict

import numpy as np

from semsearch import serialize
from semsearch.answers import PairAnswer, PlanAnswer, ReviewedGroupAnswer, RunAnswer
from semsearch.dedup.quarantine import Outcome
from semsearch.dedup.review import Decision, Order, Review, ReviewedGroup, Verdict, ordered
from semsearch.dedup.veto import FACTS
from semsearch.errors import InvalidInput, extra
from semsearch.requests import DedupRequest
from semsearch.server.context import API, Context
from semsearch.server.jobs import Kind, Progress
from semsearch.server.operations import Operation
from semsearch.server.parameters import Part
from semsearch.server.results import ReviewFound
from semsearch.tuning.labels import FILE, Label, open_labels
from semsearch.tuning.measured import label_metrics
from semsearch.tuning.metrics import Estimate
from semsearch.tuning.sampling import certain_pair
from semsearch.types import TIERS, Level, Tier

with extra("server", "the server"):
    from starlette.responses import Response
    from starlette.routing import Route

_STEPS = 40
"""Thresholds of the slider, about; see `_steps`."""
_STEP_SIZES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05)
State = Literal["all", "open", "decided"]


@dataclass(frozen=True, slots=True)
class ReviewOptions:
    """The near-duplicates to review; see `DedupRequest`.

    Args:
        threshold: The lowest similarity of a pair. None means a bit below the usual threshold.
        level: Compare whole documents, or passages.
        keep: The rules that choose keepers.
        differing: Also pair texts that state different facts, such as another number.
    """

    threshold: float | None = None
    level: Level = "document"
    keep: Sequence[str] = ()
    differing: bool = False


@dataclass(frozen=True, slots=True)
class ReviewRequest:
    """A review by its job, at a threshold; without one at that of the job."""

    job: str
    threshold: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupsRequest(Part):
    """Some groups of a review: those of a state, with a member of a tier, in an order."""

    job: str
    threshold: float | None = None
    order: Order = "doubt"
    tier: Tier | None = None
    state: State = "all"


@dataclass(frozen=True, slots=True)
class PairRequest:
    """Two documents of a review."""

    job: str
    keeper: str
    member: str


@dataclass(frozen=True, slots=True)
class DecisionRequest:
    """A verdict on a document and some others; see `semsearch.dedup.review.Decision`."""

    job: str
    keep: str
    others: Sequence[str]
    verdict: Verdict
    threshold: float | None = None


@dataclass(frozen=True, slots=True)
class AcceptRequest:
    """All undecided members of a tier, which go in favour of their keepers."""

    job: str
    tier: Tier
    threshold: float | None = None


@dataclass(frozen=True, slots=True)
class ApplyRequest:
    """The plan of a review, to be carried out, or only checked."""

    job: str
    threshold: float | None = None
    hardlink: bool = False
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class UndoRequest:
    """A run of `apply` to undo; the latest by default."""

    run: str = ""


class SizesOfStep(TypedDict):
    """The groups and duplicates from a threshold up, and the precision that the labels show, or null."""

    threshold: float
    groups: int
    duplicates: int
    precision: Annotated[Mapping[str, float], Estimate] | None


class SizesAnswer(TypedDict):
    """The steps of a slider, with the usual threshold and the one that `tune` saved."""

    usual: float
    saved: Mapping[str, Any] | None
    steps: list[SizesOfStep]


class ReviewProgress(TypedDict):
    """The number of groups, of those decided, and of the documents that go."""

    total: int
    decided: int
    removed: int


class GroupsAnswer(ReviewProgress):
    """Some groups of a review, and how many are `matching` or have a member of each of the `tiers`.

    `differing` counts the pairs that state different facts.
    """

    threshold: float
    lowest: float
    level: Level
    documents: int
    differing: int
    matching: int
    tiers: Mapping[str, int]
    groups: list[ReviewedGroupAnswer]


class DecidedAnswer(ReviewProgress):
    """The progress of a review, and the group of the verdict."""

    groups: list[ReviewedGroupAnswer]


class AcceptedAnswer(TypedDict):
    """The number of verdicts that were made."""

    decided: int


class LabelledAnswer(TypedDict):
    """The number of labels that were new or changed."""

    labelled: int


def routes(context: Context) -> list[Route]:
    """Return the routes, and offer the kind of jobs."""
    reviewing = _Reviewing(context)
    context.kinds["review"] = Kind(ReviewOptions, reviewing.search, reviewing.searched, "pairs")
    operations = [
        Operation("GET", f"{API}/groups", reviewing.groups, heavy=True),
        Operation("GET", f"{API}/groups/pair", reviewing.pair, heavy=True),
        Operation("GET", f"{API}/groups/sizes", reviewing.sizes, heavy=True),
        Operation("POST", f"{API}/decisions", reviewing.decide, changes=True),
        Operation("POST", f"{API}/decisions/accept", reviewing.accept, changes=True),
        Operation("POST", f"{API}/decisions/labels", reviewing.label, changes=True),
        Operation("GET", f"{API}/plan", reviewing.plan, heavy=True),
        Operation("POST", f"{API}/plan/apply", reviewing.apply, changes=True),
        Operation("POST", f"{API}/undo", reviewing.undo, changes=True),
        Operation("GET", f"{API}/runs", reviewing.runs),
    ]
    return [operation.route(context) for operation in operations]


class _Reviewing:
    """The work of a person on the groups of a job. The docstrings are the description of the API."""

    def __init__(self, context: Context) -> None:
        self._index = context.index
        self._jobs = context.jobs

    def search(self, options: ReviewOptions, progress: Progress) -> Review:
        """Find near-duplicates to review."""
        return self._index.review(
            DedupRequest(
                options.threshold, level=options.level, keep=options.keep, remove_differing=options.differing
            ),
            progress=progress,
        )

    def searched(self, review: Review) -> ReviewFound:
        """Return what a review is about; its groups are read in parts."""
        found = review.found
        return {
            "level": found.level,
            "lowest": found.threshold,
            "usual": review.usual,
            "documents": found.total,
        }

    def groups(self, request: GroupsRequest) -> GroupsAnswer:
        """Return groups of near-duplicates with the verdict on each member, and how far the review is."""
        review, threshold = self._at(request)
        groups = review.groups(threshold)
        wanted = ordered(filter(_filter(request), groups), request.order)
        page = request.of(wanted)
        found = review.found
        return {
            "threshold": threshold,
            "lowest": found.threshold,
            "level": found.level,
            "documents": found.total,
            "differing": sum(found.vetoed.get(rule, 0) for rule in FACTS),
            "matching": len(wanted),
            "tiers": {tier: sum(tier in one.tiers for one in groups) for tier in TIERS},
            **_progress(groups),
            "groups": serialize.review_json(found, page, request.offset + 1),
        }

    def pair(self, request: PairRequest) -> PairAnswer:
        """Return how two documents of a review differ: warnings, and the words of both."""
        review = self._review(request.job)
        return serialize.pair_json(review.view(request.keeper, request.member))

    def sizes(self, request: ReviewRequest) -> SizesAnswer:
        """Return the numbers of groups and of duplicates at each threshold of a slider.

        `precision` is what the labels of this index say of the pairs from that threshold up, with its 95% interval;
        null without labels. Where pairs were too many to keep there is only the job's threshold.
        """
        review = self._review(request.job)
        found = review.found
        steps = _steps(found.threshold, review.usual) if found.keeps_pairs else [found.threshold]
        measured = label_metrics(self._index.folder / FILE, self._index.model)
        rows: list[SizesOfStep] = []
        for step, (groups, duplicates) in zip(steps, found.sizes(steps), strict=True):
            metrics = measured and measured.at(step)
            rows.append(
                {
                    "threshold": step,
                    "groups": groups,
                    "duplicates": duplicates,
                    "precision": serialize.estimate_json(metrics.precision) if metrics else None,
                }
            )
        return {"usual": review.usual, "saved": self._index.threshold, "steps": rows}

    def decide(self, request: DecisionRequest) -> DecidedAnswer:
        """Keep a verdict on a document and some others, and return its group.

        A verdict holds in later reviews as well, while the texts are the same.
        """
        review, threshold = self._at(request)
        review.decide([Decision(request.keep, other, request.verdict) for other in request.others])
        groups = review.groups(threshold)
        changed = [one for one in groups if request.keep in one.group.names]
        return {**_progress(groups), "groups": serialize.review_json(review.found, changed, 1)}

    def accept(self, request: AcceptRequest) -> AcceptedAnswer:
        """Let all undecided, unprotected members of a tier go in favour of their keepers."""
        review, threshold = self._at(request)
        return {"decided": review.accept(threshold, request.tier)}

    def label(self, request: ReviewRequest) -> LabelledAnswer:
        """Add what was decided to the labels that `tune` uses: what goes is a duplicate, what differs is not."""
        review, threshold = self._at(request)
        index, found = self._index, review.found
        labels = []
        for keeper, member, duplicate in review.labelled(threshold):
            texts = found.texts([keeper, member.name])
            pair = certain_pair((keeper, member.name), (texts[0], texts[1]), member.similarity)
            labels.append(Label.of(pair, str(int(duplicate)), index.model))
        with open_labels(index.folder / FILE) as file:
            file.require_model(index.model)
            return {"labelled": file.merge(labels)}

    def plan(self, request: ReviewRequest) -> Annotated[Response, PlanAnswer]:
        """Return the plan of all that goes, as the file that `semsearch plan` writes and `semsearch apply` reads."""
        review, threshold = self._at(request)
        text = self._index.plan(review.removals(threshold)).text()
        headers = {"Content-Disposition": 'attachment; filename="plan.json"'}
        return Response(text, media_type="application/json", headers=headers)

    def apply(self, request: ApplyRequest) -> Annotated[dict[str, Any], Outcome]:
        """Move all that goes to the quarantine of the index, or with `dry_run` say what would move.

        Each step is checked as `semsearch apply` checks it. Files outside the folder that has the index stay.
        """
        review, threshold = self._at(request)
        plan = self._index.plan(review.removals(threshold))
        done = self._index.apply(plan, hardlink=request.hardlink, dry_run=request.dry_run)
        return serialize.outcome_json(done)

    def undo(self, request: UndoRequest) -> Annotated[dict[str, Any], Outcome]:
        """Move the files of a run back to where they were. Ingest them to search them again."""
        return serialize.outcome_json(self._index.undo(request.run))

    def runs(self) -> list[RunAnswer]:
        """Return the runs that can be undone, the latest last."""
        return serialize.runs_json(self._index.runs())

    def _review(self, job: str) -> Review:
        review: Review = self._jobs.found(job, "review")
        return review

    def _at(
        self, request: ReviewRequest | GroupsRequest | DecisionRequest | AcceptRequest | ApplyRequest
    ) -> tuple[Review, float]:
        """Return the review of a request and the threshold that it asks for."""
        review = self._review(request.job)
        threshold = review.usual if request.threshold is None else request.threshold
        if threshold > review.found.threshold and not review.found.keeps_pairs:
            raise InvalidInput(
                "the pairs are too many to be grouped at another threshold", "search again at that threshold"
            )
        return review, threshold


def _filter(request: GroupsRequest) -> Callable[[ReviewedGroup], bool]:
    """Return whether a request asks for a group."""

    def wanted(one: ReviewedGroup) -> bool:
        in_state = request.state == "all" or one.decided == (request.state == "decided")
        return in_state and (request.tier is None or request.tier in one.tiers)

    return wanted


def _progress(groups: Sequence[ReviewedGroup]) -> ReviewProgress:
    """Return how far a review is: the groups, those decided, and the documents that go."""
    return {
        "total": len(groups),
        "decided": sum(one.decided for one in groups),
        "removed": sum(len(one.removed) for one in groups),
    }


def _steps(lowest: float, usual: float) -> list[float]:
    """Return about 40 round thresholds from the lowest to 1, with the lowest and the usual one."""
    size = next((size for size in _STEP_SIZES if (1 - lowest) / size <= _STEPS), _STEP_SIZES[-1])
    first = int(np.ceil(lowest / size - 1e-9))
    steps = {round(number * size, 4) for number in range(first, round(1 / size) + 1)}
    return sorted({lowest, usual, *steps})
