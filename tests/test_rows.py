"""Rows of CSV, TSV and JSONL files as Documents: text, id, place, metadata, and what is said of broken rows."""

import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from semsearch.errors import InvalidInput
from semsearch.readers import RowFields, read
from semsearch.types import Document, Skipped


def read_rows(path: Path, content: str, **fields: Any) -> tuple[list[Document], list[Skipped]]:
    """Write `content` and read it as rows: read_rows(path, content, text=("body",), id="key")."""
    path.write_text(content, encoding="utf-8", newline="")
    items = list(read(path, path.name, RowFields(**fields)))
    return [i for i in items if isinstance(i, Document)], [i for i in items if isinstance(i, Skipped)]


# CSV and TSV


def test_each_row_is_a_document_at_its_row(tmp_path: Path) -> None:
    table = 'id,text,price\n7,"One,\ntwo ""and"" three",5\n\n8,Four,\n'
    documents, skipped = read_rows(tmp_path / "a.csv", table)
    assert documents == [
        Document("a.csv", 'One,\ntwo "and" three', "1", "row", (1, 1), {"id": "7", "price": "5"}),
        Document("a.csv", "Four", "2", "row", (2,), {"id": "8", "price": ""}),
    ]
    assert [document.name for document in documents] == ["a.csv#1", "a.csv#2"]
    assert skipped == []


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_the_header_tells_the_delimiter(tmp_path: Path, delimiter: str, end: str) -> None:
    header = delimiter.join(["name", '"text, long; or | short"', "text"])
    table = end.join(["", "  ", header, delimiter.join("abc"), "ragged", "  ", ""])
    (document,), (skipped,) = read_rows(tmp_path / "a.csv", table)
    assert (document.text, document.metadata) == ("c", {"name": "a", "text, long; or | short": "b"})
    assert skipped.path == "a.csv:5"


def test_a_table_of_one_column_needs_no_delimiter(tmp_path: Path) -> None:
    documents, _ = read_rows(tmp_path / "a.csv", "text\none\ntwo words\n")
    assert [document.text for document in documents] == ["one", "two words"]


def test_rows_that_do_not_fit_are_named_and_the_rest_read(tmp_path: Path) -> None:
    table = 'id,text\n1,"a\nb"\n2,b,c\n3\n4,d\n5,"e" f\n6,g\n,\n7,"never closed\n8,h\n'
    documents, skipped = read_rows(tmp_path / "a.csv", table, id="id")
    assert [(document.row_id, document.text, document.numbers) for document in documents] == [
        ("1", "a\nb", (1, 1)),
        ("4", "d", (4,)),
        ("6", "g", (6,)),
        ("8", "h", (9,)),
    ]
    assert skipped == [
        Skipped("a.csv:4", "3 fields where the header has 2", failed=True),
        Skipped("a.csv:5", "1 fields where the header has 2, and no text", failed=True),
        Skipped("a.csv:7", "malformed row: ',' expected after '\"'", failed=True),
        Skipped("a.csv:9", "row without text"),
        Skipped("a.csv:10", "malformed row: a quotation mark that is not closed", failed=True),
    ]


@pytest.mark.parametrize("value", ['["a tree"]', '{"en": "a tree"}', '[{"text": "a tree"}]'])
def test_a_text_that_is_no_string_counts_as_not_read(tmp_path: Path, value: str) -> None:
    documents, skipped = read_rows(
        tmp_path / "a.jsonl", f'{{"text": {value}}}\n{{"text": []}}\n{{"text": "b"}}\n'
    )
    assert [document.text for document in documents] == ["b"]
    assert skipped == [
        Skipped("a.jsonl:1", "row whose text is not plain text", failed=True),
        Skipped("a.jsonl:2", "row without text"),
    ]


@pytest.mark.parametrize(
    ("after", "texts", "more"),
    [
        ("4,About hens.\n", ["4"], ""),
        ("4,About hens.", ["4"], ""),
        ("4,Hens, and geese.\n5,last\n", ["5"], ", and 1 more line left out with it"),
        ("Geese\n4,Hens, and geese.\n5,last\n", ["5"], ", and 2 more lines left out with it"),
        ("", [], ""),
    ],
)
def test_an_unclosed_quote_hides_no_row(tmp_path: Path, after: str, texts: list[str], more: str) -> None:
    table = """id,text\n1,wheel\n2,"mill, wheel"\n3,"never closed\n""" + after
    documents, skipped = read_rows(tmp_path / "a.csv", table, id="id")
    assert [document.row_id for document in documents] == ["1", "2", *texts]
    reason = "malformed row: a quotation mark that is not closed" + more
    assert skipped == [Skipped("a.csv:4", reason, failed=True)]


