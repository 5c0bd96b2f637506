"""Plan a removal: list which documents go, which stay and why, in a file that a person can read and shorten.

A plan is only a proposal. `quarantine` checks each step against the files before it carries the step out.
"""

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypedDict, get_args

from semsearch.answers import PlacedSource, PlanAnswer, PlanStepAnswer
from semsearch.errors import InvalidInput, SemsearchError
from semsearch.files import read_bounded, replacing
from semsearch.readers.rewrite import has_rows
from semsearch.strict_json import digest_of, load_json, names_source, one_of, source_of, storable, take
from semsearch.types import TIERS, Group, Linkage, Tier

VERSION = 1
_MOST_BYTES = 256_000_000
"""The largest plan that is read: enough for about half a million steps."""
_NOTE = (
    "A plan of semsearch: each step takes away one near-duplicate and keeps the text it is like. Nothing is done yet. "
    "Delete the steps you do not want, then: semsearch apply PLAN (take back: semsearch undo)."
)
_COPIES: Mapping[Tier, str] = {
    "exact": "exact copy of {keeper}",
    "lexical": "lexical copy of {keeper}, similarity {similarity:.4f}",
    "semantic": "semantic copy of {keeper}, similarity {similarity:.4f}",
}
# The text of a plan identifies its run (see `run_of`), so another wording here or in `why` would begin a new run.


@dataclass(frozen=True, slots=True)
class DocumentPlace:
    """The place of a document: its source, and its row there, or 0 for the whole source."""

    source: str
    row: int = 0


