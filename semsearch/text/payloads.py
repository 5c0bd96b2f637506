"""Find in a text what nobody reads: encoded data and secrets.

A short mark stands for each of them. The mark is a digest, so two texts that differ only there still differ. Lines
stay where they are.
"""

import re
from collections.abc import Iterator

from semsearch.text.cleaning import clean
from semsearch.text.links import digest

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

_APART = r"(?:(?<![A-Za-z0-9])|(?<=[0-9;\[]m))"
"""The places where a token with a common beginning starts: after a sign, or a colour of a terminal, as in `[31m`."""
_END = r"(?![A-Za-z0-9])"

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
    (("AKIA", "ASIA"), rf"(?:AKIA|ASIA)[0-9A-Z]{{16}}{_END}"),
    (
        ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "ghp\\_"),
        rf"(?:gh[pousr]\\?_[A-Za-z0-9]{{36,255}}|github_pat_[A-Za-z0-9_]{{50,255}}){_END}",
    ),
    (("glpat-",), r"glpat-[A-Za-z0-9_-]{20,}"),
    (("xox",), r"xox[abeoprs]-[A-Za-z0-9-]{10,}"),
    (("hooks.slack.com",), r"https://hooks\.slack\.com/(?:services|workflows)/[A-Za-z0-9/_-]{20,}"),
    (("AIza",), r"AIza[A-Za-z0-9_-]{35}(?![A-Za-z0-9_-])"),
    (("ya29.",), r"ya29\.[A-Za-z0-9_-]{20,}"),
    (("npm_", "hf_"), rf"{_APART}(?:npm|hf)_[A-Za-z0-9]{{30,}}{_END}"),
    (("pypi-AgE",), r"pypi-AgE[A-Za-z0-9_-]{50,}"),
    (("sk_live_", "rk_live_", "whsec_"), r"(?:[sr]k_live|whsec)_[A-Za-z0-9+/]{16,}"),
    (("SG.",), r"SG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{32,}"),
    (("dop_v1_", "shpat_", "shpss_"), rf"(?:dop_v1|shpat|shpss)_[0-9a-f]{{32,}}{_END}"),
    (("eyJ",), r"eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]*"),
    ((":AA",), rf"{_APART}\d{{8,10}}:AA[A-Za-z0-9_-]{{33}}{_END}"),
    (("AGE-SECRET-KEY-1",), r"AGE-SECRET-KEY-1[A-Za-z0-9]{40,}"),
    (("sk-",), rf"{_APART}sk-(?P<value>[A-Za-z0-9_-]{{20,}})"),
    (("earer ",), r"\b[Bb]earer[ \t]+(?P<value>[A-Za-z0-9+/_=.~-]{20,}+)"),
    (("asic ",), r"\b[Bb]asic[ \t]+(?P<hidden>[A-Za-z0-9+/]{12,}+={0,2})"),
    (("://",), r"://[^\s/:@\"'<>]{0,100}:(?P<password>[^\s/\"'<>]{3,100})(?=@[\w.\[-])"),
    (
        ("curl",),
        r"\bcurl[^\n]{0,200}?[ \t](?:-[A-Za-z]{0,9}u|--user)[ \t=]{0,2}[\"']?"
        r"[^\s:\"'@/]{1,60}:(?P<password>[^\s\"'@]{3,100})",
    ),
    (
        (" -u", " --user", " -a ", " --auth"),
        r"(?<=[ \t])(?:-u|-a|--user|--auth)[ \t=]{0,2}[\"']?[A-Za-z][^\s:\"'@/]{0,60}:(?P<login>[^\s:\"'@/]{6,100})",
    ),
)  # fmt: skip
_SECRETS_BY_MARKS = tuple((marks, re.compile(pattern)) for marks, pattern in _SECRETS)
_IN_A_WORD = tuple(
    each for each in _SECRETS_BY_MARKS if not any(" " in mark or mark == "curl" for mark in each[0])
)
"""The formats without blanks. They are looked for in long words only, of which prose has few."""
_IN_SEVERAL = tuple(each for each in _SECRETS_BY_MARKS if each not in _IN_A_WORD)
_LONG_WORD = 10
"""The characters of the shortest word that can have such a format."""
_OF_A_CONTAINER = re.compile(r"\b(?:docker|podman|nerdctl|buildah|run|exec)\b")
"""Commands whose -u has a user and a group."""

