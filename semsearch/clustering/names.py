"""Name clusters by the words that their texts have and others have not: class-based TF-IDF.

The weight of a word in a cluster is the share of the cluster's words that it makes up, times log(1 + A / f), where f is
how often all clusters have it and A the mean number of words of a cluster (Grootendorst, arXiv:2203.05794). A text
counts a word once, and words with one stem count together. Chinese is cut into words by jieba's dictionary; other
scripts without blanks become pairs of characters, which are joined where they are one word in the texts.
"""

import math
import re
from collections import Counter
from collections.abc import Collection, Sequence

from semsearch.errors import extra
from semsearch.storage.library.fulltext import stemmed
from semsearch.text import sentences
from semsearch.text.analyzer import STOP_WORDS, content_terms, normalize

WORDS = 3
"""The words of a name."""
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


def class_terms(words: Sequence[Counter[str]]) -> list[list[Term]]:
    """Return for each cluster the words that set it apart with their weights, the heaviest first.

    `words` has for each cluster the number of its texts that have each word, see `words_of`.
    """
    known = sorted({word for counts in words for word in counts})
    stem_of = dict(zip(known, stemmed(known), strict=True))
    overall: Counter[str] = Counter()
    stems: list[Counter[str]] = []
    for counts in words:
        own: Counter[str] = Counter()
        for word, count in counts.items():
            own[stem_of[word]] += count
        overall.update(own)
        stems.append(own)
    mean = overall.total() / max(1, len(stems))
    found = []
    for own, counts in zip(stems, words, strict=True):
        total = max(1, own.total())
        weight = {stem: count / total * math.log1p(mean / overall[stem]) for stem, count in own.items()}
        heaviest = sorted(weight, key=lambda stem: (-weight[stem], stem))[: 2 * TERMS]
        shown: dict[str, str] = {}  # the most frequent form of each stem
        for word, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
            shown.setdefault(stem_of[word], word)
        found.append([(shown[stem], weight[stem]) for stem in heaviest])
    return found


def joined(terms: Sequence[Term], texts: Sequence[str]) -> list[Term]:
    """Return the heaviest `TERMS` terms; pairs of characters that are one word in the texts are joined."""
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
    return found[:TERMS]


def name_of(terms: Sequence[Term], taken: Collection[str]) -> str:
    """Return a name that is not taken, of the first few terms; of a number where there are none."""
    words = [word for word, _ in terms]
    for count in range(WORDS, len(words) + 1):
        if (name := ", ".join(words[:count])) not in taken:
            return name
    base = ", ".join(words[:WORDS]) or "-"
    names = (base, *(f"{base} ({number})" for number in range(2, len(taken) + 3)))
    return next(name for name in names if name not in taken)


def central_sentence(text: str, terms: Sequence[Term]) -> str:
    """Return the sentence of a text with the most of some terms.

    A long sentence needs more of them than a short one, and one with few letters, such as a line of code, more than
    one with many.
    """
    stems = stemmed([word for word, _ in terms])

    def score(sentence: str) -> float:
        words = words_of(sentence)
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


def words_of(text: str) -> list[str]:
    """Return the words of a text that may be in a name, each once. Raises `MissingExtra` for Chinese without jieba."""
    plain = normalize(_NO_WORDS.sub(" ", text))
    words = {word for run in _HAN.findall(plain) for word in _cut(run) if len(word) > 1}
    words |= content_terms(_HAN.sub(" ", plain))
    return sorted(
        word
        for word in words - _COMMON - STOP_WORDS
        if not word.isdigit() and not (word.isascii() and len(word) == 1)
    )


def _cut(run: str) -> list[str]:
    """Return the words of a run of Chinese characters."""
    with extra("clusters", "the words of Chinese texts"):
        import rjieba
    words: list[str] = rjieba.cut(run)
    return words


def _overlap(first: str, second: str) -> str:
    """Return two pieces without blanks as one where the second begins with the last character of the first, else ""."""
    return first + second[1:] if not (first + second).isascii() and first[-1] == second[0] else ""
