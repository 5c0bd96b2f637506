"""`semsearch engine`: show where the vectors of an index are, and move them."""

from pathlib import Path

import click

from semsearch.cli import options, render
from semsearch.cli.language import tr
from semsearch.errors import InvalidInput


@options.command(
    "engine",
    short_help="Show which vector engine the index uses, or move to another.",
    examples=(
        "semsearch engine",
        "semsearch engine move qdrant:",
        "semsearch engine move chroma+http://127.0.0.1:8000",
        "semsearch engine move chroma:",
    ),
    codes=(0, 1, 2, 10, 11, 12, 13),
    settings=("wait",),
)
@click.argument("action", default="show", metavar="[ACTION]")
@click.argument("url", default="", metavar="[URL]")
@options.index
@options.as_json
def engine_(action: str, url: str, folder: Path | None, wait: float, as_json: bool) -> None:
    """Show the vector engine of the index, or move the vectors to another one.

    \b
    semsearch engine [show]      the engine in use
    semsearch engine move URL    copy the vectors, compare the copy, and use it

    \b
    chroma:                      Chroma, in the folder of the index (the default)
    qdrant:                      Qdrant, in the folder; needs semsearch[qdrant]
    chroma+http://HOST:PORT      a Chroma server; also chroma+https
    qdrant+http://HOST:PORT      a Qdrant server; also qdrant+https
    weaviate+http://HOST:PORT    a Weaviate server; also weaviate+https

    The vectors are copied from the Library, so nothing is embedded. Every vector of the copy is compared before it is
    used, and after an interruption the old engine is still in use. Texts and vectors go to the server that you name
    here, and a query sends its vector there. Only large indexes are searched by an engine: see docs/engines.md.

    The key for a server is read from SEMSEARCH_API_KEY_HOST_PORT, or from the keyring.
    """
    from semsearch.index import Index

    if action not in ("show", "move") or (action == "move") != bool(url):
        wanted = {"show": tr("`engine show` takes no URL"), "move": tr("`engine move` takes a URL")}
        said = tr("{action!r} is not an action: show, move").format(action=action)
        raise InvalidInput(wanted.get(action, said), "semsearch engine --help")
    with Index.open(folder, wait=wait) as index:
        moved = 0
        if url:
            with render.counting("move", "passages") as progress:
                moved = index.move_engine(url, progress)
        engine = index.engine
        notes = index.engine_notes()
    if as_json:
        render.emit_json({"engine": engine, "moved": moved})
    elif not url:
        click.echo(engine)
    if url:
        passages = render.plural(moved, "passage")
        render.talk(tr("moved {passages} to {engine}").format(passages=passages, engine=render.name(engine)))
    render.tell_notes(notes)
