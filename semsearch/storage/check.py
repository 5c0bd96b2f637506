"""Proving an index sound: all the Library says, and all that Chroma holds; and saving what is left of a Library."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from semsearch.errors import IndexDamaged
from semsearch.storage.library import (
    Library,
    Salvage,
    content_problems,
    database_problems,
    full_text_problems,
    migrate,
    outdated,
    salvage,
)
from semsearch.storage.lock import writing
from semsearch.storage.vectors.sync import VectorSync


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One thing that was looked at, what is wrong with it, and what was seen."""

    subject: str
    problems: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What `Index.check` found in the index in `folder`."""

    folder: Path
    findings: tuple[CheckResult, ...]

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        return not any(finding.problems for finding in self.findings)


def check(folder: Path, library: Library, vectors: VectorSync) -> CheckReport:
    """Look at everything. The write lock must be held: what a writer that was cut off has left is completed first."""
    return CheckReport(folder, tuple(_findings(library, vectors)))


def _findings(library: Library, vectors: VectorSync) -> Iterator[CheckResult]:
    problems = database_problems(library.path)
    yield CheckResult("database", tuple(problems), "pages, indexes and references of the Library")
    if not problems:
        problems = content_problems(library.path)
        counts = library.counts()
        note = f"{counts['passages']:,} texts and {counts['vectors']:,} vectors are what was stored"
        yield CheckResult("content", tuple(problems), "" if problems else note)
    if problems:  # neither is Chroma completed from a Library that is damaged, nor compared with it
        return
    problems = full_text_problems(library.path)
    yield CheckResult("words", tuple(problems), "" if problems else "full-text search is what was stored")
    left = vectors.unfinished
    try:
        vectors.recover()
        vectors.finalize()
    except IndexDamaged as error:
        yield CheckResult("unfinished", (str(error),))
        return
    yield CheckResult("unfinished", (), "what a run that was cut off had left is done" if left else "nothing")
    yield CheckResult(
        "files", tuple(vectors.file_problems()), "Chroma's files are as the last writer left them"
    )
    proof = vectors.prove()
    if proof.problems:
        yield CheckResult("vectors", proof.problems)
    else:
        note = f"{proof.passages:,} passages, their vectors, texts and places in Chroma"
        yield CheckResult("vectors", (), note)
        yield CheckResult("graph", (), f"{proof.found:,} of {proof.asked:,} passages find themselves")
    strays = tuple(f"{name} belongs to nothing" for name in vectors.strays())
    yield CheckResult("strays", strays, "no folder that belongs to nothing")


def mend(folder: Path, *, wait: float) -> Salvage | None:
    """Save what can be read of the Library of the index in `folder`, which is not open; None where it is sound."""
    path = folder / "library.sqlite3"
    with writing(folder, wait):
        if outdated(path) and not database_problems(path):
            migrate(path)
        if not (database_problems(path) or content_problems(path)):
            return None
        return salvage(path)
