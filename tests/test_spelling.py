"""Understand what people type: other names of commands, options in other places, and values in other forms."""

import json
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from tiny_embedder import create_index

from semsearch.cli import COMMANDS, main
from semsearch.cli.command import Command
from semsearch.cli.spelling import GLOBAL, meant, ordered
from semsearch.cli.values import Share, Table

ROWS = ["the boiler is serviced in may", "the choir sings on monday", "the boiler is serviced in may"]


def run(*arguments: object, code: int = 0) -> Result:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments], prog_name="semsearch")
    assert result.exit_code == code, result.output
    return result


def command(name: str) -> Command:
    found = main.get_command(click.Context(main), name)
    assert isinstance(found, Command)
    return found


def sent(line: str) -> list[str]:
    """Return the command and arguments that a line means."""
    return meant(ordered(line.split()), lambda *names: [command(name) for name in names])


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a working directory with a file of rows and no index."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SEMSEARCH_INDEX", raising=False)
    (tmp_path / "rows.csv").write_text("text\n" + "".join(f"{row}\n" for row in ROWS))
    return tmp_path


# -- the size of commands -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_has_at_most_14_options_and_none_hidden(name: str) -> None:
    options = [param for param in command(name).params if isinstance(param, click.Option)]
    own = [option.opts[0] for option in options if option.opts[0] not in GLOBAL]
    assert len(own) <= 14, own
    assert not any(option.hidden for option in options)
    assert all(option.help for option in options)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_fits_80_columns_and_starts_with_examples(name: str) -> None:
    lines = CliRunner().invoke(main, [name, "--help"], terminal_width=80).stdout.splitlines()
    examples = {f"  {example}" for example in command(name).examples}
    assert [line for line in lines if len(line) > 80 and line not in examples] == []
    assert lines.index("Examples:") < 6


# -- names --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "means"),
    [
        ("search boiler", "query boiler"),
        ("find boiler -k 2", "query boiler -k 2"),
        ("index notes", "ingest notes"),
        ("add notes", "ingest notes"),
        ("update notes", "ingest notes"),
        ("ls", "status --sources"),
        ("ls --json", "status --sources --json"),
        ("rm a.md", "remove a.md"),
        ("delete a.md", "remove a.md"),
        ("doctor", "check"),
        ("dupes --explain", "dedup --explain"),
        ("compare a.md b.md", "diff a.md b.md"),
        ("help query", "query --help"),
        ("help", "--help"),
        ("version", "--version"),
        ("--index ix --json query boiler", "query --index ix --json boiler"),
        ("--index=ix search boiler", "query --index=ix boiler"),
        ("--json ls", "status --sources --json"),
    ],
)
def test_other_names_and_places(typed: str, means: str) -> None:
    assert ordered(typed.split()) == means.split()


@pytest.mark.parametrize("name", ["init", "create", "rebuild", "reindex", "reset", "clean", "watch"])
def test_a_name_that_no_command_has_says_what_to_type(name: str) -> None:
    said = run(name, code=2).stderr
    assert f"{name!r} is not a command: " in said and "semsearch " in said.split("is not a command")[1]


@pytest.mark.parametrize("name", ["bench", "s", "xyz", "wibble"])
def test_a_strange_name_is_not_taken_for_another(name: str) -> None:
    assert "Did you mean" not in run(name, code=2).stderr


@pytest.mark.parametrize(
    ("typed", "means"),
    [
        ("dedup", "dedup"),
        ("dedup --threshold 0.9", "dedup --threshold 0.9"),
        ("dedup --index ix --keep newest --json", "dedup --index ix --keep newest --json"),
        ("dedup rows.csv", "dedup-files rows.csv"),
        ("dedup --text-field t rows.csv", "dedup-files --text-field t rows.csv"),
        ("dedup --no-header rows.csv", "dedup-files --no-header rows.csv"),
        ("dedup --memory 1GB --explain", "dedup --memory 1GB --explain"),
        ("dedup -- -odd.csv", "dedup-files -- -odd.csv"),
        ("dedup --plan p.json --force", "plan --force -- p.json"),
        ("dedup --plan=p.json --keep newest", "plan --keep newest -- p.json"),
        ("dedup --keep newest --plan p.json --protect a", "plan --keep newest --protect a -- p.json"),
    ],
)
def test_a_split_command_is_chosen_by_its_arguments(typed: str, means: str) -> None:
    assert sent(typed) == means.split()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("dedup", "rows.csv", "--plan", "p.json"), "--output"),
        (("dedup", "--plan"), "FILE"),
        (("dedup", "--output", "x.csv"), "`semsearch dedup-files`"),
        (("dedup", "rows.csv", "--from-run"), "`semsearch dedup` and `semsearch plan`"),
        (("plan", "p.json", "--level", "passage"), "`semsearch dedup`"),
    ],
)
def test_an_option_of_another_part_names_that_command(here: Path, arguments: Any, said: str) -> None:
    assert said in run(*arguments, code=2).stderr
    assert [path.name for path in here.iterdir()] == ["rows.csv"]


