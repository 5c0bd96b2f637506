"""`semsearch apply` and `semsearch undo` as a user meets them, on an index whose embedder is tiny."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from filelock import FileLock
from tiny_embedder import create_index

from semsearch import Index
from semsearch.cli import main
from semsearch.dedup.plan import Plan
from semsearch.errors import SemsearchError
from semsearch.types import Group, Member

FILES = {"a.md": "one text", "b.md": "one text", "d/好\n.md": "one text", "near.md": "one text more"}
ROWS = '{"text": "first"}\n{"text": "second"}\n\n{"text": "first"}\n'


def run(*args: str | Path, code: int = 0) -> Result:
    result = CliRunner().invoke(main, [str(arg) for arg in args])
    assert result.exit_code == code, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


def write_plan(*groups: Group) -> None:
    """Write a plan.json for groups of the index here; rows are named `source#number`."""

    def where(name: str) -> tuple[str, int]:
        source, _, row = name.partition("#")
        return source, int(row or 0)

    with Index.open() as index:
        states = index._library.states()
    contents = {source: (state.digest, state.size) for source, state in states.items()}
    made = datetime(2026, 1, 1, tzinfo=UTC)
    plan = Plan.of(groups, where, contents, made=made, threshold=0.9, linkage="keeper", keep=("first",))
    plan.save(Path("plan.json"))


def copies(keeper: str, *names: str) -> Group:
    return Group(keeper, tuple(Member(name, 1.0, 1.0, "exact") for name in names), 1.0)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a working directory with files, rows and an index of them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SEMSEARCH_INDEX", raising=False)
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "rows.jsonl").write_text(ROWS)
    with create_index(tmp_path / ".semsearch") as index:
        index.ingest([tmp_path])
    write_plan(copies("a.md", "b.md", "d/好\n.md", "near.md"))
    return tmp_path


def files(folder: Path) -> set[str]:
    found = (path.relative_to(folder).as_posix() for path in folder.rglob("*.md"))
    return {name for name in found if not name.startswith(".semsearch/")}


def test_apply_and_undo(here: Path) -> None:
    assert run("apply", "plan.json", "--dry-run").stdout.splitlines() == [
        line
        for name in ("b.md", "d/好\\n.md", "near.md")
        for line in (f"to be moved  {name}", "             exact copy of a.md")
    ]
    assert files(here) == set(FILES)
    moved = run("apply", "plan.json")
    assert moved.stdout.splitlines()[::2] == ["moved  b.md", "moved  d/好\\n.md", "moved  near.md"]
    assert set(moved.stdout.splitlines()[1::2]) == {"       exact copy of a.md"}
    assert "3 moved\n" in moved.stderr
    assert files(here) == {"a.md"}
    with Index.open() as index:
        assert index.sources() == ["a.md", "rows.jsonl"]
    (listed,) = json.loads(run("undo", "--list", "--json").stdout)
    assert listed["mode"] == "move" and listed["files"] == 3
    assert run("undo", "--list").stdout == f"{listed['run']}  move  3 files\n"
    assert f"semsearch undo {listed['run']}" in moved.stderr
    assert "3 moved before" in run("apply", "plan.json").stderr
    back = run("undo", listed["run"])
    assert "semsearch ingest" in back.stderr
    assert "put back  near.md\n          copy of a.md\n" in back.stdout
    assert {name: (here / name).read_text() for name in FILES} == FILES
    assert "nothing to undo" in run("undo").stderr
    assert "no run" in run("undo", listed["run"], code=2).stderr


def test_sources_are_forgotten_after_an_interrupted_run(here: Path) -> None:
    from semsearch.dedup import quarantine

    with Index.open() as index:  # as if killed right after the moves
        known = index.sources()
    quarantine.apply(Plan.load(Path("plan.json")), here, known, here / ".semsearch/quarantine")
    run("apply", "plan.json")
    with Index.open() as index:
        assert index.sources() == ["a.md", "rows.jsonl"]


def test_hard_links(here: Path) -> None:
    result = run("apply", "plan.json", "--hardlink", "--json", code=1)
    outcome = json.loads(result.stdout)
    assert outcome["done"] == ["b.md", "d/好\n.md"]
    assert outcome["copy_of"] == dict.fromkeys(outcome["done"], "exact copy of a.md")
    assert [refusal["source"] for refusal in outcome["refused"]] == ["near.md"]
    assert (here / "a.md").stat().st_nlink == 3
    with Index.open() as index:
        assert set(index.sources()) == {*FILES, "rows.jsonl"}
    run("undo")
    assert (here / "a.md").stat().st_nlink == 1


def test_a_refusal_is_exit_code_1_and_named(here: Path) -> None:
    (here / "b.md").write_text("edited")
    result = run("apply", "plan.json", code=1)
    assert "refused  b.md: b.md has changed since the plan was made" in result.stderr
    assert files(here) == {"a.md", "b.md"}
    (here / "near.md").write_text("new")
    assert "near.md already exists" in run("undo", code=1).stderr
    (here / "near.md").unlink()
    run("undo")
    assert files(here) == set(FILES)


def test_rows_go_to_a_file_of_their_own(here: Path) -> None:
    write_plan(copies("rows.jsonl#1", "rows.jsonl#4"), copies("a.md", "b.md"))
    assert "--output FILE" in run("apply", "plan.json").stderr
    assert not (here / "b.md").exists()
    result = run("apply", "plan.json", "--output", "clean.jsonl")
    assert "wrote 2 rows to clean.jsonl" in result.stderr
    assert (here / "clean.jsonl").read_text() == '{"text": "first"}\n{"text": "second"}\n\n'
    assert (here / "rows.jsonl").read_text() == ROWS
    assert "already exists" in run("apply", "plan.json", "--output", "clean.jsonl", code=2).stderr
    run("apply", "plan.json", "--output", "clean.jsonl", "--force")
    (here / "rows.jsonl").write_text(ROWS + "\n")
    assert "has changed" in run("apply", "plan.json", "--output", "clean.jsonl", "--force", code=1).stderr


def test_output_is_for_rows(here: Path) -> None:
    assert "no rows" in run("apply", "plan.json", "--output", "clean.jsonl", code=2).stderr
    assert files(here) == set(FILES)


def test_two_at_once_wait_for_each_other(here: Path) -> None:
    with FileLock(here / ".semsearch/lock"):
        assert "is being written" in run("apply", "plan.json", "--wait", "0", code=11).stderr
        assert "is being written" in run("undo", "--wait", "0", code=11).stderr
    assert files(here) == set(FILES)


@pytest.mark.parametrize("text", ["", "[]", '{"version": 1}', "\x1b[2J"])
def test_what_is_no_plan(here: Path, text: str) -> None:
    (here / "plan.json").write_text(text)
    result = run("apply", "plan.json", code=2)
    assert "is not a plan" in result.stderr and "\x1b" not in result.stderr
    assert files(here) == set(FILES)


def test_a_plan_edited_to_point_outside(here: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    secret = tmp_path_factory.mktemp("outside") / "secret.md"
    secret.write_text("one text")
    plan: dict[str, Any] = json.loads((here / "plan.json").read_text())
    plan["sources"][str(secret)] = plan["sources"]["b.md"]
    plan["steps"][0]["from"]["source"] = str(secret)
    (here / "plan.json").write_text(json.dumps(plan))
    assert "is not a source of this index" in run("apply", "plan.json", code=1).stderr
    assert secret.exists()


def test_another_quarantine(here: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    away = tmp_path_factory.mktemp("away")
    run("apply", "plan.json", "--quarantine", away)
    assert len([path for path in away.rglob("*") if path.is_file() and "files" in path.parts]) == 3
    assert "nothing to undo" in run("undo").stderr
    run("undo", "--quarantine", away)
    assert files(here) == set(FILES)


def test_file_named_like_a_row_is_in_no_plan(tmp_path: Path) -> None:
    text = "the deposit is paid back when the tool comes home"
    (tmp_path / "rows.jsonl").write_text(f'{{"text": "{text}"}}\n{{"text": "herons"}}\n', encoding="utf-8")
    (tmp_path / "z.txt").write_text(text, encoding="utf-8")
    with create_index(tmp_path / ".semsearch") as index:
        index.ingest([tmp_path])
        (tmp_path / "rows.jsonl#1").write_text("a comet crosses the evening sky", encoding="utf-8")
        index.ingest([tmp_path])
        found = index.duplicates(0.9, keep=["path:*z.txt"])
        with pytest.raises(SemsearchError, match=r"rows\.jsonl#1 is the name of two documents") as caught:
            index.plan(found)
    assert "rename the file" in caught.value.hint
