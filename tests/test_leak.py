"""`semsearch leak`: what it prints, what it exits with, and the report for a CI server."""

import csv
import io
import json
import unicodedata
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from click.testing import CliRunner, Result
from rich.cells import cell_len

from semsearch.cli import main
from semsearch.embedding import load_embedder
from semsearch.text import clean

TEST = ["A man is playing a flute.", "The stock market fell today.", "Cats sleep a lot.", "小猫在睡觉。"]
TRAIN = ["A man is playing the flute.", "Bread is baked in the morning.", "小猫在睡觉。", "小猫在睡觉。"]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Make a working directory with a test set and a training set: of four, one is there exactly and one nearly."""
    monkeypatch.chdir(tmp_path)
    write("test.jsonl", *TEST)
    write("train.jsonl", *TRAIN)
    yield tmp_path


def write(name: str, *texts: str) -> None:
    lines = (json.dumps({"text": text}, ensure_ascii=False) for text in texts)
    Path(name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def run(*args: str, code: int = 0) -> Result:
    """Run `leak` and check its exit code; a traceback is never an answer."""
    result = CliRunner().invoke(main, ["leak", *args])
    assert result.exit_code == code, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


AGAINST = ("test.jsonl", "--against", "train.jsonl")


def test_leaks_are_listed_for_people(here: Path) -> None:
    result = run(*AGAINST)
    exact, here_exact, there_exact, near, here_near, there_near, _ = result.stdout.splitlines()
    assert exact == "exact, similarity 1.0000, jaccard 1.0000"
    assert here_exact == "  test   test.jsonl#4   小猫在睡觉。"
    assert there_exact == "  train  train.jsonl#3  小猫在睡觉。"
    # Shared triples: a-man-is, man-is-playing; one of each in is-playing-a, playing-a-flute and their likes: 2 of 6.
    assert near.startswith("semantic, similarity 0.9") and near.endswith(", jaccard 0.3333")
    assert here_near == "  test   test.jsonl#1   A man is playing a flute."
    assert there_near == "  train  train.jsonl#1  A man is playing the flute."
    assert (
        "2 of 4 test records (50%) occur in 4 train records: 1 exactly, 0 lexically, 1 semantically"
        in result.stderr
    )
    assert "threshold 0.85 (a default, not tuned)" in result.stderr
    assert "(given)" in run(*AGAINST, "--threshold", "0.9").stderr


def test_both_texts_are_shown_as_written_in_80_columns(here: Path) -> None:
    wide = "Ｔｈｅ　ｐｒｉｃｅ　是，（含税）" + "把梯子还给图书馆，" * 20
    plain, long = unicodedata.normalize("NFKC", wide), f"{'n' * 50}.jsonl"
    write("test.jsonl", wide)
    write("train.jsonl", plain)
    write(long, plain)
    for train in ("train.jsonl", long):
        shown = run("test.jsonl", "--against", train).stdout
        test, _, rest = shown.partition("  train  ")
        assert "Ｔｈｅ ｐｒｉｃｅ 是，（含税）" in test and "The price 是,(含税)" in rest
        assert max(map(cell_len, shown.splitlines())) in range(70, 81)
    (leak,) = json.loads(run("test.jsonl", "--against", "train.jsonl", "--json").stdout)["leaks"]
    assert (leak["text"], leak["train_text"]) == (wide, plain)


def test_a_secret_is_not_in_the_texts_of_a_leak(here: Path) -> None:
    write("test.jsonl", secret := "The token is ghp_" + "a1B2" * 9 + ", keep it.")
    write("train.jsonl", secret)
    assert "a1B2a1B2" not in run(*AGAINST).stdout + run(*AGAINST, "--jsonl").stdout


def test_no_leaks_is_an_answer(here: Path) -> None:
    write("train.jsonl", "Bread is baked in the morning.")
    assert run(*AGAINST).stdout == "no leaks\n"


def test_json_jsonl_and_csv_agree(here: Path) -> None:
    document = json.loads(run(*AGAINST, "--json").stdout)
    assert (document["total"], document["against"], document["leaked"], document["rate"]) == (4, 4, 2, 0.5)
    assert (document["exact"], document["lexical"], document["semantic"]) == (1, 0, 1)
    assert [leak["text"] for leak in document["leaks"]] == [TEST[3], TEST[0]]
    assert [leak["train_text"] for leak in document["leaks"]] == [TRAIN[2], TRAIN[0]]
    assert [json.loads(line) for line in run(*AGAINST, "--jsonl").stdout.splitlines()] == document["leaks"]
    table = list(csv.DictReader(io.StringIO(run(*AGAINST, "--csv").stdout)))
    assert [(row["test"], row["train"], row["text"], row["train_text"]) for row in table] == [
        (leak["test"], leak["train"], leak["text"], leak["train_text"]) for leak in document["leaks"]
    ]


def test_columns_ids_and_several_training_sets(here: Path) -> None:
    Path("test.csv").write_text('key,question\nQ1,"Cats sleep\na lot."\nQ2,Nobody knows.\n')
    Path("train.tsv").write_text("key\tquestion\nA\tNobody knows.\n")
    Path("more.csv").write_text('key,question\nB,"Cats sleep\na lot."\n')
    at = ("--text-field", "question", "--id-field", "key", "--jsonl")
    lines = run("test.csv", "--against", "train.tsv", "--against", "more.csv", *at).stdout.splitlines()
    assert [(leak["test"], leak["train"]) for leak in map(json.loads, lines)] == [
        ("test.csv#Q1", "more.csv#B"),
        ("test.csv#Q2", "train.tsv#A"),
    ]
    assert (
        "no column 'title'"
        in run("test.csv", "--against", "more.csv", "--text-field", "title", code=2).stderr
    )


# -- the check ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rate", "code"), [("50%", 0), ("0.5", 0), ("49.9%", 1), ("0", 1), ("100%", 0), (".5", 0)]
)
def test_the_check_fails_above_the_rate_only(here: Path, rate: str, code: int) -> None:
    assert f"check {'failed' if code else 'passed'}" in run(*AGAINST, "--max-rate", rate, code=code).stderr


@pytest.mark.parametrize("rate", ["1", "5", "101%", "-1%", "1e-2", "nan", "%", ""])
def test_a_rate_that_could_mean_two_things_or_nothing_is_refused(here: Path, rate: str) -> None:
    assert "not a share such as 1% or 0.01" in run(*AGAINST, "--max-rate", rate, code=2).stderr


def test_a_share_is_compared_exactly(here: Path) -> None:
    write("test.jsonl", *("Bread is baked in the morning.",) * 29, *("Where is the station?",) * 971)
    run(*AGAINST, "--max-rate", "2.9%", code=0)  # float("2.9") / 100 is below 29 / 1000
    assert float("2.9") / 100 < 29 / 1000


def test_a_check_of_nothing_does_not_pass(here: Path) -> None:
    write("empty.jsonl")
    assert (
        "TRAIN has no records"
        in run("test.jsonl", "--against", "empty.jsonl", "--max-rate", "1%", code=1).stderr
    )
    assert (
        "TEST has no records"
        in run("empty.jsonl", "--against", "train.jsonl", "--max-rate", "1%", code=1).stderr
    )
    assert "TEST has no records" in run("empty.jsonl", "--against", "train.jsonl", code=1).stderr


def test_what_cannot_be_read_is_said_after_the_rest_is_done(here: Path) -> None:
    with Path("test.jsonl").open("a") as file:
        file.write("{broken\n")
    result = run(*AGAINST, "--max-rate", "50%", code=3)
    assert "could not read test.jsonl:5" in result.stderr
    assert "check failed: 1 file or row not read, such as test.jsonl:5" in result.stderr
    assert "check passed" in run(*AGAINST, "--max-rate", "50%", "--allow-unread").stderr
    run(*AGAINST, "--max-rate", "1%", code=1)
    document = json.loads(run(*AGAINST, "--json", code=3).stdout)
    assert [skipped["path"] for skipped in document["skipped"]] == ["test.jsonl:5"]


def test_usage(here: Path) -> None:
    assert "--against" in run("test.jsonl", code=2).stderr
    assert "nothing.jsonl" in run("nothing.jsonl", "--against", "train.jsonl", code=2).stderr
    assert "--max-rate" in run(*AGAINST, "--junit", "leak.xml", code=2).stderr
    assert not Path("leak.xml").exists()


# -- JUnit XML ----------------------------------------------------------------------------------------------


def test_a_failed_check_as_junit(here: Path) -> None:
    run(*AGAINST, "--max-rate", "1%", "--junit", "leak.xml", code=1)
    suite = ElementTree.parse("leak.xml").getroot()
    assert (suite.tag, suite.get("tests"), suite.get("failures")) == ("testsuite", "1", "1")
    (case,) = suite
    assert case.get("name") == "at most 1% of the test records occur in train"
    (failure,) = case
    assert failure.tag == "failure" and "2 of 4 test records (50%)" in (failure.get("message") or "")
    assert (failure.text or "").splitlines()[
        0
    ] == "test.jsonl#4 is in train.jsonl#3 (exact, 1.0000): 小猫在睡觉。"


def test_a_passed_check_as_junit(here: Path) -> None:
    Path("leak.xml").write_text("an older report")
    run(*AGAINST, "--max-rate", "50%", "--junit", "leak.xml")
    suite = ElementTree.parse("leak.xml").getroot()
    assert suite.get("failures") == "0"
    assert [part.tag for part in suite[0]] == ["system-out"] and "train.jsonl#3" in (suite[0][0].text or "")


def test_junit_overwrites_no_data(here: Path) -> None:
    Path("data").mkdir()
    Path("train.jsonl").rename("data/train.jsonl")
    at = ("test.jsonl", "--against", "data", "--max-rate", "100%")
    for name in ("test.jsonl", "data/train.jsonl"):
        before = Path(name).read_bytes()
        assert "files to compare" in run(*at, "--junit", name, code=2).stderr
        assert Path(name).read_bytes() == before
    assert "cannot write" in run(*at, "--junit", "nowhere/leak.xml", code=2).stderr


def test_no_text_breaks_the_terminal_or_the_xml(here: Path) -> None:
    hostile = 'a \x1b[31m \x07 \u202e \ufffe ]]> <b> & text, with "quotes"'
    for name in ("test.jsonl", "train.jsonl"):
        write(name, hostile)
    for extra in ([], ["--json"], ["--jsonl"], ["--csv"], ["--max-rate", "100%", "--junit", "leak.xml"]):
        result = run(*AGAINST, *extra)
        assert not set("\x1b\x07\u202e") & set(result.stdout + result.stderr)
    listed = ElementTree.parse("leak.xml").getroot()[0][0].text
    assert listed and "\\u001b[31m" in listed and "\\ufffe ]]> <b> &" in listed


# -- the real thing -----------------------------------------------------------------------------------------


@pytest.mark.long
def test_sentences_of_sts_b_by_brute_force(here: Path, shared_data: Path) -> None:
    """A part of STS-B's test set against a part of its training and development sets, with the real model."""

    def sentences(stop: int | None, step: int, *names: str) -> list[str]:
        found: list[str] = []
        for name in names:
            with (shared_data / "stsb" / f"stsb-en-{name}.csv").open(encoding="utf-8", newline="") as file:
                found += [cell for row in islice(csv.reader(file), 0, stop, step) for cell in row[:2]]
        return found

    test, train = sentences(80, 1, "test"), sentences(None, 12, "train", "dev")
    write("test.jsonl", *test)
    write("train.jsonl", *train)
    leaks = json.loads(run(*AGAINST, "--json").stdout)["leaks"]
    found = {int(leak["test"].partition("#")[2]) - 1: leak for leak in leaks}

    a, b = ([clean(text).strip() for text in texts] for texts in (test, train))
    common = set(a) & set(b)
    assert {at for at, leak in found.items() if leak["tier"] == "exact"} == {
        at for at, text in enumerate(a) if text in common
    }
    assert len(common) > 10
    embedder = load_embedder()
    x, y = (embedder.embed(texts).astype(np.float64) for texts in (a, b))
    best = (x @ y.T).max(axis=1)
    assert not np.any(np.abs(best - 0.85) < 1e-5)
    assert set(np.flatnonzero(best >= 0.85).tolist()) == found.keys()
    for at, leak in found.items():
        assert leak["similarity"] == pytest.approx(best[at], abs=1e-5)


