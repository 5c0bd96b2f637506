"""`semsearch bench-search`, and the measures it prints."""

import json
import math
import tempfile
from collections.abc import Mapping, Sequence
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from soundness import assert_sound

from semsearch.cli import main
from semsearch.embedding import load_embedder
from semsearch.evaluation.retrieval import ndcg, recall, reciprocal_rank
from semsearch.index import Index

FILES = ("--corpus", "corpus.jsonl", "--queries", "queries.jsonl", "--qrels", "test.tsv")
DOCUMENTS = {
    "deposit": ("Deposits", "The deposit is paid back when the tool comes home undamaged."),
    "late": ("Late returns", "Whoever brings a tool home late pays two francs a day."),
    "code": ("Error ERR_4012", "The reader at the door shows this when a card has expired."),
    "cats": ("", "Cats sleep most of the day."),
    "bread": ("Baking", "Bread is baked early in the morning."),
    "a#1": ("Trains", "The station is ten minutes away on foot."),
    "rain": ("Weather", "It will rain tomorrow."),
}
QUERIES = {
    "q1": "how do I get my money back",
    "q2": "ERR_4012",
    "q3": "-deposit",  # text, and not a word that is to be left out
    "q4": "where do trains stop",
    "q5": "a query that nobody has judged",
    "q6": "a query that nothing answers",
}
JUDGED = {
    "q1": {"deposit": 2, "late": 1, "cats": 0},
    "q2": {"code": 1},
    "q3": {"deposit": 1, "rain": -1},
    "q4": {"a#1": 3, "rain": 1, "gone": 1},
    "q6": {"cats": 0},
}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a working directory with a small collection; temporary files are kept next to it."""
    folder, temporary = tmp_path / "[here]", tmp_path / "temporary"
    folder.mkdir()
    temporary.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    write("corpus.jsonl", ({"_id": id_, "title": a, "text": b} for id_, (a, b) in DOCUMENTS.items()))
    write("queries.jsonl", ({"_id": id_, "text": text, "metadata": {}} for id_, text in QUERIES.items()))
    judge(JUDGED)
    return folder


def write(name: str, rows: object) -> None:
    assert not isinstance(rows, str)
    Path(name).write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")  # type: ignore[attr-defined]


def judge(judged: Mapping[str, Mapping[str, int]]) -> None:
    lines = [f"{query}\t{id_}\t{score}\n" for query, row in judged.items() for id_, score in row.items()]
    Path("test.tsv").write_text("query-id\tcorpus-id\tscore\n" + "".join(lines), encoding="utf-8")


def run(*extra: str, code: int = 0) -> Result:
    """Run `bench-search` and check its exit code; a traceback is never an answer."""
    result = CliRunner().invoke(main, ["bench-search", *FILES, *extra])
    assert result.exit_code == code, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


# -- measures -----------------------------------------------------------------------------------------------


def test_measures_by_hand() -> None:
    judged = {"a": 3, "b": 2, "c": 0, "d": -1}
    # (2 / log2 2 + 3 / log2 4) / (3 / log2 2 + 2 / log2 3) = 3.5 / 4.261860
    assert ndcg(["b", "x", "a", "d"], judged) == pytest.approx(0.821238, abs=1e-6)
    assert ndcg(["b", "x", "a", "d"], judged, 1) == pytest.approx(2 / 3)
    assert ndcg(["a", "b"], judged) == 1 and ndcg(["x"] * 10 + ["a"], judged) == 0
    assert recall(["x", "b", "d", "c"], judged) == 0.5
    assert recall(["x"] * 99 + ["a", "b"], judged) == 0.5
    assert reciprocal_rank(["c", "d", "b"], judged) == pytest.approx(1 / 3)
    assert reciprocal_rank(["x"] * 10 + ["a"], judged) == 0
    for measure in (ndcg, recall, reciprocal_rank):
        assert measure(["a"], {"a": 0, "b": -1}) == measure([], {"a": 1}) == 0


IDS = ("a", "b", "c", "d", "e")


@given(
    st.permutations(IDS),
    st.integers(0, 5),
    st.dictionaries(st.sampled_from(IDS), st.integers(-1, 3)),
    st.integers(1, 6),
)
def test_measures_by_brute_force(order: list[str], length: int, judged: dict[str, int], k: int) -> None:
    def gain(ranked: Sequence[str]) -> float:
        total = 0.0
        for place in range(min(k, len(ranked))):
            if judged.get(ranked[place], 0) > 0:
                total += judged[ranked[place]] * math.log(2) / math.log(place + 2)
        return total

    ranked = order[:length]
    best = max(gain(some) for some in permutations(IDS))
    assert ndcg(ranked, judged, k) == pytest.approx(gain(ranked) / best if best else 0)
    relevant = [id_ for id_ in IDS if judged.get(id_, 0) > 0]
    hits = [place for place, id_ in enumerate(ranked) if place < k and id_ in relevant]
    assert recall(ranked, judged, k) == pytest.approx(len(hits) / len(relevant) if relevant else 0)
    assert reciprocal_rank(ranked, judged, k) == pytest.approx(1 / (hits[0] + 1) if hits else 0)


# -- the command --------------------------------------------------------------------------------------------


def test_dense_search_by_brute_force(here: Path) -> None:
    """Every document is one passage, so it ranks by the cosine of its vector; q5 and q6 do not count."""
    document = json.loads(run("--json").stdout)
    assert list(document["modes"]) == ["dense", "lexical", "hybrid"]
    assert (document["documents"], document["queries"]) == (7, 4)
    assert (document["queries_without_text"], document["relevant_documents_absent"]) == (0, 1)
    asked = ["q1", "q2", "q3", "q4"]
    embedder = load_embedder()
    texts = embedder.embed([f"{title}\n{text}".strip() for title, text in DOCUMENTS.values()])
    scores = embedder.embed([QUERIES[query] for query in asked], "query") @ texts.T
    gains, found, firsts = [], [], []
    for query, row in zip(asked, scores, strict=True):
        ranked = [list(DOCUMENTS)[at] for at in np.argsort(-row)]
        worth = [max(0, JUDGED[query].get(id_, 0)) for id_ in ranked]
        ideal = sorted((max(0, value) for value in JUDGED[query].values()), reverse=True)
        gain, most = (
            sum(value / np.log2(at + 2) for at, value in enumerate(some[:10])) for some in (worth, ideal)
        )
        gains.append(gain / most)
        found.append(np.count_nonzero(worth) / np.count_nonzero(ideal))
        firsts.append(1 / (1 + np.flatnonzero(worth)[0]))
    dense = document["modes"]["dense"]
    assert dense == pytest.approx(
        {"ndcg_at_10": np.mean(gains), "recall_at_100": np.mean(found), "mrr_at_10": np.mean(firsts)}
    )
    assert 0 < dense["ndcg_at_10"] < 1 and dense["recall_at_100"] == pytest.approx((1 + 1 + 1 + 2 / 3) / 4)


def test_words_are_searched_for_as_they_stand(here: Path) -> None:
    judge({query: JUDGED[query] for query in ("q2", "q3")})
    lexical = json.loads(run("--json").stdout)["modes"]["lexical"]
    assert lexical == {"ndcg_at_10": 1, "recall_at_100": 1, "mrr_at_10": 1}


def test_a_document_ranks_by_its_best_passage_alone(here: Path) -> None:
    long = "\n\n".join(
        f"The heron number {at} stands in the reeds. " + f"It waits for fish {at}. " * 60 for at in range(3)
    )
    write(
        "corpus.jsonl",
        [{"_id": 1, "text": long}, {"_id": 2, "text": "A heron."}, {"_id": 3, "text": "Bread."}],
    )
    write("queries.jsonl", [{"_id": 7, "text": "heron"}])
    judge({"7": {"1": 1, "2": 1}})
    result = run("--json", "--index", "kept")
    assert json.loads(result.stdout)["modes"]["lexical"] == {
        "ndcg_at_10": 1,
        "recall_at_100": 1,
        "mrr_at_10": 1,
    }
    with Index.open(here / "kept") as index:
        assert index.status().counts["passages"] > 4
        assert_sound(index)


def test_a_table_for_people_and_nothing_left_behind(here: Path) -> None:
    judge({**JUDGED, "q9": {"cats": 1}})
    result = run()
    heading, *rows = [line.split() for line in result.stdout.splitlines()]
    assert heading == ["mode", "nDCG@10", "recall@100", "MRR@10"]
    assert [row[0] for row in rows] == ["dense", "lexical", "hybrid"]
    assert all(0 < float(value) <= 1 and len(value) == 6 for row in rows for value in row[1:])
    assert "4 queries with a relevant document, 7 documents, model all-MiniLM-L6-v2" in result.stderr
    assert "left out 1 query, not in queries.jsonl" in result.stderr
    assert "1 relevant document not in corpus.jsonl, counted as not found" in result.stderr
    assert list(Path(tempfile.gettempdir()).iterdir()) == []
    assert {path.name for path in here.iterdir()} == {"corpus.jsonl", "queries.jsonl", "test.tsv"}


def test_a_kept_index_searches_only_the_corpus(here: Path) -> None:
    Path("other.jsonl").write_text(
        "".join(f"{json.dumps({'text': f'ERR_4012 deposit trains {at}'})}\n" for at in range(20)),
        encoding="utf-8",
    )
    with Index.create(here / "kept") as index:
        index.ingest([here / "other.jsonl"])
    alone = json.loads(run("--json").stdout)
    shared = json.loads(run("--json", "--index", "kept").stdout)
    assert shared["modes"]["dense"] == alone["modes"]["dense"]  # what words are worth depends on all there is
    assert shared["modes"]["lexical"]["recall_at_100"] == alone["modes"]["lexical"]["recall_at_100"] > 0
    assert json.loads(run("--json", "--index", "kept").stdout) == shared
    with Path("corpus.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"_id": "gone", "title": "", "text": "Trains stop where they do."}\n')
    assert json.loads(run("--json", "--index", "kept").stdout)["relevant_documents_absent"] == 0
    assert "contains vectors of dtype float32" in run("--index", "kept", "--dtype", "int8", code=12).stderr
    with Index.open(here / "kept") as index:
        assert index.status().counts["documents"] == 28
        assert_sound(index)


# -- what is wrong with the files ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("corpus.jsonl", None, "cannot read corpus.jsonl: No such file"),
        ("queries.jsonl", None, "cannot read queries.jsonl: No such file"),
        ("test.tsv", None, "cannot read test.tsv: No such file"),
        ("corpus.jsonl", '{"_id": "a", "text": "b"}\n\n{"_id": ', "corpus.jsonl:3: malformed JSON"),
        ("corpus.jsonl", '["a"]', "corpus.jsonl:1: not a JSON object"),
        ("corpus.jsonl", '{"id": "a", "text": "b"}', "corpus.jsonl:1: no '_id'"),
        ("corpus.jsonl", '{"_id": "a", "body": "b"}', "corpus.jsonl:1: no 'text'"),
        ("corpus.jsonl", '{"_id": "a", "text": "b"}\n' * 2, "corpus.jsonl:2: corpus.jsonl:1 has the _id 'a' already"),
        ("corpus.jsonl", "", "corpus.jsonl has no documents"),
        ("corpus.jsonl", b"\xff\xfe", "corpus.jsonl:1: not UTF-8 text"),
        ("corpus.jsonl", "[" * 100_000, "corpus.jsonl:1: malformed JSON"),
        ("queries.jsonl", '{"_id": "q1", "text": 5}', "queries.jsonl:1: no 'text' that is a string"),
        ("queries.jsonl", '{"_id": "q1", "text": " "}', "queries.jsonl:1: the query is empty"),
        ("queries.jsonl", '{"_id": "z", "text": "b"}', "queries.jsonl has none of them"),
        ("test.tsv", "", "test.tsv has no column 'query-id'"),
        ("test.tsv", "query-id\tcorpus-id\tgrade\nq1\tcats\t1", "test.tsv has no column 'score'"),
        ("test.tsv", "query-id\tcorpus-id\tscore\nq1 cats 1", "test.tsv:2: 1 fields where the header has 3"),
        ("test.tsv", "query-id\tcorpus-id\tscore\nq1\tcats\t0.5", "test.tsv:2: the score '0.5' is not a whole"),
        ("test.tsv", "query-id\tcorpus-id\tscore\nq1\tcats\t0", "test.tsv: no query has a relevant document"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(here: Path, name: str, content: str | bytes | None, said: str) -> None:
    if content is None:
        Path(name).unlink()
    else:
        Path(name).write_bytes(content.encode() if isinstance(content, str) else content)
    error = run(code=2).stderr
    assert said in error
    assert "Traceback" not in error


def test_usage(here: Path) -> None:
    assert "--qrels" in CliRunner().invoke(main, ["bench-search", *FILES[:4]]).stderr
    Path("corpus.jsonl").rename("corpus.json")
    result = CliRunner().invoke(main, ["bench-search", "--corpus", "corpus.json", *FILES[2:]])
    assert result.exit_code == 2 and "hint: name it corpus.jsonl" in result.stderr
    Path("corpus.json").rename("corpus.jsonl")
    assert "not empty" in run("--index", ".", code=2).stderr
