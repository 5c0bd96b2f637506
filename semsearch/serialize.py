"""Define the JSON form of every result, for the command line and any server.

Every function returns or yields what `json.dumps` takes: dicts, lists, strings, numbers, booleans and None.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, fields, is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from semsearch.answers import (
    Closest,
    ClusteredText,
    ClustersAnswer,
    ComparisonAnswer,
    CurveAnswer,
    DedupAnswer,
    DifferenceAnswer,
    DocumentAnswer,
    DriftAnswer,
    Explained,
    FactWarning,
    FieldAnswer,
    FoundPassage,
    GroupAnswer,
    Located,
    MemberAnswer,
    PairAnswer,
    PassageAnswer,
    PassageOfQuery,
    PlacedText,
    Probable,
    Ranged,
    RankedPassage,
    ReviewedGroupAnswer,
    ReviewedMember,
    RunAnswer,
    SearchAnswer,
    Sides,
    SimilarAnswer,
    TriageFound,
    UndoneAdaptation,
)
from semsearch.ingest.sources import is_file
from semsearch.requests import SearchRequest, SimilarRequest
from semsearch.search.doubt import nothing_relevant
from semsearch.types import TIERS, Contained, FieldCounts, Group, Hit, Member, Pair

if TYPE_CHECKING:  # each is heavy to import, and few callers have more than one of these results
    from semsearch.classification.triage import Triage
    from semsearch.clustering.clusters import ClusterMember, Clusters, Spread
    from semsearch.dedup import Duplicates
    from semsearch.dedup.comparison import Comparison
    from semsearch.dedup.in_files import Dataset
    from semsearch.dedup.leak import Leaks
    from semsearch.dedup.quarantine import Outcome
    from semsearch.dedup.review import PairView, ReviewedGroup
    from semsearch.dedup.runs import QuarantineRun
    from semsearch.drift.find import Drift
    from semsearch.embedding.inventory import ListedModel
    from semsearch.ingest.explain import SourceStatus
    from semsearch.ingest.lookup import DocumentVectors
    from semsearch.ingest.report import IngestReport
    from semsearch.storage.check import CheckReport
    from semsearch.storage.forget import Forgotten
    from semsearch.storage.index_dir import Status
    from semsearch.storage.library import Salvage, StoredPassage
    from semsearch.text.diff import Difference, Segment
    from semsearch.tuning.adapt import Adaptation
    from semsearch.tuning.metrics import Estimate, PrecisionRecallCurve
    from semsearch.tuning.threshold import TuningResult

PathOf = Callable[[str], Path]
"""Returns the file of a source, as `Index.path_of` does."""

DescribedBy = Callable[[str, str, tuple[str, str]], str]
"""Describes how a member's cleaned text differs from the keeper's: both texts, and what both were made from."""

_BATCH = 256
"""The number of texts that are read at a time."""


# -- searching ------------------------------------------------------------------------------------------


def search_json(
    path_of: PathOf, hits: Sequence[Hit], request: SearchRequest, notes: Sequence[str] = ()
) -> SearchAnswer:
    """Return the answer to a query, with the `notes` on it; see `semsearch.search.doubt` for `relevant`."""
    found = [hit_json(path_of, hit, request.explain) for hit in hits]
    relevant = bool(hits) and not nothing_relevant(hits)
    return {"query": request.query, "notes": list(notes), "relevant": relevant, "hits": found}


def facets_json(facets: Sequence[FieldCounts]) -> list[FieldAnswer]:
    """Return the values of fields with the numbers of documents."""
    return [
        {
            "field": one.field,
            "documents": one.documents,
            "total": one.total,
            "values": [{"value": value, "count": count} for value, count in one.values],
        }
        for one in facets
    ]


def similar_json(
    path_of: PathOf, hits: Sequence[Hit], request: SimilarRequest, notes: Sequence[str] = ()
) -> SimilarAnswer:
    """Return what is similar to a document, with the `notes` on it."""
    found: list[RankedPassage] = [
        {"rank": rank, **hit_json(path_of, hit)} for rank, hit in enumerate(hits, 1)
    ]
    return {"file": request.document, "line": request.line, "notes": list(notes), "hits": found}


def document_json(name: str, passages: Sequence["StoredPassage"]) -> DocumentAnswer:
    """Return a document's passages as they are stored."""
    shown: list[PassageAnswer] = [
        {
            "text": one.original or one.text,
            "unit": one.unit,
            "start": one.first,
            "end": one.last,
            "heading": one.heading,
            "passage_id": one.id,
        }
        for one in passages
    ]
    return {"name": name, "metadata": dict(passages[0].metadata), "passages": shown}


