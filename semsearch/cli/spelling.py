"""Find the command that a person means: other names, options before the command, and commands that were split."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import click

GLOBAL = dict.fromkeys(("--index", "--set", "--format", "--lang"), True) | dict.fromkeys(
    ("--json", "--jsonl", "--csv", "--markdown"), False
)
"""The options that mean the same in every command and may stand before it, and whether each takes a value."""
_ALIASES = {
    "search": "query",
    "find": "query",
    "ask": "query",
    "grep": "query",
    "index": "ingest",
    "add": "ingest",
    "update": "ingest",
    "sync": "ingest",
    "like": "similar",
    "dups": "dedup",
    "dupes": "dedup",
    "duplicates": "dedup",
    "dedupe": "dedup",
    "deduplicate": "dedup",
    "compare": "diff",
    "train": "tune",
    "evaluate": "eval",
    "restore": "undo",
    "info": "status",
    "stats": "status",
    "list": "status --sources",
    "ls": "status --sources",
    "explain": "why",
    "rm": "remove",
    "delete": "remove",
    "purge": "forget",
    "doctor": "check",
    "verify": "check",
    "fsck": "check",
    "fix": "repair",
    "settings": "config",
    "set": "config set",
    "version": "--version",
}
"""Names of other programs for what a command does."""
_POINTERS = {
    "init": "`semsearch ingest FOLDER` creates the index",
    "create": "`semsearch ingest FOLDER` creates the index",
    "new": "`semsearch ingest FOLDER` creates the index",
    "rebuild": "`semsearch ingest FOLDER` reads what changed, `semsearch repair` rebuilds the vectors",
    "reindex": "`semsearch ingest FOLDER` reads what changed, `semsearch repair` rebuilds the vectors",
    "refresh": "`semsearch ingest FOLDER` reads what changed",
    "watch": "`semsearch ingest --watch FOLDER` keeps the index up to date",
    "open": "`semsearch query WORDS --open` opens the first hit",
    "show": "`semsearch query WORDS --show full` shows whole passages, `semsearch why FILE` what is known of a file",
    "move": "`semsearch plan FILE` and `semsearch apply FILE` move duplicates",
    "clean": "`semsearch dedup-files DATA --output CLEAN` writes a data set without duplicates",
    "reset": "delete the folder .semsearch to begin again; `semsearch remove SOURCE` removes one source",
    "drop": "delete the folder .semsearch to begin again; `semsearch remove SOURCE` removes one source",
    "benchmark": "`semsearch bench-search` measures search, `semsearch eval` measures models",
}
"""Names that no command has, and what to type."""
_OF_THE_INDEX = frozenset({"--model", "--dtype", "--dimensions"})
"""Options that no command takes again once there is an index."""
SPLIT = {"dedup": ("dedup", "plan", "dedup-files")}
"""Commands that were one: PATHs mean the last, --plan FILE the one before it."""


def ordered(args: Sequence[str]) -> list[str]:
    """Return the arguments with the options that stand before the command behind it."""
    rest, moved = list(args), list[str]()
    while rest and (name := rest[0].partition("=")[0]) in GLOBAL:
        option = rest.pop(0)
        moved.append(option)
        if GLOBAL[name] and "=" not in option and rest:
            moved.append(rest.pop(0))
    if rest[:1] == ["help"]:
        rest = [*rest[1:2], "--help"]
    if not rest or rest[0].startswith("-"):
        return [*rest, *moved]
    return [*_ALIASES.get(rest[0], rest[0]).split(), *moved, *rest[1:]]


def meant(args: Sequence[str], commands: Callable[..., list[Any]]) -> list[str]:
    """Return the arguments with the command that they mean. `commands` returns commands by name.

    Raises `UsageError` for a name that a person may expect and no command has.
    """
    name, *rest = args
    if name in _POINTERS:
        raise click.UsageError(f"{name!r} is not a command: {_POINTERS[name]}")
    if name not in SPLIT:
        return [name, *rest]
    from semsearch.cli.command import arguments, takes_no_value

    _, plan, files = SPLIT[name]
    paths = any(arguments(rest, takes_no_value(commands(*SPLIT[name]))))
    end = rest.index("--") if "--" in rest else len(rest)
    at = next((at for at, arg in enumerate(rest[:end]) if arg.partition("=")[0] == "--plan"), None)
    if at is None:
        return [files if paths else name, *rest]
    if paths:
        raise click.UsageError("--plan is for the index, not for PATHs; for these, use --output")
    _, equals, file = rest[at].partition("=")
    after = at + 1 if equals else at + 2
    if after > len(rest):
        raise click.UsageError("--plan needs the name of a FILE to write")
    return [plan, *rest[:at], *rest[after:], "--", file if equals else rest[at + 1]]


def elsewhere(option: str, name: str | None, commands: Callable[..., list[Any]]) -> str | None:
    """Return what to say of an option that belongs to another command, or None."""
    if option in _OF_THE_INDEX:
        return (
            f"{option} is chosen when `semsearch ingest` makes the index, and the same for all that asks it"
        )
    for family in SPLIT.values():
        if name in family:
            others = [one.name for one in commands(*family) if option in one.option_names()]
            if others:
                belongs = " and ".join(f"`semsearch {other}`" for other in others)
                return f"{option} belongs to {belongs}, not to `semsearch {name}`"
    return None


def nearest(name: str, names: Iterable[str]) -> str | None:
    """Return the name that is nearest to a mistyped one, or None. A short one is never taken for a long one."""
    known = {**{one: one for one in names}, **{alias: one.split()[0] for alias, one in _ALIASES.items()}}
    import difflib  # for a wrong name only

    near = difflib.get_close_matches(name, known, 1, 0.7)
    return known[near[0]] if near else None
