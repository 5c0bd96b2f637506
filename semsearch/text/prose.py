"""Tell a passage that a person can read from one that only a program reads.

The rule counts characters and knows no language: letters of scripts without capitals count as words, whatever they say.
Tables of figures, lists of dates or links, verses and code are for a reader. `benchmarks/prose.py` measures the rule.
"""

import re
from itertools import groupby, pairwise

from semsearch.text.payloads import MARK
from semsearch.text.secrets import looks_random
from semsearch.text.word_memo import WordMemo

_SHORT = 80
"""A text of fewer characters, without blanks and links, is for a reader: a number, a name, a verse."""
_PLAIN = 0.8
"""With this share of the characters in words there is nothing else to look at. English has 0.95, Python code 0.7."""
_MOST_ENCODED = 0.5
"""The highest share of characters in runs of random characters."""
_MOST_HEXADECIMAL, _FEW_WORDS = 0.2, 0.35
"""The highest share of characters in hexadecimal bytes, where words have less than the other share."""
_MOST_CONTROL, _SOME_WORDS = 0.02, 0.6
"""Bytes read as text have more control characters than this share, and words less than the other."""
_MANY_NUMBERS, _MOST_NUMBERS, _NO_WORDS = 200, 0.85, 0.02
"""Numbers are data if a text has so many characters, this share of them in numbers, and less than the last in words."""
_LEAST_WORDS, _LEAST_WORDS_DENSE, _DENSE = 0.15, 0.55, 0.04
"""The least share of words in what is neither a number nor a rule. Text with hardly a blank needs more of them."""
_MOST_SIGNS, _MOST_DENSE, _LONG_LINE, _FOREIGN = 0.1, 0.07, 200, 0.2
"""Minified code has more signs and fewer blanks than these shares, a line of this length, and few foreign letters."""
_LINK = re.compile(r"\]\([^()\s]*\)|https?://[^\s<>\"')\]]+|<[^<>]{1,200}>")
_PARAGRAPH = re.compile(r"\n(?: *\n)+")
_RUN = re.compile(r"[A-Za-z0-9+/=_%-]{16,}+")
_WORD = re.compile(
    r"(?<![A-Za-z])(?:[A-Z]{2,}+|[A-Z]?[a-z]{2,}+(?:[A-Z][a-z]++)*+|[A-Za-z](?![0-9.-]))(?![A-Za-z])"
)
_OTHER_LETTERS = re.compile(
    "[\u00c0-\u1fff\u2c00-\u2fff\u3040-\ud7ff\uf900-\ufffc\U00010000-\U0001efff\U00020000-\U0003ffff]++"
)
"""Letters and the marks on them, as far as they are not ASCII."""
_RULE = re.compile(r"([^\w\s])\1{2,}+|\|")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ufffd]")
_HEXADECIMAL = re.compile(
    r"(?<![\w.])(?:0x)?(?=[0-9a-f]*[a-f]|[0-9A-F]*[A-F])(?:[0-9a-fA-F]{2}){1,8}:?(?![\w.])"
)
_DATE = re.compile(r"\d{1,4}([.:/-])\d{1,2}(?:\1\d{1,4})+|\d{1,2}:\d\d(?!\d)")
"""A date, a time or a version."""
_NUMBER = re.compile(r"[MmLlHhVvCcSsQqTtAaZz]?[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?[,;%]?")
_SIGN = re.compile(r"[{}()\[\];=&|!:,]")


def prose_parts(text: str) -> tuple[list[tuple[int, int]], list[tuple[int, int, str]]]:
    """Return the parts [start, end) of a cleaned passage that are for a reader, and the others with their reason.

    A passage is kept or left out as a whole, unless a paragraph of it is data among prose.
    """
    if _in_words(text) > _PLAIN * _size(text):
        return [(0, len(text))], []
    edges = [0, *(match.end() for match in _PARAGRAPH.finditer(text)), len(text)]
    paragraphs = [(a, b, why_not_prose(text[a:b])) for a, b in pairwise(edges)] if len(edges) > 2 else []
    if not any(reason for *_, reason in paragraphs):
        reason = why_not_prose(text)
        return ([], [(0, len(text), reason)]) if reason else ([(0, len(text))], [])
    kept: list[tuple[int, int]] = []
    left_out = []
    for reason, group in groupby(paragraphs, key=lambda paragraph: paragraph[2]):
        run = list(group)
        start, end = run[0][0], run[-1][1]
        if reason := reason or why_not_prose(text[start:end]):
            left_out.append((start, end, reason))
        elif text[start:end].strip():
            kept.append((start, end))
    return kept, left_out


def is_remnant(text: str) -> bool:
    """Return whether a text is too short to judge and has few words, such as the last line of a hex dump."""
    return _size(text) < _MANY_NUMBERS and _in_words(text) < _SOME_WORDS * _size(text)


def why_not_prose(text: str) -> str:
    """Return why a cleaned passage is not for a reader, such as "encoded data"; an empty text for one that is."""
    body = MARK.sub("", text)
    if not body.strip():
        return "encoded data" if text != body else ""
    words = _in_words(body)
    if words > _PLAIN * _size(body):
        return ""
    body = _LINK.sub(" ", body)
    size, words = _size(body), _in_words(body)
    if size < _SHORT or words > _PLAIN * size:
        return ""
    if sum(len(run) for run in _RUN.findall(body) if looks_random(run)) > _MOST_ENCODED * size:
        return "encoded data"
    if words < _FEW_WORDS * size and _length(_HEXADECIMAL, body) > _MOST_HEXADECIMAL * size:
        return "encoded data"
    if words < _SOME_WORDS * size and len(_CONTROL.findall(body)) > _MOST_CONTROL * size:
        return "encoded data"
    undated = _DATE.sub("", body)
    rest = _size(_NUMBER.sub("", _RULE.sub("", undated)))
    if (
        words < _NO_WORDS * size
        and size >= _MANY_NUMBERS
        and _length(_NUMBER, undated) > _MOST_NUMBERS * size
    ):
        return "numbers without words"
    blanks = len(body) - size
    least = _LEAST_WORDS_DENSE if blanks < _DENSE * len(body) else _LEAST_WORDS
    if (words < least * rest and rest >= _SHORT) or not (words or rest or _NUMBER.search(body)):
        return "signs without words"
    if (
        _length(_OTHER_LETTERS, body) < _FOREIGN * size
        and blanks < _MOST_DENSE * len(body)
        and len(_SIGN.findall(body)) > _MOST_SIGNS * size
        and any(len(line) > _LONG_LINE for line in body.split("\n"))
    ):
        return "minified code"
    return ""


def _size(text: str) -> int:
    """Return the number of characters that are not blank."""
    return len(text) - text.count(" ") - text.count("\n")


def _length(pattern: re.Pattern[str], text: str) -> int:
    return sum(map(len, pattern.findall(text)))


def _in_words(text: str) -> int:
    """Return the number of characters that are in words."""
    return sum(_known_lengths.values_of(text))


_known_lengths: WordMemo[int] = WordMemo(
    lambda word: _length(_WORD, word) + (0 if word.isascii() else _length(_OTHER_LETTERS, word))
)