def hit_rows(
    path_of: PathOf, hits: Sequence[Hit], request: SearchRequest | SimilarRequest
) -> Iterator[RankedPassage | PassageOfQuery]:
    """Yield an object for each hit, with its rank, and with its query where there is one."""
    for rank, hit in enumerate(hits, 1):
        if isinstance(request, SearchRequest):
            yield {"query": request.query, "rank": rank, **hit_json(path_of, hit, request.explain)}
        else:
            yield {"rank": rank, **hit_json(path_of, hit)}


def hit_json(path_of: PathOf, hit: Hit, explain: bool = False) -> FoundPassage:
    """Return a hit; with `explain` its ranks and the factor of its document too."""
    start, end = hit.highlight
    return {
        **_located(path_of, hit, explain),
        "text": hit.text,
        "best_sentence": hit.text[start:end],
        "metadata": dict(hit.metadata),
        "copies": [_located(path_of, copy, explain) for copy in hit.copies],
    }


def _located(path_of: PathOf, hit: Hit, explain: bool) -> Located:
    """Return the place of a hit, and its scores."""
    explained: Explained = {}
    if explain:
        explained = {
            "dense_rank": hit.dense_rank,
            "lexical_rank": hit.lexical_rank,
            "document_factor": hit.document_factor,
        }
    return {
        "score": round(hit.score, 6),
        "relevance": None if hit.relevance is None else round(hit.relevance, 6),
        "cosine": None if hit.cosine is None else round(hit.cosine, 6),
        "bm25": None if hit.bm25 is None else round(hit.bm25, 4),
        **explained,
        "source": hit.source,
        "path": str(path_of(hit.source)) if is_file(hit.source) else None,
        "document": hit.document,
        "heading": hit.heading,
        "unit": hit.unit,
        "start": hit.start,
        "end": hit.end,
        "passage_id": hit.passage_id,
    }


# -- near-duplicates ------------------------------------------------------------------------------------


def duplicates_json(
    found: "Duplicates", origin: str, difference: DescribedBy | None = None
) -> dict[str, Any]:
    """Return the groups of near-duplicates, their counts, and the rejected pairs where there are any.

    `vetoed` counts the pairs that are alike and have a veto, by its rule, see `semsearch.dedup.veto.RULES`.

    `origin` says where the threshold comes from. `difference` is as in `group_rows`.
    """
    return {**duplicates_summary_json(found, origin), "groups": list(group_rows(found, difference))}


def duplicates_summary_json(found: "Duplicates", origin: str) -> DedupAnswer:
    """Return what `duplicates_json` does without the groups."""
    counts: DedupAnswer = {
        "threshold": found.threshold,
        "level": found.level,
        "linkage": found.linkage,
        "total": found.total,
        "exact": found.exact,
        "lexical": found.lexical,
        "semantic": found.semantic,
        "near": found.near,
        "fraction": found.fraction,
        "threshold_origin": origin,
        "vetoed": dict(found.vetoed),
        "undecided": found.undecided,
    }
    if found.containment is not None:
        counts["containment"] = found.containment
        counts["more_contained"] = found.more_contained
        counts["contained"] = [asdict(pair) for pair in found.contained]
    if found.shift is not None:
        counts["guarantee_carries_over"] = found.guarantee_carries_over
    if found.rejected:
        counts["rejected"] = [asdict(pair) for pair in found.rejected]
        counts["more_rejected"] = found.more_rejected
    return counts


def group_rows(found: "Duplicates", difference: DescribedBy | None = None) -> Iterator[GroupAnswer]:
    """Yield an object for each group, with the beginning of each text as it was written.

    `difference` describes how a member differs from the keeper.
    """
    for number, group in enumerate(found.groups, 1):
        (keeper,) = found.originals([group.keeper])
        texts = _texts(found.originals, group)
        members = [_member(*each, keeper) for each in zip(group.members, texts, strict=True)]
        if difference is not None:
            for member, text in zip(members, _differences(found, group, difference), strict=True):
                member["difference"] = text
        yield {
            "group": number,
            "keeper": group.keeper,
            "members": members,
            "lowest": group.lowest,
            "weakest": group.weakest,
            "keeper_text": excerpt(keeper),
        }


def _member(member: Member, text: str, keeper: str) -> MemberAnswer:
    found: MemberAnswer = {
        "name": member.name,
        "similarity": member.similarity,
        "jaccard": member.jaccard,
        "tier": member.tier,
        "protected": member.protected,
        "text": excerpt(text, keeper),
    }
    if member.probability is not None:
        found["probability"] = member.probability
    if member.differs:
        found["differs"] = member.differs
    return found


