"""Search by words, and by words and meaning, through an index with a tiny model."""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from soundness import assert_sound
from tiny_embedder import create_index

from semsearch.errors import InvalidInput
from semsearch.index import FOLDER, LONGEST_QUERY, Index
from semsearch.requests import SearchRequest
from semsearch.search import fusion
from semsearch.types import Hit, Mode

ROWS = 400
COLOURS = ["red", "green", "blue", "grey"]


def row(number: int) -> dict[str, str | int | bool]:
    colour = COLOURS[number % 4]
    return {
        "text": f"item {number:04} is {colour} and {'rarely' if number % 100 == 7 else 'always'} painted twice",
        "number": number,
        "price": f"{number / 2}",
        "day": f"2024-{1 + number % 12:02}-{1 + number % 28:02}",
        "colour": colour.title(),
        "sold": number % 3 == 0,
        "Shelf mark": f"S{number % 5}",
    }


@pytest.fixture(params=["all", "graph"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Compare all vectors, as in small indexes, or search Chroma's graph, as in large ones. Return which."""
    if request.param == "graph":
        monkeypatch.setattr("semsearch.storage.library.vector_file.SCANNED_BYTES", -1)
    return str(request.param)


both_ways = pytest.mark.usefixtures("way")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    """400 rows in two files; tests must not write to it."""
    folder = tmp_path_factory.mktemp("shop")
    for name, start in (("one.jsonl", 0), ("two.jsonl", 1)):
        lines = [json.dumps(row(number)) for number in range(start, ROWS, 2)]
        (folder / name).write_text("\n".join(lines), encoding="utf-8")
    with create_index(folder / FOLDER) as index:
        index.ingest([folder])
        yield index
        assert_sound(index)


def numbers(hits: list[Hit]) -> list[int]:
    return [int(hit.metadata["number"]) for hit in hits]


@both_ways
@pytest.mark.parametrize("mode", ["hybrid", "dense", "lexical"])
@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("number>=390", lambda n: n >= 390),
        ("price<2", lambda n: n / 2 < 2),
        ("price:7", lambda n: n == 14),
        ("day:2024-03 day>2024-03-20", lambda n: n % 12 == 2 and n % 28 >= 20),
        ("colour:red number<20", lambda n: n % 4 == 0 and n < 20),
        ("colour:gr* number<20", lambda n: n % 4 in (1, 3) and n < 20),
        ("colour!=red -colour:blue number<20", lambda n: n % 4 in (1, 3) and n < 20),
        ("sold:yes number<20", lambda n: n % 3 == 0 and n < 20),
        ("shelf_mark:s3 number<20", lambda n: n % 5 == 3 and n < 20),
        ("source:one* number<20", lambda n: n % 2 == 0 and n < 20),
        ("-source:one* number<20", lambda n: n % 2 == 1 and n < 20),
        ("+rarely", lambda n: n % 100 == 7),
        ("-always", lambda n: n % 100 == 7),
        ('"rarely painted"', lambda n: n % 100 == 7),
        ('-"always painted"', lambda n: n % 100 == 7),
        ("number>=390 number<390", lambda n: False),
    ],
)
def test_conditions_are_applied_before_the_best_are_chosen(shop: Index, mode, condition, holds) -> None:  # type: ignore[no-untyped-def]
    for k in (5, 1_500):
        hits = shop.query(f"item painted {condition}", mode=mode, k=k)
        wanted = [n for n in range(ROWS) if holds(n)]
        assert set(numbers(hits)) <= set(wanted)
        assert len(hits) == min(k, len(wanted))
    every = shop.query(f"item painted {condition}", mode=mode, k=ROWS)
    assert numbers(every[:5]) == numbers(shop.query(f"item painted {condition}", mode=mode, k=5))


@both_ways
def test_a_rare_word_wins_over_meaning(shop: Index) -> None:
    (hit,) = shop.query("where is 0217", k=1, explain=True)
    assert numbers([hit]) == [217]
    assert hit.lexical_rank == 1
    assert numbers(shop.query("0217", k=3, mode="lexical")) == [217], "no other passage has the word"


