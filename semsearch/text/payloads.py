"""Find in a text what nobody reads: encoded data, the tails of very long links, and secrets.

A short mark stands for each of them. The mark is a digest, so two texts that differ only there still differ. Lines
stay where they are.
"""

import hashlib
import re

_LONGEST_LINK = 100
_SHORTEST_DATA = 60
"""The characters of the shortest run that can be data or a link that is too long."""
_LINK = re.compile(rf"https?://[^\s<>\"')\]]{{{_LONGEST_LINK},}}+")
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
ENCODED = re.compile(
    r"(?=[^a-z\n]*+[a-z])(?=[^A-Z\n]*+[A-Z])(?=\D*+\d)|(?=[^a-fA-F]*+[a-fA-F])(?=\D*+\d)[\da-fA-F\s>]+\Z"
)
"""The look of Base64 or hexadecimal digits: a rule such as `-----` or a long word in capitals has another."""
MARK = re.compile(r"\[(?:data [0-9a-f]{12}|secret(?: [0-9a-f]{12})?)\]")
"""The mark of data or of a secret."""

# The formats of secrets, each with texts of which one occurs in it. So a text without any of them costs no search.
_SECRETS = (
    (
        ("PRIVATE KEY",),
        r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
        r"(?:(?:[^-]|-(?!----)){0,20000}+-----END [A-Z0-9 ]{0,60}-----"
        r"|(?:(?:[\s>]|\\[nr]){0,8}[A-Za-z0-9+/=]{20,}+)++)",
    ),
    (("---- BEGIN SSH2 ENC",), r"---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----(?:[^-]|-(?!---)){0,20000}+---- END[^\n]*"),
    (("PuTTY-User-Key-File",), r"PuTTY-User-Key-File-\d: (?:[^\n]{0,100}\n){1,300}?Private-MAC: [0-9a-f]+"),
    (("AKIA", "ASIA"), r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    (
        ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"),
        r"\b(?:gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{50,255})\b",
    ),
    (("glpat-",), r"\bglpat-[A-Za-z0-9_-]{20,}"),
    (("xox",), r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}"),
    (("hooks.slack.com",), r"https://hooks\.slack\.com/(?:services|workflows)/[A-Za-z0-9/_-]{20,}"),
    (("AIza",), r"\bAIza[A-Za-z0-9_-]{35}(?![A-Za-z0-9_-])"),
    (("ya29.",), r"\bya29\.[A-Za-z0-9_-]{20,}"),
    (("npm_", "hf_"), r"\b(?:npm|hf)_[A-Za-z0-9]{30,}\b"),
    (("pypi-AgE",), r"\bpypi-AgE[A-Za-z0-9_-]{50,}"),
    (("sk_live_", "rk_live_", "whsec_"), r"\b(?:[sr]k_live|whsec)_[A-Za-z0-9+/]{16,}"),
    (("SG.",), r"\bSG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{32,}"),
    (("dop_v1_", "shpat_", "shpss_"), r"\b(?:dop_v1|shpat|shpss)_[0-9a-f]{32,}\b"),
    (("eyJ",), r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]*"),
    ((":AA",), r"\b\d{8,10}:AA[A-Za-z0-9_-]{33}\b"),
    (("sk-",), r"\bsk-(?P<value>[A-Za-z0-9_-]{20,})"),
    (("earer ",), r"\b[Bb]earer (?P<value>[A-Za-z0-9+/_=.~-]{20,}+)"),
    (("://",), r"://[^\s/:@\"'<>]{1,100}:(?P<password>[^\s/:@\"'<>]{3,100})@(?=[\w.-])"),
    (("=", ":"), r"[:=]>?[ \t]{0,3}[\"']?(?P<named>[A-Za-z0-9+/_=.~-]{20,}+)"),
)  # fmt: skip
_SECRETS_BY_MARKS = tuple((marks, re.compile(pattern)) for marks, pattern in _SECRETS)
_CALLED = re.compile(r"(?i:key|passwd|password|pwd|secret|token)[\"']?[ \t]{0,3}\Z")
"""The end of what precedes the value of a secret."""
_LONGEST_NAME = 16
_PLACEHOLDER = re.compile(r"(?i:changeme|example|passw(?:or)?d|pass|pw|secret|token|x+|\W.*)")
"""A placeholder, in documentation, for the password of a link."""
_SWITCH = re.compile(r"[a-z](?=[A-Z0-9])|[A-Z](?=[0-9])|[0-9](?=[A-Za-z])")
_RANDOM = 0.18
"""The least share of characters after which the class changes, from small to capital or digit, in random characters.

Base64 has about 0.42 and hexadecimal digits 0.47; names in camel case have 0.1."""


def looks_random(run: str) -> bool:
    """Return whether a run without blanks is encoded data or a token, and not a word or a name of words."""
    return len(_SWITCH.findall(run)) >= _RANDOM * len(run)


def without_data(text: str) -> str:
    """Return a text with a mark, such as `[data 5f3c1a9b0d2e]`, for each run of Base64 or the like and each secret.

    Secrets are private keys, tokens in the formats of known services, passwords in links, and long random values that
    are called key, token, secret or password. Lines end with LF.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    for marks, pattern in _SECRETS_BY_MARKS:
        if any(mark in text for mark in marks):
            text = pattern.sub(_secret_mark, text)
    return _DATA.sub(_data_mark, text) if len(text) >= _SHORTEST_DATA else text


def without_long_links(text: str) -> str:
    """Return a text in which a link of more than 100 characters has neither query nor fragment, but a digest."""
    return _LINK.sub(_short_link, text) if len(text) >= _LONGEST_LINK and "://" in text else text


def _data_mark(match: re.Match[str]) -> str:
    found = match[0]
    made = found.startswith(("data:", "begin ", "-----BEGIN"))
    if found.startswith("http") or not (made or ENCODED.match(found)):
        return found
    return f"[data {_digest(found)}]" + "\n" * found.count("\n")


def _secret_mark(match: re.Match[str]) -> str:
    kind, whole = match.lastgroup, match[0]
    if kind is None:
        return f"[secret {_digest(whole)}]" + "\n" * whole.count("\n")
    found, before = match[kind], whole[: match.start(kind) - match.start()]
    if kind == "password":  # it may be a word, which a digest would reveal
        return whole if _PLACEHOLDER.fullmatch(found) else f"{before}[secret]@"
    called = kind == "value" or _CALLED.search(match.string, match.start() - _LONGEST_NAME, match.start())
    return f"{before}[secret {_digest(found)}]" if called and looks_random(found) else whole


def _short_link(match: re.Match[str]) -> str:
    found = match[0]
    return f"{re.split('[?#]', found, maxsplit=1)[0][:_LONGEST_LINK]} [{_digest(found)}]"


def _digest(found: str) -> str:
    return hashlib.blake2b(found.encode("utf-8", "replace"), digest_size=6).hexdigest()
