"""Clusters: the communities, their names and stability, names that stay, periods, and what the command writes."""

import csv
import io
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from tiny_embedder import TinyEmbedder, create_index

from semsearch.cli import main
from semsearch.cli.render import write_csv
from semsearch.clustering.communities import communities, nearest, overlaps
from semsearch.clustering.kept import KeptRun, carried, digests_of, load_runs, save_run
from semsearch.clustering.names import class_terms, name_of
from semsearch.errors import InvalidInput, SemsearchError
from semsearch.index import Index
from semsearch.requests import ClusterRequest
from semsearch.search.keywords import central_sentence, joined, words_of
from semsearch.serialize import clustered_json
from semsearch.storage.index_dir import CLUSTERS

# -- communities --------------------------------------------------------------------------------------------


def clouds(count: int, noise: float, clusters: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return unit vectors around random centres, and the centre of each."""
    draw = np.random.default_rng(seed)
    centres = draw.normal(size=(clusters, 16))
    of = draw.integers(clusters, size=count)
    rows = centres[of] + noise * draw.normal(size=(count, 16))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32), of


def found_in(vectors: np.ndarray, granularity: float = 1.0) -> np.ndarray:
    return communities(vectors, np.ones(len(vectors), np.int64), granularity).of


def test_separate_clouds_are_clusters() -> None:
    vectors, of = clouds(600, 0.2, 6)
    found = communities(vectors, np.ones(600, np.int64), 0.3)
    pairs = set(zip(of.tolist(), found.of.tolist(), strict=True))
    assert len(pairs) == 6 == found.of.max() + 1
    assert found.stability.shape == found.sizes.shape == (10, 6) and found.stability.min() > 0.95
    sizes = np.bincount(found.of)
    assert (np.diff(sizes) <= 0).all(), "the largest cluster is the first"


def test_clusters_of_noise_are_not_stable() -> None:
    vectors, _ = clouds(600, 100.0, 1)
    assert communities(vectors, np.ones(600, np.int64), 1.0).stability.mean() < 0.6


def test_one_vector_is_a_stable_cluster() -> None:
    found = communities(np.eye(1, 8, dtype=np.float32), np.array([10]), 1.0)
    assert found.of.tolist() == [0] and (found.stability == 1).all() and (found.sizes == 1).all()


def test_granularity_gives_more_clusters() -> None:
    vectors, _ = clouds(800, 0.8, 8)
    counts = [int(found_in(vectors, one).max()) + 1 for one in (0.3, 1, 3, 10)]
    assert counts == sorted(set(counts))


def test_same_vectors_give_same_clusters() -> None:
    vectors, _ = clouds(700, 0.9, 5)
    assert np.array_equal(found_in(vectors), found_in(vectors))


def test_neighbours_are_those_of_the_full_product() -> None:
    vectors, _ = clouds(6_000, 1.0, 4)
    vectors[:50] = vectors[100:150]  # ties
    rows, cosines = nearest(vectors, 7)
    products = vectors @ vectors.T
    np.fill_diagonal(products, -2)
    assert np.sort(cosines, axis=1) == pytest.approx(np.sort(products, axis=1)[:, -7:], abs=1e-6)
    assert (np.diff(rows, axis=1) > 0).all() and not (rows == np.arange(6_000)[:, None]).any()


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_few_vectors_are_clustered(count: int) -> None:
    vectors, _ = clouds(count, 1.0, 1)
    of = found_in(vectors)
    assert len(of) == count and set(of.tolist()) == set(range(int(of.max()) + 1))


def test_many_vectors_are_clustered_from_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("semsearch.clustering.communities.MOST_LINKED", 500)
    monkeypatch.setattr("semsearch.clustering.communities.SAMPLE", 400)
    vectors, of = clouds(2_000, 0.2, 6)
    found = found_in(vectors, 0.3)
    assert len(found) == 2_000
    assert len(set(zip(of.tolist(), found.tolist(), strict=True))) == 6


def test_overlaps_are_jaccard_similarities() -> None:
    some, others = np.array([0, 0, 0, 1, 1]), np.array([0, 0, 1, 1, 1])
    rows = zip(*(part.tolist() for part in overlaps(some, others)), strict=True)
    assert [(a, b, round(j, 4), r) for a, b, j, r in rows] == [
        (0, 0, 0.6667, pytest.approx(2 / 3)),
        (0, 1, 0.2, 1.0),
        (1, 1, 0.6667, 1.5),
    ]


# -- names --------------------------------------------------------------------------------------------------


def counted(*texts: str) -> Counter[str]:
    return Counter(word for text in texts for word in words_of(text))


def test_a_name_has_the_words_that_others_have_not() -> None:
    cats = counted("the cat sleeps today", "cats and a dog", "cats purr today")
    boats = counted("boats sail today", "the boat sails", "a boat today")
    terms = class_terms([cats, boats])
    assert [some[0][0] for some in terms] == ["cats", "boat"]
    assert all(weight < terms[0][0][1] for word, weight in terms[0] if word == "today")


def test_words_that_say_nothing_are_in_no_name() -> None:
    assert words_of("Don't do it, it isn’t for Don in 2024, or is it?") == ["don"]
    assert words_of("it is what it is") == words_of("2024") == words_of("一个") == []


def test_chinese_is_cut_into_words() -> None:
    assert words_of("生命周期钩子会被调用，数据库 API 也一样。") == [
        "api",
        "数据库",
        "生命周期",
        "调用",
        "钩子",
    ]


def test_pairs_of_characters_become_words() -> None:
    texts = ["ベクトルを探す", "ベクトルの距離", "ベクトル", "カメラ"]
    (terms,) = class_terms([counted(*texts)])
    found = [word for word, _ in joined(terms, texts)]
    assert "ベクトル" in found and "クト" not in found


def test_links_and_control_characters_are_no_words() -> None:
    text = "See https://example.org/a/page?x=1 and\x07 ftp://files.example好书。\x1b[31m"
    assert words_of(text) == ["31m", "see", "好书"]


def test_a_name_is_not_given_twice() -> None:
    terms = [("a1", 3.0), ("b1", 2.0), ("c1", 1.0), ("d1", 0.5)]
    names = [name_of(terms, ())]
    for _ in range(3):
        names.append(name_of(terms, names))
    assert names == ["a1, b1, c1", "a1, b1, c1, d1", "a1, b1, c1 (2)", "a1, b1, c1 (3)"]
    assert name_of([], ()) == "-"


def test_the_central_sentence_has_the_words_of_the_name() -> None:
    text = "Hello there.\nThe boat\nsails at noon. We ate well that day."
    assert central_sentence(text, [("boats", 1.0), ("sail", 0.5)]) == "The boat sails at noon."


def test_the_central_sentence_may_have_joined_words() -> None:
    text = "カメラを買う。ベクトルを探す。"
    assert central_sentence(text, [("ベクトル", 1.0)]) == "ベクトルを探す。"


def test_the_central_sentence_is_a_sentence_rather_than_code() -> None:
    text = "x = {boat: [1, 2]};\n\nThe boat sails at noon."
    assert central_sentence(text, [("boat", 1.0)]) == "The boat sails at noon."


# -- names that stay ----------------------------------------------------------------------------------------


def test_names_pass_to_clusters_that_share_most_texts() -> None:
    digests = np.arange(10, dtype=np.uint64)
    before = KeptRun("passage", 1.0, ["low", "high"], digests, np.array([0] * 6 + [1] * 4))
    # 4 and 5 are old, and the first half of what "high" had grew a lot.
    more = np.arange(4, 100, dtype=np.uint64)
    of = np.array([1, 1] + [0] * 4 + [0] * 90)
    assert carried(before, more, of) == {1: "low", 0: "high"}
    torn = np.array([0] * 3 + [1] * 3 + [2] * 4)
    assert carried(before, digests, torn) == {0: "low", 2: "high"}, "a name is given once"
    assert carried(before, digests, np.arange(10)) == {}


def test_a_run_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "clusters.jsonl"
    vectors, of = clouds(30, 1.0, 3)
    first = KeptRun("passage", 1.0, ["a", "退款", "c"], digests_of(vectors), of)
    save_run(path, first, [])
    save_run(path, KeptRun("document", 1.0, ["x", "y", "z"], digests_of(vectors), of), load_runs(path))
    save_run(path, KeptRun("document", 1.0, ["u", "v", "w"], digests_of(vectors), of), load_runs(path))
    runs = load_runs(path)
    assert [(run.level, run.names) for run in runs] == [
        ("document", ["u", "v", "w"]),
        ("passage", ["a", "退款", "c"]),
    ]
    assert np.array_equal(runs[1].of, of) and np.array_equal(runs[1].digests, digests_of(vectors))


SOUND = {
    "level": "passage",
    "granularity": 1.0,
    "names": ["a"],
    "digests": "AAAAAAAAAAE=",
    "clusters": "AAAAAA==",
}


@pytest.mark.parametrize(
    "line",
    [
        "not JSON",
        "[]",
        json.dumps(SOUND | {"names": []}),
        json.dumps(SOUND | {"names": [1]}),
        json.dumps(SOUND | {"names": ["a" * 1_000]}),
        json.dumps(SOUND | {"names": ["a", "a"]}),
        json.dumps(SOUND | {"names": ["\ud800"]}),
        json.dumps(SOUND | {"digests": "AAAA"}),
        json.dumps(SOUND | {"digests": "!"}),
        json.dumps(SOUND | {"clusters": "AQAAAA=="}),
        json.dumps(SOUND | {"clusters": "/////w=="}),
        json.dumps(SOUND | {"more": 1}),
        json.dumps(SOUND)[:-1] + "," + "[" * 100_000,
    ],
)
def test_a_foreign_file_gives_no_names(tmp_path: Path, line: str) -> None:
    path = tmp_path / "clusters.jsonl"
    path.write_text(json.dumps(SOUND) + "\n", encoding="utf-8")
    assert [run.names for run in load_runs(path)] == [["a"]]
    path.write_text(f"{json.dumps(SOUND)}\n{line}\n", encoding="utf-8")
    assert load_runs(path) == []


# -- of an index --------------------------------------------------------------------------------------------

SUBJECTS = {
    "sea": "boat waves sail harbour tide anchor",
    "bread": "oven flour dough yeast crust bake",
    "退款": "退款 申请 订单 支付 商家 账户",
}


def records(count: int, start: int = 0, dated: bool = True) -> list[dict[str, str]]:
    """Return texts of three subjects; bread becomes rarer with the years."""
    rows = []
    for at in range(start, start + count):
        subject = list(SUBJECTS)[at % 3]
        year = 2020 + at % 4 if subject != "bread" else 2020 + (at % 4) // 2
        words = SUBJECTS[subject].split()
        text = " ".join(words[(at + step) % 6] for step in range(3)) + f" w{at} {subject}"
        rows.append({"id": f"r{at}", "text": text, **({"date": f"{year}-05-01"} if dated else {})})
    return rows


@pytest.fixture
def index(tmp_path: Path) -> Index:
    with create_index(tmp_path / "index") as made:
        made.add(records(120))
        yield made


def test_an_index_is_put_in_named_clusters(index: Index) -> None:
    found = index.clusters(granularity=0.3)
    assert found.total == 120 and sum(one.size for one in found.clusters) == 120
    subject_of = {f"record://r{at}": list(SUBJECTS)[at % 3] for at in range(120)}
    for one in found.clusters:
        subjects = {
            subject_of[row["document"]] for row in clustered_json(found, found.members(one.number).tolist())
        }
        assert len(subjects) == 1
        assert set(one.name.split(", ")) <= {*SUBJECTS[subjects.pop()].split(), *SUBJECTS}
        assert one.share.low <= one.share.value <= one.share.high and one.stability.low >= 0
        assert one.representatives[0].similarity >= one.representatives[-1].similarity
        assert one.sentence in one.representatives[0].text
    assert len({one.name for one in found.clusters}) == len(found)


def test_documents_are_clustered_by_the_mean_of_their_passages(tmp_path: Path) -> None:
    with create_index(tmp_path / "index") as index:
        for name, words in SUBJECTS.items():
            for at in range(8):
                lines = "\n\n".join(f"# {name} {part}\n\n{words} d{at} p{part} " * 4 for part in range(3))
                (tmp_path / f"{name}{at}.md").write_text(lines, encoding="utf-8")
        index.ingest(tmp_path)
        found = index.clusters(level="document", granularity=0.3)
        rows = clustered_json(found, range(found.total))
    assert found.total == len(rows) == 24
    of = {row["document"][:-4]: row["cluster"] for row in rows}
    assert len(set(of.values())) == len(SUBJECTS) == len(found)


def test_names_stay_when_the_index_grows(index: Index) -> None:
    first = index.clusters(granularity=0.3)
    assert not any(one.new for one in first.clusters)
    index.add(records(60, start=120))
    again = index.clusters(granularity=0.3)
    kept = {one.name for one in again.clusters if not one.new}
    assert again.total == 180 and kept == {one.name for one in first.clusters}


def test_a_name_is_kept_where_the_words_change(index: Index) -> None:
    path = index.folder / CLUSTERS
    first = index.clusters(granularity=0.3)
    (run,) = load_runs(path)
    save_run(path, KeptRun(run.level, run.granularity, ["mine", *run.names[1:]], run.digests, run.of), [])
    assert index.clusters(granularity=0.3).clusters[0].name == "mine"
    path.write_text("{}\n")
    assert index.clusters(granularity=0.3).clusters[0].name == first.clusters[0].name


def test_clusters_can_be_found_without_keeping_names(index: Index) -> None:
    index.find_clusters(ClusterRequest(), keep=False)
    assert not (index.folder / CLUSTERS).exists()
    index.clusters()
    assert (index.folder / CLUSTERS).stat().st_mode & 0o077 == 0


def test_forget_deletes_the_names(index: Index) -> None:
    index.clusters()
    assert (index.folder / CLUSTERS).exists()
    done = index.forget("record://r1", verify=True)
    assert not (index.folder / CLUSTERS).exists() and done.left == ()


def test_clusters_are_counted_by_period(index: Index) -> None:
    found = index.clusters(granularity=0.3, over_time="DATE")
    assert found.periods is not None and found.periods.names == tuple(
        f"{year}-05-01" for year in range(2020, 2024)
    )
    assert found.undated == 0
    bread = [
        one for one in found.clusters if "bread" in one.name or "oven" in one.name or "dough" in one.name
    ]
    assert sum(one.counts[0] + one.counts[1] for one in bread) == sum(one.size for one in bread) > 0
    for one in found.clusters:
        for (_, told, share), count in zip(found.over_time(one), one.counts, strict=True):
            assert told == count and share.low <= share.value <= share.high


def test_texts_without_a_date_are_in_no_period(index: Index) -> None:
    index.add(records(10, start=500, dated=False))
    assert index.clusters(over_time="date").undated == 10


@pytest.mark.parametrize("field", ["nothing", "id"])
def test_a_field_without_dates_is_refused(index: Index, field: str) -> None:
    with pytest.raises(InvalidInput, match="no document has a field"):
        index.clusters(over_time=field)


def test_values_that_are_no_dates_are_refused(index: Index) -> None:
    index.add([{"id": "x", "text": "one", "colour": "red"}])
    with pytest.raises(InvalidInput, match="is a date"):
        index.clusters(over_time="colour")


def test_texts_are_not_read_once_the_index_has_changed(index: Index) -> None:
    found = index.clusters()
    index.add(records(1, start=900))
    with pytest.raises(SemsearchError, match="has changed"):
        clustered_json(found, [0])


def test_an_empty_index_has_no_clusters(tmp_path: Path) -> None:
    with create_index(tmp_path / "index") as index, pytest.raises(InvalidInput, match="no passages"):
        index.clusters()


@pytest.mark.parametrize("count", [1, 2, 3])
def test_an_index_of_few_texts_has_clusters(tmp_path: Path, count: int) -> None:
    with create_index(tmp_path / "index") as index:
        index.add(records(count))
        found = index.clusters()
    assert found.total == count and found.to_dicts()[0]["cluster"] == 1


@pytest.mark.parametrize("granularity", [0, -1, 1001, float("nan"), "1", True])
def test_a_granularity_out_of_range_is_refused(granularity: float) -> None:
    with pytest.raises(InvalidInput):
        ClusterRequest(granularity=granularity)


# -- the command --------------------------------------------------------------------------------------------


def run(*args: str) -> Result:
    return CliRunner().invoke(main, ["clusters", *args])


@pytest.fixture
def folder(index: Index) -> str:
    index.close()
    return str(index.folder)


def test_the_command_shows_clusters(folder: str) -> None:
    result = run("--index", folder, "--granularity", "0.3", "--over-time", "date", "--top", "2")
    assert result.exit_code == 0, result.output
    assert "120 passages in " in result.stdout and "stability" in result.stdout
    assert "2020-05-01:" in result.stdout and "(--top " in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 100


def test_all_ways_to_ask_give_the_same(folder: str) -> None:
    told = json.loads(run("--index", folder, "--over-time", "date", "--json").stdout)
    lines = run("--index", folder, "--over-time", "date", "--jsonl").stdout.splitlines()
    assert [json.loads(line) for line in lines] == told["clusters"]
    with Index.open(folder, embedder=TinyEmbedder()) as index:
        found = index.clusters(over_time="date")
    assert [one["name"] for one in told["clusters"]] == [one.name for one in found.clusters]
    assert [one["size"] for one in told["clusters"]] == [one.size for one in found.clusters]


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_texts_are_written_with_their_clusters(folder: str, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out{suffix}"
    assert run("--index", folder, "--output", str(path)).exit_code == 0
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file)) if suffix == ".csv" else [json.loads(line) for line in file]
    assert len(rows) == 120 and {row["document"] for row in rows} == {f"record://r{at}" for at in range(120)}
    assert any("退款" in row["text"] for row in rows)
    assert run("--index", folder, "--output", str(path)).exit_code == 2
    assert run("--index", folder, "--output", str(path), "--force").exit_code == 0


def test_two_formats_exclude_each_other(folder: str) -> None:
    result = run("--index", folder, "--json", "--jsonl")
    assert result.exit_code == 2 and "exclude each other" in result.stderr and not result.stdout


@pytest.mark.parametrize("text", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\tx"])
def test_no_cell_of_a_table_is_a_formula(text: str) -> None:
    out = io.StringIO()
    write_csv(out, ("text", "score"), [(text, -0.5)])
    (row,) = csv.DictReader(io.StringIO(out.getvalue(), newline=""))
    assert row == {"text": f"'{text}", "score": "-0.5"}


def test_other_cells_of_a_table_stay() -> None:
    out = io.StringIO()
    cells = ("-0.5", "+3", "a = b", "", None)
    write_csv(out, "abcde", [cells])
    assert out.getvalue() == "a,b,c,d,e\n-0.5,+3,a = b,,\n"


@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_a_picture_is_drawn(folder: str, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"map{suffix}"
    result = run("--index", folder, "--over-time", "date", "--plot", str(path))
    assert result.exit_code == 0, result.output
    assert path.read_bytes().startswith(b"\x89PNG" if suffix == ".png" else b"<?xml")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--output", "x.txt"], "must end in .csv or .jsonl"),
        (["--plot", "x.pdf"], "must end in .png or .svg"),
        (["--granularity", "0"], "granularity"),
        (["--over-time", "none"], "no document has a field"),
        (["--top", "0"], "top"),
    ],
)
def test_a_wrong_option_is_named(folder: str, args: list[str], message: str) -> None:
    result = run("--index", folder, *args)
    assert result.exit_code == 2 and message in result.stderr
