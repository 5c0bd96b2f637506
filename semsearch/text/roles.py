"""Find stretches of words that have changed places between two sentences with the same words."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import combinations, groupby

from semsearch.text.code_words import has_arguments
from semsearch.text.words import word_set

UNPLACED = word_set("a an the this that these those of his her their he she they him them its 的 了 着")
"""Words that the order of roles does not depend on."""
_LINKS = frozenset(("and", "or", ",", "、", "和", "与", "或", "及", "&", "/", "+"))
_SEQUENCE = word_set("then before after afterwards 先 再")
"""Words that give the parts of a list an order."""
_STARTING = word_set("first next finally")
"""The same, where a part begins with them: next week is not an order."""
_LEADING = frozenset(("to", "that", "of"))
"""Words that may begin each part of a list, or the first only."""
_PREPOSITIONS = word_set("in at on by with for from to after before during if when while because as since")
_BREAKS = _LINKS | {";", "；", ":", "，"}
"""The words and marks between the parts of a list, and between clauses."""
_STOPS = frozenset(".!?。")
_SCORE = re.compile(r"\d+-\d+")
_LONG = 60
"""Words of a sentence whose order is looked at: what that takes grows with their square."""


def _parts(words: Sequence[str]) -> Counter[tuple[str, ...]]:
    """Return the parts of a list, or the clauses of a sentence."""
    parts = (tuple(part) for is_break, part in groupby(words, _BREAKS.__contains__) if not is_break)
    return Counter(part[1:] if part[0] in _LEADING else part for part in parts)


def placed(tokens: Sequence[str]) -> list[str]:
    """Return the tokens of a sentence whose order counts, without a stop at the end. A score such as 2-1 is three."""
    words = list(_placed(tokens))
    return words[:-1] if words and words[-1] in _STOPS else words


def _placed(tokens: Sequence[str]) -> Iterator[str]:
    for token in tokens:
        if "-" in token and _SCORE.fullmatch(token):
            yield from token.replace("-", " - ").split()
        elif token not in UNPLACED:
            yield token


def exchanged(a: str, b: str, x: Sequence[str], y: Sequence[str]) -> tuple[str, str] | None:
    """Return two stretches of words that changed places, such as dog and man in `the dog bites the man`; else None.

    `x` and `y` are the tokens of sentences `a` and `b`. A list has the same meaning in any order, unless its parts are
    numbers, arguments, or steps, which a word such as "then" orders. A stretch that begins with a preposition, such as
    `in summer`, may stand anywhere.
    """
    tokens = x, y
    x, y = placed(x), placed(y)
    if len(x) != len(y) or x == y:
        return None
    arguments = all(map(has_arguments, (a, b), tokens))
    differing = [(one, other) for one, other in zip(x, y, strict=True) if one != other]
    if sorted(x) != sorted(y):  # two that each stand for the other, not as often as each other
        one, other = differing[0]
        turned = {one: other, other: one}
        return (
            (one, other)
            if [turned.get(word, word) for word in x] == y and (other, one) in differing
            else None
        )
    start = next(at for at in range(len(x)) if x[at] != y[at])
    end = next(at for at in range(len(x), 0, -1) if x[at - 1] != y[at - 1])
    x, y = x[start:end], y[start:end]
    numbers = all(one[0].isdigit() and other[0].isdigit() for one, other in differing)
    parts = _parts(x)
    ordered = (
        arguments
        or numbers
        or not _SEQUENCE.isdisjoint(x)
        or any(one[:1] and one[0] in _STARTING for one in parts)
    )
    if not ordered and parts == _parts(y):
        return None
    if len({frozenset(pair) for pair in differing}) == 1:
        one, other = differing[0]
        if not _LINKS.issuperset(x[1:-1]) or (arguments and len(differing) == 2):
            return one, other
    if len(x) > _LONG:
        return None
    for i, j in combinations(range(1, len(x)), 2):  # x = left + middle + right, y = right + middle + left
        if x[j] == y[0] and x[j:] + x[i:j] + x[:i] == y:
            if {x[0], x[j]} & _PREPOSITIONS:
                return None
            return " ".join(x[:i]), " ".join(x[j:])
    return None
