"""Output: data on standard output, messages on standard error.

Control and bidirectional characters in texts and file names are escaped before they reach a terminal.
"""

import csv
import io
import json
import math
import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from semsearch.cli import language, wide
from semsearch.cli.language import counted, tr, translated

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress
    from rich.text import Text

    from semsearch.clustering.clusters import Spread
    from semsearch.tuning.metrics import Estimate
    from semsearch.types import Skipped

# C0 except tab and newline, DEL, C1, and marks that reorder or hide text (Unicode UAX #9, CVE-2021-42574).
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")

_FORMULA = re.compile(r"[=@\t\r]|[-+](?![\d.]+$)")
"""The start of a cell that a spreadsheet would run. A number with a sign is a number."""
_MOST_LINES = 10
_HANGING = 4
"""The columns by which the rest of a folded line is indented more than its beginning."""


def plain(text: str) -> str:
    """Return text that is safe for a terminal: control characters become `\\u001b` and the like."""
    return _UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def name(path: str) -> str:
    """Return a file's name on one line, safe for a terminal."""
    return plain(path).replace("\n", "\\n").replace("\t", "\\t")


def relative(path: Path) -> str:
    """Return a path as the user would type it: relative if it is below the working directory, else absolute."""
    absolute, here = os.path.abspath(path), Path.cwd()  # noqa: PTH100 - keeps the names of symbolic links
    return str(Path(absolute).relative_to(here)) if Path(absolute).is_relative_to(here) else absolute


def talk(message: str) -> None:
    """Print a message on standard error."""
    click.echo(plain(message), err=True)


def emit_json(value: Any, *, indent: int | None = 2) -> None:
    """Print a JSON document. Chinese stays readable; control characters are escaped."""
    click.echo(plain(json.dumps(value, ensure_ascii=False, indent=indent, default=str)))


def emit_jsonl(values: Iterable[Mapping[str, Any]]) -> None:
    """Print one JSON object per line."""
    for value in values:
        emit_json(value, indent=None)


def emit_csv(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table as CSV."""
    out = io.StringIO()
    write_csv(out, columns, rows)
    click.echo(out.getvalue(), nl=False)


def write_csv(file: TextIO, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table as CSV, in which no text is a formula of a spreadsheet: such a text gets a `'` before it.

    See https://owasp.org/www-community/attacks/CSV_Injection.
    """
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(
        [f"'{cell}" if isinstance(cell, str) and _FORMULA.match(cell) else cell for cell in row]
        for row in rows
    )


def console(*, err: bool = False) -> "Console":
    """Return a console without markup and automatic colours, which does not wrap piped output."""
    from rich.console import Console

    class Piped(Console):
        """A console that raises an error for a broken pipe, as `print` does."""

        def on_broken_pipe(self) -> None:
            """Raise the error that is being handled."""
            raise

    return Piped(stderr=err, markup=False, highlight=False, emoji=False, soft_wrap=True)


def indented(text: "Text", console: "Console", by: int = 4) -> "Text":
    """Return text indented by some columns and wrapped to the terminal's width. Piped text keeps its lines."""
    from rich.text import Text

    width = console.width - by
    lines = text.wrap(console, width) if console.is_terminal and width > 20 else text.split("\n")
    return Text("\n").join(Text(" " * by) + line for line in lines)


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, right: Iterable[int] = ()) -> None:
    """Print aligned columns under a heading; see `table_lines`."""
    for line in table_lines(columns, rows, right=right):
        click.echo(line)


def table_lines(
    columns: Sequence[str], rows: Iterable[Sequence[str]], *, right: Iterable[int] = ()
) -> Iterator[str]:
    """Yield the lines of a table, the heading first.

    Wide characters take two columns; `right` are the right-aligned columns.
    """
    from rich.cells import cell_len

    lines = [list(columns), *([name(cell) for cell in row] for row in rows)]
    widths = [max(map(cell_len, column)) for column in zip(*lines, strict=True)]
    to_right = set(right)
    for number, line in enumerate(lines):
        cells = []
        for at, (cell, width) in enumerate(zip(line, widths, strict=True)):
            blanks = " " * (width - cell_len(cell))
            cells.append(blanks + cell if at in to_right else cell + blanks)
        text = "  ".join(cells).rstrip()
        yield click.style(text, bold=True) if number == 0 and coloured() else text


def folded(line: str, indent: int = 0) -> str:
    """Return a line indented and folded to the terminal's width, or to 80 columns in a pipe; nothing is cut."""
    import shutil

    from rich.text import Text

    width = max(20, shutil.get_terminal_size().columns - indent - _HANGING)
    if language.current() == "en":
        lines = [part.plain.rstrip() for part in Text(line).wrap(console(), width, overflow="fold")]
    else:
        lines = wide.wrapped(line, width)
    return " " * indent + f"\n{' ' * (indent + _HANGING)}".join(lines)


