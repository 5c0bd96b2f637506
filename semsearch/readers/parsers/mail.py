"""Extract the text of a mail: its subject, its body and its attachments, decoded."""

import base64
import codecs
import email
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from email.errors import HeaderParseError, InvalidBase64LengthDefect
from email.header import decode_header
from email.message import Message
from email.utils import getaddresses, parsedate_to_datetime
from pathlib import PurePosixPath

from semsearch.errors import MissingExtra, UnreadableSource
from semsearch.readers.encoding import SUPERSETS, decoded, storable
from semsearch.readers.fields import collected_fields
from semsearch.readers.parsed import Parsed, parsed, said
from semsearch.readers.parsers.html import parse_markup
from semsearch.types import FieldValue, several

_BODIES = ("text/plain", "text/html", "text/enriched")
ReadPart = Callable[[str, bytes], Iterator[Parsed]]
"""Yields the texts of an attachment with some suffix. Raises what `parsing.parse` raises, and `KeyError` if no parser
reads the suffix."""
_SUFFIXES = {
    "application/epub+zip": ".epub",
    "application/msword": ".doc",
    "application/pdf": ".pdf",
    "application/rtf": ".rtf",
    "application/vnd.oasis.opendocument.text": ".odt",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": ".pptx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": ".xlsx",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ".docx",
    "text/calendar": ".ics",
    "text/html": ".html",
    "text/markdown": ".md",
    "text/rtf": ".rtf",
    "text/vcard": ".vcf",
    "text/x-vcard": ".vcf",
}
"""The suffix of an attachment that has none in its name, by the type of its content."""
_MOST_HEADERS, _LONGEST_HEADER = 20, 10_000
"""The most headers of a name that are read, and characters of each. Decoding takes quadratic time."""
_MOST_HEADER = 1_000_000
"""The most bytes of all headers. `email` takes a minute for 5 MB of them."""
_HEADER_END = re.compile(rb"\r?\n\r?\n")
_MOST_PARTS, _DEEPEST = 1_000, 50
"""The most parts of a mail, and the most levels of parts inside parts. A mail of a person has fewer than a hundred."""
_UUENCODED = re.compile(r"^begin [0-7]{3,4} \S[^\n]*\n(?:[!-`]{1,62}\n)+(?:`\n)?end$", re.MULTILINE)
_ARMOUR = re.compile(
    r"^-----BEGIN PGP (MESSAGE|SIGNATURE|PUBLIC KEY BLOCK)-----$[\s\S]*?^-----END PGP \1-----$", re.MULTILINE
)
_SIGNED = re.compile(r"^-----BEGIN PGP SIGNED MESSAGE-----\n(?:Hash: [^\n]*\n)*\n?", re.MULTILINE)
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/]")
_ENRICHED = re.compile(r"(?<!<)</?[A-Za-z-]{1,60}>|<param>[^<>\n]{0,200}</param>")
_STUB = 4
"""A plain text with a quarter of the words of its HTML twin, or fewer, says only that the mail is HTML."""


