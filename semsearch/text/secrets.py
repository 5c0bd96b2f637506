"""Find secrets in a text: tokens in known formats, and values that are named or written as a password."""

import re

from semsearch.text.links import digest
from semsearch.text.secret_formats import COMMANDS, LINES, TOKENS

_OPTION_OF_ONE = re.compile(r" --?[A-Za-z]")
"""The sign of a command with an option: without one in a text, the formats of commands are not looked for."""
_LONG_WORD = 20
"""The characters of the shortest token. Prose has few words that are so long, and only they are searched for one."""
_OF_A_CONTAINER = re.compile(r"\b(?:docker|podman|nerdctl|buildah|run|exec)\b")
"""Commands whose -u has a user and a group."""

_PASSWORD = (
    r"pass(?:wor[dt]|wd|ord|phrase|code)|(?<=mot de )passe|(?<!by)(?<!com)(?<!tres)(?<!sur)(?<!er)pass(?![a-z])"
    r"|pwd|pw(?![a-z])|psk|(?<![a-z])(?:pin|mdp)(?![a-z])|parola|kennwort|wachtwoord|contraseña|contrasena|senha|hasło"
    r"|lösenord|adgangskode|salasana|heslo|jelszó|şifre|kata sandi|mật khẩu"
    r"|парол[ьяюе]|كلمة (?:المرور|السر)|סיסמה|पासवर्ड|รหัสผ่าน"
)
_UNSPACED = r"パスワード|暗証番号|비밀번호|암호|密码|密碼|口令"
"""Names of a password in scripts in which the value may follow without a sign."""
_KEYS = (
    "authorization",
    "sessionid",
    "credential",
    "session",
    "secret",
    "token",
    "auth",
    "key",
    "sid",
    "密钥",
    "令牌",
)
_PARTS = (
    "pass", "pw", "psk", "pin", "mdp", "parola", "kennwort", "wachtwoord", "contrase", "senha", "adgangskode",
    "salasana", "heslo", "kata sandi", "credential", "session", "secret", "token", "auth", "key", "sid",
)  # fmt: skip
_FOREIGN_PARTS = (
    "hasło", "lösenord", "jelszó", "şifre", "mật khẩu", "парол", "كلمة ال", "סיסמה", "पासवर्ड", "รหัสผ่าน",
    *_UNSPACED.split("|"), "密钥", "令牌",
)  # fmt: skip
"""Texts of which one begins each name. Looking for each takes a sixth of the time of one expression for all."""
_NAME = re.compile(rf"(?:(?P<password>{_PASSWORD})|{'|'.join(_KEYS)})(?![a-rt-z])|(?P<unspaced>{_UNSPACED})")
_CALLED = (
    r"(?P<suffix>(?:s|\d{1,3})?(?:[_-][A-Za-z0-9]{1,12}){0,2})"  # as in `tokens`, `token2` or `API_KEY_PROD`
    r"[\"'`*_”’»\\\])]{0,4}(?:,?\s{0,12}[\"']?value[\"'\\]{0,2})?"
    r"(?:[ ]\([^()\n]{1,40}\)|[ ](?:for|of|to|on|für|von|zum|de|del|du|da|do|para|pour|per)[ ][^\n:=.,;|>]{1,40}?)?"
    r"(?:[ \t\xa0\u3000]{0,20}"
    r"(?:(?P<sign>(?:[-=:]>|:=|::|[→—:=：＝]|[-–](?=[ ])|是|为|為|は|은|는)>?|>(?=[^\s>]))|[|>]>?)"
    r"|[ \t\xa0]{1,3}(?P<verb>is|was|ist|est|es|é|è|är|er)(?=[ \t\xa0])|[ ]{0,3}[\t\n])"
    r"[*_]{0,3}[ \t\xa0\u3000]{0,20}(?:!!str[ ]|[>|][-+]?(?=\n))?(?:\n[ \t]{0,12}){0,2}"
    r"(?i:(?:basic|bearer|token)[ \t]{1,3})?"
    r"(?:[bruBRU]{1,2}(?=[\"']))?[\"'`*“‘«\\<\[(]{0,4}"
)
"""The signs between the name of a secret and its value."""
_JUDGED = 400
"""The characters of a value by which it is judged, so that the names in a value of names cost no more."""
_OF_LONG, _OF_SHORT = r"[A-Za-z0-9+/_=.~-]", r"[^\s\"'`“”‘’<>|,;，。；(){}\[\]\\]"
_LONG = rf"(?P<value>{_OF_LONG}{{20,{_JUDGED}}}+)"
_SHORT = rf"(?![/~.\[]|[$%][A-Za-z{{(])(?P<value>{_OF_SHORT}{{8,{_JUDGED}}}+)(?![(\[{{])"
_OPTION = re.compile(r"(?<!\S)--[A-Za-z0-9-]*+\Z")
_LONGEST_OPTION = 40
_CALL = re.compile(_CALLED)
_VALUES = {
    of_password: (
        re.compile(_CALLED + value),
        re.compile(rf"[ \t]{{1,3}}[\"']?{value}"),
        re.compile(f"(?P<value>{char}++)"),
    )
    for of_password, value, char in ((True, _SHORT, _OF_SHORT), (False, _LONG, _OF_LONG))
}
"""The values that may follow a name, those that may follow an option of a command, and all of a long value.

Short ones are of passwords only."""
_FORMATS = (
    r"(?i:[a-z]*pass|[a-z]*pwd|pw\d|secret|token|user|field|value|your|my_|example|sha|md\d|utf|base\d|ed25519|oauth"
    r"|python|py\d|bcrypt|argon|scrypt|pbkdf|str\d|int\d|aes|rsa|x509|version|v\d)"
)
_WIDE = r"\u3000-\u30ff\u3400-\u9fff\uac00-\ud7a3\uff00-\uffef"
"""The signs and letters of Chinese, Japanese and Korean, which no password has."""
_WEAK = re.compile(
    rf"(?=[^A-Za-z\s]{{0,31}}+[A-Za-z])(?=[^\d\s]{{0,31}}+\d)(?!{_FORMATS})[^\s.\"'`/\\=:_&*~|,;(){{}}\[\]<>{_WIDE}]{{6,32}}"
)
"""A password of a person, such as `hunter22`: letters and digits, and not the name of a format or of a variable."""
_BLANKS = re.compile(r"[ \t\xa0\u3000]{0,3}")
_UNSIGNED = re.compile(r"[\"'`*_”’»]{0,4}[ \t\xa0\u3000]{1,20}")
_TWO_DIGITS = re.compile(r"\D*\d\D*\d")
_REST_OF_LINE = re.compile(r"[ \t.!]*(?:\n|\Z)")
_EASTERN = re.compile(r"[\u3041-\u30ff\u3400-\u9fff\uac00-\ud7a3]{2,16}\d{2,8}(?=[ \t。.!！]*(?:\n|\Z))")
"""A password of a person in Chinese, Japanese or Korean: words and a number, up to the end of the line."""
_LIST = re.compile(r"[a-z]{3,8}([ -])[a-z]{3,8}(?:\1[a-z]{3,8}){2,6}(?=[ \t]*(?:\n|\Z))")
"""Four to eight plain words up to the end of the line, such as those drawn from a list."""
_QUOTES = "\"'`“‘«"
_DIGITS = re.compile(r"\d{4,32}")
_PHRASE = re.compile(r"(?P<words>[\w'-]{2,20}(?:[ ][\w'-]{2,20}){1,9})(?=[\"'`”’»])")
_ABOUT = re.compile(
    r"(?i:\b(?:a|an|and|are|as|at|be|by|can|cannot|characters?|confirm|current|do|enter|field|for|forgot|from|has|have"
    r"|if|in|incorrect|invalid|is|it|least|long|must|new|no|not|of|old|on|one|only|optional|or|repeat|required|reset"
    r"|same|set|should|string|than|that|the|this|to|too|use|user|username|value|was|were|will|with|wrong|your?)\b)"
)
"""Words of a sentence about passwords. A password of several words has none of them."""
_DESCRIBED = re.compile(
    r"\b(?:access|account|after|all|any|before|database|default|each|encrypted|file|hidden|into|login|name|sent|server"
    r"|shown|stored|string|their|then|they|uses|used|via|when|while|you)\b"
)
"""Words of a description that a list of random words seldom has."""
_MEASURE = re.compile(
    r"\d{1,4}[ -]?(?i:chars?|characters?|letters?|digits?|bits?|bytes?|signs?|words?|times?|seconds?|minutes?|hours?"
    r"|days?|weeks?|months?|years?|st|nd|rd|th|fa|zeichen|stellen|tage|caract\w*|cifre|tekens|символ\w*|знак\w*|位|个|文字|자)(?!\w)"
)
_WEAK_ENDS = re.compile(rf"[\s\"'`’”»|,;)}}\]<{_WIDE}]|[.!?](?:\s|\Z)|\Z")
_LAST_CELL = re.compile(r"[ \t]*\|?[ \t]*(?:\n|\Z)")
_PLACEHOLDER = re.compile(
    r"(?i:changeme|example|passw(?:or)?d|pass|pw|secret|token|x+|your\w*|my_?pass\w*|\W.*)"
)
"""A placeholder, in documentation, for a password."""
_MIXED = re.compile(r"(?=[^A-Za-z]*+[A-Za-z])(?=\D*+\d)")
_LONGEST_GUESSABLE = 20
"""A shorter secret could be guessed from its digest."""
_SWITCH = re.compile(r"[a-z](?=[A-Z0-9])|[A-Z](?=[0-9])|[0-9](?=[A-Za-z])")
_RANDOM = 0.18
"""The least share of characters after which the class changes, from small to capital or digit, in random characters.

Base64 has about 0.42 and hexadecimal digits 0.47; names in camel case have 0.1."""


