"""Define the command `semsearch mcp`."""

from pathlib import Path

import click

from semsearch.cli import options


@options.command(
    "mcp",
    short_help="Serve the index to an assistant (MCP).",
    examples=(
        "semsearch mcp --index ~/notes/.semsearch",
        "claude mcp add notes -- semsearch mcp --index ~/notes/.semsearch",
    ),
    codes=(0, 1, 2, 10, 12, 13),
)
@options.index
@click.option("--write", is_flag=True, help="Also store and delete notes, and bring files up to date.")
def mcp_(folder: Path | None, write: bool) -> None:
    """Answer an assistant by the Model Context Protocol on standard input and output, until the input ends.

    It can search, read, compare, and list near-duplicates. It reads what the index has stored and no file. Without
    --write it changes nothing. docs/mcp.md has the configuration for some clients.
    """
    from semsearch.index import Index
    from semsearch.server.mcp import serve

    with Index.open(folder) as index:
        serve(index, write=write)
