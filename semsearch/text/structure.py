"""Find the structure of a text or of source code: its headings, and the blocks that should stay whole."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise, takewhile

from semsearch.types import Definition

Edges = tuple[int, int]
"""The start and end of something: characters [start, end), or its first and last line."""


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading in cleaned text: characters [start, end), marks included, and its path, such as `Guide > Install`."""

    start: int
    end: int
    path: str


_SEPARATOR = " > "
_FENCE = re.compile(r" ?(?:> ?)*+(?P<mark>`{3,}+|~{3,}+)(?P<info>[^\n]*+)")
_ATX = re.compile(r"(#{1,6}+) ([^\n]*+)")
_UNDERLINES = frozenset("=-~^*\"'`+#:._")
_SETEXT = "=-"
"""The underlines of Markdown, for levels 1 and 2. In reStructuredText, underlines rank by first appearance."""
_NO_TITLE = ("#", ">", "|", "- ", "* ", "+ ")
"""The starts of lines that are not headings even if underlined: a rule may follow a list."""
_ATTRIBUTES = re.compile(r" ?(?:\{[^{}]*+\}|#++)$")
_TAG = re.compile(r"</?(?:a|abbr|b|br|code|em|i|img|kbd|small|span|strong|sub|sup)(?: [^<>]*+)?+/?+>")
"""HTML within a line. Other text in angle brackets is not HTML, such as `Vec<T>`."""
_FIELD = re.compile(r"[A-Za-z][\w-]*+:(?: |$)")
"""A field as in the header of a mail (RFC 5322) or of a Python PEP."""
_NAMED = re.compile(r"title: [\"']?+([^\n]*?)[\"']?", re.IGNORECASE)
_LONGEST_TITLE = 120
_NAMED_LINE = re.compile(r"\w")


def parse_structure(text: str, title: str = "") -> tuple[list[Heading], list[Edges]]:
    """Return the headings of a cleaned text, and its blocks [start, end): fenced code, tables, metadata at its top.

    Headings are those of Markdown (`#`, or underlined) and of reStructuredText (underlined, and maybe overlined). The
    level of the latter is the order in which their styles appear. If the metadata has a `title`, all other headings
    are below it; so they are below a first heading that is the `title` of the document. A line in a block is never a
    heading. A fence that is not closed does not open a block.
    """
    lines = text.split("\n")
    starts = list(accumulate((len(line) + 1 for line in lines), initial=0))
    head = _head(lines)
    blocks = _blocks(lines, head)
    inside = {at for first, last in blocks for at in range(first, last + 1)}
    found = list(_headings(lines, inside))
    markdown = any(first == last for (first, last), _, _ in found)
    ranks: dict[str, int] = {}
    document_title = _title(title).casefold()
    parents = [(0, _title(match[1])) for line in lines[:head] if (match := _NAMED.fullmatch(line))][:1]
    headings = [Heading(0, 0, title) for _, title in parents]
    for (first, last), style, title in found:
        if first == last:
            level = len(style)
        elif markdown and style in _SETEXT:
            level = 1 + _SETEXT.index(style)
        else:
            level = ranks.setdefault(style, len(ranks) + 1)
        title = _title(title)
        if not parents and title.casefold() == document_title:
            level = 0
        while parents and (parents[-1][0] >= level or parents[-1][1].casefold() == title.casefold()):
            parents.pop()
        parents.append((level, title))
        path = _SEPARATOR.join(title for _, title in parents if title)
        headings.append(Heading(starts[first], starts[last] + len(lines[last]), path))
    return headings, [(starts[a] + lines[a].startswith(" "), starts[b] + len(lines[b])) for a, b in blocks]


def code_structure(
    text: str, outline: Sequence[Definition], module: str
) -> tuple[list[Heading], list[set[int]]]:
    """Return the headings of cleaned source code, and the places where it may be cut, level by level.

    A heading has no characters. It stands where a definition of the `outline` begins, or where one ends and the one
    around it goes on. The first level has the edges of definitions and of the paragraphs between them, and each further
    level those inside the definitions of the level before. What is `whole` has no places inside it.
    """
    lines = text.split("\n")
    places = [len(text)]
    """The first character of each line that is not blank; a blank line has the place of the next line."""
    start = len(text) + 1
    for line in reversed(lines):
        start -= len(line) + 1
        places.append(start + line.startswith(" ") if line else places[-1])
    places.reverse()
    depths = [0] * len(lines)
    """The number of definitions that a line lies in, or -1 inside one that stays whole."""
    paths: dict[int, tuple[str, ...]] = {0: ()}
    levels: list[set[int]] = [set()]
    around: list[Definition] = []

    def close(line: int) -> None:
        while around and around[-1].last < line:
            last = around.pop().last
            paths[last] = around[-1].path if around else ()

    for one in outline:
        if not 0 < one.first <= one.last <= len(lines):
            continue  # it comes from a parser
        close(one.first)
        paths[one.first - 1] = one.path
        around.append(one)
        if (depth := depths[one.first - 1]) >= 0:
            levels += [set() for _ in range(depth + 1 - len(levels))]
            levels[depth] |= {places[one.first - 1], places[one.last]}
            depths[one.first - 1 : one.last] = [-1 if one.whole else depth + 1] * (one.last + 1 - one.first)
    close(len(lines) + 1)
    for at, (above, depth) in enumerate(pairwise(depths), 1):
        if lines[at] and not lines[at - 1] and depth == above >= 0:
            levels += [set() for _ in range(depth + 1 - len(levels))]
            levels[depth].add(places[at])
    heads = sorted(at for at in paths if at < len(lines))
    return [
        Heading(places[at], places[at], _SEPARATOR.join((module, *paths[at])))
        for at, end in zip(heads, [*heads[1:], len(lines)], strict=True)
        if at == 0 or any(map(_NAMED_LINE.search, lines[at:end]))  # else only brackets are left
    ], levels


