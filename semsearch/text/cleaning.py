"""Clean text lightly, without a change of meaning: no lower-casing, stemming, stop words or NFKC.

Text that looks equal to a reader becomes equal: composed accents, no invisible characters, one kind of blank, and plain
letters for their forms in print (ligatures, full and half width, Arabic presentation forms). One hyphen stands for
those that look like it. Signs that look different stay, such as quotation marks and dashes, ² or ½. Cleaning never adds
or drops a line, so a line number in cleaned text is a line number in the file.
"""

import hashlib
import re
import unicodedata

from semsearch.text.links import without_long_links

CLEANER_VERSION = 4

_PRESENTATION = ("<compat>", "<initial>", "<medial>", "<final>", "<isolated>", "<wide>", "<narrow>")
_FORMS = (
    *range(0xFB00, 0xFB07), *range(0xFB13, 0xFB18), 0xFB4F, *range(0xFB50, 0xFDF0), *range(0xFE70, 0xFEFD),
    *range(0xFF01, 0xFFE3), *range(0xFFE4, 0xFFEF), 0x0132, 0x0133, *range(0x01C4, 0x01CD), *range(0x01F1, 0x01F4),
    0x00B5, 0x2E9F, 0x2EF3, *range(0x2F00, 0x2FD6),
)  # fmt: skip
"""Latin, Armenian and Hebrew ligatures, Arabic presentation forms, and characters of full and half width. Also letters
that are two in one, the sign for micro, and the radicals that a PDF has for Chinese characters."""
_HYPHENS = (0x2010, 0x2011)
_INVISIBLE = (
    0x00AD, 0x034F, 0x061C, 0x0640, 0x115F, 0x1160, 0x180E, 0x200B, 0x200E, 0x200F, 0x3164, 0xFFA0,
    *range(0x202A, 0x202F), *range(0x2060, 0x2070), *range(0xFE00, 0xFE10), 0xFEFF, *range(0xFFF9, 0xFFFC),
    *range(0xE0100, 0xE01F0),
)  # fmt: skip
"""Soft hyphen, tatweel (a longer line between Arabic letters), zero-width space, fillers, marks of direction, joiners
of words, and selectors of a glyph."""
_TAGS = (0xE0001, *range(0xE0020, 0xE0080))
"""Letters that nobody sees. After a black flag they spell the one of a country."""
_SPACES = (
    0x0000,
    0x000B,
    0x000C,
    0x0085,
    0x00A0,
    0x1680,
    *range(0x2000, 0x200B),
    0x2028,
    0x2029,
    0x202F,
    0x205F,
    0x3000,
)


def _plain(code: int) -> str | None:
    """Return the letters that a form in print stands for, or None."""
    kind, *_ = unicodedata.decomposition(chr(code)).split(" ")
    plain = unicodedata.normalize("NFKC", chr(code))
    return plain if kind in _PRESENTATION and " " not in plain else None


_TRANSLATION: dict[int, str | None] = {
    **{code: plain for code in _FORMS if (plain := _plain(code)) is not None},
    **dict.fromkeys(_INVISIBLE),
    **dict.fromkeys(_SPACES, " "),
    **dict.fromkeys(_HYPHENS, "-"),
    **dict.fromkeys(_TAGS),
}
_WITH_FLAGS = {code: text for code, text in _TRANSLATION.items() if code not in _TAGS}
_FLAG = "\U0001f3f4"
_SURROGATES = re.compile("[\ud800-\udfff]")
_HALF_WIDTH = re.compile("[\uff61-\uffdc]+")
_JOINER = re.compile(
    # Persian and Indic words are spelled with joiners, and emoji are composed with them. Elsewhere they are invisible.
    "(?<![\u0600-\u08ff\u0900-\u0dff\u1000-\u109f\u1780-\u18af\ufe0f\u2190-\u2bff\U0001f000-\U0001faff])[\u200c\u200d]+"
    "|[\u200c\u200d]+(?=[\\s.,;:!?)]|$)|(?<=[\u200c\u200d])[\u200c\u200d]+"
)
_PASSES = 4
"""Accents may change their order where a joiner between them goes. Only text that nobody writes needs more passes."""
_TRANSLATED = frozenset(map(chr, _TRANSLATION))
_LINE_ENDS = re.compile(r"\r\n?")


def as_written(text: str) -> str:
    """Return text with LF as line end and U+FFFD for a lone surrogate, which no encoding can store."""
    text = _LINE_ENDS.sub("\n", text)
    return text if text.isascii() else _SURROGATES.sub("\ufffd", text)


def clean(text: str) -> str:
    """Return text in NFC with LF as line end, plain letters, single blanks, and without what nobody sees.

    Forms of letters in print become the letters (`ﬁ`, full and half width), any blank becomes a space, and a lone
    surrogate, which no encoding can store, becomes U+FFFD. Joiners stay where they spell a word or compose an emoji.
    Cleaned text does not change when it is cleaned again.
    """
    text = as_written(text)
    if not text.isascii():
        # A mark of sound after half-width kana belongs to the kana, which only a whole run shows.
        text = _HALF_WIDTH.sub(lambda run: unicodedata.normalize("NFKC", run[0]), text)
        if not _TRANSLATED.isdisjoint(text):  # to look is far faster than to translate
            text = text.translate(_WITH_FLAGS if _FLAG in text else _TRANSLATION)
        text = unicodedata.normalize("NFC", text)
        for _ in range(_PASSES if "\u200c" in text or "\u200d" in text else 0):
            text, before = unicodedata.normalize("NFC", _JOINER.sub("", text)), text
            if text == before:
                break
    elif "\0" in text or "\v" in text or "\f" in text:
        text = text.translate(_TRANSLATION)
    return without_long_links(_with_single_blanks(text))


def _with_single_blanks(text: str) -> str:
    """Return a text with one space for each run of spaces and tabs, and none at the end of a line."""
    text = text.replace("\t", " ")
    while "  " in text:  # replacing a pattern takes five times as long
        text = text.replace("  ", " ")
    return text.replace(" \n", "\n").removesuffix(" ")


def text_digest(text: str) -> bytes:
    """Return the digest of a cleaned text, 16 bytes, which is also the key of its vector."""
    return hashlib.blake2b(text.encode(), digest_size=16).digest()
