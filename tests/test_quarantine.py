"""Plans carried out and undone on real files, and killed at every kind of system call on the way.

Run as a program, this file is the process that gets killed: see `Killable`.
"""

import hashlib
import json
import os
import random
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from semsearch.dedup.plan import DocumentPlace, Plan, PlanStep, SourceContent
from semsearch.dedup.quarantine import Outcome, apply, removed_rows, undo
from semsearch.dedup.runs import runs
from semsearch.errors import InvalidInput, SemsearchError

if sys.platform == "win32":
    pytest.skip("permissions, hard links and signals here are those of POSIX", allow_module_level=True)

State = tuple[str, int, int]


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def content(path: Path) -> SourceContent:
    return SourceContent(sha256(path), path.stat().st_size)


def state(path: Path) -> State:
    """Return the state that must come back: bytes, permissions, time."""
    return sha256(path), stat.S_IMODE(path.stat().st_mode), path.stat().st_mtime_ns


def snapshot(folder: Path) -> dict[str, State]:
    """All files below a folder but those in its quarantine."""
    files = (path for path in folder.rglob("*") if path.is_file())
    named = ((path.relative_to(folder).as_posix(), path) for path in files)
    return {name: state(path) for name, path in named if not name.startswith(".q/")}


def plan_of(base: Path, *pairs: tuple[str, str]) -> Plan:
    """Return the plan that removes the first of each pair and keeps the second. Places are `source` or `source#row`."""

    def place(name: str) -> DocumentPlace:
        source, _, row = name.partition("#")
        return DocumentPlace(source, int(row or 0))

    steps = [PlanStep(place(goes), place(stays), goes, stays, 1.0, 1.0, "exact") for goes, stays in pairs]
    sources = {at.source for step in steps for at in (step.remove, step.keep)}
    contents = {source: content(base / source) for source in sorted(sources)}
    return Plan(datetime(2026, 1, 1, tzinfo=UTC), 0.9, "keeper", ("first",), contents, tuple(steps))


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """Make a folder with a.md and its copies d/b.md and d/deep/c.md, and near.md, which is only like it."""
    folder = tmp_path / "base"
    (folder / "d/deep").mkdir(parents=True)
    for number, name in enumerate(["a.md", "d/b.md", "d/deep/c.md", "near.md"], 1):
        path = folder / name
        path.write_text("one text\n" if name != "near.md" else "one text, more\n")
        path.chmod(0o600 | number)
        os.utime(path, ns=(number * 10**18 // 7, number * 10**18 // 7 + number))
    return folder


ALL = (("d/b.md", "a.md"), ("d/deep/c.md", "a.md"), ("near.md", "a.md"))
EXACT = ALL[:2]


def carry_out(base: Path, plan: Plan, known: Any = None, **options: Any) -> Outcome:
    return apply(plan, base, known or plan.sources, base / ".q", **options)


def reasons(outcome: Outcome) -> dict[str, str]:
    return {refusal.source: refusal.reason for refusal in outcome.refused}


# -- there and back ---------------------------------------------------------------------------------------------


def test_files_move_and_come_back(base: Path) -> None:
    before, plan = snapshot(base), plan_of(base, *ALL)
    assert carry_out(base, plan, dry_run=True).done == ("d/b.md", "d/deep/c.md", "near.md")
    assert not (base / ".q").exists()
    first = carry_out(base, plan)
    assert (first.done, first.already, first.refused) == (("d/b.md", "d/deep/c.md", "near.md"), (), ())
    assert snapshot(base) == {"a.md": before["a.md"]}
    held = base / ".q" / first.run / "files"
    assert snapshot(held) == {name: before[name] for name in first.done}
    again = carry_out(base, plan)
    assert (again.run, again.done, again.already) == (first.run, (), first.done)
    shutil.rmtree(base / "d")
    back = undo(base / ".q", base)
    assert (back.run, set(back.done), back.refused) == (first.run, set(first.done), ())
    assert snapshot(base) == before
    assert list((base / ".q").iterdir()) == []
    assert undo(base / ".q", base).run == ""
    assert carry_out(base, plan).done == first.done


def test_hard_links_and_back(base: Path) -> None:
    before, plan = snapshot(base), plan_of(base, *ALL)
    outcome = carry_out(base, plan, hardlink=True)
    assert outcome.done == ("d/b.md", "d/deep/c.md")
    assert reasons(outcome) == {"near.md": "near.md is not byte for byte the same as a.md"}
    assert len({(base / name).stat().st_ino for name in ("a.md", "d/b.md", "d/deep/c.md")}) == 1
    assert snapshot(base).keys() == before.keys()
    assert carry_out(base, plan, hardlink=True).already == outcome.done
    assert undo(base / ".q", base).refused == ()
    assert snapshot(base) == before
    assert len({(base / name).stat().st_ino for name in before}) == 4
    assert list((base / ".q").iterdir()) == []


def test_runs_are_undone_by_name_or_the_latest_first(base: Path) -> None:
    before = snapshot(base)
    first = carry_out(base, plan_of(base, ALL[0])).run
    (base / ".q" / first).rename(base / ".q" / f"2020{first[4:]}")
    first = f"2020{first[4:]}"
    second = carry_out(base, plan_of(base, ALL[1])).run
    assert [run.name for run in runs(base / ".q")] == [first, second]
    with pytest.raises(InvalidInput, match="no run '2019'"):
        undo(base / ".q", base, "2019")
    assert undo(base / ".q", base).run == second
    assert undo(base / ".q", base, first).done == ("d/b.md",)
    assert snapshot(base) == before


def test_the_folder_may_move_with_its_index(base: Path) -> None:
    before = snapshot(base)
    carry_out(base, plan_of(base, *ALL))
    moved = base.rename(base.with_name("elsewhere"))
    assert undo(moved / ".q", moved).refused == ()
    assert snapshot(moved) == before


def test_sources_outside_the_base_have_their_own_place(base: Path) -> None:
    inner = base / "d"
    outside = f"{base}/near.md"
    plan = plan_of(inner, (outside, "b.md"))
    before = snapshot(base)
    outcome = apply(plan, inner, plan.sources, base / ".q")
    assert "--allow" in reasons(outcome)[outside]
    outcome = apply(plan, inner, plan.sources, base / ".q", allow=[base])
    assert outcome.done == (outside,)
    assert not (base / "near.md").exists()
    assert "--allow" in reasons(undo(base / ".q", inner))[outside]
    assert not (base / "near.md").exists()
    undo(base / ".q", inner, allow=[base])
    assert snapshot(base) == before


def test_strange_names(base: Path) -> None:
    names = [
        "好 文.md",
        "line\nbreak",
        " ",
        "-rf",
        "x" * 255,
        "a:b",
        "ab",
        "\\xff",
        "C:",
        "~",
        "\u202egnp.md",
        "*?[",
    ]
    for name in names:
        (base / name).write_text("one text\n")
    before = snapshot(base)
    plan = Plan.parse(plan_of(base, *((name, "a.md") for name in names)).text())
    for hardlink in (False, True):
        assert carry_out(base, plan, hardlink=hardlink).done == tuple(names)
        assert undo(base / ".q", base).refused == ()
        assert snapshot(base) == before


def test_a_name_that_is_no_text_is_not_found(base: Path) -> None:
    plan = plan_of(base, *EXACT)
    try:
        (base / os.fsdecode(b"\xff.md")).write_text("one text\n")
    except OSError:
        pytest.skip("this file system has names in UTF-8 only")
    key = "\\xff.md"  # as an index names it
    step = PlanStep(DocumentPlace(key), DocumentPlace("a.md"), key, "a.md", 1.0, 1.0, "exact")
    plan = Plan(plan.made, 0.9, "keeper", (), {**plan.sources, key: plan.sources["a.md"]}, (step,))
    assert reasons(carry_out(base, plan)) == {key: f"{key} is not there"}


def test_a_hard_link_of_the_keeper_may_move(base: Path) -> None:
    (base / "link.md").hardlink_to(base / "a.md")
    before, plan = snapshot(base), plan_of(base, ("link.md", "a.md"))
    assert carry_out(base, plan, hardlink=True).already == ("link.md",)
    assert list((base / ".q").glob("*")) == []
    assert carry_out(base, plan).done == ("link.md",)
    assert undo(base / ".q", base).done == ("link.md",)
    assert snapshot(base) == before


# -- what is refused --------------------------------------------------------------------------------------------


def spoil(base: Path, how: str) -> None:
    path, deep = base / "d/deep/c.md", base / "d/deep"
    match how:
        case "loser grew":
            path.write_text("one text\nmore")
        case "loser differs":
            path.write_text("one tEXt\n")
        case "loser gone":
            path.unlink()
        case "loser is a folder":
            path.unlink()
            path.mkdir()
        case "loser is a pipe":
            path.unlink()
            os.mkfifo(path)
        case "loser is a link to the keeper":
            path.unlink()
            path.symlink_to(base / "a.md")
        case "loser is a link to its copy":
            path.rename(base / "copy")
            path.symlink_to(base / "copy")
        case "folder is a link":
            deep.rename(base / "elsewhere")
            deep.symlink_to(base / "elsewhere")
        case "folder is a file":
            shutil.rmtree(deep)
            deep.touch()


@pytest.mark.parametrize("hardlink", [False, True])
@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("loser grew", "d/deep/c.md has changed since the plan was made"),
        ("loser differs", "d/deep/c.md has changed since the plan was made"),
        ("loser gone", "d/deep/c.md is not there"),
        ("loser is a folder", "d/deep/c.md is not a regular file"),
        ("loser is a pipe", "d/deep/c.md is not a regular file"),
        ("loser is a link to the keeper", "is reached through a symbolic link"),
        ("loser is a link to its copy", "is reached through a symbolic link"),
        ("folder is a link", "is reached through a symbolic link"),
        ("folder is a file", "d/deep/c.md is not there"),
    ],
)
def test_what_is_not_as_planned_stays_and_the_rest_goes(
    base: Path, how: str, reason: str, hardlink: bool
) -> None:
    before, plan = snapshot(base), plan_of(base, *EXACT)
    spoil(base, how)
    spoilt = snapshot(base)
    outcome = carry_out(base, plan, hardlink=hardlink)
    assert outcome.done == ("d/b.md",)
    (refused,) = outcome.refused
    assert refused.source == "d/deep/c.md"
    assert refused.reason.endswith(reason)
    assert undo(base / ".q", base).refused == ()
    assert snapshot(base) == spoilt
    assert snapshot(base)["a.md"] == before["a.md"]


