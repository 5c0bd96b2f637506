"""Near-duplicates in an index: what the Library holds, compared, ranked by who is to stay, and grouped."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semsearch.dedup import (
    Compared,
    DocumentPassages,
    Duplicates,
    Traits,
    compare,
    matching,
    passages_of,
    preference,
    saved_join,
)
from semsearch.errors import IndexDamaged, InvalidInput, SemsearchError
from semsearch.library import Library
from semsearch.records import Level, Linkage, TurnedDown, place
from semsearch.tuning.evidence import Words, reasons
from semsearch.tuning.verifier import Verifier

_BLOCK = 2048
"""Pairs judged in one go."""
_KEPT = 20_000
"""Texts taken apart that are kept for the next pairs: some 100 MB."""
_LIKE = "less alike in its words than duplicates are"
_LONG = "of several passages, which nothing is promised of"


@dataclass(frozen=True, slots=True, eq=False)
class Judge:
    """What `tune` has left: the `threshold` from which the cosine counts and the `chance` from which the verifier does,
    each with the precision that is promised of it, or 0.

    With a `precision` asked for, `duplicates` takes what was promised.
    """

    threshold: float | None
    threshold_precision: float
    verifier: Verifier | None
    chance: float
    chance_precision: float
    precision: float | None = None

    @classmethod
    def saved(cls, threshold: Mapping[str, Any] | None, verifier: Mapping[str, Any] | None) -> "Judge":
        """From the settings of an index. Raises `IndexDamaged` for a verifier that is none."""
        try:
            return cls(
                float(threshold["threshold"]) if threshold else None,
                _promised(threshold),
                Verifier.from_dict(verifier["verifier"]) if verifier else None,
                float(verifier["chance"]) if verifier else 1.0,
                _promised(verifier),
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise IndexDamaged("the saved tuning is damaged", "run `semsearch tune` again") from error

    def asked(self, precision: float) -> "Judge":
        """The same for a precision. Raises `InvalidInput` where nothing as precise was promised."""
        if not 0 < precision <= max(self.threshold_precision, self.chance_precision):
            raise InvalidInput(
                f"no threshold is known that promises a precision of {precision:g}",
                f"find one: semsearch tune --pairs FILE --precision {precision:g}",
            )
        return replace(self, precision=precision)

    @property
    def verifies(self) -> bool:
        """Whether the verifier decides, which it does on documents of one passage each."""
        return bool(self.verifier) and self.precision is not None and self.chance_precision >= self.precision

    @property
    def long(self) -> float:
        """The threshold for documents that it does not decide on; above any where nothing is promised of one."""
        if self.threshold is None or self.precision is None or self.threshold_precision < self.precision:
            return 2.0
        return self.threshold


def _promised(saved: Mapping[str, Any] | None) -> float:
    promise = saved and saved.get("promise")
    return float(promise["least"]) if promise and promise["measure"] == "precision" else 0.0


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
    judge: Judge,
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
        turned_down: tuple[TurnedDown, ...] = ()
        if judge.verifies:
            compared, turned_down = _judged(compared, judge, alike)
        found = Duplicates.of(compared, threshold, linkage=linkage, order=order, protected=protected.tolist())
        return _with_chances(replace(found, turned_down=turned_down), judge.verifier)


def _judged(compared: Compared, judge: Judge, alike: float) -> tuple[Compared, tuple[TurnedDown, ...]]:
    """The pairs that are accepted, and those of the others that are `alike`, the most alike first."""
    assert judge.verifier
    pairs = compared.pairs
    single = (compared.corpus.size[pairs.left] == 1) & (compared.corpus.size[pairs.right] == 1)
    accepted = ~single & (pairs.similarity >= judge.long)
    names = dict(zip(compared.texts[::-1].tolist(), compared.names[::-1], strict=True))
    down = []

    def turn_down(at: int, chance: float | None, reason: str) -> None:
        left, right = names[int(pairs.left[at])], names[int(pairs.right[at])]
        down.append(TurnedDown(left, right, float(pairs.similarity[at]), chance, reason))

    for at in np.flatnonzero(~single & ~accepted & (pairs.similarity >= alike)).tolist():
        turn_down(at, None, _LONG)
    taken_apart = _TakenApart(compared.contents)
    decided = np.flatnonzero(single)
    for start in range(0, len(decided), _BLOCK):
        block = decided[start : start + _BLOCK]
        a, b = taken_apart(pairs.left[block], pairs.right[block])
        chances = judge.verifier.chances(pairs.similarity[block], a, b)
        accepted[block] = chances >= judge.chance
        for k in np.flatnonzero(~accepted[block] & (pairs.similarity[block] >= alike)).tolist():
            turn_down(block[k], float(chances[k]), "; ".join(map(str, reasons(a[k], b[k]))) or _LIKE)
    down.sort(key=lambda pair: -pair.similarity)
    return replace(compared, pairs=pairs[accepted]), tuple(down)


class _TakenApart:
    """Texts by number as `Words`, the latest kept."""

    def __init__(self, read: Callable[[Sequence[int]], Iterable[str]]) -> None:
        self._read = read
        self._kept: dict[int, Words] = {}

    def __call__(self, *sides: NDArray[np.int64]) -> list[list[Words]]:
        wanted = np.unique(np.concatenate(sides)).tolist()
        if len(self._kept) > _KEPT:
            self._kept.clear()
        new = [number for number in wanted if number not in self._kept]
        self._kept.update(zip(new, map(Words, self._read(new)), strict=True))
        return [[self._kept[number] for number in side.tolist()] for side in sides]


def _with_chances(found: Duplicates, verifier: Verifier | None) -> Duplicates:
    """The same, with the chance of each member that has one passage, as its keeper has."""
    if verifier is None:
        return found
    groups = []
    for group in found.groups:
        asked = [member for member in group.members if member.tier != "exact" and found.single(member.name)]
        if asked and found.single(group.keeper):
            keeper, *others = map(Words, found.texts([group.keeper, *(member.name for member in asked)]))
            cosines = [member.similarity for member in asked]
            chances = verifier.chances(cosines, [keeper] * len(others), others).tolist()
            chance = dict(zip((member.name for member in asked), chances, strict=True))
            members = (replace(member, chance=chance.get(member.name)) for member in group.members)
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
