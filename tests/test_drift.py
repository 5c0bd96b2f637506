"""Drift: the windows, the tests and their one decision, terms, the model, saved thresholds, and what a person sees."""

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from tiny_embedder import TinyEmbedder, create_index, open_index

from semsearch import serialize
from semsearch.answers import DriftAnswer
from semsearch.cli import main
from semsearch.drift.contents import log_contents
from semsearch.drift.exchange import (
    ALARM,
    adjusted,
    exchanges,
    kernel_features,
    mean_differences,
    p_value,
    witness,
)
from semsearch.drift.find import test_all as all_tests
from semsearch.drift.log import read_queries
from semsearch.drift.scores import drift_scores
from semsearch.drift.terms import log_odds
from semsearch.drift.windows import EARLY, LATE, NOWHERE, windows_of
from semsearch.embedding import Vectors
from semsearch.errors import InvalidInput
from semsearch.index import Index
from semsearch.readers import RowFields
from semsearch.requests import DriftRequest
from semsearch.types import Record, as_date

SUBJECTS = "boat waves sail harbour tide anchor oven flour dough yeast crust bake lamp chair table window"
WORDS = SUBJECTS.split()
SAVED = {
    "threshold": 0.999999,
    "promise": None,
    "pairs": "mine",
    "rule": "",
    "saved": "2026-01-01T00:00:00+00:00",
}
NEW = ("agent tool prompt", "退款申请失败了")


def texts(count: int, seed: int = 0, *, new: float = 0.0) -> list[str]:
    """Return texts of five words each; a share of them is of a new subject."""
    draw = np.random.default_rng(seed)
    return [
        f"{NEW[at % 2]} {' '.join(draw.choice(WORDS, 2))}"
        if draw.random() < new
        else " ".join(draw.choice(WORDS, 5))
        for at in range(count)
    ]


def records(*, new: float = 0.0, count: int = 120) -> list[dict[str, str]]:
    """Return texts of two years, of which the second has new ones."""
    some = [*texts(count), *texts(count, 1, new=new)]
    return [
        {"id": f"r{at}", "text": text, "day": f"{2023 + at // count}-{1 + at % 12:02}-05"}
        for at, text in enumerate(some)
    ]


@pytest.fixture
def index(tmp_path: Path) -> Index:
    with create_index(tmp_path / "index") as made:
        made.add(records(new=0.4))
        yield made


@pytest.fixture
def folder(index: Index) -> str:
    index.close()
    return str(index.folder)


# -- tests by exchange --------------------------------------------------------------------------------------


def test_exchanges_keep_the_sizes_of_windows() -> None:
    late = np.arange(50) >= 20
    columns = np.concatenate(list(exchanges(late)), axis=1)
    assert columns.shape == (50, 500) and np.array_equal(columns[:, 0], late)
    assert (columns.sum(axis=0) == 30).all() and len({column.tobytes() for column in columns.T}) == 500


def test_a_p_value_counts_the_truth_itself() -> None:
    figures = np.array([5.0, 1, 2, 3, 5, 9, 0, 0, 0, 0])
    assert p_value(figures) == 0.3 and p_value(figures, 10.0) == 0.1 and p_value(figures, 0.0) == 1.0


def test_p_values_are_adjusted_as_holm_says() -> None:
    # By hand: 0.01 * 4, 0.02 * 3, 0.03 * 2 (not below the one before), 0.9.
    found = adjusted({"d": 0.9, "a": 0.01, "c": 0.03, "b": 0.02})
    assert list(found) == ["a", "b", "c", "d"]
    assert [round(value, 6) for value in found.values()] == [0.04, 0.06, 0.06, 0.9]


def test_differences_are_those_of_means() -> None:
    draw = np.random.default_rng(0)
    values, late = draw.normal(size=(40, 3)).astype(np.float32), np.arange(40) < 15
    told = mean_differences(late[:, None], values)[0]
    assert told == pytest.approx(values[:15].mean(axis=0) - values[15:].mean(axis=0), abs=1e-6)


