"""Show hits to a person, in an editor, or in the prompt of a language model."""

import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from pathlib import Path, PurePosixPath
from textwrap import indent
from typing import TYPE_CHECKING

import click

from semsearch.cli import render
from semsearch.cli.language import tr
from semsearch.cli.snippet import BEST, snippet, underlined

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from semsearch.index import Index
    from semsearch.types import Hit

_LINK = re.compile("\x1b]8;[^\x1b]*\x1b\\\\")
"""A link of a terminal, which older pagers show as it is written."""
_LONGEST_FIELD = 30
"""A field of a row with more characters is not shown with a hit."""
_SHORTEST_REST, _LONGEST_REST = 12, 200
"""The columns that headings and fields take in the line of a hit, which on a terminal is not wrapped for them."""


# -- for people -----------------------------------------------------------------------------------------


def show(
    index: "Index",
    hits: Sequence["Hit"],
    how: str,
    *,
    query: str = "",
    explain: bool = False,
    context: int | None = None,
    limit: str = "",
    has_words: bool = True,
) -> None:
    """Print hits as snippets, in full or as places only, as `how` says.

    `limit` is the option that limits them by a number. With `context` print that many lines of the file on each side of
    the best sentence. `has_words` says that words and conditions were asked for, which a hint may tell to change. On a
    terminal, what is longer than the screen is shown in a pager.
    """
    if not hits:
        click.echo(tr("no hits"))
        if hint := _next_step(index, limit, has_words):
            render.talk(tr("hint: {hint}").format(hint=hint))
        return
    console = render.console()
    pages = console.is_terminal
    with console.capture() as captured:
        for rank, hit in enumerate(hits, 1):
            _show_hit(console, index, hit, rank, how, query, explain, context)
    text = captured.get()
    if pages and text.count("\n") >= console.height:
        os.environ.setdefault("LESS", "FRX")
        click.echo_via_pager(_LINK.sub("", text), color=bool(console.color_system))
    else:
        click.echo(text, nl=False, color=pages)


def show_nothing_relevant(hits: Sequence["Hit"]) -> None:
    """Say that no hit is better than what unrelated questions find, and how to see the hits."""
    from semsearch.search.doubt import best_relevance

    click.echo(tr("nothing relevant"))
    said = tr("the nearest passage has a relevance of {best}; to see it, add --min-relevance 0")
    render.talk(tr("hint: {hint}").format(hint=said.format(best=_share(best_relevance(hits) or 0.0))))


def show_paths(index: "Index", hits: Iterable["Hit"]) -> None:
    """Print the path of the file of each hit, and of each near-copy in it, once: one a line, for other programs."""
    every = (one for hit in hits for one in (hit, *hit.copies))
    for path in dict.fromkeys(render.relative(index.path_of(hit.source)) for hit in every):
        click.echo(render.name(path) if sys.stdout.isatty() else path)


def _next_step(index: "Index", limit: str, has_words: bool) -> str:
    """Return what to do where nothing is found, or "" for nothing."""
    if not index.status().counts["passages"]:
        return tr("the index has no text yet; add some: semsearch ingest PATH")
    if not has_words:
        return tr("use a lower {option}").format(option=limit) if limit else ""
    if limit:
        return tr("use fewer conditions, +words and phrases, or a lower {option}").format(option=limit)
    return tr("use fewer conditions, +words and phrases")


def _show_hit(
    console: "Console",
    index: "Index",
    hit: "Hit",
    rank: int,
    how: str,
    query: str,
    explain: bool,
    context: int | None,
) -> None:
    from rich.segment import Segment, Segments
    from rich.style import Style
    from rich.text import Text

    from semsearch.ingest.sources import is_file
    from semsearch.text.suffixes import PROSE_SUFFIXES

    path = index.path_of(hit.source)
    exists = is_file(hit.source) and os.path.exists(path)  # noqa: PTH110 - Path raises errors for long names
    link = _link(path, hit) if exists else None
    head = Text.assemble(
        (f"{rank:>2}  {_number(hit)}", "bold"),
        (_place(index, hit), Style(color="cyan", link=link)),
    )
    if hit.copies:
        head.append(f"  +{render.plural(len(hit.copies), 'near-copy')}", "dim")
    more = [render.name(above)] if (above := hit.heading if context is not None else _above(hit)) else []
    more += _fields(hit)
    room = console.width - head.cell_len - 2 if console.is_terminal else _LONGEST_REST
    if more and room > _SHORTEST_REST:
        rest = Text("  ".join(more), "dim")
        rest.truncate(room, overflow="ellipsis")
        head.append("  ").append_text(rest)
    console.print(head)
    if explain and (parts := _explained(hit)):
        console.print(Text(parts, "dim"))
    if how == "path":
        return
    if context is not None:
        console.print(_around(index, hit, context, query))
    elif how == "full" and not console.is_terminal:  # tabs stay, as a Makefile needs them
        text = indent(f"{render.plain(hit.text)}\n", " " * 4)
        console.print(Segments([Segment(text)]), end="", crop=False)  # a Text has no tabs
    elif how == "full":
        console.print(render.indented(underlined(Text(render.plain(hit.text)), query), console))
    else:
        body = snippet(hit, console, 4, prose=PurePosixPath(hit.source).suffix.lower() in PROSE_SUFFIXES)
        console.print(underlined(body, query))
        return
    console.print()