def looks_random(run: str) -> bool:
    """Return whether a run without blanks is encoded data or a token, and not a word or a name of words."""
    return len(_SWITCH.findall(run)) >= _RANDOM * len(run)


def long_words(text: str) -> str:
    """Return the words of a text that are long enough for a token, with blanks between them."""
    return " ".join([word for word in text.split() if len(word) >= _LONG_WORD])


def cut_secrets(text: str, words: str) -> str:
    """Return a text with a mark, such as `[secret 5f3c1a9b0d2e]` or `[secret]`, for each secret.

    `words` are its `long_words`.
    """
    for marks, pattern in TOKENS if words else ():
        if any(mark in words for mark in marks) and pattern.search(words):
            text = pattern.sub(_format_mark, text)
    for marks, pattern in (*LINES, *(COMMANDS if _OPTION_OF_ONE.search(text) else ())):
        if any(mark in text for mark in marks):
            text = pattern.sub(_format_mark, text)
    names = _names(text)
    cut = _without_columns(text, names)
    return _without_named(cut, names if cut == text else _names(cut))


def _without_named(text: str, names: list[re.Match[str]]) -> str:
    """Return a text with a mark for each random value that has the name of a secret, and each password."""
    parts: list[str] = []
    end = 0
    for name in names:
        if name.start() >= end and (found := _named(text, name)):
            start, stop, mark = found
            parts += text[end:start], mark
            end = stop
    return "".join((*parts, text[end:])) if parts else text


