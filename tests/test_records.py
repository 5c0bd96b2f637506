"""Records from memory: every form that people have, ids, replacing, streaming, and what must not remove them."""

import datetime
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas
import pyarrow
import pytest
from click.testing import CliRunner
from tiny_embedder import TinyEmbedder, create_index, open_index

from semsearch import Index, IndexDamaged, InvalidInput, Record, SemsearchError
from semsearch.cli import main
from semsearch.ingest import add
from semsearch.ingest.records import text_id


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    with create_index(tmp_path / "index") as index:
        yield index


class Frame:
    """A frame as Polars has it, by the one method that is used."""

    columns = ("id", "text")

    def iter_rows(self, *, named: bool) -> Iterator[dict[str, Any]]:
        assert named
        yield {"id": "a", "text": "the red cat"}
        yield {"id": "b", "text": "the blue dog"}


ROWS = [{"id": "a", "text": "the red cat"}, {"id": "b", "text": "the blue dog"}]


@pytest.mark.parametrize(
    "data",
    [
        ROWS,
        tuple(ROWS),
        iter(ROWS),
        [Record("a", "the red cat"), Record("b", "the blue dog")],
        pandas.DataFrame(ROWS),
        pyarrow.Table.from_pylist(ROWS),
        Frame(),
    ],
    ids=lambda data: type(data).__module__ + type(data).__name__,
)
def test_every_form_gives_the_same_records(index: Index, data: Any) -> None:
    assert index.add(data).added == 2
    assert index.get(["b", "a"]) == [Record("b", "the blue dog"), Record("a", "the red cat")]
    assert index.search("blue dog", k=1)[0].document == "record://b"


@pytest.mark.parametrize(
    "data", ["one text", ["one text"], {"text": "one text"}, pandas.Series(["one text"])], ids=repr
)
def test_texts_without_id_are_named_by_digest(index: Index, data: Any) -> None:
    assert index.add(data).ids == (text_id("one text"),)
    again = index.add(data)
    assert (again.added, again.unchanged, len(index)) == (0, 1, 1)


def test_ids_and_metadata_may_come_beside_the_texts(index: Index) -> None:
    index.add(["one", "two"], id=[1, "b"], metadata=[{"year": 2020}, {"year": None}])
    assert index.get([1, "b"]) == [Record("1", "one", {"year": 2020}), Record("b", "two")]
    assert 1 in index and "1" in index and "c" not in index and None not in index


def test_fields_are_chosen_by_name(index: Index) -> None:
    row = {"key": 7, "title": "Bikes", "note": "they roll", "year": 2020, "secret": "x"}
    index.add([row], id="key", text=["title", "note"], metadata=["year"])
    assert index.get(7) == [Record("7", "Bikes\nthey roll", {"year": 2020})]


def test_values_of_frames_become_plain_metadata(index: Index) -> None:
    frame = pandas.DataFrame({
        "text": ["one", "two", None],
        "count": pandas.array([1, None, 3], dtype="Int64"),
        "score": [0.5, float("nan"), 1.0],
        "day": pandas.to_datetime(["2024-02-01", None, "2024-02-03"]),
        "tags": [["a", "b"], [], []],
    })  # fmt: skip
    report = index.add(frame, id=["x", "y", "z"])
    assert [skipped.path for skipped in report.skipped] == ["z"]
    first, second = index.get(["x", "y"])
    assert first.metadata == {"count": 1, "score": 0.5, "day": "2024-02-01T00:00:00", "tags": ("a", "b")}
    assert second.metadata == {"tags": "[]"}
    index.add([{"id": "d", "text": "t", "on": datetime.date(2024, 1, 2)}])
    assert index.get("d")[0].metadata == {"on": "2024-01-02"}


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        (5, {}, "neither texts, dicts nor a data frame"),
        (b"text", {}, "bytes are not text"),
        (Path("notes"), {}, "is a path"),
        ([1], {}, "neither a text nor a dict"),
        ([["a"]], {}, "neither a text nor a dict"),
        ({"text": ["a", "b"]}, {}, "is list, and not a string"),
        (["a"], {"text": "body"}, "has no field 'body'"),
        ([{"text": "a"}], {"text": "body"}, "has no field 'body'"),
        ([{"text": "a"}], {"id": "key"}, "has no field 'key' for its id"),
        (["a"], {"id": [True]}, "is True"),
        (["a"], {"id": [1.5]}, "is 1.5"),
        (["a"], {"id": [" "]}, "is empty"),
        (["a"], {"id": ["a\0b"]}, "NUL"),
        (["a", "b"], {"id": [1]}, "fewer ids"),
        (["a"], {"id": [1, 2]}, "more ids"),
        (["a"], {"metadata": {"a": 1}}, "one dict"),
        (["a"], {"metadata": [5]}, "not a dict"),
    ],
)
def test_what_is_no_record_is_refused_clearly(
    index: Index, data: Any, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidInput, match=message):
        index.add(data, **options)
    assert len(index) == 0