def ranged(value: "Spread | Estimate", form: str) -> str:
    """Return a figure with its range or interval, such as "0.81 (0.76 to 0.86)"; `form` formats each number."""
    said = tr("{value} ({low} to {high})")
    return said.format(**{name: form.format(getattr(value, name)) for name in ("value", "low", "high")})


def excerpt(text: str, other: str = "", width: int = 60) -> str:
    """Return one line of a text in at most `width` columns, from near the first difference to an `other` text on.

    Wide characters take two columns. The result is safe for a terminal.
    """
    from rich.cells import cell_len

    from semsearch import serialize

    characters = width
    while (used := cell_len(shown := plain(serialize.excerpt(text, other, characters)))) > width:
        characters = max(1, characters - (used - width + 1) // 2)
    return shown


def coloured() -> bool:
    """Return whether standard output is a terminal that wants colour (https://no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


_BY_SUFFIX = frozenset({"binary file", "no text"})
"""The reasons that do not say what kind of file it is, so its suffix does."""
_MOST_SUFFIXES = 6


def tell_skipped(skipped: "Sequence[Skipped]", *, verbose: bool | None = None) -> None:
    """Report the skipped files: counts by reason, then the files that could not be read.

    `verbose` is None in commands without --verbose.
    """
    failed = [one for one in skipped if one.failed]
    on_purpose = Counter(one.reason for one in skipped if not one.failed)
    for reason, count in on_purpose.most_common():
        suffixes = Counter(
            Path(one.path).suffix for one in skipped if one.reason == reason and not one.failed
        )
        named = [f"{suffix} {number:,}" for suffix, number in suffixes.most_common(_MOST_SUFFIXES) if suffix]
        kinds = f" ({', '.join(map(name, named))})" if reason in _BY_SUFFIX and named else ""
        talk(tr("skipped {count:,}: {reason}").format(count=count, reason=translated(reason)) + kinds)
    for one in skipped if verbose else ():
        talk(f"  {name(one.path)}: {translated(one.reason)}")
    for one in failed[: None if verbose else _MOST_LINES]:
        talk(tr("could not read {path}: {reason}").format(path=name(one.path), reason=translated(one.reason)))
    if len(failed) > _MOST_LINES and not verbose:
        hint = "" if verbose is None else tr(" (--verbose lists them)")
        talk(
            tr("... and {count:,} more that could not be read").format(count=len(failed) - _MOST_LINES) + hint
        )


def tell_notes(notes: "Sequence[str]") -> None:
    """Report what was detected in files of rows that are not plain, or what a command had to do without."""
    for note in notes[:_MOST_LINES]:
        tell_note(note)
    if len(notes) > _MOST_LINES:
        talk(tr("... and {count:,} more notes").format(count=len(notes) - _MOST_LINES))


def tell_note(note: str) -> None:
    """Report one thing that a person should know of a result."""
    talk(tr("note: {note}").format(note=name(translated(note))))


def warn_oov(share: float) -> None:
    """Warn if much of the text is outside the model's vocabulary. `share` is the OOV rate in [0, 1]."""
    from semsearch.types import HIGH_OOV_RATE

    if share >= HIGH_OOV_RATE:
        talk(
            tr(
                "warning: {share:.0%} of the tokens are outside the model's vocabulary, so similarities mean little"
            ).format(share=share)
        )


@contextmanager
def progress(description: str, unit: str) -> Iterator["Progress | None"]:
    """Show a progress bar with rate and time left. Yield None if standard error is not a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
    from rich.text import Text

    class Rate(ProgressColumn):
        """The number of units per second since the start."""

        def render(self, task: Task) -> Text:
            """Return the count and the rate."""
            count, elapsed = task.fields.get("count", 0), task.elapsed or 0
            return Text(f"{count:,} {tr(unit)}, {count / elapsed:,.0f}/s" if elapsed and count else "")

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.percentage:>3.0f}%"),
    )
    with Progress(*columns, Rate(), TimeRemainingColumn(), console=console(err=True), transient=True) as bar:
        bar.add_task(tr(description), total=None)
        yield bar


@contextmanager
def counting(description: str, unit: str) -> Iterator[Callable[..., None]]:
    """Show a progress bar. Yield a function of the amount done, the total and, if it differs, the count of units."""
    with progress(description, unit) as bar:

        def show(done: int, total: int, count: int | None = None) -> None:
            if bar is not None:
                bar.update(
                    bar.task_ids[0], completed=done, total=total, count=done if count is None else count
                )

        yield show


def size(count: float) -> str:
    """Return a number of bytes for people, such as `3.4 MB`."""
    if count < 1000:
        return f"{count:.0f} B"
    power = min(3, int(math.log10(count)) // 3)
    return f"{count / 1000**power:.3g} {' kMG'[power]}B"


def plural(count: int, noun: str) -> str:
    """Return a count with its noun: `1 source`, `2 sources`, `3 copies`; in another language as it says it."""
    if (said := counted(count, noun)) is not None:
        return said
    ending = noun if count == 1 else f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{count:,} {ending}"
