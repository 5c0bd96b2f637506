"""`semsearch completion`."""

import click

from semsearch.cli import options

_SHELLS = ("bash", "zsh", "fish")


@click.command(
    "completion",
    short_help="Print the script that makes a shell complete commands.",
    epilog=options.closing(
        (
            "semsearch completion bash > ~/.local/share/bash-completion/completions/semsearch",
            "semsearch completion zsh > ~/.zfunc/_semsearch",
            "semsearch completion fish > ~/.config/fish/completions/semsearch.fish",
        ),
        codes=(0, 2),
    ),
)
@click.argument("shell", type=click.Choice(_SHELLS))
def completion_(shell: str) -> None:
    """Print the script that makes SHELL complete commands, options and file names.

    Save it where the shell looks for such scripts, as below, and start a new shell. The folder has to be there. zsh
    finds ~/.zfunc if ~/.zshrc has, before it calls compinit: fpath+=~/.zfunc
    """
    from click.shell_completion import get_completion_class

    from semsearch.cli import main

    kind = get_completion_class(shell)
    if kind is None:  # a choice above that click does not know
        raise click.UsageError(f"no completion for {shell}")
    click.echo(kind(main, {}, "semsearch", "_SEMSEARCH_COMPLETE").source())
