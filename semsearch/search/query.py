"""Parse queries: phrases, +required and -excluded words, and conditions on fields. Pure functions.

AND, OR and NOT mean what they say next to conditions; between words they are text.

Any text is a valid query: whatever has no such form is text to search for.
"""

import difflib
import fnmatch
import operator
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from semsearch.text import clean
from semsearch.text.analyzer import normalize, phrase_pattern
from semsearch.types import FieldValue, Scalar, as_date, field_name, several

SOURCE = "source"
"""The field that every passage has: the name of its source, which a glob matches."""
_TAGS = frozenset({"tag", "tags"})
_GLOB = re.compile(r"[*?\[]")

_TOKEN = re.compile(
    r"""(?P<sign>[+-](?=[^\s+-]))?
        (?: (?P<field>\w[\w.-]*?) (?P<operator>>=|<=|!=|[:=<>]) (?:"(?P<quoted>[^"]*)"|(?P<value>[^\s"]\S*))(?=\s|$)
          | (?:"(?P<phrase>[^"]*)"|\u201c(?P<curled>[^\u201d]*)\u201d)
          | (?P<word>\S+) )""",
    re.VERBOSE,
)
_SIGNED = re.compile(r"[a-zA-Z](?![^\W_])(?!\S*[^\W_])|[.,]?\d|[$€£¥]|[\W_]*\Z")
"""A word whose sign belongs to it: a letter as in `grep -v`, a number as in `-5 °C`, or signs alone."""
_NO_FIELD = re.compile(r"\w[\w.-]*?[:=](?:[/\\:].*|\W*)|\d+(?::\d+)+\W*", re.DOTALL)
"""A word that nobody means as a condition: a URL, a path such as `C:\\notes`, `std::vector`, or a time."""
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    ">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le,
}  # fmt: skip
_NAME = re.compile(r"\w[\w.-]*")
_LONGEST_NAME, _SHOWN_FIELDS = 64, 8
_CONNECTIVES = {
    "AND": "+word requires a word",
    "OR": "any of the words is enough already",
    "NOT": "-word excludes a word",
}
"""Words in capitals that connect conditions, each with what to type between words."""
_GROUP = re.compile(r"(?:^|\s)[-+]?\(\s*\S.*\)")
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition that a field must meet, or with `excluded` must not meet.

    With `alternative`, it is enough to meet this one or the condition before it.
    """

    field: str
    operator: str
    value: str
    excluded: bool = False
    alternative: bool = False

    def __str__(self) -> str:
        return f"{self.field}{self.operator}{self.value}"

    @property
    def compares(self) -> bool:
        """True where the condition asks for less or more than its value."""
        return self.operator in _COMPARE

    def test(self) -> Callable[[FieldValue], bool]:
        """Return a function that tests a value of the field, regardless of `excluded`.

        Two values are compared as numbers if both are numbers, else as dates if both are dates, else as text without
        case and accents. Dates are compared to the precision of the condition: `day:2024-05` is any day of May. With
        `:`, `=` and `!=` the text may be a glob. With `:` a value need only have the words of the condition, one after
        the other, and a tag such as `project/x` is met by `tags:project`. Of several values one has to meet it.
        """
        number, date, text = _number(self.value), as_date(self.value), _folded(self.value)
        compare: Callable[[Any, Any], bool] = _COMPARE.get(self.operator, operator.eq)
        is_tag = self.field in _TAGS
        text = text.lstrip("#") if is_tag else text
        words = (
            phrase_pattern(self.value)
            if self.operator == ":" and not (is_tag or _GLOB.search(text))
            else None
        )

        def equals(found: Scalar) -> bool:
            if isinstance(found, bool):
                return text in (("true", "yes", "1") if found else ("false", "no", "0"))
            folded = _folded(str(found))
            if folded == text or (is_tag and folded.startswith(f"{text}/")):
                return True
            if number is not None and (value := _number(found)) is not None:
                return value == number
            if date is not None and (day := as_date(found)) is not None:
                return day.startswith(date)
            if words is not None:
                return isinstance(found, str) and words.search(folded) is not None
            return fnmatch.fnmatchcase(folded, text)

        def compares(found: Scalar) -> bool:
            if number is not None and (value := _number(found)) is not None:
                return compare(value, number)
            if date is not None and (day := as_date(found)) is not None:
                return len(day) >= len(date) and compare(day[: len(date)], date)
            return number is None and date is None and compare(_folded(str(found)), text)

        meets = compares if self.operator in _COMPARE else equals
        if self.operator == "!=":
            return lambda found: not any(map(equals, several(found)))
        return lambda found: any(map(meets, several(found)))


@dataclass(frozen=True, slots=True)
class Word:
    """Words that a passage must have, or must not have: `exact` in this form and order, or else in any form."""

    text: str
    exact: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """A parsed query. `text` is the text to search for: the whole query without exclusions and conditions.

    Without a text it lists the documents that meet its conditions.
    `unknown` has the words, such as `yeer>=2020`, that name a field which does not exist, and `signed` those, such as
    `-5`, whose sign is part of them; `text` has both as well. `connectives` has each AND, OR and NOT that is text.
    """

    text: str
    required: tuple[Word, ...] = ()
    excluded: tuple[Word, ...] = ()
    conditions: tuple[Condition, ...] = ()
    unknown: tuple[str, ...] = ()
    signed: tuple[str, ...] = ()
    fields: tuple[str, ...] = field(default=(), compare=False)
    """The names of all fields, where there are `unknown` words."""
    connectives: tuple[str, ...] = ()
    grouped: bool = False
    """True where parentheses stand around conditions or connected words."""

    @property
    def alternatives(self) -> list[list[Condition]]:
        """The conditions in groups, of each of which one has to be met."""
        groups: list[list[Condition]] = []
        for condition in self.conditions:
            if condition.alternative:
                groups[-1].append(condition)
            else:
                groups.append([condition])
        return groups

    @property
    def requires(self) -> bool:
        """True where the query says what a passage must have: a word, a phrase or the value of a field."""
        return bool(self.required) or any(
            not any(one.excluded or one.operator == "!=" for one in group) for group in self.alternatives
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences for people: the exclusions, and the words that look like syntax and were taken as text."""
        left_out = (f'"{word.text}"' if word.exact else word.text for word in self.excluded)
        return (
            *(
                f"passages with {word} are excluded; --literal searches for -{word} as text"
                for word in left_out
            ),
            *(f'{word} was searched as text; {word[0]}"{word[1:]}" is an operator' for word in self.signed),
            *(
                f"the index has no field for {word}, so this was searched as text{self._hint(word)}"
                for word in self.unknown
            ),
            *(
                f"{word} between words was searched as text: {_CONNECTIVES[word]}"
                for word in self.connectives
            ),
            *(
                ("parentheses group nothing: AND, OR and NOT hold for the conditions next to them",)
                * self.grouped
            ),
        )

    def _hint(self, word: str) -> str:
        named = _NAME.match(word)
        return f"; {fields_hint(named[0] if named else word, self.fields)}" if self.fields else ""


