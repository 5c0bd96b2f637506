"""Parse subtitles (SubRip, WebVTT, SubViewer) into sentences, each with the second at which it begins."""

import html
import re
from collections.abc import Iterator, Sequence

from semsearch.readers.encoding import decoded
from semsearch.readers.parsed import Parsed, parsed

_CLOCK = r"(?:(\d{1,6}):)?(\d{1,2}):(\d{1,2})(?:[.,](\d{1,3}))?"
_TIMES = re.compile(rf"\s*{_CLOCK}(?:\s*-->\s*|,){_CLOCK}(?:\s.*)?")
_TAG = re.compile(r"</?[a-zA-Z][^<>\n]{0,200}>|<\d[\d:.]{0,20}>|\{\\[^{}\n]{0,200}\}")
"""A tag as in HTML or WebVTT, a time inside a WebVTT cue, or an override of SubStation Alpha in a SubRip file."""
_VOICE = re.compile(r"<v(?:\.[^\s>]{0,100})?\s+([^<>\n]{1,100})>")
_NOTE = re.compile(r"(?:NOTE|STYLE|REGION)(?:\s|$)")
_SENTENCE_END = re.compile(r"[.!?…。！？♪][\"'”’»)\]]*$")
_TURN = re.compile(r"[-–—] ?[^\s\d-]|(?:\[[^\[\]]+\]|[A-Z][\w .'’-]{0,30}):(?: |$)|>>")
"""The start of a line where another person speaks."""
_PAUSE = 5
"""Seconds without text after which a new line begins, although no sentence has ended."""
_LONGEST = 400
"""The characters after which a line ends with its cue, since automatic captions have no full stops."""
_MOST_LINES = 5
_SCROLLS = 0.2
"""The most seconds between a cue and the next that repeats its lines, as automatic captions scroll."""


def parse_subtitles(content: bytes) -> Iterator[Parsed]:
    """Yield the sentences of a subtitle file, a line each.

    A sentence that goes over several cues is one line. Numbers, positions, tags, notes and styles are left out. The
    name of a WebVTT voice precedes its text. A text without cues has no sentences.
    """
    sentences: list[tuple[int, list[str]]] = []
    shown: Sequence[str] = ()
    ended, is_open, size = 0.0, False, 0
    for start, end, lines in _cues(decoded(content).splitlines()):
        repeated = _overlap(shown, lines) if start - ended <= _SCROLLS else 0
        for line in lines[repeated:]:
            if not is_open or start - ended > _PAUSE or _TURN.match(line):
                sentences.append((int(start), []))
                size = 0
            sentences[-1][1].append(line)
            size += len(line)
            is_open = not _SENTENCE_END.search(line) and size < _LONGEST
        shown, ended = lines or shown, max(start, end)
    yield parsed(((second, " ".join(pieces)) for second, pieces in sentences), "second")


def _cues(lines: Sequence[str]) -> Iterator[tuple[float, float, list[str]]]:
    """Yield the start and end in seconds of each cue, and its lines without markup."""
    times: tuple[float, float] | None = None
    body: list[tuple[bool, str]] = []
    """The lines since the times, each with True if a blank line or the times precede it."""
    first, note = True, False
    for line in lines:
        if match := _TIMES.fullmatch(line):
            if body and not first and (body[-1][0] or body[-1][1].strip().isdecimal()):
                body.pop()  # the number or name of this cue
            if times:
                yield *times, _plain(body)
            times, body, first, note = (
                (_seconds(*match.groups()[:4]), _seconds(*match.groups()[4:])),
                [],
                False,
                False,
            )
        elif not line.strip():
            first, note = True, False
        else:
            note = note or (first and _NOTE.match(line) is not None)
            if not note:
                body.append((first, line))
            first = False
    if times:
        yield *times, _plain(body)


def _plain(body: Sequence[tuple[bool, str]]) -> list[str]:
    texts = (html.unescape(_TAG.sub("", _VOICE.sub(r"\1: ", line))) for _, line in body)
    return [plain for text in texts if (plain := " ".join(text.replace("[br]", " ").split()))]


def _seconds(hours: str | None, minutes: str, seconds: str, fraction: str | None) -> float:
    return int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds) + float(f"0.{fraction or 0}")


def _overlap(shown: Sequence[str], lines: Sequence[str]) -> int:
    """Return the number of first lines that were the last lines of what was shown before."""
    sizes = range(min(len(shown), len(lines), _MOST_LINES), 0, -1)
    return next((size for size in sizes if list(shown[-size:]) == list(lines[:size])), 0)
