"""Indexes, plans and runs that a stranger made: what SQLite and the commands would do by them, and do not."""

import json
import os
import shutil
import signal
import sqlite3
import stat
import struct
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from tiny_embedder import TinyEmbedder, create_index, open_index

from semsearch import Index
from semsearch.cli import main
from semsearch.dedup.places import PlaceError, reached
from semsearch.dedup.plan import Plan
from semsearch.errors import IndexDamaged, InvalidInput, SemsearchError
from semsearch.files import read_bounded
from semsearch.storage.check import salvage_damaged
from semsearch.storage.library import Library
from semsearch.storage.vectors.sync import VectorSync
from semsearch.text import text_digest

if sys.platform == "win32":
    pytest.skip("links, permissions and FIFOs here are those of POSIX", allow_module_level=True)

MAGIC = bytes.fromhex("d9d505f920a163d7")
NOTES = {
    "a.md": "A note about refunds and deposits.",
    "b.md": "A note about refunds and deposits.",
    "rows.jsonl": '{"text": "one about cats", "year": 2020}\n{"text": "two about dogs", "year": 2021}\n',
}


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder with notes and an index of them, which tests copy."""
    folder = tmp_path_factory.mktemp("sound")
    for name, text in NOTES.items():
        (folder / name).write_text(text)
    with create_index(folder / ".semsearch") as index:
        index.ingest([folder])
    return folder


@pytest.fixture
def here(sound: Path, tmp_path: Path) -> Path:
    """Copy the folder and its index."""
    shutil.copytree(sound, tmp_path / "stranger")
    return tmp_path / "stranger"


@pytest.fixture
def thesis(tmp_path: Path) -> Iterator[Path]:
    """Make a file elsewhere that no test may change, and check it at the end."""
    (tmp_path / "home").mkdir()
    path = tmp_path / "home" / "thesis.txt"
    path.write_text("my only copy")
    yield path
    assert path.read_text() == "my only copy"
    assert [found.name for found in path.parent.iterdir()] == ["thesis.txt"]


# -- journals ---------------------------------------------------------------------------------------------------


def journal(database: Path, name: Path | None) -> bytes:
    """Return a hot rollback journal that changes no page, and names a super-journal where one is given."""
    pages = database.stat().st_size // 4096
    header = (MAGIC + struct.pack(">IIIII", 0, 1, pages, 512, 4096)).ljust(512, b"\0")
    if name is None:
        return header
    text = str(name).encode()
    end = struct.pack(">II", len(text), sum(text)) + MAGIC
    return header + struct.pack(">I", 0x40000000 // 4096 + 1) + text + end


def act(index: Path) -> list[str]:
    """Do what every command does with an index; return what was done."""
    done = []
    for work in ("query", "duplicates", "remove", "repair"):
        try:
            with open_index(index) as opened:
                getattr(opened, work)(
                    *{"query": ["refunds"], "duplicates": [0.9], "remove": ["a.md"]}.get(work, [])
                )
            done.append(work)
        except SemsearchError:
            continue
    try:
        salvage_damaged(index, wait=0)
        done.append("salvage")
    except SemsearchError:
        pass
    return done


@pytest.mark.parametrize("which", ["library.sqlite3", "chroma/chroma.sqlite3"])
def test_a_journal_deletes_no_other_file(here: Path, thesis: Path, which: str) -> None:
    database = here / ".semsearch" / which
    path = database.with_name(f"{database.name}-journal")
    path.write_bytes(journal(database, thesis))
    done = act(here / ".semsearch")
    assert ("query" in done) == which.startswith("chroma"), (
        "a Library never has a journal, and Chroma is not opened"
    )
    if which.startswith("chroma"):
        assert "repair" in done


def test_the_message_names_the_journal(here: Path) -> None:
    database = here / ".semsearch" / "library.sqlite3"
    path = database.with_name(f"{database.name}-journal")
    path.write_bytes(journal(database, None))
    with pytest.raises(IndexDamaged, match=r"library.sqlite3-journal is not of this index") as caught:
        open_index(here / ".semsearch")
    assert caught.value.hint == f"remove {path}"
    path.unlink()
    open_index(here / ".semsearch").close()


def test_a_journal_that_a_killed_chroma_left_is_played_back(here: Path) -> None:
    chroma = here / ".semsearch" / "chroma" / "chroma.sqlite3"
    pid = os.fork()
    if pid == 0:
        with closing(sqlite3.connect(chroma)) as db:
            db.execute("PRAGMA cache_size = 1")  # so that pages are written before the commit
            db.execute("BEGIN IMMEDIATE")
            db.execute("CREATE TABLE half (x)")
            db.executemany("INSERT INTO half VALUES (?)", [("y" * 3_000,)] * 100)
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)
    assert chroma.with_name("chroma.sqlite3-journal").exists(), "it is hot"
    with open_index(here / ".semsearch") as index:
        assert index.check().sound


@pytest.mark.parametrize("kind", ["fifo", "link", "folder", "empty", "short"])
def test_no_kind_of_journal_is_waited_for(here: Path, thesis: Path, kind: str) -> None:
    path = here / ".semsearch" / "library.sqlite3-journal"
    match kind:
        case "fifo":
            os.mkfifo(path)
        case "link":
            path.symlink_to(thesis)
        case "folder":
            path.mkdir()
        case _:
            path.write_bytes(MAGIC[: len(kind) - 1])
    with pytest.raises(IndexDamaged):
        open_index(here / ".semsearch")
    with pytest.raises(IndexDamaged):
        salvage_damaged(here / ".semsearch", wait=0)


def test_a_library_without_a_log_gets_one_before_a_write(here: Path) -> None:
    with closing(sqlite3.connect(here / ".semsearch" / "library.sqlite3")) as db:
        assert db.execute("PRAGMA journal_mode = DELETE").fetchone() == ("delete",)
    with open_index(here / ".semsearch") as index:
        index.remove("a.md")
    header = (here / ".semsearch" / "library.sqlite3").read_bytes()[:20]
    assert header[18:] == b"\2\2"


# -- other files in an index --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["holder", "lock", "graph.lock", "join.npz", "library.sqlite3-shm", "chroma/x"]
)
def test_nothing_is_written_through_a_hard_link(here: Path, thesis: Path, name: str) -> None:
    (here / ".semsearch" / name).unlink(missing_ok=True)
    (here / ".semsearch" / name).hardlink_to(thesis)
    with pytest.raises(IndexDamaged, match="is a hard link"):
        open_index(here / ".semsearch")
    assert "salvage" not in act(here / ".semsearch")


@pytest.mark.parametrize("name", ["lock", "holder", "library.sqlite3-wal", "chroma", "quarantine"])
def test_repair_writes_through_no_link(here: Path, thesis: Path, name: str) -> None:
    place = here / ".semsearch" / name
    shutil.rmtree(place) if place.is_dir() else place.unlink(missing_ok=True)
    place.symlink_to(thesis.parent if name in ("chroma", "quarantine") else thesis)
    ran = CliRunner().invoke(main, ["repair", "--index", str(here / ".semsearch")])
    assert ran.exit_code == 13, ran.output


def test_a_folder_named_like_the_library_is_no_index(tmp_path: Path) -> None:
    (tmp_path / "ix" / "library.sqlite3").mkdir(parents=True)
    for command in (["query", "x"], ["status"], ["repair"], ["undo"]):
        ran = CliRunner().invoke(main, [*command, "--index", str(tmp_path / "ix")])
        assert ran.exit_code == 10, ran.output


# -- the schema ---------------------------------------------------------------------------------------------------

ENDLESS = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"
SCHEMAS = {
    "a trigger": "CREATE TRIGGER t AFTER INSERT ON settings BEGIN DELETE FROM vectors; END",
    "another view": f"CREATE VIEW v AS {ENDLESS}",
    "no view": "DROP VIEW published",
    "a view for the view": f"DROP VIEW published; CREATE VIEW published AS {ENDLESS}",
    "a view for a table": f"DROP TABLE outbox; CREATE VIEW outbox AS {ENDLESS}",
    "a virtual table": "CREATE VIRTUAL TABLE v USING fts5 (x)",
    "a virtual table for a table": "DROP TABLE outbox; CREATE VIRTUAL TABLE outbox USING fts5 (passage_id)",
    "an expression": "CREATE INDEX i ON passages (hex(zeroblob(100000000)))",
    "a generated column": "ALTER TABLE sources ADD COLUMN g TEXT AS (hex(zeroblob(100000000)))",
    "a check": "DROP TABLE outbox; CREATE TABLE outbox (passage_id TEXT PRIMARY KEY, CHECK (1)) STRICT, WITHOUT ROWID",
    "a loose table": "DROP TABLE outbox; CREATE TABLE outbox (passage_id TEXT PRIMARY KEY) WITHOUT ROWID",
    "a missing table": "DROP TABLE postings",
}  # fmt: skip


@pytest.mark.long
@pytest.mark.parametrize("name", SCHEMAS)
def test_a_library_has_our_schema_only(here: Path, name: str) -> None:
    with closing(sqlite3.connect(here / ".semsearch" / "library.sqlite3")) as db:
        db.executescript(SCHEMAS[name])
    with pytest.raises(IndexDamaged, match="tables and views of a Library"):
        open_index(here / ".semsearch")
    salvage_damaged(here / ".semsearch", wait=0)
    with open_index(here / ".semsearch") as index:
        assert set(index.sources()) == NOTES.keys(), "what is sound is saved"


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TRIGGER t AFTER INSERT ON embeddings BEGIN DELETE FROM segments; END",
        f"CREATE VIEW v AS {ENDLESS}",
        f"DROP TABLE segments; CREATE VIEW segments AS {ENDLESS}",
    ],
)
def test_a_chroma_with_more_than_chromas_schema_is_not_opened(here: Path, statement: str) -> None:
    with closing(sqlite3.connect(here / ".semsearch" / "chroma" / "chroma.sqlite3")) as db:
        db.executescript(f"PRAGMA foreign_keys = OFF; {statement}")
    with open_index(here / ".semsearch") as index:
        assert index._vectors.prove().problems


# -- values -------------------------------------------------------------------------------------------------------


def checksum(*values: Any) -> int:
    return zlib.crc32(b"\0".join(v if isinstance(v, bytes) else str(v).encode() for v in values))


def change(index: Path, statement: str, *values: Any) -> None:
    """Change a Library as a stranger does, who can compute its checksums."""
    with closing(sqlite3.connect(index / "library.sqlite3")) as db:
        db.create_function("checksum", -1, checksum, deterministic=True)
        db.create_function("text_digest", 1, text_digest, deterministic=True)
        db.execute(statement, values)
        db.execute(
            "UPDATE passages SET sum = (SELECT checksum(name, metadata, passages.id, text, unit, first, last, heading,"
            " original) FROM documents WHERE documents.id = document_id)"
        )
        db.execute("UPDATE vectors SET sum = checksum(digest, vector)")
        db.execute("UPDATE settings SET sum = checksum(key, value)")
        db.commit()


SETTING = "INSERT OR REPLACE INTO settings VALUES (?, ?, 0)"
VALUES: dict[str, tuple[Any, ...]] = {
    "deep metadata": ("UPDATE documents SET metadata = ?", "[" * 100_000),
    "a list as metadata": ("UPDATE documents SET metadata = '[1, 2]'",),
    "nested metadata": ("UPDATE documents SET metadata = '{\"a\": {\"b\": 1}}'",),
    "metadata without JSON": ("UPDATE documents SET metadata = 'x'",),
    "an infinite number": ("UPDATE documents SET metadata = '{\"year\": 1e999}'",),
    "a huge number": ("UPDATE documents SET metadata = ?", json.dumps({"year": 10**400})),
    "a unit": ("UPDATE passages SET unit = 'parsec'",),
    "a huge place": ("UPDATE passages SET first = 1 << 60, last = 1 << 61",),
    "a place below 0": ("UPDATE passages SET first = -5",),
    "a short vector": ("UPDATE vectors SET vector = X'0000803f'",),
    "an odd vector": ("UPDATE vectors SET vector = X'0000803f00'",),
    "no vector": ("UPDATE vectors SET vector = X''",),
    "a long vector": ("UPDATE vectors SET vector = zeroblob(40000000) WHERE id = 1",),
    "no number": ("UPDATE vectors SET vector = ?", np.full(32, np.nan, "<f4").tobytes()),
    "a name with NUL": ("UPDATE sources SET key = 'a' || char(0) WHERE key = 'a.md'",),
    "a threshold of text": (SETTING, "threshold", '{"threshold": "x"}'),
    "a threshold as a list": (SETTING, "threshold", "[1, 2]"),
    "a threshold beyond floats": (SETTING, "threshold", '{"threshold": 1e400}'),
    "a deep setting": (SETTING, "last_ingest", "[" * 50_000),
    "an object as a time": (SETTING, "last_ingest", "{}"),
    "a seal of a list": (SETTING, "chroma", "[1]"),
    "a seal with odd stamps": (SETTING, "chroma", '{"sealed": true, "files": {"../x": [1]}}'),
    "a number of text": (SETTING, "chroma", '{"sealed": true, "files": {}, "number": "x", "deleted": []}'),
    "a classifier of text": (SETTING, "verifier", '{"verifier": "x", "chance": 1}'),
    "a model of a number": (SETTING, "fingerprint", '{"model": 5, "precision": ["x"]}'),
    "something to forget": (SETTING, "forgetting", '{"a": 1}'),
}  # fmt: skip


@pytest.mark.long
@pytest.mark.parametrize("name", VALUES)
@pytest.mark.filterwarnings("error")
def test_an_impossible_value_is_damage(here: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("semsearch.index.load_embedder", lambda *_, **__: TinyEmbedder())
    change(here / ".semsearch", *VALUES[name])
    for command in (
        ["query", "refunds", "--json"],
        ["query", "cats year>=2020"],
        ["similar", "a.md", "--json"],
        ["dedup", "--threshold", "0.9", "--json"],
        ["diff", "a.md", "b.md"],
        ["status", "--json"],
        ["ingest", "."],
        ["remove", "a.md"],
        ["repair"],
    ):
        monkeypatch.chdir(here)
        ran = CliRunner().invoke(main, command)
        assert ran.exit_code in (0, 1, 2, 3, 12, 13), (command, ran.output)
        assert isinstance(ran.exception, SystemExit | None), (command, ran.exception)
        if "--json" in command and ran.stdout:
            json.loads(ran.stdout, parse_constant=pytest.fail)


def test_repair_saves_the_rest_of_impossible_values(here: Path) -> None:
    change(here / ".semsearch", "UPDATE documents SET metadata = '[1]' WHERE name = 'a.md'")
    change(here / ".semsearch", SETTING, "threshold", '{"threshold": "x"}')
    saved = salvage_damaged(here / ".semsearch", wait=0)
    assert saved is not None and saved.lost == ("a.md",)
    with open_index(here / ".semsearch") as index:
        assert index.threshold is None
        assert index.sources() == ["b.md", "rows.jsonl"]


def test_lines_around_a_hit_are_of_the_file_that_was_indexed(
    here: Path, thesis: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stranger may name a private file, and know its first line."""
    monkeypatch.setattr("semsearch.index.load_embedder", lambda *_, **__: TinyEmbedder())
    thesis.write_text("A note about refunds and deposits.\nsecret\n")
    for table, column in (("sources", "key"), ("documents", "name")):
        change(here / ".semsearch", f"UPDATE {table} SET {column} = ? WHERE {column} = 'a.md'", str(thesis))
    monkeypatch.chdir(here)
    ran = CliRunner().invoke(main, ["query", "--context", "3", "--no-collapse", "refunds"])
    assert str(thesis) in ran.output
    assert "secret" not in ran.output
    thesis.write_text("my only copy")


