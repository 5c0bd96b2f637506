"""Turn text into the terms of full-text search: words without case and accents, and pairs of Chinese characters.

Scripts that are written without blanks (Chinese, Japanese, Thai, ...) and Korean become overlapping pairs of
characters, as in Lucene's CJK analyzer. This needs no dictionary, and finds a word wherever it stands. Stemming is
not done here.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import chain, pairwise

from semsearch.text.scripts import UNSPACED
from semsearch.text.word_memo import WordMemo

LONGEST_TERM = 64
"""Characters of a word that count. The rest of a longer word, such as Base64, is ignored."""

_LETTER = rf"(?:(?![{UNSPACED}])[^\W_]|[\u0900-\u0dff])"
"""A letter or digit of a word. Indic vowel signs are part of a word, but `\\w` does not match them."""
_START, _END = rf"(?<![^\W{UNSPACED}])(?<![+#&])", rf"(?!{_LETTER})"
_SIGNED = (
    # A sign makes these another word: c is not c++, c# or c/o, and r&d is more than r and d.
    rf"{_START}(?<!/)(?:{_LETTER}(?:\+\+(?=\d|{_END})(?!\+)|[+\#]{_END}(?![+#]))"
    rf"|{_LETTER}{{1,2}}(?:\ ?&\ ?{_LETTER}{{1,2}})+{_END}(?![+#&/])"
    rf"|{_LETTER}(?:/{_LETTER})+{_END}(?![+#&/]))"
    # These are found by their parts as well: g++, .net, #topic, @name, 3.11.2, 12:30, a_name, and words with joiners.
    rf"|(?P<more>{_START}(?:{_LETTER}{{2,64}}(?:\+\+|\#){_END}(?![+#])"
    rf"|(?<![.])[.#@](?=[^\W\d_])[\w-]{{2,64}}"
    rf"|\d{{1,32}}(?:[.,:/-]\d{{1,32}}){{1,8}}(?![\w])"
    rf"|{_LETTER}{{1,64}}(?:_+{_LETTER}{{1,64}}){{1,8}}{_END})"
    rf"|(?<!\w){_LETTER}{{1,64}}(?:[\u200c\u200d]+{_LETTER}{{1,64}})+)"
)
"""Words that a sign is part of, in normalized text."""
_OTHERS = re.compile(r"[^a-z0-9\s]")
"""Any character but ASCII letters, digits and blanks. Normalized text without one has no signs and one script."""
_HUMPS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_CAMEL = re.compile(r"\b(?=[A-Za-z]*[a-z0-9][A-Z])[A-Za-z0-9]{4,64}\b")
_SPACED_SIGN = re.compile(r" ?(&) ?")
_AMPERSANDS = "&\ufe60\uff06"
"""The characters that are `&` in normalized text."""
_JOINERS = re.compile("[\u200c\u200d]+")
_ASCII = re.compile(r"[a-z0-9]+")
_MARKS = re.compile("[\u0300-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u064b-\u0652\u0670]")
"""Accents, and the points of Hebrew and Arabic, which people often do not type."""


STOP_WORDS = frozenset({
    "a", "about", "after", "all", "also", "am", "an", "and", "any", "are", "as", "at", "be", "been", "before",
    "being", "but", "by", "can", "could", "did", "do", "does", "doing", "for", "from", "get", "gets", "getting",
    "got", "had", "has", "have", "he", "her", "here", "him", "his", "how", "i", "if", "in", "into", "is", "it",
    "its", "just", "let", "may", "me", "might", "must", "my", "no", "not", "of", "off", "on", "or", "our", "out",
    "over", "please", "shall", "she", "should", "so", "some", "such", "than", "that", "the", "their", "them",
    "then", "there", "these", "they", "this", "those", "to", "under", "until", "up", "upon", "us", "use", "used",
    "using", "was", "we", "were", "what", "when", "where", "whether", "which", "while", "who", "whom", "whose",
    "why", "will", "with", "would", "you", "your", "s", "t", "re", "ve", "ll", "m", "d",
})  # fmt: skip
"""Words that are in most questions and say nothing of what is asked for."""
_STOP_RUNS = re.compile(
    "[是在有]?(?:为什么|什么|怎么样|怎么|怎样|如何|哪里|哪些|可以|是否|我们|多少|时候)[是在有]?"
)
"""The same in Chinese, before it becomes pairs of characters: half a pair would be a word that no text has."""


def normalize(text: str) -> str:
    """Return text in NFKC without case and accents, so letters that look the same to a reader are equal."""
    if text.isascii():
        return text.lower()
    bare = _MARKS.sub("", unicodedata.normalize("NFKD", text))
    return unicodedata.normalize("NFKC", bare.casefold())


def index_terms(text: str) -> tuple[list[str], int]:
    """Return the terms that find a text, and its length in terms.

    Some terms are more ways to find a word, and do not count as length: the single characters of a run, for queries of
    one character, the parts of `camelCase`, and words with their signs, such as `g++` or `3.11.2`.
    """
    # Only this sign makes one term of several words. Beyond ASCII a blank may appear before it, or the sign itself.
    joined = " &" in text or "& " in text if text.isascii() else any(map(text.__contains__, _AMPERSANDS))
    parts = [_terms_of(text)] if joined else _known_terms.values_of(text)
    words, symbolic, more = (list(chain.from_iterable(kind)) for kind in zip(*parts, strict=True))
    return words + symbolic + more, len(words) + len(symbolic)


_Terms = tuple[Sequence[str], Sequence[str], Sequence[str]]
"""The words of a text, those that only their signs make, and more ways to find them."""


def _terms_of(text: str) -> _Terms:
    normalized = normalize(text)
    more = [term for word in _CAMEL.findall(text) for term in _HUMPS.sub(" ", word).lower().split()]
    symbolic, normalized = _symbolic(normalized, more)
    if normalized.isascii():
        return tuple(word[:LONGEST_TERM] for word in _ASCII.findall(normalized)), tuple(symbolic), tuple(more)
    terms: list[str] = []
    for piece, is_run in _pieces(normalized):
        if is_run:
            terms += _pairs(piece)
            more += piece if len(piece) > 1 else ""
        else:
            terms.append(piece[:LONGEST_TERM])
    return tuple(terms), tuple(symbolic), tuple(more)


_known_terms: WordMemo[_Terms] = WordMemo(_terms_of)


def query_terms(text: str) -> list[str]:
    """Return the terms of a query, in order, and then those of words with signs."""
    more: list[str] = []
    symbolic, normalized = _symbolic(normalize(text), more)
    words = [
        term
        for piece, is_run in _pieces(normalized)
        for term in (_pairs(piece) if is_run else [piece[:LONGEST_TERM]])
    ]
    return words + symbolic + more


def content_terms(query: str) -> set[str]:
    """Return the terms of a query that say what it is about, or all of its terms if none does."""
    return set(query_terms(_STOP_RUNS.sub(" ", query))) - STOP_WORDS or set(query_terms(query))


def framing_terms(query: str) -> set[str]:
    """Return the other terms of a query, such as those of "where is my"; a Chinese question word has none."""
    return set(query_terms(_STOP_RUNS.sub(" ", query))) - content_terms(query)


def phrase_pattern(text: str, *, begins: bool = False) -> re.Pattern[str] | None:
    """Return a pattern that finds the words of `text`, in order, in a *normalized* text; None if there are no words.

    If `text` only `begins` what is searched for, its last word may go on.
    """
    pieces = list(_phrase_pieces(normalize(text)))
    if not pieces:
        return None
    pattern = ""
    for (piece, is_run), (_, run_before) in zip(pieces, [("", False), *pieces], strict=False):
        # A run and a word may follow each other directly.
        between = "" if not pattern else r"[\W_]*" if is_run != run_before else r"[\W_]+"
        pattern += between + re.escape(piece).replace(r"\ ", "").replace(r"\&", " ?& ?")
    # Only a word has ends. A run may continue before and after what is searched for.
    before = "" if pieces[0][1] else rf"(?<![^\W_{UNSPACED}])"
    after = "" if pieces[-1][1] else rf"(?![^\W_{UNSPACED}]|\+\+|\#{_END})"
    if pieces[-1][0][-1] in "+#":
        after = r"(?![+#])"
    if "." in pieces[0][0][1:]:  # a version is not a part of a longer one
        before, after = rf"{before}(?<!\d[.])", rf"{after}(?![.]\d)"
    return re.compile(before + pattern + ("" if begins else after))


def _symbolic(normalized: str, more: list[str]) -> tuple[list[str], str]:
    """Return the words that only their sign makes, and the text without them.

    Words with a sign that are found by their parts as well are added to `more` and stay in the text.
    """
    words: list[str] = []

    def found(match: re.Match[str]) -> str:
        word = _SPACED_SIGN.sub(r"\1", match[0])[:LONGEST_TERM]
        if match["more"] is None:
            words.append(word)
            return " "
        more.append(_JOINERS.sub("", word))
        return match[0]

    return words, _symbols().sub(found, normalized) if _OTHERS.search(normalized) else normalized


def _phrase_pieces(normalized: str) -> Iterator[tuple[str, bool]]:
    """Yield the pieces of a phrase, each word with a sign as one piece."""
    start = 0
    for match in _symbols().finditer(normalized):
        if match["more"] is None or match[0][-1] in "+#" or match[0][0] == "." or match[0][0].isdigit():
            yield from _pieces(normalized[start : match.start()])
            yield match[0], False
            start = match.end()
    yield from _pieces(normalized[start:])


def _pieces(normalized: str) -> Iterator[tuple[str, bool]]:
    """Yield each word and each run of a script without blanks, and True for a run."""
    if not _OTHERS.search(normalized):
        yield from ((word, False) for word in normalized.split())
        return
    for match in _words().finditer(normalized):
        yield match[0], match[1] is not None


@cache
def _words() -> re.Pattern[str]:
    """Return the pattern of a run of a script without blanks, or of a word. To compile it takes long."""
    return re.compile(rf"([{UNSPACED}]+)|{_LETTER}+")


@cache
def _symbols() -> re.Pattern[str]:
    """Return the pattern of words with signs. To compile it takes long."""
    return re.compile(_SIGNED)


def _pairs(run: str) -> list[str]:
    return [a + b for a, b in pairwise(run)] or [run]