def joined_path(paths: Sequence[str]) -> str:
    """Return the path of several definitions: what they have in common, and the names that follow, as `Shape > x, y`.

    A definition inside another one is not named, and the first name of all counts for none. Names that do not fit 120
    characters are left out, and `…` stands for them.
    """
    every = list(dict.fromkeys(tuple(path.split(_SEPARATOR)) for path in paths))
    given = {one for one in every if len(one) > 1} or {*every}
    several = [
        one for one in every if one in given and not any(one[:at] in given for at in range(1, len(one)))
    ]
    common = [
        names[0] for names in takewhile(lambda names: len(set(names)) == 1, zip(*several, strict=False))
    ]
    path = _SEPARATOR.join(common)
    names = list(dict.fromkeys(one[len(common)] for one in several if len(one) > len(common)))
    for at, name in enumerate(names):
        longer = f"{path}{', ' if at else _SEPARATOR}{name}"
        if at and len(longer) > _LONGEST_TITLE:
            return f"{path}, …"
        path = longer
    return path


def _headings(lines: Sequence[str], inside: set[int]) -> Iterator[tuple[Edges, str, str]]:
    """Yield the first and last line of each heading, its marks, and its title."""
    free = 0
    """The first line after the last heading."""
    for at, line in enumerate(lines):
        if at in inside:
            free = at + 1
        elif line.startswith("#") and (match := _ATX.fullmatch(line)):
            yield (at, at), match[1], match[2]
            free = at + 1
        elif at > free and len(line) >= 3 and line[0] in _UNDERLINES and line.count(line[0]) == len(line):
            title, above = lines[at - 1], lines[at - 2] if at - 2 >= free else ""
            fits = len(title.strip()) <= len(line)
            if not title or title.startswith(_NO_TITLE):
                continue
            if fits and above == line:
                yield (at - 2, at), line[0] * 2, title
            elif not above and title[0] != " " and (fits or line[0] in _SETEXT):
                yield (at - 1, at), line[0], title
            else:
                continue
            free = at + 1


def _title(title: str) -> str:
    """Return a title without HTML and closing marks, at most 120 characters long."""
    title = _ATTRIBUTES.sub("", _TAG.sub("", title[: 4 * _LONGEST_TITLE]).strip())
    return title if len(title) <= _LONGEST_TITLE else f"{title[: _LONGEST_TITLE - 1]}…"


def _blocks(lines: Sequence[str], head: int) -> list[Edges]:
    """Return the first and last line of each block, in order; the first `head` lines are one."""
    fences = list(_fences(lines, head))
    inside = {at for first, last in fences for at in range(first, last + 1)}
    tables: list[Edges] = []
    first = head
    for at in range(head, len(lines) + 1):
        line = lines[at] if at < len(lines) and at not in inside else ""
        if not ("|" in line or line.startswith(("+-", "+="))):
            if at - first > 1:
                tables.append((first, at - 1))
            first = at + 1
    return sorted([(0, head - 1)] * bool(head) + fences + tables)


def _head(lines: Sequence[str]) -> int:
    """Return the number of lines of metadata at the top: YAML between two rules, or fields of which one is a title."""
    if lines[0] == "---":
        for at, line in enumerate(lines[1:], 1):
            if line in ("", "---", "..."):
                return at + 1 if line else 0
    if _FIELD.match(lines[0]):
        named = 0
        for at, line in enumerate(lines):
            if not line:
                return at if named and at > 1 else 0
            if not (_FIELD.match(line) or line[0] == " "):
                return 0
            named += _NAMED.fullmatch(line) is not None
    return 0


def _fences(lines: Sequence[str], start: int) -> Iterator[Edges]:
    opened, mark = -1, ""
    for at in range(start, len(lines)):
        line = lines[at]
        if not (("```" in line or "~~~" in line) and (match := _FENCE.fullmatch(line))):
            continue
        if opened >= 0:
            if match["mark"].startswith(mark) and not match["info"].strip():
                yield opened, at
                opened = -1
        elif not ("`" in match["info"] or _is_underline(line, lines[at - 1] if at else "")):
            opened, mark = at, match["mark"]


def _is_underline(line: str, above: str) -> bool:
    """Return whether a line that could open a fence underlines a title instead, as in reStructuredText."""
    return bool(above) and 4 <= len(line) >= len(above) and line.count(line[0]) == len(line)