# -- plans and runs -----------------------------------------------------------------------------------------------


def removal(source: str | Path, **changes: Any) -> dict[str, Any]:
    known = {"keeper": "a.md", "sha256": "0" * 64, "size": 4, "permissions": 0o600, "mtime_ns": 0}
    return {"source": str(source)} | known | changes


def run_of(here: Path, *removals: dict[str, Any], mode: str = "move", own: bool = False) -> Path:
    """Write a run that no apply made; with `own` it claims the right folder."""
    run = here / ".semsearch" / "quarantine" / "20260101T000000Z-deadbeef"
    (run / "files").mkdir(parents=True)
    manifest: dict[str, Any] = {"note": "", "version": 1, "mode": mode, "removals": list(removals)}
    if own:
        manifest["folder"] = str(run.stat().st_ino)
    (run / "manifest.json").write_text(json.dumps(manifest))
    return run


def test_a_run_from_elsewhere_needs_leave(here: Path) -> None:
    run = run_of(here, removal("new.md"))
    (run / "files" / "new.md").write_text("evil")
    with open_index(here / ".semsearch") as index:
        with pytest.raises(InvalidInput, match="was not made here by you") as caught:
            index.undo()
        assert f"undo {run.name} --allow {here}" in caught.value.hint
        assert not (here / "new.md").exists()
        assert index.undo(allow=[here]).done == ("new.md",)


