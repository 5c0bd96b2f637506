"""Read the head of a text file: front matter (YAML, TOML), a header as of a PEP, and fields of reStructuredText."""

import re
import tomllib
from collections.abc import Sequence
from typing import Any, NamedTuple

from semsearch.readers.fields import document_fields
from semsearch.types import FieldValue

_MOST_FRONT_MATTER = 64_000
"""The most characters of front matter."""
_MOST_BRACKETS = 2_000
"""The most brackets in it. YAML takes seconds for some ten thousand that are nested."""
_ENTRY = re.compile(r"([\w][\w .-]{0,60}?):(?:\s+(.*))?")
_HEADER = re.compile(r"([A-Za-z][\w-]{0,60}):(?: +(.*)|$)")
_FIELD = re.compile(r":([^\s:`][^:`\n]{0,60}):(?:[ \t]+(.*)|$)")
_RULE = re.compile(r"([=\-`:.'\"~^_*+#<>])\1{2,}")
_SKIPPED = re.compile(r"\.\. (?:_[^\n]*:|\|[^\n]*|[^:\n]*)$|\s*$")
_ASCIIDOC_TITLE = re.compile(r"= \S")
_LONGEST_LINE, _LONGEST_HEAD = 200, 500
"""The most characters of a line, and lines of a head, that are looked at."""


FAULT = "front matter is not valid"
"""The beginning of what is said of a file whose front matter is read in another way. Nothing of it is left out."""


class FrontMatter(NamedTuple):
    """The entries at the top of a text, the number of lines that they take, and what is wrong with them."""

    entries: dict[str, Any]
    lines: int
    fault: str = ""


_NONE = FrontMatter({}, 0)


def front_matter(text: str) -> FrontMatter:
    """Return the front matter at the top of a text, between `---` or `+++`. What has no entry is text.

    YAML or TOML that is not valid is read line by line, as `name: value`.
    """
    mark = text[:3]
    if mark not in ("---", "+++") or text[3:4] not in ("\n", " ", "\r"):
        return _NONE
    lines = text[:_MOST_FRONT_MATTER].split("\n")
    ends = (mark, "...") if mark == "---" else (mark,)
    last = next((at for at, line in enumerate(lines[1:], 1) if line.rstrip() in ends), 0)
    if not last:
        is_long = len(text) > _MOST_FRONT_MATTER and any(
            _ENTRY.fullmatch(line.rstrip()[:_LONGEST_LINE]) for line in lines[1:6]
        )
        long = f"front matter of more than {_MOST_FRONT_MATTER:,} characters is read as text"
        return FrontMatter({}, 0, long if is_long else "")
    source = "\n".join(lines[1:last])
    fault = ""
    try:
        found = (_yaml if mark == "---" else tomllib.loads)(source)
    except (ValueError, RecursionError) as error:
        fault = f"{FAULT} {'YAML' if mark == '---' else 'TOML'}{_place(error)}"
        found = {
            match[1]: match[2].strip("\"' ") if match[2] else ""
            for line in source.split("\n")
            if (match := _ENTRY.fullmatch(line.rstrip()))
        }
    entries = {str(name): value for name, value in found.items()} if isinstance(found, dict) else {}
    if not entries:
        return FrontMatter({}, 0, f"{fault}, and is text" if fault else "")
    return FrontMatter(entries, last + 1, f"{fault}; its lines are read one by one" if fault else "")


class Head(NamedTuple):
    """The fields of a text's head, the title among them, and the text with blank lines in its place."""

    title: str
    fields: dict[str, FieldValue]
    text: str


def markup_head(text: str) -> Head:
    """Return the head of reStructuredText or AsciiDoc: a header as of a PEP, or fields that follow a title.

    Only a header has a title here. A title that is a heading is text.
    """
    lines = text.split("\n", _LONGEST_HEAD)
    first = next((at for at, line in enumerate(lines) if line.strip()), 0)
    entries, places = _entries(lines, first, _HEADER)
    titled = next((name for name in entries if name.casefold() == "title"), "")
    if len(entries) > 1 and titled and not lines[min(places.stop, len(lines) - 1)].strip():
        title = entries.pop(titled)
        for line in places:
            lines[line] = ""
        return Head(title, document_fields(entries), "\n".join(lines))
    entries, places = _entries(lines, _below_title(lines, first), _FIELD)
    for line in places:
        lines[line] = ""
    return Head("", document_fields(entries), "\n".join(lines))


def _entries(lines: Sequence[str], first: int, shape: re.Pattern[str]) -> tuple[dict[str, str], range]:
    """Return the entries from a line on, and the lines that they take. An indented line continues an entry."""
    found: dict[str, list[str]] = {}
    name, last = "", first
    for at in range(first, min(len(lines), _LONGEST_HEAD)):
        line = lines[at]
        if match := shape.fullmatch(line.rstrip()):
            name = match[1]
            found.setdefault(name, []).append((match[2] or "").strip())
        elif name and line[:1] in (" ", "\t") and line.strip():
            found[name].append(line.strip())
        else:
            break
        last = at + 1
    return {name: " ".join(filter(None, values)) for name, values in found.items()}, range(first, last)


def _below_title(lines: Sequence[str], first: int) -> int:
    """Return the first line of text that is not blank, a comment or a label, nor the title of the document."""
    at, titled = first, False
    while at < min(len(lines), _LONGEST_HEAD):
        line, below = lines[at], lines[at + 1].rstrip() if at + 1 < len(lines) else ""
        if _SKIPPED.match(line):
            at += 1
        elif titled:
            break
        elif _ASCIIDOC_TITLE.match(line):
            titled, at = True, at + 1
        elif (
            _RULE.fullmatch(line.rstrip()) and at + 2 < len(lines) and lines[at + 2].rstrip() == line.rstrip()
        ):
            titled, at = True, at + 3
        elif _RULE.fullmatch(below) and not _FIELD.match(line):
            titled, at = True, at + 2
        else:
            break
    return at


def _place(error: Exception) -> str:
    """Return the line of the file in which a fault is, where the parser says it."""
    mark = getattr(error.__cause__, "problem_mark", None)
    line = getattr(mark, "line", None)
    if line is None and (match := re.search(r"at line (\d+)", str(error))):
        line = int(match[1]) - 1
    return "" if line is None else f" (line {line + 2})"


def _yaml(source: str) -> object:
    """Return what YAML says, where a time is text as it stands. Raises `ValueError` if it is not valid."""
    import yaml

    if source.count("[") + source.count("{") > _MOST_BRACKETS:
        raise ValueError("too many brackets")
    try:
        return yaml.load(source, yaml.BaseLoader)  # it makes only texts, lists and mappings
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error
