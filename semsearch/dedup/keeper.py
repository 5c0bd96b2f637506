"""Choose which documents to keep: order them by preference."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from semsearch.dedup.join import Integers
from semsearch.patterns import Names
from semsearch.requests import KEEP_PATH, require_keep_rule


@dataclass(frozen=True, slots=True, eq=False)
class Traits:
    """The properties of each document that the rules use.

    They are its names, the time when its source was `modified` (int64, ns), and its `length` (int64, characters).
    """

    names: Names
    modified: Integers
    length: Integers


_RULES: dict[str, Callable[[Traits], Integers]] = {
    "first": lambda documents: np.arange(len(documents.names)),
    "newest": lambda documents: -documents.modified,
    "oldest": lambda documents: documents.modified,
    "longest": lambda documents: -documents.length,
    "shortest": lambda documents: documents.length,
}
"""The key by which each rule sorts, lowest first."""


def protected(names: Names, patterns: Iterable[str]) -> Integers:
    """Return the positions of the documents that a pattern protects, see `Names`.

    Raises `InvalidInput` for a pattern that matches no source, since what it was meant to protect would be removed.
    """
    chosen = np.zeros(len(names), np.bool_)
    for pattern in patterns:
        chosen |= np.array(names.require(pattern, f"--protect {pattern!r}"), np.bool_)
    return np.flatnonzero(chosen)


def preference(rules: Sequence[str], documents: Traits, ahead: Iterable[int] = ()) -> Integers:
    """Return the positions of all documents, the one to keep first.

    The rules are `first` (the given order, which also breaks the last ties), `newest`, `oldest`, `longest`,
    `shortest`, and `path:PATTERN` (sources that match, see `Names`). Each rule breaks the ties of those before it.
    Documents at the positions `ahead` come before all others, since they are never removed.

    Raises `InvalidInput` for any other rule, and for a PATTERN that matches no source.
    """
    first = np.zeros(len(documents.names), np.bool_)
    first[np.fromiter(ahead, np.int64)] = True
    keys = [~first, *(_key(rule, documents) for rule in rules), _RULES["first"](documents)]
    return np.lexsort(keys[::-1])  # the last key decides first


def _key(rule: str, documents: Traits) -> Integers | NDArray[np.bool_]:
    require_keep_rule(rule)
    if rule in _RULES:
        return _RULES[rule](documents)
    return ~np.array(documents.names.require(rule.removeprefix(KEEP_PATH), f"--keep {rule!r}"), np.bool_)