# -- options ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "typed", "means"),
    [
        ("ingest", "--delimiter tab a.csv", "--table delimiter=tab a.csv"),
        ("ingest", "--delimiter=, a.csv", "--table delimiter=, a.csv"),
        ("ingest", "--no-header --lines", "--table header=no --table lines=yes"),
        ("ingest", "--encoding cp1252 a.csv", "--table encoding=cp1252 a.csv"),
        (
            "ingest",
            "--max-size 1kB --wait 0 --dtype int8",
            "--set max-size=1kB --set wait=0 --set dtype=int8",
        ),
        ("dedup", "--linkage complete --memory=2GB", "--set linkage=complete --set memory=2GB"),
        ("dedup-files", "--keep-all", "--remove none"),
        ("query", "--format markdown x", "--markdown x"),
        ("query", "--format=json x", "--json x"),
        ("query", "--format text x", "x"),
        ("query", "--rerank-top 9 -- --format json", "--set rerank-top=9 -- --format json"),
        ("eval", "--dtype int8", "--dtype int8"),
    ],
)
def test_older_and_rarer_spellings(name: str, typed: str, means: str) -> None:
    assert command(name).respelled(typed.split()) == means.split()


@pytest.mark.parametrize("option", ["-k", "-n", "--limit", "--top-k"])
def test_the_number_of_hits_has_several_names(option: str) -> None:
    for name, words in (("query", ["x"]), ("similar", ["a.md"])):
        assert command(name).make_context(name, [option, "3", *words]).params["k"] == 3


def test_expand_still_shows_near_copies_as_hits() -> None:
    assert command("query").make_context("query", ["--expand", "x"]).params["collapse"] is False


@pytest.mark.parametrize(
    ("typed", "quoted"),
    [
        (["deposit", "-volunteer"], "'deposit -volunteer'"),
        (["-kettle", "tea"], "'-kettle tea'"),
        (["-k", "3", "deposit", "-source:drafts/*"], "'deposit -source:drafts/*'"),
        (["deposit", "-été", "--json"], "'deposit -été'"),
    ],
)
def test_an_excluded_word_without_quotes_is_pointed_out(typed: list[str], quoted: str) -> None:
    assert f"semsearch query {quoted}" in run("query", *typed, code=2).stderr


@pytest.mark.parametrize(
    "typed", [["-k", "3", "-draft tool"], ["-draft tool", "--json"], ["--literal", "-a b"]]
)
def test_a_quoted_query_may_start_with_a_minus(typed: list[str]) -> None:
    words = command("query").make_context("query", typed).params["words"]
    assert "".join(words) in typed


def test_attached_values_are_not_words() -> None:
    assert command("query").make_context("query", ["-k2", "-n3", "x"]).params["k"] == 3


# -- values -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "number"),
    [("0.85", 0.85), ("85%", 0.85), ("1", 1.0), ("100%", 1.0), (".5", 0.5), ("-1", -1.0), ("0", 0)],
)
def test_a_share_is_a_number_or_a_percentage(typed: str, number: float) -> None:
    assert Share(-1).convert(typed, None, None) == pytest.approx(number)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("85", "0.85 or 85%"),
        ("2", "more than 1: write 0.85 or 85%"),
        ("120%", "at most 1"),
        ("-2", "at least -1"),
        ("nan", "0.85 or 85%"),
        ("0,85", "0.85 or 85%"),
        ("101", "more than 1: write 0.85 or 85%"),
    ],
)
def test_a_share_out_of_range_says_how_to_write_it(typed: str, said: str) -> None:
    with pytest.raises(click.BadParameter, match=said):
        Share(-1).convert(typed, None, None)


def test_open_ends_of_a_share_are_refused() -> None:
    for ends, value in (("low", "0"), ("both", "0"), ("both", "100%"), ("high", "1")):
        with pytest.raises(click.BadParameter):
            Share(open=ends).convert(value, None, None)
    assert Share(open="low").convert("1", None, None) == 1


@pytest.mark.parametrize(
    ("typed", "parts"),
    [
        ("delimiter=tab", {"delimiter": "tab"}),
        ("delimiter=,,header=no", {"delimiter": ",", "header": ""}),
        ("delimiter=,", {"delimiter": ","}),
        ("header=no,encoding=cp1252,lines=yes", {"header": "", "encoding": "cp1252", "lines": "yes"}),
    ],
)
def test_the_form_of_a_table(typed: str, parts: dict[str, str]) -> None:
    assert Table().convert(typed, None, None) == parts


@pytest.mark.parametrize(
    "typed", ["tab", "delimiter", "header=perhaps", "comma=yes", "delimiter=tab;header=no"]
)
def test_a_form_that_makes_no_sense_is_refused(here: Path, typed: str) -> None:
    run("dedup", "rows.csv", "--table", typed, code=2)


def test_both_spellings_of_a_table_read_the_same(here: Path) -> None:
    Path("t.txt").write_text("\n".join(ROWS))
    spellings = (["--lines"], ["--table", "lines=yes"])
    old, new = (json.loads(run("dedup", "t.txt", "--json", *options).stdout) for options in spellings)
    assert old == new and old["exact"] == 1


def test_lines_are_not_for_pairs(here: Path) -> None:
    assert "lines" in run("tune", "--pairs", "rows.csv", "--lines", code=2).stderr


def test_a_folder_that_is_not_an_index_is_not_called_damaged(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    assert "is not an index" in run("--index", tmp_path, "status", code=10).stderr


def test_options_before_the_command_reach_it(tmp_path: Path) -> None:
    with create_index(tmp_path / "ix"):
        pass
    status = json.loads(run("--json", "--index", tmp_path / "ix", "status").stdout)
    assert Path(status["folder"]) == tmp_path / "ix"
