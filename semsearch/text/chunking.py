"""Cut cleaned text into passages that fit a model's window, and into sentences."""

import re
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice, pairwise

from semsearch.text.structure import Edges, Heading, code_structure, joined_path, parse_structure
from semsearch.types import Definition

SPLITTER_VERSION = 3


@dataclass(frozen=True, slots=True)
class Span:
    """A passage in cleaned text: characters [start, end), and its length in `tokens`.

    `heading` is the path of the headings above it, such as `Guide > Install`, or empty.
    """

    start: int
    end: int
    tokens: int
    heading: str = ""


Measure = Callable[[Sequence[str]], Sequence[int]]

# Quantifiers are possessive, and a gap is matched from its start only. So a megabyte of dots or blank lines costs no
# more than a megabyte of text. A gap ends where the next text starts.
_LINE = r"(?<!\s)[^\S\n]*+\n\s*+"
_PARAGRAPH = r"(?<!\s)[^\S\n]*+\n[^\S\n]*+\n\s*+"
# A sentence ends after its closing quotes and brackets, and before a blank in scripts that have blanks. Cleaning turns
# the full-width marks of Chinese and Japanese into ASCII, so an ASCII mark after their letters ends a sentence too.
_CLOSING = r"[\"')\]”’」』）]*+"
_CJK = r"\u3040-\u30ff\u3400-\u9fff"
_SENTENCE = (
    rf"(?:(?<![.!?])[.!?]++{_CLOSING}(?=\s)|[。！？；…]++{_CLOSING}|(?<=[{_CJK}])[!?;]++{_CLOSING})\s*+"
)
_SENTENCES = re.compile(rf"{_SENTENCE}|{_PARAGRAPH}|{_LINE}(?=[-*+#|] )")
_MAY_END = re.compile(r"[.!?;\n。！？；…]")
# The places where a passage may end, and their strength. The strongest at a place counts. A place between a heading and
# its text is as bad as one between two words.
_LINE_CUT, _SENTENCE_CUT, _PARAGRAPH_CUT, _HEADING_CUT = range(1, 5)
# `re` finds a first character or a set of them fast, and a lookbehind at each place slowly.
_GAP = re.compile(r"\n\s*+")
_MARK, _SENTENCE_END = re.compile("[.!?;。！？；…]"), re.compile(_SENTENCE)
_BLANK = re.compile(r"\s*+")
_LONGEST_TOKEN = 16
"""The most characters per token in running text. WordPiece makes one unknown token of 100 or more characters without a
blank. Such a run is cut, so no passage is a megabyte long."""
_MEASURED = 4096
"""Texts that are measured at a time."""
_LONGEST_WORD = 64
"""A longer run without blanks is cut after this many characters: Chinese, Base64, or a line of minified code."""


