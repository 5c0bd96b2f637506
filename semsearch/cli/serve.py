"""Define the command `semsearch serve`."""

import socket
from functools import partial
from pathlib import Path
from urllib.parse import quote

import click

from semsearch.cli import options, render
from semsearch.cli.language import CATALOGUES, into, tr


@options.command(
    "serve",
    short_help="Serve a page and an HTTP API.",
    examples=(
        "semsearch serve --open",
        "semsearch serve --watch notes/",
        "semsearch serve --host 0.0.0.0 --read-only",
    ),
    codes=(0, 1, 2, 10, 12, 13),
)
@click.argument("paths", nargs=-1, type=click.Path(exists=True, path_type=Path), metavar="[PATH]...")
@options.index
@click.option("--open", "opens", is_flag=True, help="Open the page in a browser.")
@click.option("--host", default="127.0.0.1", metavar="HOST", help="Let others in, who need the token.")
@click.option(
    "--port",
    default=7363,
    show_default=True,
    type=click.IntRange(0, 65535),
    metavar="PORT",
    help="A free one if taken.",
)
@click.option("--read-only", is_flag=True, help="Change nothing, whoever asks.")
@click.option("--token", envvar="SEMSEARCH_TOKEN", metavar="TOKEN", help="Every call needs this token.")
@click.option("--write", is_flag=True, help="Assistants may change the index, with the token.")
@click.option("--watch", is_flag=True, help="Keep the index up to date with its folders.")
def serve_(
    paths: tuple[Path, ...],
    folder: Path | None,
    opens: bool,
    host: str,
    port: int,
    read_only: bool,
    token: str | None,
    watch: bool,
    write: bool,
) -> None:
    """Serve the index to your browser and your programs, on this machine only, until Ctrl-C.

    The address shows a page for all that semsearch does; /docs describes the HTTP API. With --host, others on the
    network can reach it, so then every call needs the token, which the address has. The page can index files next to
    the index and below PATH.

    Clients of OpenAI and Ollama get vectors at /v1 and /api, and assistants are answered at /mcp. While it runs,
    `semsearch query` on this machine asks it, and needs no time to load anything.
    """
    from semsearch import threads
    from semsearch.errors import InvalidInput
    from semsearch.index import Index
    from semsearch.server.app import create_app
    from semsearch.server.context import Settings
    from semsearch.server.guard import is_loopback
    from semsearch.server.listen import Server, bound

    if token is not None and not (token.isascii() and token.isprintable() and token.strip() == token != ""):
        raise InvalidInput(
            "the token is empty, or has signs that no header can have", "use letters and digits"
        )
    threads.share_arenas()
    with Index.open(folder) as index, bound(host, port) as on:
        given = {"token": token} if token else {}
        private = bool(token) or not is_loopback(host)
        settings = Settings(
            private=private,
            read_only=read_only,
            watch=watch,
            write=write and not read_only,
            folders=paths,
            languages={name: partial(into, name) for name in CATALOGUES},
            **given,
        )
        app = create_app(index, settings)
        name = socket.gethostname() if host in ("0.0.0.0", "::") else host
        address = f"http://{f'[{name}]' if ':' in name else name}:{on.getsockname()[1]}/"
        if private:
            address += f"?token={quote(settings.token, safe='')}"
        if port and on.getsockname()[1] != port:
            render.talk(tr("note: port {port} is taken").format(port=port))

        def started() -> None:
            click.echo(address)
            render.talk(tr("Ctrl-C ends it"))
            if opens:
                click.launch(address)

        def ending() -> None:
            jobs = [job.kind for job in app.state.context.end()]
            said = tr("ending; waiting for {jobs}") if jobs else tr("ending")
            render.talk(
                tr("{said}. Ctrl-C again ends at once").format(said=said.format(jobs=", ".join(jobs)))
            )

        Server(app, started, ending).serve_on(on)
    render.talk(tr("ended"))
