"""Say the sentences of answers in the language that a caller asks for.

The library speaks English. `Settings.languages` has what translates its sentences, which the command line knows. Only
members that are sentences for people are translated, whatever a text of the index says.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from semsearch.answers import FactWarning

Translate = Callable[[str], str]
"""Returns a sentence of the library in another language, or as it is."""
_SENTENCES = frozenset(
    {"title", "detail", "hint", "notes", "doubt", "reason", "differs", "note", "problems", "problem"}
)
"""The members of answers that are sentences, or lists of these."""
_DATA = frozenset({"metadata", "fields", "settings"})
"""The members whose own members are named by users."""
_OTHER_CHINESE = re.compile(r"zh-(?:.*-)?(?:tw|hk|mo|hant)\b")
"""Chinese in traditional characters, which no catalogue has."""


def asked(header: str, languages: Mapping[str, Translate]) -> Translate | None:
    """Return what translates into the language that an Accept-Language header prefers, or None for English."""
    wanted = []
    for at, part in enumerate(header.lower().split(",")[:20]):
        tag, _, weight = part.partition(";")
        quality = re.fullmatch(r"\s*q\s*=\s*(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\s*", weight) if weight else None
        wanted.append((-float(quality[1]) if quality else -1.0, at, tag.strip()))
    for quality_, _, tag in sorted(wanted):
        code = tag.partition("-")[0]
        if code == "en" or not quality_:
            return None
        if code in languages and not _OTHER_CHINESE.match(tag):
            return languages[code]
    return None


def said(answer: Any, translate: Translate | None) -> Any:
    """Return an answer with its sentences translated."""
    return answer if translate is None else _said(answer, translate, sentence=False)


def _said(value: Any, translate: Translate, *, sentence: bool) -> Any:
    if isinstance(value, str):
        return translate(value) if sentence else value
    if isinstance(value, list | tuple):
        return [_said(one, translate, sentence=sentence) for one in value]
    if not isinstance(value, Mapping):
        return value
    names = _SENTENCES | {"text"} if value.keys() == FactWarning.__annotations__.keys() else _SENTENCES
    return {
        name: one if name in _DATA else _said(one, translate, sentence=name in names)
        for name, one in value.items()
    }