def split(
    text: str,
    measure: Measure,
    limit: int,
    *,
    marked: bool = True,
    title: str = "",
    outline: Sequence[Definition] | None = None,
) -> list[Span]:
    """Cut cleaned text into passages of at most `limit` tokens that together hold every word of it.

    `measure` returns the number of tokens of each text. A passage ends at the best cut in its second half, and a new
    section starts a new passage once half a window is full. A block (see `parse_structure`) is not cut if it fits,
    and else is cut between its lines. No passage is blank. Its `heading` is the path above its first text that is not
    a heading. If the text is not `marked`, it is not prose and has no headings. A first heading that is the `title` of
    the document is above all others.

    With an `outline`, which may be empty, the text is source code: it is cut at its definitions, and then at its lines.
    The `heading` is the path of the definition, or of all that are in the passage, and begins with the `title`.

    Sizes are summed over the text between cuts. With WordPiece these sums are exact. With another tokenizer a passage
    may exceed `limit` by a few tokens, which an embedder must accept.
    """
    if outline is None:
        headings, blocks = parse_structure(text, title) if marked else ([], [])
        with_headings = _with_headings
    else:
        headings, levels = code_structure(text, outline, title)
        with_headings = _with_paths
    body = text.strip()
    if len(body) <= limit * _LONGEST_TOKEN:
        (tokens,) = measure([body])
        if tokens <= limit:
            start = len(text) - len(text.lstrip())
            return with_headings([Span(start, start + len(body), tokens)] if body else [], headings, text)
    if outline is None:
        cuts, inner = _cuts(text, headings, blocks)
        levels = [cuts.keys() - inner, inner]
    else:
        cuts = _code_cuts(text, headings)
        levels.append({*cuts})
    outer, *finer_places = (array("q", sorted(places)) for places in levels)
    longest = limit * _LONGEST_TOKEN
    run = f"{{1,{min(limit, _LONGEST_WORD)}}}"
    word = re.compile(rf"(?:[{_CJK}]{run}|[^\s{_CJK}]{run})\s*")

    def sizes_of(edges: "array[int]") -> "array[int]":
        """Return the tokens between the edges. What is longer than `longest` is cut anyway, so it need not be read."""
        sizes = array("q")
        for at in range(0, len(edges) - 1, _MEASURED):
            some = list(pairwise(edges[at : at + _MEASURED + 1]))
            counts = iter(measure([text[a:b] for a, b in some if b - a <= longest]))
            sizes.extend(next(counts) if b - a <= longest else limit + 1 for a, b in some)
        return sizes

    def at_places(places: "array[int]", a: int, b: int) -> Iterator[int]:
        return iter(places[bisect_right(places, a) : bisect_left(places, b)])

    def by_words(a: int, b: int) -> Iterator[int]:
        words = (match.start() for match in word.finditer(text, a, b))
        return islice(words, 1, None)

    edges = array("q", [0, *outer[bisect_right(outer, 0) : bisect_left(outer, len(text))], len(text)])
    sizes = sizes_of(edges)
    closed: set[int] = set()
    """The edges of code that is cut, whose parts are not joined with what is around it."""
    steps: list[Callable[[int, int], Iterator[int]]] = [partial(at_places, places) for places in finer_places]
    for finer in (*steps, by_words):
        if outline is not None:
            closed.update(e for at, size in enumerate(sizes) if size > limit for e in edges[at : at + 2])
        edges, sizes = _subdivided(edges, sizes, finer, sizes_of, limit)
    for at in range(len(sizes)):  # one word with thousands of blanks
        if edges[at + 1] - edges[at] > longest:
            (sizes[at],) = measure([text[edges[at] : edges[at + 1]]])

    spans: list[Span] = []
    first = 0
    while first < len(sizes):
        last, total = first, 0
        while last < len(sizes) and total + sizes[last] <= max(limit, sizes[first]):
            if last > first and total >= limit // 2 and cuts.get(edges[last]) == _HEADING_CUT:
                break
            if last > first and edges[last] in closed:
                break
            total += sizes[last]
            last += 1
        else:
            if last < len(sizes):
                last = _best_cut(edges, sizes, cuts, first, last, total)
        start, end = edges[first], edges[last]
        body = text[start:end]
        if body.strip():
            indent = len(body) - len(body.lstrip())
            spans.append(Span(start + indent, start + len(body.rstrip()), sum(sizes[first:last])))
        first = last
    return with_headings(spans, headings, text)


def _cuts(text: str, headings: Sequence[Heading], blocks: Sequence[Edges]) -> tuple[dict[int, int], set[int]]:
    """Return the places where passages may end with the strength of each, and the inner places.

    Inner places are used only to cut what is too large otherwise. They are inside a block, or between a heading and
    its first text.
    """
    firsts = [start for start, _ in blocks]

    def block_of(at: int) -> int:
        """Return the number of the block around a place, or -1."""
        block = bisect_left(firsts, at) - 1
        return block if block >= 0 and at < blocks[block][1] else -1

    cuts: dict[int, int] = {}
    inner: set[int] = set()
    for at in _sentence_ends(text):
        if block_of(at) < 0:  # code and tables have lines, not sentences
            cuts[at] = _SENTENCE_CUT
    for at, strength in _gap_ends(text):
        if block_of(at) < 0:
            cuts[at] = max(cuts.get(at, 0), strength)
        else:
            cuts[at] = strength
            inner.add(at)
    for start, end in blocks:
        for edge in (start, _next_text(text, end)):
            cuts[edge] = max(cuts.get(edge, 0), _PARAGRAPH_CUT)
    edges = sorted(cuts)
    for heading in headings:
        below = _next_text(text, heading.end)
        if heading.start not in inner:
            cuts[heading.start] = _HEADING_CUT
        for at in edges[bisect_right(edges, heading.start) : bisect_right(edges, below)]:
            cuts.pop(at, None)
            inner.add(at)
    return cuts, inner


