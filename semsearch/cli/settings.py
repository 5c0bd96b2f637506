"""Settings: defaults that a person writes into `semsearch.toml`, into the environment, or after --set.

Two files are read: one in the user's configuration folder, and one in the folder of the index. Nothing is read from the
working directory or from a folder of texts. An index may come from a stranger, so its file may only contain settings
that change which results are shown: docs/decisions/0095-settings.md.
"""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from semsearch.cli.language import LANGUAGES
from semsearch.cli.user_file import FILE as FILE
from semsearch.cli.user_file import user_file as user_file
from semsearch.cli.values import ServerUrl, Share, Size
from semsearch.errors import InvalidInput
from semsearch.requests import DEFAULT_CACHE, DEFAULT_MEMORY

GIVEN = "semsearch.settings"
"""The key in a context's `meta` of the settings that the command line gives."""
COMMAND_LINE, BUILT_IN = "command line", "default"
_MOST_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting: the type of its value, the value without any file, what it is for, and which files may have it."""

    type: click.ParamType[Any]
    default: Any
    help: str
    files: frozenset[str] = frozenset({"user", "index"})


_USER, _INDEX = frozenset({"user"}), frozenset({"index"})
SETTINGS: Mapping[str, Setting] = {
    "k": Setting(click.IntRange(min=1), 5, "query, similar: most hits"),
    "mode": Setting(click.Choice(["hybrid", "dense", "lexical"]), "hybrid", "query: what to search by"),
    "min-score": Setting(Share(-1), -1.0, "query, similar: lowest cosine of a hit"),
    "min-relevance": Setting(Share(0), None, "query: lowest relevance of a hit; 0 shows all"),
    "per-document": Setting(click.IntRange(min=1), 2, "query: most hits from one document"),
    "collapse": Setting(click.BOOL, True, "query: collapse near-copies of a hit"),
    "show": Setting(
        click.Choice(["snippet", "full", "path"]), "snippet", "query, similar: what to show of a hit"
    ),
    "rerank-top": Setting(click.IntRange(min=1), 50, "query: hits that --rerank reads"),
    "threshold": Setting(Share(-1), None, "dedup, plan: lowest similarity (default: the tuned one)", _INDEX),
    "lexical": Setting(Share(0), None, "dedup, plan, dedup-files: also pair by this share of word triples"),
    "linkage": Setting(
        click.Choice(["keeper", "complete", "single"]),
        "keeper",
        "dedup, plan, dedup-files: a member is like the keeper, all others, or any other",
    ),
    "model": Setting(
        click.STRING, None, "ingest, dedup-files, leak: model of a new index, or of files", _USER
    ),
    "base-url": Setting(
        ServerUrl(), None, "ingest, dedup-files, leak, eval: server of ollama:NAME or openai:NAME", _USER
    ),
    "dtype": Setting(
        click.Choice(["float32", "bfloat16", "int8", "auto"]),
        None,
        "arithmetic: bfloat16 (needs semsearch[fast]) and int8 (moves cosines by 0.05) are faster",
        _USER,
    ),
    "device": Setting(
        click.Choice(["auto", "cpu", "cuda"]), "auto", "ingest, batch: where the model runs", _USER
    ),
    "max-size": Setting(Size(), 50 * 10**6, "ingest: skip larger files", _USER),
    "memory": Setting(Size(), DEFAULT_MEMORY, "dedup, plan, dedup-files: working memory", _USER),
    "vector-cache": Setting(
        Size(), DEFAULT_CACHE, "dedup-files, leak: most that cached vectors may take; 0 for no cache", _USER
    ),
    "threads": Setting(
        click.IntRange(min=1),
        None,
        "threads to compute with (default: the cores this process may use)",
        _USER,
    ),
    "wait": Setting(
        click.FloatRange(min=0), 10.0, "seconds to wait for another process that writes to the index", _USER
    ),
    "lang": Setting(
        click.Choice(LANGUAGES),
        None,
        "the language of help and messages (default: from the locale)",
        _USER,
    ),
}


@dataclass(frozen=True, slots=True)
class Choice:
    """The value of a setting, and where it comes from."""

    value: Any
    origin: str


def index_file(folder: Path | None) -> Path | None:
    """Return the path of the file in the folder of the index, or None without an index. It need not exist."""
    from semsearch.storage.location import locate

    found = locate(folder)
    return found / FILE if found is not None else None


def effective(
    wanted: Iterable[str], *, given: Sequence[str] = (), folder: Path | None = None, of_index: bool = True
) -> dict[str, Choice]:
    """Return each wanted setting: from the command line, else the environment, the index, or the user's file.

    `given` are the KEY=VALUE pairs of the command line. Without `of_index` the file of the index is not read. Raises
    `InvalidInput` for a key or a value that is not valid, wherever it stands.
    """
    wanted = list(wanted)
    typed: dict[str, Any] = {}
    for pair in given:
        key, equals, value = pair.partition("=")
        if not equals:
            raise InvalidInput(f"--set {pair} has no value", "write KEY=VALUE, such as --set k=10")
        key = require_key(key)
        if key not in wanted:
            raise InvalidInput(f"this command does not use the setting {key}", f"it uses {', '.join(wanted)}")
        typed[key] = value
    variables = {key: os.environ[name] for key in SETTINGS if (name := variable(key)) in os.environ}
    layers: list[tuple[str, Mapping[str, Any]]] = [(COMMAND_LINE, typed)]
    layers.append(("environment", {key: value for key, value in variables.items() if value}))
    if of_index and (path := index_file(folder)) is not None:
        layers.append((str(path), read(path, "index")))
    layers.append((str(user_file()), read(user_file(), "user")))
    chosen = {}
    for key in wanted:
        for origin, values in layers:
            if key in values:
                chosen[key] = Choice(convert(key, values[key], origin), origin)
                break
        else:
            chosen[key] = Choice(SETTINGS[key].default, BUILT_IN)
    return chosen


def variable(key: str) -> str:
    """Return the name of a setting's environment variable."""
    return f"SEMSEARCH_{key.replace('-', '_').upper()}"