_PASSWORDS = (
    "password", "passwd", "pwd", "psk", "passphrase", "passcode", "passwort", "kennwort", "contraseña", "mot de passe",
    "пароль", "パスワード", "密码", "密碼", "口令",
)  # fmt: skip
_KEYS = (
    "key",
    "token",
    "secret",
    "credential",
    "auth",
    "authorization",
    "session",
    "sessionid",
    "sid",
    "密钥",
    "令牌",
)
_CALLED = (
    r"(?:s|\d{1,3})?(?:[_-][A-Za-z0-9]{1,12}){0,2}"  # as in `tokens`, `token2` or `API_KEY_PROD`
    r"[\"'`*_”’»\\\])]{0,4}(?:,?\s{0,12}[\"']?value[\"'\\]{0,2})?"
    r"(?:[ \t\xa0\u3000]{0,20}(?:[:=：＝|>]>?|是|为|為)|[ \t\xa0]{1,3}(?:is|was|ist|est)(?=[ \t\xa0])|[ ]{0,3}[\t\n])"
    r"[*_]{0,3}[ \t\xa0\u3000]{0,20}(?:!!str[ ]|[>|][-+]?(?=\n))?(?:\n[ \t]{0,12})?"
    r"(?i:(?:basic|bearer|token)[ \t]{1,3})?"
    r"(?:[bruBRU]{1,2}(?=[\"']))?[\"'`*“‘«\\<\[(]{0,4}"
)
"""The signs between the name of a secret and its value."""
_NAME = re.compile(
    rf"(?:(?P<password>{'|'.join(_PASSWORDS)})|{'|'.join(sorted(_KEYS, key=len, reverse=True))})(?![a-rt-z])"
)
_JUDGED = 400
"""The characters of a value by which it is judged, so that the names in a value of names cost no more."""
_OF_LONG, _OF_SHORT = r"[A-Za-z0-9+/_=.~-]", r"[^\s\"'`“”‘’<>|,;，。；(){}\[\]\\]"
_LONG = rf"(?P<value>{_OF_LONG}{{20,{_JUDGED}}}+)"
_SHORT = rf"(?![/~.\[]|[$%][A-Za-z{{(])(?P<value>{_OF_SHORT}{{8,{_JUDGED}}}+)(?![(\[{{])"
_OPTION = re.compile(r"(?<!\S)--[A-Za-z0-9-]*+\Z")
_LONGEST_OPTION = 40
_CALL = re.compile(_CALLED)
_VALUES = {
    kind: (
        re.compile(_CALLED + value),
        re.compile(rf"[ \t]{{1,3}}[\"']?{value}"),
        re.compile(f"(?P<value>{char}++)"),
    )
    for kind, value, char in (("password", _SHORT, _OF_SHORT), (None, _LONG, _OF_LONG))
}
"""The values that may follow a name, those that may follow an option of a command, and all of a long value.

Short ones are of passwords only."""
_WEAK = re.compile(
    r"(?=[^A-Za-z\s]{0,31}+[A-Za-z])(?=[^\d\s]{0,31}+\d)(?!(?i:[a-z]*pass|[a-z]*pwd|pw\d|secret|token|user|field|value|your|my_|example"
    r"|sha|md\d|utf|base\d|ed25519|oauth|python|py\d|bcrypt|argon|scrypt|pbkdf|str\d|int\d|aes|rsa|x509|version|v\d))"
    r"[^\s.\"'`/\\=:_&*~|,;(){}\[\]<>]{6,32}"
)
"""A password of a person, such as `hunter22`: letters and digits, and not the name of a format or of a variable."""
_SIGN = re.compile(r"[:=：＝]|[是为為]|\b(?:is|was|ist|est)\b")
_WEAK_ENDS = re.compile(r"[\s\"'`’”»|,;)}\]<]|[.!?](?:\s|\Z)|\Z")
_PLACEHOLDER = re.compile(r"(?i:changeme|example|passw(?:or)?d|pass|pw|secret|token|x+|\W.*)")
"""A placeholder, in documentation, for the password of a link."""
_MIXED = re.compile(r"(?=[^A-Za-z]*+[A-Za-z])(?=\D*+\d)")
_CHANGED = re.compile(r"[^\x01-\x0a\x0d-\x7f，。、！？：；（）“”‘’…—\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3]")
"""The characters that cleaning may change, but for signs of Chinese: a secret has none of them."""
_LETTERS = re.compile(r"(?:[A-Za-z0-9０-９Ａ-Ｚａ-ｚ][^A-Za-z0-9０-９Ａ-Ｚａ-ｚ]*+){6}")
"""As many letters and digits as the shortest secret has."""
_LONGEST_GUESSABLE = 20
"""A shorter secret could be guessed from its digest."""
_SWITCH = re.compile(r"[a-z](?=[A-Z0-9])|[A-Z](?=[0-9])|[0-9](?=[A-Za-z])")
_RANDOM = 0.18
"""The least share of characters after which the class changes, from small to capital or digit, in random characters.

Base64 has about 0.42 and hexadecimal digits 0.47; names in camel case have 0.1."""


def looks_random(run: str) -> bool:
    """Return whether a run without blanks is encoded data or a token, and not a word or a name of words."""
    return len(_SWITCH.findall(run)) >= _RANDOM * len(run)


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
    long = " ".join([word for word in text.split() if len(word) >= _LONG_WORD])
    for formats, place in ((_IN_A_WORD, long), (_IN_SEVERAL, text)):
        for marks, pattern in formats:
            if any(mark in place for mark in marks):
                text = pattern.sub(_secret_mark, text)
    text = _without_columns(_without_named(text))
    return _without_encoded(text) if _RUN.search(long) or _OTHER_DATA.search(text) else text


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
        end = _line_end(text, run.end())
        while end < len(text) and (after := _line_end(text, end + 1)) - end > _SHORTEST_GOING_ON:
            end = after
        end = _line_end(text, min(end + 1, len(text)))  # the last line may be short
        parts += text[done:start], _DATA.sub(_data_mark, text[start:end])
        done = end
    return "".join((*parts, text[done:])) if parts else text


