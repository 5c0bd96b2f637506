"""Decide what a caller can reach: the documents that are stored, and files in a few folders."""

from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path

from semsearch.errors import InvalidInput, SemsearchError
from semsearch.index import Index
from semsearch.ingest.sources import is_file, is_within
from semsearch.requests import SimilarRequest
from semsearch.search.hits import Hits
from semsearch.storage.library import StoredPassage


class UnknownName(InvalidInput):
    """The name of something that is not there."""


class OutOfReach(SemsearchError):
    """A path that no caller of a server may name."""

    exit_code = 2


def stored(index: Index, document: str) -> list[StoredPassage]:
    """Return the passages of a document. Raises `UnknownName` for an unknown one, with the nearest as hint."""
    if found := index.passages(document):
        return found
    near = get_close_matches(document[:500], index.sources(), 3, 0.6)
    raise UnknownName(
        f"the index has no document {document[:500]!r}",
        f"did you mean {' or '.join(near)}?" if near else "search gives the names of documents",
    )


def similar(index: Index, request: SimilarRequest) -> Hits:
    """Return what `Index.find_similar` does for a stored document. Raises `UnknownName`.

    The index itself takes a relative name as one of the working directory first, and reads a file that it lacks.
    """
    stored(index, request.document)
    if is_file(request.document):
        request = replace(request, document=str(index.path_of(request.document)))
    return index.find_similar(request)


def near_roots(index: Index) -> list[Path]:
    """Return the paths that were ingested and that lie next to the index.

    An index may come from a stranger, who could name any folder in it.
    """
    base = index.folder.parent.resolve()
    roots = [index.path_of(root) for root in index.status().roots]
    return [root for root in roots if root.exists() and root.resolve().is_relative_to(base)]


def within(index: Index, folders: Sequence[Path]) -> list[Path]:
    """Return the folders whose files callers may reach: the one that contains the index, and `folders`."""
    return [index.folder.parent.resolve(), *(folder.resolve() for folder in folders)]


def reached(index: Index, path: str, folders: Sequence[Path]) -> Path:
    """Return a path if it lies next to the index or in one of `folders`. Raises `OutOfReach`.

    A relative one starts at the folder that contains the index, and links are followed. What was ingested does not
    count: an index may come from a stranger, who could name any folder in it.
    """
    base = index.folder.parent
    try:
        if is_within(base / path, within(index, folders)):
            return base / path
    except ValueError:  # a name that no file can have
        pass
    raise OutOfReach(
        f"{path[:500]!r} lies outside the folders that this server may read",
        "start it with the folder as an argument: semsearch serve FOLDER",
    )
