"""What a person or a program sees: standard output is data, standard error is talk.

Text from files and their names never reaches a terminal raw: control and bidirectional characters are escaped.
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
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress
    from rich.text import Text

    from semsearch.types import Skipped

# C0 but for tab and newline, DEL, C1; then marks that reorder or hide text (Unicode UAX #9, CVE-2021-42574).
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")

_MOST_LINES = 10
UNKNOWN_SHARE = 0.05
"""Of the tokens, from which on it is worth a warning that the model does not know them."""


def plain(text: str) -> str:
    """Text safe for a terminal: what would steer it is shown as `\\u001b` and the like."""
    return _UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def name(path: str) -> str:
    """A file's name on one line, safe for a terminal."""
    return plain(path).replace("\n", "\\n").replace("\t", "\\t")


def relative(path: Path) -> str:
    """A path as the user would type it from the working directory: relative where it lies below."""
    absolute, here = os.path.abspath(path), Path.cwd()  # noqa: PTH100 - keep symbolic links as they are named
    return str(Path(absolute).relative_to(here)) if Path(absolute).is_relative_to(here) else absolute


def talk(message: str) -> None:
    """Say something on standard error."""
    click.echo(plain(message), err=True)


def emit_json(value: Any, *, indent: int | None = 2) -> None:
    """Print a JSON document; Chinese stays readable, what would steer a terminal is escaped."""
    click.echo(plain(json.dumps(value, ensure_ascii=False, indent=indent, default=str)))


def emit_jsonl(values: Iterable[Mapping[str, Any]]) -> None:
    """Print one JSON object a line."""
    for value in values:
        emit_json(value, indent=None)


def emit_csv(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table as CSV."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    click.echo(out.getvalue(), nl=False)


def console(*, err: bool = False) -> "Console":
    """A terminal that is told, not asked: no markup, no guessing at what to colour, no wrapping when piped."""
    from rich.console import Console

    return Console(stderr=err, markup=False, highlight=False, emoji=False, soft_wrap=True)


def indented(text: "Text", console: "Console", by: int = 4) -> "Text":
    """Text set in by some columns, wrapped to the terminal's width; left in its own lines when piped."""
    from rich.text import Text

    width = console.width - by
    lines = text.wrap(console, width) if console.is_terminal and width > 20 else text.split("\n")
    return Text("\n").join(Text(" " * by) + line for line in lines)


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, right: Iterable[int] = ()) -> None:
    """Print columns that line up, with the first row as heading; wide characters count for two."""
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
        click.echo(click.style(text, bold=True) if number == 0 and coloured() else text)


def coloured() -> bool:
    """Whether standard output is a terminal that wants colour (https://no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def tell_skipped(skipped: "Sequence[Skipped]", *, verbose: bool | None = None) -> None:
    """Say what was left out on purpose, in counts, and what could not be read; None where there is no --verbose."""
    failed = [one for one in skipped if one.failed]
    on_purpose = Counter(one.reason for one in skipped if not one.failed)
    for reason, count in on_purpose.most_common():
        talk(f"skipped {count:,}: {reason}")
    for one in skipped if verbose else ():
        talk(f"  {name(one.path)}: {one.reason}")
    for one in failed[: None if verbose else _MOST_LINES]:
        talk(f"could not read {name(one.path)}: {one.reason}")
    if len(failed) > _MOST_LINES and not verbose:
        hint = "" if verbose is None else " (--verbose lists them)"
        talk(f"... and {len(failed) - _MOST_LINES:,} more that could not be read{hint}")


def tell_unknown(share: float) -> None:
    """Warn where the model does not know much of what it has read."""
    if share >= UNKNOWN_SHARE:
        talk(f"warning: the model does not know {share:.0%} of the tokens, so similarities mean little")


@contextmanager
def progress(description: str, unit: str) -> Iterator["Progress | None"]:
    """A progress bar with rate and time left on a terminal; None where standard error is not one."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
    from rich.text import Text

    class Rate(ProgressColumn):
        """Units a second since the start."""

        def render(self, task: Task) -> Text:
            count, elapsed = task.fields.get("count", 0), task.elapsed or 0
            return Text(f"{count:,} {unit}, {count / elapsed:,.0f}/s" if elapsed and count else "")

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.percentage:>3.0f}%"),
    )
    with Progress(*columns, Rate(), TimeRemainingColumn(), console=console(err=True), transient=True) as bar:
        bar.add_task(description, total=None)
        yield bar


@contextmanager
def counting(description: str, unit: str) -> Iterator[Callable[..., None]]:
    """A function to call with how much is done, how much there is, and how many units that was, if it counts others."""
    with progress(description, unit) as bar:

        def show(done: int, total: int, count: int | None = None) -> None:
            if bar is not None:
                bar.update(
                    bar.task_ids[0], completed=done, total=total, count=done if count is None else count
                )

        yield show


def size(count: float) -> str:
    """A number of bytes for people."""
    if count < 1000:
        return f"{count:.0f} B"
    power = min(3, int(math.log10(count)) // 3)
    return f"{count / 1000**power:.3g} {' kMG'[power]}B"


def plural(count: int, noun: str) -> str:
    """`1 source`, `2 sources`, `3 copies`."""
    ending = noun if count == 1 else f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{count:,} {ending}"