@pytest.mark.parametrize("hardlink", [False, True])
@pytest.mark.parametrize("how", ["changed", "gone", "a link", "unknown"])
def test_nothing_goes_without_its_keeper(base: Path, how: str, hardlink: bool) -> None:
    plan, keeper, known = plan_of(base, *EXACT), base / "a.md", {"a.md", "d/b.md", "d/deep/c.md"}
    match how:
        case "changed":
            keeper.write_text("another\n")
        case "gone":
            keeper.unlink()
        case "a link":
            keeper.unlink()
            keeper.symlink_to("d/b.md")
        case "unknown":
            known.remove("a.md")
    before = snapshot(base)
    outcome = carry_out(base, plan, known, hardlink=hardlink)
    assert (outcome.run, outcome.done, len(outcome.refused)) == ("", (), 2)
    assert snapshot(base) == before
    assert not (base / ".q").exists()


def test_a_plan_cannot_point_outside_the_index(base: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.md"
    secret.write_text("one text\n")
    plan = plan_of(base, (str(secret), "a.md"))
    assert "is not a source of this index" in reasons(carry_out(base, plan, {"a.md"}))[str(secret)]
    assert secret.exists()


def test_the_last_copy_stays_under_whatever_name(base: Path) -> None:
    alias = f"{base}/a.md"
    plan = plan_of(base, (alias, "a.md"), ("d/b.md", "a.md"))
    assert carry_out(base, plan).done == ("d/b.md",)
    assert (base / "a.md").exists()
    undo(base / ".q", base)
    other = plan_of(base, (alias, "near.md"), ("d/b.md", "a.md"))  # the keeper of another step
    assert "last copy" in reasons(carry_out(base, other))[alias]


class Meddling(set[str]):
    """The names of sources, and somebody who writes to the first file when the second is looked up."""

    def __init__(self, base: Path, first: str, second: str) -> None:
        super().__init__({"a.md", "d/b.md", "d/deep/c.md", "near.md"})
        self.base, self.first, self.second = base, first, second

    def __contains__(self, name: object) -> bool:
        if name == self.second:
            (self.base / self.first).write_text("ONE TEXT\n")
        return super().__contains__(name)


@pytest.mark.parametrize("hardlink", [False, True])
def test_a_change_after_the_check_is_seen(base: Path, hardlink: bool) -> None:
    plan = plan_of(base, *EXACT)
    outcome = carry_out(base, plan, Meddling(base, "d/b.md", "d/deep/c.md"), hardlink=hardlink)
    assert (outcome.done, reasons(outcome)) == (("d/deep/c.md",), {"d/b.md": "d/b.md has just changed"})
    plan = plan_of(base, ("near.md", "a.md"), ("d/b.md", "a.md"))
    outcome = carry_out(base, plan, Meddling(base, "a.md", "d/b.md"))
    assert outcome.done == ()
    assert (base / "d/b.md").read_text() == "ONE TEXT\n"


def test_a_change_with_its_time_put_back_costs_no_bytes(base: Path) -> None:
    """The one change that is not noticed before a move is, before bytes are given up for a link."""

    class Sly(Meddling):
        def __contains__(self, name: object) -> bool:
            times = (self.base / self.first).stat()
            found = super().__contains__(name)
            os.utime(self.base / self.first, ns=(times.st_atime_ns, times.st_mtime_ns))
            return found

    outcome = carry_out(base, plan_of(base, *EXACT), Sly(base, "d/b.md", "d/deep/c.md"), hardlink=True)
    assert reasons(outcome) == {"d/b.md": "d/b.md has changed since the plan was made"}
    assert (base / "d/b.md").read_text() == "ONE TEXT\n"


def test_another_file_system_is_refused_before_anything_moves(base: Path) -> None:
    other = Path("/dev/shm")
    if not other.is_dir() or other.stat().st_dev == base.stat().st_dev:
        pytest.skip("needs a second file system")
    before, plan = snapshot(base), plan_of(base, *ALL)
    with pytest.raises(InvalidInput, match=r"d/b.md and 2 more: on another file system") as caught:
        apply(plan, base, plan.sources, other / "no" / "quarantine")
    assert "--quarantine" in caught.value.hint
    assert snapshot(base) == before
    assert not (other / "no").exists()


# -- undo -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["file", "folder", "link"])
def test_a_taken_place_is_not_overwritten(base: Path, what: str) -> None:
    before = snapshot(base)
    outcome = carry_out(base, plan_of(base, *ALL))
    place = base / "d/b.md"
    match what:
        case "file":
            place.write_text("new\n")
        case "folder":
            place.mkdir()
        case "link":
            place.symlink_to("nowhere")
    assert "there again" in reasons(carry_out(base, plan_of_kept(base, outcome)))["d/b.md"]
    back = undo(base / ".q", base)
    assert set(back.done) == {"d/deep/c.md", "near.md"}
    assert "already exists" in reasons(back)["d/b.md"]
    assert sha256(base / ".q" / outcome.run / "files/d/b.md") == before["d/b.md"][0]
    place.rename(base / "new")
    assert undo(base / ".q", base).done == ("d/b.md",)
    if what != "folder":
        (base / "new").unlink()
    assert snapshot(base) == before


def plan_of_kept(base: Path, outcome: Outcome) -> Plan:
    """Return the plan of `ALL` as it was before it was carried out."""
    held = base / ".q" / outcome.run / "files"
    contents = {name: content(held / name) for name in outcome.done} | {"a.md": content(base / "a.md")}
    plan = plan_of(held, *((goes, goes) for goes in ()))
    steps = [
        PlanStep(DocumentPlace(goes), DocumentPlace(stays), goes, stays, 1.0, 1.0, "exact")
        for goes, stays in ALL
    ]
    return Plan(plan.made, 0.9, "keeper", ("first",), dict(sorted(contents.items())), tuple(steps))


def test_nothing_is_put_back_through_a_link(base: Path, tmp_path: Path) -> None:
    carry_out(base, plan_of(base, *ALL))
    shutil.rmtree(base / "d")
    (tmp_path / "trap").mkdir()
    (base / "d").symlink_to(tmp_path / "trap")
    back = undo(base / ".q", base)
    assert back.done == ("near.md",)
    assert len(back.refused) == 2
    assert list((tmp_path / "trap").iterdir()) == []
    (base / "d").unlink()
    assert len(undo(base / ".q", base).done) == 2


def test_a_linked_file_that_was_edited_keeps_its_edit(base: Path) -> None:
    before, plan = snapshot(base), plan_of(base, *EXACT)
    carry_out(base, plan, hardlink=True)
    (base / "d/b.md").write_text("through the link")
    back = undo(base / ".q", base)
    assert len(back.refused) == 2
    assert {(base / name).read_text() for name in ("a.md", "d/b.md", "d/deep/c.md")} == {"through the link"}
    (base / "a.md").write_text("one text\n")
    assert len(undo(base / ".q", base).done) == 2
    after = snapshot(base)
    assert {name: after[name] for name in ("d/b.md", "d/deep/c.md")} == {
        name: before[name] for name in ("d/b.md", "d/deep/c.md")
    }


def test_links_come_back_without_their_keeper_or_from_it(base: Path) -> None:
    before, plan = snapshot(base), plan_of(base, *EXACT)
    carry_out(base, plan, hardlink=True)
    (base / "d/b.md").unlink()
    assert undo(base / ".q", base).refused == ()
    assert snapshot(base) == before
    carry_out(base, plan, hardlink=True)
    (base / "a.md").unlink()
    assert undo(base / ".q", base).refused == ()
    assert snapshot(base) == {name: before[name] for name in before if name != "a.md"}


def test_what_cannot_come_back_is_said(base: Path) -> None:
    plan = plan_of(base, *EXACT)
    carry_out(base, plan, hardlink=True)
    for name in ("a.md", "d/b.md", "d/deep/c.md"):
        (base / name).unlink()
    os.mkfifo(base / "d/b.md")
    back = undo(base / ".q", base)
    assert reasons(back) == {
        "d/b.md": f"something other than a file is at {base}/d/b.md: move it away",
        "d/deep/c.md": "neither d/deep/c.md nor a.md is there",
    }


def test_a_purged_run_is_forgotten(base: Path) -> None:
    outcome = carry_out(base, plan_of(base, *EXACT))
    shutil.rmtree(base / ".q" / outcome.run / "files")
    back = undo(base / ".q", base)
    assert {refusal.reason for refusal in back.refused} == {
        "d/b.md is neither at its place nor in the quarantine",
        "d/deep/c.md is neither at its place nor in the quarantine",
    }
    assert runs(base / ".q") == []


def test_what_else_lies_in_the_quarantine_is_left_alone(base: Path) -> None:
    other = base / ".q" / "XYZ-12345678"
    other.mkdir(parents=True)
    for name in ("manifest.json", ".semsearchignore"):
        (other / name).write_text("mine")
    carry_out(base, plan_of(base, *ALL))
    assert undo(base / ".q", base).refused == ()
    assert sorted(path.name for path in other.iterdir()) == [".semsearchignore", "manifest.json"]


@pytest.mark.parametrize(
    "change",
    [
        lambda manifest: manifest["removals"][0].update(source="../../escape"),
        lambda manifest: manifest["removals"][0].update(keeper="a/../b"),
        lambda manifest: manifest["removals"][0].update(sha256="0"),
        lambda manifest: manifest["removals"][0].pop("permissions"),
        lambda manifest: manifest.update(mode="delete"),
        lambda manifest: manifest.update(removals=None),
    ],
)
def test_a_manifest_that_was_tampered_with_is_not_followed(base: Path, change: Any) -> None:
    outcome = carry_out(base, plan_of(base, *ALL))
    path = base / ".q" / outcome.run / "manifest.json"
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest))
    before = snapshot(base)
    with pytest.raises(InvalidInput, match="is damaged"):
        undo(base / ".q", base)
    assert snapshot(base) == before


