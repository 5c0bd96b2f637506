"""Small writes: what waits for the vector engine, what does not, and what a kill between two steps leaves."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from soundness import assert_sound
from test_library import publish
from tiny_embedder import create_index, open_index

from semsearch.index import Index
from semsearch.ingest.sources import is_below, is_file, keys_below
from semsearch.storage.library import Library, vector_file
from semsearch.storage.vectors import sync
from semsearch.storage.vectors.chroma import ChromaEngine

COUNT = 220
RECORDS = [{"id": f"n{at}", "text": f"note {at} on a kettle of number{at}"} for at in range(COUNT)]
NEW = {"id": "new", "text": "a zebra crosses the road quietly"}


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    """Yield an index that is large enough for one change to wait."""
    monkeypatch.setattr(vector_file, "LEAST", 5)
    with create_index(tmp_path / "index") as index:
        index.add(RECORDS)
        assert index.status().waiting == 0
        yield index


def in_chroma(index: Index) -> set[str]:
    """Return the texts in Chroma's files as any client finds them."""
    with closing(ChromaEngine(index.folder / "chroma")) as engine:
        return set(engine._collection.get(include=["documents"])["documents"] or ())


def test_a_small_change_waits_and_is_found(index: Index) -> None:
    seal = index._library.setting("chroma")
    index.add([NEW])
    status = index.status()
    assert (status.waiting, status.pending) == (1, False)
    assert index._library.setting("chroma") == seal  # so readers go on with the graph that they have loaded
    assert index.query("zebra", k=1)[0].document == "record://new"
    assert NEW["text"] not in in_chroma(index)


def test_check_sends_what_waits(index: Index) -> None:
    index.add([NEW])
    report = index.check()
    assert report.sound
    assert "changes that waited for the vector engine were sent: 1" in [one.note for one in report.findings]
    assert NEW["text"] in in_chroma(index)
    assert_sound(index)


def test_a_changed_text_is_replaced_once_it_is_sent(index: Index) -> None:
    old = RECORDS[0]["text"]
    index.add([{"id": "n0", "text": NEW["text"]}])
    assert old not in {hit.text for hit in index.query("kettle", k=COUNT)}
    index.check()
    assert {old, NEW["text"]} & in_chroma(index) == {NEW["text"]}
    assert_sound(index)


def test_changes_up_to_the_share_wait_and_then_all_are_sent(index: Index) -> None:
    index.add([NEW])
    # Three are more than one in 100.
    index.add([{"id": f"more{at}", "text": f"new text {at}"} for at in "ab"])
    assert index.status().waiting == 0
    assert_sound(index)


