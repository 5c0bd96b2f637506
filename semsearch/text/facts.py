"""Find what two similar texts say differently: numbers, dates, negations, opposites, names, roles and signs.

Texts are compared sentence by sentence. A sentence that both have says nothing, nor does one that only one text has,
such as an added paragraph. Of two sentences that are alike but not equal, the facts are compared.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from semsearch.text.arrangement import reordered, steps
from semsearch.text.chunking import sentences
from semsearch.text.code_words import joined_names, keywords
from semsearch.text.opposites import CONTRASTS, TERMS
from semsearch.text.quantities import Quantity, numbered, quantities
from semsearch.text.questions import asks, may_ask
from semsearch.text.roles import exchanged
from semsearch.text.signs import sign_difference, signs
from semsearch.text.word_memo import WordMemo
from semsearch.text.words import DIGIT, NEGATION, NEGATIONS, TOKEN, stem, word_set

Rule = Literal["number", "date", "negation", "opposite", "name", "roles", "order", "sign"]
Key = tuple[str, int]
"""The value of a quantity, and how often it came before in the text."""

SHORT = 60
"""Words of a text whose numbers are compared as a whole; those of a longer text are compared by its sentences."""
FEW = 3
"""Content words that may differ on each side where opposites and names are looked for."""
ALIKE = 0.4
"""The least share of their content words that two sentences have in common if one is a version of the other."""
COMPARED = 300
"""Sentences, of those that only one text has, that are compared. This bounds the time for long texts."""
_SMALL = word_set(
    "a an the some one this that these those is are was were be been being am do does did has have had there it its of"
    " to and in at for with by which who whom whose while as his her their he she they him them himself herself s me my"
    " we our us i you your the 的 了 是 在 着 过 地 得 之 把 被 将 一 个 有 们"
)
"""Words that say little on their own."""
_DOTS = re.compile(r"\.[A-Za-z]\.")
_DOTTED = re.compile(r"(?<![\w.])(?:[A-Za-z]\.){2,}(?!\w)(?P<end>(?=\s+[A-Z]|\s*$))?")
"""An abbreviation with its dots: q.i.d., U.S."""
_CUT_SHORT = re.compile(
    r"(?i)(?<![\w.])(jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec|no|nr|fig|vol|pp?|ch|sec|art|eq|ed|approx|ca)\.(?=\s\d)"
)
"""A word cut short before a number, whose point ends no sentence."""
_ACRONYM = re.compile(r"(?<![\w.])[A-Z]{2,3}(?![\w'’])")
_PASSIVE = frozenset(("by", "被"))
_DENYING = frozenset(NEGATIONS)
_FORBIDDEN = ("forbidden", "prohibited", "hardly", "scarcely")
_OBLIGED = re.compile("不[得能可]不")
"""Two negations that state a duty."""
_FORBIDDING = re.compile(rf"禁止|严禁|嚴禁|不得|不能|(?<![a-z])(?:{'|'.join(_FORBIDDEN)})(?![a-z])")
_EXCEPTING = re.compile(
    r"(?<![a-z])(?:unless|(?:(?:as|so) long as|provided(?: that)?) (?:no|nobody|nothing|none))(?![a-z])"
)
"""Words that make an exception: `unless somebody waits` says the same as `as long as nobody waits`."""
PREFIXES = ("un", "non", "in", "im", "il", "ir", "dis")
"""The beginnings of words that negate the rest."""
_TERMS = frozenset(TERMS)
_TERM = re.compile(f"(?=[{''.join({term[0] for term in TERMS})}])(?:{'|'.join(TERMS)})")
_COMPARISON = re.compile(r"(?<=[\w)\]%])\s*([<>]=?|[≤≥])(?=\s*[$€£¥]?[-−]?\d)")
_COMPARED = frozenset("<>≤≥")
_COMPARED_AS = {"<=": "≤", ">=": "≥"}
_BOUNDS = {
    bound: re.compile(rf"(?<![a-z])(?:{words})(?=\s*[$€£¥]?\d)|{han}")
    for bound, words, han in (
        ("≥", "at least|(?:no|not) (?:less|fewer) than|(?:a )?minimum of", "至少|不少于|不低于|起码"),
        ("≤", "at most|(?:no|not) more than|up to|(?:a )?maximum of", "至多|最多|不超过|不多于|不高于"),
        (">", "more than|over|above", "超过|多于|大于|高于"),
        ("<", "(?:less|fewer) than|under|below", "少于|小于|低于|不到"),
    )
}
"""The words that set a bound to a number, by their sign; the longer ones come first."""
_BOUND = re.compile("least|most|than|up to|imum of|over|above|under|below|[至最不起超多大高少小低]")
_LABEL = re.compile(r"(?:(?<![A-Za-z])[A-Za-z]{3,}[ -]|[\u4e00-\u9fff])([A-HJ-Z])(?![A-Za-z0-9'’])")
"""A letter that labels: pier A, 选项B."""
_REFERENCE = re.compile(r"(?:^|(?<=[.!?。，,;]))\s*\[\d{1,3}(?:\s?[,–-]\s?\d{1,3})*\](?=\s*\w)")
"""The mark of a reference before a sentence, which says nothing itself: [12]."""
_CALENDAR = word_set(
    "january february march april may june july august september october november december jan feb mar apr jun jul aug"
    " sep sept oct nov dec monday tuesday wednesday thursday friday saturday sunday mr mrs ms dr doctor prof i"
)
_ABBREVIATED = {
    "st": "street", "rd": "road", "ave": "avenue", "blvd": "boulevard", "mt": "mount", "ft": "fort", "ltd": "limited",
    "inc": "incorporated", "corp": "corporation", "univ": "university", "dept": "department",
}  # fmt: skip
"""Parts of names that are often cut short."""
_TITLED = re.compile(
    "([王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎余潘杜戴夏钟汪田任姜范方石姚谭廖邹熊金"
    "陆郝孔白崔康毛邱秦江史顾侯邵孟龙万段钱汤尹黎易常武乔贺赖龚文張劉陳楊趙黃吳孫馬羅鄭謝韓馮蕭鄧許呂蘇盧蔣賈葉閻鐘譚鄒陸顧龍萬錢湯賴龔])"
    "(?:先生|女士|小姐|太太|夫人|老师|老師|教授|医生|醫生|大夫|博士|经理|經理|主任|律师|律師|师傅|師傅|总(?![是有要会能共体结])|阿姨|叔叔|同学|同學)"
)
"""A Chinese family name before a title."""
_STARTS = frozenset((".", "!", "?", "\n", "“", '"', "#", "*", "-", "(", ">", "|"))
_SAID: dict[Rule, str] = {
    "number": "a number differs",
    "date": "a date or time differs",
    "negation": "negations differ",
    "opposite": "opposites",
    "name": "a name differs",
    "roles": "two parts have changed places",
    "order": "steps come in another order",
    "sign": "a sign differs",
}


@dataclass(frozen=True, slots=True)
class Reason:
    """The reason why two texts differ in meaning: the rule, and the words of each text that it found."""

    rule: Rule
    a: str
    b: str

    def __str__(self) -> str:
        return f"{_SAID[self.rule]}: {self.a or '–'} / {self.b or '–'}"


class Amounts:
    """The quantities of a text or a sentence.

    `need` has each quantity by its kind and key. `have` has the units of each key that agrees with one of the text's
    quantities; no unit agrees with any. Another text agrees if what either needs is what the other has.
    """

    __slots__ = ("have", "need")

    def __init__(self, found: Sequence[Quantity]) -> None:
        self.need: dict[tuple[str, Key], Quantity] = {}
        self.have: dict[Key, set[str]] = {}
        for quantity, before in numbered(list(found)):
            self.need[_class(quantity), (quantity.value, before)] = quantity
            for value, unit in ((quantity.value, quantity.unit), *quantity.others):
                self.have.setdefault((value, before), set()).add(unit)

    def lacks(self, other: "Amounts") -> dict[str, list[Quantity]]:
        """Return the quantities that another text does not have, by their class."""
        found: dict[str, list[Quantity]] = {}
        for (group, key), quantity in self.need.items():
            units = other.have.get(key)
            if units is None or (quantity.unit and "" not in units and quantity.unit not in units):
                found.setdefault(group, []).append(quantity)
        return found


_NO_AMOUNTS = Amounts(())
_NO_NAMES: frozenset[str] = frozenset()


def _class(quantity: Quantity) -> str:
    """Return the class of a quantity: only two of one class contradict each other."""
    return quantity.kind if quantity.kind in ("ordinal", "weekday") else "amount"


class Statement:
    """A sentence, parsed once: its words in order, and its facts. Exceptions are not among the negations.

    Sentences with equal keys say the same.
    """

    __slots__ = (
        "amounts",
        "content",
        "exceptions",
        "found",
        "key",
        "names",
        "negations",
        "question",
        "signs",
        "text",
        "tokens",
        "words",
    )

    def __init__(self, text: str) -> None:
        if "[" in text:  # here and below, what few sentences have is searched for in those only
            text = _REFERENCE.sub("", text)
        self.text, self.question = text, asks(text)
        low, self.found = quantities(text)
        self.amounts = Amounts(self.found) if self.found else _NO_AMOUNTS
        self.tokens = [match[0] for match in TOKEN.finditer(low)]
        self.signs = (*signs(text), *keywords(low, self.tokens))
        self.key = tuple(self.tokens), self.signs
        words = [token for token in self.tokens if token[0].isalnum() or DIGIT.search(token)]
        self.words = frozenset(words).union(
            _TERM.findall(low) if not low.isascii() else (), _comparisons(low)
        )
        low, bounds = _bounded(low)
        self.words |= bounds
        excepting = "unless" in low or "long as" in low or "provided" in low
        self.exceptions = _EXCEPTING.findall(low) if excepting else []
        self.negations = _negations(_EXCEPTING.sub(" ", low) if self.exceptions else low, self.words)
        self.content = content(words) - frozenset(self.negations)
        self.names = _NO_NAMES if _plain(text) else _names(text).union(_LABEL.findall(text))
        if not text.isascii():
            self.names = self.names.union(_TITLED.findall(text))


def _bounded(low: str) -> tuple[str, frozenset[str]]:
    """Return a text in lower case without the words that set bounds, some of which seem to negate, and their signs."""
    found = set()
    bounded = (not low.isascii() or DIGIT.search(low)) and _BOUND.search(low)
    for sign, pattern in _BOUNDS.items() if bounded else ():
        low, count = pattern.subn(" ", low)
        if count:
            found.add(sign)
    return low, frozenset(found)


def _comparisons(low: str) -> list[str]:
    if _COMPARED.isdisjoint(low):
        return []
    return [_COMPARED_AS.get(sign, sign) for sign in _COMPARISON.findall(low)]


def content(words: Iterable[str]) -> frozenset[str]:
    """Return the stems of the words, in lower case, that say something: no articles, and no numbers."""
    return frozenset(filter(None, map(_CONTENT.__getitem__, words)))


def _content(word: str) -> str:
    """Return the stem of a word that says something, or ""."""
    return "" if word in _SMALL or "n't" in word or DIGIT.search(word) else stem(word)


_CONTENT = WordMemo(_content)


def _negations(low: str, words: frozenset[str]) -> list[str]:
    if not low.isascii():
        low = _OBLIGED.sub(" ", low)
    forbidden = not low.isascii() or any(map(low.__contains__, _FORBIDDEN))
    if not forbidden and "n't" not in low and _DENYING.isdisjoint(words):
        return []  # few texts deny: spares the search
    forbidding = [match[0] for match in _FORBIDDING.finditer(low)]
    return forbidding + [match[0] for match in NEGATION.finditer(_FORBIDDING.sub(" ", low))]


def _plain(text: str) -> bool:
    """Return True for a text that has no name: no capital but as its first character."""
    return text[1:].islower() and "@" not in text


def _names(text: str) -> frozenset[str]:
    """Return the words, in lower case, that have a capital within a sentence whose words mostly have none."""
    found, words, capitals = set(), 0, 0
    before = "\n"
    for match in TOKEN.finditer(text):
        token = match[0]
        if token[0].isalpha():
            words += 1
            if token[0].isupper() and before not in _STARTS:
                capitals += 1
                if token[1:].islower() and _CALENDAR.isdisjoint(
                    (token.lower(), token.lower().removesuffix("s"))
                ):
                    found.add(_ABBREVIATED.get(token.lower(), token.lower()))
            elif before == "@":
                found.add(token.lower())
        before = token[0]
    return frozenset(found) if found and capitals * 2 <= words + 1 else frozenset()


_statement = lru_cache(1024)(Statement)
"""Parses a sentence: the texts of one template have most sentences in common."""


class Facts:
    """A text parsed into statements, once for all pairs that it is in."""

    __slots__ = ("amounts", "length", "statements", "steps")

    def __init__(self, text: str) -> None:
        if _DOTS.search(text):
            text = _DOTTED.sub(_undotted, text)
        if ". " in text:
            text = _CUT_SHORT.sub(_without_point, text)
        parts = [text[start:end] for start, end in sentences(text)]
        self.statements = [*map(_statement, parts)]
        self.steps = steps(text, parts)
        self.length = sum(len(statement.tokens) for statement in self.statements)
        found = [quantity for statement in self.statements for quantity in statement.found]
        self.amounts = Amounts(found) if len(self.statements) != 1 else self.statements[0].amounts

    @property
    def exceptions(self) -> int:
        """The number of exceptions."""
        return sum(len(statement.exceptions) for statement in self.statements)

    @property
    def short(self) -> bool:
        """True if the numbers are compared as a whole."""
        return self.length <= SHORT


def _undotted(match: re.Match[str]) -> str:
    """Return an abbreviation without its dots, but for one that may end a sentence."""
    return match[0].replace(".", "") + "." * (match["end"] is not None)


def _without_point(match: re.Match[str]) -> str:
    """Return a word that is cut short without its point; "no" would deny."""
    return "number" if match[1].lower() in ("no", "nr") else match[1]


def differences(a: Facts, b: Facts) -> Iterator[Reason]:
    """Yield the reasons why two similar texts differ in meaning, at most one for each pair of sentences and rule.

    Numbers and dates come first.
    """
    whole = a.short and b.short
    if whole:
        yield from _amounts(a.amounts, b.amounts)
    versions = list(_versions(a.statements, b.statements))
    if not whole:
        for x, y in versions:
            yield from _amounts(x.amounts, y.amounts)
    if found := reordered(a.steps, b.steps):
        yield Reason("order", *found)
    excepting = a.exceptions == b.exceptions
    for x, y in versions:
        only_x, only_y = x.words - y.words, y.words - x.words
        if _denied(x, y, moved=excepting):
            negated = _negated(only_x, only_y), _negated(only_y, only_x)
            if any(negated) and len(x.negations) + len(negated[0]) == len(y.negations) + len(negated[1]):
                # "impossible" says the same as "not possible"
                same = frozenset().union(*(pair for side in negated for pair in side))
                only_x, only_y = only_x - same, only_y - same
            else:
                yield Reason("negation", *(" ".join(side.negations + side.exceptions) for side in (x, y)))
        if found := opposites(only_x, only_y):
            yield Reason("opposite", *found)
        if found := _other_names(x, y):
            yield Reason("name", *found)
        if x.words & _PASSIVE == y.words & _PASSIVE and (
            found := exchanged(x.text, y.text, x.tokens, y.tokens)
        ):
            yield Reason("roles", *found)
        if x.signs != y.signs:
            yield Reason("sign", *sign_difference(x.signs, y.signs))
        if x.question != y.question and not may_ask((y if x.question else x).text):
            yield Reason("sign", "?" * x.question, "?" * y.question)
        if found := _other_joints(x, y):
            yield Reason("sign", *found)


def _negated(x: frozenset[str], y: frozenset[str]) -> list[tuple[str, str]]:
    """Return the words in `x` that negate one in `y` by their beginning, each with that one."""
    return [
        (word, word.removeprefix(prefix))
        for word in sorted(x)
        for prefix in PREFIXES
        if word.startswith(prefix) and word.removeprefix(prefix) in y
    ]


def _denied(a: Statement, b: Statement, *, moved: bool) -> bool:
    """Return True if only one of two sentences denies. If exceptions `moved`, they may be in another sentence."""
    if moved and len(a.negations) == len(b.negations):
        return False
    return len(a.negations) + len(a.exceptions) != len(b.negations) + len(b.exceptions)


def agree(a: str, b: str) -> bool:
    """Return True where two similar texts state the same facts."""
    return a == b or next(differences(Facts(a), Facts(b)), None) is None


def _versions(a: Sequence[Statement], b: Sequence[Statement]) -> Iterator[tuple[Statement, Statement]]:
    """Yield the sentences of two texts that are alike and not equal, each once, the most alike first."""
    if len(a) == len(b) == 1:
        if a[0].key != b[0].key:
            yield a[0], b[0]
        return
    shared = {statement.key for statement in a} & {statement.key for statement in b}
    x = [statement for statement in a if statement.key not in shared][:COMPARED]
    y = [statement for statement in b if statement.key not in shared][:COMPARED]
    alike = []
    for i, one in enumerate(x):
        for j, other in enumerate(y):
            if (share := _overlap(one.content, other.content)) >= ALIKE:
                alike.append((-share, abs(i - j), i, j))
    taken_x, taken_y = set(), set()
    for _, _, i, j in sorted(alike):
        if i not in taken_x and j not in taken_y:
            taken_x.add(i)
            taken_y.add(j)
            yield x[i], y[j]


def _overlap(a: frozenset[str], b: frozenset[str]) -> float:
    shared = len(a & b)
    return shared / (len(a) + len(b) - shared) if shared else float(not a and not b)


def _amounts(a: Amounts, b: Amounts) -> Iterator[Reason]:
    x, y = a.lacks(b), b.lacks(a)
    for group in [
        group for group in x if group in y
    ]:  # in the text's order: a set's differs between processes
        kinds = {quantity.kind for quantity in (*x[group], *y[group])}
        rule: Rule = "date" if kinds <= {"date", "time", "weekday"} else "number"
        said = (" ".join(dict.fromkeys(quantity.said for quantity in side[group])) for side in (x, y))
        yield Reason(rule, *said)


def opposites(x: frozenset[str], y: frozenset[str]) -> tuple[str, str] | None:
    """Return opposites, one among the words that only one text has and one among the other's; None if there are none.

    Many words that differ are another wording, and opposites among them mean little.
    """
    x, y = x - _SMALL | x & CONTRASTS.keys(), y - _SMALL | y & CONTRASTS.keys()
    stems = {stem(word): word for word in sorted(y)}
    common = stems.keys() & set(map(stem, x))
    if any(sum(stem(word) not in common for word in _said_otherwise(side)) > FEW for side in (x, y)):
        return None
    for word in sorted(x):
        for other in sorted(CONTRASTS.get(word, set()) | _stemmed().get(stem(word), set())):
            if other in y or (len(other) > 1 and stem(other) in stems):
                return word, other if other in y else stems[stem(other)]
        for prefix in ("un", "non"):
            for one, two in ((word, prefix + word), (word.removeprefix(prefix), word)):
                found = two if one == word else one
                if len(one) > 3 and found in y and one != two and two not in ("unless",):
                    return word, found
    return None


def _said_otherwise(words: frozenset[str]) -> Iterator[str]:
    """Yield the words but terms of several characters, the characters of these, and signs of bounds."""
    spelled = frozenset("".join(word for word in words if word in _TERMS))
    return (word for word in words if word not in _TERMS and word not in spelled and word[0].isalnum())


@lru_cache(1)
def _stemmed() -> Mapping[str, set[str]]:
    table: dict[str, set[str]] = {}
    for word, others in CONTRASTS.items():
        if word.endswith("ly"):  # a yearly fee, but not a year
            continue
        table.setdefault(stem(word), set()).update(others)
    return table


def _other_names(a: Statement, b: Statement) -> tuple[str, str] | None:
    """Return the names that only each text has, where little else differs; else None."""
    x, y = a.names - b.words - b.names, b.names - a.words - a.names
    if not x or not y:
        x = acronyms(a) - b.words - b.names
        y = acronyms(b) - a.words - a.names if x else _NO_NAMES
        if any(one.startswith(other) or other.startswith(one) for one in x for other in y):  # US and USA
            return None
    if not x or not y:
        return None
    rest = (a.content - b.content - {stem(w) for w in x}, b.content - a.content - {stem(w) for w in y})
    if max(map(len, rest)) > FEW:
        return None
    return " ".join(sorted(x)), " ".join(sorted(y))


def acronyms(sentence: Statement) -> frozenset[str]:
    """Return the names in capitals, such as U.S. and UK, in lower case and without dots."""
    if _plain(sentence.text) or sentence.text.isupper():
        return _NO_NAMES
    return frozenset(map(str.lower, _ACRONYM.findall(sentence.text)))


def _other_joints(a: Statement, b: Statement) -> tuple[str, str] | None:
    """Return a name that two sentences join with other marks, such as `a.b` and `a_b`; else None."""
    x = joined_names(a.text)
    y = joined_names(b.text) if x else {}
    return next(((x[name], y[name]) for name in x if name in y and x[name] != y[name]), None)
