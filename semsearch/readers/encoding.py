"""Detect the encoding of a text file from its declaration or its bytes."""

import codecs
import io
import re
from itertools import chain
from typing import BinaryIO

from semsearch.errors import UnreadableSource

BAD = "\udcff"
"""The character for bytes that are not valid in the encoding of a file of rows: no valid text has it."""
BAD_BYTES = "semsearch.bad_bytes"
"""The name of the error handler that decodes such bytes as `BAD`, so they cost their row and not the file."""
codecs.register_error(BAD_BYTES, lambda error: (BAD, getattr(error, "end", 0)))
_BOMS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16, since it begins with the same bytes
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
# The legacy encodings of the WHATWG Encoding Standard that are in use, the most common first.
_LEGACY = (
    "cp1252", "gb18030", "cp932", "big5hkscs", "cp949", "euc_jp", "cp1251", "cp1250", "cp1254",
    "cp1253", "cp1255", "cp1256", "cp1257", "cp1258", "koi8_r", "koi8_u", "iso8859_2",
    "iso8859_5", "iso8859_7", "iso8859_15", "mac_roman", "cp866", "cp874",
)  # fmt: skip
# The Standard reads a declared encoding as a superset of it.
SUPERSETS = {
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "iso8859-1": "cp1252",
    "ascii": "cp1252",
    "shift_jis": "cp932",
    "big5": "big5hkscs",
    "euc_kr": "cp949",
}
"""The codec for the bytes that a declared codec stands for in practice."""
_SIGNS = frozenset(
    b"\x80\x82\x84\x85\x8b\x91\x92\x93\x94\x95\x96\x97\x99\x9b\xa0\xa3\xa7\xa9\xab\xae\xb0\xb1\xb7\xbb"
)
"""The bytes of quotation marks, dashes and other signs in the encodings of Windows."""
_DECLARED = re.compile(rb"""(?:charset|encoding)\s*=\s*["']?([\w.:-]+)""", re.IGNORECASE)
_FEW_VALID = 2
"""In a legacy encoding, few bytes above ASCII are valid UTF-8 by chance: at most this many for each that is not."""
_HALF_WIDTH = re.compile("[\uff61-\uff9f]")
_SAMPLE = 1 << 15
"""Bytes from which charset-normalizer guesses. From twice as many it takes French for Polish more often."""


def bom_encoding(head: bytes) -> str | None:
    """Return the codec of the byte order mark at the start of `head`, or None."""
    return next((name for bom, name in _BOMS.items() if head.startswith(bom)), None)


def detect_encoding(file: BinaryIO, *, markup: bool = False, rows: bool = False) -> str:
    """Return the codec of a text file: from its byte order mark, else UTF-8 if all of it is valid, else the likeliest.

    With `markup`, a declaration in the first 1024 bytes (`<meta charset=...>`) comes before a guess. With `rows`, a
    file in UTF-8 with a few damaged lines is UTF-8, and UTF-16 is also found without a mark, by its zero bytes. The
    file is read once, line by line, and is then at its start again if it can seek. Raises `UnreadableSource` if no
    encoding fits, or without `rows` if a file in UTF-8 has a damaged line.
    """
    sample, first_bad, valid, invalid = b"", 0, 0, 0
    head = file.read(1024)
    name = bom_encoding(head) or (_wide_without_mark(head) if rows else None)
    for number, line in enumerate(chain(io.BytesIO(head + file.readline()), file) if not name else (), 1):
        if line.isascii():
            continue
        kept = line.decode(errors="ignore").encode()
        valid += len(kept) - len(kept.decode("ascii", "ignore"))
        if kept != line:
            invalid += len(line) - len(kept)
            first_bad = first_bad or number
            sample += _excerpt(line)
            if len(sample) > _SAMPLE:
                break
    if file.seekable():
        file.seek(0)
    if name or not sample:
        return name or "utf-8"
    if valid > _FEW_VALID * invalid:
        if rows:
            return "utf-8"
        raise UnreadableSource(f"line {first_bad} is not valid UTF-8")
    name = (_declared(head) if markup else None) or _likeliest(sample)
    if name is None:
        raise UnreadableSource("unknown encoding")
    return name


def _wide_without_mark(head: bytes) -> str | None:
    """Return the codec of text in UTF-16 without a mark, most of whose characters have a zero byte, or None."""
    half = len(head) // 2
    if half < 8:
        return None
    low, high = (head[start : 2 * half : 2].count(0) for start in (1, 0))
    if low + high > 0.4 * half and min(low, high) < 0.05 * half:
        return "utf-16-le" if low > high else "utf-16-be"
    return None


def _excerpt(line: bytes) -> bytes:
    """Return the line, or a part of a very long line that begins and ends between characters.

    No byte below 0x30 is the second half of a character in any encoding here.
    """
    if len(line) <= _SAMPLE:
        return line
    start = next(re.finditer(rb"[\x80-\xff]", line)).start()
    part = line[start : start + _SAMPLE]
    ends = [match.end() for match in re.finditer(rb"[\0-\x2f]", part)]
    return part[: ends[-1]] if ends else part


def _declared(head: bytes) -> str | None:
    match = _DECLARED.search(head)
    try:
        name = codecs.lookup(match[1].decode()).name if match else ""
    except (LookupError, UnicodeDecodeError):
        return None
    name = SUPERSETS.get(name, name)
    return name if name.replace("-", "_") in _LEGACY else None


def _likeliest(sample: bytes) -> str | None:
    """Return the encoding that charset-normalizer finds for lines that are not UTF-8; of equals, the most common.

    Its default threshold rejects one in ten of the Chinese pages of the Vue documentation, which are full of code. A
    threshold of 0.5 accepts all of them and still rejects random bytes. With signs alone, such as the quotation marks
    that Windows puts into English, it finds no letters to compare.
    """
    if _SIGNS.issuperset(byte for byte in sample if byte > 0x7F):
        return "cp1252"
    from charset_normalizer import from_bytes

    matches = from_bytes(sample, cp_isolation=list(_LEGACY), threshold=0.5)
    best = matches.best()
    if best is None:
        return None
    equals = [match for match in matches if (match.chaos, match.coherence) == (best.chaos, best.coherence)]
    fitting = {name for match in equals for name in match.could_be_from_charset}
    if len(fitting) > 1 and _mostly_half_width(sample.decode("cp932", "ignore")):  # Big5, read as kana
        fitting.discard("cp932")
    return next((name for name in _LEGACY if name in fitting), best.encoding)


def _mostly_half_width(text: str) -> bool:
    return 2 * len(_HALF_WIDTH.findall(text)) > sum(not character.isascii() for character in text)


def decoded(content: bytes, *, markup: bool = False) -> str:
    """Return the text of a file with LF as line end. Raises what `detect_encoding` raises, and `UnicodeError`."""
    file = io.BytesIO(content)
    encoding = detect_encoding(file, markup=markup)
    return io.TextIOWrapper(file, encoding).read()


def storable(text: str) -> str:
    """Return `text` with the halves of surrogate pairs, which no encoding can store, joined or replaced by U+FFFD."""
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
