"""Options that several commands share, and the end of their help."""

import re
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, ClassVar

import click

index = click.option(
    "--index",
    "folder",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder of the index. Default: SEMSEARCH_INDEX, else the nearest .semsearch here or in a folder above.",
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document on standard output.")
as_jsonl = click.option("--jsonl", "as_jsonl", is_flag=True, help="Print one JSON object per line.")
model = click.option(
    "--model",
    metavar="NAME|DIR",
    help="A sentence-transformers model with safetensors weights. Default: all-MiniLM-L6-v2.",
)
dtype = click.option(
    "--dtype",
    type=click.Choice(["float32", "int8"]),
    help="Arithmetic of the default model: float32 (default), or int8, which is faster and slightly less exact.",
)
_text_field = click.option(
    "--text-field",
    multiple=True,
    metavar="NAME",
    help="Column or key of a row that contains the text, or a path such as meta.text; repeatable.",
)
_id_field = click.option(
    "--id-field",
    default="",
    metavar="NAME",
    help="Column or key of a row that names it. Default: its number.",
)
_table_format = (
    click.option(
        "--delimiter",
        default="",
        metavar="CHARACTER",
        help="What separates the cells of a table, if detection errs: one character, or tab.",
    ),
    click.option("--no-header", is_flag=True, help="The first row of a table is data, not a header."),
    click.option(
        "--encoding",
        default="",
        metavar="NAME",
        help="Encoding of text and rows, such as cp1252. Default: detect it.",
    ),
)
_lines = click.option(
    "--lines", is_flag=True, help="Each line of a text is a record, in files that have no other rows."
)


def table_format(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that say how a table is written; the command gets them as `format`."""

    @wraps(command)
    def with_format(delimiter: str, no_header: bool, encoding: str, **rest: Any) -> None:
        from semsearch.readers.dialect import RowFormat

        command(format=RowFormat(delimiter, no_header, encoding), **rest)

    for option in reversed(_table_format):
        with_format = option(with_format)
    return with_format


def rows(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that say how rows are read; the command gets them as `fields`."""

    @wraps(command)
    def with_rows(text_field: tuple[str, ...], id_field: str, format: Any, lines: bool, **rest: Any) -> None:
        from dataclasses import replace

        from semsearch.readers import RowFields

        command(fields=RowFields(text_field, id_field, replace(format, lines=lines)), **rest)

    return _text_field(_id_field(table_format(_lines(with_rows))))


wait = click.option(
    "--wait",
    type=click.FloatRange(min=0),
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for another process that writes to the index.",
)
contained = click.option(
    "--contained",
    type=click.FloatRange(0, 1, min_open=True),
    metavar="SHARE",
    help="Also find documents of which this much lies in a longer one, such as 0.8.",
)
show = click.option(
    "--show",
    type=click.Choice(["snippet", "full", "path"]),
    default="snippet",
    show_default=True,
    help="What to show of a hit: its best sentence in context, the whole passage, or only its place.",
)
context = click.option(
    "--context",
    type=click.IntRange(0, 1000),
    metavar="N",
    help="Show the best sentence in its file, with N lines on each side.",
)

_EXIT_CODES = {
    0: "done",
    1: "failed",
    2: "wrong usage",
    3: "done, but some sources could not be read",
    10: "no index",
    11: "locked by another process",
    12: "index of another model or settings",
    13: "index damaged",
}


def closing(examples: Sequence[str], codes: Sequence[int]) -> str:
    """Return the end of a command's help: its examples and the meaning of its exit codes."""
    lines = "\n".join(f"  {example}" for example in examples)
    meanings = ", ".join(f"{code} {_EXIT_CODES[code]}" for code in codes)
    return f"\b\nExamples:\n{lines}\n\nExit codes: {meanings}."


class Rank(click.IntRange):
    """The number of a hit, from 1, for an option whose value may be left out."""

    def __init__(self) -> None:
        super().__init__(min=1)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            self.fail(f"{value!r} is not the number of a hit. Put --open last, or write --open=1", param, ctx)


class Size(click.ParamType[int]):
    """A number of bytes, such as 2000000, 500kB, 50MB or 1GiB."""

    name = "size"
    _UNITS: ClassVar = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "ki": 2**10, "mi": 2**20, "gi": 2**30}

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the size in bytes."""
        if isinstance(value, int):
            return value
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmg]i?)?b?\s*", str(value), re.IGNORECASE)
        if not match:
            self.fail(f"{value!r} is not a size such as 500kB or 50MB", param, ctx)
        return int(float(match[1]) * self._UNITS[(match[2] or "").lower()])
