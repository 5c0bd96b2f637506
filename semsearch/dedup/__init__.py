"""Find near-duplicates: compare all pairs exactly, group them around keepers, remove them so that it can be undone.

The module can be called: `semsearch.dedup(texts)` is `semsearch.dedup.in_memory.dedup`.
"""

import sys
from types import ModuleType
from typing import Any

from semsearch.dedup.collection import DocumentCollection, compare, passages_of
from semsearch.dedup.document_join import Corpus, DocumentPassages
from semsearch.dedup.groups import group
from semsearch.dedup.join import Pairs, between, join
from semsearch.dedup.join_cache import saved_join
from semsearch.dedup.keeper import Traits, preference, protected
from semsearch.dedup.lexical import tier_of
from semsearch.dedup.plan import Plan
from semsearch.dedup.result import Compared, Duplicates
from semsearch.requests import DEFAULT_MEMORY
from semsearch.text.shingles import LEXICAL, jaccard, shingles

__all__ = [
    "DEFAULT_MEMORY",
    "LEXICAL",
    "Compared",
    "Corpus",
    "DocumentCollection",
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
    "passages_of",
    "preference",
    "protected",
    "saved_join",
    "shingles",
    "tier_of",
]


class _CallableModule(ModuleType):
    """This package, which is also the public function of its name; the submodules could not be imported without it."""

    def __call__(self, *args: Any, **options: Any) -> Any:
        """Return the near-duplicates among texts in memory; see `semsearch.dedup.in_memory.dedup`."""
        from semsearch.dedup.in_memory import dedup

        return dedup(*args, **options)


sys.modules[__name__].__class__ = _CallableModule