def _code_cuts(text: str, headings: Sequence[Heading]) -> dict[int, int]:
    """Return the places where a passage of source code may end, which are ends of lines, with the strength of each."""
    return dict(_gap_ends(text)) | dict.fromkeys((heading.start for heading in headings), _HEADING_CUT)


def _gap_ends(text: str) -> Iterator[tuple[int, int]]:
    """Yield where the text after a line or a paragraph starts, and the strength of a cut there."""
    for gap in _GAP.finditer(text):
        yield gap.end(), _PARAGRAPH_CUT if gap[0].count("\n") > 1 else _LINE_CUT


def _sentence_ends(text: str) -> Iterator[int]:
    """Yield where the text after a sentence starts."""
    end = 0
    for mark in _MARK.finditer(text):
        if mark.start() >= end and (found := _SENTENCE_END.match(text, mark.start())):
            end = found.end()
            yield end


def _next_text(text: str, end: int) -> int:
    """Return the place of the next text after the end of a line."""
    blanks = _BLANK.match(text, end)
    return blanks.end() if blanks else end


def _subdivided(
    edges: "array[int]",
    sizes: "array[int]",
    finer: Callable[[int, int], Iterator[int]],
    sizes_of: "Callable[[array[int]], array[int]]",
    limit: int,
) -> "tuple[array[int], array[int]]":
    """Cut each unit that is too large at the places that `finer` gives; return the edges and sizes of all units."""
    cut, taken = array("q", edges[:1]), array("q")
    for at, size in enumerate(sizes):
        a, b = edges[at], edges[at + 1]
        parts = array("q", [a])
        if size > limit or b - a > limit * _LONGEST_TOKEN:
            parts.extend(finer(a, b))
        parts.append(b)
        cut.extend(parts[1:])
        taken.extend(sizes_of(parts) if len(parts) > 2 else (size,))
    return cut, taken


def _best_cut(
    edges: "array[int]", sizes: "array[int]", cuts: dict[int, int], first: int, last: int, total: int
) -> int:
    """Return the strongest cut that leaves at least half of the tokens in this passage; of equals, the latest."""
    best, kept = last, total
    for at in range(last, first, -1):
        if kept < total / 2:
            break
        if cuts.get(edges[at], 0) > cuts.get(edges[best], 0):
            best = at
        kept -= sizes[at - 1]
    return best


def _with_headings(spans: Sequence[Span], headings: Sequence[Heading], text: str) -> list[Span]:
    """Return the spans with their headings: the path above their first text that is not a heading."""
    found = []
    path, at = "", 0
    for span in spans:
        own, place = True, span.start
        heading = path
        while at < len(headings) and headings[at].start < span.end:
            own = own and not text[place : headings[at].start].strip()
            path, place = headings[at].path, headings[at].end
            if own:
                heading = path
            at += 1
        found.append(replace(span, heading=heading))
    return found


def _with_paths(spans: Sequence[Span], headings: Sequence[Heading], text: str) -> list[Span]:
    """Return the spans of source code, each with the path of all definitions that it has a part of."""
    found = []
    path, at = "", 0
    for span in spans:
        paths = [path]
        while at < len(headings) and headings[at].start < span.end:
            path = headings[at].path
            if not text[span.start : headings[at].start].strip():
                paths.clear()
            paths.append(path)
            at += 1
        found.append(replace(span, heading=joined_path(paths)))
    return found


def sentences(text: str) -> list[tuple[int, int]]:
    """Return the spans [start, end) of the sentences, headings and list items of a text, without blanks around them."""
    first = _MAY_END.search(text)
    # Most texts are one sentence.
    ends = _SENTENCES.finditer(text) if first and first.end() < len(text) else ()
    edges = [0, *(match.end() for match in ends), len(text)]
    bodies = ((start, text[start:end]) for start, end in pairwise(edges))
    return [
        (start + len(body) - len(body.lstrip()), start + len(body.rstrip()))
        for start, body in bodies
        if body.strip()
    ]
