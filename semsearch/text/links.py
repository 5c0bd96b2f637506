"""Shorten very long links, whose query nobody reads."""

import hashlib
import re

_LONGEST_LINK = 100
_LINK = re.compile(rf"https?://[^\s<>\"')\]]{{{_LONGEST_LINK},}}+")


def without_long_links(text: str) -> str:
    """Return a text in which a link of more than 100 characters has neither query nor fragment, but a digest."""
    return _LINK.sub(_short_link, text) if len(text) >= _LONGEST_LINK and "://" in text else text


def digest(found: str) -> str:
    """Return the 12 hexadecimal digits that stand for what is cut out of a text."""
    return hashlib.blake2b(found.encode("utf-8", "replace"), digest_size=6).hexdigest()


def _short_link(match: re.Match[str]) -> str:
    found = match[0]
    return f"{re.split('[?#]', found, maxsplit=1)[0][:_LONGEST_LINK]} [{digest(found)}]"
