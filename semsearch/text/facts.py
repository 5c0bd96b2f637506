"""Find what two similar texts say differently: numbers, dates, negations, opposites, names, roles and signs.

Texts are compared sentence by sentence. A sentence that both have says nothing, nor does one that only one text has,
such as an added paragraph. Of two sentences that are alike but not equal, the facts are compared.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import Literal

from semsearch.text.arrangement import reordered, steps
from semsearch.text.chunking import sentences
from semsearch.text.code_words import joined_names, keywords
from semsearch.text.double_negations import without_double_negations
from semsearch.text.names import acronyms, names
from semsearch.text.opposites import CONTRASTS, MODES, ONE_OF_MANY, POLAR, STRONG, TERMS, terms
from semsearch.text.quantities import Quantity, numbered, quantities
from semsearch.text.questions import asks, may_ask
from semsearch.text.roles import Relation, crossed, exchanged, relations, spelt, turned
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
MANY = 6
"""The same where the opposites are of a kind that other wording hardly has."""
ALIKE = 0.4
"""The least share of their content words that two sentences have in common if one is a version of the other."""
HARDLY = 0.2
"""The same for two sentences at one place of two texts that are otherwise alike there."""
SAME = 0.6
"""The same for what two sentences deny."""
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
_PASSIVE = frozenset(("by", "被"))
_DENYING = frozenset((*NEGATIONS, *"不没沒未"))
_FORBIDDEN = (
    "forbidden", "prohibited", "banned", "barred", "off limits", "off-limits", "out of bounds", "outlawed", "hardly",
    "scarcely", "lacks", "lacked", "lacking", "lack", "formerly", "yet to", "is still to", "are still to",
)  # fmt: skip
_OBLIGED = re.compile(
    "不[得能可]不|(?:不是|不会|不會|并非|並非|没有|沒有|无|無|非)[不没沒无無](?:[能会會可是得]|可以)?"
    "|不好意思|对不起|對不起|差不多|说不定|說不定|了不起|不客气|不客氣|不妨|不吝"
    "|[没沒](?:有)?(?:一[个個位名人])?[\u4e00-\u9fff]{0,2}[不没沒](?!有)|不[\u4e00-\u9fff]{2,8}不[能可行]"
    "|未[\u4e00-\u9fff]{1,10}[，,]?(?:一律|均|都|概)?(?:不得|不能|不可|不予|不准|严禁|禁止|请勿)"
)
"""Two negations that state a duty, or deny nothing, and words that only look like one: 不得不, 不好意思."""
_DENYING_ALL = {
    "no": ("every", "all", "each"),
    "none": ("all", "every", "each"),
    "never": ("always",),
    "nobody": ("everybody", "everyone"),
    "nothing": ("everything",),
    "neither": ("both",),
}
"""Words that deny all of what follows, and those that they are the opposite of."""
_FORBIDDING = re.compile(rf"禁止|严禁|嚴禁|谢绝|謝絕|不得|不能|(?<![a-z])(?:{'|'.join(_FORBIDDEN)})(?![a-z])")
_EXCEPTING = re.compile(
    r"(?<![a-z])(?:unless|(?:(?:as|so) long as|provided(?: that)?) (?:no|nobody|nothing|none))(?![a-z])"
)
"""Words that make an exception: `unless somebody waits` says the same as `as long as nobody waits`."""
PREFIXES = ("un", "non", "in", "im", "il", "ir", "dis")
"""The beginnings of words that negate the rest."""
_SAME_WITH_PREFIX = word_set("to less flammable valuable form deed side put let age")
"""Words that such a beginning does not negate: invaluable, inform."""
_NEAR = 3
"""Words before a word among which a negation denies it."""
_AHEAD = 2
"""Content words after a negation that tell it from another one."""
_CLAUSE = re.compile(r"[.;!?。；！？，,:：]")
_MODE_OF = {word: mode for mode, (words, _, _) in MODES.items() for word in words.split()}
_PHRASES, _HAN_PHRASES = (
    (
        re.compile(
            rf"{start}(?:{'|'.join(f'({forms[kind]})' for forms in MODES.values() if forms[kind])}){end}"
        ),
        ("", *(mode for mode, forms in MODES.items() if forms[kind])),
    )
    for kind, start, end in ((1, r"\b(?=[a-z])", r"\b"), (2, "", ""))
)
"""The phrases in English and in Chinese, a group for each mode, and the modes by the number of their group."""
_NARROWING = (
    (frozenset(("‹might›",)), word_set("‹could› ‹may› ‹can› ‹should› ‹if› seems appears")),
    (
        word_set("only 仅"),
        word_set("just merely alone except with after if when once ‹only if› 唯 只"),
    ),
)
"""Words that narrow what is said, and others that do so as well."""
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
_LABEL_A = re.compile(r"(?<=[A-Za-z]{3} )A(?=[\s,.;:!?)]|$)(?! [a-z]+ [A-Z])")
"""The letter A where it labels: route A."""
_INITIALS = re.compile(
    r"(?:^|(?<=[:,;(&/] )|(?<=\b(?:by|Mr|Ms|Dr) )|(?<=\b(?:and|for|Mrs) )|(?<=\b(?:Prof|from|with) ))"
    r"(?:[A-Z]\. ){1,3}(?=[A-Z][a-z])"
)
"""The first letters of a name, whose points end no sentence."""
_REFERENCE = re.compile(r"(?:^|(?<=[.!?。，,;]))\s*\[\d{1,3}(?:\s?[,–-]\s?\d{1,3})*\](?=\s*\w)")
"""The mark of a reference before a sentence, which says nothing itself: [12]."""
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
            self.have.setdefault((quantity.value, before), set()).add(quantity.unit)
            for value, unit in quantity.others:
                # Two days may follow two hours, and 48 hours none.
                for at in range(before - 1, before + 2):
                    self.have.setdefault((value, at), set()).add(unit)

    def lacks(self, other: "Amounts") -> dict[str, list[Quantity]]:
        """Return the quantities that another text does not have, by their class."""
        found: dict[str, list[Quantity]] = {}
        for (group, key), quantity in self.need.items():
            units = other.have.get(key)
            if units is None or (quantity.unit and "" not in units and quantity.unit not in units):
                found.setdefault(group, []).append(quantity)
        return found


_NO_AMOUNTS = Amounts(())
_NONE: frozenset[str] = frozenset()


def _class(quantity: Quantity) -> str:
    """Return the class of a quantity: only two of one class contradict each other."""
    return quantity.kind if quantity.kind in ("ordinal", "weekday", "frequency") else "amount"


class Statement:
    """A sentence, parsed once: its words in order, and its facts. Exceptions are not among the negations.

    Sentences with equal keys say the same.
    """

    __slots__ = (
        "_relations",
        "amounts",
        "content",
        "denied",
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
        # The letter A that labels is not an article.
        low, self.found = quantities(_LABEL_A.sub("aa", text) if " A" in text else text)
        low = without_double_negations(low)
        self.amounts = Amounts(self.found) if self.found else _NO_AMOUNTS
        self.tokens = [match[0] for match in TOKEN.finditer(low)]
        self.signs = (*signs(text), *keywords(low, self.tokens))
        self.key = tuple(self.tokens), self.signs
        words = [token for token in self.tokens if token[0].isalnum() or DIGIT.search(token)]
        self.words = frozenset(words).union(terms(low) if not low.isascii() else (), _comparisons(low))
        low, bounds = _bounded(low)
        self.words = self.words.union(bounds, _modes(low, self.words))
        excepting = "unless" in low or "long as" in low or "provided" in low
        self.exceptions = _EXCEPTING.findall(low) if excepting else []
        low = _EXCEPTING.sub(" ", low) if self.exceptions else low
        negations = _negations(low, self.words)
        self.negations = [match[0] for match in negations]
        self.denied = [*map(_denied, negations)]
        self.content = content(words) - frozenset(self.negations)
        self.names = names(text)
        self._relations: tuple[Relation, ...] | None = None

    @property
    def relations(self) -> tuple[Relation, ...]:
        """Return what the words relate: who stands on which side."""
        if self._relations is None:
            self._relations = relations(self.tokens, self.names)
        return self._relations

    @property
    def denying(self) -> frozenset[str]:
        """Return the words and characters of the negations."""
        return frozenset(self.negations).union(*(word for word in self.negations if not word.isascii()))

    @property
    def known(self) -> frozenset[str]:
        """Return the words that may be names in another sentence."""
        return self.words | self.names | {word[:-2] for word in self.words if word.endswith("'s")}


def _bounded(low: str) -> tuple[str, frozenset[str]]:
    """Return a text in lower case without the words that set bounds, some of which seem to negate, and their signs."""
    found = set()
    bounded = (not low.isascii() or DIGIT.search(low)) and _BOUND.search(low)
    for sign, pattern in _BOUNDS.items() if bounded else ():
        low, count = pattern.subn(" ", low)
        if count:
            found.add(sign)
    return low, frozenset(found)


def _modes(low: str, words: frozenset[str]) -> set[str]:
    """Return what a text in lower case with these words demands, allows, expects and the like; see `MODES`."""
    found = _modes_by(*_PHRASES, low)
    if found:  # "had to" reports nothing
        words = frozenset(_PHRASES[0].sub(" ", low).split())
    found.update(_MODE_OF[word] for word in words & _MODE_OF.keys())
    return found if low.isascii() else found | _modes_by(*_HAN_PHRASES, low)


def _modes_by(phrases: re.Pattern[str], modes: Sequence[str], low: str) -> set[str]:
    return {modes[match.lastindex or 0] for match in phrases.finditer(low)}


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


def _negations(low: str, words: frozenset[str]) -> list[re.Match[str]]:
    """Return what denies in a text in lower case with these words, first what forbids."""
    if not low.isascii():
        low = _OBLIGED.sub(_blank, low)
    forbidden = not low.isascii() or any(map(low.__contains__, _FORBIDDEN))
    if not forbidden and "n't" not in low and _DENYING.isdisjoint(words):
        return []  # few texts deny: spares the search
    return [*_FORBIDDING.finditer(low), *NEGATION.finditer(_FORBIDDING.sub(_blank, low))]


def _blank(match: re.Match[str]) -> str:
    return " " * len(match[0])


def _denied(negation: re.Match[str]) -> frozenset[str]:
    """Return the content words of a negation's clause: those after it, or all if these are few."""
    before = _CLAUSE.split(negation.string[: negation.start()])[-1]
    after = _CLAUSE.split(negation.string[negation.end() :], maxsplit=1)[0]
    found = content(token[0] for token in TOKEN.finditer(after))
    if len(found) < _AHEAD:
        found |= content(token[0] for token in TOKEN.finditer(before))
    return frozenset(word for word in found if word[0].isalnum())