# -- rows -------------------------------------------------------------------------------------------------------


def test_rows_to_leave_out(base: Path) -> None:
    (base / "r.jsonl").write_text('{"text": "a"}\n' * 5)
    plan = plan_of(base, ("r.jsonl#2", "r.jsonl#1"), ("r.jsonl#4", "a.md"), ("d/b.md", "a.md"))
    known = set(plan.sources)
    assert removed_rows(plan, base, known) == (base / "r.jsonl", frozenset({2, 4}), ())
    assert carry_out(base, plan).rows == 2
    (base / "a.md").write_text("other")
    path, drop, (refused,) = removed_rows(plan, base, known)
    assert (path, drop, refused.source) == (base / "r.jsonl", frozenset({2}), "r.jsonl#4")
    with pytest.raises(InvalidInput, match="no rows"):
        removed_rows(plan_of(base, ("near.md", "a.md")), base, known)
    two = plan_of(base, ("r.jsonl#2", "r.jsonl#1"), ("near.md#1", "r.jsonl#1"))
    with pytest.raises(InvalidInput, match="rows of 2 files"):
        removed_rows(two, base, known)


# -- cut off ----------------------------------------------------------------------------------------------------

WATCHED = {
    "open",
    "os.chmod",
    "os.link",
    "os.mkdir",
    "os.remove",
    "os.rename",
    "os.rmdir",
    "os.truncate",
    "os.utime",
    "fsync",
}


