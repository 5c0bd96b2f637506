"""CheckResult near-duplicates: all pairs compared exactly, groups with a keeper, and a removal that can be undone."""

from semsearch.dedup.compare import compare, passages_of
from semsearch.dedup.document_join import Corpus, DocumentPassages
from semsearch.dedup.groups import group
from semsearch.dedup.join import DEFAULT_MEMORY, Pairs, between, join
from semsearch.dedup.join_cache import saved_join
from semsearch.dedup.keeper import Traits, matching, preference
from semsearch.dedup.lexical import tier_of
from semsearch.dedup.plan import Plan
from semsearch.dedup.result import Compared, Duplicates
from semsearch.text.shingles import LEXICAL, jaccard, shingles

__all__ = [
    "DEFAULT_MEMORY",
    "LEXICAL",
    "Compared",
    "Corpus",
    "DocumentPassages",
    "Duplicates",
    "Pairs",
    "Plan",
    "Traits",
    "between",
    "compare",
    "group",
    "jaccard",
    "join",
    "matching",
    "passages_of",
    "preference",
    "saved_join",
    "shingles",
    "tier_of",
]
