"""Compute features of two texts from their words: how many they share, in what order, and what changes the meaning.

Four rules find similar texts that differ in meaning: one has a negation, their numbers differ, they have opposite
words in the same place, or two parts have changed places. The rules need no training. Each text is parsed once; then a
pair costs a few set operations.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import Literal

from semsearch.text.words import DIGIT, NEGATION, NEGATIONS, NUMERALS, without_separators, word_pattern

_SMALL = """
a an the some one this that these those is are was were be been being am do does did has have had there it its of to and
in at on for with by which who whom whose while as his her their he she they him them himself herself s
的 了 是 在 着 过 地 得 之 把 被 将 一 个 有
"""
_EMPTY = frozenset(_SMALL.split())
"""Words that say little on their own."""
_NEGATIONS = frozenset(NEGATIONS)
_PASSIVE = frozenset({"by", "被"})
_OPPOSITES = """
up/down in/out on/off onto/off into/out over/under above/below near/far close/far before/after left/right front/behind
inside/outside indoor/outdoor indoors/outdoors forward/backward toward/away north/south east/west top/bottom
big/small large/small huge/small huge/tiny large/tiny big/little large/little long/short tall/short high/low wide/narrow
thick/thin heavy/light deep/shallow fast/slow quickly/slowly rapidly/slowly loud/quiet loudly/quietly noisy/quiet
hot/cold warm/cold warm/cool wet/dry clean/dirty full/empty open/close opened/closed opening/closing open/shut new/old
young/old early/late first/last always/never often/rarely more/less most/least many/few all/none everybody/nobody
someone/nobody everything/nothing good/bad better/worse best/worst right/wrong true/false same/different easy/hard
easy/difficult hard/soft rough/smooth sharp/dull bright/dark light/dark black/white day/night morning/evening
man/woman men/women boy/girl male/female father/mother son/daughter brother/sister king/queen husband/wife he/she
buy/sell buying/selling bought/sold give/take giving/taking gave/took lend/borrow send/receive push/pull pushing/pulling
start/stop starting/stopping begin/end win/lose winning/losing won/lost enter/leave entering/leaving arrive/depart
come/go rise/fall rising/falling increase/decrease increasing/decreasing add/remove adding/removing enable/disable
enabled/disabled allow/forbid allowed/forbidden accept/reject accepted/rejected pass/fail passed/failed love/hate
like/dislike laugh/cry laughing/crying smile/frown smiling/frowning wake/sleep awake/asleep alive/dead live/die
fold/unfold folding/unfolding lock/unlock tie/untie wrap/unwrap load/unload connect/disconnect install/uninstall
dress/undress fill/empty filling/emptying clean/dirty cleaning/dirtying lift/drop lifting/dropping raise/lower
raising/lowering climb/descend climbing/descending sit/stand sitting/standing stand/lie standing/lying sitting/lying
run/walk running/walking running/standing rest/run resting/running
follow/lead follow/avoid attack/defend reveal/conceal revealing/concealing show/hide showing/hiding
build/destroy mend/break fix/break repair/damage heat/cool heating/cooling freeze/melt with/without success/failure
safe/dangerous possible/impossible legal/illegal public/private internal/external minimum/maximum min/max
require/optional required/optional mandatory/optional happy/sad friend/enemy rich/poor strong/weak cheap/expensive
peacefully/violently calm/angry
上/下 左/右 大/小 多/少 高/低 高/矮 长/短 新/旧 快/慢 冷/热 冷/暖 开/关 进/出 买/卖 借/还 前/后 内/外 里/外 增/减 升/降
男/女 早/晚 胜/负 输/赢 真/假 好/坏 黑/白 有/无 东/西 南/北 远/近 深/浅 轻/重 软/硬 干/湿 明/暗 推/拉 来/去 始/终 生/死
老/少 贵/贱 强/弱 富/贫 哭/笑 爱/恨 攻/守 昼/夜 日/夜 宽/窄 厚/薄 粗/细 涨/跌 加/减 正/反 阴/晴 起/落 收/发 允/禁
"""
_OPPOSITE: dict[str, set[str]] = {}
for _one, _other in (_pair.split("/") for _pair in _OPPOSITES.split()):
    _OPPOSITE.setdefault(_one, set()).add(_other)
    _OPPOSITE.setdefault(_other, set()).add(_one)
_FEW = 3
"""TextWords that may differ, on each side, where opposites are looked for."""
_LONG = 60
"""TextWords of a text whose order is looked at: what that takes grows with their square."""

Rule = Literal["negation", "number", "opposite", "roles"]


@dataclass(frozen=True, slots=True)
class Reason:
    """The reason why two texts differ in meaning: the rule, and the words of each text that it found."""

    rule: Rule
    a: str
    b: str

    def __str__(self) -> str:
        return f"{_SAID[self.rule]}: {self.a or '–'} / {self.b or '–'}"


_SAID: dict[Rule, str] = {
    "negation": "negations differ",
    "number": "a number differs",
    "opposite": "opposites",
    "roles": "two parts have changed places",
}


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
        "said",
        "triples",
    )

    def __init__(self, text: str) -> None:
        text = text.lower().replace("’", "'")
        every = word_pattern().findall(text)
        self.length = len(every)
        self.negations: list[str] = []
        if (
            not text.isascii() or "n't" in text or not _NEGATIONS.isdisjoint(every)
        ):  # few texts deny: spares the search
            self.negations = [match[0] for match in NEGATION.finditer(text)]
        digits = DIGIT.search(text) is not None
        self.numbers = Counter(
            without_separators(value) if digits else value
            for word in every
            if (value := NUMERALS.get(word, word)) is not word or (digits and DIGIT.search(word))
        )
        self.passive = not _PASSIVE.isdisjoint(every)
        plain = [word for word in every if "'" not in word or not word.endswith("n't")]
        self.every = frozenset(map(_stem, plain))
        self.said = frozenset(word for word in plain if word not in _EMPTY or word in _OPPOSITE)
        unsaid = _EMPTY.union(self.negations)
        self.content = [_stem(word) for word in plain if word not in unsaid]
        self.distinct = frozenset(self.content)
        self.triples = frozenset(map("".join, zip(text, text[1:], text[2:], strict=False)))


@lru_cache(2**16)
def _stem(word: str) -> str:
    """Return a word without the commonest endings: the same for `slices` and `slicing`."""
    for ending in ("ing", "ed", "es", "s", "ly", "er"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word[: -len(ending)]
            if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "lsz":
                word = word[:-1]
            break
    return word.removesuffix("e") if len(word) > 3 else word


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
    sizes, letters = (sorted(map(len, sides)) for sides in ((a.distinct, b.distinct), (a.triples, b.triples)))
    numbers = False, False
    if a.numbers != b.numbers:
        numbers = bool(a.numbers - b.numbers), bool(b.numbers - a.numbers)
    order, ordered = _disorder(a.content, b.content)
    return [
        shared / max(1, sum(sizes) - shared),
        shared / max(1, sizes[0]),
        shared / max(1, sizes[1]),
        len(a.every & b.every) / max(1, len(a.every | b.every)),
        sizes[0] - shared,
        sizes[1] - shared,
        order,
        ordered,
        abs(a.length - b.length),
        min(a.length, b.length),
        triples / max(1, sum(letters) - triples),
        triples / max(1, letters[0]),
        abs(len(a.negations) - len(b.negations)),
        all(numbers),
        bool(_opposites(a, b)),
        bool(_exchanged(a, b)),
        a.passive != b.passive,
        numbers[0] != numbers[1],
        len(a.every - b.every - a.distinct) + len(b.every - a.every - b.distinct),
    ]


def reasons(a: TextWords, b: TextWords) -> Iterator[Reason]:
    """Yield the reasons why two texts differ in meaning, at most one for each rule."""
    if len(a.negations) != len(b.negations):
        yield Reason("negation", " ".join(a.negations), " ".join(b.negations))
    if (x := a.numbers - b.numbers) and (y := b.numbers - a.numbers):
        yield Reason("number", " ".join(x.elements()), " ".join(y.elements()))
    if found := _opposites(a, b):
        yield Reason("opposite", *found)
    if found := _exchanged(a, b):
        yield Reason("roles", *found)


def _opposites(a: TextWords, b: TextWords) -> tuple[str, str] | None:
    x, y = a.said - b.said, b.said - a.said
    if len(x) <= _FEW and len(y) <= _FEW:
        for word in sorted(x):
            for other in sorted(_OPPOSITE.get(word, set()) & y):
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


def _disorder(a: list[str], b: list[str]) -> tuple[float, int]:
    """Return the share of pairs of shared words in reverse order, and the number of shared words."""
    place = {word: at for at, word in reversed(list(enumerate(b)))}
    order = [place[word] for word in dict.fromkeys(a) if word in place][:_LONG]
    turned = 0
    if order != sorted(order):
        turned = sum(x > y for x, y in combinations(order, 2))
    return turned / max(1, len(order) * (len(order) - 1) / 2), len(order)