def test_a_copied_run_is_from_elsewhere(here: Path) -> None:
    run = run_of(here, removal("new.md"), own=True)
    shutil.copytree(run, run.with_name("20260102T000000Z-deadbeef"))
    with open_index(here / ".semsearch") as index, pytest.raises(InvalidInput, match="not made here"):
        index.undo()


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("mode", ["move", "hardlink"])
def test_undo_fills_no_place_outside(here: Path, thesis: Path, mode: str, own: bool) -> None:
    place = thesis.parent / "autostart" / "evil.desktop"
    run = run_of(
        here, removal(place, sha256=__import__("hashlib").sha256(b"evil").hexdigest()), mode=mode, own=own
    )
    held = run / "outside" / Path(*place.parts[1:])
    held.parent.mkdir(parents=True)
    held.write_text("evil")
    (here / "a.md").write_text("evil")
    with open_index(here / ".semsearch") as index:
        if own:
            (refused,) = index.undo().refused
            assert "--allow" in refused.reason
        else:
            with pytest.raises(InvalidInput):
                index.undo()
            assert index.undo(allow=[here]).done == ()
        assert held.read_text() == "evil"


@pytest.mark.parametrize("at", ["files", "files/d", "files/d/thesis.txt", "outside"])
def test_undo_takes_nothing_through_a_link(here: Path, thesis: Path, at: str) -> None:
    source = f"{here}/d/thesis.txt" if at == "outside" else "thesis.txt" if at == "files" else "d/thesis.txt"
    run = run_of(here, removal(source), own=True)
    link = run / at
    if at == "files":
        link.rmdir()
    link.parent.mkdir(parents=True, exist_ok=True)
    target = thesis.parent
    if at == "outside":  # outside/.../d -> home
        inner = run / "outside" / Path(*here.parts[1:])
        inner.mkdir(parents=True)
        link = inner / "d"
    link.symlink_to(thesis if at.endswith(".txt") else target)
    with open_index(here / ".semsearch") as index:
        outcome = index.undo()
    assert outcome.done == ()
    assert outcome.refused


