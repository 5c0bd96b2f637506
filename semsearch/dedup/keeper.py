"""Choose which documents to keep: order them by preference."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np
from numpy.typing import NDArray

from semsearch.dedup.join import Integers
from semsearch.errors import InvalidInput


@dataclass(frozen=True, slots=True, eq=False)
class Traits:
    """The properties of each document that the rules use.

    They are its source, the time when that was `modified` (int64, ns), and its `length` (int64, characters).
    """

    sources: Sequence[str]
    modified: Integers
    length: Integers


_RULES: dict[str, Callable[[Traits], Integers]] = {
    "first": lambda documents: np.arange(len(documents.sources)),
    "newest": lambda documents: -documents.modified,
    "oldest": lambda documents: documents.modified,
    "longest": lambda documents: -documents.length,
    "shortest": lambda documents: documents.length,
}
"""The key by which each rule sorts, lowest first."""
_PATH = "path:"
RULES = (*_RULES, f"{_PATH}GLOB")


def matching(sources: Sequence[str], globs: Iterable[str]) -> Integers:
    """Return the positions of the sources that match a glob. Case counts, and `*` also matches a slash."""
    globs = tuple(globs)
    return np.flatnonzero(_match(sources, globs))


def preference(rules: Sequence[str], documents: Traits, protected: Iterable[int] = ()) -> Integers:
    """Return the positions of all documents, the one to keep first.

    The rules are `first` (the given order, which also breaks the last ties), `newest`, `oldest`, `longest`,
    `shortest`, and `path:GLOB` (sources that match). Each rule breaks the ties that the rules before it leave.
    Documents at the positions `protected` come before all others, since they are never removed.

    Raises `InvalidInput` for any other rule.
    """
    ahead = np.zeros(len(documents.sources), np.bool_)
    ahead[np.fromiter(protected, np.int64)] = True
    keys = [~ahead, *(_key(rule, documents) for rule in rules), _RULES["first"](documents)]
    return np.lexsort(keys[::-1])  # the last key decides first


def _key(rule: str, documents: Traits) -> Integers | NDArray[np.bool_]:
    if rule in _RULES:
        return _RULES[rule](documents)
    if rule.startswith(_PATH) and rule != _PATH:
        return ~_match(documents.sources, (rule.removeprefix(_PATH),))
    raise InvalidInput(f"{rule!r} is not a --keep rule", f"the rules are {', '.join(RULES)}")


def _match(sources: Sequence[str], globs: Sequence[str]) -> NDArray[np.bool_]:
    matches = (any(fnmatchcase(source, glob) for glob in globs) for source in sources)
    return np.fromiter(matches, np.bool_, len(sources))