_statement = lru_cache(1024)(Statement)
"""Parses a sentence: the texts of one template have most sentences in common."""


class Facts:
    """A text parsed into statements, once for all pairs that it is in."""

    __slots__ = ("amounts", "denials", "length", "questions", "statements", "steps")

    def __init__(self, text: str) -> None:
        if _DOTS.search(text):
            text = _DOTTED.sub(_undotted, text)
        if ". " in text:
            text = _INITIALS.sub(_without_points, _CUT_SHORT.sub(_without_point, text))
        parts = [text[start:end] for start, end in sentences(text)]
        self.statements = [*map(_statement, parts)]
        self.steps = steps(text, parts)
        self.questions = sum(statement.question for statement in self.statements)
        self.denials = [denied for statement in self.statements for denied in statement.denied]
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


def _without_points(match: re.Match[str]) -> str:
    return match[0].replace(".", "")


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
    moved = _same_denied(a.denials, b.denials)
    for x, y in versions:
        only_x, only_y = x.words - y.words, y.words - x.words
        if len(x.negations) != len(y.negations) and (
            lifted := _lifted(x, only_x, only_y) + _lifted(y, only_y, only_x)
        ):
            # "not impossible" and "not outside" say the same as "possible" and "inside"
            only_x, only_y = only_x - set(lifted), only_y - set(lifted)
        elif not moved and _one_denies(x, y, moved=excepting) and not _misspelt(x, y, only_x, only_y):
            negated = _negated(only_x, only_y), _negated(only_y, only_x)
            if any(negated) and len(x.negations) + len(negated[0]) == len(y.negations) + len(negated[1]):
                # "impossible" says the same as "not possible"
                same = frozenset().union(*(pair for side in negated for pair in side))
                only_x, only_y = only_x - same, only_y - same
            else:
                yield Reason("negation", *(" ".join(side.negations + side.exceptions) for side in (x, y)))
        if len(x.negations) == len(y.negations):  # "not allowed" is "forbidden"
            only_x, only_y = only_x - x.denying, only_y - y.denying
        found = opposites(only_x, only_y)
        crossing = crossed(x.relations, y.relations, opposite=found is not None)
        if found and (crossing or turned(x.tokens, y.tokens, *found) or _undone(only_x, only_y)):
            found = crossing = None  # who is taller, and who is shorter
        if found := found or _narrowed(x, y) or _narrowed(y, x):
            yield Reason("opposite", *found)
        if found := _other_names(x, y):
            yield Reason("name", *found)
        if x.words & _PASSIVE == y.words & _PASSIVE:
            if crossing:
                yield Reason("roles", *(spelt(stems, x.tokens) for stems in crossing))
            elif found := exchanged(x.text, y.text, x.tokens, y.tokens):
                yield Reason("roles", *found)
        if x.signs != y.signs:
            yield Reason("sign", *sign_difference(x.signs, y.signs))
        if (
            a.questions != b.questions
            and x.question != y.question
            and not may_ask((y if x.question else x).text)
        ):
            yield Reason("sign", "?" * x.question, "?" * y.question)
        if found := _other_joints(x, y):
            yield Reason("sign", *found)


