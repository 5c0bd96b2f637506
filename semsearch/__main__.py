"""Run the command line: `python -m semsearch`."""

import os
import sys

# Python puts the working directory first. A `click.py` in a folder of texts must not replace the real module.
if not sys.flags.safe_path and sys.path[0] in ("", os.getcwd()):  # noqa: PTH109 - as Python writes it
    del sys.path[0]

from semsearch.cli import main

main(prog_name="semsearch")