@both_ways
def test_words_that_are_nowhere_leave_meaning_alone(shop: Index) -> None:
    def found(mode: str) -> list[str]:
        return [hit.passage_id for hit in shop.query("zzz unheard qqq", k=20, mode=mode)]  # type: ignore[arg-type]

    assert found("hybrid") == found("dense")
    assert found("lexical") == []


@both_ways
def test_scores_say_what_they_are_made_of(shop: Index) -> None:
    for hit in shop.query("item 0217 is painted green", k=30, explain=True):
        assert hit.cosine is not None
        assert hit.bm25 is not None
        assert hit.score >= hit.cosine
    dense = {hit.passage_id: hit for hit in shop.query("item 0217", k=ROWS, mode="dense", explain=True)}
    lexical = {hit.passage_id: hit for hit in shop.query("item 0217", k=ROWS, mode="lexical", explain=True)}
    for hit in shop.query("item 0217", k=ROWS, explain=True):
        assert hit.cosine == pytest.approx(dense[hit.passage_id].score, abs=1e-5)
        assert hit.bm25 == pytest.approx(lexical[hit.passage_id].score)
        assert (hit.dense_rank, hit.lexical_rank) == (
            dense[hit.passage_id].dense_rank,
            lexical[hit.passage_id].lexical_rank,
        )
    assert next(iter(lexical.values())).cosine is None
    assert next(iter(dense.values())).bm25 is None


def test_at_most_so_many_passages_of_a_document(tmp_path: Path) -> None:
    for name in ("long", "other"):
        (tmp_path / f"{name}.md").write_text(
            "\n\n".join(f"paragraph {number} of {name} " + "word " * 40 for number in range(30)),
            encoding="utf-8",
        )
    with create_index(tmp_path / FOLDER) as index:
        index.ingest([tmp_path])
        for most in (1, 3):
            documents = [hit.document for hit in index.query("paragraph of long", k=100, per_document=most)]
            assert sorted(documents) == ["long.md"] * most + ["other.md"] * most
        with pytest.raises(InvalidInput, match="per_document"):
            index.query("x", per_document=0)
        assert_sound(index)


def test_what_is_searched_by_words_is_what_is_published(tmp_path: Path) -> None:
    def found(word: str) -> list[str]:
        return sorted(hit.source for hit in index.query(word, mode="lexical", collapse=False))

    with create_index(tmp_path / "index") as index:
        for name in ("a", "b"):
            (tmp_path / f"{name}.txt").write_text("alpaca 组件 café")
        index.ingest([tmp_path / "a.txt", tmp_path / "b.txt"])
        assert found("ALPACAS") == found("组件") == found("组") == found("cafe") == ["a.txt", "b.txt"]
        (tmp_path / "a.txt").write_text("buffalo")
        index.ingest([tmp_path / "a.txt"])
        assert (found("alpaca"), found("buffalo")) == (["b.txt"], ["a.txt"])
        assert_sound(index)
        index.remove(tmp_path / "b.txt")
        assert found("alpaca") == []
        index._library.rebuild_full_text()
        assert found("buffalo") == ["a.txt"]
        assert_sound(index)


def test_a_passage_is_found_by_the_headings_above_it(tmp_path: Path) -> None:
    """By a word that is not in its text, and by several that stand there one after the other."""
    body = "\n\n".join(f"sentence {number} says that wool is warm and soft." for number in range(60))
    (tmp_path / "farm.md").write_text(f"---\ntitle: Grazing animals\n---\n\n# Alpacas\n\n{body}")
    with create_index(tmp_path / "index") as index:
        index.ingest([tmp_path / "farm.md"])
        every = index.query("wool", k=100, mode="lexical")
        bare = [hit for hit in every if "Alpacas" not in hit.text]
        assert bare and {hit.heading for hit in bare} == {"Grazing animals > Alpacas"}
        for query in ("alpaca", "grazing", '"grazing animals"', "+alpacas wool"):
            assert len(index.query(query, k=100, mode="lexical")) == len(every), query
        assert index.query("wool -alpacas", k=100, mode="lexical") == []
        assert index.query('"animals grazing"', mode="lexical") == []
        assert_sound(index)


