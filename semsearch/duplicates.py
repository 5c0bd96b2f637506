"""Near-duplicates in an index: what the Library holds, compared, ranked by who is to stay, and grouped."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from semsearch.dedup import (
    DocumentPassages,
    Duplicates,
    Traits,
    compare,
    matching,
    passages_of,
    preference,
    saved_join,
)
from semsearch.errors import SemsearchError
from semsearch.library import Library
from semsearch.records import Level, Linkage, place


@dataclass(frozen=True, slots=True, eq=False)
class Listing:
    """What is compared, by document or by passage: its `names`, their `sources`, and the rows of `vectors` of each.

    `digests` tell equal texts. `read` gives the texts of some positions; it raises `SemsearchError` once the index has
    changed.
    """

    names: Sequence[str]
    sources: Sequence[str]
    digests: Sequence[bytes]
    documents: Sequence[DocumentPassages]
    vectors: NDArray[np.float32]
    read: Callable[[Sequence[int]], Sequence[str]]


def listing(library: Library, level: Level) -> Listing:
    """Everything that the Library holds; asked for within a snapshot of it."""
    layout, vectors = library.layout()
    state = library.state()
    names, sources, digests = layout.names, layout.sources, layout.digests
    document = layout.document
    if level == "passage":
        located = zip(document.tolist(), layout.places, strict=True)
        names = [names[at] + place(*where) for at, where in located]
        sources = [sources[at] for at in document.tolist()]
        digests = [row.to_bytes(8, "big") for row in layout.row.tolist()]
        document = np.arange(len(names))
    starts = np.searchsorted(document, np.arange(len(names) + 1)).tolist()

    def read(positions: Sequence[int]) -> list[str]:
        if library.state() != state:
            raise SemsearchError("the index has changed since it was compared", "compare it again")
        spans = [range(starts[at], starts[at + 1]) for at in positions]
        texts = iter(library.texts(layout.numbers[[at for span in spans for at in span]].tolist()))
        return ["\n".join(islice(texts, len(span))) for span in spans]

    documents = passages_of(document, layout.row, layout.length)
    return Listing(names, sources, digests, documents, vectors, read)


def find_duplicates(
    library: Library,
    threshold: float,
    *,
    base: Path,
    saved: Path,
    level: Level,
    linkage: Linkage,
    keep: Sequence[str],
    protect: Sequence[str],
    lexical: float | None,
    from_run: bool,
    memory: int,
    progress: Callable[[int, int], None] | None,
) -> Duplicates:
    """See `Index.duplicates`. `base` is the folder that sources are named from, `saved` the file of earlier joins."""
    with library.snapshot():
        all_ = listing(library, level)
        protected = matching(all_.sources, protect)
        order = preference(keep, _traits(base, all_.sources, all_.documents, keep), protected)
        compared = compare(
            all_.names,
            all_.digests,
            all_.documents,
            all_.vectors,
            threshold,
            read=all_.read,
            level=level,
            lexical=lexical,
            matches=partial(
                saved_join, all_.vectors, path=saved, only_saved=from_run, progress=progress, memory=memory
            ),
            memory=memory,
        )
        return Duplicates.of(compared, threshold, linkage=linkage, order=order, protected=protected.tolist())


def _traits(
    base: Path, sources: Sequence[str], documents: Sequence[DocumentPassages], keep: Sequence[str]
) -> Traits:
    """What the rules of `keep` look at. Times are those of the files as they are now; a file that is gone is old."""
    times = dict.fromkeys(sources, 0)
    for source in times if {"newest", "oldest"} & set(keep) else ():
        try:
            times[source] = (base / source).stat().st_mtime_ns
        except (OSError, ValueError):
            continue
    lengths = [int(document.weights.sum()) for document in documents]
    return Traits(
        sources, np.array([times[source] for source in sources], np.int64), np.array(lengths, np.int64)
    )
