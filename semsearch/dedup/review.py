"""Review near-duplicates: keep what a person decides on pairs, and show the groups as the decisions make them.

A decision is about two texts, so it holds in every later search that compares the same two, at any threshold. It is
dropped where one of the texts has changed. Decisions are lines of a file in the index's folder, and later lines win: a
kill costs at most the last one. Decision 126 has the reasons.
"""

import json
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from threading import Lock
from typing import Literal, get_args

from semsearch.dedup.result import Duplicates
from semsearch.dedup.veto import Veto
from semsearch.errors import InvalidInput
from semsearch.files import disk, mode_within, new_file, read_bounded, replacing
from semsearch.storage.library import is_of
from semsearch.strict_json import load_json, one_of, storable, take
from semsearch.text.diff import Difference, as_written, difference
from semsearch.types import Group, Member, Tier

BELOW = 0.1
"""The most that a person may lower the usual threshold, in cosines of the default model."""
FILE = "review.jsonl"
"""The name of the file of decisions in an index."""
Verdict = Literal["remove", "both", "different", ""]
"""Remove the other one; keep both; they are not duplicates; or nothing, which takes a decision back."""
Order = Literal["doubt", "size", "similarity"]
"""The order of groups: the most doubtful, the largest, or the most similar first."""
_MOST_BYTES = 256_000_000
_VIEWS = 4
"""The thresholds whose groups are kept."""
_CHOSEN = 4096
"""The groups around other keepers that are kept."""
_SHOWN = 20_000
"""Characters of a text that are compared word by word."""
_LINE: Mapping[str, type] = {"keep": str, "other": str, "verdict": str, "keep_text": str, "other_text": str}
"""The members of a line; the last two are digests."""


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision on two documents by name. With the verdict "remove" `keep` stays and `other` goes."""

    keep: str
    other: str
    verdict: Verdict

    @property
    def pair(self) -> frozenset[str]:
        """The two names, in no order."""
        return frozenset((self.keep, self.other))


@dataclass(frozen=True, slots=True)
class ReviewedGroup:
    """A group around the keeper that a person chose, with the verdict on each member ("" for none yet)."""

    group: Group
    verdicts: tuple[Verdict, ...]

    @property
    def decided(self) -> bool:
        """True if every member has a verdict."""
        return all(self.verdicts)

    @property
    def tiers(self) -> set[Tier]:
        """The tiers of the members."""
        return {member.tier for member in self.group.members}

    @property
    def removed(self) -> tuple[Member, ...]:
        """The members that go."""
        return tuple(member for member, verdict in self.pairs if verdict == "remove")

    @property
    def pairs(self) -> Iterator[tuple[Member, Verdict]]:
        """Each member with its verdict."""
        return zip(self.group.members, self.verdicts, strict=True)


@dataclass(frozen=True, slots=True)
class PairView:
    """Two documents next to each other: how their words differ, and the `warnings`, each a rule and what it found.

    `cut` is True where only the beginnings of long texts were compared.
    """

    difference: Difference
    warnings: tuple[tuple[str, str], ...]
    cut: bool


class Review:
    """The groups of a search and a person's decisions on them. Any number of threads may use it.

    `found` was searched at the lowest threshold that is wanted; its pairs are grouped again at higher ones, `usual` or
    any other. `path` is the file of decisions, which need not exist. Raises `InvalidInput` if it holds something else.
    """

    def __init__(self, found: Duplicates, path: Path, usual: float) -> None:
        self.found, self.usual = found, usual
        self._path = path
        self._lock = Lock()
        self._at = lru_cache(_VIEWS)(self._regrouped)
        self._with_keeper = lru_cache(_CHOSEN)(found.with_keeper)
        stored = {pair: one for pair, one in _read(path).items() if all(name in found for name in pair)}
        digests = _digests(found, {name for pair in stored for name in pair})
        self._decisions = {
            pair: decision
            for pair, (decision, texts) in stored.items()
            if texts == (digests[decision.keep], digests[decision.other])
        }

    def groups(self, threshold: float) -> list[ReviewedGroup]:
        """Return the groups at a threshold, in the order of their keepers.

        Raises `InvalidInput` below the lowest threshold, and `SemsearchError` once the index has changed.
        """
        return [self._reviewed(group) for group in self._at(threshold).groups]

    def decide(self, decisions: Sequence[Decision]) -> None:
        """Keep decisions, on the disk when this returns. Each replaces an earlier one on the same two documents.

        Raises `InvalidInput` for a document that was not compared, and `SemsearchError` once the index has changed, or
        if the file cannot be written.
        """
        names = {name for decision in decisions for name in decision.pair}
        if unknown := [name for name in names if name not in self.found]:
            raise InvalidInput(f"{unknown[0]!r} is not among the documents compared")
        if any(len(decision.pair) == 1 for decision in decisions):
            raise InvalidInput("a decision is about two documents, not one")
        digests = _digests(self.found, names)
        lines = [
            {**asdict(one), "keep_text": digests[one.keep], "other_text": digests[one.other]}
            for one in decisions
        ]
        with self._lock:
            _append(self._path, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))
            for decision in decisions:
                self._decisions[decision.pair] = decision

    def accept(self, threshold: float, tier: Tier) -> int:
        """Remove every undecided member of a tier in favour of its keeper; return how many those are.

        Members that are protected, or that state different facts than their keeper, stay undecided.
        """
        taken = [
            Decision(one.group.keeper, member.name, "remove")
            for one in self.groups(threshold)
            for member, verdict in one.pairs
            if not (verdict or member.protected or member.differs) and member.tier == tier
        ]
        self.decide(taken)
        return len(taken)

    def removals(self, threshold: float) -> Duplicates:
        """Return the result at a threshold with only the members that go, for `Index.plan`."""
        groups = (replace(one.group, members=one.removed) for one in self.groups(threshold))
        return replace(self._at(threshold), groups=tuple(group for group in groups if group.members))

    def labelled(self, threshold: float) -> Iterator[tuple[str, Member, bool]]:
        """Yield the keeper and the member of each decided pair, and whether the two are duplicates.

        Exact copies say nothing of a threshold, and neither do pairs of which both stay: these are left out.
        """
        for one in self.groups(threshold):
            for member, verdict in one.pairs:
                if verdict in ("remove", "different") and member.tier != "exact":
                    yield one.group.keeper, member, verdict == "remove"

    def view(self, keeper: str, member: str) -> PairView:
        """Return how two documents differ. Raises `InvalidInput` and `SemsearchError` as `decide` does."""
        if unknown := [name for name in (keeper, member) if name not in self.found]:
            raise InvalidInput(f"{unknown[0]!r} is not among the documents compared")
        return pair_view(self.found.texts([keeper, member]), self.found.originals([keeper, member]))

    def _regrouped(self, threshold: float) -> Duplicates:
        found = self.found
        if threshold == found.threshold:
            return found
        known = {(group.keeper, one.name): one.differs for group in found.groups for one in group.members}
        again = found.rethreshold(threshold)
        if not any(known.values()):
            return again

        def told(keeper: str, member: Member) -> Member:
            differs = known.get((keeper, member.name))
            if differs is None and member.tier != "exact":
                differs = "; ".join(said for _, said in self.view(keeper, member.name).warnings)
            return replace(member, differs=differs or "")

        groups = (
            replace(group, members=tuple(told(group.keeper, member) for member in group.members))
            for group in again.groups
        )
        return replace(again, groups=tuple(groups))

    def _reviewed(self, group: Group) -> ReviewedGroup:
        keeper, before = group.keeper, set[str]()
        while keeper not in before:  # a chosen keeper may itself go in favour of another one
            before.add(keeper)
            chosen = (self._decisions.get(frozenset((keeper, name))) for name in group.names)
            keeper = next(
                (one.keep for one in chosen if one and one.verdict == "remove" and one.other == keeper),
                keeper,
            )
        if keeper != group.keeper:
            group = self._with_keeper(group, keeper)
        return ReviewedGroup(group, tuple(self._verdict(keeper, member.name) for member in group.members))

    def _verdict(self, keeper: str, member: str) -> Verdict:
        decision = self._decisions.get(frozenset((keeper, member)))
        if decision is None or (decision.verdict == "remove" and decision.keep != keeper):
            return ""
        return decision.verdict


def ordered(groups: Iterable[ReviewedGroup], order: Order) -> list[ReviewedGroup]:
    """Return groups in an order; those that are equal in it stay in theirs."""
    if order == "size":
        return sorted(groups, key=lambda one: -len(one.group.members))
    if order == "similarity":
        return sorted(groups, key=lambda one: -one.group.weakest)
    return sorted(groups, key=lambda one: (not any(m.differs for m in one.group.members), one.group.weakest))


def pair_view(texts: Sequence[str], originals: Sequence[str]) -> PairView:
    """Return how two texts differ, given as they were cleaned and as they were written."""
    a, b = (text[:_SHOWN] for text in texts)
    shown = as_written(difference(a, b), (texts[0], originals[0]), (texts[1], originals[1]))
    return PairView(shown, tuple(_warnings(texts, originals)), [a, b] != list(texts))


def _warnings(texts: Sequence[str], originals: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield the facts in which two texts differ, each once."""
    if texts[0] == texts[1] and originals[0] == originals[1]:
        return
    veto = Veto(
        lambda numbers: [texts[at] for at in numbers],
        2,
        written=lambda numbers: [originals[at] for at in numbers],
    )
    yield from dict.fromkeys(veto.differences(0, 1))


