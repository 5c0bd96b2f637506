"""Find the words, numbers and negations of a text, in English and Chinese."""

import re
from functools import cache, lru_cache

from semsearch.text.scripts import UNSPACED

SINGLE = UNSPACED + "\u30fb\u4dc0-\u4dff\uff66-\uff9f"
"""Characters that are whole words: scripts without blanks, the dot between kana, hexagrams, and half-width kana.

This and the next are the inside of a character class.
"""
PUNCTUATION = (
    "!-/:-@[-`{-~¡§«¶·»¿\u2010-\u205e\u3000-\u3004\u3008-\u303f"
    "\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65"  # full-width
)
_LETTER = rf"[^\s{PUNCTUATION}{SINGLE}]"
# A number includes its sign, currency and unit, and the marks between its digits: 1,000.5, 2024-01-02, 10:30, 5kg.
_NUMBER = rf"(?:(?<![^\s(\[])[-+−])?[$€£¥]?\d(?:[.,:/-](?=\d)|{_LETTER})*%?"
_WORD = rf"{_LETTER}+(?:['’]{_LETTER}+)*|[{SINGLE}]"
TOKEN = re.compile(rf"(?P<number>{_NUMBER})|(?P<word>{_WORD})|(?P<mark>(?P<first>\S)(?P=first)*)")
DIGIT = re.compile(r"\d")
_THOUSANDS = re.compile(r"\D*\d{1,3}(?:,\d{3})+(?:\.\d+)?\D*")
NUMERALS = {
    "two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7", "eight": "8", "nine": "9",
    "ten": "10", "eleven": "11", "twelve": "12", "twenty": "20", "thirty": "30", "hundred": "100", "thousand": "1000",
    "二": "2", "两": "2", "兩": "2", "三": "3", "四": "4", "五": "5", "六": "6", "七": "7", "八": "8", "九": "9",
    "十": "10", "百": "100", "千": "1000",
}  # fmt: skip
"""Numbers written as words, and the same in digits. "One" and 一 are articles more often than numbers."""
NEGATIONS = (
    "not", "no", "never", "none", "neither", "nor", "cannot", "without", "nobody", "nothing", "nowhere", "non"
)  # fmt: skip
"""The English words that negate."""
_IN_PLACE = {
    "not": r"(?<!or )not(?!\s+(?:only|least|to\s+mention|to\s+say)\b)",
    "no": r"no(?!\.\s*\d|\s+(?:doubt|problem|worries|wonder)\b)",
}
"""The places where a word negates: "or not", "not only" and "no doubt" deny nothing, and "no. 5" is a number."""
_ENGLISH = "|".join(_IN_PLACE.get(word, word) for word in NEGATIONS)
# Not every 不 negates. These do not: 不但, 不仅 (not only), 不过 (but), 是不是 (whether) and the like; nor do 非常
# (very), 未来 (future), 别人 (others), 特别 (especially) and 无论 (whatever).
_CHINESE = (
    r"(?:(?<=(.))|(?<!.))不(?!\1)(?![但仅僅光只过過少断斷管论論错錯久愧妨])|[没沒勿莫]|[无無](?![论論数數])|未(?![来來])|非(?![常洲])"
    r"|(?<![特区區分性级級类類个個差告识識辨鉴鑑])别(?![人的处處忘])"
)
NEGATION = re.compile(rf"(?<![a-z])(?:{_ENGLISH})(?![a-z])|n['’]t(?![a-z])|{_CHINESE}", re.IGNORECASE)
"""A word or character that negates, in English or Chinese."""


def word_set(words: str) -> frozenset[str]:
    """Return the words between the blanks of a text."""
    return frozenset(words.split())


def without_separators(number: str) -> str:
    """Return a number without the commas between its thousands: `1,000` as `1000`. Any other text stays as it is."""
    return number.replace(",", "") if _THOUSANDS.fullmatch(number) else number


@cache
def word_pattern() -> re.Pattern[str]:
    """Return the pattern of the words and numbers of `TOKEN`. It is compiled on first use, since that takes long."""
    return re.compile(rf"{_NUMBER}|{_WORD}")


@lru_cache(2**16)
def stem(word: str) -> str:
    """Return a word without the commonest endings: the same for `slices` and `slicing`."""
    for ending in ("ing", "ed", "es", "s", "ly", "er"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word[: -len(ending)]
            if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "lsz":
                word = word[:-1]
            break
    return word.removesuffix("e") if len(word) > 3 else word