def _same_denied(a: Sequence[frozenset[str]], b: Sequence[frozenset[str]]) -> bool:
    """Return True if two texts deny the same words, which may be in other sentences."""
    rest = list(b)
    for one in a:
        best = max(rest, key=lambda other: _overlap(one, other), default=None)
        if best is None or _overlap(one, best) < SAME:
            return False
        rest.remove(best)
    return bool(a) and not rest


def _lifted(statement: Statement, words: frozenset[str], others: frozenset[str]) -> list[str]:
    """Return what a statement denies whose opposite the other says, with that and the words that deny all."""
    if not statement.negations:
        return []
    pairs = [(word, other) for word in sorted(words - ONE_OF_MANY) for other in _contrasting(word, others)]
    pairs += _negated(words, others)
    found = []
    for word, other in pairs:
        at = _place(word, statement.tokens)
        before = statement.tokens[:at]
        whole = [(token, all_) for token in before for all_ in _DENYING_ALL.get(token, ()) if all_ in others]
        if whole or any(token in _DENYING or "n't" in token for token in before[-_NEAR:]):
            found += [word, other, *chain(*whole)]
    if found:  # 从不 is a negation, and a word that has an opposite
        terms = (word for word in words & TERMS if not statement.denying.isdisjoint(word))
        found += chain(*((word, *_contrasting(word, others)) for word in terms))
    return found