def serve() -> None:
    """Carry out orders, a JSON object a line, each in a fork that may be killed, limited, or another user."""
    for line in sys.stdin:
        order = json.loads(line)
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            os.close(reading)
            obey(order, writing)
        os.close(writing)
        with os.fdopen(reading) as pipe:
            said = pipe.read()
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(json.dumps({"status": status, "said": said}), flush=True)


def obey(order: dict[str, Any], writing: int) -> None:
    base, quarantine = Path(order["base"]), Path(order["base"]) / ".q"
    plan = Plan.load(Path(order["plan"]))
    if "largest" in order:
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (order["largest"], order["largest"]))
    if "user" in order:
        os.setgroups([])
        os.setgid(order["user"])
        os.setuid(order["user"])
    calls: list[str] = []

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if event in WATCHED:
            if len(calls) == order.get("kill"):
                os.kill(os.getpid(), signal.SIGKILL)
            name = (
                Path(os.fsdecode(arguments[0])).name if isinstance(arguments[0], str | bytes | Path) else ""
            )
            calls.append(f"{event} {name if 'manifest' in name else ''}".strip())

    def fsync(handle: int, real: Any = os.fsync) -> None:
        watch("fsync", (handle,))
        real(handle)

    os.fsync = fsync
    sys.addaudithook(watch)
    said: dict[str, Any]
    try:
        if order["do"] == "apply":
            outcome = apply(plan, base, plan.sources, quarantine, hardlink=order["hardlink"])
        else:
            outcome = undo(quarantine, base)
        said = {"calls": calls[:], "done": outcome.done, "refused": [r.reason for r in outcome.refused]}
    except SemsearchError as error:
        said = {"error": str(error)}
    except BaseException as error:
        said = {"crash": repr(error)}
    order.pop("kill", None)
    os.write(writing, json.dumps(said).encode())
    os._exit(0)


