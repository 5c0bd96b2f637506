"""Tables and data sets as programs really write them: each reads to the same rows, and says what was detected."""

import bz2
import gzip
import json
import lzma
from pathlib import Path

import pytest

from semsearch.errors import InvalidInput
from semsearch.readers import RowFields, RowFormat, read
from semsearch.readers.rewrite import copy_rows
from semsearch.types import Document, Skipped

TEXTS = [
    "The kiln is hot; wait, please.",
    "Nobody fed the geese.",
    "Oars are in the shed, as usual.",
    "Nobody fed the geese.",
]
PLAIN = [f'{at},"{text}"' for at, text in enumerate(TEXTS)]


def texts_of(path: Path, content: str | bytes, **said: object) -> tuple[list[str], list[str], list[Skipped]]:
    """Write a file and return the texts of its rows, the notes, and what was not read."""
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    notes: list[str] = []
    fields = (
        RowFields(("text",), format=RowFormat(**said))
        if "no_header" not in said
        else RowFields(format=RowFormat(**said))
    )  # type: ignore[arg-type]
    items = list(read(path, path.name, fields, notes.append))
    documents = [item.text for item in items if isinstance(item, Document)]
    return documents, notes, [item for item in items if isinstance(item, Skipped)]


QUOTE = "'"
DIALECTS = {
    "plain": ("id,text", *PLAIN),
    "comma in a name": ("id;text;note (a, b, c)", *(f'{at};"{text}";x' for at, text in enumerate(TEXTS))),
    "sep line": ("sep=;", "id;text", *(f'{at};"{text}"' for at, text in enumerate(TEXTS))),
    "sep line in quotes": ('"sep=|"', "id|text", *(f"{at}|{text}" for at, text in enumerate(TEXTS))),
    "decimal commas": ("id;price;text", *(f"{at};{at},50;{text.replace(';', ':')}" for at, text in enumerate(TEXTS))),
    "backslash quotes": ("id,text", *(f'{at},"\\"{text}\\""' for at, text in enumerate(TEXTS))),
    "apostrophes": ("id,text", *(f"{at},'{text.replace(QUOTE, QUOTE * 2)}'" for at, text in enumerate(TEXTS))),
    "blanks before quotes": ("id, text", *(f'{at}, "{text}"' for at, text in enumerate(TEXTS))),
    "short rows": ("id,text,note,more", *PLAIN),
    "trailing delimiters": ("id,text", *(f"{row}," for row in PLAIN)),
    "trailing delimiters everywhere": ("id,text,", *(f"{row}," for row in PLAIN)),
    "titles": ("Export of the boat house", "2026-03-01", "", "id,text", *PLAIN),
    "titles in rows of cells": ("Export,,", ",,", "id,text,note", *(f"{row},x" for row in PLAIN)),
    "metadata in pairs": ("Author,Mia", "Made,2026", "id,text,a,b", *(f"{row},x,y" for row in PLAIN)),
    "comments above": ("# made by hand, on a Monday, in haste", "# two", "id,text", *PLAIN),
    "comments between": ("# one", "id,text", PLAIN[0], "# two", *PLAIN[1:]),
    "names of rows": ("text,note", *(f"{row},x" for row in PLAIN)),
    "blank lines": ("", "id,text", "", PLAIN[0], "", "", *PLAIN[1:]),
    "bars": ("id|text", *(f"{at}|{text}" for at, text in enumerate(TEXTS))),
    "quotes within": ("id,text", *(f'{at},"{text}"' for at, text in enumerate(TEXTS)), '9,"torn'),
}  # fmt: skip


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("name", DIALECTS)
def test_dialects_read_to_the_same_rows(tmp_path: Path, name: str, end: str) -> None:
    texts, notes, skipped = texts_of(tmp_path / "a.csv", end.join(DIALECTS[name]) + end)
    expected = [text.replace(";", ":") for text in TEXTS] if name == "decimal commas" else TEXTS
    assert [text.strip('"') for text in texts] == expected
    assert bool(notes) == (name not in ("plain", "trailing delimiters", "trailing delimiters everywhere",
                                        "blank lines", "blanks before quotes", "quotes within"))  # fmt: skip
    assert [item.reason for item in skipped if item.failed] == (
        ["malformed row: a quotation mark that is not closed"] if name == "quotes within" else []
    )


