"""Extract the text of an Org file."""

import re
from collections.abc import Iterator

from semsearch.readers.encoding import decoded
from semsearch.readers.fields import collected_fields
from semsearch.readers.parsed import Parsed, parsed

_HEADING = re.compile(
    r"(?P<stars>\*+) +(?:(?P<todo>{})(?= |$) *)?(?:\[#\w\] *)?(?P<title>.*?)(?:[ \t]+(?P<tags>:[\w@#%:]+:))?[ \t]*"
)
_TODO = (
    "TODO",
    "NEXT",
    "WAITING",
    "WAIT",
    "HOLD",
    "SOMEDAY",
    "STARTED",
    "DONE",
    "CANCELLED",
    "CANCELED",
    "KILL",
)
_KEYWORD = re.compile(r"[ \t]*#\+(?P<name>[\w-]+)(?:\[[^\]]*\])?:[ \t]*(?P<value>.*)")
_BLOCK = re.compile(r"[ \t]*#\+(?P<edge>begin|end)_(?P<kind>\w+)(?:[ \t]+(?P<rest>.*))?", re.IGNORECASE)
_DRAWER = re.compile(r"[ \t]*:(?P<name>[\w-]+):[ \t]*")
_PROPERTY = re.compile(
    r"[ \t]*:(?!(?:ID|CUSTOM_ID|ARCHIVE_\w+|LAST_REPEAT|STYLE|VISIBILITY):)(?P<name>[\w-]+)\+?:[ \t]+(?P<value>\S.*)",
    re.IGNORECASE,
)
"""An entry of a drawer that a person wrote, such as `:STATUS: open`."""
_PLANNED = re.compile(r"\b(CLOSED|DEADLINE|SCHEDULED):[ \t]*([<\[]\d{4}-\d\d-\d\d[^<>\[\]\n]{0,40}[>\]])")
_COMMENT = re.compile(r"[ \t]*#(?:[ \t].*)?")
_RULE = re.compile(r"[ \t]*\|[-+]+\|?[ \t]*|[ \t]*CLOCK:.*")
_LINK = re.compile(r"\[\[(?P<target>[^\[\]\n]{1,2000})\](?:\[(?P<text>[^\[\]\n]{1,2000})\])?\]")
_MARKS = re.compile(r"\[fn:[\w-]*\](?!:)|\{\{\{[^{}\n]{0,200}\}\}\}|<<<?[^<>\n]{1,200}>?>>|\[@\d+\]")
_FIELDS = {"author", "category", "date", "description", "email", "keywords", "language", "subtitle"}
_TEXTS = {"caption", "title", "subtitle"}
_CODE = ("src", "example", "export")


def parse_org(content: bytes) -> Iterator[Parsed]:
    """Yield the text of an Org file, line by line.

    A heading has `#` marks, without its state, priority and tags; a block of code is fenced as in Markdown, and of a
    link the description stays. Drawers, keywords, comments, clocks and subtrees marked `COMMENT` are left out.
    `#+TITLE` is the title. `tags` (of the file and its headings), `todo` (the states that occur), `author`, `date`, the
    properties of drawers, `deadline`, `scheduled`, `closed` and the like are fields.
    """
    source = decoded(content).split("\n")
    states = list(_TODO)
    for line in source:
        if (match := _KEYWORD.fullmatch(line)) and match["name"].lower() in ("todo", "seq_todo", "typ_todo"):
            states += (
                re.escape(word.partition("(")[0]) for word in match["value"].split()[:50] if word != "|"
            )
    heading = re.compile(_HEADING.pattern.replace("{}", "|".join(states)))
    found: dict[str, list[str]] = {}
    lines: list[tuple[int, str]] = []
    block, drawer, hidden = "", False, 0
    """The kind of the open block; whether a drawer is open; the level of a heading whose subtree is a comment."""
    closes = max((at for at, line in enumerate(source, 1) if line.strip().upper() == ":END:"), default=0)
    for number, line in enumerate(source, 1):
        edge = _BLOCK.fullmatch(line)
        if edge and (not block or (edge["edge"].lower() == "end" and edge["kind"].lower() == block)):
            block = edge["kind"].lower() if edge["edge"].lower() == "begin" else ""
            if edge["kind"].lower() in _CODE[:2] and not hidden:
                language = (edge["rest"] or "").split(" ")[0] if block else ""
                lines.append((number, f"```{language}"))
            continue
        if block:
            if block not in ("comment", "export") and not hidden:
                lines.append((number, line if block in _CODE else _shown(line)))
            continue
        if match := heading.fullmatch(line):
            drawer = False
            level = len(match["stars"])
            if hidden and level > hidden:
                continue
            hidden = level if match["title"].startswith("COMMENT") else 0
            if match["todo"]:
                found.setdefault("todo", []).append(match["todo"])
            if match["tags"]:
                found.setdefault("tags", []).extend(filter(None, match["tags"].split(":")))
            if not hidden:
                lines.append((number, f"{'#' * min(level, 6)} {_shown(match['title'])}"))
            continue
        if drawer or hidden:
            if drawer and not hidden and (match := _PROPERTY.fullmatch(line)):
                found.setdefault(match["name"].lower(), []).append(_shown(match["value"]))
            drawer = drawer and line.strip().upper() != ":END:"
            continue
        if planned := _PLANNED.findall(line) if "<" in line or "[" in line else []:
            for name, date in planned:
                found.setdefault(name.lower(), []).append(date)
        if (match := _DRAWER.fullmatch(line)) and match["name"].upper() != "END" and number < closes:
            drawer = True
        elif match := _KEYWORD.fullmatch(line):
            name, value = match["name"].lower(), match["value"].strip()
            if name in ("filetags", "roam_tags"):
                found.setdefault("tags", []).extend(filter(None, re.split(r"[:\s]+", value)))
            elif name in _FIELDS or name == "title":
                found.setdefault(name, []).append(value)
            if name in _TEXTS:
                lines.append((number, f"# {_shown(value)}\n" if name == "title" else _shown(value)))
        elif not (_COMMENT.fullmatch(line) or _RULE.fullmatch(line)):
            lines.append((number, _shown(line[2:] if line.startswith(": ") else line)))
    title = " ".join(found.pop("title", []))
    yield parsed(lines, "line", _shown(title), metadata=collected_fields(found))


def _shown(line: str) -> str:
    """Return a line with the descriptions of its links, and without what only Org reads."""
    if "[" not in line and "{{{" not in line and "<<" not in line:
        return line
    return _MARKS.sub("", _LINK.sub(_described, line))


def _described(match: re.Match[str]) -> str:
    target = match["target"].removeprefix("file:").partition("::")[0]
    return match["text"] or ("" if target.startswith("id:") else target.lstrip("*#"))