def _place(word: str, tokens: Sequence[str]) -> int:
    """Return where a word, or a term of several tokens, stands; 0 if it does not."""
    if word in tokens:
        return tokens.index(word)
    return next((at for at in range(len(tokens)) if "".join(tokens[at : at + len(word)]) == word), 0)


def _misspelt(a: Statement, b: Statement, x: frozenset[str], y: frozenset[str]) -> bool:
    """Return whether the only negation that one of two texts has is a word of the other with two letters exchanged."""
    more, words = (a, y) if len(a.negations) > len(b.negations) else (b, x)
    return abs(len(a.negations) - len(b.negations)) == 1 and any(
        len(negation) > 3 and sorted(negation) == sorted(word)
        for negation in more.negations
        for word in words
    )


def _negated(x: frozenset[str], y: frozenset[str]) -> list[tuple[str, str]]:
    """Return the words in `x` that negate one in `y` by their beginning, each with that one."""
    return [
        (word, rest)
        for word in sorted(x)
        for prefix in PREFIXES
        if (rest := word.removeprefix(prefix)) != word and rest in y and rest not in _SAME_WITH_PREFIX
    ]


def _one_denies(a: Statement, b: Statement, *, moved: bool) -> bool:
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
    taken: dict[int, int] = {}
    others = set[int]()
    for _, _, i, j in sorted(alike):
        if i not in taken and j not in others:
            taken[i] = j
            others.add(j)
            yield x[i], y[j]
    yield from _between(a, b, {id(x[i]): y[j] for i, j in taken.items()})


def _between(
    a: Sequence[Statement], b: Sequence[Statement], versions: Mapping[int, Statement]
) -> Iterator[tuple[Statement, Statement]]:
    """Yield the sentences at one place of two texts that are hardly alike, and stand between equals or versions."""
    if len(a) != len(b) or len(a) > COMPARED:
        return
    fitting = [
        one.key == other.key or versions.get(id(one)) is other for one, other in zip(a, b, strict=True)
    ]
    taken = {id(other) for other in versions.values()}
    for at, (one, other) in enumerate(zip(a, b, strict=True)):
        if fitting[at] or id(one) in versions or id(other) in taken:
            continue
        around = fitting[max(0, at - 1) : at] + fitting[at + 1 : at + 2]
        if all(around) and _overlap(one.content, other.content) >= HARDLY:
            yield one, other


def _overlap(a: frozenset[str], b: frozenset[str]) -> float:
    shared = len(a & b)
    return shared / (len(a) + len(b) - shared) if shared else float(not a and not b)


def _amounts(a: Amounts, b: Amounts) -> Iterator[Reason]:
    x, y = a.lacks(b), b.lacks(a)
    for group in [
        group for group in x if group in y
    ]:  # in the text's order: a set's differs between processes
        kinds = {quantity.kind for quantity in (*x[group], *y[group])}
        rule: Rule = "date" if kinds <= {"date", "time", "weekday", "frequency"} else "number"
        said = (" ".join(dict.fromkeys(quantity.said for quantity in side[group])) for side in (x, y))
        yield Reason(rule, *said)


