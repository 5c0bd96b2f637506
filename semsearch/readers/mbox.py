"""Split a mailbox file (mbox) into its mails. They stream, so a mailbox may be larger than memory."""

import re
from collections.abc import Iterator
from typing import BinaryIO

LARGEST_MAIL = 50_000_000
"""The most bytes of a mail; the rest is passed over."""
_SEPARATOR = re.compile(rb"From \S[^\r\n]*\d:\d\d[^\r\n]*\r?\n?")
_HEADER = re.compile(rb"[!-9;-~]{1,200}:")
_ESCAPED = re.compile(rb">+From ")
_LONGEST_LINE = 1_000_000


def split_mbox(file: BinaryIO) -> Iterator[bytes | None]:
    """Yield each mail, without its separator and with `>From ` unescaped; None for one above `LARGEST_MAIL`.

    A mail begins with a line `From ` with a time, after a blank line or at the start of the file, if a line of a header
    follows. So a paragraph that begins with "From " does not split a mail, as it does with `mailbox.mbox` of Python.
    """
    mail: list[bytes] | None = None
    size, blank, separator = 0, True, b""
    whole = True
    while line := file.readline(_LONGEST_LINE):
        if separator:
            if _HEADER.match(line):
                if mail is not None:
                    yield _joined(mail, size)
                mail, size = [], 0
            elif mail is not None:
                mail.append(separator)
            separator = b""
        if whole and blank and _SEPARATOR.fullmatch(line):
            separator = line
        elif mail is not None:
            size += len(line)
            if size <= LARGEST_MAIL:
                mail.append(line[1:] if whole and _ESCAPED.match(line) else line)
        blank, whole = not line.strip(), line.endswith(b"\n")
    if mail is not None:
        yield _joined(mail, size)


def _joined(mail: list[bytes], size: int) -> bytes | None:
    return b"".join(mail) if size <= LARGEST_MAIL else None