# -- what is compared ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["test.txt", "test.yaml", "test.json", "test"])
def test_a_side_of_many_lines_in_one_record_is_refused(here: Path, name: str) -> None:
    Path(name).write_text('{"shed": {"door": 1},\n"lock": 2}\n' if name == "test.json" else "a: 1\nb: 2\n")
    for sides in ((name, "--against", "train.jsonl"), ("train.jsonl", "--against", name)):
        assert f"{name} is read as one record" in run(*sides, "--max-rate", "1%", code=2).stderr
    if name != "test.json":
        assert "0 of 2 test records" in run(name, "--against", "train.jsonl", "--lines").stderr


@pytest.mark.parametrize(
    "content", ['{"name": "shed", "inner": {"motto": "cats sleep"}}', "[1, 2]", '"cats"']
)
def test_an_object_without_a_text_is_said_to_be_one(here: Path, content: str) -> None:
    Path("test.json").write_text(content)
    error = run("test.json", "--against", "train.jsonl", code=2).stderr
    assert "no text column was found" in error and "many lines" not in error
    if content.startswith("{"):
        assert "--text-field" in error
        Path("train.md").write_text("One whole text.")
        named = run("test.json", "--against", "train.md", "--text-field", "inner.motto")
        assert "0 of 1 test record" in named.stderr


