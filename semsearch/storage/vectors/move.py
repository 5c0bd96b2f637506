"""Move the vectors of an index to another engine: copy them from the Library, prove the copy, and switch in one step.

A kill at any moment leaves the old engine or the new one in use, whole. The next writer removes the other copy.
"""

import secrets
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from semsearch.errors import InvalidInput, SemsearchError
from semsearch.storage.library import Library
from semsearch.storage.vectors import server
from semsearch.storage.vectors.engines import (
    Place,
    leftovers,
    parsed,
    place_of,
    save_place,
    shown,
    store_at,
)
from semsearch.storage.vectors.sync import BATCH, send


def move(folder: Path, library: Library, url: str, progress: Callable[[int], None] | None = None) -> int:
    """Move the vectors to the engine at a URL, and return the number of passages. The caller holds the write lock.

    Nothing is embedded. `progress` is called with the number of passages copied so far. Raises `InvalidInput` for a URL
    that names no engine, or the one in use, and the errors of the engine; then the old engine stays in use.
    """
    name, base = parsed(url)
    old = place_of(library)
    if shown(old, folder) == (f"{name.partition('+')[0]}+{base}" if base else f"{name}:"):
        raise InvalidInput(f"the vectors are in {shown(old, folder)} already", "semsearch repair rebuilds it")
    new = Place(name, secrets.token_hex(16) if base else "")
    if problem := clear(folder, library).get(new):
        raise problem
    if base:
        server.remember(new.id, base, folder)
    save_place(library, old, [*leftovers(library), new])
    try:
        _copy(folder, library, new, progress)
    except BaseException:
        with suppress(SemsearchError):
            clear(folder, library)
        raise
    save_place(library, new, [*(one for one in leftovers(library) if one != new), old])
    library.mark_applied(library.outbox(sys.maxsize))  # the copy has it all
    clear(folder, library)
    return library.counts()["passages"]


def _copy(folder: Path, library: Library, place: Place, progress: Callable[[int], None] | None) -> None:
    """Fill a new engine from the Library, and compare every passage in it with the Library."""
    store = store_at(place, library, folder)
    try:
        store.create()
        engine, sent = store.writer(), 0
        assert engine is not None, "the store was just made"
        for ids in library.passage_ids(BATCH):
            send(library, engine, ids)
            sent += len(ids)
            if progress is not None:
                progress(sent)
        store.finalize()
        proof = store.prove(pending=True)
    finally:
        store.close()
    if proof.problems or not store.finalized:
        problem = "; ".join(proof.problems) or "the server was gone at the end"
        raise SemsearchError(
            f"the copy is not the same as the Library: {problem}", "the old engine stays in use"
        )


def clear(folder: Path, library: Library) -> dict[Place, SemsearchError]:
    """Remove the copies of the vectors that are not in use. Return those that stay, and what prevents it."""
    left: dict[Place, SemsearchError] = {}
    unused = leftovers(library)
    for place in unused:
        try:
            store_at(place, library, folder).discard()
            server.forget(place.id)
        except SemsearchError as error:
            left[place] = error
    if len(left) < len(unused):
        save_place(library, place_of(library), left)
    return left
