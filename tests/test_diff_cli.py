"""`semsearch diff` as a user meets it, in an index of a tiny embedder: meaning does not matter here."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from tiny_embedder import TinyEmbedder, create_index, open_index

from semsearch.cli import main
from semsearch.cli.diff import explain
from semsearch.dedup.comparison import compare_documents, coverage
from semsearch.errors import InvalidInput
from semsearch.ingest.lookup import DocumentVectors

LIVE = """The live copy listens on port 8080 of the small computer.

You may always open it. Ask at the desk where the small computer is, and who has the key today. Then go there by the
back stairs, and mind the third step, which is loose. Lock the door when you leave, and bring back the key.
"""
TEST = LIVE.replace("live", "test").replace("8080", "8081").replace("always", "never")
HOSTILE = "\x1b]0;owned\x07\x1b[31m\u202e\x9b"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Make a working directory with an index of a few files, and one file that is not in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SEMSEARCH_INDEX", raising=False)
    Path("notes").mkdir()
    Path("notes/live.md").write_text(LIVE)
    Path("notes/test.md").write_text(TEST)
    Path("notes/copy.md").write_text(LIVE)
    Path("notes/hostile.md").write_text(LIVE.replace("small computer", f"small {HOSTILE} computer"))
    Path("notes/part.md").write_text("You may always open it.")
    Path("notes/long.md").write_text("\n\n".join(f"{LIVE}\nRemark number {n}." for n in range(40)))
    rows = [{"text": "the first row is red"}, {"text": "the second row is blue"}]
    Path("notes/rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    with create_index(tmp_path / ".semsearch") as index:
        index.ingest(["notes"])
    yield tmp_path


def run(*args: str | Path, code: int = 0) -> Result:
    result = CliRunner().invoke(main, ["diff", *map(str, args)])
    assert result.exit_code == code, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


def on_terminal(columns: int, *args: str, **environment: str) -> str:
    """Return the output to a terminal of that many columns."""
    pty = pytest.importorskip("pty")
    import fcntl
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    variables = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "NO_COLOR")}
    process = subprocess.Popen(
        [sys.executable, "-m", "semsearch", "diff", *args],
        stdout=theirs,
        env=variables | {"TERM": "xterm-256color"} | environment,
    )
    os.close(theirs)
    output = b""
    while True:
        try:
            output += (chunk := os.read(ours, 65536))
        except OSError:  # Linux says so where a file would end
            break
        if not chunk:
            break
    os.close(ours)
    assert process.wait() == 0
    return output.decode().replace("\r\n", "\n")


def test_piped_it_is_plain_and_marked(here: Path) -> None:
    lines = run("notes/live.md", "notes/test.md").stdout.splitlines()
    assert lines[0].startswith("A  notes/live.md")
    assert "warning      a negation differs: always / never" in lines
    assert "warning      a number differs: 8080 / 8081" in lines
    assert "The [-live-]{+test+} copy listens on port [-8080-]{+8081+} of the small computer." in lines
    assert "You may [-always-]{+never+} open it." in lines
    # By hand: 11 words in the first sentence, 5 in the second, 3 of the 16 differ; 41 in the others.
    assert "… 41 equal words …" in lines
    assert "containment  A is 95% inside B, B is 95% inside A" in lines


def compared(folder: Path, a: str, b: str) -> list[str]:
    """Return the lines that are shown of two texts."""
    for name, text in (("a", a), ("b", b)):
        (folder / f"notes/{name}.txt").write_text(text)
    with open_index(folder / ".semsearch") as index:
        index.ingest(["notes"])
    return run("notes/a.txt", "notes/b.txt").stdout.splitlines()


@pytest.mark.parametrize(
    ("a", "b", "shown"),
    [
        ("if x:\n    a()\n    b()\n", "if x:\n    a()\nb()\n", ["-     b()", "+ b()"]),
        ("- a\n  - b\n  - c", "- a\n  - b\n- c", ["-   - c", "+ - c"]),
        ("all: x\n\tcc x", "all: x\ncc x", ["-         cc x", "+ cc x"]),
    ],
)
def test_lines_that_are_indented_otherwise_are_shown(here: Path, a: str, b: str, shown: list[str]) -> None:
    lines = compared(here, a, b)
    assert "dedup        keeps both: the indentation differs" in lines
    assert lines[-2:] == shown


def test_no_warning_where_dedup_sees_no_other_fact(here: Path) -> None:
    walls = "The hall is open. Never climb the 2 walls."
    assert not [line for line in compared(here, walls, "The hall is open.") if line.startswith("warning")]
    lines = compared(here, walls, walls.replace("2", "3"))
    assert "dedup        keeps both: a number differs: 2 / 3" in lines
    assert "warning      a number differs: 2 / 3" in lines


def test_full_leaves_nothing_out(here: Path) -> None:
    text = run("notes/live.md", "notes/test.md", "--full").stdout
    assert "equal words" not in text and "mind the third step, which is loose." in text


def test_the_same_text(here: Path) -> None:
    text = run("notes/live.md", "notes/copy.md").stdout
    assert "exact: the same text" in text and "the two have the same words" in text
    assert "similarity   1.0000" in text and "warning" not in text


def test_a_part_of_a_whole(here: Path) -> None:
    assert "A is 100% inside B, B is 9% inside A" in run("notes/part.md", "notes/live.md").stdout


def test_json_holds_it_all(here: Path) -> None:
    found = json.loads(run("notes/live.md", "notes/test.md", "--json").stdout)
    assert found["numbers"] == [{"a": "8080", "b": "8081"}]
    assert found["negations"] == [{"a": "always", "b": "never"}]
    assert found["similarity"] == min(found["a"]["similarity"], found["b"]["similarity"])
    assert [row["passage"] for row in found["a"]["passages"]] == ["notes/live.md:1-4"]
    assert "".join(segment["a"] for segment in found["segments"]).split() == LIVE.split()
    assert "".join(segment["b"] for segment in found["segments"]).split() == TEST.split()


def test_many_passages_are_listed_up_to_a_limit(here: Path) -> None:
    lines = run("notes/long.md", "notes/live.md").stdout.splitlines()
    assert "cosine  passage of A  most like it in B" in lines
    assert any(line.startswith("… and ") and line.endswith("more (--full)") for line in lines)
    full = run("notes/long.md", "notes/live.md", "--full").stdout
    found = json.loads(run("notes/long.md", "notes/live.md", "--json").stdout)
    assert len(found["a"]["passages"]) > 20 and len(found["b"]["passages"]) == 1
    assert all(row["passage"].removeprefix("notes/long.md:") in full for row in found["a"]["passages"])


def test_rows_are_documents(here: Path) -> None:
    text = run("notes/rows.jsonl#1", "notes/rows.jsonl#2").stdout
    assert "the [-first-]{+second+} row is [-red-]{+blue+}" in text


def test_an_unknown_document_is_answered_with_the_nearest(here: Path) -> None:
    error = run("notes/lives.md", "notes/test.md", code=2).stderr
    assert "notes/lives.md is neither" in error and "did you mean notes/live.md" in error
    assert "did you mean notes/live.md" in run("live.md", "notes/test.md", code=2).stderr
    assert "is a folder" in run("notes", "notes/test.md", code=2).stderr
    assert "such as notes/rows.jsonl#1" in run("notes/rows.jsonl", "notes/test.md", code=2).stderr
    assert "no row 7" in run("notes/rows.jsonl#7", "notes/test.md", code=3).stderr
    Path("blank.txt").write_text(" \n")
    assert "no text" in run("blank.txt", "notes/test.md", code=3).stderr
    assert "no index" in run("--index", "nowhere", "a", "b", code=10).stderr


def test_without_an_index_two_files_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SEMSEARCH_INDEX", raising=False)
    Path("live.md").write_text(LIVE)
    Path("rows.csv").write_text("id,text\n1,You may never open it.\n")
    text = run("live.md", "rows.csv#1").stdout
    assert "a negation differs: always / never" in text
    assert "live.md does not exist" not in text
    error = run("live.mb", "rows.csv#1", code=2).stderr
    assert "live.mb does not exist" in error and "did you mean live.md" in error
    assert sorted(path.name for path in tmp_path.iterdir()) == ["live.md", "rows.csv"]


def test_a_wide_terminal_shows_them_side_by_side(here: Path) -> None:
    text = on_terminal(120, "notes/live.md", "notes/test.md")
    (line,) = (line for line in text.splitlines() if "You may" in line)
    assert "\x1b[1;7;31malways\x1b[0m" in line and "\x1b[1;7;32mnever\x1b[0m" in line
    assert "[-" not in text


def test_a_narrow_terminal_shows_one_above_the_other(here: Path) -> None:
    lines = on_terminal(80, "notes/live.md", "notes/test.md").splitlines()
    assert "- You may \x1b[1;7;31malways\x1b[0m open it." in lines
    assert "+ You may \x1b[1;7;32mnever\x1b[0m open it." in lines


def test_a_terminal_that_wants_no_colour_gets_marks(here: Path) -> None:
    text = on_terminal(120, "notes/live.md", "notes/test.md", NO_COLOR="1")
    assert "You may [-always-]{+never+} open it." in text.splitlines()


def test_escapes_never_reach_the_terminal(here: Path) -> None:
    for args in ([], ["--full"], ["--json"]):
        output = run("notes/live.md", "notes/hostile.md", *args).output
        assert "owned" in output and not set(HOSTILE) & set(output) - set("]0;owned[31m")
    assert "\x1b]0" not in on_terminal(120, "notes/live.md", "notes/hostile.md")
    assert "\\u001b" in run(HOSTILE, "notes/live.md", code=2).stderr


def test_explain_is_short_and_says_what_it_leaves_out() -> None:
    text = explain(LIVE, TEST).plain.splitlines()
    assert text[:2] == [
        "warning      a negation differs: always / never",
        "warning      a number differs: 8080 / 8081",
    ]
    assert text[2] == "A is 95% inside B, B is 95% inside A"
    assert text[3] == "The [-live-]{+test+} copy listens on port"
    assert len(text) == 6
    named = explain(LIVE, "You may always open it.", names=("keeper", "copy")).plain
    assert "keeper is 9% inside copy, copy is 100% inside keeper" in named
    many = explain("a b c d e f g h", "a x c y e z g w").plain.splitlines()
    assert many[-1] == "… 1 more change"
    assert explain("same", "same").plain == "the two have the same words"
    whole = explain("one", "word " * 10_000).plain
    assert len(whole) < 1_000


# -- comparison ---------------------------------------------------------------------------------------------


def passages(texts: list[str], vectors: list[list[float]]) -> DocumentVectors:
    return DocumentVectors("x", tuple(texts), (("line", 1, 1),) * len(texts), np.array(vectors, np.float32))


def test_coverage_worked_by_hand() -> None:
    a = passages(["aaaa", "bb", "same"], [[1, 0], [0, 1], [1, 0]])
    b = passages(["cc", "same"], [[0.6, 0.8], [0, -1]])
    there = coverage(a, b)
    assert there.row.tolist() == [0, 0, 1]
    assert there.cosine.tolist() == pytest.approx([0.6, 0.8, 1])
    assert there.similarity == pytest.approx((4 * 0.6 + 2 * 0.8 + 4 * 1) / 10)
    assert coverage(b, a).row.tolist() == [1, 2]


def test_a_file_and_what_was_ingested_of_it_are_the_same(here: Path) -> None:
    Path("notes/long2.md").write_text(Path("notes/long.md").read_text())
    with open_index(here / ".semsearch") as index:
        found = index.compare("notes/long.md", "notes/long2.md")
    assert found.tier == "exact" and found.similarity == 1 and found.a.places == found.b.places
    alone = compare_documents("notes/long.md", "notes/live.md", TinyEmbedder, threshold=1.0)
    assert alone.tier is None and alone.difference.containment_b == 1


def test_the_model_is_loaded_once(tmp_path: Path) -> None:
    loaded = []

    def load() -> TinyEmbedder:
        loaded.append(TinyEmbedder())
        return loaded[-1]

    for name, text in (("a.txt", "退款在十四天内"), ("b.txt", "退款须在十四天内")):
        (tmp_path / name).write_text(text, encoding="utf-8")
    compare_documents(str(tmp_path / "a.txt"), str(tmp_path / "b.txt"), load, threshold=0.85)
    assert len(loaded) == 1


@pytest.mark.parametrize("name", ["", "#", "#1", "a#b#c", "\0", "x" * 5_000, "notes/live.md/x", "*"])
def test_a_name_that_is_none_is_an_error_of_ours(here: Path, name: str) -> None:
    with pytest.raises(InvalidInput, match="does not exist"):
        compare_documents(name, "notes/live.md", TinyEmbedder, threshold=0.85)
