"""Near-duplicates in an index: what the Library holds, compared, ranked by who is to stay, grouped; and removed."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from semsearch.dedup import (
    Compared,
    DocumentPassages,
    Duplicates,
    Plan,
    Traits,
    compare,
    matching,
    passages_of,
    preference,
    saved_join,
)
from semsearch.dedup.classifier import PairClassifier
from semsearch.dedup.decision import DecisionRule
from semsearch.dedup.features import TextWords, reasons
from semsearch.dedup.quarantine import Outcome, Refusal, apply
from semsearch.dedup.quarantine import rows as removed_rows
from semsearch.errors import SemsearchError
from semsearch.readers.rewrite import copy_rows
from semsearch.storage.library import Library
from semsearch.types import Level, Linkage, Rejected, Tier, place

_BLOCK = 2048
"""Pairs judged in one go."""
_KEPT = 20_000
"""Texts taken apart that are kept for the next pairs: some 100 MB."""
_LIKE = "less alike in its words than duplicates are"
_LONG = "of several passages, which nothing is promised of"


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
    judge: DecisionRule,
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
    """See `Index.duplicates`. `judge` decides where it has a precision to keep, and else says how likely members are.
    `base` is the folder that sources are named from, `saved` the file of earlier joins."""
    alike = threshold  # what the verifier turns down from there on is worth telling
    if judge.precision is not None:
        threshold = judge.long
        if judge.verifier and judge.verifies:
            threshold = min(threshold, judge.verifier.floor)
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
        rejected: tuple[Rejected, ...] = ()
        if judge.verifies:
            compared, rejected = _judged(compared, judge, alike)
        found = Duplicates.of(compared, threshold, linkage=linkage, order=order, protected=protected.tolist())
        return _with_chances(replace(found, rejected=rejected), judge.verifier)


def _judged(compared: Compared, judge: DecisionRule, alike: float) -> tuple[Compared, tuple[Rejected, ...]]:
    """The pairs that are accepted, and those of the others that are `alike`, the most alike first."""
    assert judge.verifier
    pairs = compared.pairs
    single = (compared.corpus.size[pairs.left] == 1) & (compared.corpus.size[pairs.right] == 1)
    accepted = ~single & (pairs.similarity >= judge.long)
    names = dict(zip(compared.texts[::-1].tolist(), compared.names[::-1], strict=True))
    down = []

    def turn_down(at: int, chance: float | None, reason: str) -> None:
        left, right = names[int(pairs.left[at])], names[int(pairs.right[at])]
        down.append(Rejected(left, right, float(pairs.similarity[at]), chance, reason))

    for at in np.flatnonzero(~single & ~accepted & (pairs.similarity >= alike)).tolist():
        turn_down(at, None, _LONG)
    taken_apart = _TakenApart(compared.contents)
    decided = np.flatnonzero(single)
    for start in range(0, len(decided), _BLOCK):
        block = decided[start : start + _BLOCK]
        a, b = taken_apart(pairs.left[block], pairs.right[block])
        chances = judge.verifier.probabilities(pairs.similarity[block], a, b)
        accepted[block] = chances >= judge.chance
        for k in np.flatnonzero(~accepted[block] & (pairs.similarity[block] >= alike)).tolist():
            turn_down(block[k], float(chances[k]), "; ".join(map(str, reasons(a[k], b[k]))) or _LIKE)
    down.sort(key=lambda pair: -pair.similarity)
    return replace(compared, pairs=pairs[accepted]), tuple(down)


class _TakenApart:
    """Texts by number as `TextWords`, the latest kept."""

    def __init__(self, read: Callable[[Sequence[int]], Iterable[str]]) -> None:
        self._read = read
        self._kept: dict[int, TextWords] = {}

    def __call__(self, *sides: NDArray[np.int64]) -> list[list[TextWords]]:
        wanted = np.unique(np.concatenate(sides)).tolist()
        if len(self._kept) > _KEPT:
            self._kept.clear()
        new = [number for number in wanted if number not in self._kept]
        self._kept.update(zip(new, map(TextWords, self._read(new)), strict=True))
        return [[self._kept[number] for number in side.tolist()] for side in sides]


def _with_chances(found: Duplicates, verifier: PairClassifier | None) -> Duplicates:
    """The same, with the chance of each member that has one passage, as its keeper has."""
    if verifier is None:
        return found
    groups = []
    for group in found.groups:
        asked = [member for member in group.members if member.tier != "exact" and found.single(member.name)]
        if asked and found.single(group.keeper):
            keeper, *others = map(TextWords, found.texts([group.keeper, *(member.name for member in asked)]))
            cosines = [member.similarity for member in asked]
            chances = verifier.probabilities(cosines, [keeper] * len(others), others).tolist()
            chance = dict(zip((member.name for member in asked), chances, strict=True))
            members = (replace(member, probability=chance.get(member.name)) for member in group.members)
            group = replace(group, members=tuple(members))
        groups.append(group)
    return replace(found, groups=tuple(groups))


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


def plan_of(library: Library, found: Duplicates, keep: Sequence[str], tiers: Collection[Tier]) -> Plan:
    """See `Index.plan`. Raises `SemsearchError` where the index has changed since."""
    names = [name for group in found.groups for name in (group.keeper, *(m.name for m in group.members))]
    places = library.places(names)
    if missing := [name for name in names if name not in places]:
        raise SemsearchError(f"{missing[0]} is in the index no more", "find the duplicates anew")
    return Plan.of(
        found.groups,
        places.__getitem__,
        {key: (state.digest, state.size) for key, state in library.states().items()},
        made=datetime.now(UTC),
        threshold=found.threshold,
        linkage=found.linkage,
        keep=keep,
        tiers=tiers,
    )


def carry_out(
    plan: Plan,
    base: Path,
    known: Collection[str],
    quarantine: Path,
    *,
    hardlink: bool,
    output: Path | None,
    force: bool,
    dry_run: bool,
) -> Outcome:
    """See `Index.apply`: files as `quarantine.apply` does it, rows by writing their file anew to `output`."""
    written: int | None = None
    kept_back: tuple[Refusal, ...] = ()
    if output is not None:  # first: it may be refused
        source, drop, kept_back = removed_rows(plan, base, known)
        if not dry_run:
            written = copy_rows(source, output, keep=lambda row: row not in drop, force=force)
    outcome = apply(plan, base, known, quarantine, hardlink=hardlink, dry_run=dry_run)
    return replace(outcome, written=written, refused=(*kept_back, *outcome.refused))
