"""Extract the text of calendars (iCalendar) and address books (vCard)."""

import quopri
import re
from collections.abc import Iterator

from semsearch.readers.encoding import decoded
from semsearch.readers.parsed import Parsed, parsed

_PROPERTY = re.compile(
    r"(?:[\w-]+\.)?(?P<name>[A-Za-z-]+)(?P<options>(?:;(?:\"[^\"]*\"|[^\":;])*)*):(?P<value>.*)", re.DOTALL
)
_SHOWN = {
    "SUMMARY": "# ", "FN": "# ", "DESCRIPTION": "", "NOTE": "", "COMMENT": "", "LOCATION": "Location: ",
    "DTSTART": "From: ", "DTEND": "To: ", "DUE": "Due: ", "ORGANIZER": "Organizer: ", "ATTENDEE": "Attendee: ",
    "CATEGORIES": "Categories: ",
    "ORG": "Organization: ", "TITLE": "Title: ", "ROLE": "Role: ", "TEL": "Phone: ", "EMAIL": "Mail: ",
    "ADR": "Address: ", "NICKNAME": "Nickname: ", "BDAY": "Birthday: ", "URL": "Page: ",
}  # fmt: skip
"""The properties that are text, and the words before each. All others are for programs, such as pictures and keys."""
_ENTRIES = frozenset({"VEVENT", "VTODO", "VJOURNAL", "VCARD"})
_NAME = re.compile(r";CN=(?:\"([^\"]*)\"|([^;:]*))", re.IGNORECASE)
_ESCAPE = re.compile(r"\\([nN,;\\])")


def parse_cards(content: bytes) -> Iterator[Parsed]:
    """Yield the entries of a calendar or an address book, with a line for each property that is text.

    The subject of an event and the name of a person are headings. Alarms, time zones, pictures and ids are left out.
    """
    lines: list[tuple[int, str]] = []
    open_: list[str] = []
    for number, line in _unfolded(decoded(content)):
        match = _PROPERTY.fullmatch(line)
        name = match["name"].upper() if match else ""
        if not match or name not in {"BEGIN", "END", *_SHOWN}:
            continue
        value = match["value"].strip()
        if name == "BEGIN":
            open_.append(value.upper())
            continue
        if name == "END":
            open_ = open_[:-1]
            lines += [(number, "")] if lines else []
            continue
        if not (open_ and open_[-1] in _ENTRIES):
            continue
        if "QUOTED-PRINTABLE" in match["options"].upper():
            value = quopri.decodestring(value.encode()).decode("utf-8", "replace")
        if person := _NAME.search(match["options"]):
            value = f"{person[1] or person[2]} {value}"
        value = _ESCAPE.sub(lambda found: "\n" if found[1] in "nN" else found[1], value)
        value = re.sub(r"(?i)\bmailto:", "", value)
        if name in ("ADR", "ORG"):
            value = ", ".join(filter(None, (part.strip() for part in value.split(";"))))
        if _SHOWN[name] == "# ":
            value = " ".join(value.split())
        if value.strip():
            lines.append((number, _SHOWN[name] + value.strip()))
    yield parsed(lines, "line")


def _unfolded(text: str) -> Iterator[tuple[int, str]]:
    """Yield each property on one line, with the number of the line on which it begins (RFC 5545, 3.1)."""
    begun, pieces = 1, [""]
    for number, line in enumerate(text.split("\n"), 1):
        if line[:1] in (" ", "\t"):
            pieces.append(line[1:])
        elif pieces[-1].endswith("=") and "QUOTED-PRINTABLE" in pieces[0].upper():
            pieces[-1] = pieces[-1][:-1]
            pieces.append(line.lstrip())
        else:
            yield begun, "".join(pieces)
            begun, pieces = number, [line]
    yield begun, "".join(pieces)