def opposites(x: frozenset[str], y: frozenset[str]) -> tuple[str, str] | None:
    """Return opposites, one among the words that only one text has and one among the other's; None if there are none.

    Many words that differ are another wording, and opposites among them mean little.
    """
    x, y = x - _SMALL | x & CONTRASTS.keys(), y - _SMALL | y & CONTRASTS.keys()
    common = set(map(stem, x)) & set(map(stem, y))
    differing = [[word for word in _said_otherwise(side) if stem(word) not in common] for side in (x, y)]
    most, size = max(map(len, differing)), max(map(_size, differing))
    if size > MANY:
        return None
    for word in sorted(x):
        for other in _contrasting(word, y):
            if (
                most <= FEW
                or (most <= MANY and word in STRONG and other in STRONG)
                or (size <= FEW and word in TERMS and other in TERMS)
            ):
                return word, other
    if most > FEW:
        return None
    return min(_negated(x, y) + [(one, other) for other, one in _negated(y, x)], default=None)


def _undone(x: frozenset[str], y: frozenset[str]) -> bool:
    """Return True for opposites that undo each other: `rarely late` is `usually punctual`."""
    pairs = [(word, other) for word in x for other in _contrasting(word, y) if "‹" not in word]
    return len({POLAR.isdisjoint(pair) for pair in pairs}) == 2


def _narrowed(a: Statement, b: Statement) -> tuple[str, str] | None:
    """Return what makes only one of two statements narrower, such as "perhaps" and "only"; else None."""
    for narrowing, more in _NARROWING:
        found = a.words & narrowing
        if found and b.words.isdisjoint(narrowing | more) and not (a.question or b.question):
            x, y = a.content - b.content - narrowing, b.content - a.content
            if "‹should›" not in a.words and _size(x) < FEW and _size(y) <= 1:
                return min(found), ""
    return None


def _contrasting(word: str, words: frozenset[str]) -> list[str]:
    """Return those of some words that are opposites of a word, or other words of its kind."""
    others = CONTRASTS.get(word, _NONE) | _stemmed().get(stem(word), _NONE)
    if not others:
        return []
    stems = {stem(one) for one in others if len(one) > 1}
    return sorted(one for one in words if (one in others or stem(one) in stems) and stem(one) != stem(word))


def _size(words: Iterable[str]) -> float:
    """Return how many words these are; a Chinese character is half a word."""
    return sum(0.5 if len(word) == 1 and not word.isascii() else 1 for word in words)


def _said_otherwise(words: frozenset[str]) -> Iterator[str]:
    """Yield the words but terms of several characters, the characters of these, and signs of bounds."""
    spelled = frozenset("".join(word for word in words if word in TERMS))
    return (word for word in words if word not in TERMS and word not in spelled and word[0].isalnum())


@lru_cache(1)
def _stemmed() -> Mapping[str, set[str]]:
    table: dict[str, set[str]] = {}
    for word, others in CONTRASTS.items():
        if word.endswith("ly") or not word.isascii():  # a yearly fee, but not a year
            continue
        table.setdefault(stem(word), set()).update(others)
    return table


def _other_names(a: Statement, b: Statement) -> tuple[str, str] | None:
    """Return the names that only each text has, where little else differs; else None."""
    x, y = a.names - b.known, b.names - a.known
    if not x or not y:
        x = acronyms(a.text) - b.known
        y = acronyms(b.text) - a.known if x else _NONE
        if any(one.startswith(other) or other.startswith(one) for one in x for other in y):  # US and USA
            return None
    if not x or not y or _initials_of(x, y) or _initials_of(y, x):
        return None
    rest = [
        one.content - other.content - {stem(name) for name in names}.union(*names)
        for one, other, names in ((a, b, x), (b, a, y))
    ]
    if max(map(_size, rest)) > FEW:
        return None
    return " ".join(sorted(x)), " ".join(sorted(y))


def _initials_of(names: Set[str], others: Set[str]) -> bool:
    """Return True for the first letters of names: T. and Tom."""
    return all(name.isupper() for name in names) and any(
        other.startswith(name.lower()) for name in names for other in others
    )


def _other_joints(a: Statement, b: Statement) -> tuple[str, str] | None:
    """Return a name that two sentences join with other marks, such as `a.b` and `a_b`; else None."""
    x = joined_names(a.text)
    y = joined_names(b.text) if x else {}
    return next(((x[name], y[name]) for name in x if name in y and x[name] != y[name]), None)