def test_short_columns_are_fields_where_none_has_the_text(tmp_path: Path) -> None:
    long = "How lamps are repaired by hand, with wire and tin. " * 3
    (document,), _ = read_rows(tmp_path / "a.csv", f'headline,story,year\nLamps,"{long}",2023\n')
    assert document.text == f"headline: Lamps\nstory: {long}\nyear: 2023"
    assert document.metadata == {"headline": "Lamps", "year": "2023"}


def test_a_header_with_stray_quotes_is_read_without_quoting(tmp_path: Path) -> None:
    (document,), skipped = read_rows(tmp_path / "a.csv", 'id,"text"s\n1,a\n')
    assert (document.text, skipped) == ('id: 1\n"text"s: a', [])


def test_unnamed_and_repeated_columns_keep_their_values(tmp_path: Path) -> None:
    (document,), _ = read_rows(tmp_path / "a.csv", ",text, note,note\n0,a,b,c\n")
    assert document.metadata == {"column 1": "0", "note": "b", "note (4)": "c"}


def test_tsv_has_no_quoting_but_quoted_fields_are_unquoted(tmp_path: Path) -> None:
    table = 'id\ttext\n1\t"Stop," he said, and left.\n2\t"all ""of"" it"\n3\t5" disk\n4\t"\n5\t"a" or "b"\n'
    documents, _ = read_rows(tmp_path / "a.tsv", table)
    assert [document.text for document in documents] == [
        '"Stop," he said, and left.',
        'all "of" it',
        '5" disk',
        '"',
        '"a" or "b"',
    ]


def test_every_line_of_a_tsv_with_stray_quotes_is_a_row(tmp_path: Path, shared_data: Path) -> None:
    table = (shared_data / "sick" / "SICK.txt").read_text(encoding="utf-8")
    documents, skipped = read_rows(tmp_path / "a.tsv", table, text=("sentence_A",), id="pair_ID")
    assert (len(documents), skipped) == (9840, [])


def test_a_field_may_be_larger_than_the_csv_module_likes(tmp_path: Path) -> None:
    text = "word " * 50_000
    (document,), _ = read_rows(tmp_path / "a.csv", f"text\n{text}\n")
    assert document.text == text


# JSONL


def test_jsonl_line_is_a_document_and_keeps_its_types(tmp_path: Path) -> None:
    row = {
        "text": "One.\nTwo.",
        "n": 3,
        "x": 0.5,
        "ok": True,
        "none": None,
        "tags": ["a", {"é": 1}],
        "s": "t",
    }
    (document,), skipped = read_rows(tmp_path / "a.jsonl", "\n" + json.dumps(row) + "\n")
    metadata: dict[str, Any] = {"n": 3, "x": 0.5, "ok": True, "tags": '["a",{"é":1}]', "s": "t"}
    assert document == Document("a.jsonl", "One.\nTwo.", "2", "line", (2, 2), metadata)
    assert type(document.metadata["ok"]) is bool
    assert skipped == []


def test_malformed_lines_are_named_and_the_rest_read(tmp_path: Path) -> None:
    deep = '{"text": ' + "[" * 100_000 + "]" * 100_000 + "}"
    digits = '{"text": ' + "1" * 5000 + "}"
    lines = ['{"text": "a"}', '{"text": "b"', "[1]", "", deep, digits, '{"text": "c"}']
    documents, skipped = read_rows(tmp_path / "a.ndjson", "\n".join(lines))
    assert [(document.row_id, document.text) for document in documents] == [("1", "a"), ("7", "c")]
    assert skipped[:3] == [
        Skipped("a.ndjson:2", "malformed JSON: Expecting ',' delimiter (column 13)", failed=True),
        Skipped("a.ndjson:3", "not a JSON object", failed=True),
        Skipped("a.ndjson:5", "malformed JSON: nested too deeply", failed=True),
    ]
    assert [(item.path, item.failed) for item in skipped[3:]] == [("a.ndjson:6", True)]


def test_no_depth_of_nesting_escapes(tmp_path: Path) -> None:
    lines = [f'{{"text": "a", "m": {"[" * depth}{"]" * depth}}}' for depth in range(700, 1050)]
    documents, skipped = read_rows(tmp_path / "a.jsonl", "\n".join(lines))
    assert len(documents) + len(skipped) == len(lines)
    assert {item.reason for item in skipped} <= {"malformed JSON: nested too deeply"}