class Killable:
    """A process that applies and undoes, and is killed right before its n-th system call of those in `WATCHED`."""

    def __init__(self) -> None:
        environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-W", "ignore", __file__]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def order(self, base: Path, do: str, *, hardlink: bool = False, **more: Any) -> dict[str, Any] | None:
        """Return the last output; None if it was killed."""
        assert self.process.stdin is not None and self.process.stdout is not None
        order = {"base": str(base), "plan": f"{base}.json", "do": do, "hardlink": hardlink, **more}
        print(json.dumps(order), file=self.process.stdin, flush=True)
        answer = json.loads(self.process.stdout.readline())
        if answer["status"] == -signal.SIGKILL:
            return None
        assert answer["status"] == 0, answer
        said: dict[str, Any] = json.loads(answer["said"])
        assert "crash" not in said, said
        return said


@pytest.fixture(scope="module")
def killable() -> Iterator[Killable]:
    made = Killable()
    with made.process:
        yield made
        assert made.process.stdin is not None
        made.process.stdin.close()


def plant(folder: Path) -> Path:
    """Forty files in nested folders: ten keepers with two copies each, and ten that nobody is like."""
    pairs = []
    for group in range(10):
        names = [
            f"k{group}.md",
            f"copies/{group % 3}/好 {group}.md",
            f"copies/{group % 2}/deep\n/{group}.txt",
        ]
        for number, name in enumerate([*names, f"other/{group}.md"]):
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"other {group}" if number == 3 else f"text {group}\n" * (group * 20 + 1))
            path.chmod(0o644 if group % 2 else 0o600)
            os.utime(path, ns=(10**18, 10**18 + 10**9 * group + number))
        pairs += [(names[1], names[0]), (names[2], names[0])]
    plan_of(folder, *pairs).save(Path(f"{folder}.json"))
    return folder


