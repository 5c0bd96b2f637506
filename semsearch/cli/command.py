"""One class for all commands: their help on a screen, their settings, and the spellings that they understand."""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import click

from semsearch import threads
from semsearch.cli import language, settings, spelling
from semsearch.cli.language import tr
from semsearch.cli.spelling import GLOBAL
from semsearch.cli.wide import WideFormatter, padded

_FORMATS = ("json", "jsonl", "csv", "markdown")
_OTHER_SPELLINGS = {
    "--delimiter {}": "--table delimiter={}",
    "--encoding {}": "--table encoding={}",
    "--no-header": "--table header=no",
    "--lines": "--table lines=yes",
    "--keep-all": "--remove none",
}
"""Spellings that a command understands if it has the option on the right and not the one on the left."""
_EXIT_CODES = {
    0: "done",
    1: "failed",
    2: "wrong usage",
    3: "some sources could not be read",
    10: "no index",
    11: "locked by another process",
    12: "another model or settings",
    13: "index damaged",
}
_COLUMN = 24
"""Columns of the names of options in help."""


class Command(click.Command):
    """A command whose help starts with examples, and that takes defaults from `semsearch.toml`.

    The first paragraph of the help text stands before the examples and options, the rest after them.

    Args:
        examples: Lines that a reader can type.
        codes: The exit codes of the command.
        groups: The names of parameters by heading; those that are not named come last.
        settings: Settings that the command takes as arguments of its function without having an option for each.
    """

    def __init__(
        self,
        *args: Any,
        examples: Sequence[str] = (),
        codes: Sequence[int] = (0, 2),
        groups: Mapping[str, Sequence[str]] | None = None,
        settings: Sequence[str] = (),
        **rest: Any,
    ) -> None:
        super().__init__(*args, **rest)
        self.examples, self.codes, self.groups = examples, codes, groups or {}
        self.settings = tuple(settings)
        if self.configurable:
            self.params.append(
                click.Option(
                    ["--set", "given"],
                    multiple=True,
                    metavar="KEY=VALUE",
                    expose_value=False,
                    callback=settings_given,
                    help="A setting for this run; `semsearch config` lists them.",
                )
            )
        self.params.append(language_option())

    @property
    def configurable(self) -> list[str]:
        """The settings that this command uses, with an option or without."""
        named = {
            str(param.name).replace("_", "-")
            for param in self.params
            if isinstance(param, click.Option) and param.expose_value
        }
        return [key for key in settings.SETTINGS if key in named or key in self.settings]

    def option_names(self) -> set[str]:
        """Return every spelling of every option, without those that only `respelled` understands."""
        return {name for param in self.params for name in (*param.opts, *param.secondary_opts)}

    def spellings(self) -> dict[str, str]:
        """Return what else the command understands: the spelling, with {} for a value, and what it stands for."""
        has = self.option_names()
        known = {f"--{key} {{}}": f"--set {key}={{}}" for key in self.settings}
        known |= {
            spelling: meaning
            for spelling, meaning in _OTHER_SPELLINGS.items()
            if meaning.split()[0] in has and spelling.split()[0] not in has
        }
        return {spelling: meaning for spelling, meaning in known.items() if spelling.split()[0] not in has}

    def respelled(self, args: Sequence[str]) -> list[str]:
        """Return the arguments in the command's own spelling."""
        known = {spelling.split()[0]: (spelling, meaning) for spelling, meaning in self.spellings().items()}
        formats = [name for name in _FORMATS if f"--{name}" in self.option_names()]
        rest, done = list(args), list[str]()
        while rest:
            arg = rest.pop(0)
            if arg == "--":
                return [*done, arg, *rest]
            name, equals, value = arg.partition("=")
            if name == "--format" and formats and name not in self.option_names():
                value = value if equals else rest.pop(0) if rest else ""
                if value not in (*formats, "text"):
                    raise click.UsageError(f"--format is one of {', '.join((*formats, 'text'))}")
                done += [f"--{value}"] if value != "text" else []
            elif name in known:
                spelling, meaning = known[name]
                if "{}" in spelling and not equals:
                    if not rest:
                        raise click.BadOptionUsage(name, f"Option {name!r} requires an argument.")
                    value = rest.pop(0)
                done += [part.replace("{}", value) for part in meaning.split()]
            else:
                done.append(arg)
        return done

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments, and fill in the settings that they leave open."""
        try:
            left = super().parse_args(ctx, self.respelled(args))
        except click.NoSuchOption as error:
            group = ctx.parent.command if ctx.parent else None
            if isinstance(group, click.Group):
                get = partial(group.get_command, ctx)
                if hint := spelling.elsewhere(
                    error.option_name, self.name, lambda *names: list(map(get, names))
                ):
                    raise click.UsageError(hint, ctx) from error
            raise
        if not ctx.resilient_parsing:
            self._require_one_format(ctx)
            self._fill_in(ctx)
        return left

    def _require_one_format(self, ctx: click.Context) -> None:
        wanted = {f"--{name}" for name in _FORMATS}
        given = [
            param.opts[0]
            for param in self.params
            if wanted.intersection(param.opts) and ctx.params.get(str(param.name))
        ]
        if len(given) > 1:
            raise click.UsageError(f"{' and '.join(given)} exclude each other; give one of them", ctx)

    def _fill_in(self, ctx: click.Context) -> None:
        wanted = self.configurable
        if not wanted:
            return
        chosen = settings.effective(
            wanted,
            given=ctx.meta.get(settings.GIVEN, ()),
            folder=ctx.params.get("folder"),
            of_index="folder" in ctx.params,
        )
        if "threads" in chosen:  # which is for the libraries, not for the command's function
            ctx.with_resource(threads.limited(chosen.pop("threads").value))
        for key, choice in chosen.items():
            name = key.replace("-", "_")
            has_option = key not in self.settings
            by_default = ctx.get_parameter_source(name) is click.core.ParameterSource.DEFAULT
            if not has_option or (by_default and choice.origin != settings.BUILT_IN):
                ctx.params[name] = choice.value
                ctx.meta[f"{settings.GIVEN}.{name}"] = choice.origin

    # -- help -----------------------------------------------------------------------------------------------

    def get_help(self, ctx: click.Context) -> str:
        """Return the help in the language that is set."""
        formatter = formatter_of(ctx)
        self.format_help(ctx, formatter)
        return formatter.getvalue().rstrip("\n")

    def get_short_help_str(self, limit: int = 45) -> str:
        """Return the first words of the help, which shells show next to the name."""
        return tr(super().get_short_help_str(limit))

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the line that shows the arguments."""
        formatter.write_usage(ctx.command_path, " ".join(self.collect_usage_pieces(ctx)), tr("Usage: "))

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write usage, a few words, examples and options; then the details."""
        self.format_usage(ctx, formatter)
        first, _, rest = (self.help or "").partition("\n\n")
        _paragraphs(formatter, first)
        with formatter.section(tr("Examples")):
            for example in self.examples:
                formatter.write(f"  {example}\n")
        self.format_options(ctx, formatter)
        if rest:
            _paragraphs(formatter, rest)
        meanings = tr(", ").join(f"{code} {tr(_EXIT_CODES[code])}" for code in self.codes)
        _paragraphs(formatter, tr("Exit codes: {codes}.").format(codes=meanings))

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options by heading, and those of every command on a line."""
        own = {str(param.name): param for param in self.params if isinstance(param, click.Option)}
        common = {name: own.pop(name) for name in list(own) if own[name].opts[0] in GLOBAL}
        groups = {
            title: [own.pop(name) for name in names if name in own] for title, names in self.groups.items()
        }
        groups["Other options" if groups else "Options"] = list(own.values())
        for title, params in groups.items():
            if rows := [_row(param) for param in params if not param.hidden]:
                with formatter.section(tr(title)):
                    formatter.write_dl(
                        [(padded(names, _COLUMN), text) for names, text in rows], col_max=_COLUMN
                    )
        anywhere = [_row(param)[0] for param in common.values()]
        also = tr("Also: {options}.").format(options=", ".join((*anywhere, "-h, --help")))
        if self.settings:
            names = ", ".join(f"--{key}" for key in self.settings)
            also += tr(" Settings (`semsearch config`): {names}.").format(names=names)
        _paragraphs(formatter, also)

    def help_texts(self) -> Iterator[str]:
        """Yield every English text that this command's help translates."""
        yield self.get_short_help_str(1_000)
        yield from map(_unwrapped, inspect.cleandoc(self.help or "").split("\n\n"))
        yield from (title for title in self.groups)
        yield from (param.help or "" for param in self.params if isinstance(param, click.Option))


