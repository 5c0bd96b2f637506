"""Whatever bytes come: files, rows, plans, manifests, labelled pairs and ignore files give results or reasons.

Some hundred examples as it is. `pytest tests/test_fuzz.py --hypothesis-profile=fuzz` goes on for many minutes. What has
broken something is an `@example` for good.
"""

import io
import json
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import docx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from semsearch.dedup.plan import DocumentPlace, Plan, PlanStep, SourceContent
from semsearch.dedup.runs import runs
from semsearch.errors import InvalidInput, SemsearchError, UnreadableSource
from semsearch.readers import Found, read, walk
from semsearch.readers.rewrite import copy_rows
from semsearch.tuning.pairs import load_pairs
from semsearch.types import Document, Skipped
from tests.test_readers import PAGE, TEXTS, pdf

DICTIONARY = [
    b"", b"\0", b"\n", b"\r", b'"', b",", b";", b"\t", b"{", b"}", b"[" * 2000, b"<", b"<p>", b"</p>", b"<![", b"<!--",
    b"<?", b"&#x110000;", b"&#xd800;", b"\\ud800", b"1e999", b"-1", b"99999999999999999999", b"NaN", b"null", b"true",
    b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf", b"\xe9", b"\x80", b"\xf0\x9f", b"\x1b[31m", b"PK\3\4",
    b"%PDF-1.7\n", b"obj", b"endobj", b"stream\n", b"/Kids[1 0 R]", b"/Length 99999999", b"<<", b">>", b"/",
]  # fmt: skip
EDITS = st.lists(
    st.tuples(
        st.floats(0, 1),
        st.integers(0, 40),
        st.sampled_from(DICTIONARY) | st.binary(max_size=4),
        st.integers(1, 3),
    ),
    max_size=6,
)
"""Edits: the place (as a share of the whole), the bytes to delete, the bytes to insert, and how often."""


def edited(content: bytes, edits: list[tuple[float, int, bytes, int]]) -> bytes:
    for place, gone, come, times in edits:
        at = int(place * len(content))
        content = content[:at] + come * times + content[at + gone :]
    return content


@cache
def samples() -> dict[str, bytes]:
    """Return a valid file of each format, the compressed one with little compression."""
    document, word = docx.Document(), io.BytesIO()
    document.add_paragraph("Be on time.")
    document.add_table(rows=1, cols=2).rows[0].cells[0].text = "Oke"
    document.save(word)
    return {
        ".pdf": pdf("Belt sander.", "Wear a mask."),
        ".docx": word.getvalue(),
        ".html": PAGE.encode(),
        ".txt": "\n".join(TEXTS.values()).encode(),
        ".csv": b'id,text,note\n1,"One, ""two""\nthree",x\n2,Four,\n\n3,Five,y\n',
        ".tsv": b'id\ttext\n1\t"a" b\n2\tc\n',
        ".jsonl": b'{"id": 1, "text": "One"}\n\n{"id": 2, "text": "Two", "tags": [1, {"a": null}]}\n',
    }


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def assert_readable_or_said(path: Path) -> list[Document | Skipped]:
    items = list(read(path, "any"))
    assert items
    for item in items:
        if isinstance(item, Document):
            for text in (item.text, item.row_id, *item.metadata, *map(str, item.metadata.values())):
                text.encode()
            assert item.text.strip()
        else:
            assert item.reason
            assert not item.reason.startswith(("it crashes", "it takes more")), item.reason
            item.reason.encode()
    return items


@pytest.mark.parametrize("suffix", [".pdf", ".docx", ".html", ".txt", ".csv", ".tsv", ".jsonl"])
def test_files_that_were_sound_once(folder: Path, suffix: str) -> None:
    @given(edits=EDITS)
    @settings(suppress_health_check=list(HealthCheck))
    def check(edits: list[tuple[float, int, bytes, int]]) -> None:
        path = folder / f"any{suffix}"
        path.write_bytes(edited(samples()[suffix], edits))
        assert_readable_or_said(path)

    check()


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl"])
def test_rows_are_copied_byte_for_byte_with_the_readers_numbers(folder: Path, suffix: str) -> None:
    @given(edits=EDITS)
    @settings(suppress_health_check=list(HealthCheck))
    @example(edits=[])
    def check(edits: list[tuple[float, int, bytes, int]]) -> None:
        path, copy = folder / f"rows{suffix}", folder / f"copy{suffix}"
        path.write_bytes(edited(samples()[suffix], edits))
        items = assert_readable_or_said(path)
        asked: list[int] = []

        def keep(row: int) -> bool:
            asked.append(row)
            return True

        try:
            kept = copy_rows(path, copy, keep=keep, force=True)
        except UnreadableSource:
            last = items[-1]
            assert isinstance(last, Skipped) and (last.failed or last.reason == "binary file")
            return
        assert copy.read_bytes() == path.read_bytes()
        assert kept == len(asked)
        assert asked == sorted(set(asked))
        rows = {int(item.row_id) for item in items if isinstance(item, Document)}
        assert rows <= set(asked)

    check()


def plan_text() -> bytes:
    steps = tuple(
        PlanStep(
            DocumentPlace(f"{n}.md"),
            DocumentPlace("keep.csv", n),
            f"{n}.md",
            "keep.csv#1",
            0.9,
            0.5,
            "lexical",
        )
        for n in (1, 2)
    )
    sources = {name: SourceContent("0" * 64, 9) for name in ("1.md", "2.md", "keep.csv")}
    return Plan(datetime.now(UTC), 0.9, "keeper", ("newest",), sources, steps).text().encode()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


@given(edits=EDITS, value=JSON, at=st.integers(0, 60), whole=st.booleans())
@example(edits=[(0.0, 0, b"[" * 2000, 3)], value=None, at=0, whole=False)
def test_plans(edits: list[tuple[float, int, bytes, int]], value: object, at: int, whole: bool) -> None:
    text = plan_text()
    if whole:  # a value of another kind somewhere within
        top = json.loads(text)
        holders: list[tuple[object, object]] = []

        def visit(holder: object) -> None:
            if isinstance(holder, dict | list):
                for key, inner in holder.items() if isinstance(holder, dict) else enumerate(holder):
                    holders.append((holder, key))
                    visit(inner)

        visit(top)
        holder, key = holders[at % len(holders)]
        holder[key] = value  # type: ignore[index]
        text = json.dumps(top).encode()
    else:
        text = edited(text, edits)
    try:
        plan = Plan.parse(text)
    except InvalidInput as error:
        assert str(error)
        return
    assert Plan.parse(plan.text()) == plan


@given(edits=EDITS)
def test_manifests(edits: list[tuple[float, int, bytes, int]]) -> None:
    removal = {
        "source": "a.md", "keeper": "b.md", "sha256": "0" * 64, "size": 9, "permissions": 420, "mtime_ns": 1,
    }  # fmt: skip
    manifest = {"note": "", "version": 1, "mode": "move", "removals": [removal]}
    with tempfile.TemporaryDirectory() as name:
        run = Path(name) / "20260101T000000Z-01234567"
        run.mkdir()
        (run / "manifest.json").write_bytes(edited(json.dumps(manifest).encode(), edits))
        try:
            found = runs(Path(name))
        except InvalidInput:
            return
        assert [one.folder for one in found] == [run]
        for one in found:
            for removal_ in one.removals:
                assert ".." not in Path(removal_.source).parts


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl"])
def test_labelled_pairs(folder: Path, suffix: str) -> None:
    sound = {
        ".csv": b'text_a,text_b,label\na,"b, c",1\nd,e,0\n',
        ".tsv": b"text_a\ttext_b\tscore\na\tb\t4.5\nc\td\t0\n",
        ".jsonl": b'{"text_a": "a", "text_b": "b", "label": true}\n',
    }[suffix]

    @given(edits=EDITS)
    @settings(suppress_health_check=list(HealthCheck))
    def check(edits: list[tuple[float, int, bytes, int]]) -> None:
        path = folder / f"pairs{suffix}"
        path.write_bytes(edited(sound, edits))
        try:
            pairs = load_pairs(str(path))
        except SemsearchError:
            return
        for pair in pairs.pairs:
            f"{pair.text_a}{pair.text_b}{pair.kind}{pair.split}".encode()

    check()


@given(
    rules=st.binary(max_size=60)
    | st.lists(st.sampled_from([b"*", b"**", b"/", b"!", b"[", b"]", b"\\", b"a", b"?", b"#", b" ", b"\n", b"{", b"^"]))
    .map(b"".join)
)  # fmt: skip
@settings(suppress_health_check=list(HealthCheck))
def test_ignore_files(rules: bytes) -> None:
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / ".gitignore").write_bytes(rules)
        (Path(name) / "a.md").write_text("text")
        for item in walk([Path(name)]):
            assert isinstance(item, Found | Skipped)
