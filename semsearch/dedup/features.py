"""Compute features of two texts from their words: how many they share, in what order, and what changes the meaning.

Four rules find similar texts that differ in meaning: one has a negation, their numbers differ, they have opposite
words in the same place, or two parts have changed places. The rules need no training. Each text is parsed once; then a
pair costs a few set operations.
"""

from collections import Counter
from itertools import combinations

from semsearch.text.opposites import OPPOSITE
from semsearch.text.words import DIGIT, NEGATION, NEGATIONS, NUMERALS, stem, without_separators, word_pattern

_SMALL = """
a an the some one this that these those is are was were be been being am do does did has have had there it its of to and
in at on for with by which who whom whose while as his her their he she they him them himself herself s
的 了 是 在 着 过 地 得 之 把 被 将 一 个 有
"""
SMALL_WORDS = frozenset(_SMALL.split())
"""Words that say little on their own."""
_UNSAID = SMALL_WORDS.difference(OPPOSITE)
_NUMERALS = frozenset(NUMERALS)
_NEGATIONS = frozenset(NEGATIONS)
_PASSIVE = frozenset({"by", "被"})
_FEW = 3
"""TextWords that may differ, on each side, where opposites are looked for."""
_LONG = 60
"""TextWords of a text whose order is looked at: what that takes grows with their square."""


class TextWords:
    """A text parsed into words, once for all pairs that it is in."""

    __slots__ = (
        "content",
        "distinct",
        "every",
        "length",
        "negations",
        "numbers",
        "passive",
        "places",
        "said",
        "small",
        "text",
        "triples",
    )

    def __init__(self, text: str) -> None:
        self.text = text
        text = text.lower().replace("’", "'")
        every = word_pattern().findall(text)
        self.length = len(every)
        self.negations: list[str] = []
        # Few texts deny, which spares the search.
        if not text.isascii() or "n't" in text or not _NEGATIONS.isdisjoint(every):
            self.negations = [match[0] for match in NEGATION.finditer(text)]
        self.numbers: list[str] = []  # sorted
        digits = DIGIT.search(text) is not None
        if digits or not _NUMERALS.isdisjoint(every):
            self.numbers = sorted(
                without_separators(value) if digits else value
                for word in every
                if (value := NUMERALS.get(word, word)) is not word or (digits and DIGIT.search(word))
            )
        self.passive = not _PASSIVE.isdisjoint(every)
        if "n't" in text:
            every = [word for word in every if not word.endswith("n't")]
        self.every = frozenset(map(stem, every))
        self.said = frozenset(every) - _UNSAID
        unsaid = SMALL_WORDS.union(self.negations) if self.negations else SMALL_WORDS
        self.content = [stem(word) for word in every if word not in unsaid]
        self.places: dict[str, int] = {}  # the first of each, in order
        for at, word in enumerate(self.content):
            self.places.setdefault(word, at)
        self.distinct = frozenset(self.content)
        self.small = self.every - self.distinct
        self.triples = frozenset(map("".join, zip(text, text[1:], text[2:], strict=False)))


FEATURES = (
    "share of the content words", "the same of the shorter", "the same of the longer", "share of all words",
    "content words that only one has, the fewer", "the same, the more", "shared words in another order",
    "shared words", "difference in length", "length of the shorter", "share of the letter triples",
    "the same of the shorter", "negations", "a number differs", "opposites", "changed places", "only one passive",
    "a number in only one", "small words that only one has",
)  # fmt: skip
"""The names of the values of `word_features`, in order."""


def word_features(a: TextWords, b: TextWords) -> list[float]:
    """Return the values of `FEATURES` for two texts; their order does not matter."""
    shared, triples = len(a.distinct & b.distinct), len(a.triples & b.triples)
    fewer, more = sorted((len(a.distinct), len(b.distinct)))
    letters = len(a.triples), len(b.triples)
    common = len(a.every & b.every)
    numbers = False, False
    if a.numbers != b.numbers:
        one, other = Counter(a.numbers), Counter(b.numbers)
        numbers = bool(one - other), bool(other - one)
    order, ordered = _disorder(a, b) if shared > 1 else (0.0, shared)
    return [
        shared / max(1, fewer + more - shared),
        shared / max(1, fewer),
        shared / max(1, more),
        common / max(1, len(a.every) + len(b.every) - common),
        fewer - shared,
        more - shared,
        order,
        ordered,
        abs(a.length - b.length),
        min(a.length, b.length),
        triples / max(1, sum(letters) - triples),
        triples / max(1, min(letters)),
        abs(len(a.negations) - len(b.negations)),
        all(numbers),
        bool(_opposites(a, b)),
        bool(_exchanged(a, b)),
        a.passive != b.passive,
        numbers[0] != numbers[1],
        len(a.small - b.every) + len(b.small - a.every),
    ]


def _opposites(a: TextWords, b: TextWords) -> tuple[str, str] | None:
    x, y = a.said - b.said, b.said - a.said
    if len(x) <= _FEW and len(y) <= _FEW:
        for word in sorted(x):
            for other in sorted(OPPOSITE.get(word, set()) & y):
                return word, other
    return None


def _exchanged(a: TextWords, b: TextWords) -> tuple[str, str] | None:
    """Return two stretches of words that changed places, such as dog and man in `the dog bites the man`; else None.

    A passive has the same meaning with its parts exchanged, so a pair with one passive has no result.
    """
    x, y = a.content, b.content
    if len(x) != len(y) or x == y or a.passive != b.passive or sorted(x) != sorted(y):
        return None
    start, end = 0, len(x)
    while x[start] == y[start]:
        start += 1
    while x[end - 1] == y[end - 1]:
        end -= 1
    x, y = x[start:end], y[start:end]
    if len(x) > _LONG:
        return None
    for i, j in combinations(range(1, len(x)), 2):  # x = left + middle + right, y = right + middle + left
        if x[j] == y[0] and x[j:] + x[i:j] + x[:i] == y:
            return " ".join(x[:i]), " ".join(x[j:])
    return None


def _disorder(a: TextWords, b: TextWords) -> tuple[float, int]:
    """Return the share of pairs of shared words in reverse order, and the number of shared words."""
    place = b.places
    order = [place[word] for word in a.places if word in place][:_LONG]
    turned = 0
    if order != sorted(order):
        turned = sum(x > y for x, y in combinations(order, 2))
    return turned / max(1, len(order) * (len(order) - 1) / 2), len(order)