def _named(text: str, name: re.Match[str]) -> tuple[int, int, str] | None:
    """Return the [start, end) of the secret that a name is followed by, and its mark, or None."""
    kinds = (True, False) if name.lastgroup else (False,)
    for of_password in kinds:
        value, of_option, whole = _VALUES[of_password]
        found = value.match(text, name.end())
        if not found and (found := of_option.match(text, name.end())):
            before = max(0, name.start() - _LONGEST_OPTION)
            found = found if not of_password or _OPTION.search(text[before : name.end()]) else None
        if found and looks_random(found["value"]) and _MIXED.match(found["value"]):
            secret = whole.match(text, found.start("value")) or found
            return *secret.span("value"), _mark(secret["value"])
        if of_password and (weak := _weak(text, name)):
            return *weak, "[secret]"
    return None


def _names(text: str) -> list[re.Match[str]]:
    """Return the names of secrets in a text, in small letters, in their order."""
    small = text.replace("İ", "I").lower()  # whose small form alone has another length
    starts = set[int]()
    for part in _PARTS if small.isascii() else _PARTS + _FOREIGN_PARTS:
        at = small.find(part)
        while at >= 0:
            starts.add(at)
            at = small.find(part, at + 1)
    return [name for at in sorted(starts) if (name := _NAME.match(small, at))]


def _weak(text: str, name: re.Match[str]) -> tuple[int, int] | None:
    """Return the [start, end) of a password that is not random, after its name, or None."""
    called = _CALL.match(text, name.end())
    if not called or "\n" in called[0]:
        return _weak_alone(text, name, called)
    start = called.end()
    if _MEASURE.match(text, start):
        return None
    found = _WEAK.match(text, start)
    if not found and (called["suffix"] or "0").isdigit():
        found = _DIGITS.match(text, start)
    signed = called["sign"] or called["verb"]
    if found and (_WEAK_ENDS if signed else _LAST_CELL).match(text, found.end()):
        return found.span()
    if not signed:
        return None
    if name.lastgroup == "unspaced" and (found := _EASTERN.match(text, start)):
        return found.span()
    if called[0][-1] in _QUOTES and (phrase := _PHRASE.match(text, start)):
        return None if _ABOUT.search(phrase[0]) or _names(phrase[0]) else phrase.span()
    if called["sign"] and (words := _LIST.match(text, start)):
        return None if _ABOUT.search(words[0]) or _DESCRIBED.search(words[0]) else words.span()
    return None