def test_a_removal_does_not_wait(index: Index, tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("words of a file that is removed")
    index.ingest([tmp_path / "note.txt"])
    index.delete("n1")
    assert_sound(index)
    index.add([NEW])
    assert index.status().waiting == 1
    index.update([{"id": "n2", "text": " "}])  # without a text it is removed
    assert_sound(index)
    (folder := tmp_path / "folder").mkdir()
    for name in "ab":
        (folder / f"{name}.txt").write_text(f"file {name} in a folder")
    index.ingest([folder])
    (folder / "a.txt").unlink()
    index.ingest([folder])
    assert "file a in a folder" not in in_chroma(index)
    assert_sound(index)


def test_forgetting_does_not_wait(index: Index) -> None:
    index.add([NEW])
    forgotten = index.forget("record://new", verify=True)
    assert (forgotten.sources, forgotten.left) == (1, ())
    assert index.status().waiting == 0
    index.add([{"id": "n0", "text": NEW["text"]}])  # the old text of n0 is in Chroma still
    assert RECORDS[0]["text"] in in_chroma(index)
    assert index.forget("record://n1", verify=True).left == ()
    assert RECORDS[0]["text"] not in in_chroma(index)
    assert_sound(index)


def test_a_repair_and_a_move_leave_nothing_waiting(index: Index) -> None:
    index.add([NEW])
    index.repair()
    assert_sound(index)
    pytest.importorskip("qdrant_edge")
    index.add([{"id": "more", "text": "a second text that is new"}])
    assert index.status().waiting == 1
    index.move_engine("qdrant:")
    assert index.status().waiting == 0
    assert index.check().sound


def test_nothing_waits_where_searches_ask_the_engine(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    index.add([NEW])
    for size in ("SCANNED", "MAPPED", "CODED"):
        monkeypatch.setattr(vector_file, f"{size}_BYTES", -1)
    assert index.status().pending
    index.add([{"id": "more", "text": "a second text that is new"}])
    assert_sound(index)


def test_nothing_waits_in_a_small_index(tmp_path: Path) -> None:
    with create_index(tmp_path / "index") as index:
        index.add(RECORDS)
        index.add([NEW])
        assert_sound(index)


ADD = """
import sys
from pathlib import Path
from tiny_embedder import open_index
from semsearch.ingest import add
from semsearch.storage.library import Library, vector_file
from semsearch.storage.vectors.sync import VectorSync
vector_file.LEAST = 5
"""


def added(folder: Path, before: str = "", after: str = "") -> "subprocess.CompletedProcess[str]":
    """Replace a record in a new process, which runs some code before and after."""
    write = f"with open_index(Path({str(folder)!r})) as index: index.add([{{'id': 'n0', 'text': 'a new kettle'}}])\n"
    path = os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parent.parent)])
    return subprocess.run(
        [sys.executable, "-c", ADD + before + "\n" + write + after],
        env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


def test_a_small_write_does_not_load_the_engine(index: Index) -> None:
    done = added(index.folder, after="print('chromadb' in sys.modules)")
    assert done.stdout == "False\n", done.stderr
    assert index.status().waiting == 2


@pytest.mark.long
@pytest.mark.parametrize(
    "step", ["Library.begin_sources", "Library.add", "Library.publish", "VectorSync.sync", "Library.sweep"]
)
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_kill_between_two_steps_is_made_good(index: Index, step: str, when: str) -> None:
    name = step.rpartition(".")[2]
    calls = ["os._exit(9)", "made(*args, **options)"]
    kill = f"""
import os
made = {step}
def killed(*args, **options):
    {"; ".join(calls if when == "before" else calls[::-1])}
{step} = killed
"""
    assert added(index.folder, kill).returncode == 9, name
    assert index.check().sound
    index.add([NEW])
    index.check()
    assert_sound(index)
    assert len(index) == COUNT + 1
    assert index._library.setting("unswept") is None


def test_a_sweep_looks_only_at_what_has_changed(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    whole: list[Library] = []
    monkeypatch.setattr(Library, "gc", lambda library: whole.append(library))
    index.add([{"id": "n0", "text": NEW["text"]}])
    assert index._library.counts()["vectors"] == COUNT
    assert not whole


def test_a_batch_of_many_changes_is_sent_at_once(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync, "WAITING", 0)
    index.add([NEW])
    assert_sound(index)


NAMES = st.sampled_from(["a", "b", "a b", "a.b", "a0", "ä", "c/d", "a/b/c", "record:", "-"])
KEYS = st.one_of(
    NAMES,
    *(NAMES.map(f"{begin}{{}}".format) for begin in ("/home/me/", "/srv/", "record://")),
    st.just("<stdin>"),
)


@given(
    keys=st.sets(KEYS, max_size=8), roots=st.lists(KEYS | st.sampled_from(["/", "/home", "."]), max_size=3)
)
def test_sources_below_paths_are_read_alone(
    tmp_path_factory: pytest.TempPathFactory, keys: set[str], roots: list[str]
) -> None:
    base = Path("/home/me/notes")
    paths = [base / root for root in roots]
    expected = {key for key in keys if any(is_below(key, path, base) for path in paths)}
    with closing(Library(tmp_path_factory.mktemp("library") / "library.sqlite3", create=True)) as library:
        for key in keys:
            publish(library, key, [["p"]])
        found = library.states(keys_below(paths, base))
        assert expected <= found.keys() <= keys
        if all(path not in base.parents and path != base for path in paths):
            assert {key for key in found if is_file(key)} == expected
        assert library.states().keys() == keys


def test_what_waits_outlives_the_process(index: Index) -> None:
    index.add([NEW])
    index.close()
    with open_index(index.folder) as again:
        assert again.status().waiting == 1
        again.check()
        assert_sound(again)
