"""Rows are left out of files without a byte of the rest changed, and are numbered as the readers number them."""

import csv
import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsearch.errors import InvalidInput, SemsearchError, UnreadableSource
from semsearch.readers import RowFields, RowFormat, read
from semsearch.readers.rewrite import copy_rows, read_otherwise, require_copyable
from semsearch.types import Document


def copied(
    path: Path,
    content: bytes,
    *drop: int,
    group: tuple[str, Callable[[int], str]] | None = None,
) -> tuple[int, bytes]:
    """Return the number of rows written, and the bytes written."""
    path.write_bytes(content)
    to = path.with_name("copy")
    count = copy_rows(
        path, to, keep=lambda number: number not in drop, columns=dict([group]) if group else {}, force=True
    )
    return count, to.read_bytes()


TABLE = b'id,text\r\n1,"a\n""b"""\n\n2,b,ragged\r\n3,"bad" quote\n,\n  \n5,e\r6,last'


@pytest.mark.parametrize(
    ("drop", "cut"),
    [
        (1, b'1,"a\n""b"""\n'),
        (2, b"2,b,ragged\r\n"),
        (3, b'3,"bad" quote\n'),
        (4, b",\n"),
        (5, b"5,e\r"),
        (6, b"6,last"),
    ],
)
def test_a_row_goes_and_nothing_else(tmp_path: Path, drop: int, cut: bytes) -> None:
    assert copied(tmp_path / "a.csv", TABLE) == (6, TABLE)
    assert copied(tmp_path / "a.csv", TABLE, drop) == (5, TABLE.replace(cut, b"", 1))


def test_lines_of_jsonl_have_the_numbers_of_lines(tmp_path: Path) -> None:
    lines = [b'{"text": "a"}\n', b"\n", b"{broken\r\n", b'{ "text":"b" }\r', b"[1]\n", b'{"text": "\\u2028"}']
    assert copied(tmp_path / "a.jsonl", b"".join(lines)) == (5, b"".join(lines))
    assert copied(tmp_path / "a.jsonl", b"".join(lines), 4) == (4, b"".join([*lines[:3], *lines[4:]]))


def test_a_quote_in_a_tsv_does_not_join_lines(tmp_path: Path) -> None:
    assert copied(tmp_path / "a.tsv", b'text\tn\n"a\t1\n5" b\t2\n', 1) == (1, b'text\tn\n5" b\t2\n')


def test_a_quote_that_is_never_closed_costs_its_line(tmp_path: Path) -> None:
    assert copied(tmp_path / "a.csv", b'text\na\n"b\nc\n', 2) == (2, b"text\na\nc\n")


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_the_encoding_and_its_mark_stay(tmp_path: Path, codec: str, suffix: str) -> None:
    # U+0A0D and U+0D0A hold the bytes of line ends in UTF-16
    rows = (
        ["text\r\n", "\u0a0d\u0d0a 你好\r\n", "𝄞 zwei\r\n"]
        if suffix == ".csv"
        else ['{"a": "\u0a0d"}\n', "{}\n", '{"b": "好"}\n']
    )
    mark = "" if codec.startswith("utf-8") else "\ufeff"
    whole = (mark + "".join(rows)).encode(codec)
    drop = 1 if suffix == ".csv" else 2
    without = (mark + rows[0] + rows[2]).encode(codec)
    assert copied(tmp_path / f"a{suffix}", whole, drop)[1] == without


def test_a_legacy_character_of_two_codes_keeps_its_own(tmp_path: Path) -> None:
    # U+2252 is 81 E0 in JIS X 0208 and 87 90 in NEC row 13; Python's cp932 writes the former
    other = b"\x87\x90"
    assert other.decode("cp932").encode("cp932") != other
    text = "私はその本を図書館で借りました。とても面白い物語でした。".encode("cp932")
    rows = [b"text\n", text + other + b"\n", text + b"2\n"] + [
        text + bytes([48 + n]) + b"\n" for n in range(10)
    ]
    assert copied(tmp_path / "a.csv", b"".join(rows), 2) == (11, b"".join([*rows[:2], *rows[3:]]))


def test_no_rows_no_matter(tmp_path: Path) -> None:
    for name in ("a.csv", "a.tsv", "a.jsonl"):
        for content in (b"", b"\n", b" \r\n\n", b"\xef\xbb\xbf"):
            assert copied(tmp_path / name, content) == (0, content)
    assert copied(tmp_path / "a.csv", b"text\n") == (0, b"text\n")


cells = st.text(st.sampled_from('ab,;\t|"\n\r 好\u2028\x1f'), max_size=6)


