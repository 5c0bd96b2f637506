"""The command line. Importing this package is cheap: a command imports what it needs when it runs."""

import contextlib
import errno
import importlib
import os
import signal
import sys
from collections.abc import Iterator
from functools import partial
from typing import Any

import click

from semsearch import __version__
from semsearch.cli import language, spelling
from semsearch.cli.language import tr, translated
from semsearch.cli.signals import interruptible
from semsearch.errors import SemsearchError

SECTIONS = {
    "Search": {
        "ingest": ("ingest", "index files"),
        "query": ("query", "find passages"),
        "serve": ("serve", "serve a page, an API"),
        "clusters": ("clusters", "what it is about"),
        "drift": ("drift", "what has changed"),
        "mcp": ("mcp", "serve an assistant"),
    },
    "Duplicates": {
        "similar": ("similar", "find similar texts"),
        "dedup": ("dedup", "find near-duplicates"),
        "diff": ("diff", "compare two texts"),
        "plan": ("dedup", "plan a removal"),
        "apply": ("plan", "carry out a plan"),
        "undo": ("plan", "take a removal back"),
    },
    "Data sets": {
        "dedup-files": ("dedup", "clean a data set"),
        "leak": ("leak", "find leaked tests"),
        "triage": ("triage", "label by examples"),
        "batch": ("batch", "use a Ray cluster"),
    },
    "Quality": {
        "label": ("label", "label pairs"),
        "tune": ("tune", "choose a threshold"),
        "adapt": ("adapt", "train the model"),
        "eval": ("eval", "compare models"),
        "bench-search": ("bench", "measure search"),
        "models": ("models", "list models"),
    },
    "Index": {
        "status": ("status", "show the index"),
        "why": ("why", "why is a file in it?"),
        "remove": ("status", "remove a source"),
        "forget": ("maintenance", "remove every trace"),
        "check": ("maintenance", "verify the index"),
        "repair": ("maintenance", "rebuild its vectors"),
    },
    "Other": {
        "demo": ("demo", "see it at work"),
        "config": ("config", "show, set defaults"),
        "engine": ("engine", "where vectors are"),
        "completion": ("completion", "complete in a shell"),
    },
}
"""The commands by section of `--help`, each with the module of this package that has it and a few words."""
COMMANDS = {name: module for section in SECTIONS.values() for name, (module, _) in section.items()}


_CONTINUED = frozenset({"ingest", "apply", "undo", "repair", "remove", "forget", "batch"})
"""The commands that change an index or files, and that go on where they were interrupted."""


class _Reported(click.ClickException):
    """A `SemsearchError` in click's form: `Error: ...`, then `hint: ...`, with the exit code of the error."""

    def __init__(self, error: SemsearchError) -> None:
        super().__init__(str(error))
        self.hint = error.hint
        setattr(self, "exit_code", error.exit_code)  # noqa: B010 - click declares it for the class only

    def show(self, file: Any = None) -> None:
        """Print the message and the hint on standard error."""
        from semsearch.cli.render import plain

        click.echo(
            tr("Error: {message}").format(message=plain(translated(self.message))), file=file, err=True
        )
        if self.hint:
            click.echo(tr("hint: {hint}").format(hint=plain(translated(self.hint))), file=file, err=True)


class _Ended(click.ClickException):
    """An interruption in click's form: one line on standard error, and the exit code that shells know."""

    def __init__(self, interruption: KeyboardInterrupt) -> None:
        notes = getattr(interruption, "__notes__", [])
        super().__init__(tr("; ").join([tr("interrupted"), *notes]))
        number = getattr(interruption, "number", signal.SIGINT)
        setattr(self, "exit_code", 128 + number)  # noqa: B010 - click declares it for the class only

    def show(self, file: Any = None) -> None:
        """Print what was interrupted on standard error, on a separate line."""
        ends_echo = "\n" if sys.stderr.isatty() else ""  # the terminal has shown ^C
        click.echo(f"{ends_echo}{self.message}", file=file, err=True)


@contextlib.contextmanager
def _quiet_pipe() -> Iterator[None]:
    """End the command silently where nobody reads its output any more, with the exit code of SIGPIPE.

    Output to a full disk is an error of one line.
    """
    try:
        yield
    except OSError as error:
        closed = isinstance(error, BrokenPipeError)
        if not closed and (error.errno != errno.ENOSPC or error.filename is not None):
            raise
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except OSError:  # Python would flush it again as it ends, and report the error
                os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
        if closed:
            raise click.exceptions.Exit(128 + 13) from None
        raise click.ClickException(
            tr("the output could not be written: no space left on the device")
        ) from None


