"""The language of help and messages: English, or another one from its catalogue in `locale/`.

The English text is the key of a translation, as with gettext, and a text without one is shown in English. The catalogue
is a .po file, which is read as it is: there is no build step, and in English nothing is loaded. Output for programs,
such as JSON, and the names of commands, options and exit codes are the same in every language.
docs/decisions/0098-language.md has the reasons.
"""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, lru_cache
from itertools import pairwise
from pathlib import Path
from typing import TextIO

CATALOGUES = {"zh": Path(__file__).parent / "locale" / "zh_CN" / "LC_MESSAGES" / "semsearch.po"}
LANGUAGES = ("en", *CATALOGUES)
_VARIABLES = ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")
"""The variables of gettext (https://www.gnu.org/software/gettext/manual/html_node/Locale-Environment-Variables.html)."""
_SAMPLES = {"zh": "中文，"}
"""Characters that only an encoding for the language has."""
_SHORTEST_LITERAL = 5
"""A template with fewer letters outside its placeholders would fit any sentence."""

_language = "en"


def choose(args: Sequence[str]) -> None:
    """Set the language for a command line: --lang, then SEMSEARCH_LANG, the user's settings, and the locale.

    It is English where the output has an encoding without the characters of that language.
    """
    global _language
    _language = _typed(args) or _configured() or of_locale(os.environ)
    if not all(map(_can_print, (sys.stdout, sys.stderr))):
        _language = "en"


def current() -> str:
    """Return the language that is set, such as "en"."""
    return _language


@contextmanager
def english() -> Iterator[None]:
    """Use English inside the block, for texts that programs read."""
    global _language
    before, _language = _language, "en"
    try:
        yield
    finally:
        _language = before


def tr(text: str) -> str:
    """Return the translation of a message or help text. Its placeholders are those of `str.format`."""
    return text if _language == "en" else catalogue(_language).get(("", text), text)


def counted(count: int, noun: str) -> str | None:
    """Return a count with its noun, such as `3 个段落` for the noun "passage", or None without a translation."""
    template = None if _language == "en" else catalogue(_language).get(("count", noun))
    return template and template.format(f"{count:,}")


def translated(text: str) -> str:
    """Return a finished text of the library or of click in the language, if it fits a template of the catalogue.

    The library speaks English only, since its errors are for programs too. A template has {} for each value, which is
    copied, or {message} for a text that is translated in the same way.
    """
    return text if _language == "en" or not text else into(_language, text)


@lru_cache(maxsize=1_024)
def into(language: str, text: str) -> str:
    """Return a finished text in a language other than English; see `translated`. Any thread may ask."""
    if exact := catalogue(language).get(("library", text)):
        return exact
    parts = text.split("; ")  # of several reasons each is translated, unless one template has them all
    filled = _filled(language, text, over_parts=len(parts) == 1)
    if filled is None and len(parts) > 1 and (said := [into(language, part) for part in parts]) != parts:
        filled = "；".join(said)
    return filled or _filled(language, text) or text


def _filled(language: str, text: str, over_parts: bool = True) -> str | None:
    """Return the translation by the longest template that a text fits; `over_parts` lets a value have a semicolon."""
    for names, literals, translation in _templates(language):
        values = _values(literals, text)
        if values is not None and (over_parts or not any("; " in value for value in values)):
            plain = [value for name, value in zip(names, values, strict=True) if not name]
            said = {name: into(language, value) for name, value in zip(names, values, strict=True) if name}
            return translation.format(*plain, **said)
    return None


def of_locale(environment: Mapping[str, str]) -> str:
    """Return the language that the variables of the locale ask for, or English.

    LANGUAGE lists languages, the preferred one first, and counts only if the locale is not C, as in gettext.
    """
    locale = next((environment[name] for name in _VARIABLES[1:] if environment.get(name)), "C")
    named = locale.partition(".")[0]
    wanted = [] if named in ("C", "POSIX") else [*environment.get("LANGUAGE", "").split(":"), locale]
    for one in wanted:
        code = one.replace("-", "_").partition("_")[0].partition(".")[0].lower()
        if code in LANGUAGES and not one.replace("-", "_").startswith(("zh_TW", "zh_HK", "zh_MO", "zh_Hant")):
            return code
    return "en"


