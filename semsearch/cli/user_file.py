"""Say where the settings of a person are. It is cheap to import, since every command asks for its language first."""

from pathlib import Path

import click

FILE = "semsearch.toml"


def user_file() -> Path:
    """Return the path of the user's file, which need not exist."""
    return Path(click.get_app_dir("semsearch")) / FILE