def test_a_file_of_both_sides_is_not_compared_with_itself(here: Path) -> None:
    Path("data").mkdir()
    Path("train.jsonl").rename("data/train.jsonl")
    Path("data/hard.jsonl").hardlink_to("test.jsonl")
    Path("data/soft.jsonl").symlink_to("../test.jsonl")
    result = run("test.jsonl", "--against", "data", "--max-rate", "50%")
    assert "2 of 4 test records" in result.stderr and result.stderr.count("with itself") == 2
    Path("again").symlink_to("test.jsonl")
    for same in ("test.jsonl", "data/hard.jsonl", "again"):
        for check in ((), ("--max-rate", "1%"), ("--json",)):
            result = run("test.jsonl", "--against", same, *check, code=1)
            assert "TEST and TRAIN are the same" in result.stderr and not result.stdout


def test_a_copy_under_another_title_is_a_copy(here: Path) -> None:
    Path("test.csv").write_text("title,text\nOn cats,Cats sleep a lot.\n")
    Path("train.csv").write_text("text\nCats sleep a lot.\n")
    result = run("test.csv", "--against", "train.csv")
    assert "1 exactly" in result.stderr and "without their titles" in result.stderr
    Path("test.csv").write_text("key,question\nQ1,Where do the cats sleep?\nQ2,Who baked it and when?\n")
    Path("train.csv").write_text("question,n\nWhere do the cats sleep?,1\nIs it late or is it early?,2\n")
    assert "1 exactly" in run("test.csv", "--against", "train.csv").stderr


def test_what_was_skipped_is_not_passed(here: Path) -> None:
    Path("data").mkdir()
    Path("train.jsonl").rename("data/train.jsonl")
    Path("data/more.npy").write_bytes(b"\x93NUMPY\0\1\0")
    result = run("test.jsonl", "--against", "data", "--max-rate", "50%", "--junit", "leak.xml", code=3)
    assert "check failed: 1 file or row not read, such as data/more.npy" in result.stderr
    assert ElementTree.parse("leak.xml").getroot().get("errors") == "1"
    assert (
        "check passed" in run("test.jsonl", "--against", "data", "--max-rate", "50%", "--allow-unread").stderr
    )
