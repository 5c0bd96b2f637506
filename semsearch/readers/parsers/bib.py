"""Extract the entries of a BibTeX file."""

import re
from collections import Counter
from collections.abc import Iterator

from semsearch.readers.encoding import decoded
from semsearch.readers.fields import document_fields
from semsearch.readers.parsed import Parsed, parsed
from semsearch.readers.parsers.tex import plain_tex

_ENTRY = re.compile(r"@[ \t]*(?P<kind>[A-Za-z]+)[ \t]*[{(][ \t]*(?P<key>[^\s,{}()\"=]{0,200})[ \t]*,")
_FIELD = re.compile(r"\s*,?\s*(?P<name>[A-Za-z][\w-]*)\s*=\s*")
_TOKEN = re.compile(r"\\.|[{}\"]", re.DOTALL)
_BARE = re.compile(r"[^\s,{}\"#]+")
_TEXTS = (
    "title",
    "subtitle",
    "booktitle",
    "journal",
    "journaltitle",
    "publisher",
    "abstract",
    "note",
    "annote",
)
"""The fields whose text is read; the others are fields of the document."""
_HIDDEN = frozenset({"file", "bdsk-file-1", "owner", "timestamp", "date-added", "date-modified", "urldate"})


def parse_bib(content: bytes) -> Iterator[Parsed]:
    """Yield each entry of a BibTeX file, named by its key: its title, authors, and what else is text, line by line.

    LaTeX is read as its characters. `author`, `year`, `doi`, `keywords` and other short entries are fields.
    """
    source = decoded(content)
    taken: Counter[str] = Counter()
    place, number = 0, 1
    matches = list(_ENTRY.finditer(source))
    starts = [*(match.start() for match in matches), len(source)]
    for entry, after in zip(matches, starts[1:], strict=True):
        fields: dict[str, str] = {"kind": entry["kind"].lower()}
        lines: list[tuple[int, str]] = []
        title = ""
        at = entry.end()
        number, place = number + source.count("\n", place, entry.start()), entry.start()
        first = number
        while (field := _FIELD.match(source, at, after)) is not None:
            name = field["name"].lower()
            value, at = _value(source, field.end(), after)
            number, place = number + source.count("\n", place, field.start("name")), field.start("name")
            value = plain_tex(value)
            if name == "title":
                title = title or value
            elif name in ("author", "editor"):
                people = [_person(one) for one in re.split(r"\s+and\s+", value)]
                fields[name] = "; ".join(people)
                lines.append((number, f"{', '.join(people)}\n"))
            elif name in _TEXTS:
                lines.append((number, f"{value}\n"))
            elif name not in _HIDDEN:
                fields[name] = value
        key = entry["key"]
        taken[key] += 1
        if taken[key] > 1 or not key:
            key = f"{key}({taken[key]})"
        if title:
            lines.insert(0, (first, f"# {title}\n"))
        if lines:
            yield parsed(lines, "line", title, part=key, metadata=document_fields(fields))


def _person(name: str) -> str:
    """Return a name as it is spoken: `Doe, Jane` is Jane Doe."""
    last, _, first = name.partition(",")
    return f"{first.strip()} {last.strip()}".strip()


def _value(source: str, at: int, after: int) -> tuple[str, int]:
    """Return a value in braces or quotes, a number or a name, or several joined by `#`, and where it ends."""
    parts: list[str] = []
    while at < after:
        if source[at] in '{"':
            depth, quoted, start = 0, source[at] == '"', at
            for token in _TOKEN.finditer(source, at, after):
                depth += (token[0] == "{") - (token[0] == "}")
                if (quoted and token[0] == '"' and not depth and token.start() > start) or (
                    not quoted and not depth and token[0] == "}"
                ):
                    break
            else:
                return " ".join(parts), after  # it is not closed
            at = token.end()
            parts.append(source[start + 1 : at - 1])
        elif bare := _BARE.match(source, at, after):
            at = bare.end()
            parts.append(bare[0])
        rest = re.compile(r"\s*#\s*").match(source, at, after)
        if rest is None:
            break
        at = rest.end()
    return " ".join(parts), at
