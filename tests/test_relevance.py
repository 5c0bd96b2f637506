"""Relevance: what unrelated questions find in an index, and what a search says that finds nothing better."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import gumbel_r
from tiny_embedder import TinyEmbedder, create_index

from semsearch import Index, SearchRequest
from semsearch.cli import main
from semsearch.errors import InvalidInput, ModelError
from semsearch.search.doubt import RELEVANT, doubt, nothing_relevant
from semsearch.search.query import parse
from semsearch.search.relevance import (
    SETTING,
    Gumbel,
    NullModel,
    asked_for,
    fitted,
    measured,
    read_null_model,
    renew,
    unrelated_vectors,
    unspaced,
)
from semsearch.storage.library import StoredPassage
from semsearch.types import MODES, Hit

TOPICS = ("deposit", "boiler", "invoice", "penguin", "carburettor", "sonata", "quarry", "algebra")
TEXTS = [
    f"The {topic} of house {number} was checked in room {number}." for number, topic in enumerate(TOPICS)
]


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory, sample_corpus: Path) -> Any:
    with Index.create(tmp_path_factory.mktemp("i") / ".semsearch") as index:
        index.ingest([sample_corpus / "faq", sample_corpus / "notes"])
        yield index


# -- the distribution -------------------------------------------------------------------------------------


def test_a_gumbel_distribution_is_that_of_scipy() -> None:
    ours, theirs = Gumbel(0.3, 0.05), gumbel_r(0.3, 0.05)
    for evidence in (-1.0, 0.0, 0.3, 0.45, 2.0):
        assert ours.below(evidence) == pytest.approx(theirs.cdf(evidence))


def test_a_fit_finds_the_distribution_below_contamination() -> None:
    values = gumbel_r(0.3, 0.05).rvs(400, random_state=np.random.default_rng(1))
    values[:40] = 0.9  # a tenth of the questions is about what the index is about
    found = fitted(values, "dense")
    assert found.location == pytest.approx(0.3, abs=0.015) and found.scale == pytest.approx(0.05, abs=0.015)


def test_the_best_of_more_passages_is_extrapolated() -> None:
    generator = np.random.default_rng(2)
    few = gumbel_r(0.3, 0.05).rvs((20_000, 8), random_state=generator).max(axis=1)
    assert Gumbel(0.3, 0.05).of_more(8).below(0.5) == pytest.approx(np.mean(few < 0.5), abs=0.01)


@given(st.floats(allow_nan=False), st.floats(-1e9, 1e9), st.floats(0.005, 1e9))
def test_relevance_is_a_share_for_any_number(evidence: float, location: float, scale: float) -> None:
    assert 0 <= Gumbel(location, scale).below(evidence) <= 1


@pytest.mark.parametrize(
    ("query", "expected"),
    [("怎样退款", True), ("how are refunds made", False), ("v-if 怎样使用", True), ("", False)],
)
def test_script_is_that_of_most_letters(query: str, expected: bool) -> None:
    assert unspaced(query) == expected


# -- in an index ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("question", ["how do I get my deposit back", "when is the office open"])
def test_answerable_question_has_relevant_hits(question: str, sample: Index) -> None:
    found = sample.query(question)
    assert found.relevant and found[0].relevance is not None and found[0].relevance >= RELEVANT


@pytest.mark.parametrize(
    "question", ["kjhsdf oiwuer", "which team won the cup in 1987", "do penguins sing opera"]
)
@pytest.mark.parametrize("mode", ["hybrid", "dense"])
def test_unrelated_question_finds_nothing_relevant(question: str, mode: Any, sample: Index) -> None:
    found = sample.query(question, mode=mode)
    assert found and not found.relevant and "nothing relevant" in doubt(found)
    assert sample.query(question, mode=mode, min_relevance=RELEVANT) == []


def test_relevance_rises_with_evidence_and_not_below_zero(sample: Index) -> None:
    found = sample.query("how is money paid back", mode="dense", k=30, per_document=None, collapse=False)
    rated = [hit.relevance for hit in found]
    assert rated == sorted(rated, reverse=True) and all(0 <= each <= 1 for each in rated if each is not None)


def test_search_by_words_rates_hits_without_a_model(sample: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    with Index.open(sample.folder) as index:
        monkeypatch.setattr(Index, "embedder", property(lambda _: pytest.fail("a model was loaded")))
        found = index.query("deposit", mode="lexical")
        assert found.relevant and all(hit.relevance is not None for hit in found)
        assert not nothing_relevant([replace(found[0], relevance=0.0)])


def test_a_list_of_documents_has_no_relevance(tmp_path: Path) -> None:
    with create_index(tmp_path / "i") as index:
        index.add([{"id": "a", "text": "A saw.", "tags": "tools"}], id="id", text="text")
        found = index.query("tags:tools", min_relevance=1.0)
        assert [hit.relevance for hit in found] == [None] and found.relevant


@pytest.mark.parametrize("count", [0, 1, 8])
def test_a_tiny_index_rates_its_hits(count: int, tmp_path: Path) -> None:
    with create_index(tmp_path / "i") as index:
        index.add(
            [{"id": str(n), "text": text} for n, text in enumerate(TEXTS[:count])], id="id", text="text"
        )
        for mode in MODES:
            found = index.query("the deposit of house 0 was checked in room 0", mode=mode)
            assert len(found) == min(count, 5)
            assert all(hit.relevance is not None and 0 <= hit.relevance <= 1 for hit in found)
            assert not count or found[0].relevance > 0.9


def test_chinese_question_has_its_own_null_model(tmp_path: Path) -> None:
    with create_index(tmp_path / "i") as index:
        index.add(
            [{"id": "a", "text": "押金在三十天内退还。"}, {"id": "b", "text": TEXTS[0]}], id="id", text="text"
        )
        (hit, *_) = index.query("押金退还", mode="lexical")
        assert hit.relevance is not None and hit.relevance > 0.99


# -- what was asked for -----------------------------------------------------------------------------------

RARE = [
    ("a", "The plums of the orchard were bottled in August by Zebulon Quibble."),
    ("b", "NGINX answered 502 (0x80070057) since upstream_keepalive was missing in site-proxy.conf."),
    ("c", "Call loadUserProfile before version 3.11.2 is installed; ticket HX-4471 has the trace."),
    ("d", "我们的仓库里有一台挖掘机，插座在西墙。订单号是八八五一。"),
    ("e", "Users of std::vector and C++ get E0382 when a value was moved."),
    ("f", "他用铅笔写信。"),
]


@pytest.fixture(scope="module")
def rare(tmp_path_factory: pytest.TempPathFactory, sample_corpus: Path) -> Any:
    """Yield an index with a real model, in which the words of `RARE` are rare."""
    with Index.create(tmp_path_factory.mktemp("r") / ".semsearch") as index:
        index.ingest([sample_corpus / "faq"])
        rows = [{"id": id_, "text": text, "tags": "odd", "year": 2024} for id_, text in RARE]
        index.add(rows, id="id", text="text")
        yield index


def test_words_that_occur_once_are_found(sample: Index) -> None:
    words: dict[str, set[str]] = {}
    for source in sample.sources():
        for word in re.findall(
            r"(?<!\S)[a-z]{4,12}(?!\S)", sample.path_of(source).read_text(encoding="utf-8")
        ):
            words.setdefault(word, set()).add(source)
    once = sorted(word for word, sources in words.items() if len(sources) == 1)
    some = once[:: max(1, len(once) // 60)]
    found = sample.query_many(some, highlight=False)
    assert len(some) >= 60
    assert [word for word, hits in zip(some, found, strict=True) if not hits.relevant] == []


@pytest.mark.parametrize("mode", ["hybrid", "dense"])
@pytest.mark.parametrize(
    ("query", "id_"),
    [
        ("plums", "a"), ("Plum", "a"), ("bottle", "a"), ("Zebulon Quibble", "a"), ("what is a quibble", "a"),
        ("NGINX 502", "b"), ("0x80070057", "b"), ("upstream_keepalive", "b"), ("site-proxy.conf", "b"),
        ("loadUserProfile", "c"), ("load user profile", "c"), ("3.11.2", "c"), ("HX-4471", "c"),
        ("4471", "c"), ("挖掘机", "d"), ("插座", "d"), ("西墙", "d"),
        ("什么是挖掘机", "d"), ("插座在哪里", "d"), ("八八五一", "d"),
        ("std::vector", "e"), ("C++", "e"), ("E0382", "e"), ("铅笔", "f"), ("铅笔写信", "f"),
    ],
)  # fmt: skip
def test_hit_with_all_words_of_a_query_is_relevant(query: str, id_: str, mode: Any, rare: Index) -> None:
    found = rare.query(query, mode=mode, k=30)
    named = [hit for hit in found if hit.document == f"record://{id_}"]
    assert found.relevant and named and named[0].relevance is not None and named[0].relevance >= RELEVANT


@pytest.mark.parametrize(
    "query",
    [
        "+plums", '"plums"', "plums recipe +plums", '"were bottled" kjhsdf', "+挖掘机 wqoeiu", "tags:odd kjhsdf wqoeiu",
        "year>=2024 kjhsdf oiwuer",
    ],
)  # fmt: skip
def test_what_a_query_requires_is_what_was_asked_for(query: str, rare: Index) -> None:
    found = rare.query(query)
    assert found.relevant and all(hit.relevance is not None and hit.relevance >= RELEVANT for hit in found)


@pytest.mark.parametrize(
    "query", ["kjhsdf oiwuer", "kjhsdf plums oiwuer wqieu", "-plums kjhsdf", "-tags:odd kjhsdf",
              "my sister plays the trombone in a circus", "???", "蓝鲸唱歌剧"],
)  # fmt: skip
def test_nonsense_stays_irrelevant_next_to_rare_words(query: str, rare: Index) -> None:
    found = rare.query(query)
    assert found and not found.relevant


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("plums", True), ("what is a plum?", True), ("what's the plums", True), ("who was Plum", True),
        ("挖掘机", True), ("plum 是什么", True), ("什么是 Plum？", True),
        ("do you like plums", False), ("where are my plums", False), ("I need a plum", False),
    ],
)  # fmt: skip
def test_a_word_is_asked_for_where_the_query_only_names_it(query: str, expected: bool) -> None:
    """One word that a remark to somebody has in common with a text says little."""
    text = "Plums are bottled beside the 挖掘机."
    passage = StoredPassage("id", "a.txt", "a.txt", text, "line", 1, 1, "", text, {})
    assert asked_for(parse(query, list))(passage, 0.5) is expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("a +word", True), ('a "two words"', True), ("a tags:x", True), ("a tags:x OR tags:y", True),
        ("a year>2020", True),
        ("a", False), ("a -word", False), ("a -tags:x", False), ("a tags!=x", False), ("a tags:x OR NOT tags:y", False),
    ],
)  # fmt: skip
def test_query_requires_what_is_not_excluded(query: str, expected: bool) -> None:
    assert parse(query, lambda: ["tags", "year"]).requires is expected


def test_folder_that_is_searched_is_not_what_was_asked_for(rare: Index) -> None:
    assert not rare.query("kjhsdf oiwuer", source="faq/*").relevant


# -- kept with the index ----------------------------------------------------------------------------------


def test_null_model_is_saved_and_renewed_after_much_change(tmp_path: Path) -> None:
    with create_index(tmp_path / "i") as index:
        rows = [{"id": str(n), "text": f"{TEXTS[n % 8]} Nr. {n}"} for n in range(40)]
        index.add(rows[:20], id="id", text="text")
        saved = index._library.setting(SETTING)
        assert saved["passages"] == 20
        index.add(rows[20:22], id="id", text="text")
        assert index._library.setting(SETTING) == saved
        index.add(rows[22:], id="id", text="text")
        assert index._library.setting(SETTING)["passages"] == 40


def test_saved_null_model_gives_the_relevance_of_a_computed_one(tmp_path: Path) -> None:
    with create_index(tmp_path / "i") as index:
        index.add([{"id": str(n), "text": text} for n, text in enumerate(TEXTS)], id="id", text="text")
        wanted = [list(index.query("boiler room", mode=mode)) for mode in MODES]
        index._library.save_setting(SETTING, None)
        with Index.open(index.folder, embedder=TinyEmbedder()) as other:
            assert [list(other.query("boiler room", mode=mode)) for mode in MODES] == wanted


GOOD = NullModel(8, {(mode, script): Gumbel(0.1, 0.5) for mode in MODES for script in (False, True)})


def test_stored_null_model_is_read_back() -> None:
    assert read_null_model(json.loads(json.dumps(GOOD.stored()))) == GOOD


@pytest.mark.parametrize(
    ("query", "text", "expected"),
    [
        ("plums", "Plum jam", True), ("what are plums", "what is jam", False), ("the", "the jam", True),
        ("我们风筝", "我们的仓库", False), ("我们风筝", "放风筝", True), ("???", "what???", False),
    ],
)  # fmt: skip
def test_all_words_count_and_stop_words_do_not(query: str, text: str, expected: bool, tmp_path: Path) -> None:
    strict = replace(GOOD, found={key: Gumbel(1e6, 1) for key in GOOD.found})
    with create_index(tmp_path / "i") as index:
        index.add([{"id": "a", "text": text}], id="id", text="text")
        index._library.save_setting(SETTING, {**strict.stored(), "passages": 1})
        assert [index.query(query, mode=mode).relevant for mode in MODES[:2]] == [expected] * 2


@pytest.mark.parametrize(
    "change",
    [
        {"questions": "others"}, {"found": []}, {"found": 3}, {"found": [["dense", False, 1]]}, {"passages": None},
        {"found": [["dense", [], 0.1, 0.5]]}, {"found": [["x", True, 0.1, 0.5]]}, {"passages": float("inf")},
        {"found": [[mode, script, float("nan"), 1] for mode in MODES for script in (False, True)]},
        {"found": [[mode, script, 0, float("inf")] for mode in MODES for script in (False, True)]},
    ],
)  # fmt: skip
def test_foreign_null_model_is_not_read(change: dict[str, Any]) -> None:
    assert read_null_model({**GOOD.stored(), **change}) is None


@pytest.mark.parametrize("stored", [None, [], "x", 3, {}])
def test_anything_else_is_not_a_null_model(stored: Any) -> None:
    assert read_null_model(stored) is None


def test_a_scale_of_zero_is_widened() -> None:
    stored = GOOD.stored()
    stored["found"] = [[mode, script, 0.1, 0.0] for mode, script, _, _ in stored["found"]]
    found = read_null_model(stored)
    assert found is not None and all(one.scale > 0 for one in found.found.values())


def test_damaged_cache_of_vectors_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEMSEARCH_CACHE", str(tmp_path))
    wanted, unknown = unrelated_vectors(TinyEmbedder())
    (kept,) = (tmp_path / "unrelated").iterdir()
    kept.write_bytes(b"short")
    again, unknown_again = unrelated_vectors(TinyEmbedder())
    assert np.array_equal(wanted, again) and np.array_equal(unknown, unknown_again)
    unused = TinyEmbedder()
    assert np.array_equal(unrelated_vectors(unused)[0], wanted) and unused.texts == 0


def test_model_that_fails_costs_an_ingest_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone(TinyEmbedder):
        def embed(self, *_: Any) -> Any:
            raise ModelError("the server is gone")

    monkeypatch.setenv("SEMSEARCH_CACHE", str(tmp_path / "cache"))
    with create_index(tmp_path / "i") as index:
        index.add([{"id": "a", "text": "one"}], id="id", text="text")
        index._library.save_setting(SETTING, None)
        monkeypatch.setenv("SEMSEARCH_CACHE", str(tmp_path / "none"))
        renew(index._library, Gone())
        assert index._library.setting(SETTING) is None


def test_without_an_embedder_words_alone_are_measured(tmp_path: Path) -> None:
    with create_index(tmp_path / "i") as index:
        index.add([{"id": "a", "text": "one"}], id="id", text="text")
        found = measured(index._library, index._library.passage_table(), None).found
        assert {mode for mode, _ in found} == {"lexical"}


# -- what is said -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["0.5", True, float("nan")])
def test_least_relevance_is_a_number(value: Any) -> None:
    with pytest.raises(InvalidInput, match="min_relevance"):
        SearchRequest("x", min_relevance=value)


def asked(index: Index, *words: str) -> tuple[str, str]:
    done = CliRunner().invoke(main, ["query", "--index", str(index.folder), *words])
    assert done.exit_code == 0
    return done.stdout, done.stderr


def test_query_says_nothing_relevant_and_how_to_see_the_hits(sample: Index) -> None:
    out, err = asked(sample, "kjhsdf oiwuer")
    assert out == "nothing relevant\n" and "--min-relevance 0" in err
    assert asked(sample, "kjhsdf oiwuer", "-l")[0] == "" == asked(sample, "kjhsdf oiwuer", "--markdown")[0]
    out, err = asked(sample, "kjhsdf oiwuer", "--min-relevance", "0")
    assert out.count("\n") > 5 and "note: nothing relevant" in err
    assert asked(sample, "kjhsdf oiwuer", "--min-relevance", "95%")[0] == "no hits\n"


def test_json_has_all_hits_and_says_whether_any_is_relevant(sample: Index) -> None:
    for question, relevant in (("kjhsdf oiwuer", False), ("how do I get my deposit back", True)):
        answer = json.loads(asked(sample, question, "--json")[0])
        assert answer["relevant"] is relevant and len(answer["hits"]) == 5
        assert any("nothing relevant" in note for note in answer["notes"]) is not relevant


def test_doubt_is_about_the_best_hit() -> None:
    hit = Hit(0.5, "a.md", "a.md", "x", "line", 1, 1, "1", cosine=0.3, relevance=0.2)
    assert nothing_relevant([hit]) and not nothing_relevant([hit, replace(hit, relevance=RELEVANT)])
    assert doubt([]) == "" and not nothing_relevant([])