def _link(path: Path, hit: "Hit") -> str:
    """Return the address of a hit's file for a terminal: with its host, as OSC 8 asks for, and the line after `#`."""
    line = f"#{_best_line(hit)}" if hit.unit == "line" else ""
    return f"file://{socket.gethostname()}{path.absolute().as_uri()[7:]}{line}"


def _best_line(hit: "Hit") -> int:
    return hit.start + hit.text.count("\n", 0, hit.highlight[0])


def _number(hit: "Hit") -> str:
    """Return the number of a hit for people: its relevance, or else its similarity; none in a list."""
    if hit.relevance is not None:
        return f"{_share(hit.relevance)}  "
    number = hit.score if hit.cosine is None else hit.cosine
    return f"{number:.3f}  " if hit.cosine is not None or number else ""


def _share(relevance: float) -> str:
    """Return a relevance for people. It is rounded down, since no share of questions is all of them."""
    return f"{min(int(relevance * 1000), 999) / 1000:.3f}"


def _fields(hit: "Hit") -> list[str]:
    """Return the metadata of a row in short."""
    if hit.document == hit.source:
        return []
    from semsearch.types import several

    fields = (
        (name, " ".join(", ".join(map(str, several(value))).split()))
        for name, value in hit.metadata.items()
        if (name, value) != ("title", hit.heading)
    )
    shown = (f"{name}: {value}" for name, value in fields if 0 < len(value) <= _LONGEST_FIELD)
    return [render.name(field) for field in shown if field not in hit.text]


def _above(hit: "Hit") -> str:
    """Return the headings above a hit, without the one that its text begins with."""
    above, _, last = hit.heading.rpartition(" > ")
    return above if hit.text.lstrip("#=-~^* \n").startswith(last) else hit.heading


def _explained(hit: "Hit") -> str:
    """Return the parts of a hit's score in words."""
    parts = []
    if hit.cosine is not None:
        said = tr("meaning: rank {rank:,}, cosine {cosine:.3f}")
        parts.append(said.format(rank=hit.dense_rank, cosine=hit.cosine))
    if hit.lexical_rank is not None:
        parts.append(tr("words: rank {rank:,}, BM25 {bm25:.2f}").format(rank=hit.lexical_rank, bm25=hit.bm25))
    elif hit.bm25 is not None:
        parts.append(tr("words: none of them"))
    if hit.document_factor is not None and round(hit.document_factor, 2) != 1:
        parts.append(tr("its document: x {factor:.2f}").format(factor=hit.document_factor))
    return f"    {tr('; ').join(parts)}" if parts else ""


def _place(index: "Index", hit: "Hit") -> str:
    """Return the place of a hit: `file.md:3-9` for lines, else `manual.pdf, page 2`."""
    from semsearch.ingest.sources import is_file
    from semsearch.types import place

    source = render.relative(index.path_of(hit.source)) if is_file(hit.source) else hit.source
    path = render.name(source)
    row = render.name(hit.document.removeprefix(hit.source))
    return f"{path}{row}{place(hit.unit, hit.start, hit.end)}"


def _around(index: "Index", hit: "Hit", count: int, query: str) -> "Text":
    """Return the lines of the best sentence with `count` lines of the file on each side, numbered as by grep.

    The lines come from the passage where the file has changed since, or has no lines.
    """
    from rich.text import Text

    lines, first = _lines_of_file(index, hit), 1
    if lines is None:
        lines, first = hit.text.split("\n"), hit.start
    at = hit.start - first + hit.text.count("\n", 0, hit.highlight[0])
    last = at + hit.text.count("\n", *hit.highlight)
    shown = range(max(0, at - count), min(len(lines), last + count + 1))
    width = len(str(first + shown.stop - 1))
    body = Text()
    for number in shown:
        inside = at <= number <= last
        label = f"{first + number:>{width}}{':' if inside else '-'} " if hit.unit == "line" else ""
        line = underlined(Text(render.plain(lines[number]), BEST if inside else ""), query)
        body.append(f"    {label}", "dim").append_text(line).append("\n")
    body.right_crop(1)
    return body