@pytest.mark.parametrize("what", ["run", "manifest", "fifo", "empty run"])
def test_a_run_that_is_a_link_changes_nothing(here: Path, thesis: Path, what: str) -> None:
    run = run_of(here, removal("thesis.txt"), own=True)
    match what:
        case "run" | "empty run":
            shutil.move(run, thesis.parent.with_name("moved"))
            if what == "empty run":
                (thesis.parent.with_name("moved") / "manifest.json").rename(
                    thesis.parent.with_name("moved") / ".semsearchignore"
                )
                (thesis.parent.with_name("moved") / "files").rmdir()
            run.symlink_to(thesis.parent.with_name("moved"))
        case "manifest":
            (run / "manifest.json").unlink()
            (run / "manifest.json").symlink_to(thesis)
        case "fifo":
            (run / "manifest.json").unlink()
            os.mkfifo(run / "manifest.json")
    with open_index(here / ".semsearch") as index:
        if what == "empty run":
            other = here / ".semsearch" / "quarantine" / "20250101T000000Z-01234567"
            other.mkdir()
            (other / "manifest.json").write_text('{"note": "", "version": 1, "mode": "move", "removals": []}')
            index.undo(allow=[here])
            assert (thesis.parent.with_name("moved") / ".semsearchignore").exists()
        else:
            with pytest.raises(SemsearchError):
                index.undo()


