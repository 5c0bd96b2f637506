"""`why` says of each path what the index makes of it, and the reason is the one that decided."""

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.cells import cell_len

from semsearch.cli import main
from semsearch.index import FOLDER, Index
from semsearch.requests import DedupRequest
from tests.tiny_embedder import create_index


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Index:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs/sub").mkdir(parents=True)
    (tmp_path / "docs/.semsearchignore").write_text("# no logs\n*.log\nsub/\n", encoding="utf-8")
    for name, text in {
        "a.md": "Known words ?strange.",
        "x.log": "log",
        "sub/deep.md": "deep",
        "nul.md": "a\0b",
        "blank.md": " \n",
        "broken.docx": "PK no archive",
        "data.csv": "text\none\ntwo\n",
        "changed.md": "before",
        "gone.md": "soon gone",
    }.items():
        (tmp_path / "docs" / name).write_text(text, encoding="utf-8")
    (tmp_path / "elsewhere.md").write_text("outside", encoding="utf-8")
    with create_index(tmp_path / FOLDER) as opened:
        opened.ingest("docs", exclude=["docs/left.md"])
        (tmp_path / "docs/changed.md").write_text("after", encoding="utf-8")
        (tmp_path / "docs/gone.md").unlink()
        (tmp_path / "docs/new.md").write_text("new", encoding="utf-8")
        (tmp_path / "docs/left.md").write_text("left out", encoding="utf-8")
        yield opened


@pytest.mark.parametrize(
    ("path", "status", "reason"),
    [
        ("docs/a.md", "indexed", ""),
        ("./docs/../docs/a.md", "indexed", ""),
        ("docs/data.csv#2", "indexed", "in docs/data.csv"),
        ("docs/data.csv#9", "unknown", "docs/data.csv is indexed and has no such part"),
        ("docs/changed.md", "stale", "it has changed since"),
        ("docs/gone.md", "missing", "the file is gone"),
        ("docs/new.md", "new", "it is not indexed yet"),
        ("docs/left.md", "skipped", "left out by --exclude docs/left.md"),
        ("docs/x.log", "skipped", "ignored by .semsearchignore"),
        ("docs/sub/deep.md", "skipped", "ignored by .semsearchignore: docs/sub"),
        ("docs/sub", "skipped", "ignored by .semsearchignore"),
        ("docs/nul.md", "skipped", "binary file"),
        ("docs/blank.md", "skipped", "no text"),
        ("docs/.semsearchignore", "skipped", "hidden file"),
        ("elsewhere.md", "outside", "no ingest has covered it"),
        ("docs/A.md", "unknown", "neither in the index nor a file; did you mean docs/a.md?"),
    ],
)
def test_each_path_has_its_status_and_reason(index: Index, path: str, status: str, reason: str) -> None:
    (found,) = index.why(path)
    assert (found.status, found.reason) == (status, reason)


def test_a_broken_file_has_failed_with_its_reason(index: Index) -> None:
    (found,) = index.why("docs/broken.docx")
    assert found.status == "failed" and found.reason


def test_the_rule_and_its_line_are_named(index: Index, tmp_path: Path) -> None:
    (found,) = index.why("docs/x.log")
    assert found.detail == f"{tmp_path}/docs/.semsearchignore:2: *.log"


def test_the_contents_of_a_source_are_counted(index: Index) -> None:
    (found,) = index.why("docs/a.md")
    assert (found.format, found.documents, found.passages, found.oov_rate) == ("md", 1, 1, 0.3333)
    assert found.indexed is not None
    (rows,) = index.why("docs/data.csv")
    assert (rows.documents, rows.passages) == (2, 2)


def test_a_folder_lists_everything_below_it_once(index: Index) -> None:
    below = {one.path: one.status for one in index.why("docs")}
    assert below["docs/a.md"] == "indexed"
    assert below["docs/gone.md"] == "missing"
    assert below["docs/new.md"] == "new"
    assert below["docs/sub"] == "skipped"
    assert below == {one.path: one.status for one in index.why()}


def test_a_touched_file_is_not_stale(index: Index, tmp_path: Path) -> None:
    os.utime(tmp_path / "docs/a.md", (1, 1))
    assert index.why("docs/a.md")[0].status == "indexed"


def test_a_file_in_the_quarantine_is_said_to_be_there(index: Index, tmp_path: Path) -> None:
    (tmp_path / "docs/copy.md").write_text("Known words ?strange.", encoding="utf-8")
    index.ingest("docs")
    done = index.apply(index.plan(index.find_duplicates(DedupRequest(1.0))))
    (moved,) = done.done
    (found,) = index.why(moved)
    assert found.status == "missing" and done.run in found.reason and f"undo {done.run}" in found.detail
    index.undo()
    assert index.why(moved)[0].status == "new"
    manifest = tmp_path / FOLDER / "quarantine/20260101T000000Z-00000000/manifest.json"
    manifest.parent.mkdir(parents=True)
    manifest.write_text("no")
    assert index.why("docs/gone.txt")[0].status == "unknown"


def test_the_command_line_says_the_same(index: Index) -> None:
    run = CliRunner().invoke(main, ["why", "docs", "elsewhere.md"])
    assert run.exit_code == 0, run.output
    assert "docs/x.log: skipped: ignored by .semsearchignore" in run.output
    assert "elsewhere.md: outside: no ingest has covered it (semsearch ingest elsewhere.md)" in " ".join(
        run.output.split()
    )
    assert "docs/a.md" not in run.output
    listed = CliRunner().invoke(main, ["status", "--sources", "--json"])
    assert {one["path"]: one["status"] for one in json.loads(listed.output)}["docs/gone.md"] == "missing"


def test_a_file_is_named_once_from_another_folder(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "docs/broken.pdf").write_bytes(b"%PDF-1.7 broken")
    (tmp_path / "docs/blank.txt").write_text(" \n")
    monkeypatch.chdir(tmp_path / "docs")
    (broken,), (blank,) = index.why("broken.pdf"), index.why("blank.txt")
    assert (broken.path, broken.status) == ("docs/broken.pdf", "failed") and "docs/" not in broken.reason
    assert (blank.path, blank.reason) == ("docs/blank.txt", "no text")


def test_lines_are_folded_to_80_columns_and_not_cut(index: Index, tmp_path: Path) -> None:
    long = f"docs/{'资料' * 30}.md"
    (tmp_path / long).write_text("new", encoding="utf-8")
    shown = CliRunner().invoke(main, ["why", "docs", long, "docs/a.md"]).output
    assert max(map(cell_len, shown.splitlines())) <= 80
    assert f"{long}:new:itisnotindexedyet" in "".join(shown.split())
    assert f"{tmp_path}/docs/.semsearchignore:2:*.log" in "".join(shown.split())