def test_numbers_no_store_can_hold_become_text_and_nan_is_null(tmp_path: Path) -> None:
    line = (
        '{"text": "a", "big": 9223372036854775808, "least": -9223372036854775808, "nan": NaN, "inf": 1e999}'
    )
    (document,), _ = read_rows(tmp_path / "a.jsonl", line)
    metadata = {"big": "9223372036854775808", "least": -9223372036854775808, "inf": "Infinity"}
    assert document.metadata == metadata


def test_halves_of_surrogate_pairs_are_replaced(tmp_path: Path) -> None:
    line = r'{"text": "\ud83d\ude00 \ud800!", "\udc00": "\udfff", "id": "\udbff"}'
    (document,), _ = read_rows(tmp_path / "a.jsonl", line, id="id")
    assert (document.text, document.row_id, document.metadata) == ("😀 �!", "�", {"�": "�"})


# Which column is what


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ({"message": "m", "body": "b", "n": "1"}, "b"),
        ({"Title": "T", "id": "1", "TEXT": "t"}, "T\nt"),
        ({"title": "", "content": "c"}, "c"),
        ({"title": "T", "content": ""}, "T"),
        ({"title": "T", "author": "A", "year": 1999, "note": ""}, "title: T\nauthor: A"),
        ({"text": None, "passage": "p"}, "p"),
        ({"text": {"not": "text"}, "sentence": "s"}, "s"),
    ],
)
def test_the_text_is_found_where_no_column_is_named(
    tmp_path: Path, row: dict[str, object], text: str
) -> None:
    (document,), _ = read_rows(tmp_path / "a.jsonl", json.dumps(row))
    assert document.text == text


def test_named_columns_are_the_text_in_their_order(tmp_path: Path) -> None:
    documents, skipped = read_rows(tmp_path / "a.csv", "text,a,b\nx,1,2\ny,,3\nz,,\n", text=("b", "a"))
    assert [(document.text, document.metadata) for document in documents] == [
        ("2\n1", {"text": "x"}),
        ("3", {"text": "y"}),
    ]
    assert skipped == [Skipped("a.csv:4", "row without text")]
    documents, _ = read_rows(tmp_path / "a.jsonl", '{"b": [1, true], "a": 2.5}\n{"a": "x"}', text=("b", "a"))
    assert [document.text for document in documents] == ["[1,true]\n2.5", "x"]


@pytest.mark.parametrize(
    ("name", "content"), [("a.csv", "key,body\n1,a\n"), ("a.jsonl", '{"key": 1}\n{"body": "a"}\n')]
)
@pytest.mark.parametrize("fields", [{"text": ("body", "missing")}, {"id": "missing"}])
def test_a_column_that_no_row_has_is_an_error_that_lists_them(
    tmp_path: Path, name: str, content: str, fields: dict[str, Any]
) -> None:
    with pytest.raises(InvalidInput, match=rf"{name} .*'missing'") as caught:
        read_rows(tmp_path / name, content, **fields)
    assert "key, body" in caught.value.hint


def test_a_column_of_some_lines_is_enough(tmp_path: Path) -> None:
    documents, _ = read_rows(tmp_path / "a.jsonl", '{"text": "a"}\n{"text": "b", "key": "k"}', id="key")
    assert [document.row_id for document in documents] == ["1", "k"]


def test_ids_that_repeat_are_told_apart_by_their_row(tmp_path: Path) -> None:
    keys = ["x", "x", " x ", "", "6", "", "x@2"]
    table = "id,text\n" + "".join(f"{key},text {number}\n" for number, key in enumerate(keys))
    documents, _ = read_rows(tmp_path / "a.csv", table, id="id")
    assert [document.row_id for document in documents] == ["x", "x@2", "x@3", "4", "6", "6@6", "x@2@7"]
    assert all("id" not in document.metadata for document in documents)


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl"])
def test_rows_stream(tmp_path: Path, suffix: str) -> None:
    row = json.dumps({"text": "word " * 200}) if suffix == "jsonl" else "word " * 200
    path = tmp_path / f"rows.{suffix}"
    path.write_text("text\n" * (suffix != "jsonl") + f"{row}\n" * 4000, encoding="utf-8")
    tracemalloc.start()
    try:
        count = sum(isinstance(item, Document) for item in read(path, "rows", RowFields(text=("text",))))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 4000
    assert peak < path.stat().st_size / 8