def asked_name(name: str) -> str:
    """Return the name by which a query asks for a field of the metadata; `_source` for one that is called `source`."""
    normalized = field_name(name)
    return f"_{SOURCE}" if normalized == SOURCE else normalized


def fields_hint(name: str, fields: Collection[str]) -> str:
    """Return a hint on a name of a field that does not exist: those like it, or else some that do."""
    near = difflib.get_close_matches(field_name(name)[:_LONGEST_NAME], fields, 3, 0.6)
    if near:
        return f"did you mean {' or '.join(near)}?"
    shown = sorted(fields)[:_SHOWN_FIELDS]
    more = f" and {len(fields) - len(shown)} more" if len(fields) > len(shown) else ""
    return f"its fields are {', '.join(shown)}{more}" if shown else "its documents have no fields"


def parse(query: str, fields: Callable[[], Collection[str]]) -> Query:
    """Return a query in its parts. `fields` returns the normalized names of the metadata's fields."""
    text: list[str] = []
    words: Mapping[str, list[Word]] = {"": [], "+": [], "-": []}
    conditions: list[Condition] = []
    unknown: list[str] = []
    signed: list[str] = []
    for match, condition in _connected(
        [(match, _condition(match, fields)) for match in _TOKEN.finditer(query)]
    ):
        if condition is not None:
            conditions.append(condition)
            continue
        sign = match["sign"] or ""
        if match["field"] is not None:
            word, exact = match[0][len(sign) :], False
            if not _NO_FIELD.fullmatch(word):
                unknown.append(word)
        else:
            exact = match["word"] is None
            word = match["word"] or match["phrase"] or match["curled"] or ""
        if not word.strip():
            continue
        if sign and not exact and _SIGNED.match(word):
            word, sign = sign + word, ""
            if word[1].isalnum():
                signed.append(word)
        if sign != "-":
            text.append(word)
        if sign or exact:
            words[sign].append(Word(word, exact))
    shouted = query == query.upper()  # so capitals say nothing
    connectives = () if shouted else tuple(word for word in _CONNECTIVES if word in text[:-1])
    return Query(
        " ".join(text),
        (*words[""], *words["+"]),
        tuple(words["-"]),
        tuple(conditions),
        tuple(dict.fromkeys(unknown)),
        tuple(dict.fromkeys(signed)),
        tuple(fields()) if unknown else (),
        connectives,
        bool((conditions or connectives) and _GROUP.search(query)),
    )


_Part = tuple[re.Match[str], Condition | None]
"""A part of a query, and the condition that it is."""


def _condition(match: re.Match[str], fields: Callable[[], Collection[str]]) -> Condition | None:
    """Return the condition that a part of a query is, or None where it is text."""
    if match["field"] is None:
        return None
    name = field_name(match["field"])
    if name != SOURCE and name not in fields():
        return None
    value = match["value"] if match["quoted"] is None else match["quoted"]
    return Condition(name, match["operator"], value, excluded=match["sign"] == "-")


def _connected(parts: Sequence[_Part]) -> list[_Part]:
    """Return the parts of a query without each AND, OR and NOT that belongs to a condition, and do what it says."""
    negated: list[_Part] = []
    for match, condition in parts:
        if condition is not None and negated and negated[-1][0][0] == "NOT":
            negated.pop()
            condition = replace(condition, excluded=not condition.excluded)
        negated.append((match, condition))
    connected: list[_Part] = []
    for at, (match, condition) in enumerate(negated):
        before = connected[-1][1] if connected else None
        after = negated[at + 1][1] if at + 1 < len(negated) else None
        if match[0] == "OR" and before is not None and after is not None:
            negated[at + 1] = negated[at + 1][0], replace(after, alternative=True)
        elif not (match[0] == "AND" and (before is not None or after is not None)):
            connected.append((match, condition))
    return connected


def measure(value: Scalar) -> float | str | None:
    """Return a value as it is compared with less and more: a number, or a date as text; None for any other."""
    number = _number(value)
    return as_date(value) if number is None else number


def _folded(value: str) -> str:
    """Return a text as it is compared: clean, without case and accents, as the words of full-text search."""
    return normalize(clean(value).strip())


def _number(value: Scalar) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return value
    return float(value) if _NUMBER.fullmatch(value.strip()) else None
