"""Semantic search and near-duplicate detection over your own text.

    from semsearch import Index

`__all__` lists the public names: `Index`, the requests it takes, the results it returns, and the errors it raises.
Each name is imported when it is first used, so `import semsearch` is cheap.
"""

from typing import TYPE_CHECKING

__version__ = "0.2.0"

__all__ = [
    "Absent",
    "AdaptTrial",
    "Adaptation",
    "AddReport",
    "Aligner",
    "AlikeTexts",
    "CheckReport",
    "CheckResult",
    "Cluster",
    "ClusterMember",
    "ClusterOptions",
    "ClusterRequest",
    "Clusters",
    "Columns",
    "Comparison",
    "Condition",
    "Contained",
    "Coverage",
    "CrossEncoderWeights",
    "Decision",
    "DedupOptions",
    "DedupRequest",
    "Definition",
    "Difference",
    "Document",
    "DocumentPlace",
    "DocumentVectors",
    "Draw",
    "Drift",
    "DriftDocument",
    "DriftMeasure",
    "DriftModel",
    "DriftOptions",
    "DriftPair",
    "DriftRequest",
    "DriftScores",
    "DriftTerm",
    "DriftTest",
    "DriftWindow",
    "Duplicates",
    "Embedder",
    "Estimate",
    "FieldCounts",
    "Fingerprint",
    "FingerprintMismatch",
    "Forest",
    "Forgotten",
    "Group",
    "Guarantee",
    "Hit",
    "Hits",
    "Index",
    "IndexDamaged",
    "IndexLocked",
    "IndexNotFound",
    "IngestProgress",
    "IngestReport",
    "InvalidInput",
    "KernelMachine",
    "Label",
    "LabelReport",
    "LabelledPair",
    "LeftOut",
    "Level",
    "Linkage",
    "Member",
    "MissingExtra",
    "Mode",
    "ModelComparison",
    "ModelError",
    "NextPair",
    "Objective",
    "OperatingPoint",
    "Outcome",
    "Pair",
    "PairClassifier",
    "PairColumns",
    "PairSample",
    "PairScores",
    "PairSet",
    "PairSpace",
    "PairView",
    "PassagePlane",
    "Periods",
    "Plan",
    "PlanStep",
    "PrecisionRecallCurve",
    "QuarantineRun",
    "Query",
    "ReadTogether",
    "Record",
    "Refusal",
    "Rejected",
    "RemovedFile",
    "Review",
    "ReviewedGroup",
    "RowFields",
    "RowFormat",
    "SampledPair",
    "SearchOptions",
    "SearchRequest",
    "Segment",
    "SemsearchError",
    "SharedPart",
    "SimilarOptions",
    "SimilarRequest",
    "Skipped",
    "SourceContent",
    "SourceStatus",
    "Split",
    "Spread",
    "Status",
    "StoredPassage",
    "TextDuplicates",
    "TextGroup",
    "TextLeaks",
    "TextMatch",
    "TextTokens",
    "TextWords",
    "ThresholdMetrics",
    "Tier",
    "Tokenizing",
    "TrainingReport",
    "Triage",
    "TriageAnswer",
    "TunedClassifier",
    "TuningResult",
    "Unit",
    "UnknownCluster",
    "UnreadableSource",
    "Word",
    "__version__",
    "dedup",
    "embed",
    "leak",
    "load_pairs",
    "triage",
]

if TYPE_CHECKING:
    from semsearch.classification.classifier import LabelReport, TrainingReport
    from semsearch.classification.triage import Triage, TriageAnswer, UnknownCluster, triage
    from semsearch.clustering.clusters import Cluster, ClusterMember, Clusters, Spread
    from semsearch.clustering.periods import Periods
    from semsearch.dedup.alignment import Aligner
    from semsearch.dedup.classifier import PairClassifier, ReadTogether
    from semsearch.dedup.comparison import Comparison, Coverage
    from semsearch.dedup.features import TextWords
    from semsearch.dedup.forest import Forest
    from semsearch.dedup.in_memory import (
        AlikeTexts,
        TextDuplicates,
        TextGroup,
        TextLeaks,
        TextMatch,
        dedup,
        leak,
    )
    from semsearch.dedup.kernel import KernelMachine, PairSpace
    from semsearch.dedup.plan import DocumentPlace, Plan, PlanStep, SourceContent
    from semsearch.dedup.quarantine import Outcome, Refusal
    from semsearch.dedup.result import Duplicates
    from semsearch.dedup.review import Decision, PairView, Review, ReviewedGroup
    from semsearch.dedup.runs import QuarantineRun, RemovedFile
    from semsearch.drift.find import Drift, DriftDocument, DriftTest
    from semsearch.drift.measures import DriftMeasure
    from semsearch.drift.model import DriftModel
    from semsearch.drift.scores import DriftPair, DriftScores
    from semsearch.drift.terms import DriftTerm
    from semsearch.drift.windows import DriftWindow
    from semsearch.embedding import Embedder, Fingerprint, Tokenizing, embed
    from semsearch.embedding.cross_encoder import CrossEncoderWeights
    from semsearch.embedding.token_vectors import TextTokens
    from semsearch.errors import (
        FingerprintMismatch,
        IndexDamaged,
        IndexLocked,
        IndexNotFound,
        InvalidInput,
        MissingExtra,
        ModelError,
        SemsearchError,
        UnreadableSource,
    )
    from semsearch.index import Index
    from semsearch.ingest.chunk import LeftOut
    from semsearch.ingest.explain import SourceStatus
    from semsearch.ingest.lookup import DocumentVectors
    from semsearch.ingest.records import Columns
    from semsearch.ingest.report import Absent, AddReport, IngestProgress, IngestReport
    from semsearch.readers import RowFields, RowFormat
    from semsearch.requests import (
        ClusterOptions,
        ClusterRequest,
        DedupOptions,
        DedupRequest,
        DriftOptions,
        DriftRequest,
        SearchOptions,
        SearchRequest,
        SimilarOptions,
        SimilarRequest,
    )
    from semsearch.search.hits import Hits
    from semsearch.search.plane import PassagePlane
    from semsearch.search.query import Condition, Query, Word
    from semsearch.storage.check import CheckReport, CheckResult
    from semsearch.storage.forget import Forgotten
    from semsearch.storage.index_dir import Status
    from semsearch.storage.library import StoredPassage
    from semsearch.text.diff import Difference, Segment
    from semsearch.tuning.adapt import Adaptation, AdaptTrial, ModelComparison
    from semsearch.tuning.guarantee import Guarantee
    from semsearch.tuning.labels import Label, SampledPair
    from semsearch.tuning.metrics import Estimate, OperatingPoint, PrecisionRecallCurve, ThresholdMetrics
    from semsearch.tuning.pairs import PairColumns, PairSet, load_pairs
    from semsearch.tuning.sampling import NextPair, PairSample
    from semsearch.tuning.scoring import PairScores
    from semsearch.tuning.split import Split
    from semsearch.tuning.threshold import Objective, TunedClassifier, TuningResult
    from semsearch.types import (
        Contained,
        Definition,
        Document,
        Draw,
        FieldCounts,
        Group,
        Hit,
        LabelledPair,
        Level,
        Linkage,
        Member,
        Mode,
        Pair,
        Record,
        Rejected,
        SharedPart,
        Skipped,
        Tier,
        Unit,
    )