HOSTILE = [
    "'; DROP TABLE passages; --", '" OR 1=1 --', "NEAR(a b, 5)", "a AND NOT b*", "^col:term", "{a b}: c", "((((", '"""',
    "\0", "\x1b[31m", "🎉", "👩‍👩‍👧‍👦 family", "a" * 9_999, "year>=", ">=2020",
    "source:", "source:[", "number>=abc", "number:1e999",
    "day>=2024-99-99", "number>=" + "9" * 400, "number>=" + "9" * 99_999 + "x",
    '+"" x', "- x", "+-+- x", "\u202e evil", "%s %d {0}", "..\\..\\x",
    "ﬀ ＡＢＣ", "\ud800 x",
    "NULL", "number:NaN x", "x source:*[!a]*", "a\u0301\u0302", "ß" * 50,
]  # fmt: skip


PIECES = [
    *HOSTILE, "item", "painted", "red", '"', "-", "+", ":", "number", ">=", "price<3", "组件", " ", "\n",
    *map(chr, (0x7f, 0x85, 0xad, 0x200b, 0x202e, 0xfeff, 0xffff, 0x1f468, 0x10ffff)),
]  # fmt: skip


@pytest.mark.parametrize("mode", get_args(Mode))
def test_nothing_that_is_typed_is_an_error_of_ours(shop: Index, mode: Mode) -> None:
    draw = random.Random(0)
    joined = ["".join(draw.choices(PIECES, k=draw.randint(1, 5))) for _ in range(800)]
    random_ones = [
        "".join(map(chr, draw.choices(range(1, 0x3000), k=draw.randint(1, 40)))) for _ in range(170)
    ]
    queries = [*HOSTILE, *joined, *random_ones]
    assert len(queries) > 1_000
    answered = 0
    for query in queries:
        try:
            hits = shop.query(query, k=3, mode=mode)
        except InvalidInput as error:
            assert "query" in str(error)
        else:
            answered += bool(hits)
            assert all(np.isfinite(hit.score) for hit in hits)
    assert answered > 50


def test_a_query_has_a_limit(shop: Index) -> None:
    with pytest.raises(InvalidInput, match="10,000,001 characters"):
        shop.query("x" * 10_000_001)
    assert shop.query("x " * (LONGEST_QUERY // 2), k=1)


@pytest.mark.parametrize(
    ("query", "reason"), [("-xy", "only exclusions"), (" ", "empty"), ('-"a b" -cc', "only excl")]
)
def test_a_query_must_say_what_it_looks_for(shop: Index, query: str, reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason):
        shop.query(query)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("number<4", [0, 2, 1, 3]),
        ("number<4 -source:one.jsonl", [1, 3]),
        ("number<=6 -red source:one.jsonl", [2, 6]),
        ("number=5 OR number=8", [8, 5]),
        ("number<4 AND NOT sold:true", [2, 1]),
        ("sold:true number<10 colour:red OR colour:green", [0, 9]),
    ],
)
def test_conditions_alone_list_documents(shop: Index, query: str, expected: list[int]) -> None:
    hits = shop.query(query, k=ROWS)
    assert [hit.metadata["number"] for hit in hits] == expected
    assert {(hit.score, hit.cosine, hit.bm25, hit.highlight, hit.copies) for hit in hits} == {
        (0.0, None, None, (0, 0), ())
    }


def test_a_list_is_cut_at_k_and_says_so(shop: Index) -> None:
    request = SearchRequest("colour:red", k=3)
    assert [hit.metadata["number"] for hit in shop.search(request)] == [0, 4, 8]
    assert shop.notes(request) == [
        "the first 3 of 100 documents that meet the conditions are listed; -k 100 lists all"
    ]
    assert shop.notes(SearchRequest("colour:red", k=100)) == []


def test_a_list_needs_no_model(shop: Index) -> None:
    before = shop.embedder.texts  # type: ignore[attr-defined]
    assert shop.query("colour:red", rerank="no-such-model", min_score=0.9)
    assert shop.embedder.texts == before  # type: ignore[attr-defined]