def _digests(found: Duplicates, names: Iterable[str]) -> dict[str, str]:
    """Return a digest of the cleaned text of each document."""
    wanted = list(names)
    texts = found.texts(wanted)
    return {
        name: blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
        for name, text in zip(wanted, texts, strict=True)
    }


def _read(path: Path) -> dict[frozenset[str], tuple[Decision, tuple[str, str]]]:
    """Return the last decision on each pair with the digests of its texts. Raises `InvalidInput` for another file."""
    found: dict[frozenset[str], tuple[Decision, tuple[str, str]]] = {}
    with disk(path):
        content = read_bounded(path, _MOST_BYTES) if path.exists() else b""
    for number, line in enumerate(content[: content.rfind(b"\n") + 1].splitlines(), 1):
        at = f"{path}, line {number}"
        values = take(load_json(line), at, _LINE)
        keep, other, *texts = (storable(values[name], at) for name in _LINE if name != "verdict")
        decision = Decision(keep, other, one_of(get_args(Verdict), values["verdict"], at))
        found[decision.pair] = decision, (texts[0], texts[1])
    return found


def forget_decisions(folder: Path, sources: Collection[str]) -> None:
    """Remove the decisions on documents of some sources from the file in an index's folder, and lines of others."""
    path = folder / FILE
    if not path.exists():
        return

    def concerns(line: bytes) -> bool:
        try:
            values = take(load_json(line), FILE, _LINE)
        except InvalidInput:
            return True  # nobody knows what it names
        return any(is_of(values[name], sources) for name in ("keep", "other"))

    with disk(path):
        lines = read_bounded(path, _MOST_BYTES).splitlines(keepends=True)
        if any(map(concerns, lines)):
            with replacing(path, like=path) as file:
                file.writelines(line for line in lines if not concerns(line))


def _append(path: Path, lines: str) -> None:
    """Add lines to the file in one write, after its last whole line."""
    with disk(path):
        if not path.exists():
            new_file(path, mode_within(path.parent)).close()
        with path.open("r+b") as file:
            file.truncate(file.read().rfind(b"\n") + 1)
            file.seek(0, os.SEEK_END)
            file.write(lines.encode())
            file.flush()
            os.fsync(file.fileno())
