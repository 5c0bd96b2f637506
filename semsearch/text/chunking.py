"""Cut cleaned text into passages that fit a model's window, and into sentences."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from semsearch.text.structure import Edges, Heading, parse_structure

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
# The places where a passage may end, and their strength. If several patterns end at a place, the last one counts. A
# place between a heading and its text is as bad as one between two words.
_LINE_CUT, _SENTENCE_CUT, _PARAGRAPH_CUT, _HEADING_CUT = range(1, 5)
_CUTS = (
    (re.compile(_LINE), _LINE_CUT),
    (re.compile(_SENTENCE), _SENTENCE_CUT),
    (re.compile(_PARAGRAPH), _PARAGRAPH_CUT),
)
_BLANK = re.compile(r"\s*+")
_LONGEST_TOKEN = 16
"""The most characters per token in running text. WordPiece makes one unknown token of 100 or more characters without a
blank. Such a run is cut, so no passage is a megabyte long."""
_LONGEST_WORD = 64
"""A longer run without blanks is cut after this many characters: Chinese, Base64, or a line of minified code."""


def split(text: str, measure: Measure, limit: int, *, marked: bool = True, title: str = "") -> list[Span]:
    """Cut cleaned text into passages of at most `limit` tokens that together hold every word of it.

    `measure` returns the number of tokens of each text. A passage ends at the best cut in its second half, and a new
    section starts a new passage once half a window is full. A block (see `parse_structure`) is not cut if it fits,
    and else is cut between its lines. No passage is blank. Its `heading` is the path above its first text that is not
    a heading. If the text is not `marked`, it is not prose and has no headings. A first heading that is the `title` of
    the document is above all others.

    Sizes are summed over the text between cuts. With WordPiece these sums are exact. With another tokenizer a passage
    may exceed `limit` by a few tokens, which an embedder must accept.
    """
    headings, blocks = parse_structure(text, title) if marked else ([], [])
    body = text.strip()
    if len(body) <= limit * _LONGEST_TOKEN:
        (tokens,) = measure([body])
        if tokens <= limit:
            start = len(text) - len(text.lstrip())
            return _with_headings([Span(start, start + len(body), tokens)] if body else [], headings, text)
    cuts, inner = _cuts(text, headings, blocks)
    units = list(pairwise([0, *(at for at in sorted(cuts.keys() - inner) if 0 < at < len(text)), len(text)]))
    sizes = list(measure([text[a:b] for a, b in units]))
    within = sorted(inner)
    run = f"{{1,{min(limit, _LONGEST_WORD)}}}"
    word = re.compile(rf"(?:[{_CJK}]{run}|[^\s{_CJK}]{run})\s*")

    def by_lines(a: int, b: int) -> list[Edges]:
        return list(pairwise([a, *within[bisect_right(within, a) : bisect_left(within, b)], b]))

    def by_words(a: int, b: int) -> list[Edges]:
        words = [match.span() for match in word.finditer(text, a, b)]
        words[:1] = [(a, words[0][1])] if words else [(a, b)]
        return words

    for finer in (by_lines, by_words):
        units, sizes = _subdivided(text, units, sizes, finer, measure, limit)

    spans: list[Span] = []
    first = 0
    while first < len(units):
        last, total = first, 0
        while last < len(units) and total + sizes[last] <= max(limit, sizes[first]):
            if last > first and total >= limit // 2 and cuts.get(units[last][0]) == _HEADING_CUT:
                break
            total += sizes[last]
            last += 1
        else:
            if last < len(units):
                last = _best_cut(units, sizes, cuts, first, last, total)
        start, end = units[first][0], units[last - 1][1]
        body = text[start:end]
        if body.strip():
            indent = len(body) - len(body.lstrip())
            spans.append(Span(start + indent, start + len(body.rstrip()), sum(sizes[first:last])))
        first = last
    return _with_headings(spans, headings, text)


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
    for pattern, strength in _CUTS:
        for match in pattern.finditer(text):
            at = match.end()
            if block_of(at) < 0:
                cuts[at] = strength
            elif strength != _SENTENCE_CUT:  # code and tables have lines, not sentences
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


def _next_text(text: str, end: int) -> int:
    """Return the place of the next text after the end of a line."""
    blanks = _BLANK.match(text, end)
    return blanks.end() if blanks else end


def _subdivided(
    text: str,
    units: list[Edges],
    sizes: list[int],
    finer: Callable[[int, int], list[Edges]],
    measure: Measure,
    limit: int,
) -> tuple[list[Edges], list[int]]:
    """Replace each unit that is too large with its parts; return the units and their sizes."""
    parts = [
        finer(a, b) if size > limit or b - a > limit * _LONGEST_TOKEN else [(a, b)]
        for size, (a, b) in zip(sizes, units, strict=True)
    ]
    measured = iter(measure([text[a:b] for some in parts if len(some) > 1 for a, b in some]))
    taken = [
        next(measured) if len(some) > 1 else size
        for some, size in zip(parts, sizes, strict=True)
        for _ in some
    ]
    return [part for some in parts for part in some], taken


def _best_cut(
    units: list[Edges], sizes: list[int], cuts: dict[int, int], first: int, last: int, total: int
) -> int:
    """Return the strongest cut that leaves at least half of the tokens in this passage; of equals, the latest."""
    best, kept = last, total
    for at in range(last, first, -1):
        if kept < total / 2:
            break
        if cuts.get(units[at][0], 0) > cuts.get(units[best][0], 0):
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


def sentences(text: str) -> list[tuple[int, int]]:
    """Return the spans [start, end) of the sentences, headings and list items of a text, without blanks around them."""
    edges = [0, *(match.end() for match in _SENTENCES.finditer(text)), len(text)]
    bodies = ((start, text[start:end]) for start, end in pairwise(edges))
    return [
        (start + len(body) - len(body.lstrip()), start + len(body.rstrip()))
        for start, body in bodies
        if body.strip()
    ]