def test_adding_an_id_again_replaces_the_record(index: Index) -> None:
    index.add([{"id": "a", "text": "the red cat", "year": 1}])
    assert index.add([{"id": "a", "text": "a blue dog"}]).updated == 1
    assert index.get("a") == [Record("a", "a blue dog")]
    assert index.add([{"id": "a", "text": "a blue dog", "year": 2}]).updated == 1
    report = index.add([{"id": "a", "text": "first"}, {"id": "a", "text": "last"}])
    assert report.notes == ("1 had the id of a later record, and were replaced by it",)
    assert index.get("a")[0].text == "last" and len(index) == 1
    assert index.add([{"id": "a", "text": " "}]).removed == 1
    assert len(index) == 0
    assert index.check().sound


def test_a_record_of_invisible_characters_is_skipped(index: Index) -> None:
    index.add([{"id": "a", "text": "seen"}, {"id": "b", "text": "stays"}])
    report = index.add([{"id": "a", "text": "\u200b"}])
    assert [skipped.path for skipped in report.skipped] == ["a"] and report.removed == 1
    assert "a" not in index and "b" in index


def test_what_is_no_text_is_no_damage(index: Index) -> None:
    index.add([{"id": "\ud800", "text": "cats"}])
    assert "\ud800" in index
    loop: dict[str, object] = {"id": "loop", "text": "dogs"}
    loop["more"] = [loop]
    with pytest.raises(InvalidInput, match="nested too deeply"):
        index.add([loop])
    with pytest.raises(InvalidInput, match="a query is a text"):
        index.search(None)  # type: ignore[arg-type]


def test_update_wants_ids_that_are_there(index: Index) -> None:
    index.add([{"id": "a", "text": "old"}])
    assert index.update([{"id": "a", "text": "new"}]).updated == 1
    with pytest.raises(InvalidInput, match="not in the index: b"):
        index.update([{"id": "a", "text": "newer"}, {"id": "b", "text": "x"}])
    assert index.get("a")[0].text == "new"


def test_delete_counts_what_was_there(index: Index) -> None:
    index.add(["one", "two", "three"], id=[1, 2, 3])
    assert index.delete([1, "2", "other"]) == 2
    assert index.delete("three") == 0
    assert [record.id for record in index.get([1, 2, 3])] == ["3"]


def test_ingest_of_files_keeps_records(tmp_path: Path) -> None:
    (tmp_path / "note.md").write_text("a note about bikes")
    with create_index(tmp_path / ".semsearch") as index:
        index.add([{"id": "a", "text": "kept"}])
        for prune in (False, True):
            assert index.ingest([tmp_path], prune=prune).removed == 0
        (tmp_path / "note.md").unlink()
        index.ingest([tmp_path], prune=True)
        assert index.sources() == ["record://a"]
        with pytest.raises(InvalidInput, match="not in the index"):
            index.remove(tmp_path)


def test_a_file_cannot_take_the_name_of_a_record(tmp_path: Path) -> None:
    folder = tmp_path / "record:"
    folder.mkdir()
    (folder / "a").write_text("written by a stranger")
    with create_index(tmp_path / ".semsearch") as index:
        index.add([{"id": "a", "text": "mine"}])
        index.ingest([tmp_path])
        assert index.get("a") == [Record("a", "mine")]
        assert not index.is_unchanged("record://a")
        assert index.sources() == ["record://a", "record:/a"]


