"""Find the words of a text that say what it is about, and the sentence that has the most of some words."""

import math
import re
from collections.abc import Sequence
from importlib.util import find_spec

from semsearch.errors import extra
from semsearch.storage.library.fulltext import stemmed
from semsearch.text import sentences
from semsearch.text.analyzer import STOP_WORDS, content_terms, normalize

TERMS = 10
"""The words of a cluster that are returned."""
_FRAGMENTS = 0.5
"""Overlapping pairs of characters are one word where this share of the texts with either has both joined."""
_COMMON = frozenset({
    "一个", "一些", "一种", "这个", "这些", "这样", "那个", "那些", "那样", "使用", "可以", "没有", "就是", "不是",
    "还是", "都是", "以及", "或者", "因为", "所以", "如果", "但是", "并且", "其中", "进行", "通过", "已经", "自己",
    "他们", "它们", "我们", "你们", "需要", "不会", "之后", "之前", "不能", "不要", "可能", "应该", "什么", "怎么",
    "如何", "时候", "以前", "以后", "以下", "以上", "其他", "这种", "那种", "一样", "例如", "比如",
    "而且", "因此", "只有", "不过",
})  # fmt: skip
"""Words that are in most Chinese texts, as the words that `content_terms` leaves out are in English ones."""
_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff]+")
_NO_WORDS = re.compile(r"\w+n['’]t\b|\b[a-z]+://[^\s\u3000-\u9fff]+|[\x00-\x1f]+", re.IGNORECASE)
"""Contractions, whose first part is not a word (don of don't), links, and control characters."""
Term = tuple[str, float]


def words_of(text: str, *, dictionary: bool = True) -> list[str]:
    """Return the words of a text that may be in a name, each once.

    Without `dictionary` Chinese becomes pairs of characters. With it, raises `MissingExtra` for Chinese without jieba.
    """
    plain = normalize(_NO_WORDS.sub(" ", text))
    words = (
        {word for run in _HAN.findall(plain) for word in _cut(run) if len(word) > 1} if dictionary else set()
    )
    words |= content_terms(_HAN.sub(" ", plain) if dictionary else plain)
    return sorted(
        word
        for word in words - _COMMON - STOP_WORDS
        if not word.isdigit() and not (word.isascii() and len(word) == 1)
    )


def joined(terms: Sequence[Term], texts: Sequence[str], most: int = TERMS) -> list[Term]:
    """Return the heaviest terms; pairs of characters that are one word in the texts are joined."""
    plain = [normalize(text) for text in texts]

    def holding(part: str) -> int:
        return sum(part in text for text in plain)

    found: list[Term] = []
    for word, weight in terms:
        for at, (other, heavier) in enumerate(found):
            whole = _overlap(other, word) or _overlap(word, other)
            if whole and holding(whole) >= _FRAGMENTS * max(1, holding(other), holding(word)):
                found[at] = whole, heavier
                break
        else:
            found.append((word, weight))
    return found[:most]


def central_sentence(text: str, terms: Sequence[Term], *, dictionary: bool = True) -> str:
    """Return the sentence of a text with the most of some terms; `dictionary` is as for `words_of`.

    A long sentence needs more of them than a short one, and one with few letters, such as a line of code, more than
    one with many.
    """
    stems = stemmed([word for word, _ in terms])

    def score(sentence: str) -> float:
        words = words_of(sentence, dictionary=dictionary)
        own, plain = set(stemmed(words)), normalize(sentence)
        # What was joined of pairs of characters is not among these words.
        found = sum(
            weight
            for (word, weight), stem in zip(terms, stems, strict=True)
            if stem in own or (not word.isascii() and word in plain)
        )
        letters = sum(character.isalpha() or character.isspace() for character in sentence)
        return found / math.sqrt(len(words) + 1) * letters / len(sentence)

    found = max((text[start:end] for start, end in sentences(text)), key=score, default=text)
    return " ".join(found.split())


def has_dictionary() -> bool:
    """Return whether Chinese can be cut into words."""
    return find_spec("rjieba") is not None


def _cut(run: str) -> list[str]:
    """Return the words of a run of Chinese characters."""
    with extra("clusters", "the words of Chinese texts"):
        import rjieba
    words: list[str] = rjieba.cut(run)
    return words


def _overlap(first: str, second: str) -> str:
    """Return two pieces without blanks as one where the second begins with the last character of the first, else ""."""
    return first + second[1:] if not (first + second).isascii() and first[-1] == second[0] else ""
