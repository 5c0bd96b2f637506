"""semsearch: semantic search and near-duplicate detection over your own text.

    from semsearch import Index

The public names are those in `__all__`. Each is imported when first used, so `import semsearch` is cheap.
"""

from typing import TYPE_CHECKING

__version__ = "0.1.0"

__all__ = [
    "Document",
    "Duplicates",
    "FingerprintMismatch",
    "Group",
    "Hit",
    "Index",
    "IndexDamaged",
    "IndexLocked",
    "IndexNotFound",
    "InvalidInput",
    "LabelledPair",
    "Member",
    "ModelError",
    "Pair",
    "SemsearchError",
    "Skipped",
    "UnreadableSource",
    "__version__",
]

if TYPE_CHECKING:
    from semsearch.dedup import Duplicates
    from semsearch.errors import (
        FingerprintMismatch,
        IndexDamaged,
        IndexLocked,
        IndexNotFound,
        InvalidInput,
        ModelError,
        SemsearchError,
        UnreadableSource,
    )
    from semsearch.index import Index
    from semsearch.types import Document, Group, Hit, LabelledPair, Member, Pair, Skipped
else:  # hidden from type checkers, which would take any misspelt name for one that this function gives

    def __getattr__(name: str) -> object:
        if name in __all__:
            from importlib import import_module

            for home in ("errors", "types", "dedup", "index"):  # the heavy ones last
                module = import_module(f"semsearch.{home}")
                if hasattr(module, name):
                    return getattr(module, name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