def _lines_of_file(index: "Index", hit: "Hit") -> list[str] | None:
    """Return the lines of a hit's file; None where it has no lines, cannot be read, or has changed."""
    from semsearch.errors import SemsearchError
    from semsearch.ingest.chunk import without_secrets
    from semsearch.readers import read
    from semsearch.text import as_written
    from semsearch.types import Document

    if hit.unit != "line" or hit.document != hit.source:
        return None
    try:
        if not index.is_unchanged(hit.source):  # a stranger's index could name any file
            return None
        document = next(read(index.path_of(hit.source), hit.source), None)
    except SemsearchError:
        return None
    if not isinstance(document, Document):
        return None
    document = without_secrets(document)
    lines = as_written(document.written or document.text).split("\n")
    if document.numbers is not None and not document.written:
        if len(lines) != len(document.numbers) or any(a >= b for a, b in pairwise(document.numbers)):
            return None  # what is read is not the lines of the file
        numbered = dict(zip(document.numbers, lines, strict=True))
        lines = [numbered.get(number, "") for number in range(1, document.numbers[-1] + 1)]
    return lines if hit.text in "\n".join(lines[hit.start - 1 : hit.end]) else None


# -- for a language model -------------------------------------------------------------------------------


def as_markdown(
    index: "Index", hits: Sequence["Hit"], budget: int | None, count: Callable[[str], int]
) -> tuple[str, int, int]:
    """Return hits as Markdown for a prompt, best first, up to `budget` tokens as `count` counts them.

    The second value is the number of hits in the text, the third its number of tokens.
    """
    parts: list[str] = []
    tokens = 0
    for rank, hit in enumerate(hits, 1):
        place = _place(index, hit) + (f" ({render.name(above)})" if (above := _above(hit)) else "")
        body = render.plain(hit.text)
        fence = "`" * max(3, 1 + max(map(len, re.findall("`+", body)), default=0))
        part = f"### {rank}. {place}\n\n{fence}\n{body}\n{fence}\n"
        size = count(part)
        if budget is not None and tokens + size > budget:
            break
        parts.append(part)
        tokens += size
    return "\n".join(parts), len(parts), tokens


# -- in an editor ---------------------------------------------------------------------------------------

_AT_LINE: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("vi vim nvim gvim mvim vimx view ex nano pico emacs emacsclient micro joe jed mg ne ee kak gedit pluma less",
     ("+{line}", "{file}")),
    ("code code-insiders codium vscodium code-oss cursor windsurf", ("--goto", "{file}:{line}")),
    ("subl sublime_text hx helix zed lapce pulsar atom", ("{file}:{line}",)),
    ("mate kate kwrite idea pycharm webstorm goland clion rubymine", ("--line", "{line}", "{file}")),
    ("notepad++", ("-n{line}", "{file}")),
)  # fmt: skip
"""The arguments that open a file at a line, by editor; any other editor opens the file only."""
_FALLBACKS = ("notepad",) if sys.platform == "win32" else ("sensible-editor", "vim", "nano", "vi")


def open_in_editor(index: "Index", hit: "Hit") -> None:
    """Open the file of a hit at its best sentence, in $VISUAL, $EDITOR or another editor, and wait until it ends.

    Raises `InvalidInput` where the hit has no file, and `SemsearchError` where no editor can be started or it fails.
    """
    from semsearch.errors import InvalidInput, SemsearchError
    from semsearch.ingest.sources import is_file

    path = index.path_of(hit.source)
    if not (is_file(hit.source) and os.path.isfile(path)):  # noqa: PTH113 - Path raises errors for long names
        raise InvalidInput(
            f"{hit.source} is not a file", "it was deleted since, or came from standard input or from memory"
        )
    named = os.environ.get("VISUAL") or os.environ.get("EDITOR") or next(filter(shutil.which, _FALLBACKS), "")
    command = shlex.split(named, posix=sys.platform != "win32")
    if not command:
        raise SemsearchError("no editor was found", "set VISUAL or EDITOR")
    line = _best_line(hit) if hit.unit == "line" else None
    try:
        code = subprocess.run([*command, *_editor_arguments(command[0], path, line)], check=False).returncode
    except OSError as error:
        raise SemsearchError(
            f"cannot start {command[0]}: {error.strerror}", "set VISUAL or EDITOR"
        ) from error
    if code:
        raise SemsearchError(f"{command[0]} ended with exit code {code}")


def _editor_arguments(editor: str, path: Path, line: int | None) -> list[str]:
    name = Path(editor).name.lower().removesuffix(".exe").removesuffix(".cmd")
    if line is not None:
        for names, arguments in _AT_LINE:
            if name in names.split():
                return [argument.format(line=line, file=path) for argument in arguments]
    return [str(path)]