def excerpt(text: str, other: str = "", width: int = 200) -> str:
    """Return a text on one line of at most `width` characters, from near the first difference to an `other` text on.

    Letters that differ only in their form, such as full and half width, count as the same.
    """
    text, other = " ".join(text.split()), " ".join(other.split())
    if len(text) <= width:
        return text
    from semsearch.text import clean

    pairs = enumerate(zip(text, other, strict=False))
    same = next((at for at, (a, b) in pairs if a != b and clean(a) != clean(b)), 0)
    start = max(0, min(same - width // 3, len(text) - width + 1)) if same > width // 2 else 0
    part = text[start : start + width - (2 if start else 1)]
    return f"{'…' * bool(start)}{part}{'…' * (start + len(part) < len(text))}"


def _texts(read: Callable[[Sequence[str]], list[str]], group: Group) -> Iterator[str]:
    """Yield the text of each member."""
    for start in range(0, len(group.members), _BATCH):
        yield from read([member.name for member in group.members[start : start + _BATCH]])


def _differences(found: "Duplicates", group: Group, difference: DescribedBy) -> Iterator[str]:
    """Yield how each member differs from the keeper; the empty string for an exact copy."""
    (keeper,), (written,) = found.texts([group.keeper]), found.originals([group.keeper])
    sides = zip(group.members, _texts(found.texts, group), _texts(found.originals, group), strict=True)
    for member, text, original in sides:
        yield "" if member.tier == "exact" else difference(keeper, text, (written, original))


def review_json(
    found: "Duplicates", groups: "Sequence[ReviewedGroup]", first: int
) -> list[ReviewedGroupAnswer]:
    """Return some groups under review, numbered from `first`, with the verdict on each member."""
    shown = replace(found, groups=tuple(one.group for one in groups))
    rows: list[ReviewedGroupAnswer] = []
    for number, (row, one) in enumerate(zip(group_rows(shown), groups, strict=True), first):
        members: list[ReviewedMember] = [
            {**member, "verdict": verdict}
            for member, verdict in zip(row["members"], one.verdicts, strict=True)
        ]
        rows.append(
            {
                "group": number,
                "keeper": row["keeper"],
                "members": members,
                "lowest": row["lowest"],
                "weakest": row["weakest"],
                "keeper_text": row["keeper_text"],
                "decided": one.decided,
            }
        )
    return rows


def pair_json(view: "PairView") -> PairAnswer:
    """Return two documents under review next to each other."""
    warnings: list[FactWarning] = [{"rule": rule, "text": text} for rule, text in view.warnings]
    return {"warnings": warnings, "cut": view.cut, **difference_json(view.difference)}


def leaks_json(found: "Leaks", data: "Dataset", max_rate: float | None) -> dict[str, Any]:
    """Return the test records that occur in the training set, and their counts."""
    return {
        "threshold": found.threshold,
        "max_rate": max_rate,
        "total": found.total,
        "against": found.against,
        "leaked": found.leaked,
        "rate": found.rate,
        **{tier: found.count(tier) for tier in TIERS},
        **(
            {}
            if found.containment is None
            else {"contained": len(found.contained), "containment": found.containment}
        ),
        "skipped": [asdict(skipped) for skipped in data.skipped],
        "vetoed": dict(found.vetoed),
        "alike": [asdict(pair) for pair in found.alike],
        "leaks": list(leak_rows(found, data)),
    }


def leak_rows(found: "Leaks", data: "Dataset") -> Iterator[dict[str, Any]]:
    """Yield an object for each test record that occurs in the training set; those of the tier contained come last.

    `text` is the test record and `train_text` the training record, both as they were written.
    """
    leaks: tuple[Pair | Contained, ...] = (*found.pairs, *found.contained)
    for leak in leaks:
        row = _leak(leak)
        text, train_text = data.originals((row["test"], row["train"]))
        yield {**row, "text": text, "train_text": train_text}


def _leak(leak: Pair | Contained) -> dict[str, Any]:
    if isinstance(leak, Contained):
        names = {"test": leak.document, "train": leak.container, "tier": "contained"}
        scores = {"similarity": None, "jaccard": None, "share": leak.share}
        return {**names, **scores, "parts": [asdict(part) for part in leak.parts]}
    names = {"test": leak.left, "train": leak.right, "tier": leak.tier}
    return {**names, "similarity": leak.similarity, "jaccard": leak.jaccard}


def triage_json(found: "Triage") -> TriageFound:
    """Return the labels of texts, the clusters of unknown ones, and what training found."""
    report = found.report
    return {
        "promise": report.promise,
        "guarantee": report.guarantee and asdict(report.guarantee),
        "examples": report.examples,
        "kind": report.kind,
        "accuracy": _ranged(report.accuracy),
        "other_accuracy": {kind: _ranged(share) for kind, share in report.others},
        "labels": [
            {"label": one.label, "examples": one.examples, "recall": _ranged(one.recall)}
            for one in report.labels
        ],
        "possible": report.possible,
        "sure": _ranged(report.sure),
        "ambiguous": report.ambiguous,
        "counts": {str(by): count for by, count in found.counts.items()},
        "unknown": [
            {"number": one.number, "size": one.size, "central": one.central} for one in found.clusters
        ],
        "texts": found.to_dicts(),
    }


def clusters_json(found: "Clusters") -> ClustersAnswer:
    """Return the clusters of an index, with the range of each figure; shares of periods have 95% intervals."""
    periods = found.periods
    return {
        "level": found.level,
        "granularity": found.granularity,
        "total": found.total,
        "number": _ranged(found.number),
        "clusters": [
            {
                "number": one.number,
                "name": one.name,
                "new": one.new,
                "terms": [{"term": term, "weight": round(weight, 6)} for term, weight in one.terms],
                "sentence": one.sentence,
                "size": one.size,
                "share": _ranged(one.share),
                "stability": _ranged(one.stability),
                "representatives": list(map(_placed, one.representatives)),
                "outliers": list(map(_placed, one.outliers)),
                "outlier_count": one.outlier_count,
                "periods": [
                    {"period": period, "count": count, "share": _ranged(share)}
                    for period, count, share in found.over_time(one)
                ],
            }
            for one in found.clusters
        ],
        "over_time": None if periods is None else {"field": periods.field, "undated": found.undated},
    }


def clustered_json(found: "Clusters", positions: Sequence[int]) -> list[ClusteredText]:
    """Return some passages or documents by their positions, each with its cluster."""
    return [
        {
            **_placed(member),
            "cluster": int(found.of[at]) + 1,
            "name": found.clusters[found.of[at]].name,
            "outlier": bool(found.outlier[at]),
        }
        for at, member in zip(positions, found.read(positions), strict=True)
    ]


def drift_json(found: "Drift") -> DriftAnswer:
    """Return what differs between two windows of time, each figure with its 95% interval."""
    measures = [
        {"name": one.name, "before": _ranged(one.before), "now": _ranged(one.now)} for one in found.measures
    ]
    answer: Any = {
        **asdict(found),
        "drift": found.found,
        "amount": _ranged(found.amount),
        "measures": measures,
    }  # the fields of the answer are those of the dataclasses, and a test compares them
    told: DriftAnswer = answer
    return told


def _placed(member: "ClusterMember") -> PlacedText:
    return {
        "document": member.document,
        "unit": member.unit,
        "start": member.start,
        "end": member.end,
        "similarity": round(member.similarity, 4),
        "text": member.text,
    }


def _ranged(value: "Spread | Estimate") -> Ranged:
    return {"value": value.value, "low": value.low, "high": value.high}


def comparison_json(found: "Comparison") -> ComparisonAnswer:
    """Return the comparison of two documents."""
    difference, a, b = found.difference, found.coverage_a, found.coverage_b
    probable: Probable = {}
    if found.probability is not None:
        probable = {"probability": found.probability, "least_probability": found.least_probability}
    return {
        "a": {
            "name": found.a.name,
            "words": difference.words_a,
            "containment": difference.containment_a,
            "similarity": a.similarity,
            "passages": list(_closest(found.a, found.b, a.row.tolist(), a.cosine.tolist())),
        },
        "b": {
            "name": found.b.name,
            "words": difference.words_b,
            "containment": difference.containment_b,
            "similarity": b.similarity,
            "passages": list(_closest(found.b, found.a, b.row.tolist(), b.cosine.tolist())),
        },
        "similarity": found.similarity,
        "jaccard": found.jaccard,
        "tier": found.tier,
        "differs": found.differs,
        "threshold": found.threshold,
        **probable,
        "fields": {name: {"a": one, "b": other} for name, (one, other) in found.fields.items()},
        **difference_json(difference),
    }


def difference_json(found: "Difference") -> DifferenceAnswer:
    """Return how the words of two texts differ."""
    return {
        "shared_words": found.shared,
        "negations": list(map(_sides, found.negations)),
        "numbers": list(map(_sides, found.numbers)),
        "segments": [{"op": s.op, "a": s.a, "b": s.b, "kind": s.kind} for s in found.segments],
    }


def _closest(
    own: "DocumentVectors", other: "DocumentVectors", rows: Sequence[int], cosines: Sequence[float]
) -> Iterator[Closest]:
    """Yield each passage of a document with the closest one of the other."""
    for at, (row, cosine) in enumerate(zip(rows, cosines, strict=True)):
        yield {"passage": own.at(at), "best": other.at(row), "cosine": cosine}


def _sides(segment: "Segment") -> Sides:
    return {"a": segment.a.strip(), "b": segment.b.strip()}


def outcome_json(outcome: "Outcome") -> dict[str, Any]:
    """Return what `apply` or `undo` did."""
    return _object(outcome)


def runs_json(runs: Sequence["QuarantineRun"]) -> list[RunAnswer]:
    """Return the runs that can be undone."""
    return [{"run": run.name, "mode": run.mode, "files": len(run.removals)} for run in runs]


# -- the index ------------------------------------------------------------------------------------------


def ingest_json(report: "IngestReport") -> dict[str, Any]:
    """Return what an ingest did."""
    return _object(report)


def status_json(status: "Status") -> dict[str, Any]:
    """Return where an index is, what made it and what it contains."""
    return _object(status)


def model_json(model: "ListedModel") -> dict[str, Any]:
    """Return what is known of a model and of where it is."""
    return _object(model)


def source_status_json(status: "SourceStatus") -> dict[str, Any]:
    """Return what an index makes of a path."""
    return _object(status)


def removed_json(count: int) -> dict[str, Any]:
    """Return how many sources were removed."""
    return {"removed": count}


def forgotten_json(forgotten: "Forgotten") -> dict[str, Any]:
    """Return what was forgotten, and what the search for traces found."""
    return _object(forgotten)


def check_json(report: "CheckReport") -> dict[str, Any]:
    """Return what a check of an index found."""
    return {**_object(report), "sound": report.sound}


def repair_json(passages: int, salvaged: "Salvage | None") -> dict[str, Any]:
    """Return what a repair rebuilt and, where the Library was damaged, what was saved of it."""
    return {"passages": passages, "salvaged": salvaged and _object(salvaged)}


# -- tuning and evaluation ------------------------------------------------------------------------------


def estimate_json(estimate: "Estimate | None") -> dict[str, float] | None:
    """Return a measured share with its interval; None where there is nothing to divide by."""
    return None if estimate is None else asdict(estimate)


def curve_json(curve: "PrecisionRecallCurve") -> CurveAnswer:
    """Return precision and recall at every threshold, the strictest first."""
    return {
        "thresholds": curve.thresholds.tolist(),
        "precision": curve.precision.tolist(),
        "recall": curve.recall.tolist(),
    }


def adaptation_json(found: "Adaptation") -> dict[str, Any]:
    """Return what `adapt` came to."""
    return _object(found)


def undone_adaptation_json(model: str) -> UndoneAdaptation:
    """Return the name of the model that an index has again."""
    return {"model": model}


def tuning_json(tuning: "TuningResult", model: str, saved_in: Path | None) -> dict[str, Any]:
    """Return a tuned threshold, the model it is for, and the folder of the index it was saved in."""
    return {**tuning.to_dict(), "model": model, "saved_in": str(saved_in) if saved_in else None}


def evaluation_json(pairs: str, reports: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the reports on some models, each as `ModelReport.to_dict` gives it. `pairs` is the name of the pairs."""
    return {"pairs": pairs, "models": list(reports)}


def retrieval_json(
    model: str,
    *,
    documents: int,
    queries: int,
    queries_without_text: int,
    relevant_documents_absent: int,
    modes: Mapping[str, Mapping[str, float]],
) -> dict[str, Any]:
    """Return the quality of search on a collection: the measures of each mode, and the counts behind them."""
    return {
        "model": model,
        "documents": documents,
        "queries": queries,
        "queries_without_text": queries_without_text,
        "relevant_documents_absent": relevant_documents_absent,
        "modes": {mode: dict(measures) for mode, measures in modes.items()},
    }


def _object(value: Any) -> dict[str, Any]:
    """Return a dataclass as a dict of its fields."""
    return {field.name: _value(getattr(value, field.name)) for field in fields(value)}


def _value(value: Any) -> Any:
    """Return a field's value for JSON: a dataclass as a dict and a path as a string, at any depth."""
    if is_dataclass(value) and not isinstance(value, type):
        return _object(value)
    if isinstance(value, Mapping):
        return {str(key): _value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_value(item) for item in value]
    return str(value) if isinstance(value, Path) else value