@dataclass(frozen=True, slots=True)
class SourceContent:
    """The content of a source when the plan was made: its SHA-256 in hex, and its size in bytes."""

    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class PlanStep:
    """A document to remove, the document to keep instead, and the similarity of the two (see `Member`)."""

    remove: DocumentPlace
    keep: DocumentPlace
    document: str
    keeper: str
    similarity: float
    jaccard: float
    tier: Tier
    differs: str = ""

    @property
    def why(self) -> str:
        """The reason for the removal, such as "exact copy of a.md", and what differs all the same."""
        return f"{self._alike}, but {self.differs}" if self.differs else self._alike

    @property
    def copy_of(self) -> str:
        """The keeper and how alike the two are, such as "lexical copy of a.md, similarity 0.9843"."""
        copy = _COPIES[self.tier].format(keeper=self.keeper, similarity=self.similarity)
        return f"{copy}, but {self.differs}" if self.differs else copy

    @property
    def _alike(self) -> str:
        if self.tier == "exact":
            return f"exact copy of {self.keeper}"
        if self.tier == "lexical":
            return f"{self.jaccard:.0%} of word triples shared with {self.keeper}"
        return f"{self.similarity:.4f} like {self.keeper}"


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps of a removal, the `sources` they use, and the `threshold`, `linkage` and `keep` rules of the search.

    No step removes a keeper, alone or with its source. `left_out` names duplicates that have no step, since their
    source or their keeper's has no digest to check: it is not a file, or was read only in part. Nor has a source whose
    name looks like a path of Windows. A sheet, an attachment
    or another part of a file that is not a row has no step either. Raises `InvalidInput` where steps contradict each
    other or `sources`.
    """

    made: datetime
    threshold: float
    linkage: Linkage
    keep: tuple[str, ...]
    sources: Mapping[str, SourceContent]
    steps: tuple[PlanStep, ...]
    left_out: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        gone: set[DocumentPlace] = set()
        for step in self.steps:
            for place in (step.remove, step.keep):
                if place.source not in self.sources:
                    raise InvalidInput(f"{place.source!r} is in a step, but not in the sources")
            if step.remove in gone:
                raise InvalidInput(f"{_place_text(step.remove)} is removed twice")
            gone.add(step.remove)
        for step in self.steps:
            if gone & {step.keep, DocumentPlace(step.keep.source)}:
                hint = "keep another copy, or delete one of the two steps"
                raise InvalidInput(
                    f"{_place_text(step.keep)} is removed, and is kept in place of {_place_text(step.remove)}",
                    hint,
                )
            if step.remove.row and DocumentPlace(step.remove.source) in gone:
                raise InvalidInput(f"{step.remove.source!r} is removed as a whole and by rows")

    @classmethod
    def of(
        cls,
        groups: Iterable[Group],
        where: Callable[[str], tuple[str, int]],
        contents: Mapping[str, tuple[str, int]],
        *,
        made: datetime,
        threshold: float,
        linkage: Linkage,
        keep: Sequence[str],
        tiers: Collection[Tier] = TIERS,
    ) -> "Plan":
        """Return the plan that removes every unprotected member of `groups` that is of one of `tiers`.

        `where(name)` returns the source of a document and its row (0 for the whole source). `contents` has the SHA-256
        in hex ("" if there is none) and the size of each source.
        """
        steps: list[PlanStep] = []
        left_out: list[str] = []
        for group in groups:
            stays = DocumentPlace(*where(group.keeper))
            for member in group.members:
                goes = DocumentPlace(*where(member.name))
                if member.protected or member.tier not in tiers:
                    continue
                known = all(
                    place.source in contents and contents[place.source][0] and names_source(place.source)
                    for place in (goes, stays)
                )
                if not known or (goes.row and not has_rows(goes.source)):
                    left_out.append(member.name)
                    continue
                scores = (member.similarity, member.jaccard, member.tier, member.differs)
                steps.append(PlanStep(goes, stays, member.name, group.keeper, *scores))
        touched = sorted({place.source for step in steps for place in (step.remove, step.keep)})
        sources = {source: SourceContent(*contents[source]) for source in touched}
        return cls(made, threshold, linkage, tuple(keep), sources, tuple(steps), tuple(left_out))

    def text(self) -> str:
        """Return the plan as JSON."""
        plan: PlanAnswer = {
            "note": _NOTE,
            "version": VERSION,
            "made": self.made.isoformat(),
            "threshold": self.threshold,
            "linkage": self.linkage,
            "keep": list(self.keep),
            "steps": list(map(_step, self.steps)),
            "left_out": list(self.left_out),
            "sources": {
                key: {"sha256": content.sha256, "size": content.size} for key, content in self.sources.items()
            },
        }
        return json.dumps(plan, ensure_ascii=False, indent=2, allow_nan=False) + "\n"

    @classmethod
    def parse(cls, text: str | bytes) -> "Plan":
        """Return the plan in `text` (UTF-8). Raises `InvalidInput`, with the place, for anything else."""
        top = take(load_json(text), "the plan", _PLAN)
        if top["version"] != VERSION:
            hint = "write a new plan: semsearch plan FILE"
            raise InvalidInput(
                f"the plan has version {top['version']}; this version of semsearch reads {VERSION}", hint
            )
        sources = {}
        for key, value in top["sources"].items():
            at = f"sources, {key!r}"
            content = take(value, at, {"sha256": str, "size": int})
            sources[source_of(key, at)] = SourceContent(
                digest_of(content["sha256"], at), _count(content["size"], at)
            )
        steps = []
        for number, value in enumerate(top["steps"], 1):
            at = f"step {number}"
            differs = isinstance(value, dict) and "differs" in value
            step = take(value, at, {**_STEP, "differs": str} if differs else _STEP)
            steps.append(
                PlanStep(
                    _place(step["from"], f"{at}, from"),
                    _place(step["kept_in"], f"{at}, kept_in"),
                    storable(step["remove"], at),
                    storable(step["keep"], at),
                    _between(-1, step["similarity"], 1, f"{at}, similarity"),
                    _between(0, step["jaccard"], 1, f"{at}, jaccard"),
                    one_of(get_args(Tier), step["tier"], f"{at}, tier"),
                    storable(step.get("differs", ""), at),
                )
            )
        try:
            made = datetime.fromisoformat(top["made"])
        except ValueError:
            raise InvalidInput(f"made: {top['made'][:40]!r} is not a time") from None
        return cls(
            made,
            _between(-1, top["threshold"], 1, "threshold"),
            one_of(get_args(Linkage), _OLD_LINKAGES.get(top["linkage"], top["linkage"]), "linkage"),
            _strings(top["keep"], "keep"),
            sources,
            tuple(steps),
            _strings(top["left_out"], "left_out"),
        )

    def save(self, path: Path) -> None:
        """Write the plan to a file, which appears whole or not at all. Raises `SemsearchError` if that fails."""
        try:
            with replacing(path) as file:
                file.write(self.text().encode())
        except OSError as error:
            reason = error.strerror or str(error)
            raise SemsearchError(f"cannot write {path}: {reason}", "check the folder and the disk") from error

    @classmethod
    def load(cls, path: Path) -> "Plan":
        """Return the plan in a file. Raises `InvalidInput` if it cannot be read or is not a plan."""
        try:
            return cls.parse(read_bounded(path, _MOST_BYTES))
        except OSError as error:
            raise InvalidInput(f"{path}: {error.strerror or error}") from error
        except InvalidInput as error:
            raise InvalidInput(f"{path} is not a plan: {error}", error.hint) from error


def _place_text(place: DocumentPlace) -> str:
    return f"{place.source!r}, row {place.row}" if place.row else repr(place.source)


class _Differs(TypedDict, total=False):
    differs: str


def _step(step: PlanStep) -> PlanStepAnswer:
    differs: _Differs = {"differs": step.differs} if step.differs else {}
    return {
        "remove": step.document,
        "why": step.why,
        "keep": step.keeper,
        "tier": step.tier,
        "similarity": step.similarity,
        "jaccard": step.jaccard,
        **differs,
        "from": _location(step.remove),
        "kept_in": _location(step.keep),
    }


def _location(place: DocumentPlace) -> PlacedSource:
    return {"source": place.source, "row": place.row} if place.row else {"source": place.source}


# -- reading a file that may have been edited, or be something else -----------------------------------------------

_OLD_LINKAGES = {"connected": "single"}
"""The names of linkages in plans that an older version wrote."""
_PLAN: Mapping[str, type] = {
    "note": str,
    "version": int,
    "made": str,
    "threshold": float,
    "linkage": str,
    "keep": list,
    "steps": list,
    "left_out": list,
    "sources": dict,
}
_STEP: Mapping[str, type] = {
    "remove": str,
    "why": str,
    "keep": str,
    "tier": str,
    "similarity": float,
    "jaccard": float,
    "from": dict,
    "kept_in": dict,
}


def _place(value: Any, at: str) -> DocumentPlace:
    row = isinstance(value, dict) and "row" in value
    members = take(value, at, {"source": str, "row": int} if row else {"source": str})
    if row and members["row"] < 1:
        raise InvalidInput(f"{at}: rows are numbered from 1")
    return DocumentPlace(source_of(members["source"], at), members.get("row", 0))


def _count(value: int, at: str) -> int:
    if value < 0:
        raise InvalidInput(f"{at}: the size is below 0")
    return value


def _between(least: float, value: float, most: float, at: str) -> float:
    # Rounding may take a cosine a little above 1; NaN is not between.
    if not least - 1e-6 <= value <= most + 1e-6:
        raise InvalidInput(f"{at}: not between {least} and {most}")
    return float(value)


def _strings(values: list[Any], at: str) -> tuple[str, ...]:
    if not all(isinstance(value, str) for value in values):
        raise InvalidInput(f"{at}: not all values are texts")
    return tuple(storable(value, at) for value in values)
