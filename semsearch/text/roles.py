"""Find stretches of words that have changed places between two sentences with the same words."""

import re
from collections.abc import Iterator, Sequence
from itertools import combinations

from semsearch.text.code_words import has_arguments
from semsearch.text.words import word_set

UNPLACED = word_set("a an the this that these those of his her their he she they him them its 的 了 着")
"""Words that the order of roles does not depend on."""
_LINKS = frozenset(("and", "or", ",", "、", "和", "与", "或", "及", "&", "/", "+"))
_SEQUENCE = word_set("then before after first next finally afterwards 先 再 后 前")
"""Words that give the parts of a list an order."""
_PREPOSITIONS = word_set("in at on by with for from to after before during if when while because as since")
_STOPS = frozenset(".!?。")
_SCORE = re.compile(r"\d+-\d+")
_LONG = 60
"""Words of a sentence whose order is looked at: what that takes grows with their square."""


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
    if len(x) != len(y) or x == y or sorted(x) != sorted(y):
        return None
    arguments = all(map(has_arguments, (a, b), tokens))
    differing = [(one, other) for one, other in zip(x, y, strict=True) if one != other]
    start = next(at for at in range(len(x)) if x[at] != y[at])
    end = next(at for at in range(len(x), 0, -1) if x[at - 1] != y[at - 1])
    x, y = x[start:end], y[start:end]
    ordered = arguments or not _SEQUENCE.isdisjoint(x)
    if len({frozenset(pair) for pair in differing}) == 1:
        one, other = differing[0]
        several = not _LINKS.issuperset(x[1:-1])  # more than links between the two
        listed = not _LINKS.isdisjoint(x) and len(differing) == 2
        numbers = one[0].isdigit() and other[0].isdigit()
        if several:
            return None if listed and not (ordered or numbers) else (one, other)
        if arguments and len(differing) == 2:
            return one, other
    if len(x) > _LONG:
        return None
    for i, j in combinations(range(1, len(x)), 2):  # x = left + middle + right, y = right + middle + left
        if x[j] == y[0] and x[j:] + x[i:j] + x[:i] == y:
            if (_LINKS & set(x[i:j]) and not ordered) or {x[0], x[j]} & _PREPOSITIONS:
                return None
            return " ".join(x[:i]), " ".join(x[j:])
    return None
