"""Compare all that Chroma holds with the Library, in a separate process."""

import json
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semsearch.errors import SemsearchError
from semsearch.storage.library import Library
from semsearch.storage.vectors.chroma import VectorIndex
from semsearch.storage.vectors.seal import _PAGE, FOLDER

_SELF_QUERIES = 256
_CLOSE = 1e-5
"""How far a number of a vector in Chroma may be from the Library's."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What comparing Chroma with the Library gave. `found` of `asked` passages are the nearest to themselves, which is
    no fault where it is not all: the graph is approximate."""

    problems: tuple[str, ...] = ()
    passages: int = 0
    asked: int = 0
    found: int = 0


def prove(index: Path) -> Proof:
    """Compare Chroma with the Library, page by page, then let the graph find some passages by themselves."""
    with closing(Library(index / "library.sqlite3")) as library:
        try:
            return _compared(library, index / FOLDER)
        except SemsearchError as error:
            return Proof((str(error),))


def _compared(library: Library, folder: Path) -> Proof:
    wrong = dict.fromkeys(("that the Library does not hold", "whose vector differs", "whose text differs"), 0)
    waiting, told = set(library.outbox(sys.maxsize)), 0
    sample: list[NDArray[np.float32]] = []
    total = library.counts()["passages"]
    stride = max(1, total // _SELF_QUERIES)
    with closing(VectorIndex(folder)) as chroma:
        for ids, vectors, texts, traits in _pages(chroma, waiting):
            own, rows = library.passages(ids), library.vectors_of(ids)
            for id_, vector, text, trait in zip(ids, vectors, texts, traits, strict=True):
                if id_ not in own:
                    wrong["that the Library does not hold"] += 1
                    continue
                told += 1
                wrong["whose vector differs"] += not np.allclose(vector, rows[id_], rtol=0, atol=_CLOSE)
                wrong["whose text differs"] += text != own[id_].text or trait != own[id_].traits
                if told % stride == 0:
                    sample.append(rows[id_])
        missing = total - len(library.passages(list(waiting))) - told
        problems = [f"{count:,} passages {what}" for what, count in wrong.items() if count]
        if missing:
            problems.insert(0, f"{missing:,} passages of {total:,} are missing")
        found = 0
        if not problems and sample:
            best = chroma.nearest(np.stack(sample), 1)
            nearest = library.vectors_of([id_ for row in best for id_ in row])
            pairs = zip(sample, best, strict=True)
            found = sum(bool(row) and float(nearest[row[0]] @ vector) > 1 - 1e-4 for vector, row in pairs)
    return Proof(tuple(problems), told, len(sample), found)


def _pages(chroma: VectorIndex, without: set[str]) -> Iterator[Any]:
    page: list[str] = []
    for id_ in chroma.ids():
        if id_ not in without:
            page.append(id_)
        if len(page) == _PAGE:
            yield page, *chroma.held(page)
            page = []
    if page:
        yield page, *chroma.held(page)


if __name__ == "__main__":
    print(json.dumps(asdict(prove(Path(sys.argv[1])))))
