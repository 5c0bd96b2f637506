"""What a text says in words: its words, numbers and denials, in English and Chinese. Pure string work."""

import re
from functools import cache

UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao; Burmese; Khmer
    "\u3005-\u3007\u3040-\u30fa\u30fc-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # kana, Han
    "\uac00-\ud7af"  # Hangul, whose blanks are often left out
)
"""Scripts that are written without blanks. For a character class, as are the next two."""
SINGLE = UNSPACED + "\u30fb\u4dc0-\u4dff\uff66-\uff9f"
"""Characters that are words of their own: those, the dot between kana, hexagrams, and kana of half width."""
PUNCTUATION = (
    "!-/:-@[-`{-~¡§«¶·»¿\u2010-\u205e\u3000-\u3004\u3008-\u303f"
    "\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65"  # full-width
)
_LETTER = rf"[^\s{PUNCTUATION}{SINGLE}]"
# A number has its sign, currency and unit with it, and what holds its digits together: 1,000.5, 2024-01-02, 10:30, 5kg.
_NUMBER = rf"(?:(?<![^\s(\[])[-+−])?[$€£¥]?\d(?:[.,:/-](?=\d)|{_LETTER})*%?"
_WORD = rf"{_LETTER}+(?:['’]{_LETTER}+)*|[{SINGLE}]"
TOKEN = re.compile(rf"(?P<number>{_NUMBER})|(?P<word>{_WORD})|(?P<mark>(?P<first>\S)(?P=first)*)")
DIGIT = re.compile(r"\d")
THOUSANDS = re.compile(r"\D*\d{1,3}(?:,\d{3})+(?:\.\d+)?\D*")
# Not every 不 denies: 不但, 不仅 (not only), 不过 (but), 是不是 (whether) and others are left out, as are 非常 (very),
# 未来 (future), 别人 (others), 特别 (especially) and 无论 (whatever).
NEGATION = re.compile(
    r"(?<![a-z])(?:not(?!\s+only\b)|no(?!\.\s*\d)|never|none|neither|nor|cannot|without|nobody|nothing|nowhere|non)(?![a-z])"
    r"|n['’]t(?![a-z])"
    r"|(?:(?<=(.))|(?<!.))不(?!\1)(?![但仅僅光只过過少断斷管论論])|[没沒勿莫]|[无無](?![论論数數])|未(?![来來])|非(?![常洲])"
    r"|(?<![特区區分性级級类類个個差告识識辨鉴鑑])别(?![人的处處])",
    re.IGNORECASE,
)


@cache
def word_pattern() -> re.Pattern[str]:
    """What of `TOKEN` is no mark. Compiled when first needed, since that takes longer than any other import here."""
    return re.compile(rf"{_NUMBER}|{_WORD}")