def test_kernel_features_have_products_of_the_kernels() -> None:
    draw = np.random.default_rng(0)
    vectors = draw.normal(size=(200, 8))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    products = vectors @ vectors.T
    width = np.median(2 - 2 * products[np.triu_indices(200, 1)])
    wanted = products + np.exp((products - 1) / width)
    features = kernel_features(vectors)
    assert np.abs(features @ features.T - wanted).mean() < 0.1


def test_the_witness_leaves_the_own_text_out() -> None:
    features, late = np.eye(6, dtype=np.float32), np.arange(6) < 3
    assert witness(features, late) == pytest.approx(np.zeros(6)), (
        "texts that have nothing in common prove nothing"
    )
    assert witness(features[[0, 0, 1, 2, 2, 3]], late)[[0, 2, 3]] == pytest.approx([0.5, 0, 0.5])


def test_log_odds_are_those_of_the_paper() -> None:
    # Monroe et al., equations 16 and 20, with a prior of 100 texts of which (30 + 10) / 200 have the term.
    value, error = log_odds(np.array([30.0]), np.array([10.0]), 100, 100)
    assert value[0] == pytest.approx(np.log((50 / 150) / (30 / 170)))
    assert error[0] == pytest.approx(np.sqrt(1 / 50 + 1 / 150 + 1 / 30 + 1 / 170))


def test_false_alarms_are_rare() -> None:
    pool = log_contents(texts(120, 3), [str(at) for at in range(120)], TinyEmbedder())
    draw = np.random.default_rng(0)
    alarms = sum(
        min(adjusted(all_tests(pool, draw.permutation(np.arange(120) < 60)).values).values()) <= ALARM
        for _ in range(40)
    )
    assert alarms <= 4, "a rate of 2% gives more in 1 of 1,000 runs"


# -- windows ------------------------------------------------------------------------------------------------


def dates(**counts: int) -> list[str | None]:
    return [name.strip("d").replace("_", "-") for name, count in counts.items() for _ in range(count)]


def test_windows_are_cut_where_asked() -> None:
    some = [*dates(d2021=30, d2022_05=40, d2023_01_07=50), None]
    found = windows_of(some, DriftRequest(since="2022"))
    assert np.bincount(found + 1).tolist() == [1, 30, 90] and found[-1] == NOWHERE
    apart = windows_of(some, DriftRequest(before="2022", since="2023-01"))
    assert np.bincount(apart + 1).tolist() == [41, 30, 50]
    with pytest.raises(InvalidInput, match="the later window has 0"):
        windows_of(some, DriftRequest(since="2024"))
    with pytest.raises(InvalidInput, match="before the earlier one ends"):
        windows_of(some, DriftRequest(before="2023", since="2022"))


def test_windows_halve_the_dates() -> None:
    found = windows_of(dates(d2020=30, d2021=35, d2022=40, d2023=32), DriftRequest())
    assert np.bincount(found, minlength=2).tolist() == [65, 72]
    assert set(found.tolist()) == {EARLY, LATE}


def test_a_date_that_is_not_fine_enough_is_in_no_window() -> None:
    found = windows_of(dates(d2021=5, d2021_01=40, d2021_03=40), DriftRequest(since="2021-02"))
    assert np.bincount(found + 1).tolist() == [5, 40, 40]


@pytest.mark.parametrize("value", ["tomorrow", "2024-13", "2024-1-1", "", "２０２４"])
def test_a_date_that_is_none_is_refused(value: str) -> None:
    with pytest.raises(InvalidInput, match="must be a date"):
        DriftRequest(since=value)


# -- of an index --------------------------------------------------------------------------------------------


def test_new_texts_are_found(index: Index) -> None:
    found = index.drift(by="DAY", since="2024")
    assert found.found and {test.name for test in found.tests if test.drift} >= {"terms", "vectors"}
    terms = {term.term: term for term in found.terms}
    assert {"agent", "退款", "申请"} <= terms.keys() and "款申" not in terms
    agent = terms["agent"]
    held = [record["text"] for record in records(new=0.4) if "agent" in record["text"]]
    assert (agent.before, agent.now) == (0, len(held)) and agent.odds.low > 1 and agent.z > 0
    assert agent.share_now.low < agent.now / 120 < agent.share_now.high
    assert all("agent" in example for example in agent.examples) and agent.examples
    assert all("agent" in one.text or "退款" in one.text for one in found.documents if one.late)
    assert 0.1 < found.amount.low < found.amount.value < found.amount.high <= 1
    assert found.to_dicts()[0].keys() == {"term", "before", "now", "odds", "p"}
    assert repr(found) == "<drift from 120 to 120 documents>"


