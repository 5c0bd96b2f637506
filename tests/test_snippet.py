"""Show hits on a screen of 80 columns and 24 lines, and their paths to other programs."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console
from tiny_embedder import TinyEmbedder, create_index

from semsearch.cli import hits, main
from semsearch.cli.snippet import LINES, snippet, underlined
from semsearch.index import FOLDER, Index
from semsearch.types import Hit

PROSE = "The heating of the house is old and " * 8 + "loud."


def hit_of(text: str, best: str = "", source: str = "a.md", **more: object) -> Hit:
    start = text.index(best) if best else 0
    return Hit(0.5, source, source, text, "line", 1, 9, "0", highlight=(start, start + len(best)), **more)  # type: ignore[arg-type]


def lines_of(text: str, best: str = "", *, prose: bool = True, width: int = 80) -> list[str]:
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    return snippet(hit_of(text, best), console, 4, prose=prose).plain.split("\n")


@pytest.mark.parametrize("width", [40, 80, 200])
def test_prose_is_filled_and_cut_at_a_word(width: int) -> None:
    lines = lines_of(PROSE.replace("house is", "house\nis"), width=width)
    assert len(lines) <= LINES and all(len(line) <= width for line in lines)
    assert all(line.startswith("    ") for line in lines)
    if width < 100:
        assert lines[-1].endswith("…") and lines[-1].removesuffix("…").split()[-1] in PROSE.split()


@pytest.mark.parametrize(
    "text",
    [
        "- buy tape\n- pay the plumber\n  - by card",
        "| a | b |\n| --- | --- |\n| 1 | 2 |",
        "def f():\n    if x:\n        return 1",
        "1. first\n2. second\n3. third",
        "Roses are red\nViolets are blue\nAnd so on",
        "```sh\nmake a-very-long-target-name-that-is-wider-than-fifty-columns\nmake test",
    ],
)
def test_lists_tables_and_code_keep_their_lines(text: str) -> None:
    assert lines_of(text) == [f"    {line}" for line in text.split("\n")]


def test_code_is_not_filled_but_moved_to_the_left() -> None:
    long = "value = compute_something_that_takes_long(argument, other)"
    code = f"class A:\n    def f(self):\n        {long}\n        return value"
    assert lines_of(code, "return value", prose=False) == [
        "    def f(self):",
        f"        {long}",
        "        »return value«",
    ]


def test_the_best_sentence_begins_the_snippet_if_it_is_long() -> None:
    text = f"Before. {PROSE}\n\nThe boiler is new. {PROSE}"
    lines = lines_of(text, "The boiler is new.")
    assert "»The boiler is new.«" in " ".join(lines) and len(lines) == LINES


def test_tabs_and_control_characters_cannot_harm_a_terminal() -> None:
    shown = "\n".join(lines_of("a\tb\x1b[31m c\x07\u202e"))
    assert shown == "    a    b\\u001b[31m c\\u0007\\u202e"


def test_stop_words_are_not_underlined() -> None:
    from rich.text import Text

    text = underlined(Text("how do I get the deposit back"), "how do I get my deposit back")
    assert [text.plain[span.start : span.end] for span in text.spans] == ["deposit", "back"]
    assert underlined(Text("the who"), "the who").spans  # there is nothing else to look for


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Index:
    """Return an index of five rows and a page."""
    rows = "".join(f'{{"text": "{PROSE} {n}", "team": "billing", "created": 2024}}\n' for n in range(5))
    (tmp_path / "rows.jsonl").write_text(rows)
    (tmp_path / "page.md").write_text("# Guide\n\n## Boiler\n\nHeating words.\n")
    monkeypatch.chdir(tmp_path)
    made = create_index(tmp_path / FOLDER)
    made.ingest([tmp_path])
    return made


def printed(function, *arguments: object, **options: object) -> str:  # type: ignore[no-untyped-def]
    """Return what a function prints."""
    import click

    command = click.Command("x", callback=lambda: function(*arguments, **options))
    result = CliRunner().invoke(command, [], catch_exceptions=False)
    return result.output


def test_five_hits_fit_a_screen_with_their_fields(index: Index) -> None:
    found = index.query("heating house", k=5, collapse=False)
    lines = printed(hits.show, index, found, "snippet", query="heating").splitlines()
    assert len(found) == 5 and len(lines) <= 23
    heads = [line for line in lines if line[:2].strip().isdigit()]
    assert any("rows.jsonl#" in head and "team: billing  created: 2024" in head for head in heads)


def test_the_number_of_a_hit_is_its_relevance(index: Index) -> None:
    (hit,) = index.query("heating words", k=1)
    assert hit.relevance is not None and 0 < hit.relevance < 1
    shown = int(hit.relevance * 1000) / 1000
    assert printed(hits.show, index, [hit], "path").startswith(f" 1  {shown:.3f}  page.md:")
    surest = replace(hit, relevance=1.0)
    assert printed(hits.show, index, [surest], "path").startswith(" 1  0.999  page.md:")


def test_paths_are_printed_once_and_alone(index: Index) -> None:
    found = index.query("heating", k=6, collapse=False)
    assert sorted(printed(hits.show_paths, index, found).splitlines()) == ["page.md", "rows.jsonl"]


def test_without_hits_the_next_step_is_told(index: Index, tmp_path: Path) -> None:
    assert "no hits\nhint: use fewer" in printed(hits.show, index, [], "snippet")
    with create_index(tmp_path / "empty") as empty:
        assert "semsearch ingest PATH" in printed(hits.show, empty, [], "snippet")


def test_nothing_relevant_is_told_with_the_way_to_see_more(index: Index) -> None:
    far = [hit_of("The boiler is old.", cosine=0.1, relevance=0.419), hit_of("x", cosine=0.1, relevance=0.3)]
    said = printed(hits.show_nothing_relevant, far)
    assert said.startswith("nothing relevant\n") and "0.419" in said and "--min-relevance 0" in said


def test_a_whole_passage_keeps_its_tabs_in_a_pipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("semsearch.index.load_embedder", lambda *_, **__: TinyEmbedder())
    (tmp_path / "Makefile").write_text("all: words\n\tcc -o words words.c\n")
    with create_index(tmp_path / FOLDER) as index:
        index.ingest([tmp_path / "Makefile"])
    shown = CliRunner().invoke(main, ["query", "words", "--show", "full"]).stdout
    assert "    all: words\n    \tcc -o words words.c\n" in shown
