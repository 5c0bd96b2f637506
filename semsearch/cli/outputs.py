"""Files that a command writes, and what they must not overwrite."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from semsearch.errors import InvalidInput

if TYPE_CHECKING:
    from semsearch.index import Index


def require_apart(outputs: Iterable[Path | None], index: "Index") -> None:
    """Raise `InvalidInput` where an output would overwrite a source of the index, or lie in its folder."""
    sources = set(index.sources())
    for path in filter(None, outputs):
        resolved = path.resolve()
        if resolved.is_relative_to(index.folder.resolve()):
            raise InvalidInput(f"{path} is in the folder of the index", "choose another name")
        if not sources.isdisjoint((index.key_of(path), index.key_of(resolved))):
            raise InvalidInput(f"{path} is a source of the index", "choose another name")
