"""What people type into a search box, taken apart: phrases, +required, -excluded, and conditions on fields. Pure.

Anything can be typed: what is none of these is text to search for, and nothing is an error here.
"""

import fnmatch
import operator
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from semsearch.types import field_name

Value = str | int | float | bool
SOURCE = "source"
"""The field that every passage has: the name of its source, matched by a glob."""

_TOKEN = re.compile(
    r"""(?P<sign>[+-](?=[^\s+-]))?
        (?: (?P<field>\w[\w.-]*?) (?P<operator>>=|<=|!=|[:=<>]) (?:"(?P<quoted>[^"]*)"|(?P<value>[^\s"]\S*))(?=\s|$)
          | (?:"(?P<phrase>[^"]*)"|\u201c(?P<curled>[^\u201d]*)\u201d)
          | (?P<word>\S+) )""",
    re.VERBOSE,
)
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    ">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le,
}  # fmt: skip
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)
_DATE = re.compile(r"\d{4}(-\d\d(-\d\d([T ]\d\d(:\d\d(:\d\d(\.\d+)?)?)?)?)?)?(Z|[+-]\d\d:?\d\d)?")


@dataclass(frozen=True, slots=True)
class Condition:
    """What a field must be, or with `excluded` must not be."""

    field: str
    operator: str
    value: str
    excluded: bool = False

    def test(self) -> Callable[[Value], bool]:
        """What says of a value of the field whether it fulfils the condition, `excluded` apart.

        Values are compared as numbers where both are, else as dates where both are, else as text without regard to
        case. A date counts as far as the condition gives it: `day:2024-05` is any day of May. For `:` and `!=`
        text may be a glob.
        """
        number, date, text = _number(self.value), _date(self.value), self.value.casefold()
        compare: Callable[[Any, Any], bool] = _COMPARE.get(self.operator, operator.eq)

        def equals(found: Value) -> bool:
            if isinstance(found, bool):
                return text in (("true", "yes", "1") if found else ("false", "no", "0"))
            folded = str(found).strip().casefold()
            if folded == text:
                return True
            if number is not None and (value := _number(found)) is not None:
                return value == number
            if date is not None and (day := _date(found)) is not None:
                return day.startswith(date)
            return fnmatch.fnmatchcase(folded, text)

        def compares(found: Value) -> bool:
            if number is not None and (value := _number(found)) is not None:
                return compare(value, number)
            if date is not None and (day := _date(found)) is not None:
                return len(day) >= len(date) and compare(day[: len(date)], date)
            return number is None and date is None and compare(str(found).strip().casefold(), text)

        if self.operator in _COMPARE:
            return compares
        return equals if self.operator != "!=" else lambda found: not equals(found)


@dataclass(frozen=True, slots=True)
class Word:
    """Words that a passage must or must not have: `exact`, one after the other as they are, or in any form."""

    text: str
    exact: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """A query taken apart. `text` is what to search for: everything typed but exclusions and conditions.

    `unknown` are words such as `yeer>=2020` that would be conditions, were there such a field; they are in `text` too.
    """

    text: str
    required: tuple[Word, ...] = ()
    excluded: tuple[Word, ...] = ()
    conditions: tuple[Condition, ...] = ()
    unknown: tuple[str, ...] = ()


def parse(query: str, fields: Callable[[], Collection[str]]) -> Query:
    """Take a query apart. `fields` gives the metadata's fields, as `field_name` has them, where one may be named."""
    text: list[str] = []
    words: Mapping[str, list[Word]] = {"": [], "+": [], "-": []}
    conditions: list[Condition] = []
    unknown: list[str] = []
    for match in _TOKEN.finditer(query):
        sign = match["sign"] or ""
        if match["field"] is not None:
            name = field_name(match["field"])
            if name == SOURCE or name in fields():
                value = match["value"] if match["quoted"] is None else match["quoted"]
                conditions.append(Condition(name, match["operator"], value, excluded=sign == "-"))
                continue
            word, exact = match[0][len(sign) :], False
            if not (match["value"] or "").startswith(("/", ":")):  # a URL, or std::vector
                unknown.append(word)
        else:
            exact = match["word"] is None
            word = match["word"] or match["phrase"] or match["curled"] or ""
        if not word.strip():
            continue
        if sign != "-":
            text.append(word)
        if sign or exact:
            words[sign].append(Word(word, exact))
    return Query(
        " ".join(text),
        (*words[""], *words["+"]),
        tuple(words["-"]),
        tuple(conditions),
        tuple(unknown),
    )


def _number(value: Value) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return value
    return float(value) if _NUMBER.fullmatch(value.strip()) else None


def _date(value: Value) -> str | None:
    """A date or time of ISO 8601 as `2024-05-31T23:59:59`, no longer than it was given; times with a zone in UTC."""
    text = str(value).strip()
    if not (match := _DATE.fullmatch(text)):
        return None
    if match[7] is None:
        return text.replace(" ", "T")
    try:
        return datetime.fromisoformat(text).astimezone(UTC).isoformat()[:19]
    except (ValueError, OverflowError):
        return None
