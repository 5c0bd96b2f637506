"""The command line as a user meets it: output, exit codes, and what is never printed."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from filelock import FileLock

from semsearch import Index
from semsearch.cli import COMMANDS, SECTIONS, main


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory, sample_corpus: Path) -> Path:
    """Return a folder with the sample corpus and an index of it. Tests must not write to it."""
    folder = tmp_path_factory.mktemp("indexed")
    shutil.copytree(sample_corpus, folder / "sample_corpus")
    result = CliRunner().invoke(
        main, ["ingest", "--index", f"{folder}/.semsearch", f"{folder}/sample_corpus"]
    )
    assert result.exit_code == 0, result.output
    return folder


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return an empty working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SEMSEARCH_INDEX", raising=False)
    yield tmp_path


def run(*args: str | Path, code: int = 0, input: str | bytes | None = None) -> Result:
    """Run a command and check its exit code; a traceback is never an answer."""
    result = CliRunner().invoke(main, [str(arg) for arg in args], input=input)
    assert result.exit_code == code, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


# -- help and usage -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_examples_and_exit_codes(command: str) -> None:
    text = run(command, "--help").stdout
    assert f"semsearch {command}" in text.split("Examples:")[1]
    assert "Exit codes: 0 done" in " ".join(text.split())


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("qury", "query"),
        ("ingets", "ingest"),
        ("serach", "query"),
        ("statsu", "status"),
        ("deddup", "dedup"),
        ("lable", "label"),
    ],
)
def test_an_unknown_command_is_answered_with_the_nearest(name: str, meant: str) -> None:
    assert f"Did you mean {meant!r}?" in run(name, code=2).stderr


def test_help_lists_every_command_once_by_section() -> None:
    text = run("--help").stdout
    at = [text.index(f"\n{title} ") for title in SECTIONS]
    assert at == sorted(at)
    for start, end, commands in zip(at, [*at[1:], len(text)], SECTIONS.values(), strict=True):
        for name, (_, words) in commands.items():
            assert f"{name:<13}{words}" in text[start:end]
    assert len(text.splitlines()) <= 24 and max(map(len, text.splitlines())) <= 80
    assert sum(map(len, SECTIONS.values())) == len(COMMANDS)


def test_the_module_runs_as_a_program() -> None:
    done = subprocess.run([sys.executable, "-m", "semsearch", "--version"], capture_output=True, text=True)
    assert done.returncode == 0 and "semsearch" in done.stdout


# -- ingest -------------------------------------------------------------------------------------------------


def test_ingest_reports_changes_and_then_does_nothing(here: Path) -> None:
    (here / "docs").mkdir()
    (here / "docs" / "a.md").write_text("# Bread\n\nKnead the dough for ten minutes.\n")
    (here / "docs" / "b.bin").write_bytes(b"\x00\x01")
    first = run("ingest", "docs")
    assert first.stdout == ""
    assert "1 added, 0 updated, 0 unchanged, 0 removed, 1 skipped" in first.stderr
    again = json.loads(run("ingest", "docs", "--json").stdout)
    assert (again["added"], again["unchanged"], again["embedded"]) == (0, 1, 0)
    (here / "docs" / "a.md").unlink()
    assert "1 removed" in run("ingest", "docs").stderr


def test_an_unchanged_folder_loads_neither_model_nor_chroma(here: Path) -> None:
    (here / "a.txt").write_text("some text")
    run("ingest", "a.txt")
    code = (
        "import sys; from semsearch import Index\n"
        "with Index.open('.semsearch') as index: assert index.ingest(['a.txt']).unchanged == 1\n"
        "print([name for name in ('chromadb', 'onnxruntime', 'tokenizers') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"


def test_two_handles_on_one_index_in_a_process(here: Path) -> None:
    (here / "a.txt").write_text("some text")
    run("ingest", "a.txt")
    with Index.open(".semsearch") as one, Index.open(".semsearch") as other:
        assert one.query("text")[0].text == other.query("text")[0].text == "some text"


def test_a_dry_run_writes_nothing(here: Path) -> None:
    (here / "a.txt").write_text("some text")
    report = json.loads(run("ingest", "a.txt", "--dry-run", "--json").stdout)
    assert report["added"] == 1 and report["dry_run"]
    assert [path.name for path in here.iterdir()] == ["a.txt"]


def test_a_missing_path_makes_nothing(here: Path) -> None:
    assert "nowhere does not exist" in run("ingest", "nowhere", code=2).stderr
    assert list(here.iterdir()) == []


def test_an_empty_folder_is_fine(here: Path) -> None:
    (here / "empty").mkdir()
    assert "found no file to index: 0 skipped" in run("ingest", "empty").stderr
    assert not (here / ".semsearch").exists()  # no index for nothing
    run("ingest", "-", input=" ")
    assert "no hits" in run("query", "anything").stdout
    assert "no duplicates" in run("dedup").stdout


def test_standard_input_is_a_source(here: Path) -> None:
    run("ingest", "-", input="The heron stands in the shallow water.")
    assert "<stdin>:1" in run("query", "a bird in a pond").stdout


def test_a_malformed_line_is_named_and_the_rest_is_there(here: Path) -> None:
    Path("rows.jsonl").write_text(
        '{"text": "the first row about cats"}\n{broken\n{"text": "the third, on ships"}\n'
    )
    result = run("ingest", "rows.jsonl", code=3)
    assert "could not read" in result.stderr and "rows.jsonl:2" in result.stderr
    assert "rows.jsonl" in run("query", "boats", "-k", "1").stdout
    assert "rows.jsonl:2" in run("ingest", "rows.jsonl", code=3).stderr  # said again, not forgotten


def test_an_unknown_column_names_the_columns_there_are(here: Path) -> None:
    Path("rows.csv").write_text("title,body\na,some text\n")
    result = run("ingest", "rows.csv", "--text-field", "text", code=2)
    assert "text" in result.stderr and "body" in result.stderr


def test_fields_and_ids_of_rows(here: Path) -> None:
    Path("rows.csv").write_text("key,subject,words,year\nK7,ships,a boat on the sea,1999\n")
    run("ingest", "rows.csv", "--text-field", "words", "--id-field", "key")
    (hit,) = json.loads(run("query", "sailing", "--json").stdout)["hits"]
    assert hit["document"] == "rows.csv#K7" and hit["text"] == "a boat on the sea"
    assert hit["metadata"] == {"subject": "ships", "year": "1999"} or hit["metadata"]["subject"] == "ships"


def test_sizes_are_understood(here: Path) -> None:
    Path("big.txt").write_text("words and more words\n" * 100)
    assert "skipped 1: larger than" in run("ingest", "big.txt", "--max-size", "1kB").stderr
    assert "not a size" in run("ingest", "big.txt", "--max-size", "huge", code=2).stderr


def test_text_that_the_model_does_not_know_is_pointed_out(here: Path) -> None:
    Path("zh.txt").write_text("把梯子还给图书馆的时候，请先把它擦干净。", encoding="utf-8")
    result = run("ingest", "zh.txt")
    assert "outside the model's vocabulary" in result.stderr and "multilingual" in result.stderr


# -- query --------------------------------------------------------------------------------------------------


def test_query_finds_the_right_document(indexed: Path) -> None:
    lines = run(
        "query", "--index", indexed / ".semsearch", "how do I get my deposit back"
    ).stdout.splitlines()
    assert lines[0].startswith(" 1  ") and lines[0].endswith("sample_corpus/faq/deposit-refund.md:1-11")
    assert "»" in lines[1]  # the best sentence, marked without colour


def test_query_as_json_holds_all_of_a_hit(indexed: Path) -> None:
    answer = json.loads(
        run("query", "--index", indexed / ".semsearch", "belt sander", "-k", "2", "--json").stdout
    )
    assert answer["query"] == "belt sander" and len(answer["hits"]) == 2
    hit = answer["hits"][0]
    assert hit["best_sentence"] and hit["best_sentence"] in hit["text"]
    assert Path(hit["path"]).exists() and -1 <= hit["cosine"] <= 1
    assert hit["bm25"] > 0 and hit["score"] > hit["cosine"]  # both words stand there


def test_many_queries_from_a_file_and_from_standard_input(indexed: Path, tmp_path: Path) -> None:
    questions = "late fees\n\nsoup for many people\n"
    (tmp_path / "q.txt").write_text(questions)
    at = ("--index", indexed / ".semsearch", "-k", "2", "--jsonl")
    from_file = run("query", "--file", tmp_path / "q.txt", *at).stdout
    rows = [json.loads(line) for line in from_file.splitlines()]
    assert [(row["query"], row["rank"]) for row in rows] == [
        ("late fees", 1),
        ("late fees", 2),
        ("soup for many people", 1),
        ("soup for many people", 2),
    ]
    assert run("query", "-", *at, input=questions).stdout == from_file
    bad = run("query", "-", *at, input=questions.replace("\n\n", "\n-only\n"), code=2)
    assert bad.stdout == from_file and "line 2 is not answered: the query has only" in bad.stderr
    assert "1 line of 3 not answered" in bad.stderr


def test_what_is_shown(indexed: Path) -> None:
    at = ("--index", indexed / ".semsearch", "-k", "1", "deposit")
    assert len(run("query", *at, "--show", "path").stdout.splitlines()) == 1
    assert len(run("query", *at, "--show", "full").stdout) > len(
        run("query", *at, "--show", "snippet").stdout
    )


def test_options_of_the_model_are_those_of_the_index(indexed: Path) -> None:
    for option in ("--dtype", "--model", "--dimensions"):
        told = run("query", "--index", indexed / ".semsearch", "x", option, "int8", code=2).stderr
        assert f"{option} is chosen when `semsearch ingest` makes the index" in told


def test_what_costs_quality_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a note")
    where = ("--index", tmp_path / "index", tmp_path / "a.txt")
    told = run("ingest", *where, "--dtype", "int8", "--dimensions", "64").stderr
    assert "not known to be trained for --dimensions" in told and "int8 moves cosines" in told
    assert "note:" not in run("ingest", *where).stderr


def test_no_hits_is_an_answer(indexed: Path) -> None:
    at = ("--index", indexed / ".semsearch", "deposit")
    assert run("query", *at, "--min-score", "0.999").stdout == "no hits\n"
    assert run("query", *at, "--source", "*.nothing").stdout == "no hits\n"
    assert "lower --min-score" in run("query", *at, "--min-score", "0.999").stderr
    assert "--min-score" not in run("query", *at, "--source", "*.nothing").stderr
    assert json.loads(run("query", *at, "--min-score", "0.999", "--json").stdout)["hits"] == []


def test_an_empty_query_is_refused(indexed: Path) -> None:
    for query in ([], [""], ["  "]):
        assert "empty" in run("query", "--index", indexed / ".semsearch", *query, code=2).stderr


def test_repair_brings_back_a_vector_index(here: Path, sample_corpus: Path) -> None:
    run("ingest", sample_corpus / "recipes")
    shutil.rmtree(here / ".semsearch" / "chroma")
    assert "12 passages" in run("repair").stderr
    (here / "new.md").write_text("The bell rings at nine.")
    run("ingest", "new.md")
    assert json.loads(run("status", "--json").stdout)["counts"]["passages"] == 13


# -- dedup and tune -----------------------------------------------------------------------------------------


def test_dedup_tells_copies_from_near_duplicates(indexed: Path) -> None:
    found = json.loads(
        run("dedup", "--index", indexed / ".semsearch", "--threshold", "0.85", "--json").stdout
    )
    groups = {frozenset([g["keeper"], *(m["name"] for m in g["members"])]): g for g in found["groups"]}
    corpus = "sample_corpus"
    copies = frozenset(
        f"{corpus}/{name}"
        for name in (
            "notes/closing-checklist.md",
            "notes/front-door-sheet.md",
            "faq/closing-checklist-for-volunteers.md",
        )
    )
    assert all(member["tier"] == "exact" for member in groups[copies]["members"])
    windows = frozenset(f"{corpus}/zh/opening-hours{end}.txt" for end in ("", "-windows"))
    # Equal but for line ends, blanks and full-width letters.
    assert groups[windows]["members"][0]["tier"] == "exact"
    rewritten = frozenset(
        f"{corpus}/{name}" for name in ("faq/late-returns.md", "notes/late-tools-explained.txt")
    )
    (member,) = groups[rewritten]["members"]
    assert member["tier"] == "semantic" and 0.85 <= member["similarity"] < 0.95
    assert found["exact"] + found["near"] == sum(len(group["members"]) for group in found["groups"])


def test_dedup_as_csv_and_jsonl_agree(indexed: Path) -> None:
    at = ("dedup", "--index", indexed / ".semsearch", "--threshold", "0.9")
    rows = run(*at, "--csv").stdout.splitlines()
    groups = [json.loads(line) for line in run(*at, "--jsonl").stdout.splitlines()]
    assert rows[0] == "group,role,document,similarity,jaccard,text"
    assert len(rows) - 1 == sum(len(group["members"]) + 1 for group in groups)


def test_dedup_of_passages(indexed: Path) -> None:
    at = ("dedup", "--index", indexed / ".semsearch", "--threshold", "0.9")
    found = json.loads(run(*at, "--level", "passage", "--json").stdout)
    assert found["level"] == "passage" and found["groups"]
    assert found["total"] > json.loads(run(*at, "--json").stdout)["total"]


def test_a_threshold_that_is_no_cosine_is_refused(indexed: Path) -> None:
    assert "--threshold" in run("dedup", "--index", indexed / ".semsearch", "--threshold", "7", code=2).stderr


def test_dedup_uses_the_tuned_threshold_and_says_so(here: Path, sample_corpus: Path) -> None:
    run("ingest", sample_corpus / "recipes")
    assert "threshold 0.85 (a default, not tuned" in run("dedup").stderr
    tuned = json.loads(run("tune", "--pairs", "sample", "--json").stdout)["threshold"]
    found = run("dedup", "--json")
    assert json.loads(found.stdout)["threshold"] == tuned
    assert "tuned on sample" in found.stderr
    assert "tuned on sample" in run("status").stdout
    assert "(given)" in run("dedup", "--threshold", "0.9").stderr


def test_tune_draws_and_reports(here: Path) -> None:
    result = run("tune", "--pairs", "sample", "--plot", "curve.svg")
    for word in ("precision", "recall", "95% confidence", "<- chosen"):
        assert word in result.stdout
    assert "not saved" in result.stderr and Path("curve.svg").read_text().startswith("<?xml")
    assert ".png or .svg" in run("tune", "--pairs", "sample", "--plot", "curve.gif", code=2).stderr


def test_a_data_set_that_is_not_here_says_where_to_get_it(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEMSEARCH_DATA", str(here))
    monkeypatch.setenv("XDG_CACHE_HOME", str(here))
    result = run("tune", "--pairs", "sick", code=2)
    assert "SEMSEARCH_DATA" in result.stderr and "zenodo" in result.stderr


# -- the index ----------------------------------------------------------------------------------------------


def test_no_index(here: Path) -> None:
    for command in (["query", "x"], ["dedup"], ["status"], ["remove", "x"]):
        result = run(*command, code=10)
        assert "no index" in result.stderr and "hint: create one" in result.stderr


def test_another_model_than_the_index_has(here: Path) -> None:
    Path("a.txt").write_text("some text")
    run("ingest", "a.txt")
    result = run("ingest", "a.txt", "--dtype", "int8", code=12)
    assert "float32" in result.stderr and "int8" in result.stderr and "hint:" in result.stderr


def test_a_locked_index_is_waited_for_and_then_given_up(here: Path) -> None:
    Path("a.txt").write_text("some text")
    run("ingest", "a.txt")
    with FileLock(here / ".semsearch" / "lock"):
        assert "is being written by" in run("ingest", "a.txt", "--wait", "0", code=11).stderr
    run("ingest", "a.txt", "--wait", "0")


def test_status_and_remove(here: Path) -> None:
    Path("notes").mkdir()
    for name in ("a", "b"):
        Path(f"notes/{name}.txt").write_text(f"a text about {name}")
    run("ingest", "notes")
    assert run("status", "--sources").stdout.split() == ["notes/a.txt", "notes/b.txt"]
    assert json.loads(run("status", "--json").stdout)["counts"]["sources"] == 2
    assert "not in the index" in run("remove", "notes/c.txt", code=2).stderr
    assert "removed 1 source" in run("remove", "notes/a.txt").stderr
    assert "a text about a" not in run("query", "a text about a", "--show", "full").stdout
    assert json.loads(run("remove", "notes", "--json").stdout) == {"removed": 1}


def test_escapes_never_reach_the_terminal(here: Path) -> None:
    hostile = "\x1b]0;owned\x07\x1b[31m\u202egnp.exe\x9b"
    Path("evil\x1b[2J\u202e.txt").write_text(f"A text {hostile} about rivers and boats.\n")
    Path("rows.jsonl").write_text(
        json.dumps({"id": hostile, "text": "rivers", "note": hostile}) + "\n{" + hostile
    )
    outputs = [run("ingest", ".", "-v", code=3)]
    outputs += [run("query", "rivers", *extra) for extra in ([], ["--show", "full"], ["--json"], ["--jsonl"])]
    outputs += [run("dedup", "--threshold", "-1", *extra) for extra in ([], ["--json"], ["--csv"])]
    outputs += [run("status"), run("status", "--sources"), run("remove", hostile, code=2)]
    for output in outputs:
        assert not set("\x1b\x07\x9b\u202e") & set(output.stdout + output.stderr)


def test_the_demo_fits_a_screen_and_leaves_nothing(here: Path) -> None:
    shown = run("demo", "--keep", "kept").stdout
    assert len(shown.splitlines()) <= 24
    for part in ("faq/deposit-refund.md", "exact ", "lexical ", "app-branch-rule-2024.md", "threshold 0."):
        assert part in shown
    assert str(here) not in shown
    assert sorted(path.name for path in Path("kept").iterdir()) == [".semsearch", "sample_corpus"]
    assert "is not empty" in run("demo", "--keep", "kept", code=2).stderr
    assert [path.name for path in here.iterdir()] == ["kept"]