@pytest.mark.parametrize(
    "changes",
    [
        {"permissions": 10**30},
        {"permissions": -1},
        {"mtime_ns": 10**30},
        {"source": "a\0.md"},
        {"source": "../a.md"},
        {"source": "/x/../../etc/a"},
        {"source": ""},
        {"source": "a//b"},
        {"source": "/"},
    ],
)
def test_an_impossible_removal_is_damage(here: Path, changes: dict[str, Any]) -> None:
    run_of(here, removal("x.md") | changes, mode="hardlink", own=True)
    with open_index(here / ".semsearch") as index, pytest.raises(InvalidInput, match="is damaged"):
        index.undo()


def test_apply_moves_nothing_outside_without_leave(here: Path, thesis: Path) -> None:
    """A stranger's index knows the digest of a file that everybody has, and ships its copy."""
    thesis.with_name("common.txt").write_text(NOTES["a.md"])
    common = thesis.with_name("common.txt")
    for table, column in (("sources", "key"), ("documents", "name")):
        change(here / ".semsearch", f"UPDATE {table} SET {column} = ? WHERE {column} = 'b.md'", str(common))
    with open_index(here / ".semsearch") as index:
        found = index.duplicates(0.9)
        plan = index.plan(found)
        (step,) = [step for step in plan.steps if step.remove.source in (str(common), "a.md")]
        if step.remove.source == "a.md":
            plan = Plan.parse(
                plan.text().replace("a.md", "?").replace(str(common), "a.md").replace("?", str(common))
            )
        for hardlink in (False, True):
            outcome = index.apply(plan, hardlink=hardlink)
            assert outcome.done == ()
            assert any("--allow" in refused.reason for refused in outcome.refused)
        assert index.apply(plan, allow=[common.parent]).done == (str(common),)
        assert index.undo(allow=[common.parent]).done == (str(common),)
    common.unlink()