def whereabouts(base: Path) -> dict[str, State]:
    """Every file at its place or in the quarantine, under its own name; nothing twice."""
    found: dict[str, State] = snapshot(base)
    for held in (path for path in base.glob(".q/*/files/**/*") if path.is_file()):
        name = held.relative_to(base / ".q").as_posix().split("/", 2)[2]
        assert name not in found, f"{name} is in two places"
        found[name] = state(held)
    return found


PHASES = {
    ("apply", False): {
        "open",
        "os.mkdir",
        "open .manifest.json.semsearch",
        "fsync",
        "os.rename",
        "os.rename .manifest.json.semsearch",
    },
    ("apply", True): {
        "open",
        "os.mkdir",
        "open .manifest.json.semsearch",
        "fsync",
        "os.rename",
        "os.link",
        "os.remove",
    },
    ("undo", False): {"open manifest.json", "os.rename", "os.rmdir", "fsync", "os.remove manifest.json"},
    ("undo", True): {
        "open manifest.json",
        "open",
        "fsync",
        "os.chmod",
        "os.utime",
        "os.rename",
        "os.remove manifest.json",
        "os.rmdir",
    },
}
"""System calls that an operation is killed at, at least: by operation and hardlink."""
A_PHASE = 6


@pytest.mark.long
@pytest.mark.parametrize("hardlink", [False, True], ids=["move", "hardlink"])
@pytest.mark.parametrize("do", ["apply", "undo"])
def test_a_kill_anywhere_loses_nothing(tmp_path: Path, killable: Killable, do: str, hardlink: bool) -> None:
    dice = random.Random(f"{do} {hardlink}")
    whole = plant(tmp_path / "whole")
    before = snapshot(whole)
    if do == "undo":
        killable.order(whole, "apply", hardlink=hardlink)
    said = killable.order(whole, do, hardlink=hardlink)
    assert said is not None
    calls = said["calls"]
    at: dict[str, list[int]] = defaultdict(list)
    for point, call in enumerate(calls):
        at[call].append(point)
    points = [
        point for _, found in sorted(at.items()) for point in dice.sample(found, min(A_PHASE, len(found)))
    ]
    kills: Counter[str] = Counter()
    for point in points:
        base = plant(tmp_path / "base")
        if do == "undo":
            killable.order(base, "apply", hardlink=hardlink)
        assert killable.order(base, do, hardlink=hardlink, kill=point) is None
        kills[calls[point]] += 1

        def check() -> None:
            found = whereabouts(base)  # noqa: B023 - called within this turn of the loop
            stray = {
                name for name in found.keys() - before.keys() if Path(name).name.startswith(".semsearch-")
            }
            assert found.keys() - stray == before.keys(), "every file is there, and no other"
            if hardlink:  # a link has the time and permissions of its keeper
                assert {name: found[name][0] for name in before} == {name: before[name][0] for name in before}
            else:
                assert {name: found[name] for name in before} == before
            assert len(stray) <= hardlink

        check()
        if dice.random() < 0.5:  # and killed once more on the way on, or the other way about
            killable.order(
                base, dice.choice(["apply", "undo"]), hardlink=hardlink, kill=dice.randrange(len(calls))
            )
            check()
        said = killable.order(base, "apply", hardlink=hardlink)
        assert said is not None and said["refused"] == []
        check()
        if hardlink:
            assert all(os.stat(base / f"k{group}.md").st_nlink == 3 for group in range(10))  # noqa: PTH116
        else:
            assert len(snapshot(base)) == 20
        assert not [name for name in whereabouts(base) if ".semsearch-" in name]
        said = killable.order(base, "undo", hardlink=hardlink)
        assert said is not None and said["refused"] == []
        assert snapshot(base) == before
        assert list((base / ".q").iterdir()) == []
        shutil.rmtree(base)
    assert kills.keys() >= PHASES[do, hardlink]
    assert kills.total() >= 25, kills


