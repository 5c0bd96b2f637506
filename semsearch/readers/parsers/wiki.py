"""Extract the text of a page of MediaWiki."""

import html
import re
from collections.abc import Iterator

from semsearch.readers.encoding import decoded
from semsearch.readers.fields import collected_fields
from semsearch.readers.parsed import Parsed, parsed

_HEADING = re.compile(r"(?P<marks>={1,6})[ \t]*(?P<title>[^=\s].*?)[ \t]*(?P=marks)[ \t]*")
_HIDDEN = re.compile(
    r"<(?P<comment>!--)|<(?P<tag>ref|math|gallery|timeline|score)\b[^<>]{0,300}>|__[A-Z]{3,20}__"
)
"""The beginning of what is left out."""
_BRACES = re.compile(r"\{\{|\}\}")
_CATEGORY = re.compile(
    r"\[\[[ \t]*(?:Category|Kategorie|Catégorie|Categoría|分类)[ \t]*:(?P<name>[^\[\]|\n]{1,200})"
    r"(?:\|[^\[\]\n]{0,200})?\]\]"
)
_FILE = re.compile(
    r"\[\[(?:File|Image|Datei|Fichier|Archivo|文件):[^\[\]|\n]{1,300}(?P<rest>(?:\|[^\[\]\n]{0,500})*)\]\]"
)
_LINK = re.compile(
    r"\[\[:?(?P<page>[^\[\]|\n]{1,300})(?:\|(?P<words>[^\[\]\n]{1,500}))?\]\]|\[\w++://[^\s\[\]]{1,2000}(?P<label>[^\[\]\n]{0,500})\]"
)
_QUOTES = re.compile(r"'{2,5}")
_TAG = re.compile(
    r"</?(?:b|big|blockquote|br|center|cite|code|del|div|em|i|nowiki|p|pre|s|small|span|strike|strong|sub|sup|syntaxhighlight|tt|u)\b[^<>\n]{0,500}>"
)
_POWER = re.compile(r"(?<=\d)<sup\b[^<>\n]{0,500}>(?=[-+−]?\d)")
"""The beginning of a power: 10<sup>3</sup> is another number than 103."""
_STYLE = re.compile(r"^[^\[\]{}|]*\w+[ \t]*=[ \t]*[\"'][^|]*\|(?!\|)")
"""The attributes before the text of a cell."""


def parse_wiki(content: bytes) -> Iterator[Parsed]:
    """Yield the text of a page of MediaWiki, line by line.

    A heading has `#` marks, the cells of a table are separated by " | ", and of a link its words stay. Templates, notes
    (`<ref>`), formulas, comments and the marks of tables are left out. Categories are the field `tags`.
    """
    text = _without_templates(_without_hidden(decoded(content)))
    tags: dict[str, list[str]] = {}
    lines: list[tuple[int, str]] = []
    for number, line in enumerate(text.split("\n"), 1):
        for match in _CATEGORY.finditer(line):
            tags.setdefault("tags", []).append(match["name"].strip())
        line = _shown(_CATEGORY.sub("", line))
        if heading := _HEADING.fullmatch(line):
            line = f"{'#' * len(heading['marks'])} {heading['title']}"
        elif line.startswith(("{|", "|}", "|-", "----")):
            continue
        elif line.startswith(("|", "!")):
            cells = re.split(r"\|\||!!", line[1:].removeprefix("+"))
            line = " | ".join(_STYLE.sub("", cell).strip() for cell in cells)
        elif line.startswith(("*", "#", ":", ";")):
            words = line.lstrip("*#:;")
            marks = line[: len(line) - len(words)]
            line = f"{'  ' * (len(marks) - 1)}{'- ' if marks[-1] in '*#' else ''}{words.strip()}"
        lines.append((number, line))
    yield parsed(lines, "line", metadata=collected_fields(tags))


def _without_hidden(text: str) -> str:
    """Return a text without comments, notes and the like. Its line ends stay, so lines keep their numbers."""
    kept: list[str] = []
    unclosed: set[str] = set()
    at = 0
    for match in _HIDDEN.finditer(text):
        closer = "-->" if match["comment"] else f"</{match['tag']}>" if match["tag"] else ""
        if match.start() < at or closer in unclosed:
            continue
        end = match.end()
        if closer and not match[0].endswith("/>"):
            end = text.find(closer, end) + len(closer)
            if end < match.end():
                unclosed.add(closer)
                continue
        kept += [text[at : match.start()], "\n" * text.count("\n", match.start(), end)]
        at = end
    return "".join((*kept, text[at:]))


def _without_templates(text: str) -> str:
    """Return a text without `{{templates}}`, which may lie in each other. One that is not closed stays."""
    kept: list[str] = []
    starts: list[int] = []
    at = 0
    for match in _BRACES.finditer(text):
        if match[0] == "{{":
            starts.append(match.start())
        elif starts and (start := starts.pop()) >= at and not starts:
            kept += [text[at:start], "\n" * text.count("\n", start, match.end())]
            at = match.end()
    return "".join((*kept, text[at:]))


def _shown(line: str) -> str:
    if "[" in line:
        line = _LINK.sub(_words, _FILE.sub(lambda match: match["rest"].rpartition("|")[2], line))
    line = _QUOTES.sub("", line) if "''" in line else line
    line = _TAG.sub("", _POWER.sub("^", line)) if "<" in line else line
    return html.unescape(line) if "&" in line else line


def _words(match: re.Match[str]) -> str:
    return (match["words"] or match["page"] or match["label"] or "").strip()
