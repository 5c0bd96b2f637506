"""Cleaning text, and cutting it into passages that fit a model's window. Pure string work.

Cleaning is light and keeps meaning: no lower-casing, stemming, stop words or NFKC. It never adds or drops a
line, so a line number in cleaned text is a line number in the file.
"""

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

CLEANER_VERSION = 1
SPLITTER_VERSION = 1

_TRANSLATION: dict[int, int | str | None] = {
    **{code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)},
    **{0x3000: " ", 0xFEFF: None, 0x0000: " "},
}
_SURROGATES = re.compile("[\ud800-\udfff]")
_BLANKS = re.compile(r"[ \t\u00a0]+")
_TRAILING = re.compile(r" +(?=\n|$)")
_LINE_ENDS = re.compile(r"\r\n?")


def clean(text: str) -> str:
    """Line ends to LF, full-width U+FF01-FF5E and U+3000 to ASCII, BOM dropped, blanks collapsed, none trailing.

    A lone surrogate, which no encoding can store, becomes U+FFFD, and NUL a blank. Idempotent, and the number of
    lines stays the same (property-tested).
    """
    text = _SURROGATES.sub("\ufffd", _LINE_ENDS.sub("\n", text)).translate(_TRANSLATION)
    return _TRAILING.sub("", _BLANKS.sub(" ", text))


@dataclass(frozen=True, slots=True)
class Span:
    """A passage's place in cleaned text: characters [start, end), with its length in tokens."""

    start: int
    end: int
    tokens: int


Measure = Callable[[Sequence[str]], Sequence[int]]

# Quantifiers are possessive and a gap is only looked at from its start, so that a megabyte of dots or blank lines costs
# no more than any other. A gap ends where the next text starts.
_LINE = r"(?<!\s)[^\S\n]*+\n\s*+"
_PARAGRAPH = r"(?<!\s)[^\S\n]*+\n[^\S\n]*+\n\s*+"
# A sentence ends after its closing quotes and brackets, before a blank in scripts that have blanks. Cleaning has made
# the full-width marks of Chinese and Japanese ASCII, so after their letters those end one as well.
_CLOSING = r"[\"')\]”’」』）]*+"
_CJK = r"[\u3040-\u30ff\u3400-\u9fff]"
_SENTENCE = rf"(?:(?<![.!?])[.!?]++{_CLOSING}(?=\s)|[。！？；…]++{_CLOSING}|(?<={_CJK})[!?;]++{_CLOSING})\s*+"
_SENTENCES = re.compile(rf"{_SENTENCE}|{_PARAGRAPH}|{_LINE}(?=[-*+#|] )")
# Where a passage may end, and how good a place that is; where several patterns end, the last has the say. Before a
# heading is best, between a heading and its text as bad as between two words.
_CUTS = tuple(
    (re.compile(pattern, re.MULTILINE), strength)
    for pattern, strength in (
        (_LINE, 1),
        (_SENTENCE, 2),
        (_PARAGRAPH, 3),
        (rf"{_LINE}(?=#{{1,6}} |[^\n]++\n[=\-~^*]{{3,}}+$)", 4),
        (r"^#{1,6} [^\n]*+\n\s*+|\n(?=[=\-~^*]{3,}+$)|^[=\-~^*]{3,}+\n\s*+", 0),
    )
)
_HEADING = 4
_LONGEST_TOKEN = 16
"""Characters a token at most, in running text. A run of more (WordPiece makes one unknown token of 100 and more
characters without a blank) is taken apart, so that no passage is a megabyte of one token."""
_LONGEST_WORD = 64
"""A longer run without blanks is cut after so many characters: Chinese, Base64, or a line of minified code."""


def split(text: str, measure: Measure, limit: int) -> list[Span]:
    """Cut cleaned text into passages of at most `limit` tokens that together hold every word of it.

    `measure` gives the number of tokens of each of some texts. A passage ends at the best cut in its second
    half, and a new section starts a new passage once half a window is full. No passage is blank. Sizes are
    summed over the text between cuts; a tokenizer that does not add up there (not WordPiece) can pass `limit` by
    a few tokens, which an embedder must take.
    """
    body = text.strip()
    if len(body) <= limit * _LONGEST_TOKEN:
        (tokens,) = measure([body])
        if tokens <= limit:
            start = len(text) - len(text.lstrip())
            return [Span(start, start + len(body), tokens)] if body else []
    cuts = {match.end(): strength for pattern, strength in _CUTS for match in pattern.finditer(text)}
    edges = [0, *sorted(at for at in cuts if 0 < at < len(text)), len(text)]
    units = list(pairwise(edges))
    sizes = list(measure([text[a:b] for a, b in units]))
    if any(size > limit or b - a > limit * _LONGEST_TOKEN for size, (a, b) in zip(sizes, units, strict=True)):
        units, sizes = _by_words(text, units, sizes, measure, limit)

    spans: list[Span] = []
    first = 0
    while first < len(units):
        last, total = first, 0
        while last < len(units) and total + sizes[last] <= max(limit, sizes[first]):
            if last > first and total >= limit // 2 and cuts.get(units[last][0]) == _HEADING:
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
    return spans


def _best_cut(
    units: list[tuple[int, int]], sizes: list[int], cuts: dict[int, int], first: int, last: int, total: int
) -> int:
    """The strongest cut that leaves at least half of the tokens in this passage; of equals, the latest."""
    best, kept = last, total
    for at in range(last, first, -1):
        if kept < total / 2:
            break
        if cuts.get(units[at][0], 0) > cuts.get(units[best][0], 0):
            best = at
        kept -= sizes[at - 1]
    return best


def _by_words(
    text: str, units: list[tuple[int, int]], sizes: list[int], measure: Measure, limit: int
) -> tuple[list[tuple[int, int]], list[int]]:
    """Replace each unit that is too large by its words."""
    pattern = re.compile(rf"\S{{1,{min(limit, _LONGEST_WORD)}}}\s*")
    smaller: list[tuple[int, int]] = []
    for size, (a, b) in zip(sizes, units, strict=True):
        if size > limit or b - a > limit * _LONGEST_TOKEN:
            words = [match.span() for match in pattern.finditer(text, a, b)]
            words[:1] = [(a, words[0][1])] if words else [(a, b)]
            smaller += words
        else:
            smaller.append((a, b))
    return smaller, list(measure([text[a:b] for a, b in smaller]))


def sentences(text: str) -> list[tuple[int, int]]:
    """The [start, end) spans of the sentences, headings and list items of a text, without the blanks around them."""
    edges = [0, *(match.end() for match in _SENTENCES.finditer(text)), len(text)]
    bodies = ((start, text[start:end]) for start, end in pairwise(edges))
    return [
        (start + len(body) - len(body.lstrip()), start + len(body.rstrip()))
        for start, body in bodies
        if body.strip()
    ]


def text_digest(text: str) -> bytes:
    """The 16 bytes that name a cleaned text, and with it its vector."""
    return hashlib.blake2b(text.encode(), digest_size=16).digest()