def test_a_full_disk_moves_nothing_and_leaves_nothing(tmp_path: Path, killable: Killable) -> None:
    base = plant(tmp_path / "base")
    before = snapshot(base)
    for hardlink in (False, True):
        said = killable.order(base, "apply", hardlink=hardlink, largest=300)
        assert said is not None and "cannot write" in said["error"]
        assert snapshot(base) == before
        assert list((base / ".q").iterdir()) == []
    killable.order(base, "apply", hardlink=True)
    said = killable.order(base, "undo", largest=300)
    assert said is not None and set(said["refused"]) == {"file too large"}
    assert {name: found[0] for name, found in snapshot(base).items()} == {
        name: found[0] for name, found in before.items()
    }
    # The run's manifest outlives the failure.
    said = killable.order(base, "apply", hardlink=True, largest=300)
    assert said is not None
    said = killable.order(base, "undo")
    assert said is not None and said["refused"] == []
    assert snapshot(base) == before


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Make a temporary folder that other users can see into."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        folder.chmod(0o755)
        yield folder


def test_a_folder_that_must_not_be_written_keeps_its_files(open_folder: Path, killable: Killable) -> None:
    base = plant(open_folder / "base")
    before = snapshot(base)
    closed = base / "copies/1"
    more: dict[str, Any] = {}
    if os.geteuid() == 0:  # whom no permission stops
        more = {"user": 65534}
        for path in (base, *base.rglob("*")):
            os.chown(path, more["user"], more["user"])
    closed.chmod(0o500)
    try:
        said = killable.order(base, "apply", **more)
        assert said is not None
        assert set(said["refused"]) == {"permission denied"}
        assert whereabouts(base) == before
        closed.chmod(0o700)
        said = killable.order(base, "apply", **more)
        assert said is not None and said["refused"] == []
        assert len(snapshot(base)) == 20
        closed.chmod(0o500)
        said = killable.order(base, "undo", **more)
        assert said is not None and set(said["refused"]) == {"permission denied"}
        assert whereabouts(base) == before
        closed.chmod(0o700)
        killable.order(base, "undo", **more)
        assert snapshot(base) == before
    finally:
        closed.chmod(0o700)


def test_a_quarantine_that_cannot_be_is_said(base: Path) -> None:
    (base / ".q").touch()
    before = snapshot(base)
    with pytest.raises(SemsearchError, match="cannot write"):
        carry_out(base, plan_of(base, *ALL))
    assert snapshot(base) == before


if __name__ == "__main__":
    serve()