@given(
    table=st.lists(st.lists(cells, min_size=2, max_size=2), max_size=8),
    dialect=st.sampled_from([",", ";", "\t", "|"]),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    drop=st.sets(st.integers(1, 8)),
    extra=st.text(st.sampled_from('ab,"\n\r '), max_size=8),
)
def test_rows_left_are_those_that_a_reader_finds(
    tmp_path_factory: pytest.TempPathFactory,
    table: list[list[str]],
    dialect: str,
    end: str,
    drop: set[int],
    extra: str,
) -> None:
    folder = tmp_path_factory.mktemp("rows")
    out = io.StringIO()
    csv.writer(out, delimiter=dialect, lineterminator=end).writerows([["text", "n"], *table])
    source, to = folder / "a.csv", folder / "b.csv"
    source.write_text(out.getvalue() + extra, encoding="utf-8", newline="")
    fields = RowFields(("text",), format=RowFormat(dialect))
    copy_rows(source, to, keep=lambda number: number not in drop, fields=fields)
    before = [item for item in read(source, "s", fields) if isinstance(item, Document)]
    after = [item.text for item in read(to, "s", fields) if isinstance(item, Document)]
    if not read_otherwise(to, source, fields):
        assert after == [item.text for item in before if int(item.row_id) not in drop]


def test_a_copy_that_shows_another_format_is_told(tmp_path: Path) -> None:
    source, to = tmp_path / "a.csv", tmp_path / "b.csv"
    quoted = RowFields(("text",), format=RowFormat("tab"))
    for content, drop, fields, told in (
        ('text\tn\n\t"\n"\n"', {1}, quoted, "the rows left do not show the format of a.csv"),
        # What is left looks like one quoted cell.
        (
            "1;a b\n2;c d\n3;e f\n4;g, h\n",
            {1, 2, 3},
            RowFields(),
            "--delimiter ';' --no-header",
        ),
        ("text;n\na, b;1\nc;2\nd;3\n", {2, 3}, RowFields(), ""),
        ("text;n\na;1\n", {1}, RowFields(), ""),
        ("text,n\na,1\nb,2\n", {2}, RowFields(), ""),
    ):
        source.write_text(content, encoding="utf-8", newline="")
        copy_rows(source, to, keep=lambda number, drop=drop: number not in drop, fields=fields, force=True)  # type: ignore[misc]
        note = read_otherwise(to, source, fields)
        assert (told in note) if told else note == ""


def test_a_column_is_added(tmp_path: Path) -> None:
    group = ("group", lambda number: ["", "one", "", "a,b", "", 'q"', "six"][number])
    assert copied(tmp_path / "a.csv", TABLE, 1, group=group) == (
        5,
        b'id,text,group\r\n\n2,b,ragged,\r\n3,"bad" quote\n,,\n  \n5,e,"q"""\r6,last,six',
    )
    assert copied(tmp_path / "a.tsv", b'text\n5" a\nb', group=("g", "{}\t.".format)) == (
        2,
        b'text\tg\n5" a\t1 .\nb\t2 .',
    )
    lines = b'{"a": 1.0}\r\n{}  \n{broken\n[]\n{"b":"\xe5\xa5\xbd"}'
    assert copied(tmp_path / "a.jsonl", lines, group=("组", str)) == (
        5,
        '{"a": 1.0, "组": "1"}\r\n{"组": "2"}  \n{broken\n[]\n{"b":"好", "组": "5"}'.encode(),
    )


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.csv", b"text,g\na,b\n"), ("a.jsonl", b'\n{"g": 1}\n{}\n'), ("a.json", b'[{"g": 1}, {}]')],
)
def test_a_column_of_the_first_row_is_known_early(tmp_path: Path, name: str, content: bytes) -> None:
    source = tmp_path / name
    source.write_bytes(content)
    with pytest.raises(InvalidInput, match="already has a column 'g'"):
        require_copyable(source, tmp_path / f"to-{name}", columns=("g",), force=False)
    require_copyable(source, tmp_path / f"to-{name}", columns=("h",), force=False)


@pytest.mark.parametrize(("name", "content"), [("a.json", b'["a", "b"]'), ("a.jsonl", b'{"a": 1}\n"b"\n')])
def test_rows_that_are_texts_take_no_column(tmp_path: Path, name: str, content: bytes) -> None:
    with pytest.raises(InvalidInput, match="rows that are texts"):
        copied(tmp_path / name, content, group=("g", str))
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(("name", "content"), [("a.csv", b"text, g \na,b\n"), ("a.jsonl", b'{}\n{"g": 1}\n')])
def test_a_column_that_is_there_is_no_new_one(tmp_path: Path, name: str, content: bytes) -> None:
    with pytest.raises(InvalidInput, match="already has a column 'g'"):
        copied(tmp_path / name, content, group=("g", str))
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_column_that_the_encoding_cannot_hold_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="cp1252"):
        copied(
            tmp_path / "a.csv",
            "text\nMünchen grüßt Köln am Rhein\nähnliche Wörter\n".encode("cp1252"),
            group=("好", str),
        )


