"""`semsearch config`: show and change the settings."""

from pathlib import Path
from typing import Any

import click

from semsearch.cli import options, render, settings
from semsearch.cli.language import tr, translated
from semsearch.errors import InvalidInput, SemsearchError


@options.command(
    "config",
    short_help="Show the settings and where each comes from; set and unset them.",
    examples=(
        "semsearch config",
        "semsearch config set k 10",
        "semsearch config set --user model ./my-model",
        "semsearch config unset k",
        "semsearch config path",
        "semsearch config set openai:bge-m3 http://127.0.0.1:8080/v1",
    ),
    codes=(0, 2),
)
@click.argument("action", default="show", metavar="[ACTION]")
@click.argument("key", default="", metavar="[KEY]")
@click.argument("value", default="", metavar="[VALUE]")
@click.option("--user", is_flag=True, help="Change your own file, not the index's.")
@options.index
@options.as_json
def config_(action: str, key: str, value: str, user: bool, folder: Path | None, as_json: bool) -> None:
    """Show the settings with their values and where each comes from.

    \b
    semsearch config [show]           all settings
    semsearch config set KEY VALUE    write a setting to a file
    semsearch config unset KEY        remove it from the file
    semsearch config path             the files that are read

    An option on the command line comes first, then --set KEY=VALUE, then the environment (SEMSEARCH_K for k), then
    semsearch.toml in the index's folder, then your own. `set` writes to the index's file, or without an index, or with
    --user, to yours. Nothing is read from the working directory.

    An index may come from someone else. So its file may only choose what is shown, such as k, mode and threshold. A
    model, sizes and waiting times belong in your own file.

    A KEY such as openai:NAME or ollama:NAME is a model on a server, and VALUE the URL of its server. That is what
    --base-url remembers: texts for this model go there, whichever index names it.
    """
    from semsearch.embedding import REMOTE

    actions = {"show": (0, 0), "path": (0, 0), "set": (2, 2), "unset": (1, 1)}
    if action not in actions:
        raise InvalidInput(f"{action!r} is not an action: {', '.join(actions)}", "semsearch config --help")
    if (count := bool(key) + bool(value)) not in range(actions[action][0], actions[action][1] + 1):
        wanted = {0: "no KEY", 1: "a KEY", 2: "a KEY and a VALUE"}[actions[action][0]]
        raise InvalidInput(f"`config {action}` takes {wanted}, not {count}", "semsearch config --help")
    paths = {"index": settings.index_file(folder), "user": settings.user_file()}
    if action == "path":
        if as_json:
            render.emit_json({name: path and str(path) for name, path in paths.items()})
        for name, path in paths.items() if not as_json else ():
            click.echo(f"{name:<6} {render.name(str(path)) if path else tr('no index here')}")
    elif action == "show":
        _show(folder, as_json)
    elif key.startswith(REMOTE):
        _change_server(key, value if action == "set" else None)
    else:
        _change(paths, settings.require_key(key), value if action == "set" else None, user)


def _change(paths: dict[str, Path | None], key: str, value: str | None, user: bool) -> None:
    """Set a setting in one of the files, or unset it."""
    setting = settings.SETTINGS[key]
    file = "user" if user or paths["index"] is None or "index" not in setting.files else "index"
    settings.require_place(key, file)
    path = paths[file]
    assert path is not None
    if file == "index" and not path.parent.is_dir():
        raise InvalidInput(f"there is no index in {path.parent}", "use --user")
    stored: Any = None
    if value is not None:
        converted = settings.convert(key, value, settings.COMMAND_LINE)
        if key == "model":
            _check_model(value)
        plain_number = isinstance(converted, bool | int | float) and str(converted).lower() == value.lower()
        stored = converted if plain_number else value  # 85% and 2GB stay as they were typed
    settings.write(path, key, stored)
    what = f"{key} = {value}" if value is not None else tr("no {key}").format(key=key)
    render.talk(tr("{what} in {file}").format(what=what, file=render.relative(path)))


def _check_model(name: str) -> None:
    """Raise the error of a folder that has no model. Of a name that is not on this machine yet, say so."""
    from semsearch.embedding import load_embedder

    try:
        load_embedder(name, fetch=False)
    except SemsearchError as error:
        if name.startswith((".", "/", "~")) or Path(name).exists():
            raise
        render.talk(tr("note: {note}").format(note=translated(str(error))))


def _change_server(model: str, url: str | None) -> None:
    """Remember the server of a model, or forget it."""
    from semsearch.embedding import servers
    from semsearch.embedding.remote import full_url

    if url is not None:
        known = servers.find(model)
        if not servers.remember(servers.Server(model, full_url(model, url), known.weights if known else "")):
            raise InvalidInput(f"cannot write to {servers.path_of(model).parent}")
        render.talk(tr("text for {model} goes to {url}").format(model=model, url=full_url(model, url)))
    elif servers.forget(model):
        render.talk(tr("text for {model} goes nowhere").format(model=model))
    else:
        raise InvalidInput(f"no server is known for {model}", "`semsearch config` lists them")


def _show(folder: Path | None, as_json: bool) -> None:
    """Print every setting with its value and origin, and the servers of models."""
    from semsearch.embedding import servers

    chosen = settings.effective(settings.SETTINGS, folder=folder)
    chosen |= {
        server.model: settings.Choice(server.base_url, str(servers.path_of(server.model)))
        for server in servers.known()
    }
    if as_json:
        render.emit_json({key: {"value": one.value, "origin": one.origin} for key, one in chosen.items()})
        return
    rows = [
        (
            key,
            "-"
            if one.value is None
            else str(one.value).lower()
            if isinstance(one.value, bool)
            else f"{one.value}",
            _origin(one.origin),
        )
        for key, one in chosen.items()
    ]
    render.table((tr("setting"), tr("value"), tr("from")), rows)


def _origin(origin: str) -> str:
    return render.relative(Path(origin)) if Path(origin).is_absolute() else tr(origin)
