"""Find in a text what nobody reads: encoded data and secrets.

A short mark stands for each of them. The mark is a digest, so two texts that differ only there still differ. Lines
stay where they are.
"""

import re

from semsearch.text.cleaning import clean
from semsearch.text.links import digest
from semsearch.text.secrets import cut_secrets, line_end, long_words

_SHORTEST_DATA = 60
"""The characters of the shortest run that can be data."""
_DATA = re.compile(
    r"https?://[^\s<>\"')\]]{40,}+"  # which stays, whatever its query holds
    r"|data:[\w.+-]{1,60}/[\w.+-]{1,60}[\w;=.+-]{0,100}?(?:;base64)?,[^\s\"'()<>\[\]]{40,}+"
    r"|(?<![A-Za-z0-9+/_=-])[A-Za-z0-9+/_=-]{120,}+(?:\n[ \t>]*+[A-Za-z0-9+/_-]{40,}+={0,2}(?=\s|$))*+"
    r"|(?<![A-Za-z0-9+/_=-])[A-Za-z0-9+/]{60,76}+(?:\n[ \t>]*+[A-Za-z0-9+/]{60,76}+)++"
    r"(?:\n[ \t>]*+[A-Za-z0-9+/]*+={0,2}(?=\n|$))?"
    r"|-----BEGIN (?:PGP [A-Z ]{1,40}|[A-Z0-9 ]{0,40}(?:CERTIFICATE|CERTIFICATE REQUEST|CRL|PKCS7|CMS|PUBLIC KEY))-----"
    r"(?:[^-]|-(?!----)){0,200000}+-----END [A-Z0-9 ]{1,60}-----"
    r"|(?:(?<=\n)|^)begin [0-7]{3,4} \S[^\n]{0,200}+\n(?:[!-`]{1,62}+\n)++end(?=\n|$)"
)
_RUN = re.compile(rf"[A-Za-z0-9+/_=-]{{{_SHORTEST_DATA},}}+")
_SHORTEST_GOING_ON = 40
"""The characters of the shortest line that data goes on in, if it is not the last one."""
_OTHER_DATA = re.compile(r"data:[\w.+-]{1,60}/|-----BEGIN |begin [0-7]{3}")
"""The starts of data that need not have a long run."""
ENCODED = re.compile(
    r"(?=[^a-z\n]*+[a-z])(?=[^A-Z\n]*+[A-Z])(?=\D*+\d)|(?=[^a-fA-F]*+[a-fA-F])(?=\D*+\d)[\da-fA-F\s>]+\Z"
)
"""The look of Base64 or hexadecimal digits: a rule such as `-----` or a long word in capitals has another."""
MARK = re.compile(r"\[(?:data [0-9a-f]{12}|secret(?: [0-9a-f]{12})?)\]")
"""The mark of data or of a secret."""

_CHANGED = re.compile(r"[^\x01-\x0a\x0d-\x7f，。、！？：；（）“”‘’…—\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3]")
"""The characters that cleaning may change, but for signs of Chinese: a secret has none of them."""
_LETTERS = re.compile(r"(?:[A-Za-z0-9０-９Ａ-Ｚａ-ｚ][^A-Za-z0-9０-９Ａ-Ｚａ-ｚ]*+){6}")
"""As many letters and digits as the shortest secret has."""


def without_data(text: str) -> str:
    """Return a text with a mark, such as `[data 5f3c1a9b0d2e]`, for each run of Base64 or the like and each secret.

    Secrets are private keys, tokens in the formats of known services, passwords in links, and random values that are
    called key, token, secret or password. A line in which one appears only once it is cleaned, such as a token with a
    soft hyphen, is returned cleaned. Lines end with LF; none is added or dropped.
    """
    text = _cut(text.replace("\r\n", "\n").replace("\r", "\n"))
    if text.isascii() and not any(blank in text for blank in "\0\v\f"):
        return text
    lines = text.split("\n")  # those with hardly a letter of this kind have no secret
    cleaned = [clean(line) if _CHANGED.search(line) and _LETTERS.search(line) else line for line in lines]
    if cleaned == lines:
        return text
    cut = _cut("\n".join(cleaned)).split("\n")
    return "\n".join(
        written if before == after else after
        for written, before, after in zip(lines, cleaned, cut, strict=True)
    )


def value_without_data(name: str, value: str) -> str:
    """Return the value of a field without data and secrets, judged as the text `name: value` would be."""
    named, prefix = without_data(f"{name}: {value}"), f"{name}: "
    return named.removeprefix(prefix) if named.startswith(prefix) else without_data(value)


def _cut(text: str) -> str:
    words = long_words(text)
    text = cut_secrets(text, words)
    return _without_encoded(text) if _RUN.search(words) or _OTHER_DATA.search(text) else text


def _without_encoded(text: str) -> str:
    """Return a text with a mark for each run of encoded data. Only lines near a long run are searched for it."""
    if len(text) < _SHORTEST_DATA:
        return text
    if _OTHER_DATA.search(text):
        return _DATA.sub(_data_mark, text)
    parts: list[str] = []
    done = 0
    for run in _RUN.finditer(text):
        if run.start() < done:
            continue
        start = text.rfind("\n", 0, run.start()) + 1
        end = line_end(text, run.end())
        while end < len(text) and (after := line_end(text, end + 1)) - end > _SHORTEST_GOING_ON:
            end = after
        end = line_end(text, min(end + 1, len(text)))  # the last line may be short
        parts += text[done:start], _DATA.sub(_data_mark, text[start:end])
        done = end
    return "".join((*parts, text[done:])) if parts else text


def _data_mark(match: re.Match[str]) -> str:
    found = match[0]
    made = found.startswith(("data:", "begin ", "-----BEGIN"))
    if found.startswith("http") or not (made or ENCODED.match(found)):
        return found
    return f"[data {digest(found)}]" + "\n" * found.count("\n")
