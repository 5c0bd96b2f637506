"""Draw docs/terminal.svg: run the commands below on a copy of sample_corpus/ and export what they print.

    python docs/make_terminal.py

The picture needs no font and no script from the network.
"""

import os
import pty
import shutil
import subprocess
import sys
import tempfile
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.text import Text

REPOSITORY = Path(__file__).parent.parent
PICTURE = Path(__file__).parent / "terminal.svg"
WIDTH = 88
SESSION = (
    ("semsearch ingest sample_corpus", 2),
    ('semsearch query -k 2 "how do I get my deposit back"', 20),
    ("semsearch dedup --threshold 0.93", 8),
    (
        "semsearch diff sample_corpus/notes/app-branch-rule-2023.md sample_corpus/notes/app-branch-rule-2024.md",
        14,
    ),
)
"""The commands, and how many lines of each are shown."""
FORMAT = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xml:space="preserve" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{
  font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
  font-size: {char_height}px; line-height: {line_height}px; font-variant-east-asian: full-width;
}}
.{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def printed_by(command: str, folder: Path) -> str:
    """Return what a command prints: standard output as on a terminal, then standard error."""
    environment = os.environ | {
        "COLUMNS": str(WIDTH),
        "LINES": "50",
        "TERM": "xterm-256color",
        "PYTHONPATH": str(REPOSITORY),
    }
    for name in ("SEMSEARCH_INDEX", "NO_COLOR"):
        environment.pop(name, None)
    shown, terminal = pty.openpty()
    done = subprocess.Popen(
        [sys.executable, "-m", *_words(command)],
        cwd=folder,
        env=environment,
        stdout=terminal,
        stderr=subprocess.PIPE,
    )
    os.close(terminal)
    output = b""
    while True:
        try:
            block = os.read(shown, 65_536)
        except OSError:  # the terminal is closed
            break
        if not block:
            break
        output += block
    os.close(shown)
    errors = done.stderr.read() if done.stderr else b""
    if done.wait():
        raise SystemExit(f"{command} ended with {done.returncode}: {errors.decode()}")
    return (output + errors).decode("utf-8").replace("\r\n", "\n")


def _words(command: str) -> list[str]:
    import shlex

    return shlex.split(command)


def main() -> None:
    """Run the session and write the picture."""
    console = Console(record=True, width=WIDTH, file=StringIO(), force_terminal=True, legacy_windows=False)
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(REPOSITORY / "sample_corpus", Path(folder) / "sample_corpus")
        for command, most in SESSION:
            console.print(Text.assemble(("$ ", "green"), (command, "bold")))
            lines = printed_by(command, Path(folder)).rstrip("\n").split("\n")
            for line in lines[:most]:
                console.print(Text.from_ansi(line), soft_wrap=False)
            if len(lines) > most:
                console.print(Text("...", "dim"))
            console.print()
    PICTURE.write_text(
        console.export_svg(title="semsearch", code_format=FORMAT, unique_id="terminal"), encoding="utf-8"
    )
    sys.stderr.write(f"wrote {PICTURE}\n")


if __name__ == "__main__":
    main()
