"""Compare everything in a vector engine with the Library; as a program, do it for an engine in the index's folder."""

import json
import sys
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from semsearch.errors import SemsearchError
from semsearch.storage.library import Library
from semsearch.storage.vectors.engine import Proof, VectorEngine

_PAGE = 5_000
_SELF_QUERIES = 256
_TOLERANCE = 1e-5
"""The largest difference between a number of a vector in the engine and the same number in the Library."""


def compare(library: Library, engine: VectorEngine, *, pending: bool = False) -> Proof:
    """Compare an engine with the Library, page by page; then search for some passages by their own vectors.

    Passages on the outbox are left out, unless `pending` is True: then the engine has nothing to wait for.
    """
    wrong = dict.fromkeys(
        ("are not in the Library", "have another vector than the Library", "have another text or place"), 0
    )
    waiting = set() if pending else set(library.outbox(sys.maxsize))
    total = library.counts()["passages"]
    stride, sample = max(1, total // _SELF_QUERIES), list[NDArray[np.float32]]()
    expected = agreeing = 0
    for page in library.passage_ids(_PAGE):
        ids = [id_ for id_ in page if id_ not in waiting]
        own, rows, held = library.passages(ids, metadata=False), library.vectors_of(ids), engine.vectors(ids)
        expected += len(ids)
        for id_, vector, text, traits in zip(*held, strict=True):
            agreeing += 1
            close = vector.shape == rows[id_].shape and np.allclose(
                vector, rows[id_], rtol=0, atol=_TOLERANCE
            )
            wrong["have another vector than the Library"] += not close
            wrong["have another text or place"] += text != own[id_].text or traits != own[id_].traits
            if agreeing % stride == 0:
                sample.append(rows[id_])
    held_waiting = len(engine.vectors(list(waiting)).ids) if waiting else 0
    wrong["are not in the Library"] = engine.count() - agreeing - held_waiting
    problems = [f"{count:,} passages {what}" for what, count in wrong.items() if count]
    if agreeing < expected:
        problems.insert(0, f"{expected - agreeing:,} passages of {total:,} are missing")
    found = 0
    if not problems and sample:
        best = engine.nearest(np.stack(sample), 1)
        # The engine's own vectors: a passage that is to be deleted from it may be as near as the one that stays.
        stored = engine.vectors(sorted({id_ for row in best for id_ in row}))
        nearest = dict(zip(stored.ids, stored.vectors, strict=True))
        pairs = zip(sample, best, strict=True)
        found = sum(bool(row) and float(nearest[row[0]] @ vector) > 1 - 1e-4 for vector, row in pairs)
    return Proof(tuple(problems), agreeing, len(sample), found)


def _prove(index: Path, name: str, *, pending: bool) -> Proof:
    from semsearch.storage.vectors.engines import embedded

    kind = embedded(name)
    with closing(Library(index / "library.sqlite3")) as library:
        try:
            with closing(kind.open(index / kind.name)) as engine:
                return compare(library, engine, pending=pending)
        except SemsearchError as error:
            return Proof((str(error),))


if __name__ == "__main__":
    print(json.dumps(asdict(_prove(Path(sys.argv[1]), sys.argv[2], pending="pending" in sys.argv[3:]))))