def _weak_alone(text: str, name: re.Match[str], called: re.Match[str] | None) -> tuple[int, int] | None:
    """Return the [start, end) of a password that follows its name without a sign, or alone in a line, or None.

    It has at least two digits and ends its line, unless the name is in a script that needs no sign.
    """
    unspaced = name.lastgroup == "unspaced" and not called
    before = called or (_BLANKS if unspaced else _UNSIGNED).match(text, name.end())
    if not before or _MEASURE.match(text, before.end()) or name[0] == "pass":
        return None
    found = _WEAK.match(text, before.end())
    if unspaced:
        found = found or (_EASTERN.match(text, before.end()) if before[0] else None)
        return found.span() if found and _WEAK_ENDS.match(text, found.end()) else None
    if found and _TWO_DIGITS.match(found[0]) and _REST_OF_LINE.match(text, found.end()):
        return found.span()
    return None


_RULE = re.compile(r"(?=[^\n]*[-=]{2})(?=[^\n]*[|+])[ \t]*[-=|+:][-=|+: \t]*")
"""The rule below the head of a table of Markdown, Org or reStructuredText."""
_LONGEST_HEAD = 40
_SEPARATORS = {
    sign: re.compile(pattern)
    for sign, pattern in (("|", r"(?<!\\)\|"), ("\t", "\t"), (";", ";(?! )"), (",", ",(?! )"))
}
"""The signs between columns. One with a blank after it is of a sentence."""


def _without_columns(text: str, names: list[re.Match[str]]) -> str:
    """Return a text with a mark for each secret below the head of a column that has the name of one.

    Columns are those of tables of Markdown, Org or reStructuredText, and of lines with as many tabs, semicolons or
    commas as the line of the head.
    """
    heads: list[tuple[int, str, list[tuple[int, str]]]] = []
    end = 0
    for name in names:
        if name.start() >= end:  # the first of its line
            start, end = text.rfind("\n", 0, name.start()) + 1, line_end(text, name.start())
            line = text[start:end]
            heads += ((start, sign, _secret_columns(line, sign)) for sign in _SEPARATORS if sign in line)
    ends = dict.fromkeys(_SEPARATORS, 0)
    cuts: list[tuple[int, int, str]] = []
    for start, sign, columns in heads:
        if columns and start >= ends[sign]:  # a line of a table is not the head of another
            found, ends[sign] = _cells_below(text, start, sign, columns)
            cuts += found
    parts: list[str] = []
    end = 0
    for start, stop, cut in sorted(cuts):
        if start >= end:
            parts += text[end:start], cut
            end = stop
    return "".join((*parts, text[end:])) if parts else text


def _secret_columns(line: str, sign: str) -> list[tuple[int, str]]:
    """Return the numbers and the titles of the columns below a line that have the name of a secret."""
    titles = [title for _, title in _cells(line, sign)]
    return [
        (number, title)
        for number, title in enumerate(titles)
        if len(titles) > 1 and len(title) <= _LONGEST_HEAD and _NAME.search(title.lower())
    ]


def _cells_below(
    text: str, head: int, sign: str, columns: list[tuple[int, str]]
) -> tuple[list[tuple[int, int, str]], int]:
    """Return the [start, end) of each secret below a head and what to write there, and where the table ends."""
    end = line_end(text, head)
    width = len(_cells(text[head:end], sign))
    cuts = []
    while end < len(text):
        start, end = end + 1, line_end(text, end + 1)
        line = text[start:end]
        cells = _cells(line, sign)
        if len(cells) == width:
            for number, title in columns:
                at, cell = cells[number]
                named = f"{title}: {cell}"
                if (cut := cut_secrets(named, long_words(named))) != named:
                    cuts.append((start + at, start + at + len(cell), cut.removeprefix(f"{title}: ")))
        elif not _RULE.fullmatch(line):
            return cuts, start
    return cuts, end


def line_end(text: str, start: int) -> int:
    """Return where the line that a place lies in ends."""
    end = text.find("\n", start)
    return len(text) if end < 0 else end


def _cells(line: str, sign: str) -> list[tuple[int, str]]:
    """Return the cells of a line of a table, each with the place where it starts, without the blanks around it."""
    inner = line.strip(" ").removeprefix("|").removesuffix("|") if sign == "|" else line
    start = line.index(inner) if inner else 0
    cells = []
    for cell in _SEPARATORS[sign].split(inner):
        cells.append((start + len(cell) - len(cell.lstrip()), cell.strip()))
        start += len(cell) + 1
    return cells


def _format_mark(match: re.Match[str]) -> str:
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
