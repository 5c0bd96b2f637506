"""Find data in a text that nobody reads: Base64, hexadecimal digits, data URIs and the tails of very long links."""

import hashlib
import re

_LONGEST_LINK = 100
_BLOB = re.compile(
    r"data:[\w.+-]{1,60}/[\w.+-]{1,60}[\w;=.+-]{0,100}?(?:;base64)?,[^\s\"'()<>\[\]]{40,}+"
    r"|https?://[^\s<>\"')\]]{100,}+"
    r"|(?<![A-Za-z0-9+/_=-])[A-Za-z0-9+/_=-]{120,}+(?:\n[ \t>]*+[A-Za-z0-9+/_-]{40,}+={0,2}(?=\s|$))*+"
    r"|(?:(?<=\n)|^)[ \t>]*+[A-Za-z0-9+/]{60,76}+(?:\r?\n[ \t>]*+[A-Za-z0-9+/]{60,76}+)++"
    r"(?:\r?\n[ \t>]*+[A-Za-z0-9+/]*+={0,2}(?=\r?\n|$))?"
)
ENCODED = re.compile(
    r"(?=[^a-z\n]*+[a-z])(?=[^A-Z\n]*+[A-Z])(?=\D*+\d)|(?=[^a-fA-F]*+[a-fA-F])(?=\D*+\d)[\da-fA-F\s>]+\Z"
)
"""The look of Base64 or hexadecimal digits: a rule such as `-----` or a long word in capitals has another."""


def without_blobs(text: str) -> str:
    """Return a text with a short mark, such as `[data 5f3c1a]`, for each run of encoded data.

    Lines stay where they are. The mark is a digest of the data, so two texts with different data still differ. A link
    of more than 100 characters loses its query and fragment, and what is beyond 100 characters.
    """
    return _BLOB.sub(_mark, text) if len(text) >= _LONGEST_LINK else text


def _mark(match: re.Match[str]) -> str:
    found = match[0]
    digest = hashlib.blake2b(found.encode("utf-8", "replace"), digest_size=3).hexdigest()
    if found.startswith("http"):
        return f"{re.split('[?#]', found, maxsplit=1)[0][:_LONGEST_LINK]} [{digest}]"
    if not (found.startswith("data:") or ENCODED.match(found)):
        return found
    return f"[data {digest}]" + "\n" * found.count("\n")