def command(
    name: str, *, cls: type[Command] = Command, **rest: Any
) -> Callable[[Callable[..., None]], Command]:
    """Return the decorator that makes a `Command`, or the `cls` that is given, of a function."""
    return click.command(name, cls=cls, **rest)


def settings_given(ctx: click.Context, param: click.Parameter, value: Sequence[str]) -> None:
    """Keep the settings of the command line for `Command`. The language is set already."""
    for pair in value:
        if pair.startswith("lang="):
            settings.convert("lang", pair.removeprefix("lang="), settings.COMMAND_LINE)
    ctx.meta[settings.GIVEN] = tuple(pair for pair in value if not pair.startswith("lang="))


def language_option() -> click.Option:
    """Return the option for the language, which `language.choose` reads before click does."""
    return click.Option(
        ["--lang"],
        type=click.Choice(language.LANGUAGES),
        metavar="|".join(language.LANGUAGES),
        expose_value=False,
        help="The language of help and messages. Default: from the locale.",
    )


def formatter_of(ctx: click.Context) -> click.HelpFormatter:
    """Return the formatter of help in the language that is set."""
    if language.current() == "en":
        return ctx.make_formatter()
    return WideFormatter(width=ctx.terminal_width, max_width=ctx.max_content_width)


def given(name: str) -> bool:
    """Return whether an option's value was typed, not taken from a file or the environment."""
    ctx = click.get_current_context()
    origin: str = ctx.meta.get(f"{settings.GIVEN}.{name}", settings.COMMAND_LINE)
    return origin == settings.COMMAND_LINE