class _Mail:
    """The texts of one mail, as they are collected from its parts."""

    def __init__(self, read_part: ReadPart) -> None:
        self.lines: list[str] = []
        self.parts: list[Parsed] = []
        self.without: list[tuple[int, str, bool]] = []
        self._read_part = read_part
        self._left = _MOST_PARTS
        self._names: set[str] = set()

    def add(self, message: Message, depth: int = 0) -> None:
        """Add the text of a part and of the parts in it."""
        self._left -= 1
        if self._left < 0 or depth > _DEEPEST:
            raise UnreadableSource(
                f"a mail with more than {_MOST_PARTS:,} parts"
                if self._left < 0
                else "parts nested too deeply"
            )
        kind = message.get_content_type()
        inner = message.get_payload() if message.is_multipart() else None
        parts = [part for part in inner if isinstance(part, Message)] if isinstance(inner, list) else []
        if kind == "multipart/alternative":
            self._add_best(parts, depth)
        elif kind in ("multipart/encrypted", "application/pkcs7-mime", "application/x-pkcs7-mime"):
            self.without.append((1, "encrypted or opaquely signed part of a mail", False))
        elif kind in ("multipart/signed", "multipart/related", "multipart/appledouble") and parts:
            for part in (
                parts if kind == "multipart/related" else parts[:1] if "signed" in kind else parts[1:]
            ):
                self.add(part, depth + 1)
        elif kind == "message/rfc822" and parts:
            self._add_forwarded(parts[0], depth)
        elif kind.startswith("message/"):
            return  # the report of a server, in words for programs
        elif parts:
            for part in parts:
                self.add(part, depth + 1)
        elif kind.startswith("multipart/") or (kind in _BODIES and not _is_attachment(message)):
            self._add_body(_body(message))
        else:
            self._add_attachment(message, kind)

    def _add_best(self, parts: Sequence[Message], depth: int) -> None:
        """Add one of several forms of the same text: the plain one, unless it is only a stub, and else the last."""
        kinds = [part.get_content_type() for part in parts]
        plain = _body(parts[kinds.index("text/plain")]) if "text/plain" in kinds else []
        words = sum(len(line.split()) for line in plain)
        for part in reversed(parts):
            other = _Mail(self._read_part)
            other._left = self._left
            if part.get_content_type() == "text/plain":
                continue
            other.add(part, depth + 1)
            self._left = other._left
            if not any(line.strip() for line in other.lines):
                continue
            rich = sum(len(line.split()) for line in other.lines)
            if rich >= _STUB * max(words, 1) or not words:
                self._add_body(other.lines)
                plain = []
            self.parts += other.parts
            self.without += other.without
            break
        self._add_body(plain)

    def _add_body(self, lines: Sequence[str]) -> None:
        if any(line.strip() for line in lines):
            self.lines += ([""] if self.lines else []) + list(lines)

    def _add_forwarded(self, message: Message, depth: int) -> None:
        """Add a mail inside this one: as a section with its subject, sender and date."""
        fields = _fields(message)
        marks = "#" * min(2 + depth, 6)
        head = [f"{marks} {fields.pop('subject', 'Forwarded message')}", ""]
        head += [
            f"{name.capitalize()}: {several(fields[name])[0]}" for name in ("from", "date") if name in fields
        ]
        self._add_body(head)
        self.add(message, depth + 1)

    def _add_attachment(self, message: Message, kind: str) -> None:
        name = _decoded_header(message.get_filename() or "").replace("\\", "/").rpartition("/")[2].strip()
        suffix = PurePosixPath(name).suffix.lower() or _SUFFIXES.get(
            kind, ".txt" if kind == "text/plain" else ""
        )
        content = _payload(message)
        if not isinstance(content, bytes) or not content.strip():
            return
        if not name and not suffix:
            return
        part = self._unique(name or f"{kind.partition('/')[2]}{suffix}")
        try:
            for one in self._read_part(suffix, content):
                inner = f"{part}/{one.part}" if one.part else part
                self.parts.append(replace(one, part=inner))
        except KeyError:
            if message.get_content_disposition() == "attachment":  # and not a picture inside the text
                self.without.append((1, "attachment of a format that is not read", False))
        except MissingExtra as error:
            self.without.append((1, f"attachment {part}: {error}: {error.hint}", False))
        except (UnreadableSource, UnicodeError) as error:
            self.without.append((1, f"attachment {part}: {error}", True))

    def _unique(self, name: str) -> str:
        """Return the name of an attachment, with a number if there is another of this name."""
        unique, number = name, 1
        while unique in self._names:
            number += 1
            unique = f"{name} ({number})"
        self._names.add(unique)
        return unique


def parse_mail(content: bytes, read_part: ReadPart) -> Iterator[Parsed]:
    """Yield the text of a mail, and the texts of its attachments, whose `part` is their name.

    The first line of the text is the subject, as a heading. Places count paragraphs, since an encoded body has no lines
    of the file. Of several forms of a body one is read, the plain one if it has the text. Quotes and signatures stay,
    and lines of `format=flowed` are joined. A forwarded mail is a section of the text. `from`, `to`, `cc`, `date` and
    `subject` are fields of the text and of each attachment. A web archive (MHTML) has the form of a mail. Raises
    `UnreadableSource` if the file is not a mail or has too many parts.
    """
    if len(_HEADER_END.split(content, maxsplit=1)[0]) > _MOST_HEADER:
        raise UnreadableSource(f"a header of more than {_MOST_HEADER // 10**6} MB")
    try:
        message = email.message_from_bytes(content)
        fields = _fields(message)
        if not (fields or message.get("content-type")):
            raise UnreadableSource("not a mail: it has no header")
        mail = _Mail(read_part)
        mail.add(message)
    except (MemoryError, UnreadableSource):
        raise
    except RecursionError:
        raise UnreadableSource("parts nested too deeply") from None
    except Exception as error:  # a malformed header makes the package email raise any kind of exception
        raise UnreadableSource(f"broken mail ({said(error)})") from error
    subject = str(fields.get("subject", ""))
    lines = ([f"# {subject}", ""] if subject else []) + mail.lines
    part = "body" if mail.parts else ""
    yield parsed(_by_paragraph(lines), "paragraph", subject, mail.without, part=part, metadata=fields)
    for one in mail.parts:
        yield replace(one, metadata={**fields, **one.metadata})


