"""`semsearch completion`: the scripts with which shells complete commands."""

import click

from semsearch.cli import options

_SHELLS = ("bash", "zsh", "fish")


@options.command(
    "completion",
    short_help="Print a shell's completion script.",
    examples=(
        "semsearch completion bash > ~/.local/share/bash-completion/completions/semsearch",
        "semsearch completion zsh > ~/.zfunc/_semsearch",
        "semsearch completion fish > ~/.config/fish/completions/semsearch.fish",
    ),
    codes=(0, 2),
)
@click.argument("shell", type=click.Choice(_SHELLS))
def completion_(shell: str) -> None:
    """Print the script with which SHELL completes commands, options and file names.

    Save it where the shell looks for such scripts, as in the examples, and start a new shell. The folder must exist.
    For zsh, ~/.zshrc needs this line before it calls compinit: fpath+=~/.zfunc
    """
    from click.shell_completion import get_completion_class

    from semsearch.cli import main

    kind = get_completion_class(shell)
    if kind is None:  # a shell in _SHELLS that click does not know
        raise click.UsageError(f"there is no completion for {shell}")
    click.echo(kind(main, {}, "semsearch", "_SEMSEARCH_COMPLETE").source())
