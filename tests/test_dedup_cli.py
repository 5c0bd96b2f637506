"""`semsearch dedup` as a user runs it: who stays, plans, explanations, data sets, and earlier runs."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from tiny_embedder import create_index

from semsearch.cli import main

BOILER = (
    "The boiler in the reading room is serviced every October. The engineer checks the pressure, bleeds the"
    " radiators and leaves a signed sheet by the door of the hall."
)
EDITED = BOILER.replace("signed", "dated")
ROWS = [BOILER, "The choir rehearses on Monday evenings.", EDITED, "The key hangs in the porch.", BOILER]


def run(*arguments: object, code: int = 0) -> Result:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a working directory with an index of four notes: two copies, an edit, and another."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SEMSEARCH_INDEX", raising=False)
    (tmp_path / "notes").mkdir()
    texts = {"a.md": BOILER, "b.md": EDITED, "c.md": ROWS[1], "z.md": BOILER}
    for at, (name, text) in enumerate(texts.items()):
        path = tmp_path / "notes" / name
        path.write_text(text)
        os.utime(path, (1_700_000_000 + at, 1_700_000_000 + at))
    run("ingest", "notes")
    return tmp_path


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a working directory with a data set and without an index."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SEMSEARCH_INDEX", raising=False)
    path = tmp_path / "data.jsonl"
    path.write_text("".join(f'{{"id": {at}, "body":  "{text}"}}\n' for at, text in enumerate(ROWS)))
    return path


def groups(*options: object) -> dict[str, list[str]]:
    """Each keeper with its members."""
    found = json.loads(run("dedup", "--threshold", "0.9", "--json", *options).stdout)
    return {group["keeper"]: [member["name"] for member in group["members"]] for group in found["groups"]}


@pytest.mark.parametrize(
    ("options", "keeper"),
    [
        ((), "a"),
        (("--keep", "newest"), "z"),
        (("--keep", "shortest"), "b"),
        (("--keep", "longest", "--keep", "newest"), "z"),
        (("--keep", "path:*/b.*"), "b"),
        (("--keep", "newest", "--protect", "*/b.md"), "b"),
        (("--linkage", "complete"), "a"),
        (("--linkage", "single", "--keep", "oldest"), "a"),
    ],
)
def test_who_stays(here: Path, options: Sequence[str], keeper: str) -> None:
    found = groups(*options)
    assert list(found) == [f"notes/{keeper}.md"]
    assert {*found[f"notes/{keeper}.md"], f"notes/{keeper}.md"} == {f"notes/{name}.md" for name in "abz"}


def test_a_rule_that_is_none_is_refused_with_those_there_are(here: Path) -> None:
    assert "newest" in run("dedup", "--keep", "biggest", code=2).stderr


def test_every_member_says_its_tier_and_scores(here: Path) -> None:
    (group,) = json.loads(run("dedup", "--threshold", "0.9", "--json").stdout)["groups"]
    exact, near = group["members"]
    assert (exact["name"], exact["tier"], exact["similarity"], exact["jaccard"]) == (
        "notes/z.md",
        "exact",
        1,
        1,
    )
    # 27 triples each; "signed" is in three of them.
    assert (near["name"], near["tier"], near["jaccard"]) == ("notes/b.md", "lexical", 24 / 30)
    assert group["weakest"] == group["lowest"] == near["similarity"] < 1


def test_lexical_pairs_count_whatever_their_similarity(here: Path) -> None:
    assert json.loads(run("dedup", "--threshold", "1", "--json").stdout)["near"] == 0
    found = json.loads(run("dedup", "--threshold", "1", "--lexical", "0.8", "--json").stdout)
    assert (found["exact"], found["lexical"], found["semantic"]) == (1, 1, 0)
    assert found["groups"][0]["weakest"] < 1


def test_explain_shows_what_differs(here: Path) -> None:
    shown = run("dedup", "--threshold", "0.9", "--explain").stdout
    assert "[-signed-]{+dated+}" in shown
    (group,) = json.loads(run("dedup", "--threshold", "0.9", "--explain", "--json").stdout)["groups"]
    assert "dated" in group["members"][1]["difference"] and group["members"][0]["difference"] == ""


def test_a_plan_applied_and_undone(here: Path) -> None:
    before = {path: path.read_bytes() for path in (here / "notes").iterdir()}
    said = run("dedup", "--threshold", "0.9", "--keep", "newest", "--plan", "plan.json").stderr
    assert "2 documents" in said and "semsearch apply plan.json" in said
    assert {path: path.read_bytes() for path in (here / "notes").iterdir()} == before
    run("apply", "plan.json")
    assert sorted(path.name for path in (here / "notes").iterdir()) == ["c.md", "z.md"]
    assert run("status", "--sources").stdout.split() == ["notes/c.md", "notes/z.md"]
    run("undo")
    assert {path: path.read_bytes() for path in (here / "notes").iterdir()} == before
    assert "2 added" in run("ingest", "notes").stderr


def test_only_some_tiers_go(here: Path) -> None:
    run("dedup", "--threshold", "0.9", "--plan", "plan.json", "--remove", "exact")
    assert [step["remove"] for step in json.loads((here / "plan.json").read_text())["steps"]] == [
        "notes/z.md"
    ]
    assert "semsearch plan" in run("dedup", "--remove", "exact", code=2).stderr


def test_a_plan_prints_what_it_removes(here: Path) -> None:
    planned = run("plan", "plan.json", "--threshold", "0.9", "--remove", "exact")
    assert planned.stdout == "remove  notes/z.md\n        exact copy of notes/a.md\n"
    assert "1 document of these stay: lexical 1\n" in planned.stderr
    both = run("plan", "plan.json", "--threshold", "0.9", "--protect", "notes/z.md", "--force", "--explain")
    assert "group 1: 3 documents" in both.stdout and "[-dated-]{+signed+}" not in both.stdout
    assert "remove  notes/b.md\n        lexical copy of notes/z.md, similarity 0." in both.stdout
    nothing = run("plan", "none.json", "--threshold", "1", "--remove", "lexical")
    assert nothing.stdout == "nothing to remove\n"
    assert "remove 0 documents" in nothing.stderr and "semsearch apply" not in nothing.stderr
    found = json.loads(run("plan", "json.json", "--threshold", "0.9", "--json").stdout)
    assert found["groups"] == json.loads(run("dedup", "--threshold", "0.9", "--json").stdout)["groups"]


def test_a_plan_of_an_empty_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with create_index(tmp_path / ".semsearch"):
        pass
    assert run("plan", "plan.json", "--threshold", "0.9").stdout == "nothing to remove\n"


@pytest.mark.parametrize(
    ("given", "advice"),
    [("1.2", "0.85 or 85%"), ("85", "0.85 or 85%"), ("93", "0.93 or 93%"), ("900", "0.85")],
)
def test_a_threshold_above_one_gets_advice(given: str, advice: str) -> None:
    assert f"{given} is more than 1: write {advice}" in run("dedup", "--threshold", given, code=2).stderr


def test_pairs_that_are_not_listed_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for number in range(5):
        (tmp_path / f"{number}.md").write_text(f"The live copy listens on port 808{number} of the computer.")
    with create_index(tmp_path / ".semsearch") as index:
        index.ingest([tmp_path])
        found = index.duplicates(-1)
    assert found.more_rejected is not None
    assert len(found.rejected) + found.more_rejected == 10 and found.more_rejected > 0
    more = f"{found.more_rejected} more pairs of these texts differ too"
    assert more in run("dedup", "--threshold", "-1").stderr
    assert (
        json.loads(run("dedup", "--threshold", "-1", "--json").stdout)["more_rejected"] == found.more_rejected
    )


def test_a_plan_is_not_written_over_another_unless_forced(here: Path) -> None:
    (here / "plan.json").write_text("mine")
    assert "--force" in run("dedup", "--plan", "plan.json", code=2).stderr
    assert (here / "plan.json").read_text() == "mine"
    run("dedup", "--plan", "plan.json", "--force")
    assert json.loads((here / "plan.json").read_text())["steps"]


def test_from_run_compares_nothing_and_says_so_where_it_must(here: Path) -> None:
    assert "compare" in run("dedup", "--from-run", code=2).stderr
    fresh = groups()
    assert groups("--from-run") == fresh
    run("dedup", "--threshold", "0.8", "--from-run", code=2)
    (here / "notes" / "new.md").write_text("The bell rings at nine.")
    run("ingest", "notes")
    run("dedup", "--threshold", "0.9", "--from-run", code=2)
    assert groups() == fresh
    assert groups("--from-run") == fresh


def test_a_data_set_without_an_index(data: Path) -> None:
    done = run("dedup", data, "--text-field", "body", "--output", "clean.jsonl", "--threshold", "0.9")
    assert "wrote 3 rows to clean.jsonl" in done.stderr
    lines = data.read_text().splitlines(keepends=True)
    assert Path("clean.jsonl").read_text() == lines[0] + lines[1] + lines[3]
    assert not Path(".semsearch").exists()


def test_only_exact_copies_leave_a_data_set(data: Path) -> None:
    at = ("dedup", data, "--text-field", "body", "--threshold", "0.9")
    run(*at, "--output", "clean.jsonl", "--remove", "exact")
    lines = data.read_text().splitlines(keepends=True)
    assert Path("clean.jsonl").read_text() == "".join(lines[:4])


def test_a_data_set_marked_with_its_groups(data: Path) -> None:
    at: tuple[Any, ...] = (
        "dedup",
        data,
        "--text-field",
        "body",
        "--threshold",
        "0.9",
        "--output",
        "marked.jsonl",
    )
    run(*at, "--group-field", "group", "--keep-all", "--keep", "longest")
    marked = [json.loads(line) for line in Path("marked.jsonl").read_text().splitlines()]
    assert [row["group"] for row in marked] == ["1", "", "1", "", "1"]
    assert [row["body"] for row in marked] == ROWS
    assert "--force" in run(*at, code=2).stderr


def test_a_broken_line_is_named_and_the_rest_is_done(data: Path) -> None:
    data.write_text(data.read_text() + "{broken\n")
    done = run("dedup", data, "--text-field", "body", "--threshold", "0.9", "--json", code=3)
    assert "data.jsonl:6" in done.stderr
    assert json.loads(done.stdout)["total"] == 5


@pytest.mark.parametrize(
    "options",
    [
        ("data.jsonl", "--plan", "p.json"),
        ("data.jsonl", "--index", "x"),
        ("data.jsonl", "--from-run"),
        ("--output", "x.jsonl"),
        ("data.jsonl", "--text-field", "body", "--output", "x.csv"),
        ("--text-field", "body"),
        ("data.jsonl", "--text-field", "nothing"),
        ("data.jsonl", "--text-field", "body", "--keep-all"),
        ("data.jsonl", "--text-field", "body", "--memory", "a lot"),
        ("data.jsonl", "--text-field", "body", "--memory", "1kB"),
        ("missing.jsonl",),
    ],
)
def test_options_that_make_no_sense_together(data: Path, options: Sequence[str]) -> None:
    run("dedup", *options, code=2)
    assert list(data.parent.iterdir()) == [data]


def test_nothing_to_compare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.jsonl").write_text("")
    assert "no duplicates" in run("dedup", "empty.jsonl").stdout


def test_the_weakest_group_comes_first_with_its_texts(here: Path) -> None:
    for name, day in (("p.md", "Monday"), ("q.md", "Monday")):
        (here / "notes" / name).write_text(f"The choir of the parish sings in the hall every {day} at eight.")
    run("ingest", "notes")
    done = run("dedup", "--threshold", "0.9")
    headings = [line for line in done.stdout.splitlines() if line.startswith("group ")]
    weakest = [float(line.split(" at ")[1].split(",")[0]) for line in headings]
    assert len(weakest) == 2 and weakest == sorted(weakest) and weakest[0] < weakest[1]
    assert "The boiler in the reading room is serviced" in done.stdout
    assert all(len(line) <= 80 for line in done.stdout.splitlines())


def test_members_that_differ_in_a_number_are_counted(data: Path) -> None:
    rows = [BOILER + " It costs 40 euros.", BOILER + " It costs 90 euros."]
    data.write_text("".join(json.dumps({"body": row}) + "\n" for row in rows))
    done = run("dedup", data, "--text-field", "body", "--threshold", "0.9", "--remove-differing")
    assert "a number differs: 40 / 90" in done.stdout
    assert "1 of these differ from their keeper in a number or a negation" in done.stderr
    kept = run("dedup", data, "--text-field", "body", "--threshold", "0.9").stderr
    assert "1 pair is alike but differs: kept" in kept


def test_a_plan_says_how_many_differ_too(here: Path) -> None:
    for name, price in (("p.md", 40), ("q.md", 90)):
        (here / "notes" / name).write_text(f"{BOILER} It costs {price} euros for a choir of the parish.")
    run("ingest", "notes")
    said = "1 of these differ from their keeper in a number or a negation"
    assert said in run("plan", "a.json", "--threshold", "0.9", "--remove-differing").stderr
    assert said in run("plan", "b.json", "--threshold", "0.9", "--remove-differing", "--explain").stderr
    assert said not in run("plan", "c.json", "--threshold", "0.9").stderr


def test_wide_characters_fit_the_screen(data: Path) -> None:
    from rich.cells import cell_len

    rows = [
        "星期二下午四点到七点开放，星期四下午四点到八点开放，星期六上午十点到下午两点开放，请提前预约。" * 2
    ] * 2
    data.write_text("".join(json.dumps({"body": row}, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    lines = run("dedup", data, "--text-field", "body").stdout.splitlines()
    texts = [line for line in lines if "星期二" in line]
    assert texts and max(map(cell_len, texts)) <= 80
