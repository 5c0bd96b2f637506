"""The command line. Importing this package stays light: a command loads what it needs when it runs."""

import contextlib
import importlib
from collections.abc import Iterator
from typing import Any

import click

from semsearch import __version__
from semsearch.errors import SemsearchError

COMMANDS = {
    "ingest": "ingest",
    "query": "query",
    "similar": "similar",
    "dedup": "dedup",
    "diff": "diff",
    "apply": "plan",
    "undo": "plan",
    "leak": "leak",
    "tune": "tune",
    "label": "label",
    "eval": "eval",
    "bench-search": "bench",
    "status": "status",
    "remove": "status",
    "forget": "maintenance",
    "check": "maintenance",
    "repair": "maintenance",
    "completion": "completion",
}
"""Each command and the module of this package that holds it, in the order of `--help`."""


class _Reported(click.ClickException):
    """A `SemsearchError` as click shows it: `Error: ...`, then `hint: ...`, and its own exit code."""

    def __init__(self, error: SemsearchError) -> None:
        super().__init__(str(error))
        self.hint = error.hint
        setattr(self, "exit_code", error.exit_code)  # noqa: B010 - click declares it for the class only

    def show(self, file: Any = None) -> None:
        from semsearch.cli.render import plain

        click.echo(f"Error: {plain(self.message)}", file=file, err=True)
        if self.hint:
            click.echo(f"hint: {plain(self.hint)}", file=file, err=True)


@contextlib.contextmanager
def _safe() -> Iterator[None]:
    """Click repeats what it was given, which may be the name of a file: nothing of that reaches a terminal raw."""
    try:
        yield
    except click.ClickException as error:
        from semsearch.cli.render import plain

        said = plain(error.format_message())
        setattr(error, "format_message", lambda: said)  # noqa: B010 - one error's, not the class's
        raise


class _Commands(click.Group):
    """Loads the module of a command when it is asked for, and turns our errors into click's."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command: click.Command = getattr(
            importlib.import_module(f"semsearch.cli.{COMMANDS[name]}"), f"{name.replace('-', '_')}_"
        )
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            import difflib

            if near := difflib.get_close_matches(args[0], COMMANDS, 1):
                raise click.UsageError(f"no command {args[0]!r}; did you mean {near[0]!r}?", ctx) from error
            raise

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        with _safe():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            with _safe():
                return super().invoke(ctx)
        except SemsearchError as error:
            raise _Reported(error) from error


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="semsearch")
def main() -> None:
    """Search your own text by meaning, and find near-duplicates in it.

    \b
    semsearch ingest docs/                  index a folder
    semsearch query "how do refunds work"   find passages
    semsearch dedup                         find near-duplicates
    semsearch tune --pairs sample           choose dedup's threshold

    Everything stays on this machine. The index is the nearest .semsearch folder upwards, as git finds .git;
    --index DIR or SEMSEARCH_INDEX name another.
    """