def test_a_link_that_is_swapped_in_is_not_followed(here: Path, thesis: Path) -> None:
    (here / "d").mkdir()
    (here / "d" / "thesis.txt").write_text("mine")
    with reached(here, "d/thesis.txt") as place:
        shutil.move(here / "d", here / "e")
        (here / "d").symlink_to(thesis.parent)
        with place.open() as file:
            assert file.read() == b"mine", "the folder is the one that was opened"
        place.remove()
    assert not (here / "e" / "thesis.txt").exists()
    with pytest.raises(PlaceError), reached(here, "d/thesis.txt"):
        pass


@pytest.mark.parametrize("kind", ["zero", "fifo", "folder", "deep", "twice", "missing"])
def test_a_plan_is_read_within_bounds(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "plan.json"
    match kind:
        case "zero":
            path = Path("/dev/zero")
        case "fifo":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
        case "deep":
            path.write_text("[" * 200_000)
        case "twice":
            path.write_text('{"note": "", "note": ""}')
    with pytest.raises(InvalidInput):
        Plan.load(path)


def test_a_file_beyond_the_bound_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "large").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(OSError, match="more than 10 bytes"):
        read_bounded(tmp_path / "large", 10)


# -- who may read an index ----------------------------------------------------------------------------------------


def widest(folder: Path) -> dict[str, int]:
    """Return the permissions of others than the owner, of everything in a folder that gives any."""
    paths = [folder, *folder.rglob("*")]
    paths = [
        path for path in paths if path.parent.parent.name != "quarantine" and path.parent.name != "files"
    ]
    given = {str(path.relative_to(folder)): stat.S_IMODE(path.lstat().st_mode) & 0o077 for path in paths}
    return {name: mode for name, mode in given.items() if mode}


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_an_index_is_for_its_owner_only(tmp_path: Path, umask: int, monkeypatch: pytest.MonkeyPatch) -> None:
    before = os.umask(umask)
    try:
        for name, text in NOTES.items():
            (tmp_path / name).write_text(text)
        with Index.create(tmp_path / "ix", embedder=TinyEmbedder()) as index:
            index.ingest([tmp_path])
            assert widest(tmp_path / "ix") == {}
            plan = index.plan(index.duplicates(0.9))
            index.apply(plan)
            index.repair()
            index.forget("rows.jsonl", verify=True)
            assert widest(tmp_path / "ix") == {}
        change(
            tmp_path / "ix",
            "UPDATE documents SET metadata = '[1]' WHERE id = (SELECT max(id) FROM documents)",
        )
        assert salvage_damaged(tmp_path / "ix", wait=0) is not None
        assert widest(tmp_path / "ix") == {}
    finally:
        os.umask(before)


def test_who_shares_an_index_says_so_by_its_folder(here: Path) -> None:
    folder = here / ".semsearch"
    folder.chmod(0o750)
    with open_index(folder) as index:
        (here / "new.md").write_text("new text")
        index.ingest([here])
        index.repair()
    assert {mode for name, mode in widest(folder).items() if name.startswith("chroma/")} == {0o040, 0o050}