def test_what_is_there_is_not_overwritten_unasked(tmp_path: Path) -> None:
    source, to, link = tmp_path / "a.jsonl", tmp_path / "b.jsonl", tmp_path / "link.jsonl"
    source.write_text('{"a": 1}\n{"a": 2}\n')
    source.chmod(0o640)
    to.write_text("mine")
    link.hardlink_to(source)
    with pytest.raises(InvalidInput, match="already exists"):
        copy_rows(source, to, keep=lambda number: True)
    assert to.read_text() == "mine"
    for same in (source, link):
        with pytest.raises(InvalidInput, match="is the file to copy from"):
            copy_rows(source, same, keep=lambda number: False, force=True)
    with pytest.raises(InvalidInput, match="not a plain file"):
        copy_rows(source, tmp_path, keep=lambda number: True, force=True)
    assert copy_rows(source, to, keep=lambda number: number == 2, force=True) == 1
    assert to.read_text() == '{"a": 2}\n'
    assert to.stat().st_mode == source.stat().st_mode


@pytest.mark.parametrize(
    ("source", "to", "named"),
    [
        ("a.csv", "x.jsonl", "x.csv"),
        ("a.csv", "x.TSV", "x.csv"),
        ("a.csv", "x.csv.gz", "x.csv"),
        ("a.csv", "x.gz", "x.csv"),
        ("a.csv", "x.parquet", "x.csv"),
        ("a.csv", "x.xlsx", "x.csv"),
        ("a.csv.gz", "x.csv", "x.csv.gz"),
        ("a.csv.gz", "x.csv.bz2", "x.csv.gz"),
        ("a.jsonl", "x.json", "x.jsonl"),
        ("a.json", "x.jsonl", "x.json"),
        ("a.txt", "x.csv", "x.txt"),
        ("a.csv", "x.csv", ""),
        ("a.csv", "x.txt", ""),
        ("a.csv", "x", ""),
        ("a.csv", "x.bak", ""),
        ("a.csv.gz", "x.csv.gz", ""),
        ("a.csv.gz", "x.txt", ""),
        ("a.jsonl", "x.ndjson", ""),
        ("a.txt", "x.log", ""),
    ],
)
def test_the_name_of_a_copy_says_its_format(tmp_path: Path, source: str, to: str, named: str) -> None:
    rows = (
        '[{"text": "b"}]' if source == "a.json" else '{"text": "b"}\n' if "jsonl" in source else "text\nb\n"
    )
    path = tmp_path / source
    path.write_bytes(gzip.compress(rows.encode()) if path.suffix == ".gz" else rows.encode())
    fields = RowFields(format=RowFormat(lines=source == "a.txt"))
    if not named:
        assert copy_rows(path, tmp_path / to, keep=lambda number: True, fields=fields)
        return
    with pytest.raises(InvalidInput, match="this name says another") as raised:
        copy_rows(path, tmp_path / to, keep=lambda number: True, fields=fields)
    assert raised.value.hint == f"name it {named}; rows are copied, not converted"
    assert not (tmp_path / to).exists()


def test_what_cannot_be_read_or_written_leaves_nothing(tmp_path: Path) -> None:
    source, to = tmp_path / "a.csv", tmp_path / "b.csv"
    cases: list[tuple[bytes, type[SemsearchError]]] = [
        (b"," * 20_000, UnreadableSource),
        ("\ufefftext\n".encode("utf-16-le") + b"a", UnreadableSource),
    ]
    for content, error in cases:
        source.write_bytes(content)
        with pytest.raises(error):
            copy_rows(source, to, keep=lambda number: True)
    with pytest.raises(UnreadableSource):
        copy_rows(tmp_path / "absent.csv", to, keep=lambda number: True)
    with pytest.raises(InvalidInput, match="not a file of rows"):
        copy_rows(tmp_path / "a.md", to, keep=lambda number: True)
    source.write_text("text\na\n")
    with pytest.raises(InvalidInput, match="cannot write"):
        copy_rows(source, tmp_path / "no" / "b.csv", keep=lambda number: True)

    def interrupt(number: int) -> bool:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copy_rows(source, to, keep=interrupt)
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_members_are_those_of_json(tmp_path: Path) -> None:
    tricky = '{"text": "}", "nested": {"g": "}"}}   \n'
    _, out = copied(tmp_path / "a.jsonl", tricky.encode(), group=("g", str))
    assert json.loads(out) == {"text": "}", "nested": {"g": "}"}, "g": "1"}
