"""Write docs/cli.md from the `--help` of every command. A test fails when the two differ."""

import sys
from pathlib import Path

import click
from click.testing import CliRunner

from semsearch.cli import COMMANDS, main

PAGE = Path(__file__).parent / "cli.md"


def page() -> str:
    """Return the text of the page."""
    parts = [
        "# Command line\n\n`make docs` writes this page from the `--help` of every command. Do not edit it.\n"
    ]
    for command in ((), *((name,) for name in COMMANDS)):
        title = " ".join(("semsearch", *command))
        result = CliRunner(env={"SEMSEARCH_LANG": "en"}).invoke(
            main, [*command, "--help"], prog_name="semsearch", terminal_width=100
        )
        assert result.exit_code == 0, result.output
        parts.append(f"## {title}\n\n```text\n{click.unstyle(result.output).rstrip()}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    sys.stderr.write(f"wrote {PAGE}\n")