def test_steps_before_a_failure_stay(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(add, "_RECORDS", 2)

    def failing() -> Iterator[str]:
        yield from ("one", "two", "three")
        raise OSError("the network is gone")

    with pytest.raises(OSError, match="network"):
        index.add(failing())
    assert len(index) == 2
    assert index.add(["one", "two", "three"]).added == 1
    assert index.check().sound


def test_an_iterator_is_read_step_by_step(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(add, "_RECORDS", 10)
    taken, most = 0, 0

    def counted() -> Iterator[str]:
        nonlocal taken, most
        for number in range(35):
            taken += 1
            most = max(most, taken - len(index))
            yield f"text {number}"

    told: list[int] = []
    report = index.add(counted(), progress=told.append)
    assert (report.added, report.ids, told) == (35, (), [10, 20, 30, 35])
    assert most <= 10


def test_an_iterator_may_belong_to_the_thread(index: Index) -> None:
    rows = sqlite3.connect(":memory:").execute("SELECT 'from a database'")
    assert index.add(text for (text,) in rows).added == 1


def test_records_work_on_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Index.create(tmp_path / "index") as index:
        index.add([
            {"id": "a", "text": "the deposit comes back after the return"},
            {"id": "b", "text": "the deposit comes back after the return"},
            {"id": "c", "text": "opening hours are on the door"},
        ])  # fmt: skip
    monkeypatch.setenv("SEMSEARCH_INDEX", str(tmp_path / "index"))

    def run(*arguments: str) -> str:
        ran = CliRunner().invoke(main, arguments)
        assert ran.exit_code == 0, ran.output
        return ran.output

    assert "record://a" in run("status", "--sources") and "3 sources" in run("status")
    assert "record://a:1" in run("query", "deposit", "--source", "record://*")
    assert "exact     1.0000  record://b" in run("dedup")
    assert "record://b" in run("similar", "record://a")
    plan = tmp_path / "plan.json"
    assert "left out 1" in run("dedup", "--plan", str(plan))
    run("forget", "record://a", "--verify")
    run("remove", "record://b")
    assert run("status", "--sources").split() == ["record://c"]


def test_open_or_create_opens_what_it_made(tmp_path: Path) -> None:
    for number in (1, 2):
        with Index.open_or_create(str(tmp_path / "notes.db"), embedder=TinyEmbedder()) as index:
            index.add([f"text {number}"])
            assert len(index) == number


def test_open_or_create_refuses_a_folder_of_files(tmp_path: Path) -> None:
    (tmp_path / "note.md").write_text("text")
    with pytest.raises(InvalidInput, match="is not empty") as caught:
        Index.open_or_create(tmp_path, embedder=TinyEmbedder())
    assert str(tmp_path / ".semsearch") in caught.value.hint


def test_open_or_create_reports_a_damaged_index(tmp_path: Path) -> None:
    create_index(tmp_path / "index").close()
    (tmp_path / "index" / "library.sqlite3").write_bytes(b"not a database" * 100)
    with pytest.raises(IndexDamaged):
        Index.open_or_create(tmp_path / "index", embedder=TinyEmbedder())


def test_a_closed_index_says_so(tmp_path: Path) -> None:
    index = create_index(tmp_path / "index")
    index.close()
    calls = (
        lambda: len(index), lambda: "a" in index, lambda: index.add("x"), lambda: index.get("x"),
        lambda: index.search("x"), lambda: index.delete("x"), lambda: index.status(),
    )  # fmt: skip
    for call in calls:
        with pytest.raises(SemsearchError, match="is closed"):
            call()


def test_search_takes_one_query_or_several(index: Index) -> None:
    index.add(["the red cat", "a blue dog"])
    one, several = index.search("cat", k=1), index.search(["cat", "dog"], k=1)
    assert one == several[0] and len(several) == 2
    with pytest.raises(InvalidInput, match="must be a string"):
        index.query(["cat", "dog"])  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="is the string"):
        index.query_many("cat")


def test_hits_are_a_table(index: Index) -> None:
    index.add([{"id": "<b>x</b>", "text": "<script>alert(1)</script> the cat", "year": 2020}])
    hits = index.search("cat")
    assert [row["document"] for row in hits.to_dicts()] == ["record://<b>x</b>"]
    assert hits.to_pandas()["metadata"][0] == {"year": 2020}
    assert repr(hits).startswith("<1 hits, best ")
    page = hits._repr_html_()
    assert "<script>" not in page and "&lt;script&gt;" in page and "<b>" not in page
    assert repr(index.search("volcano", source="nothing*")) == "<0 hits>"


def test_embed_gives_a_row_for_each_text(index: Index) -> None:
    assert index.embed("one text").shape == (1, 32)
    assert index.embed(["one", "two", "three"]).shape == (3, 32)


def test_records_are_found_again_after_a_reopening(tmp_path: Path) -> None:
    with create_index(tmp_path / "index") as index:
        index.add([{"id": "a", "text": "kept here"}])
    with open_index(tmp_path / "index") as index:
        assert index.get("a")[0].text == "kept here"