@contextlib.contextmanager
def _safe() -> Iterator[None]:
    """Escape control characters in click's own errors, which quote the arguments, and translate them."""
    try:
        yield
    except click.ClickException as error:
        from semsearch.cli.render import plain

        said = plain(translated(error.format_message()))
        setattr(error, "format_message", lambda: said)  # noqa: B010 - for this error, not for its class
        if language.current() != "en":
            setattr(error, "show", partial(_show, error))  # noqa: B010
        raise


def _show(error: click.ClickException, file: Any = None) -> None:
    """Print an error of click as click does, in another language."""
    ctx = error.ctx if isinstance(error, click.UsageError) else None
    if ctx is not None:
        click.echo(ctx.get_usage(), file=file, err=True)
        click.echo(tr("Try '{command} --help' for help.").format(command=ctx.command_path) + "\n", err=True)
    click.echo(tr("Error: {message}").format(message=error.format_message()), file=file, err=True)


class _Commands(click.Group):
    """Import a command's module when the command is needed, and turn our errors into click's."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, in the order of `--help`."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Return the command of that name, or None."""
        if name not in COMMANDS:
            return None
        command: click.Command = getattr(
            importlib.import_module(f"semsearch.cli.{COMMANDS[name]}"), f"{name.replace('-', '_')}_"
        )
        return command

    def main(self, args: Any = None, *rest: Any, **options: Any) -> Any:
        """Run the command line in the language that it, the settings or the locale ask for."""
        language.choose(sys.argv[1:] if args is None else args)
        return super().main(args, *rest, **options)

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write help that fits a screen of 24 lines, so that the first command is not scrolled away."""
        from semsearch.cli.wide import padded

        usage = tr("Usage: ") + f"{ctx.command_path} COMMAND [ARGUMENT]... [OPTION]..."
        formatter.write(f"{usage}\n{tr(self.help or '')}\n\n")
        for command, words in _FIRST.items():
            formatter.write(f"  {command:<40}{tr(words)}\n")
        formatter.write("\n")
        for title, commands in SECTIONS.items():
            entries = [f"{name:<13}{tr(words)}" for name, (_, words) in commands.items()]
            for at in range(0, len(entries), 2):
                heading = padded(tr(title) if at == 0 else "", 12)
                formatter.write(
                    f"{heading}{padded(entries[at], 34)}{''.join(entries[at + 1 : at + 2])}".rstrip() + "\n"
                )
        formatter.write(f"\n{tr(_ANYWHERE)}\n")

    def help_texts(self) -> Iterator[str]:
        """Yield every English text that the help of the whole program translates."""
        yield from (self.help or "", _ANYWHERE, *_FIRST.values(), *SECTIONS)
        yield from (words for commands in SECTIONS.values() for _, words in commands.values())

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments. Options that all commands share may stand before the command."""
        return super().parse_args(ctx, spelling.ordered(args))

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """Return the command that the arguments mean. Another name raises an error with the nearest command."""
        try:
            name, *rest = spelling.meant(args, partial(self._commands, ctx))
            return super().resolve_command(ctx, [name, *rest])
        except click.UsageError as error:
            if error.ctx is None:
                error.ctx = ctx
            near = spelling.nearest(args[0], COMMANDS)
            if near and args[0] not in COMMANDS and isinstance(error, click.NoSuchCommand):
                message = tr("{name!r} is not a command. Did you mean {near!r}?").format(
                    name=args[0], near=near
                )
                raise click.UsageError(message, ctx) from error
            raise

    def _commands(self, ctx: click.Context, *names: str) -> list[Any]:
        return [self.get_command(ctx, name) for name in names]

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        """Parse the arguments."""
        with _safe(), _quiet_pipe():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            with _safe(), _quiet_pipe(), interruptible(signal.SIGINT, signal.SIGTERM):
                return super().invoke(ctx)
        except SemsearchError as error:
            raise _Reported(error) from error
        except KeyboardInterrupt as interruption:
            if ctx.invoked_subcommand in _CONTINUED:
                interruption.add_note(tr("run the same command to continue"))
            raise _Ended(interruption) from None


_FIRST = {
    "semsearch ingest docs/": "index a folder, in ./.semsearch",
    'semsearch query "how do refunds work"': "find passages",
}
_ANYWHERE = "COMMAND --help has examples. --lang zh: Chinese. -V, --version, -h, --help"


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", prog_name="semsearch")
@click.option("--lang", type=click.Choice(language.LANGUAGES), expose_value=False)
def main() -> None:
    """Search your own text by meaning, and find near-duplicates in it. All offline."""
