"""Find near-duplicates in an index, plan their removal, and carry the plan out."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np

from semsearch.dedup.collection import DocumentCollection, passages_of
from semsearch.dedup.containment import LocatedWords, containing
from semsearch.dedup.decision import DecisionRule
from semsearch.dedup.find import find_groups
from semsearch.dedup.join import PAIR_BYTES, Integers
from semsearch.dedup.join_cache import saved_join
from semsearch.dedup.plan import Plan
from semsearch.dedup.quarantine import Outcome, Refusal, apply, removed_rows
from semsearch.dedup.result import Duplicates
from semsearch.errors import InvalidInput, SemsearchError
from semsearch.ingest.lookup import DocumentVectors
from semsearch.ingest.sources import is_file
from semsearch.ingest.survey import choices_of
from semsearch.patterns import Names
from semsearch.readers.rewrite import copy_rows
from semsearch.requests import DedupRequest
from semsearch.storage.library import Library, SourceState
from semsearch.text.unseen import UnknownWords, none_unknown
from semsearch.types import Contained, Level, Tier, Unit, place

_READ = 256
"""Texts read at a time."""


def collection_of(library: Library, level: Level, unknown: UnknownWords = none_unknown) -> DocumentCollection:
    """Return all documents of the Library, or all passages. Call it within a snapshot.

    `unknown` returns those of some words that the model does not know.

    Its `read` and `originals` raise `SemsearchError` once the index has changed.
    """
    layout, vectors = library.passage_matrix()
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

    def read(texts_of: Callable[[Sequence[int]], Sequence[str]], positions: Sequence[int]) -> list[str]:
        if library.state() != state:
            raise SemsearchError("the index has changed since it was compared", "compare it again")
        spans = [range(starts[at], starts[at + 1]) for at in positions]
        texts = iter(texts_of(layout.numbers[[at for span in spans for at in span]].tolist()))
        return ["\n".join(islice(texts, len(span))) for span in spans]

    def places(position: int) -> list[tuple[Unit, int, int]]:
        return layout.places[starts[position] : starts[position + 1]]

    documents = passages_of(document, layout.row, layout.length)
    texts, originals = partial(read, library.texts), partial(read, library.originals)
    return DocumentCollection(
        names, sources, digests, documents, vectors, texts, places, level, unknown, originals
    )


def find_duplicates(
    library: Library,
    request: DedupRequest,
    rule: DecisionRule,
    *,
    base: Path,
    join_file: Path,
    unknown: UnknownWords,
    progress: Callable[[int, int], None] | None = None,
) -> Duplicates:
    """Return the groups that `request` asks for; see `find_groups`, and `collection_of` for `unknown`.

    `base` is the folder that sources are relative to. `join_file` keeps the joined vectors for the next call.
    """
    with library.snapshot():
        collection = collection_of(library, request.level, unknown)
        join = partial(
            saved_join,
            collection.vectors,
            path=join_file,
            only_saved=request.from_run,
            progress=progress,
            memory=request.memory,
            limit=max(1, request.memory // PAIR_BYTES),
        )
        modified = _modified(base, collection.sources, request.keep)
        found = find_groups(collection, request, rule, base=base, modified=modified, matches=join)
    position = {name: at for at, name in enumerate(collection.names)}

    def originals(names: Sequence[str]) -> list[str]:
        blocks = (names[start : start + _READ] for start in range(0, len(names), _READ))
        return [text for block in blocks for text in collection.shown([position[name] for name in block])]

    return replace(found, _read_originals=originals)


def _modified(base: Path, sources: Sequence[str], keep: Sequence[str]) -> Integers:
    """Return the time in ns of each source's file as it is now, or 0 where `keep` needs none or the file is gone."""
    times = dict.fromkeys(sources, 0)
    for source in times if {"newest", "oldest"} & set(keep) else ():
        try:
            times[source] = (base / source).stat().st_mtime_ns
        except (OSError, ValueError):
            continue
    return np.array([times[source] for source in sources], np.int64)


def find_contained(
    document: DocumentVectors, library: Library, least: float, source: str | None = None
) -> list[Contained]:
    """Return the documents that one lies in, and those that lie in it; see `containing`.

    `source` is a pattern of the sources to search. Raises `InvalidInput` for a share outside (0, 1].
    """
    if not 0 < least <= 1:
        raise InvalidInput(f"contained is {least}, but must be above 0 and at most 1")
    own = LocatedWords.of(document.text, [len(text) for text in document.texts], document.places)
    with library.snapshot():
        collection = collection_of(library, "document")
        allowed = np.array([name != document.name for name in collection.names], np.bool_)
        if source is not None:
            names = Names(collection.sources, collection.names, library.base)
            allowed &= np.array(names.select(source), np.bool_)

        def located(at: int, text: str) -> LocatedWords:
            lengths = collection.documents[at].weights.astype(np.int64).tolist()
            return LocatedWords.of(text, lengths, collection.places(at))

        others = (
            (collection.names[at], text, partial(located, at))
            for start in range(0, len(allowed), _READ)
            for some in [start + np.flatnonzero(allowed[start : start + _READ])]
            for at, text in zip(some.tolist(), collection.read(some.tolist()), strict=True)
        )
        return containing((document.name, own), others, least)


def plan_removal(library: Library, found: Duplicates, keep: Sequence[str], tiers: Collection[Tier]) -> Plan:
    """Return the plan of `Index.plan`. Raises `SemsearchError` where the index has changed since the search."""
    names = [name for group in found.groups for name in (group.keeper, *(m.name for m in group.members))]
    places = library.places(names)
    if missing := [name for name in names if name not in places]:
        raise SemsearchError(f"{missing[0]} is no longer in the index", "find the duplicates again")
    return Plan.of(
        found.groups,
        places.__getitem__,
        {key: (state.digest if is_file(key) else "", state.size) for key, state in library.states().items()},
        made=datetime.now(UTC),
        threshold=found.threshold,
        linkage=found.linkage,
        keep=keep,
        tiers=tiers,
    )


def carry_out(
    plan: Plan,
    base: Path,
    known: Mapping[str, SourceState],
    quarantine: Path,
    *,
    hardlink: bool,
    output: Path | None,
    force: bool,
    dry_run: bool,
    allow: Sequence[Path],
) -> Outcome:
    """Do the work of `Index.apply`: move or link files, and write a file of rows without some to `output`."""
    written: int | None = None
    kept_back: tuple[Refusal, ...] = ()
    if output is not None:  # first: it may be refused
        source, drop, kept_back = removed_rows(plan, base, known, allow)
        key = next(step.remove.source for step in plan.steps if step.remove.row)
        choices = choices_of(known[key].reading) if key in known else None
        if choices is None:
            raise SemsearchError(
                f"{key} was read by another version of semsearch, which may have numbered its rows differently",
                "ingest it again, and make a new plan",
            )
        if not dry_run:
            written = copy_rows(
                source, output, keep=lambda row: row not in drop, fields=choices.fields, force=force
            )
    outcome = apply(plan, base, known, quarantine, hardlink=hardlink, dry_run=dry_run, allow=allow)
    return replace(outcome, written=written, refused=(*kept_back, *outcome.refused))
