"""Who stays: the order in which documents would rather be kept."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np
from numpy.typing import NDArray

from semsearch.dedup.join import Integers
from semsearch.errors import InvalidInput


@dataclass(frozen=True, slots=True, eq=False)
class Traits:
    """What rules look at, of each document: its source's key, when that was `modified` (ns), its `length` (characters).

    The numbers are int64.
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
"""What each rule sorts by, the least first."""
_PATH = "path:"
RULES = (*_RULES, f"{_PATH}GLOB")


def matching(sources: Sequence[str], globs: Iterable[str]) -> Integers:
    """The positions of the sources that any of the globs matches; case counts, and `*` matches a slash as well."""
    globs = tuple(globs)
    return np.flatnonzero(_match(sources, globs))


def preference(rules: Sequence[str], documents: Traits, protected: Iterable[int] = ()) -> Integers:
    """The positions of the documents, who is to be kept first, by `rules`, where each decides what those before it
    left open: one of `first` (in the order given, as always in the end), `newest`, `oldest`, `longest`, `shortest`,
    and `path:GLOB` (sources that match). Documents at the positions `protected` come before all others, since they
    stay whatever the rules say.

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
    raise InvalidInput(f"{rule!r} is no rule of who stays", f"the rules are {', '.join(RULES)}")


def _match(sources: Sequence[str], globs: Sequence[str]) -> NDArray[np.bool_]:
    matches = (any(fnmatchcase(source, glob) for glob in globs) for source in sources)
    return np.fromiter(matches, np.bool_, len(sources))
