"""Cleaning text. It is light and keeps meaning: no lower-casing, stemming, stop words or NFKC.

It never adds or drops a line, so a line number in cleaned text is a line number in the file.
"""

import hashlib
import re

CLEANER_VERSION = 1

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


def text_digest(text: str) -> bytes:
    """The 16 bytes that name a cleaned text, and with it its vector."""
    return hashlib.blake2b(text.encode(), digest_size=16).digest()
