"""Absence is not deletion: what an ingest removes, what it keeps, and which files it reads again."""

import os
import shutil
from pathlib import Path

import pytest

from semsearch.errors import InvalidInput
from semsearch.index import FOLDER, Index
from tests.tiny_embedder import create_index


@pytest.fixture
def index(tmp_path: Path) -> Index:
    with create_index(tmp_path / FOLDER) as opened:
        yield opened


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    for number in range(6):
        write(tmp_path / f"docs/usb/n{number}.md", f"Note {number} about kettles.")
    for number in range(8):
        write(tmp_path / f"docs/m{number}.md", f"Memo {number} about hedges.")
    return tmp_path / "docs"


def write(path: Path, text: str, time: float = 1_700_000_000) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    os.utime(path, (time, time))


def test_an_empty_root_removes_nothing_unless_pruned(index: Index, docs: Path) -> None:
    index.ingest(docs)
    shutil.rmtree(docs)
    docs.mkdir()
    report = index.ingest(docs)
    (absent,) = report.absent
    assert (report.removed, absent.sources, absent.reason) == (0, 14, "empty now")
    assert len(index.sources()) == 14
    assert index.ingest(docs, dry_run=True).absent == report.absent
    assert index.ingest(docs, prune=True).removed == 14


def test_an_empty_folder_below_a_root_removes_nothing(index: Index, docs: Path) -> None:
    index.ingest(docs)
    for path in (docs / "usb").iterdir():
        path.unlink()
    (docs / "m0.md").unlink()
    report = index.ingest(docs)
    (absent,) = report.absent
    assert (report.removed, absent.sources, absent.folder) == (1, 6, str(docs / "usb"))


def test_most_of_a_root_does_not_disappear_silently(index: Index, docs: Path) -> None:
    index.ingest(docs)
    shutil.rmtree(docs / "usb")
    assert index.ingest(docs).removed == 6  # fewer than half
    for number in range(5):
        (docs / f"m{number}.md").unlink()
    report = index.ingest(docs)
    assert report.removed == 0
    assert [(one.sources, one.reason) for one in report.absent] == [(5, "most of its 8 sources are gone")]


def test_a_root_that_is_gone_removes_nothing(index: Index, docs: Path) -> None:
    """A drive that is mounted by itself takes its folder with it, and only the folder above is ingested."""
    index.ingest(docs / "usb")
    index.ingest(docs)
    shutil.rmtree(docs / "usb")
    (docs / "m1.md").unlink()
    report = index.ingest(docs)
    (absent,) = report.absent
    assert (report.removed, absent.sources, absent.reason) == (1, 6, "not there now")
    assert absent.folder == str(docs / "usb")
    assert index.ingest(docs, prune=True).removed == 6
    with pytest.raises(InvalidInput, match="does not exist"):
        index.ingest(docs / "usb")


@pytest.mark.skipif(os.name == "nt" or os.getuid() == 0, reason="root reads everything")
def test_a_folder_without_permission_removes_nothing(index: Index, docs: Path) -> None:
    index.ingest(docs)
    (docs / "usb").chmod(0)
    try:
        report = index.ingest(docs)
    finally:
        (docs / "usb").chmod(0o700)
    assert (report.removed, [one.failed for one in report.skipped]) == (0, [True])


def test_ignoring_everything_removes_nothing_unless_pruned(index: Index, docs: Path) -> None:
    index.ingest(docs)
    (docs / ".semsearchignore").write_text("*\n", encoding="utf-8")
    report = index.ingest(docs)
    assert (report.removed, report.absent[0].reason) == (0, "nothing in it is read now")


def test_moved_files_are_not_missing(index: Index, docs: Path) -> None:
    index.ingest(docs)
    (docs / "all").mkdir()
    for path in docs.glob("*.md"):
        path.rename(docs / "all" / path.name)
    report = index.ingest(docs)
    assert (report.removed, report.added, report.embedded, report.absent) == (8, 8, 0, ())


def test_a_folder_on_another_device_is_not_mounted(
    index: Index, docs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder of a drive has the device of the drive while it is mounted."""
    index.ingest(docs)
    state = index._library.states()["docs/usb/n1.md"]
    with index._library._transaction() as db:
        db.execute("UPDATE sources SET device = device + 1 WHERE key = 'docs/usb/n1.md'")
    assert state.device
    (docs / "usb/n1.md").unlink()
    (docs / "usb/n2.md").unlink()
    report = index.ingest(docs)
    assert report.removed == 1  # n2: its folder is on the device that it was on
    assert [(one.sources, one.reason) for one in report.absent] == [(1, "on another device than before")]


def test_a_device_with_another_number_is_the_same(index: Index, docs: Path) -> None:
    index.ingest(docs)
    with index._library._transaction() as db:  # as after a restart
        db.execute("UPDATE sources SET device = device + 1")
    (docs / "m1.md").unlink()
    report = index.ingest(docs)
    assert (report.removed, report.absent) == (1, ())


@pytest.mark.parametrize("how", ["in place", "replaced"])
def test_equal_size_and_time_with_another_text_is_read(index: Index, docs: Path, how: str) -> None:
    index.ingest(docs)
    index.ingest(docs)
    path = docs / "m1.md"
    if how == "replaced":
        write(docs / "new", "Memo 1 about fences.")
        (docs / "new").rename(path)
    else:
        write(path, "Memo 1 about fences.")
    report = index.ingest(docs)
    assert (report.updated, report.unchanged) == (1, 13)
    assert "fences" in index.query("fences", mode="lexical")[0].text


def test_a_restore_is_hashed_and_not_embedded(index: Index, docs: Path) -> None:
    index.ingest(docs)
    shutil.copytree(docs, docs.parent / "backup")
    shutil.rmtree(docs)
    shutil.copytree(docs.parent / "backup", docs)  # other inodes and ctimes, the same times
    report = index.ingest(docs)
    assert (report.unchanged, report.updated, report.documents, report.embedded) == (14, 0, 0, 0)


def test_include_and_exclude_neither_read_nor_remove(index: Index, docs: Path) -> None:
    write(docs / "a[1].md", "brackets")
    write(docs / "a1.md", "no brackets")
    report = index.ingest(docs, include=["docs/usb", "docs/a[1].md"], exclude=["docs/usb/n3.md", "nothing/*"])
    assert index.sources() == ["docs/a[1].md", *(f"docs/usb/n{number}.md" for number in (0, 1, 2, 4, 5))]
    assert report.unmatched == ("nothing/*",)
    assert {one.reason for one in report.skipped} == {
        "left out by --include",
        "left out by --exclude docs/usb/n3.md",
    }
    index.ingest(docs, include=[""], exclude=[""])
    assert len(index.sources()) == 16
    assert index.ingest(docs, exclude=["docs/usb"]).removed == 0
    assert len(index.sources()) == 16


def test_what_semsearch_made_is_not_indexed(index: Index, docs: Path) -> None:
    write(docs / "copy.md", "Memo 1 about hedges.")
    index.ingest(docs)
    index.plan(index.duplicates()).save(docs / "plan.json")
    with create_index(docs / "other") as other:
        other.ingest(docs / "m1.md")
    report = index.ingest(docs.parent)
    assert {Path(one.path).name: one.reason for one in report.skipped} == {
        "plan.json": "plan made by semsearch"
    }
    assert len(index.sources()) == 15
