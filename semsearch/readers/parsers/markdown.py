"""Extract the text of a Markdown file: its front matter becomes fields, and what only a program reads is left out."""

import re
from collections.abc import Iterator

from semsearch.readers.encoding import decoded
from semsearch.readers.fields import collected_fields, document_fields
from semsearch.readers.heads import front_matter
from semsearch.readers.parsed import Parsed, parsed
from semsearch.types import several

_FENCE = re.compile(r" {0,3}(?:> ?)*(?P<mark>`{3,}|~{3,})(?P<info>[^\n]*)")
_PROGRAMS = frozenset({"compressed-json", "dataview", "dataviewjs", "mermaid", "query", "tasks", "templater"})
"""The languages of fenced blocks that Obsidian runs, draws or stores, and shows the result of."""
_TOKEN = re.compile(
    r"(?P<code>(?P<ticks>`{1,10})(?!`)[^\n]{0,2000}?(?<!`)(?P=ticks)(?!`))"
    r"|<!--(?:(?P<closed>.*?)-->|(?P<open>))"
    r"|(?<![\d%])%%(?!%)(?P<note>[^%\n]*)%%(?!%)"
    r"|!\[\[(?P<embed>[^\[\]\n]{1,500})\]\]"
    r"|\[\[(?P<wiki>[^\[\]|\n]{1,500})(?:\\?\|(?P<alias>[^\[\]\n]{1,500}))?\]\]"
    r"|!\[(?P<alt>[^\[\]\n]{0,500})\](?:"
    r"\((?P<target>[^()\s]*)(?:\s+[\"'](?P<title>[^\"'\n]{0,500})[\"'])?\)"
    r"|\[(?P<label>[^\[\]\n]{0,100})\])"
    r"|(?<![A-Za-z0-9_=])==(?=[^\s=])(?P<highlight>[^=\n]{1,1000})(?<=\S)==(?![A-Za-z0-9_=])"
)
_MOST_COMMENTS = 100
"""The comments of a line from which on it is left as it is: the end of each is looked for to the end of the line."""
_OPEN = "\0"
_UPWARDS = re.compile(r"\A(?:\.{1,2}/)+")
"""The start of a target by which a note in another folder names the same file."""
_CALLOUT = re.compile(r"(?P<quote>[ >]*>) ?\[![\w-]{1,40}(?:\|[^\[\]]{0,40})?\][+-]?")
_TAG = re.compile(r"(?<![\w&#/\])(])#(?P<tag>(?=[\d_/-]*[^\W\d_])[\w/-]{1,100})")
_NAME = r"\*{0,2}_{0,2}(?P<name>[^\W\d_][\w-]*(?: [\w-]+){0,3})_{0,2}\*{0,2}"
_FIELD_LINE = re.compile(rf"\s*(?:[-*+] (?:\[.\] )?)?{_NAME}::\s+(?P<value>\S.*)")
_FIELD_INSIDE = re.compile(
    rf"(?P<code>`[^`\n]{{1,2000}}`)|[\[(]{_NAME}::\s*(?P<value>[^\[\]()\n]{{1,500}})[\])]"
)
"""The fields of Dataview: `key:: value` as a line, and `[key:: value]` in a sentence."""
_CODE = re.compile(r"(`{1,10})(?!`)[^\n]{0,2000}?(?<!`)\1(?!`)|https?://\S+")
_BLOCK_ID = re.compile(r"\s\^[\w-]+$")


def parse_markdown(content: bytes) -> Iterator[Parsed]:
    """Yield the text of a Markdown file, line by line.

    Front matter (YAML or TOML) is not text: its entries are the fields of the document, and `title` is its title. So
    are `key:: value` and `#tag`, of which a tag stays in its sentence. HTML comments, the comments, queries and
    diagrams of Obsidian, block ids and encoded data are left out. Of an embed its name stays, of an image its
    alternative text, title and target, and of a wiki link the words that are shown.
    """
    text = decoded(content)
    entries, first, fault = front_matter(text)
    inline: dict[str, list[str]] = {}
    lines = plain_lines("\n".join(text.split("\n")[first:]), inline)
    fields = document_fields(entries)
    title = str(fields.pop("title", ""))
    for name, values in collected_fields(inline).items():
        every = dict.fromkeys((*several(fields.get(name, ())), *several(values)))
        fields[name] = values if len(every) == 1 else tuple(every)
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
    yield parsed(numbered, "line", title, [(1, fault, False)] if fault else (), metadata=fields)


def plain_lines(text: str, fields: dict[str, list[str]] | None = None) -> list[str]:
    """Return the lines of Markdown, without what only a program reads. A line stays at its place, if only as blank.

    The tags and the fields of Dataview are added to `fields`, and then such a field is not part of its line.
    """
    lines = text.split("\n")
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
            plain = plain.replace(_OPEN, "<!--")
            lines[at] = plain if fields is None else _without_fields(plain, fields)
    return lines


def _without_fields(line: str, fields: dict[str, list[str]]) -> str:
    """Return a line without its fields, which are added to `fields`. Its tags are added as well, and stay."""
    if "#" not in line and "::" not in line:
        return line
    plain = _CODE.sub(lambda match: " " * len(match[0]), line)
    for match in _TAG.finditer(plain):
        fields.setdefault("tags", []).append(match["tag"].strip("/"))
    if "::" not in plain:
        return line
    if whole := _FIELD_LINE.fullmatch(line):
        fields.setdefault(whole["name"], []).append(whole["value"])
        return ""

    def value(match: re.Match[str]) -> str:
        if match["code"]:
            return match["code"]
        fields.setdefault(match["name"], []).append(match["value"])
        return match["value"]

    return _FIELD_INSIDE.sub(value, line)


def _shown(line: str) -> str:
    """Return what a reader of a rendered line sees; `_OPEN` stands for the start of a comment that goes on."""
    if not ("<!--" in line or "%%" in line or "[" in line or "^" in line or "==" in line):
        return line
    if line.count("<!--") > _MOST_COMMENTS:
        return line
    line = _CALLOUT.sub(lambda match: match["quote"], line, count=1) if "[!" in line else line
    return _BLOCK_ID.sub("", _TOKEN.sub(_shown_token, line.replace(_OPEN, " "))).rstrip()


def _shown_token(match: re.Match[str]) -> str:
    if match["code"]:
        return match["code"]
    if match["open"] is not None:
        return _OPEN
    if match["highlight"]:
        return match["highlight"]
    # What is embedded is not read here. Its name stays, or notes with other files would be exact copies.
    if match["embed"]:
        return match["embed"].partition("|")[0].rstrip("\\").strip()
    if match["alt"] is not None:
        target = _UPWARDS.sub("", match["target"] or match["label"] or "")
        return " ".join(filter(None, (match["alt"], match["title"], target)))
    return match["alias"] or match["wiki"] or ""