def test_an_index_of_another_user_is_an_error(here: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs a user whom no permission stops")
    here.parent.chmod(0o755)
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.setuid(65534)
            Index.open(here / ".semsearch")
        except SemsearchError:
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


# -- kills --------------------------------------------------------------------------------------------------------


def killed(work: Callable[[], object], owner: type, method: str, *, after: bool) -> None:
    """Do some work in a process that is killed before or after a method of a class."""
    pid = os.fork()
    if pid == 0:
        real = getattr(owner, method)

        def kill(self: Any, *arguments: Any, **options: Any) -> Any:
            if after:
                real(self, *arguments, **options)
            os.kill(os.getpid(), signal.SIGKILL)

        setattr(owner, method, kill)
        try:
            work()
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL, f"{method} was not called"


def holding(folder: Path, text: str) -> list[str]:
    return [
        str(p.relative_to(folder))
        for p in folder.rglob("*")
        if p.is_file() and text.encode() in p.read_bytes()
    ]


SECRET = "xylophone marmalade quartz"


@pytest.mark.long
@pytest.mark.parametrize(
    ("owner", "method", "after", "then"),
    [
        (Library, "remove", False, "forget"),
        (Library, "remove", True, "ingest"),
        (Library, "compact", False, "forget"),
        (Library, "compact", True, "remove"),
        (VectorSync, "rebuild", False, "check"),
        (VectorSync, "rebuild", True, "forget"),
        (VectorSync, "finalize", True, "ingest"),
    ],
)
def test_a_forget_that_was_killed_is_completed(
    tmp_path: Path, owner: type, method: str, after: bool, then: str
) -> None:
    (tmp_path / "secret.md").write_text(f"The safe opens with {SECRET}.")
    (tmp_path / "other.md").write_text("Something else.")
    folder = tmp_path / ".semsearch"
    with create_index(folder) as index:
        index.ingest([tmp_path])
        index.duplicates(0.9)

    def forget() -> None:
        with open_index(folder) as opened:
            opened.forget("secret.md")

    assert holding(folder, SECRET)
    killed(forget, owner, method, after=after)
    (tmp_path / "secret.md").unlink()
    with open_index(folder) as index:
        match then:
            case "forget":
                assert index.forget("secret.md", verify=True).left == ()
            case "ingest":
                index.ingest([tmp_path])
            case "check":
                assert index.check().sound
            case "remove":
                index.remove("other.md")
        assert holding(folder, SECRET) == []
        with pytest.raises(InvalidInput, match="is not in the index"):
            index.forget("secret.md")


@pytest.mark.parametrize("then", ["ingest", "check", "remove", "repair"])
def test_copies_of_removed_texts_are_no_obstacle(tmp_path: Path, then: str) -> None:
    """The next writer proves a graph that still has removed passages, as near as those that stay."""
    for number in range(6):
        for word in ("refunds", "trains"):
            (tmp_path / f"{word}{number}.md").write_text(f"The very same text about {word}.")
    folder = tmp_path / ".semsearch"
    with create_index(folder) as index:
        index.ingest([tmp_path])
    for path in tmp_path.glob("*[123].md"):
        path.unlink()

    def ingest() -> None:
        with open_index(folder) as opened:
            opened.ingest([tmp_path])

    killed(ingest, Library, "remove", after=True)
    with open_index(folder) as index:
        match then:
            case "ingest":
                index.ingest([tmp_path])
            case "check":
                assert index.check().sound
            case "remove":
                index.remove("trains4.md")
            case "repair":
                index.repair()
        assert index.status().counts["sources"] == (5 if then == "remove" else 6)


# -- pictures -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "title",
    [
        "$x_{$",
        "$\\frac{1}{$",
        "<script>alert(1)</script>",
        "a\nb\0\x1b[31m",
        "x" * 5_000,
        "\u202egnp",
        "]]>&",
    ],
)
def test_a_title_is_text_in_a_picture(tmp_path: Path, title: str) -> None:
    pytest.importorskip("matplotlib")
    from xml.etree import ElementTree

    from semsearch.evaluation.plot import save_plot
    from semsearch.tuning.metrics import precision_recall_curve

    curve = precision_recall_curve(np.array([0.9, 0.8, 0.1]), np.array([True, False, False]))
    save_plot(curve, 0.85, tmp_path / "curve.svg", title)
    picture = (tmp_path / "curve.svg").read_bytes()
    ElementTree.fromstring(picture)
    assert b"<script" not in picture
    assert len(picture) < 1_000_000
