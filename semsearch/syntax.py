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
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)
_DATE = re.compile(r"\d{4}(-\d\d(-\d\d([T ]\d\d(:\d\d(:\d\d(\.\d+)?)?)?)?)?)?(Z|[+-]\d\d:?\d\d)?")


@dataclass(frozen=True, slots=True)
class Condition:
    """What a field must be, or with `excluded` must not be."""

    field: str
    operator: str
    value: str
    excluded: bool = False

    def holds(self, found: Value) -> bool:
        """Whether a value of the field fulfils the condition, `excluded` apart.

        Values are compared as numbers where both are, else as dates where both are, else as text without regard to
        case. A date counts as far as the condition gives it: `day:2024-05` is any day of May. For `:` and `!=`
        text may be a glob.
        """
        if self.operator in (":", "=", "!="):
            return self._equals(found) != (self.operator == "!=")
        compare = _COMPARE[self.operator]
        for read in (_number, _date):
            if (wanted := read(self.value)) is not None:
                value = read(found)
                if value is not None and isinstance(value, str) and isinstance(wanted, str):
                    return len(value) >= len(wanted) and compare(value[: len(wanted)], wanted)
                if value is not None:
                    return compare(value, wanted)
        if _number(self.value) is not None or _date(self.value) is not None:
            return False
        return compare(str(found).strip().casefold(), self.value.casefold())

    def _equals(self, found: Value) -> bool:
        if isinstance(found, bool):
            return self.value.casefold() in (("true", "yes", "1") if found else ("false", "no", "0"))
        text = str(found).strip().casefold()
        if text == self.value.casefold():
            return True
        wanted, value = _number(self.value), _number(found)
        if wanted is not None and value is not None:
            return value == wanted
        start, date = _date(self.value), _date(found)
        if start is not None and date is not None:
            return date.startswith(start)
        return fnmatch.fnmatchcase(text, self.value.casefold())


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


def field_name(name: str) -> str:
    """A field's name as it is compared: without case, blanks as `_`."""
    return re.sub(r"\s+", "_", name.strip()).casefold()


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
