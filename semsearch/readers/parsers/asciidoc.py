"""Extract the text of an AsciiDoc file."""

import re
from collections.abc import Iterator

from semsearch.readers.encoding import decoded
from semsearch.readers.fields import document_fields
from semsearch.readers.parsed import Parsed, parsed

_HEADING = re.compile(r"(?P<marks>={1,6}|#{1,6}) +(?P<title>\S.*)")
_ATTRIBUTE = re.compile(r":(?P<name>[\w-]+):(?:[ \t]+(?P<value>.*))?")
_AUTHOR = re.compile(r"(?P<name>[^\W\d][^<>:;=]{1,80}?)(?:[ \t]+<(?P<mail>[^<>\s]{1,200})>)?")
_REVISION = re.compile(
    r"v?(?:\d[\w.]*,)?[ \t]*(?P<date>[\w. -]{0,40}\d{4}[\w. -]{0,40})(?::.*)?|v\d[\w.]*(?:[,:].*)?"
)
_LISTING = re.compile(r"(?P<mark>-{4,}|\.{4,}|\+{4,}|`{3,})(?P<language>\w*)")
_COMMENT = re.compile(r"/{4,}")
_EDGE = re.compile(r"(?:={4,}|\*{4,}|_{4,}|--|\|={3,}|'{3,}|<{3,})")
"""The edge of a block whose text is read, and the marks of rules and page breaks."""
_STYLE = re.compile(r"\[(?P<style>[^\[\]]*)\]")
_BLOCK_TITLE = re.compile(r"\.(?=[^\s.])")
_DIRECTIVE = re.compile(r"(?:include|ifdef|ifndef|ifeval|endif|toc)::.*")
_INLINE = re.compile(
    r"<<(?P<target>[^<>,\n]{1,200})(?:,(?P<label>[^<>\n]{1,500}))?>>"
    r"|(?:image|video|audio|icon)::?[^\s\[\]]{1,500}\[(?P<alt>[^\[\]\n]{0,500})\]"
    r"|(?:link:|xref:|mailto:|https?://)[^\s\[\]]{1,2000}\[(?P<words>[^\[\]\n]{1,500})\]"
    r"|\[\[[^\[\]\n]{1,200}\]\]|\(\(\([^()\n]{1,200}\)\)\)"
    r"|footnote:[\w-]{0,50}\[(?P<note>[^\[\]\n]{1,2000})\]"
)
_FIELDS = {"author", "description", "email", "keywords", "lang", "revdate", "tags"}


def parse_asciidoc(content: bytes) -> Iterator[Parsed]:
    """Yield the text of an AsciiDoc file, line by line.

    A heading has `#` marks, a listing is fenced as in Markdown, and of a link, a picture or a reference the words stay.
    Comments, attributes, directives and the edges of blocks are left out; `include::` is not followed. The author, the
    date and attributes of the header, such as `description` and `keywords`, are fields.
    """
    source = decoded(content).split("\n")
    lines: list[tuple[int, str]] = []
    found: dict[str, str] = {}
    title = mark = language = ""
    """The title of the document; the mark of the open listing or comment; the language of the next listing."""
    header = 0
    """The lines since the title that are part of the header: 0 above and below it."""
    closes = {line.rstrip(): at for at, line in enumerate(source)}
    """The last line with a text, to see whether a block is closed."""
    for number, line in enumerate(source, 1):
        line = line.rstrip()
        if mark:
            if line == mark:
                lines += [] if mark.startswith("/") else [(number, "```")]
                mark = ""
            elif not mark.startswith("/"):
                lines.append((number, line))
            continue
        block = _LISTING.fullmatch(line) or _COMMENT.fullmatch(line)
        end = line.rstrip("abcdefghijklmnopqrstuvwxyz") if line.startswith("```") else line
        if block and closes.get(end, 0) >= number:
            mark = end
            if not line.startswith("/"):
                lines.append((number, f"```{language or block['language']}"))
            language = ""
            continue
        if line.startswith("//"):
            continue
        if attribute := _ATTRIBUTE.fullmatch(line):
            name, value = attribute["name"].lower(), (attribute["value"] or "").strip()
            if name in _FIELDS and value:
                found["date" if name == "revdate" else name] = value
            continue
        if header and line:
            header += 1
            if header == 2 and (author := _AUTHOR.fullmatch(line)):
                found["author"] = author["name"]
                found |= {"email": author["mail"]} if author["mail"] else {}
                continue
            if header == 3 and (revision := _REVISION.fullmatch(line)):
                found |= {"date": revision["date"].strip()} if revision["date"] else {}
                continue
        header = 0
        if heading := _HEADING.fullmatch(line):
            if heading["marks"] == "=" and not title and not any(text.strip() for _, text in lines):
                title, header = _shown(heading["title"]), 1
            lines.append((number, f"{'#' * len(heading['marks'])} {_shown(heading['title'])}"))
        elif style := _STYLE.fullmatch(line):
            words = style["style"].split(",")
            language = words[1].strip() if words[0] in ("source", "") and len(words) > 1 else ""
        elif not (_EDGE.fullmatch(line) or _DIRECTIVE.fullmatch(line) or line == "+"):
            lines.append((number, _shown(_BLOCK_TITLE.sub("", line, count=1))))
    yield parsed(lines, "line", title, metadata=document_fields(found))


def _shown(line: str) -> str:
    """Return the words of a line that a reader sees."""
    return _INLINE.sub(_words, line) if any(mark in line for mark in ("[", "<<", "(((")) else line


def _words(match: re.Match[str]) -> str:
    note = f" ({match['note']})" if match["note"] else ""
    alt = (match["alt"] or "").partition(",")[0].strip('"')
    return match["label"] or match["words"] or note or alt or match["target"] or ""