def require_key(key: str) -> str:
    """Return a setting's name with hyphens. Raises `InvalidInput` with the nearest name if there is no such setting."""
    name = key.strip().replace("_", "-").lower()
    if name in SETTINGS:
        return name
    import difflib

    near = difflib.get_close_matches(name, SETTINGS, 1)
    raise InvalidInput(
        f"there is no setting {key!r}",
        f"did you mean {near[0]}?" if near else "`semsearch config` lists the settings",
    )


def convert(key: str, value: Any, origin: str) -> Any:
    """Return the value of a setting in its type. Raises `InvalidInput` that says where the value comes from."""
    try:
        return SETTINGS[key].type.convert(str(value), None, None)
    except click.BadParameter as error:
        where = "" if origin == COMMAND_LINE else f" ({origin})"
        raise InvalidInput(f"{key}{where}: {error.message}") from error


def read(path: Path, file: str) -> dict[str, Any]:
    """Return the settings in a file, none if it does not exist. `file` is "user" or "index".

    Raises `InvalidInput` for a file that is not TOML, and for a key that is unknown or not allowed in such a file.
    """
    if not os.path.lexists(path):
        return {}
    import tomllib

    from semsearch.files import read_bounded

    try:
        values = tomllib.loads(read_bounded(path, _MOST_BYTES).decode())
    except OSError as error:
        raise InvalidInput(f"cannot read {path}: {(error.strerror or str(error)).lower()}") from error
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{path} is not a file of settings: {error}", "a line is KEY = VALUE") from error
    found = {}
    for key, value in values.items():
        try:
            name = require_key(key)
            require_place(name, file)
        except InvalidInput as error:
            raise InvalidInput(f"{path}: {error}", error.hint) from error
        found[name] = value
    return found


def require_place(key: str, file: str) -> None:
    """Raise `InvalidInput` if a setting may not stand in that file."""
    if file in SETTINGS[key].files:
        return
    if file == "index":
        raise InvalidInput(f"{key} cannot be set by an index, which may come from anyone", "use --user")
    raise InvalidInput(
        f"{key} belongs to an index: it depends on the model and the texts", "leave out --user"
    )


def write(path: Path, key: str, value: Any) -> None:
    """Set one setting in a file, or unset it if the value is None. Other lines and comments stay."""
    import json

    from semsearch.files import disk, replacing

    if os.path.lexists(path) and (path.is_symlink() or not path.is_file()):
        raise InvalidInput(f"{path} is not an ordinary file", "move it away")
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    name = key.replace("-", "[-_]")
    at = [
        number for number, line in enumerate(lines) if re.match(rf"""\s*["']?{name}["']?\s*=""", line, re.I)
    ]
    line = [] if value is None else [f"{key} = {json.dumps(value, ensure_ascii=False)}"]
    kept = [text for number, text in enumerate(lines) if number not in at]
    kept[at[0] if at else len(kept) : at[0] if at else len(kept)] = line
    with disk(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as stream:
            stream.write("".join(f"{text}\n" for text in kept).encode())
