"""`python -m semsearch`."""

import os
import sys

# Python puts the working directory first: a `click.py` or `torch` in a folder of texts is no module of ours.
if not sys.flags.safe_path and sys.path[0] in ("", os.getcwd()):  # noqa: PTH109 - as Python writes it
    del sys.path[0]

from semsearch.cli import main

main(prog_name="semsearch")
