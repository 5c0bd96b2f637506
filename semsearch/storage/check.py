"""Verify an index: everything in the Library and in its vector engine; and save what is left of a damaged Library."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from semsearch.errors import EngineUnavailable, IndexDamaged
from semsearch.storage.library import (
    Library,
    Salvage,
    content_problems,
    database_problems,
    full_text_problems,
    migrate,
    outdated,
    refuse_journal,
    refuse_special_files,
    salvage,
    vector_file_problems,
)
from semsearch.storage.lock import write_lock
from semsearch.storage.vectors.sync import VectorSync


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of one check: its `subject`, the `problems` found, and a `note` on what was checked.

    `unknown` says why nothing could be checked: a server cannot be asked. That is not damage.
    """

    subject: str
    problems: tuple[str, ...] = ()
    note: str = ""
    unknown: str = ""


@dataclass(frozen=True, slots=True)
class CheckReport:
    """The results of `Index.check` for the index in `folder`."""

    folder: Path
    findings: tuple[CheckResult, ...]

    @property
    def sound(self) -> bool:
        """True where no check found a problem."""
        return not any(finding.problems for finding in self.findings)


_CHECKS = 9
"""The checks of an index that has no problem."""


def check(
    folder: Path,
    library: Library,
    vectors: VectorSync,
    progress: Callable[[int, int], None] | None = None,
) -> CheckReport:
    """Check everything, after finishing what an interrupted writer left. The caller holds the write lock.

    `progress` is called with the number of checks done and of all.
    """
    findings = []
    for finding in _findings(library, vectors):
        findings.append(finding)
        if progress is not None:
            progress(len(findings), _CHECKS)
    return CheckReport(folder, tuple(findings))


def _findings(library: Library, vectors: VectorSync) -> Iterator[CheckResult]:
    problems = database_problems(library.path)
    yield CheckResult("database", tuple(problems), "pages, indexes and references of the Library")
    if not problems:
        problems = content_problems(library.path)
        counts = library.counts()
        note = f"{counts['passages']:,} texts and {counts['vectors']:,} vectors are as they were stored"
        yield CheckResult("content", tuple(problems), "" if problems else note)
    if problems:  # a damaged Library is neither copied to the vector engine nor compared with it
        return
    problems = full_text_problems(library.path)
    yield CheckResult("words", tuple(problems), "" if problems else "full-text search is as it was stored")
    problems = vector_file_problems(library)
    yield CheckResult("vector file", tuple(problems), "" if problems else "none, or as the Library has it")
    left, waited = vectors.unfinished, library.pending()
    try:
        vectors.recover(now=True)
        vectors.finalize()
    except IndexDamaged as error:
        yield CheckResult("unfinished", (str(error),))
        return
    note = f"changes that waited for the vector engine were sent: {waited:,}" if waited else "nothing"
    yield CheckResult("unfinished", (), "what an interrupted run left is done" if left else note)
    yield CheckResult(
        "files", tuple(vectors.file_problems()), "the vector engine's files are as the last write left them"
    )
    try:
        proof = vectors.prove()
    except EngineUnavailable as error:
        yield CheckResult("vectors", unknown=str(error))
        return
    if proof.problems:
        yield CheckResult("vectors", proof.problems)
    else:
        note = f"{proof.passages:,} passages have their vectors, texts and places in the vector engine"
        yield CheckResult("vectors", (), note)
        yield CheckResult("graph", (), f"{proof.found:,} of {proof.asked:,} passages find themselves")
    strays = tuple(f"nothing uses {name}" for name in vectors.strays())
    yield CheckResult("strays", strays, "every folder is used")


def salvage_damaged(folder: Path, *, wait: float) -> Salvage | None:
    """Save what can be read of a damaged Library. Return None where it is sound.

    The index in `folder` is not open. Raises `IndexLocked` where the write lock is not free after `wait` seconds, and
    `IndexDamaged` where nothing can be saved.
    """
    path = folder / "library.sqlite3"
    refuse_special_files(folder, {"quarantine"})
    refuse_journal(path)
    with write_lock(folder, wait):
        if outdated(path) and not database_problems(path):
            migrate(path)
        if not (database_problems(path) or content_problems(path)):
            return None
        return salvage(path)