@pytest.mark.parametrize(
    "rows",
    [
        ["'tis the season", "rock 'n' roll", "it's"],
        ["'quoted' word", "the dogs' bowl", "plain"],
        ["'em", "x'", "'"],
    ],
)
def test_apostrophes_in_words_are_text(tmp_path: Path, rows: list[str]) -> None:
    texts, notes, skipped = texts_of(
        tmp_path / "a.csv", "\n".join(["id,text", *(f"1,{row}" for row in rows)])
    )
    assert (texts, notes, skipped) == (rows, [], [])


@pytest.mark.parametrize("codec", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"])
def test_encodings_of_tables(tmp_path: Path, codec: str) -> None:
    table = "id;text\r\n" + "".join(f"{at};{text} Grüße aus Köln\r\n" for at, text in enumerate(TEXTS))
    texts, _, skipped = texts_of(tmp_path / "a.csv", table.replace("hot;", "hot,").encode(codec))
    assert (texts[1], len(texts), skipped) == ("Nobody fed the geese. Grüße aus Köln", 4, [])


@pytest.mark.parametrize(
    ("text", "codec"),
    [("“It’s” fine – 5 €…", "cp1252"), ("繁體中文的句子", "big5"), ("今日は良い天気です", "cp932")],
)
def test_a_few_words_tell_the_encoding(tmp_path: Path, text: str, codec: str) -> None:
    texts, _, skipped = texts_of(tmp_path / "a.csv", f"id;text\n1;{text}\n2;plain\n".encode(codec))
    assert (texts, skipped) == ([text, "plain"], [])


@pytest.mark.parametrize(
    "above",
    ["Report; Q3\nMade by; a tool\n\n", "Exported: May;User: Ann\n", "Sales; north; 2025; draft\n\n"],
)
def test_titles_with_the_delimiter_are_above_the_header(tmp_path: Path, above: str) -> None:
    rows = "".join(f"{at};{text};{at}\n" for at, text in enumerate(["The lamp is on", "The chair is soft"]))
    texts, _, skipped = texts_of(tmp_path / "a.csv", f"{above}id;text;n\n{rows}")
    assert (texts, skipped) == (["The lamp is on", "The chair is soft"], [])


def test_an_encoding_that_is_said_is_used(tmp_path: Path) -> None:
    texts, _, _ = texts_of(tmp_path / "a.csv", "text\nčas\n".encode("cp1250"), encoding="cp1250")
    assert texts == ["čas"]
    with pytest.raises(InvalidInput, match="unknown encoding"):
        RowFormat(encoding="klingon")
    with pytest.raises(InvalidInput, match="separate cells"):
        RowFormat(delimiter="::")


@pytest.mark.parametrize("rows", [PLAIN, TEXTS, [f'{at},"{t}",good' for at, t in enumerate(TEXTS)]])
def test_a_table_without_a_header_keeps_its_first_row(tmp_path: Path, rows: list[str]) -> None:
    path = tmp_path / "a.csv"
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    notes: list[str] = []
    items = [item for item in read(path, "a.csv", tell=notes.append) if isinstance(item, Document)]
    assert [item.row_id for item in items] == ["1", "2", "3", "4"]
    assert "no header" in notes[-1]
    assert TEXTS[0] in items[0].text


@pytest.mark.parametrize(
    "table",
    [
        "What do you like?,Any comments?\nIt is warm in here.,None at all from me.\n",
        "text\nTwo words\n",
        "n\n1\n2\n",
    ],
)
def test_a_header_is_taken_for_one(tmp_path: Path, table: str) -> None:
    documents, notes, _ = texts_of(tmp_path / "a.csv", table, no_header=False)
    assert len(documents) == table.count("\n") - 1 or "no header" in notes[-1]


def test_no_header_can_be_said_and_columns_have_numbers(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("name,text\nMia,hello\n", encoding="utf-8")
    fields = RowFields(("2",), format=RowFormat(no_header=True))
    assert [item.text for item in read(path, "a", fields) if isinstance(item, Document)] == ["text", "hello"]


def test_spreadsheets_quote_cells_of_tabs(tmp_path: Path) -> None:
    table = "id\ttext\r\n" + "".join(
        f'{at}\t"{text}\nSecond line, {at}."\r\n' for at, text in enumerate(TEXTS)
    )
    texts, notes, skipped = texts_of(tmp_path / "a.tsv", table)
    assert (texts[3], len(texts), skipped) == ("Nobody fed the geese.\nSecond line, 3.", 4, [])
    assert notes == ["cells are quoted"]


def test_one_bad_byte_costs_its_row(tmp_path: Path) -> None:
    good = "".join(f"{row} Größe\n" for row in PLAIN).replace('" Größe', ' Größe"')
    texts, _, skipped = texts_of(
        tmp_path / "a.csv", b"id,text\n" + good.encode() + b'8,"caf\xe9"\n9,"a\0b"\n'
    )
    assert len(texts) == 4
    assert [item.path for item in skipped if item.failed] == ["a.csv:6", "a.csv:7"]
    lines = "".join(json.dumps({"text": f"{text} Größe"}, ensure_ascii=False) + "\n" for text in TEXTS)
    texts, _, skipped = texts_of(
        tmp_path / "a.jsonl", lines.encode() + b'{"text": "caf\xe9"}\n{"text": "a\0"}\n'
    )
    assert len(texts) == 4
    assert [item.path for item in skipped] == ["a.jsonl:5", "a.jsonl:6"]


# -- JSON, compressed files, Parquet ------------------------------------------------------------------------

RECORDS = [{"id": at, "text": text} for at, text in enumerate(TEXTS)]
JSON = {
    "array": json.dumps(RECORDS),
    "pretty array": json.dumps(RECORDS, indent=2),
    "strings": json.dumps(TEXTS),
    "object": json.dumps({"version": "1.1", "data": RECORDS}),
    "only member": json.dumps({"lakes": RECORDS}),
    "lines": "".join(json.dumps(record) + "\n" for record in RECORDS),
    "stream": "\n".join(json.dumps(record, indent=1) for record in RECORDS),
    "columns": json.dumps({"id": [0, 1, 2, 3], "text": TEXTS}),
    "columns of pandas": json.dumps({"text": {str(at): text for at, text in enumerate(TEXTS)}}),
    "split columns of pandas": json.dumps({"columns": ["id", "text"], "data": list(enumerate(TEXTS))}),
    "text sequence": "".join(f"\x1e{json.dumps(record)}\n" for record in RECORDS),
    "index": json.dumps({f"d{at}": {"text": text} for at, text in enumerate(TEXTS)}),
}


@pytest.mark.parametrize(
    ("name", "suffix"),
    [
        *((name, ".json") for name in JSON),
        *((name, ".jsonl") for name in [*list(JSON)[:3], "lines", "stream", "text sequence"]),
    ],
)
def test_json_of_every_form_has_a_row_for_each_record(tmp_path: Path, name: str, suffix: str) -> None:
    texts, _, skipped = texts_of(tmp_path / f"a{suffix}", JSON[name])
    assert (texts, skipped) == (TEXTS, [])


def test_a_configuration_is_a_text(tmp_path: Path) -> None:
    for value in ({"name": "shed", "files": ["a", "b"]}, {"dev": {"port": 1}, "prod": {"port": 2}}, {"a": 1}):
        path = tmp_path / "a.json"
        path.write_text(json.dumps(value), encoding="utf-8")
        (document,) = read(path, "a.json")
        assert isinstance(document, Document) and not document.row_id


def test_a_malformed_record_of_an_array_costs_itself(tmp_path: Path) -> None:
    texts, _, (skipped,) = texts_of(tmp_path / "a.json", '[{"text": "a"},\n{"text": oops},\n{"text": "c]"}]')
    assert texts == ["a", "c]"]
    assert skipped.path == "a.json:2" and skipped.failed


@pytest.mark.parametrize("suffix", ["gz", "bz2", "xz", "zst"])
def test_compressed_rows(tmp_path: Path, suffix: str) -> None:
    if suffix == "zst":
        pack = pytest.importorskip("zstandard").ZstdCompressor().compress
    else:
        pack = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}[suffix]
    first, second = JSON["lines"][:80].encode(), JSON["lines"][80:].encode()
    whole = pack(first) + pack(second)
    path = tmp_path / f"a.jsonl.{suffix}"
    texts, _, skipped = texts_of(path, whole)
    assert (texts, skipped) == (TEXTS, [])
    copy = tmp_path / f"b.jsonl.{suffix}"
    assert copy_rows(path, copy, keep=lambda row: row != 2) == 3
    assert texts_of(copy, copy.read_bytes())[0] == [TEXTS[0], *TEXTS[2:]]
    _, _, skipped = texts_of(path, pack(first) + pack(second)[:-9])
    assert [item.failed for item in skipped] == [True]


def test_a_bomb_is_refused(tmp_path: Path) -> None:
    bomb = gzip.compress(b'{"text": "' + b"a" * 120_000_000)
    texts, _, (skipped,) = texts_of(tmp_path / "a.jsonl.gz", bomb)
    assert texts == [] and "unpacks to more than" in skipped.reason


def test_parquet_has_rows_with_nested_fields(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    path, copy = tmp_path / "a.parquet", tmp_path / "b.parquet"
    pq.write_table(
        pa.Table.from_pylist([{"turns": [{"role": "user", "said": text}], "n": 1} for text in TEXTS]), path
    )
    fields = RowFields(("turns.0.said",))
    assert [item.text for item in read(path, "a", fields) if isinstance(item, Document)] == TEXTS
    assert copy_rows(path, copy, keep=lambda row: row != 4, columns={"g": str}) == 3
    assert pq.read_table(copy).column("g").to_pylist() == ["1", "2", "3"]
    path.write_bytes(b"PAR1 no")
    (skipped,) = read(path, "a", fields)
    assert isinstance(skipped, Skipped) and skipped.failed


def test_lines_are_records_if_said(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("one\n\ntwo, and\n", encoding="utf-8")
    (whole,) = read(path, "a.txt")
    assert isinstance(whole, Document) and not whole.row_id
    rows = list(read(path, "a.txt", RowFields(format=RowFormat(lines=True))))
    assert [(row.text, row.row_id) for row in rows if isinstance(row, Document)] == [
        ("one", "1"),
        ("two, and", "3"),
    ]


def test_json_is_copied_byte_for_byte(tmp_path: Path) -> None:
    path, copy = tmp_path / "a.json", tmp_path / "b.json"
    path.write_bytes(
        b'{"v": 1,\n "data": [\n  {"text" : "a"},\n  {"text": "\xc3\xa9"} ,\n  {"text": "c"}\n ]\n}\n'
    )
    for drop, expected in (
        (1, b'{"v": 1,\n "data": [\n  {"text": "\xc3\xa9"} ,\n  {"text": "c"}\n ]\n}\n'),
        (3, b'{"v": 1,\n "data": [\n  {"text" : "a"},\n  {"text": "\xc3\xa9"}\n ]\n}\n'),
    ):
        assert copy_rows(path, copy, keep=lambda row, drop=drop: row != drop, force=True) == 2
        assert copy.read_bytes() == expected
        assert json.loads(copy.read_bytes())["v"] == 1
    assert copy_rows(path, copy, keep=lambda row: True, force=True) == 3
    assert copy.read_bytes() == path.read_bytes()
    path.write_text(JSON["columns"], encoding="utf-8")
    with pytest.raises(InvalidInput, match="in columns"):
        copy_rows(path, copy, keep=lambda row: True, force=True)


def test_a_path_names_a_nested_field(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    row = {"m.t": "exact", "m": {"t": "nested", "a.b": "point"}, "turns": [{"c": "x"}, {"c": "y"}]}
    path.write_text(json.dumps(row), encoding="utf-8")
    for name, text in (
        ("m.t", "exact"),
        ("m.a\\.b", "point"),
        ("turns.1.c", "y"),
        ("turns.-1.c", "y"),
        ("turns.*.c", "x\ny"),
    ):
        (document,) = read(path, "a", RowFields((name,)))
        assert isinstance(document, Document) and document.text == text
    with pytest.raises(InvalidInput, match=r"turns\.7\.c"):
        list(read(path, "a", RowFields(("turns.7.c",))))


def test_a_row_and_a_file_never_have_one_name(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text\none\ntwo\n", encoding="utf-8")
    (tmp_path / "a.csv#1").write_text("a file", encoding="utf-8")
    names = [item.name for item in read(tmp_path / "a.csv", "a.csv") if isinstance(item, Document)]
    assert names == ["a.csv#1@1", "a.csv#2"]


def test_a_header_with_a_nul_is_a_binary_file(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"text,n\0\na,1\n")
    (failed,) = read(path, "a.csv")
    assert isinstance(failed, Skipped) and failed.reason == "binary file"
