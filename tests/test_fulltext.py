"""Full-text search: the terms of a text, and BM25 against a reference that counts words one by one."""

import math
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from timing import seconds_of

from semsearch.storage.library import fulltext
from semsearch.storage.library.connection import connect
from semsearch.storage.library.fulltext import FullText, stemmed
from semsearch.text.analyzer import LONGEST_TERM, index_terms, normalize, phrase_pattern, query_terms


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("Hello, World-wide web!", ["hello", "world", "wide", "web"]),
        ("vitamin C", ["vitamin", "c"]),
        ("C++, C# or F#", ["or", "c++", "c#", "f#"]),
        ("用C++写", ["用", "写", "c++"]),
        ("R&D at AT & T", ["at", "r&d", "at&t"]),
        ("c/o I/O", ["c/o", "i/o"]),
        ("ＡＢＣ１２ Straße CAFÉ cafe\u0301", ["abc12", "strasse", "cafe", "cafe"]),
        ("搜索引擎", ["搜索", "索引", "引擎"]),
        ("Vue组件,猫", ["vue", "组件", "猫"]),
        ("ｶﾞｲﾄﾞ ガイド", ["ガイ", "イド", "ガイ", "イド"]),
        ("한국어 검색", ["한국", "국어", "검색"]),
        ("ภาษา", ["ภา", "าษ", "ษา"]),
        ("हिन्दी शब्द", ["हिन्दी", "शब्द"]),
        ("🎉 -- \0 !", []),
        ("x" * 100, ["x" * LONGEST_TERM]),
    ],
)
def test_terms(text: str, terms: list[str]) -> None:
    assert query_terms(text) == terms
    found, length = index_terms(text)
    assert found[:length] == terms
    assert all(len(term) == 1 for term in found[length:]), "single characters, for queries of one"


@pytest.mark.parametrize(
    ("text", "more"),
    [
        ("Notepad++", ["notepad", "notepad++"]),
        (".NET and ASP.NET", ["net", "and", "asp", "net", ".net"]),
        ("#budget @anna", ["budget", "anna", "#budget", "@anna"]),
        ("Python 3.11.2 at 12:30", ["python", "3", "11", "2", "at", "12", "30", "3.11.2", "12:30"]),
        ("snake_case", ["snake", "case", "snake_case"]),
        ("می\u200cخواهم", ["می", "خواهم", "میخواهم"]),
    ],
)
def test_words_with_signs_are_found_by_their_parts_too(text: str, more: list[str]) -> None:
    assert query_terms(text) == index_terms(text)[0] == more


def test_parts_of_camel_case_are_found() -> None:
    assert {"getusername", "get", "user", "name"} <= set(index_terms("call getUserName()")[0])


@pytest.mark.parametrize("text", ["a_", "1.", "a/", "a&", "#", ".", "aB", "+", "a\u200c", "1:"])
def test_no_text_takes_long_to_split(text: str) -> None:
    assert seconds_of(lambda: index_terms(text * 50_000), bound=5) < 5


@given(st.text(max_size=40))
def test_what_folds_alike_is_found_alike(text: str) -> None:
    assert set(query_terms(text)) <= set(index_terms(text)[0])
    assert query_terms(text.upper()) == query_terms(text.upper().lower()) or not text.isascii()


@pytest.mark.parametrize(
    ("wanted", "text", "found"),
    [
        ("rate limit", "The Rate-Limit is", True),
        ("rate limit", "the rate limits", False),
        ("limit", "delimit", False),
        ("rate limit", "limit rate", False),
        ("索引", "搜索引擎", True),
        ("Vue组件", "用 vue 组件", True),
        ("a+b.*", "a b", True),
        ("naïve", "NAIVE", True),
        ("C++", "I write C++.", True),
        ("C++", "C++17", True),
        ("C++", "vitamin C", False),
        ("C++", "C#", False),
        ("C", "C++ or C#", False),
        ("C", "vitamin C.", True),
        ("C#", "用C#写", True),
        (".NET", "the .NET runtime", True),
        (".NET", "a net", False),
        ("R&D", "our R & D team", True),
        ("R&D", "r d", False),
        ("3.11", "version 3.11.2", False),
        ("3.11.2", "version 3.11.2.", True),
        ("Node.js", "node js", True),
    ],
)
def test_phrases(wanted: str, text: str, found: bool) -> None:
    pattern = phrase_pattern(wanted)
    assert pattern is not None
    assert bool(pattern.search(normalize(text))) == found


def test_words_share_a_stem() -> None:
    words = ["connect", "connected", "connection", "running", "runs", "数据", "naïve"]
    # Porter, An algorithm for suffix stripping, 1980: CONNECT is his first example.
    assert stemmed(words) == ["connect"] * 3 + ["run"] * 2 + ["数据", "naïve"]


WORDS = ["amber", "birch", "cedar", "dune", "fern", "the", "组件", "数", "iris"]


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FullText]:
    monkeypatch.setattr(fulltext, "_SEGMENT", 5)
    monkeypatch.setattr(fulltext, "_LARGEST", 40)
    with closing(connect(tmp_path / "shelf", create=True)) as db:
        db.execute("BEGIN")
        for statement in fulltext.SCHEMA.split(";\n"):
            db.execute(statement)
        yield FullText(db)


def reference(texts: dict[int, str], terms: list[str]) -> dict[int, float]:
    """BM25 with k1 1.2 and b 0.75 from its definition, on words between blanks."""
    words = {number: text.split() for number, text in texts.items()}
    average = sum(map(len, words.values())) / len(words)
    scores = dict.fromkeys(texts, 0.0)
    for term in terms:
        having = [number for number in words if term in words[number]]
        for number in having:
            often = words[number].count(term)
            idf = math.log(1 + (len(words) - len(having) + 0.5) / (len(having) + 0.5))
            length = 1 - 0.75 + 0.75 * len(words[number]) / average
            scores[number] += idf * often * 2.2 / (often + 1.2 * length)
    return scores


@pytest.mark.parametrize("seed", range(5))
def test_scores_equal_the_definition_after_any_changes(shelf: FullText, seed: int) -> None:
    draw, texts, next_number = random.Random(seed), dict[int, str](), 1
    for _ in range(30):
        if draw.random() < 0.3 and texts:
            gone = draw.sample(sorted(texts), draw.randint(1, len(texts)))
            shelf.tombstone([*gone, 10_000])
            texts = {number: text for number, text in texts.items() if number not in gone}
        else:
            new = {next_number + at: " ".join(draw.choices(WORDS, k=draw.randint(1, 9))) for at in range(12)}
            next_number = max([0, *texts, *new]) + 1
            shelf.add((number, number + 7, number % 3, "", text) for number, text in new.items())
            texts |= new
        roll = shelf.passage_table()
        assert dict(zip(roll.numbers[roll.live].tolist(), roll.vectors[roll.live].tolist(), strict=True)) == {
            number: number + 7 for number in texts
        }
        if texts:
            terms = draw.choices([*WORDS, "absent"], k=4)
            scores, most = shelf.bm25(Counter(stemmed(terms)), roll)
            found = dict(zip(roll.numbers[roll.live].tolist(), scores[roll.live].tolist(), strict=True))
            assert found == pytest.approx(reference(texts, terms), abs=1e-4)
            assert not scores[~roll.live].any()
            assert scores.max() <= most
    for number in range(200, 300):
        shelf.add([(number, 1, 1, "", "amber")])
    sizes = [end - start for start, end in shelf.passage_table().segments.values()]
    assert len(sizes) <= math.log2(40) + sum(sizes) / 20, "segments do not pile up"
