"""Clean text lightly, without a change of meaning: no lower-casing, stemming, stop words or NFKC.

Cleaning never adds or drops a line, so a line number in cleaned text is a line number in the file.
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
    """Return text with LF as line end, ASCII for full-width characters, single blanks, and no trailing blanks.

    Full-width characters are U+FF01-FF5E and U+3000. A byte order mark is dropped, NUL becomes a blank, and a lone
    surrogate, which no encoding can store, becomes U+FFFD. Cleaned text does not change when it is cleaned again.
    """
    text = _SURROGATES.sub("\ufffd", _LINE_ENDS.sub("\n", text)).translate(_TRANSLATION)
    return _TRAILING.sub("", _BLANKS.sub(" ", text))


def text_digest(text: str) -> bytes:
    """Return the digest of a cleaned text, 16 bytes, which is also the key of its vector."""
    return hashlib.blake2b(text.encode(), digest_size=16).digest()