else:  # hidden from type checkers, which would take a misspelt name for one that this function returns
    _MODULES = {
        "errors": "FingerprintMismatch IndexDamaged IndexLocked IndexNotFound "
        "InvalidInput MissingExtra ModelError SemsearchError UnreadableSource",
        "types": "Contained Definition Document Draw FieldCounts Group Hit LabelledPair Level Linkage Member Mode Pair "
        "Record Rejected SharedPart Skipped Tier Unit",
        "requests": "ClusterOptions ClusterRequest DedupOptions DedupRequest DriftOptions DriftRequest SearchOptions "
        "SearchRequest SimilarOptions SimilarRequest",
        "embedding": "Embedder Fingerprint Tokenizing embed",
        "embedding.cross_encoder": "CrossEncoderWeights",
        "embedding.token_vectors": "TextTokens",
        "readers": "RowFields RowFormat",
        "text.diff": "Difference Segment",
        "search.hits": "Hits",
        "search.plane": "PassagePlane",
        "search.query": "Condition Query Word",
        "storage.check": "CheckReport CheckResult",
        "storage.forget": "Forgotten",
        "storage.index_dir": "Status",
        "storage.library": "StoredPassage",
        "ingest.chunk": "LeftOut",
        "ingest.explain": "SourceStatus",
        "ingest.records": "Columns",
        "ingest.report": "Absent AddReport IngestProgress IngestReport",
        "ingest.lookup": "DocumentVectors",
        "classification.classifier": "LabelReport TrainingReport",
        "classification.triage": "Triage TriageAnswer UnknownCluster triage",
        "clustering.clusters": "Cluster ClusterMember Clusters Spread",
        "clustering.periods": "Periods",
        "dedup.alignment": "Aligner",
        "dedup.classifier": "PairClassifier ReadTogether",
        "dedup.features": "TextWords",
        "dedup.forest": "Forest",
        "dedup.kernel": "KernelMachine PairSpace",
        "dedup.comparison": "Comparison Coverage",
        "dedup.in_memory": "AlikeTexts TextDuplicates TextGroup TextLeaks TextMatch leak",
        "dedup.plan": "SourceContent DocumentPlace Plan PlanStep",
        "dedup.quarantine": "Outcome Refusal",
        "dedup.result": "Duplicates",
        "dedup.review": "Decision PairView Review ReviewedGroup",
        "dedup.runs": "RemovedFile QuarantineRun",
        "drift.find": "Drift DriftDocument DriftTest",
        "drift.measures": "DriftMeasure",
        "drift.model": "DriftModel",
        "drift.scores": "DriftPair DriftScores",
        "drift.terms": "DriftTerm",
        "drift.windows": "DriftWindow",
        "tuning.adapt": "AdaptTrial Adaptation ModelComparison",
        "tuning.guarantee": "Guarantee",
        "tuning.pairs": "PairColumns PairSet load_pairs",
        "tuning.metrics": "PrecisionRecallCurve Estimate ThresholdMetrics OperatingPoint",
        "tuning.labels": "Label SampledPair",
        "tuning.sampling": "NextPair PairSample",
        "tuning.scoring": "PairScores",
        "tuning.split": "Split",
        "tuning.threshold": "Objective TuningResult TunedClassifier",
        "index": "Index",
    }

    def __getattr__(name: str) -> object:
        """Import a public name from its module and return it. Raise `AttributeError` for any other name."""
        from importlib import import_module

        if name == "dedup":  # a package that can be called
            return import_module("semsearch.dedup")
        for module, names in _MODULES.items():
            if name in names.split():
                return getattr(import_module(f"semsearch.{module}"), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