def _typed(args: Sequence[str]) -> str | None:
    """Return the language that the command line names, if it is valid."""
    found = None
    for arg, following in pairwise([*args, ""]):
        if arg == "--":
            break
        name, _, value = (f"--lang={following}" if arg == "--lang" else arg).partition("=")
        if arg == "--set" and following.startswith("lang="):
            name, value = "--lang", following.removeprefix("lang=")
        if name == "--lang" and value in LANGUAGES:
            found = value
    return found


def _configured() -> str | None:
    """Return the language of SEMSEARCH_LANG or of the user's settings. Wrong settings are reported by the command."""
    if value := os.environ.get("SEMSEARCH_LANG"):
        return value if value in LANGUAGES else None
    from semsearch.cli.user_file import user_file

    if not user_file().exists():  # so nothing more is imported for it
        return None
    from semsearch.cli import settings
    from semsearch.errors import SemsearchError

    try:
        value = settings.read(user_file(), "user").get("lang")
    except SemsearchError:
        return None
    return value if value in LANGUAGES else None


def _can_print(stream: TextIO | None) -> bool:
    """Return whether a stream has the characters of the language that is set."""
    if _language == "en" or stream is None:
        return True
    try:
        _SAMPLES[_language].encode(stream.encoding or "ascii")
    except (LookupError, UnicodeError):
        return False
    return True


@cache
def catalogue(language: str) -> Mapping[tuple[str, str], str]:
    """Return the translations of a language by context and English text, without those that are empty."""
    with CATALOGUES[language].open(encoding="utf-8") as lines:
        return {(context, text): said for context, text, said in entries(lines) if text and said}


def entries(lines: "Iterator[str] | Sequence[str]") -> Iterator[tuple[str, str, str]]:
    """Yield the context, the English text and the translation of each entry of a .po file, without plural forms.

    A string of a .po file is written as in JSON.
    """
    import json

    entry = {"msgctxt": "", "msgid": "", "msgstr": ""}
    keyword = ""
    for line in lines:
        if not line.startswith(('"', "msg")):
            continue
        word, _, string = ("", "", line) if line.startswith('"') else line.partition(" ")
        if word in ("msgctxt", "msgid") and keyword == "msgstr":
            yield entry["msgctxt"], entry["msgid"], entry["msgstr"]
            entry = dict.fromkeys(entry, "")
        keyword = word or keyword
        entry[keyword] += json.loads(string)
    if keyword:
        yield entry["msgctxt"], entry["msgid"], entry["msgstr"]


@cache
def _templates(language: str) -> list[tuple[list[str], list[str], str]]:
    """Return the templates of library texts: names of placeholders, literals, translation.

    The longest is first, of those that begin with a literal; a value at the beginning could be any other text.
    """
    import re

    found = []
    for (context, text), translation in catalogue(language).items():
        parts = re.split(r"\{(\w*)\}", text) if context == "library" else []
        if len(parts) > 1 and sum(map(str.isalpha, "".join(parts[::2]))) >= _SHORTEST_LITERAL:
            found.append((parts[1::2], parts[::2], translation))
    return sorted(found, key=lambda one: (not one[1][0], -len("".join(one[1]))))


def _values(literals: Sequence[str], text: str) -> list[str] | None:
    """Return what stands between the literals of a template, or None if the text does not fit it."""
    first, *between, last = literals
    at, end = len(first), len(text) - len(last)
    if not (text.startswith(first) and text.endswith(last)):
        return None
    values = []
    for literal in between:
        found = text.find(literal, at + 1, end)
        if found < 0:
            return None
        values.append(text[at:found])
        at = found + len(literal)
    return [*values, text[at:end]] if at < end else None