def test_without_a_dictionary_pairs_become_words(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("semsearch.search.keywords.find_spec", lambda name: None)
    monkeypatch.setitem(sys.modules, "rjieba", None)  # an import of it fails
    terms = {term.term: term for term in index.drift(by="day").terms}
    assert "退款申请失败了" in terms and "款申" not in terms
    assert terms["退款申请失败了"].now == sum("退款" in record["text"] for record in records(new=0.4))


def test_stable_texts_are_no_drift(tmp_path: Path) -> None:
    with create_index(tmp_path / "index") as index:
        index.add(records())
        found = index.drift(by="day")
    assert not found.found and not found.terms and not found.exceeds(0)
    assert found.amount.low == 0
    assert found.model is not None and not found.model.changed


def test_passages_of_a_document_move_together(tmp_path: Path) -> None:
    """Each document is about one subject, so its passages are alike; were they exchanged, this would be drift."""
    draw = np.random.default_rng(5)
    with create_index(tmp_path / "index") as index:
        rows = []
        for at in range(80):
            words = draw.choice(WORDS, 2)
            body = "\n\n".join(f"# part {part}\n\n" + " ".join([*words] * 20) for part in range(6))
            rows.append({"id": str(at), "text": body, "day": f"{2023 + at // 40}"})
        index.add(rows)
        found = index.drift(by="day")
    assert found.before.passages > 2 * found.before.documents and not found.found


def test_another_model_is_found(tmp_path: Path) -> None:
    class Changed(TinyEmbedder):
        """The same fingerprint and other vectors."""

        def embed(self, *args: object, **rest: object) -> Vectors:
            return np.roll(super().embed(*args, **rest), 1, axis=1)  # type: ignore[arg-type]

    rows = records()
    with create_index(tmp_path / "index") as index:
        index.add(rows[:120])
    with open_index(tmp_path / "index", Changed()) as index:
        index.add(rows[120:])
    with open_index(tmp_path / "index") as index:
        found = index.drift(by="day", since="2024")
    assert found.model is not None and found.model.changed and found.found and found.exceeds(1)
    assert found.model.differing is not None and found.model.differing.value == 0.5


def test_a_model_that_is_not_the_index_s_is_told(folder: str) -> None:
    with Index.open(folder) as index:  # "tiny" cannot be loaded by name
        found = index.drift(by="day")
    assert found.model is not None and found.model.differing is None and not found.model.changed
    assert found.found and any("not asked" in note for note in found.notes)
    assert {test.name for test in found.tests} == {"terms", "vectors", "length"}


def test_times_of_files_make_windows(tmp_path: Path) -> None:
    with create_index(tmp_path / "index") as index:
        for at, text in enumerate(texts(80)):
            path = tmp_path / f"{at}.txt"
            path.write_text(text, encoding="utf-8")
            os.utime(path, (at, 1_700_000_000 + 86_400 * (at // 40)))
        index.ingest(tmp_path)
        found = index.drift(by="modified")
        assert (found.before.first[:10], found.now.first[:10]) == ("2023-11-14", "2023-11-15")
        assert found.before.documents == found.now.documents == 40


def test_texts_without_a_date_are_counted(index: Index) -> None:
    index.add([{"id": "x", "text": "one"}, {"id": "y", "text": "two", "day": "soon"}])
    assert index.drift(by="day").undated == 2


def test_few_texts_are_refused(tmp_path: Path) -> None:
    with create_index(tmp_path / "index") as index:
        with pytest.raises(InvalidInput, match="no passages"):
            index.drift()
        index.add([{"id": "x", "text": "one", "day": "2024"}])
        with pytest.raises(InvalidInput, match="all dates are 20"):
            index.drift()  # by the time of ingest
        with pytest.raises(InvalidInput, match="all dates are 2024"):
            index.drift(by="day")
        with pytest.raises(InvalidInput, match="earlier window has 0 of 1 texts"):
            index.drift(by="day", since="2024")
        with pytest.raises(InvalidInput, match="no document has a field"):
            index.drift(by="d" * 500)


def test_no_window_is_told_apart_for_sure(tmp_path: Path) -> None:
    with create_index(tmp_path / "index") as index:
        rows = [("boat", "2023"), ("oven", "2024")] * 30
        index.add(
            [{"id": str(at), "text": f"{word} w{at}", "day": day} for at, (word, day) in enumerate(rows)]
        )
        found = index.drift(by="day")
    # By the rule of three, 3 in 30 may be on the wrong side, which is a fifth of the way from 1 to 0.
    assert found.amount.value == found.amount.high == 1 and found.amount.low == pytest.approx(0.8)


# -- a saved threshold --------------------------------------------------------------------------------------


def test_scores_of_pairs_are_compared() -> None:
    draw = np.random.default_rng(0)
    promise = {"measure": "precision", "least": 0.9, "confidence": 0.95}

    def scores(noise: float) -> object:
        centres = np.repeat(draw.normal(size=(40, 32)), 2, axis=0)
        near = np.r_[np.full(40, 0.3), np.full(40, noise)][:, None]
        rows = centres + near * draw.normal(size=(80, 32)) / 2
        pool = log_contents(texts(80), [str(at) for at in range(80)], TinyEmbedder())
        vectors = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
        object.__setattr__(pool, "vectors", vectors)
        return drift_scores(pool, np.arange(80) >= 40, {"threshold": 0.1, "promise": promise})

    same, other = scores(0.3), scores(1.5)
    assert same.p > 0.05 > other.p and same.labels == 29  # 0.9 ** 29 < 0.05
    assert sum(same.now) >= 30 and all(pair.similarity >= 0.1 for pair in same.pairs)


def test_the_guarantee_of_few_pairs_is_unknown(index: Index) -> None:
    assert index.drift(by="day").scores is None
    with index._writing():
        index._library.save_setting("threshold", SAVED)
    scores = index.drift(by="day").scores
    assert scores is not None and scores.covered is None and scores.p is None and scores.labels == 0


# -- a log --------------------------------------------------------------------------------------------------


def test_a_log_is_halved_by_its_order(index: Index) -> None:
    some = [Record(str(at), text) for at, text in enumerate([*texts(100), *texts(101, 1, new=0.5)])]
    found = index.find_drift(DriftRequest(), queries=some)
    assert found.found and (found.before.first, found.before.last, found.now.last) == ("1", "100", "201")
    assert found.model is None and found.scores is None
    with pytest.raises(InvalidInput, match="name of their field"):
        index.find_drift(DriftRequest(since="2024"), queries=some)
    with pytest.raises(InvalidInput, match="earlier window has 10 of 20"):
        index.find_drift(DriftRequest(), queries=some[:20])


def test_queries_are_rows_or_lines(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    log.write_text("how to sail\n\n退款\n", encoding="utf-8")
    assert [one.text for one in read_queries(log, RowFields())[0]] == ["how to sail", "退款"]
    rows = tmp_path / "log.jsonl"
    rows.write_text('{"q": "how to sail", "time": "2024-05-01"}\n', encoding="utf-8")
    (one,), skipped, notes = read_queries(rows, RowFields(("q",)))
    assert one.text == "how to sail" and one.metadata["time"] == "2024-05-01" and not skipped + notes


def test_the_column_of_dates_is_not_a_text(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text("time,asked\n2024-05-01,sail\n2024-05-02,row\n", encoding="utf-8")
    queries, _, notes = read_queries(log, RowFields(), "Time")
    assert [one.text for one in queries] == ["sail", "row"] and queries[0].metadata == {"time": "2024-05-01"}
    assert notes == [f"{log.as_posix()}: compared by 'asked'"]
    log.write_text("time\n2024-05-01\n", encoding="utf-8")
    with pytest.raises(InvalidInput, match="no column of texts"):
        read_queries(log, RowFields(), "time")


def test_the_order_of_a_log_with_dates_does_not_matter(index: Index) -> None:
    some = [
        Record(f"{at}", f"how to sail {at % 13} boats", {"day": f"2024-{1 + at % 12:02}-01"})
        for at in range(120)
    ]
    request = DriftRequest(by="day")
    assert index.find_drift(request, queries=some) == index.find_drift(request, queries=some[::-1])


# -- the command --------------------------------------------------------------------------------------------


def run(*args: str) -> Result:
    return CliRunner().invoke(main, ["drift", *args])


def test_the_command_shows_drift(folder: str) -> None:
    result = run("--index", folder, "--by", "day", "--since", "2024")
    assert result.exit_code == 0, result.output
    assert "drift; amount" in result.stdout and "退款" in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80


def test_all_ways_to_ask_give_the_same(index: Index) -> None:
    told = serialize.drift_json(index.drift(by="day"))
    assert told.keys() == DriftAnswer.__annotations__.keys()
    index.close()
    with Index.open(index.folder) as other:
        wanted = json.loads(json.dumps(serialize.drift_json(other.drift(by="day"))))
    assert json.loads(run("--index", str(index.folder), "--by", "day", "--json").stdout) == wanted
    assert wanted["terms"] == json.loads(json.dumps(told["terms"]))


def test_a_check_fails_where_there_is_drift(folder: str) -> None:
    asked = ("--index", folder, "--by", "day", "--max-drift")
    assert run(*asked, "1%").exit_code == 1 and "check failed" in run(*asked, "1%").stderr
    assert run(*asked, "100%").exit_code == 0 and "check passed" in run(*asked, "100%").stderr


def test_a_report_is_written(folder: str, tmp_path: Path) -> None:
    path = tmp_path / "drift.html"
    asked = ("--index", folder, "--by", "day", "--report", str(path))
    assert run(*asked).exit_code == 0
    page = path.read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>") and "退款" in page and "<svg" in page and "<script" not in page
    assert run(*asked).exit_code == 2 and run(*asked, "--force").exit_code == 0
    assert path.read_text(encoding="utf-8") == page


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--since", "soon"], "must be a date"),
        (["--since", "2023-02-29"], "must be a date"),
        (["--by", "none"], "no document has a field"),
        (["--by", ""], "by is empty"),
        (["--max-drift", "10"], "write 0.1 or 10%"),
        (["--text-field", "q"], "--queries"),
        (["--queries", "nothing.csv"], "does not exist"),
        (["--by", "day", "--since", "2050"], "later window has 0"),
    ],
)
def test_a_wrong_option_is_named(folder: str, args: list[str], message: str) -> None:
    result = run("--index", folder, *args)
    assert result.exit_code == 2 and message in result.stderr


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("2024-05-31T23:30Z", "2024-05-31T23:30"),
        ("2024-06-01T01:30:00+02:00", "2024-05-31T23:30:00"),
        ("2024-05-31 23:30", "2024-05-31T23:30"),
        ("2024-02-29", "2024-02-29"),
        ("2024", "2024"),
    ],
)
def test_a_window_may_begin_at_a_time_with_a_zone(given: str, meant: str) -> None:
    assert DriftRequest(since=given).since == meant


@pytest.mark.parametrize(
    "value", ["2024-02-30", "2023-02-29", "2024-05-31T25:00", "2024-04-31T10:00Z", "2024-1-1"]
)
def test_a_day_of_no_calendar_is_no_date(value: str) -> None:
    assert as_date(value) is None


def test_a_report_overwrites_no_source_and_no_log(tmp_path: Path) -> None:
    note, log = tmp_path / "note.md", tmp_path / "log.txt"
    note.write_text("A note about bread.", encoding="utf-8")
    log.write_text("how to bake bread\n", encoding="utf-8")
    with Index.create(tmp_path / "index", embedder=TinyEmbedder()) as index:
        index.ingest(note)
    at = ("--index", str(tmp_path / "index"), "--force", "--report")
    assert "is a source of the index" in run(*at, str(note)).stderr
    assert "in the folder of the index" in run(*at, str(tmp_path / "index" / "library.sqlite3")).stderr
    assert "is the file of the queries" in run(*at, str(log), "--queries", str(log)).stderr
    assert note.read_text(encoding="utf-8") == "A note about bread."


def test_a_log_of_nothing_is_an_error(folder: str, tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    log.write_text("\n", encoding="utf-8")
    result = run("--index", folder, "--queries", str(log))
    assert result.exit_code == 1 and "no queries" in result.stderr