def _fields(message: Message) -> dict[str, FieldValue]:
    """Return who wrote a mail to whom, when and about what. Each name and each address is a value."""
    found: dict[str, list[str]] = {}
    for name, value in message.raw_items():
        found.setdefault(name.lower(), []).append(_unescaped(str(value)[:_LONGEST_HEADER]))
    fields: dict[str, list[str]] = {}
    for name in ("from", "to", "cc"):
        people = getaddresses(found.get(name, [])[:_MOST_HEADERS])
        names = [" ".join(_decoded_header(one).split()) for person in people for one in person if one]
        fields[name] = list(dict.fromkeys(names)) or list(map(_decoded_header, found.get(name, [])))
    if "date" in found:
        fields["date"] = [_iso(found["date"][0])]
    if "subject" in found:
        fields["subject"] = [_decoded_header(found["subject"][0])]
    return collected_fields(fields)


def _iso(date: str) -> str:
    """Return a date in the form of ISO 8601, or as it stands if it is malformed."""
    try:
        return parsedate_to_datetime(date).isoformat()
    except (ValueError, TypeError, OverflowError, IndexError):
        return " ".join(date.split())


def _decoded_header(value: str) -> str:
    """Return a header's text with its encoded words decoded, on one line."""
    try:
        pieces = decode_header(_unescaped(value))
    except (HeaderParseError, ValueError):
        return storable(" ".join(value.split()))
    texts = (one if isinstance(one, str) else _decode(one, charset or "ascii") for one, charset in pieces)
    return storable(" ".join("".join(texts).split()) or " ".join(value.split()))


def _unescaped(value: str) -> str:
    """Return a header that has bytes above ASCII, which is not allowed and common, as text."""
    raw = value.encode("utf-8", "surrogateescape")
    return value if raw.isascii() else _decode(raw, "utf-8")


def _decode(content: bytes, charset: str) -> str:
    """Return bytes as text: in the charset that is declared, if it fits, and else in the likeliest."""
    try:
        name = codecs.lookup(charset).name
        # many programs declare ASCII, or nothing, and send UTF-8
        return content.decode("utf-8" if name == "ascii" else SUPERSETS.get(name, name))
    except (LookupError, UnicodeError):
        try:
            return decoded(content)
        except (UnreadableSource, UnicodeError):
            return content.decode("cp1252", "replace")


def _payload(message: Message) -> object:
    """Return the bytes of a part, of cut base64 what is whole. The library leaves that encoded."""
    content = message.get_payload(decode=True)
    if isinstance(content, bytes) and any(
        isinstance(one, InvalidBase64LengthDefect) for one in message.defects
    ):
        signs = _NOT_BASE64.sub(b"", content)
        return base64.b64decode(signs[: len(signs) // 4 * 4])
    return content


def _body(message: Message) -> list[str]:
    """Return the lines of a part that is text."""
    content = _payload(message)
    if not isinstance(content, bytes):
        return []
    kind, charset = message.get_content_type(), message.get_content_charset()
    if kind == "text/html":
        page = parse_markup(_decode(content, charset) if charset else _decoded_page(content))
        lines = page.text.split("\n")
        return lines[1:] if page.title and lines[0] == page.title else lines
    text = _decode(content, charset or "utf-8").replace("\r\n", "\n").replace("\r", "\n")
    if kind == "text/enriched":
        return [_ENRICHED.sub("", line).replace("<<", "<") for line in text.split("\n")]
    for pattern in (_UUENCODED, _ARMOUR, _SIGNED):
        text = pattern.sub("", text)
    if str(message.get_param("format", "")).lower() == "flowed":
        return _unflowed(text.split("\n"), str(message.get_param("delsp", "")).lower() == "yes")
    return text.strip("\n").split("\n")


def _decoded_page(content: bytes) -> str:
    try:
        return decoded(content, markup=True)
    except (UnreadableSource, UnicodeError):
        return content.decode("cp1252", "replace")


def _unflowed(lines: Sequence[str], deletes_space: bool) -> list[str]:
    """Return paragraphs on one line each (RFC 3676): a line that ends with a blank goes on, if quoted as deep."""
    joined: list[str] = []
    open_depth = -1
    """The depth of quotes of the line that goes on, or -1."""
    for line in lines:
        depth = len(line) - len(line.lstrip(">"))
        text = line[depth:].removeprefix(" ")
        goes_on = text.endswith(" ") and text != "-- "
        kept = text[:-1] if goes_on and deletes_space else text
        if depth == open_depth and text != "-- ":
            joined[-1] += kept
        else:
            joined.append(f"{'>' * depth} {kept}" if depth else kept)
        open_depth = depth if goes_on else -1
    return "\n".join(joined).strip("\n").split("\n")


def _is_attachment(message: Message) -> bool:
    return message.get_content_disposition() == "attachment" or bool(message.get_filename())


def _by_paragraph(lines: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Yield each line with the number of its paragraph; a blank line has the number of the paragraph above it."""
    number, blank = 0, True
    for line in lines:
        for one in line.split("\n"):
            number += blank and bool(one.strip())
            blank = not one.strip()
            yield max(number, 1), one