@pytest.mark.parametrize("query", ["number>=abc", "day<2024-13-01", "item day>=soon"])
def test_what_cannot_be_compared_is_refused(shop: Index, query: str) -> None:
    for ask in (
        shop.query,
        lambda query: shop.notes(SearchRequest(query)),
        lambda query: shop.facets(["day"], query),
    ):
        with pytest.raises(InvalidInput, match="is neither a number nor a date") as caught:
            ask(query)
        assert "write one as in" in caught.value.hint


@pytest.mark.parametrize(
    ("query", "note"),
    [
        ("colour:blu", "no document has colour:blu; did you mean Blue?"),
        ("colour=zzz", "no document has colour=zzz; its values are Blue, Green, Grey, Red"),
        ("number>1000", "no document has number>1000; its values go from 0 to 399"),
        ("day>2030", "no document has day>2030; its values go from 2024-01-01 to 2024-12-28"),
        ("item -colour:pink", "no document has colour:pink; its values are Blue, Green, Grey, Red"),
    ],
)
def test_a_value_that_no_document_has_is_said(shop: Index, query: str, note: str) -> None:
    assert note in shop.notes(SearchRequest(query))


def test_a_literal_query_is_text(shop: Index) -> None:
    assert len(shop.query('-red +"blue" number>=3', k=ROWS, literal=True)) == ROWS


@given(
    st.lists(st.tuples(st.integers(1, 6), st.floats(-1, 2.5, width=32, allow_subnormal=False)), max_size=40),
    st.integers(1, 60),
)
def test_what_documents_add_is_right_for_the_best(rows: list[tuple[int, float]], wanted: int) -> None:
    documents = np.array([document for document, _ in rows], np.int64)
    score = np.array([value for _, value in rows], np.float32)
    expected = []
    for document, value in zip(documents.tolist(), score.tolist(), strict=True):
        best, *others = sorted(score[documents == document].tolist(), reverse=True)
        if best <= 0:
            expected.append(value)
            continue
        ratios = [max(other / best, 0.0) for other in others[: fusion.NEXT]]
        ratios += [fusion.TYPICAL] * (fusion.NEXT - len(ratios))
        expected.append(value * (1 + fusion.DOCUMENT * (sum(ratios) / fusion.NEXT - fusion.TYPICAL)))
    found = fusion.by_document(score, documents, wanted)
    assert len(found) == len(rows)
    best_found = sorted(found.tolist(), reverse=True)[:wanted]
    assert best_found == pytest.approx(sorted(expected, reverse=True)[:wanted], rel=1e-5, abs=1e-6)
    for value, right, own in zip(found.tolist(), expected, score.tolist(), strict=True):
        assert value == pytest.approx(right, rel=1e-5, abs=1e-6) or value == own


def test_document_with_several_answers_ranks_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filler = "nothing of that kind is said here " * 12
    once = ["heron nests nests", *["" for _ in range(4)]]
    often = [f"the heron nests {number}" for number in range(3)]
    for name, parts in (("once", once), ("often", often)):
        text = "\n\n".join(f"# Part {number}\n\n{part} {filler}" for number, part in enumerate(parts))
        (tmp_path / f"{name}.md").write_text(text, encoding="utf-8")
    with create_index(tmp_path / FOLDER) as index:
        index.ingest([tmp_path])
        hits = index.query("where a heron nests", k=20, collapse=False, per_document=None)
        assert hits[0].document == "often.md"
        assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
        own = {
            hit.passage_id: hit
            for hit in index.query(
                "where a heron nests", k=20, collapse=False, per_document=None, explain=True
            )
        }
        factors = {hit.document: hit.document_factor for hit in own.values()}
        assert factors["once.md"] < 1 < factors["often.md"] <= 1.05
        (alone,) = index.query("where a heron nests", k=1, source="once.md")
        assert alone.score == next(hit.score for hit in hits if hit.document == "once.md")
        monkeypatch.setattr(fusion, "DOCUMENT", 0)
        assert index.query("where a heron nests", k=1)[0].document == "once.md"
        for hit in index.query("where a heron nests", k=20, collapse=False, per_document=None):
            assert own[hit.passage_id].score == pytest.approx(hit.score * own[hit.passage_id].document_factor)
        assert_sound(index)
