"""Extract the text of a Markdown file: its front matter becomes fields, and what only a program reads is left out."""

import re
import tomllib
from collections.abc import Callable, Iterator
from typing import Any

from semsearch.readers.blobs import without_blobs
from semsearch.readers.encoding import decoded
from semsearch.readers.parsed import Parsed, parsed, scalars

_MOST_FRONT_MATTER = 64_000
"""The most characters of front matter."""
_MOST_BRACKETS = 2_000
"""The most brackets in it. YAML takes seconds for some ten thousand that are nested."""
_FIELD = re.compile(r"([\w][\w .-]{0,60}?):(?:\s+(.*))?")
_FENCE = re.compile(r" {0,3}(?:> ?)*(?P<mark>`{3,}|~{3,})(?P<info>[^\n]*)")
_PROGRAMS = frozenset({"compressed-json", "dataview", "dataviewjs", "query", "tasks", "templater"})
"""The languages of fenced blocks that Obsidian runs or stores, and shows the result of."""
_TOKEN = re.compile(
    r"(?P<code>(?P<ticks>`{1,10})(?!`)[^\n]{0,2000}?(?<!`)(?P=ticks)(?!`))"
    r"|<!--(?:(?P<closed>.*?)-->|(?P<open>))"
    r"|(?<![\d%])%%(?!%)(?P<note>[^%\n]*)%%(?!%)"
    r"|!\[\[(?P<embed>[^\[\]\n]{1,500})\]\]"
    r"|\[\[(?P<wiki>[^\[\]|\n]{1,500})(?:\\?\|(?P<alias>[^\[\]\n]{1,500}))?\]\]"
    r"|!\[(?P<alt>[^\[\]\n]{0,500})\](?:"
    r"\((?P<target>\[data \w+\]|[^()\s]*)(?:\s+[\"'](?P<title>[^\"'\n]{0,500})[\"'])?\)"
    r"|\[(?P<label>[^\[\]\n]{0,100})\])"
)
_MOST_COMMENTS = 100
"""The comments of a line from which on it is left as it is: the end of each is looked for to the end of the line."""
_OPEN = "\0"
_UPWARDS = re.compile(r"\A(?:\.{1,2}/)+")
"""The start of a target by which a note in another folder names the same file."""
_BLOCK_ID = re.compile(r"\s\^[\w-]+$")


def parse_markdown(content: bytes) -> Iterator[Parsed]:
    """Yield the text of a Markdown file, line by line.

    Front matter (YAML or TOML) is not text: its entries are the fields of the document, and `title` is its title. HTML
    comments, the comments and queries of Obsidian, block ids and encoded data are left out. Of an embed its name stays,
    of an image its alternative text, title and target, and of a wiki link the words that are shown.
    """
    text = decoded(content)
    fields, first = front_matter(text)
    lines = plain_lines("\n".join(text.split("\n")[first:]))
    title = str(fields.pop("title", None) or "")
    numbered = list(enumerate(lines, first + 1))
    if title and not any(line.lstrip("# ").strip().casefold() == title.casefold() for line in lines[:20]):
        # The title stands at the first line of the text. Without a text, at its own line.
        own = next((at for at, line in enumerate(text.split("\n")[:first], 1) if "title" in line.lower()), 1)
        blank = next((at for at, line in enumerate(lines) if line.strip()), None)
        numbered = (
            [(own, f"# {title}")]
            if blank is None
            else [(first + 1 + blank, f"# {title}\n"), *numbered[blank:]]
        )
    yield parsed(numbered, "line", title, metadata=scalars(fields))


def front_matter(text: str) -> tuple[dict[str, Any], int]:
    """Return the entries at the top of a text, between `---` or `+++`, and the number of lines that they take.

    YAML that is not valid is read line by line, as `name: value`. What has no entry is text.
    """
    mark = text[:3]
    if mark not in ("---", "+++") or text[3:4] not in ("\n", " "):
        return {}, 0
    lines = text[:_MOST_FRONT_MATTER].split("\n")
    ends = (mark, "...") if mark == "---" else (mark,)
    last = next((at for at, line in enumerate(lines[1:], 1) if line.rstrip() in ends), 0)
    entries = _entries("\n".join(lines[1:last]), _yaml if mark == "---" else tomllib.loads)
    return (entries, last + 1) if entries else ({}, 0)


def _entries(source: str, load: Callable[[str], Any]) -> dict[str, Any]:
    try:
        found = load(source)
    except (ValueError, RecursionError):
        found = {
            match[1]: match[2].strip("\"' ") if match[2] else ""
            for line in source.split("\n")
            if (match := _FIELD.fullmatch(line))
        }
    return {str(name): value for name, value in found.items()} if isinstance(found, dict) else {}


def _yaml(source: str) -> object:
    """Return what YAML says, where a time is text as it stands. Raises `ValueError` if it is not valid."""
    import yaml

    if source.count("[") + source.count("{") > _MOST_BRACKETS:
        raise ValueError("too many brackets")
    try:
        return yaml.load(source, yaml.BaseLoader)  # it makes only texts, lists and mappings
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error


def plain_lines(text: str) -> list[str]:
    """Return the lines of Markdown, without what only a program reads. A line stays at its place, if only as blank."""
    lines = without_blobs(text).split("\n")
    closings = {
        end: max((at for at, line in enumerate(lines) if end in line), default=-1) for end in ("-->", "%%")
    }
    closing, fence, program = "", "", False
    """The end of an open comment; the marks of an open fence, and whether its block is left out."""
    for at, line in enumerate(lines):
        if closing:
            head, found, rest = line.partition(closing)
            lines[at] = _shown(rest) if found else ""
            closing = "" if found else closing
            continue
        if match := _FENCE.fullmatch(line):
            if not fence:
                language = match["info"].strip(" {}").lower().split(" ")[0]
                fence, program = match["mark"], language in _PROGRAMS
            elif match["mark"].startswith(fence) and not match["info"].strip():
                fence = ""
                lines[at] = "" if program else line
                continue
        if fence:
            lines[at] = "" if program else line
        elif line.lstrip().startswith("%%") and line.count("%%") == 1 and closings["%%"] > at:
            closing, lines[at] = "%%", ""
        else:
            plain = _shown(line)
            head, opened, _ = plain.partition(_OPEN)
            if opened and closings["-->"] > at:
                closing, plain = "-->", head
            lines[at] = plain.replace(_OPEN, "<!--")
    return lines


def _shown(line: str) -> str:
    """Return what a reader of a rendered line sees; `_OPEN` stands for the start of a comment that goes on."""
    if not ("<!--" in line or "%%" in line or "[" in line or "^" in line):
        return line
    if line.count("<!--") > _MOST_COMMENTS:
        return line
    return _BLOCK_ID.sub("", _TOKEN.sub(_shown_token, line.replace(_OPEN, " "))).rstrip()


def _shown_token(match: re.Match[str]) -> str:
    if match["code"]:
        return match["code"]
    if match["open"] is not None:
        return _OPEN
    # What is embedded is not read here. Its name stays, or notes with other files would be exact copies.
    if match["embed"]:
        return match["embed"].partition("|")[0].rstrip("\\").strip()
    if match["alt"] is not None:
        target = _UPWARDS.sub("", match["target"] or match["label"] or "")
        return " ".join(filter(None, (match["alt"], match["title"], target)))
    return match["alias"] or match["wiki"] or ""
