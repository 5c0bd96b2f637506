"""Hits in their file's lines, as Markdown for a prompt, and in an editor, as a user asks for them."""

import re
import socket
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from rich.text import Text
from soundness import assert_sound

from semsearch import Index
from semsearch.cli import main
from semsearch.cli.hits import _editor_arguments, _link
from semsearch.cli.snippet import underlined
from semsearch.types import Hit

BREAD = """# Bread

Flour, water, salt.

## Kneading

    Knead the dough for ten minutes.
Let it rest.

## Oven

Bake at 250 degrees.
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with an index; tests must not write to the index."""
    folder = tmp_path_factory.mktemp("hits")
    (folder / "bread.md").write_text(BREAD)
    (folder / "code.md").write_text("Print it with a fence:\n\n````\nprint('x')\n````\n")
    (folder / "evil.md").write_text("The spaceship\x1b[31m lands on the moon.\n")
    result = CliRunner().invoke(main, ["ingest", "--index", str(folder / ".semsearch"), str(folder)])
    assert result.exit_code == 0, result.output
    return folder


@pytest.fixture
def query(folder: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """Asks a query in that folder."""
    monkeypatch.chdir(folder)

    def ask(*arguments: str, code: int = 0) -> Result:
        result = CliRunner().invoke(main, ["query", *arguments])
        assert result.exit_code == code, result.output
        return result

    return ask


def test_context_is_lines_of_the_file_as_they_are(query, folder: Path) -> None:  # type: ignore[no-untyped-def]
    shown = query("knead the dough ten minutes", "-k", "1", "--context", "1").stdout
    assert shown.splitlines() == [
        shown.splitlines()[0],
        "    6- ",
        "    7:     Knead the dough for ten minutes.",
        "    8- Let it rest.",
        "",
    ]
    assert shown.splitlines()[0].endswith("bread.md:1-12  Bread")
    (folder / "bread.md").write_text("changed since it was indexed\n")
    try:
        stored = query("knead the dough ten minutes", "-k", "1", "--context", "0").stdout
    finally:
        (folder / "bread.md").write_text(BREAD)
    assert "7:     Knead the dough for ten minutes." in stored  # from the passage


def test_markdown_has_the_whole_hits_that_fit_the_budget(query) -> None:  # type: ignore[no-untyped-def]
    asked = ("knead the dough", "--format", "markdown")
    everything = query(*asked)
    parts = re.split(r"^(?=### )", everything.stdout, flags=re.M)[1:]
    assert parts[0].startswith("### 1. bread.md:1-12\n\n```\n# Bread\n")
    code = next(part for part in parts if "code.md" in part)
    assert code.count("`````") == 2 and "\x1b" not in everything.stdout
    total = int(re.search(r"(\d+) tokens", everything.stderr)[1])  # type: ignore[index]
    one = query(*asked, "--budget", str(total - 1))
    assert "2 of 3 hits, " in one.stderr and one.stdout.count("### ") == 2
    assert everything.stdout.startswith(one.stdout)
    none = query(*asked, "--budget", "1")
    assert none.stdout == "" and "0 of 3 hits, 0 of at most 1 tokens" in none.stderr
    query("knead", "--budget", "5", code=2)


def test_words_of_the_query_are_marked_whatever_their_ending() -> None:
    text = underlined(Text("Refunds were refunded; funds. 在线退款规则 v2"), "refund 退款 V2")
    assert [text.plain[span.start : span.end] for span in text.spans] == ["退款", "Refunds", "refunded", "v2"]


@pytest.mark.skipif(sys.platform == "win32", reason="a shell script as editor")
def test_the_editor_is_opened_at_the_best_sentence(
    query, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # type: ignore[no-untyped-def]
    editor, log = folder / ".bin" / "vim", folder / ".bin" / "log"
    editor.parent.mkdir(exist_ok=True)
    editor.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > "{log}"\n')
    editor.chmod(0o755)
    monkeypatch.setenv("VISUAL", f"'{editor}' -R")
    query("knead the dough ten minutes", "--open")
    assert log.read_text().splitlines() == ["-R", "+7", str(folder / "bread.md")]
    assert "no hit 9" in query("dough", "--open", "9", code=2).stderr
    assert "Put --open last" in query("--open", "dough", code=2).stderr
    monkeypatch.setenv("VISUAL", str(folder / "no-such-editor"))
    assert "cannot start" in query("dough", "--open", code=1).stderr


@pytest.mark.parametrize(
    ("editor", "expected"),
    [
        ("vim", ["+7", "a.md"]),
        ("/usr/bin/emacsclient", ["+7", "a.md"]),
        ("nano", ["+7", "a.md"]),
        ("Code.exe", ["--goto", "a.md:7"]),
        ("subl", ["a.md:7"]),
        ("hx", ["a.md:7"]),
        ("kate", ["--line", "7", "a.md"]),
        ("something-else", ["a.md"]),
    ],
)
def test_editors_are_told_the_line_as_each_wants_it(editor: str, expected: list[str]) -> None:
    assert _editor_arguments(editor, Path("a.md"), 7) == expected
    assert _editor_arguments(editor, Path("a.md"), None) == ["a.md"]


def test_the_index_is_as_it_was(folder: Path) -> None:
    with Index.open(folder / ".semsearch") as index:
        assert_sound(index)


def test_several_values_of_a_field_are_listed(tmp_path: Path) -> None:
    (tmp_path / "a.bib").write_text("@book{k, title={Spades}, author={Doe, Jane and Lee, Ann}, note={Old}}")
    index = ["--index", str(tmp_path / ".semsearch")]
    CliRunner().invoke(main, ["ingest", *index, str(tmp_path)])
    shown = CliRunner().invoke(main, ["query", "spades", *index, "--mode", "lexical"])
    assert "author: Jane Doe, Ann Lee" in shown.output and "title:" not in shown.output


def test_the_link_of_a_hit_has_the_line_of_its_best_sentence() -> None:
    text = "One.\nTwo.\nThree."
    hit = Hit(1.0, "a b.md", "a b.md", text, "line", 7, 9, "id", highlight=(text.index("Three"), len(text)))
    assert _link(Path("/x/a b.md"), hit) == f"file://{socket.gethostname()}/x/a%20b.md#9"
    assert _link(Path("/x/a.pdf"), replace(hit, unit="page")).endswith("/x/a.pdf")