def _line_end(text: str, start: int) -> int:
    end = text.find("\n", start)
    return len(text) if end < 0 else end


def _without_named(text: str) -> str:
    """Return a text with a mark for each random value that has the name of a secret."""
    parts: list[str] = []
    end = 0
    for name in _names(text.replace("İ", "I").lower()):  # whose small form alone has another length
        if name.start() < end:
            continue
        for kind in dict.fromkeys((name.lastgroup, None)):
            value, of_option, whole = _VALUES[kind]
            found = value.match(text, name.end())
            if not found and (found := of_option.match(text, name.end())):
                before = max(0, name.start() - _LONGEST_OPTION)
                found = found if _OPTION.search(text[before : name.end()]) else None
            if found and looks_random(found["value"]) and _MIXED.match(found["value"]):
                secret = whole.match(text, found.start("value")) or found
                parts += text[end : secret.start("value")], _mark(secret["value"])
                end = secret.end("value")
                break
            if kind and (weak := _weak(text, name.end())):
                parts += text[end : weak[0]], "[secret]"
                end = weak[1]
                break
    return "".join((*parts, text[end:])) if parts else text


def _names(text: str) -> Iterator[re.Match[str]]:
    """Yield the names of secrets in a text in small letters.

    Looking for each name takes a sixth of the time that one expression for all of them does.
    """
    starts = set[int]()
    for name in (*_PASSWORDS, *_KEYS):
        at = text.find(name)
        while at >= 0:
            starts.add(at)
            at = text.find(name, at + 1)
    return filter(None, (_NAME.match(text, at) for at in sorted(starts)))


def _weak(text: str, start: int) -> tuple[int, int] | None:
    """Return the [start, end) of a short password that is not random, after its name and a sign, or None."""
    called = _CALL.match(text, start)
    if not called or "\n" in called[0] or not _SIGN.search(called[0]):
        return None
    found = _WEAK.match(text, called.end())
    return found.span() if found and _WEAK_ENDS.match(text, found.end()) else None


_RULE = re.compile(r"^(?=[^\n]*[-=]{2})(?=[^\n]*[|+])[ \t]*[-=|+:][-=|+: \t]*$", re.MULTILINE)
"""The rule below the head of a table of Markdown, Org or reStructuredText."""
_CELL = re.compile(r"(?:\\.|[^|\n\\])+")


def _without_columns(text: str) -> str:
    """Return a text with a mark for each value below the head of a column that is called a secret."""
    if "|" not in text or not _RULE.search(text):
        return text
    lines = text.split("\n")
    heads: dict[int, str] = {}
    for at, line in enumerate(lines):
        if "|" not in line and not _RULE.fullmatch(line):
            heads = {}
        elif _RULE.fullmatch(line):
            above = _cells(lines[at - 1]) if at and not heads else []
            heads = heads or {
                number: head for number, (_, head) in enumerate(above) if _NAME.search(head.lower())
            }
        elif heads:
            cells = _cells(line)
            for number in sorted(heads, reverse=True):
                if number < len(cells):
                    start, cell = cells[number]
                    cut = value_without_data(heads[number], cell)
                    line = line[:start] + cut + line[start + len(cell) :]
            lines[at] = line
    return "\n".join(lines)


def _cells(line: str) -> list[tuple[int, str]]:
    """Return the cells of a line of a table, each with the place where it starts, without the blanks around it."""
    inner = line.strip().removeprefix("|").removesuffix("|")
    offset = line.index(inner) if inner else 0
    return [
        (offset + cell.start() + len(cell[0]) - len(cell[0].lstrip()), cell[0].strip())
        for cell in _CELL.finditer(inner)
    ]


def _data_mark(match: re.Match[str]) -> str:
    found = match[0]
    made = found.startswith(("data:", "begin ", "-----BEGIN"))
    if found.startswith("http") or not (made or ENCODED.match(found)):
        return found
    return f"[data {digest(found)}]" + "\n" * found.count("\n")


def _secret_mark(match: re.Match[str]) -> str:
    kind, whole = match.lastgroup, match[0]
    if kind is None:
        return f"[secret {digest(whole)}]" + "\n" * whole.count("\n")
    found, before = match[kind], whole[: match.start(kind) - match.start()]
    if kind == "password":  # it may be a word, which a digest would reveal
        return whole if _PLACEHOLDER.fullmatch(found) else f"{before}[secret]"
    if kind == "login":
        line = match.string[match.string.rfind("\n", 0, match.start()) + 1 : match.start()]
        return whole if _OF_A_CONTAINER.search(line) or not _WEAK.match(found) else f"{before}[secret]"
    if not looks_random(found):
        return whole
    return f"{before}[secret]" if kind == "hidden" else before + _mark(found)


def _mark(secret: str) -> str:
    return "[secret]" if len(secret) < _LONGEST_GUESSABLE else f"[secret {digest(secret)}]"
