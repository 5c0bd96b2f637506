"""Find the folder of an index. It is cheap to import, since every command looks there for settings and for a server."""

import os
from pathlib import Path

FOLDER = ".semsearch"
ENVIRONMENT = "SEMSEARCH_INDEX"
LIBRARY = "library.sqlite3"
SOCKET = "server.socket"
"""The socket within an index by which other processes of its owner ask a server of the index."""


def locate(folder: Path | str | None = None, *, start: Path | None = None) -> Path | None:
    """Find the folder of the index to use, as git finds `.git`. Return None where there is no index.

    It is `folder` if given, else the variable SEMSEARCH_INDEX, else the nearest `.semsearch` in `start` (the working
    directory by default) or a folder above it. The first two are returned even if they do not exist.
    """
    if named := folder or os.environ.get(ENVIRONMENT):
        return Path(named).absolute()
    start = (start or Path.cwd()).absolute()
    folders = (at / FOLDER for at in (start, *start.parents))
    return next((at for at in folders if os.path.exists(at / LIBRARY)), None)  # noqa: PTH110 - Path raises errors
