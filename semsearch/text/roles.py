"""Find words that have changed places between two sentences: `A beats B`, `from A to B`, `A before B`, `A than B`."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import combinations, groupby, pairwise
from typing import NamedTuple

from semsearch.text.code_words import has_arguments
from semsearch.text.words import stem, word_set

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


class Relation(NamedTuple):
    """Hold what a word relates, such as `than`: the words on both sides, and those that say in what regard."""

    kind: str
    left: frozenset[str]
    right: frozenset[str]
    regard: frozenset[str] = frozenset()


_RELATING = word_set("than by before after until 比 被 给 給 向 教 请 陪 帮 替 借 前 后 後")
"""Words between two parts that are not alike: who gives to whom, and what comes before what."""
_MOVING = {
    "from": word_set("to into onto towards"),
    "从": word_set("到 至 往 去 飞 抵"),
    "由": word_set("到 至 往 去 飞 抵"),
}
"""The words before a start, and those before the end of a way."""
_NEXT = word_set("then afterwards subsequently 再")
_AFTER_THAT = frozenset(
    (("after", "that"), ("然", "后"), ("接", "着"), ("随", "后"), ("1st", "and"), ("1st", ";"))
)
"""Words that begin what comes next, and pairs of them, or that end what comes first."""
_MUTUAL = word_set(
    "is are was were has had met meets meet married marries marry resembles joined joins and or with versus vs of in at"
    " on near like as by from to for when while"
)
"""Words between two names that say the same the other way round, or are not verbs."""
_PRONOUNS = {"him": "he", "me": "i", "us": "we", "them": "they"}
_CONVERSE = frozenset(
    ("lent borrowed", "lend borrow", "lends borrows", "sold bought", "sell buy", "sells buys", "gave received",
    "sent received", "gave got", "taught learned")
)  # fmt: skip
"""Verbs by which the giver or the taker is the subject."""
_LITTLE = UNPLACED - word_set("he she they him them") | word_set(
    "is are was were be been being do does did has have had will would can 是 在 也 都 就 会 要"
)
_CLAUSES = _BREAKS - _LINKS | _STOPS | {","}
_WAY = 8
"""The most tokens of the start or the end of a way."""
_ONE_WAY = frozenset(("from", "then"))
"""Relations that opposites do not turn round."""
_NOT_COMPARED = frozenset("相对较如例赛分重率喻方")
"""Characters next to 比 where it compares nothing: 相比, 比较."""


def relations(tokens: Sequence[str], names: frozenset[str]) -> tuple[Relation, ...]:
    """Return what the words of a sentence relate, each kind that occurs once. `names` are the names in it."""
    if len(tokens) > _LONG:
        return ()
    found = [] if _RELATING.isdisjoint(tokens) else [*_related(tokens)]
    if not _NEXT.isdisjoint(tokens) or not _AFTER_THAT.isdisjoint(pairwise(tokens)):
        at = next(
            at
            for at, token in enumerate(tokens)
            if token in _NEXT or tuple(tokens[at : at + 2]) in _AFTER_THAT
        )
        found.append(Relation("then", _said(tokens[:at]), _said(tokens[at + 1 :])))
    if not _MOVING.keys().isdisjoint(tokens):
        found += _ways(tokens)
    if len(names) > 1:
        places = [place for place, token in enumerate(tokens) if token in names]
        for i, j in pairwise(places):
            if (
                2 <= j - i <= 3
                and _MUTUAL.isdisjoint(between := tokens[i + 1 : j])
                and all(map(str.isalpha, between))
            ):
                found.append(Relation("name", frozenset((tokens[i],)), frozenset((tokens[j],))))
    kinds = Counter(relation.kind for relation in found)
    return tuple(
        relation for relation in found if kinds[relation.kind] == 1 and relation.left and relation.right
    )


def _related(tokens: Sequence[str]) -> Iterator[Relation]:
    """Yield what each word of `_RELATING` relates."""
    for at, token in enumerate(tokens):
        if token not in _RELATING or (
            token == "比" and _NOT_COMPARED.intersection(tokens[max(0, at - 1) : at + 2])
        ):
            continue
        left, right = _sides(tokens, at)
        regard = {"than": left[-4:], "by": left[-1:], "比": right}.get(token, ())
        yield Relation(token, _said(left), _said(right), _said(regard))


def _ways(tokens: Sequence[str]) -> Iterator[Relation]:
    """Yield the start and the end of each way."""
    for at, token in enumerate(tokens):
        for end in range(at + 2, min(at + _WAY, len(tokens))) if token in _MOVING else ():
            if tokens[end] in _MOVING[token]:
                after = _until_break(tokens[end + 1 : end + _WAY])
                yield Relation("from", _said(tokens[at + 1 : end]), _said(after))
                break


def _sides(tokens: Sequence[str], at: int) -> tuple[Sequence[str], Sequence[str]]:
    """Return the words before and after one that relates them. `Before B, A` is read as `A before B`."""
    start = next((place + 1 for place in range(at - 1, -1, -1) if tokens[place] in _CLAUSES), 0)
    right = _until_break(tokens[at + 1 :])
    rest = tokens[at + 1 + len(right) + 1 :]
    if start == at:
        return _until_break(rest), right
    return tokens[start:at], right or _until_break(rest)


def _until_break(tokens: Sequence[str]) -> Sequence[str]:
    return tokens[: next((at for at, token in enumerate(tokens) if token in _CLAUSES), len(tokens))]


def _said(tokens: Sequence[str]) -> frozenset[str]:
    return frozenset(
        stem(_PRONOUNS.get(token, token.removesuffix("'s")))
        for token in tokens
        if token[0].isalpha() and token not in _LITTLE
    )


def crossed(
    x: Sequence[Relation], y: Sequence[Relation], *, opposite: bool = False
) -> tuple[str, str] | None:
    """Return the words that one relation of two sentences has on other sides; else None.

    `opposite` is true for sentences with opposites, which may differ in what they regard: dearer, cheaper.
    """
    for one in x:
        for other in y:
            if one.kind == other.kind and (
                one.kind not in _ONE_WAY
                if opposite
                else one.regard & other.regard or not one.regard | other.regard
            ):
                first = (one.left & other.right) - one.right - other.left
                second = (one.right & other.left) - one.left - other.right
                if first and second:
                    return " ".join(sorted(first)), " ".join(sorted(second))
    return None


def spelt(stems: str, tokens: Sequence[str]) -> str:
    """Return the words of a sentence that have some stems, as they are written there."""
    wanted = frozenset(stems.split())
    return " ".join(dict.fromkeys(token for token in tokens if _said((token,)) & wanted)) or stems


def turned(x: Sequence[str], y: Sequence[str], word: str, other: str) -> bool:
    """Return True if two sentences say the same by opposites: `A sold it to B`, `B bought it from A`."""
    if word not in x or other not in y:
        return False
    one, other_one = (
        Relation("", *map(_said, _sides(tokens, tokens.index(at)))) for tokens, at in ((x, word), (y, other))
    )
    if f"{word} {other}" in _CONVERSE or f"{other} {word}" in _CONVERSE:
        return bool(one.left & other_one.right or one.right & other_one.left) and one.left.isdisjoint(
            other_one.left
        )
    return crossed((one,), (other_one,)) is not None