def takes_no_value(commands: Sequence[Command]) -> set[str]:
    """Return the spellings of all options of some commands that no value follows."""
    names = {"-h", "--help"}
    for one in commands:
        for param in one.params:
            if isinstance(param, click.Option) and (param.is_flag or param.count):
                names |= {*param.opts, *param.secondary_opts}
        names |= {spelling for spelling in one.spellings() if "{}" not in spelling}
    return names


def arguments(args: Sequence[str], flags: set[str]) -> Iterator[str]:
    """Yield the arguments that are neither options nor their values."""
    rest = list(args)
    while rest:
        arg = rest.pop(0)
        if arg == "--":
            yield from rest
            return
        if not arg.startswith("-") or arg == "-":
            yield arg
        elif "=" not in arg and arg not in flags and rest:
            rest.pop(0)


def _row(param: click.Option) -> tuple[str, str]:
    """Return the names of an option, of several the first short and long one, and its help with the default."""
    short = next((name for name in param.opts if not name.startswith("--")), "")
    long = next((name for name in param.opts if name.startswith("--")), "")
    names = ", ".join(filter(None, (short, long)))
    if param.secondary_opts:
        names += f"/{param.secondary_opts[0]}"
    elif not param.is_flag:
        metavar = param.metavar or ("MODE" if isinstance(param.type, click.Choice) else "")
        names += f" {metavar or str(param.type.name).upper()}"
    text = tr(param.help or "")
    if param.show_default and not param.is_flag:
        text += f" [{param.default}]"
    return names, text


def _paragraphs(formatter: click.HelpFormatter, text: str) -> None:
    """Write some paragraphs of help. After click's mark \\b, a paragraph keeps its lines."""
    formatter.write_paragraph()
    paragraphs = inspect.cleandoc(text).split("\n\n")
    formatter.write_text("\n\n".join(tr(_unwrapped(paragraph)) for paragraph in paragraphs))


def _unwrapped(paragraph: str) -> str:
    """Return a paragraph on one line, which is its key in a catalogue, unless it keeps its lines."""
    return paragraph if paragraph.startswith("\b\n") else " ".join(paragraph.split())
