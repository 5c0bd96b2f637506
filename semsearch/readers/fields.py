"""Turn what a file says about itself into the fields of a document: front matter, headers and properties alike."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from email.utils import getaddresses
from typing import NamedTuple

from semsearch.types import FieldValue

_MOST_ENTRIES = 10_000
"""The most entries of a head that are looked at. A few lines of YAML can stand for a million of them."""
_MOST_FIELDS, _LONGEST_NAME, _MOST_ITEMS = 64, 200, 1_000
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")

TAGS = frozenset({"tags", "tag"})
"""The fields of tags. A tag has no blanks, may begin with `#`, and may be nested, as in `project/x`."""
_LISTS = TAGS | {"alias", "aliases", "categories", "category", "keyword", "keywords"}
"""The fields in which a text is a list: of words between commas, or between blanks where they are tags."""
_PEOPLE = frozenset({
    "author", "authors", "bdfl-delegate", "cc", "contributor", "contributors", "editor", "editors", "from",
    "maintainer", "pep-delegate", "sponsor", "to",
})  # fmt: skip
_PROSE = frozenset({"comments", "description", "excerpt", "subject", "subtitle", "summary", "title"})
"""The fields that are sentences, and so are never read as a date."""

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_LONG_MONTHS = ("uary", "ruary", "ch", "il", "", "e", "y", "ust", "tember", "ober", "ember", "ember")
_MONTH = "|".join(
    f"{short}(?:{rest}|t)?" if rest else short for short, rest in zip(_MONTHS, _LONG_MONTHS, strict=True)
)
_TIME = (
    r"(?:(?:[Tt]|,?\s{1,3})(?P<hour>\d{1,2}):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,]\d{1,9})?)?"
    r"(?:\s?(?P<zone>[Zz]|UTC|GMT|[+-]\d\d(?::?\d\d)?))?(?:\s\([\w ]{1,40}\))?)?"
)
_WEEKDAY = r"(?:[A-Za-z]{3,9},?\s{1,3})?"
_DATES = tuple(
    re.compile(pattern + _TIME, re.IGNORECASE)
    for pattern in (
        r"(?P<year>\d{4})(?P<sign>[-/])(?P<month>\d{1,2})(?P=sign)(?P<day>\d{1,2})(?:\s[^\W\d]{1,9}\.?)?",
        rf"{_WEEKDAY}(?P<day>\d{{1,2}})[\s-](?P<name>{_MONTH})\.?,?[\s-](?P<year>\d{{4}})",
        rf"{_WEEKDAY}(?P<name>{_MONTH})\.?\s(?P<day>\d{{1,2}})(?:st|nd|rd|th)?,?\s(?P<year>\d{{4}})",
    )
)
_PDF_DATE = re.compile(
    r"D:(\d{4})(\d\d)?(\d\d)?(?:(\d\d)(\d\d)(\d\d)?)?(?:Z(?:00'00'?)?|([+-]\d\d)'?(\d\d)?'?)?"
)
_LONGEST_DATE, _LONGEST_LIST = 60, 1_000
_LISTED = re.compile(r"\d+|\d{4}-\d\d-\d\d(?:T.*)?")
"""Numbers and dates, of which a text may be a list: `3, 8, 20`."""
_LINK = re.compile(r"\[\[([^\[\]|]{1,500})(?:\|([^\[\]]{1,500}))?\]\]")


def document_fields(entries: Mapping[str, object]) -> dict[str, FieldValue]:
    """Return the entries of front matter and the like as fields.

    A list becomes a tuple of its texts and numbers. The name of a nested entry has a dot, as in `author.name`. An
    entry without a value is left out. A date in any common form becomes one of ISO 8601, tags and keywords are split,
    and of people the name and the address are two values.
    """
    fields: dict[str, FieldValue] = {}
    pending: list[tuple[str, object]] = list(reversed(list(entries.items())))
    for _ in range(_MOST_ENTRIES):
        if not pending or len(fields) == _MOST_FIELDS:
            break
        name, value = pending.pop()
        name = " ".join(_CONTROLS.sub(" ", str(name)).split())[:_LONGEST_NAME]
        if isinstance(value, Mapping):
            pending += reversed([(f"{name}.{inner}", one) for inner, one in value.items()])
        elif name and (found := _field(name.casefold(), value)) is not None:
            fields[name] = found
    return fields


class About(NamedTuple):
    """The title and the other fields that the properties of a file give it."""

    title: str = ""
    fields: Mapping[str, FieldValue] = {}


_PROPERTIES = {
    "author": "author", "category": "category", "created": "created", "creationdate": "created", "creator": "author",
    "description": "description", "doccomm": "description", "keywords": "keywords", "language": "language",
    "moddate": "modified", "modified": "modified", "subject": "subject", "title": "title",
}  # fmt: skip
"""The fields by the names of the properties, in lower case, that Word, OpenDocument, PDF and RTF have."""


def about(properties: Iterable[tuple[str, str]]) -> About:
    """Return the properties of a file that a person would ask for, under the same names for every format."""
    found: dict[str, list[str]] = {}
    for name, value in properties:
        if (field := _PROPERTIES.get(name.lower())) and value.strip():
            found.setdefault(field, []).append(value)
    title = " ".join(found.pop("title", [])[:1])
    return About(title, collected_fields(found))


def collected_fields(found: Mapping[str, list[str]]) -> dict[str, FieldValue]:
    """Return the values that were found for each name as fields, see `document_fields`. One value is not a list."""
    return document_fields(
        {name: values if len(values) > 1 else "".join(values) for name, values in found.items()}
    )


def iso_date(text: str) -> str:
    """Return a date, or a date with a time, in the form of ISO 8601; any other text as it is.

    The precision stays, and so does the time zone. Dates of digits only, such as 03/04/2024, are ambiguous and stay.
    """
    bare = text.strip().strip("<>[]")
    if len(bare) > _LONGEST_DATE or not any(map(str.isdigit, bare)):
        return text
    if match := _PDF_DATE.fullmatch(bare):
        year, month, day, hour, minute, second, zone, minutes = match.groups()
        found = "-".join(filter(None, (year, month, day)))
        if day and hour:
            found += f"T{hour}:{minute}:{second or '00'}" + (f"{zone}:{minutes or '00'}" if zone else "")
        return found if _exists(found) else text
    for pattern in _DATES:
        if match := pattern.fullmatch(bare):
            found = _written(match.groupdict())
            return found if _exists(found) else text
    return text


def people(value: str) -> list[str]:
    """Return the names and the addresses in a list of people: `Ann Lee <ann@example.org>, Bo Ash`."""
    if "@" in value and "<" in value:
        return [" ".join(one.split()) for person in getaddresses([value]) for one in person if one] or [value]
    parts = [part.strip() for part in re.split(r"[,;]\s", value)]
    # "Lee, Ann" is one person, "Ann Lee, Bo Ash" are two.
    return parts if any(" " in part for part in parts) else [value.strip()]


def _field(name: str, value: object) -> FieldValue | None:
    """Return the value of a field with a casefolded name, or None if there is none."""
    if isinstance(value, bool | int | float):
        return value
    if isinstance(value, list | tuple):
        items: Sequence[str | int | float] = [
            one for item in value[:_MOST_ITEMS] for one in _items(name, item, listed=True)
        ]
    elif value is None:
        return None
    else:
        items = _items(name, str(value))
    distinct = tuple(dict.fromkeys(items))
    if isinstance(value, list | tuple) or name in _LISTS or len(distinct) > 1:
        return distinct or None
    return distinct[0] if distinct else None


def _items(name: str, value: object, *, listed: bool = False) -> Sequence[str | int | float]:
    """Return the values that an entry, or an item of a list, stands for."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return [value]
    if listed and isinstance(value, list):  # YAML takes the link [[House]] for a list in a list
        return [one.rpartition("|")[2] for one in value if isinstance(one, str) and one]
    if listed and not isinstance(value, str | bool):
        return []
    text = _LINK.sub(lambda match: match[2] or match[1], str(value).strip())
    if not text:
        return []
    if name in TAGS:
        split = text.split(",") if "," in text or listed else text.split()
        return list(filter(None, (one.strip().lstrip("#").strip() for one in split)))
    if name in _LISTS and not listed:
        return list(filter(None, map(str.strip, re.split(r"[,;\n]", text))))
    if name in _PEOPLE:
        return people(text)
    if name in _PROSE:
        return [text]
    parts = text.split(", ") if ", " in text and len(text) < _LONGEST_LIST else []
    dates = [iso_date(part) for part in parts]
    if parts and all(_LISTED.fullmatch(date) for date in dates) and iso_date(text) == text:
        return dates
    return [iso_date(text)]


def _written(parts: Mapping[str, str | None]) -> str:
    """Return the parts of a date in the form of ISO 8601."""
    month = parts.get("month") or str(1 + _MONTHS.index((parts["name"] or "").lower()[:3]))
    found = f"{parts['year']}-{int(month):02}-{int(parts['day'] or 0):02}"
    if parts["hour"]:
        found += f"T{int(parts['hour']):02}:{parts['minute']}"
        found += f":{parts['second']}" if parts["second"] else ""
        zone = parts["zone"] or ""
        if zone[:1] in ("+", "-"):
            found += f"{zone[:3]}:{zone[3:].strip(':') or '00'}"
        elif zone:
            found += "+00:00"
    return found


def _exists(date: str) -> bool:
    """Return whether the date is in the calendar. A month alone, or a year, is."""
    try:
        datetime.fromisoformat(date if len(date) >= 10 else f"{date}-01-01"[:10])
    except ValueError:
        return False
    return True
