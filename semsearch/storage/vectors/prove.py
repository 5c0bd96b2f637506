"""Compare everything in a vector engine with the Library; as a program, do it for the Chroma of an index."""

import json
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semsearch.errors import SemsearchError
from semsearch.storage.library import Library
from semsearch.storage.vectors.chroma import ChromaEngine
from semsearch.storage.vectors.engine import Proof, VectorEngine
from semsearch.storage.vectors.seal import FOLDER

_PAGE = 5_000
_SELF_QUERIES = 256
_TOLERANCE = 1e-5
"""The largest difference between a number of a vector in the engine and the same number in the Library."""


def compare(library: Library, engine: VectorEngine) -> Proof:
    """Compare an engine with the Library, page by page; then search for some passages by their own vectors."""
    wrong = dict.fromkeys(
        ("are not in the Library", "have another vector than the Library", "have another text or place"), 0
    )
    pending, agreeing = set(library.outbox(sys.maxsize)), 0
    sample: list[NDArray[np.float32]] = []
    total = library.counts()["passages"]
    stride = max(1, total // _SELF_QUERIES)
    for ids, vectors, texts, metadata in _pages(engine, pending):
        own, rows = library.passages(ids, metadata=False), library.vectors_of(ids)
        for id_, vector, text, traits in zip(ids, vectors, texts, metadata, strict=True):
            if id_ not in own:
                wrong["are not in the Library"] += 1
                continue
            agreeing += 1
            close = vector.shape == rows[id_].shape and np.allclose(
                vector, rows[id_], rtol=0, atol=_TOLERANCE
            )
            wrong["have another vector than the Library"] += not close
            wrong["have another text or place"] += text != own[id_].text or traits != own[id_].traits
            if agreeing % stride == 0:
                sample.append(rows[id_])
    missing = total - len(library.passages(list(pending), metadata=False)) - agreeing
    problems = [f"{count:,} passages {what}" for what, count in wrong.items() if count]
    if missing:
        problems.insert(0, f"{missing:,} passages of {total:,} are missing")
    found = 0
    if not problems and sample:
        best = engine.nearest(np.stack(sample), 1)
        # The engine's own vectors: a passage that is to be deleted from it may be as near as the one that stays.
        ids = sorted({id_ for row in best for id_ in row})
        nearest = dict(zip(ids, engine.vectors(ids)[0], strict=True))
        pairs = zip(sample, best, strict=True)
        found = sum(bool(row) and float(nearest[row[0]] @ vector) > 1 - 1e-4 for vector, row in pairs)
    return Proof(tuple(problems), agreeing, len(sample), found)


def _pages(engine: VectorEngine, pending: set[str]) -> Iterator[Any]:
    """Yield ids, vectors, texts and metadata of all passages that are not pending."""
    page: list[str] = []
    for id_ in engine.ids():
        if id_ not in pending:
            page.append(id_)
        if len(page) == _PAGE:
            yield page, *engine.vectors(page)
            page = []
    if page:
        yield page, *engine.vectors(page)


def _prove(index: Path) -> Proof:
    with closing(Library(index / "library.sqlite3")) as library:
        try:
            with closing(ChromaEngine(index / FOLDER)) as engine:
                return compare(library, engine)
        except SemsearchError as error:
            return Proof((str(error),))


if __name__ == "__main__":
    print(json.dumps(asdict(_prove(Path(sys.argv[1])))))
