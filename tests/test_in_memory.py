"""`semsearch.dedup` and `semsearch.leak` on texts in memory: data keeps its form, and results explain themselves."""

import importlib
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pyarrow
import pytest
from tiny_embedder import TinyEmbedder

import semsearch
from semsearch import InvalidInput

TEXTS = [
    "the red cat sleeps on the old sofa", "opening hours are on the door", "the red cat sleeps on the old sofa",
    "", "the red cat sleeps on the old sofa today",
]  # fmt: skip
ROWS = [{"text": text, "number": number} for number, text in enumerate(TEXTS)]


def found(data: Any, **options: Any) -> semsearch.TextDuplicates[Any]:
    return semsearch.dedup(data, 0.9, embedder=TinyEmbedder(), **options)


def test_groups_have_texts_positions_and_reasons() -> None:
    result = found(TEXTS)
    (group,) = result.groups
    assert (group.position, group.text, result.total) == (0, TEXTS[0], 4)
    assert [(m.position, m.kind, m.why) for m in group.members] == [
        (2, "exact", "equal after light cleaning"),
        (4, "lexical", "86% of word triples shared"),
    ]
    assert [segment.b for segment in group.members[1].difference.changed] == ["today"]
    assert repr(result) == "<1 groups: 2 of 4 texts repeat another>"
    assert result.without(["exact"]) == [TEXTS[0], TEXTS[1], TEXTS[3], TEXTS[4]]


FORMS: list[tuple[Any, Callable[[Any], list[Any]]]] = [
    (TEXTS, list),
    (tuple(TEXTS), list),
    (ROWS, lambda rows: [row["text"] for row in rows]),
    (pandas.DataFrame(ROWS, index=[9, 8, 7, 6, 5]), lambda frame: frame["text"].tolist()),
    (pandas.Series(TEXTS), lambda series: series.tolist()),
    (pyarrow.Table.from_pylist(ROWS), lambda table: table["text"].to_pylist()),
    (np.array(TEXTS), lambda array: array.tolist()),
]


@pytest.mark.parametrize(("data", "texts"), FORMS, ids=lambda value: type(value).__name__)
def test_kept_has_the_form_of_the_data(data: Any, texts: Callable[[Any], list[Any]]) -> None:
    kept = found(data).kept
    assert type(kept) is type(data)
    assert texts(kept) == [TEXTS[0], TEXTS[1], TEXTS[3]]


def test_an_iterator_becomes_a_list() -> None:
    assert found(text for text in TEXTS).kept == [TEXTS[0], TEXTS[1], TEXTS[3]]


def test_result_is_a_table_and_escapes_its_texts() -> None:
    result = found(["<b>one two three four</b>"] * 2)
    assert [(row["group"], row["role"], row["position"]) for row in result.to_dicts()] == [
        (1, "keeper", 0), (1, "exact", 1),
    ]  # fmt: skip
    assert result.to_pandas()["text"].tolist() == ["<b>one two three four</b>"] * 2
    assert "<b>" not in result._repr_html_() and "&lt;b&gt;" in result._repr_html_()
    assert "<table>" in found(["a", "b"])._repr_html_()


def test_keep_rules_that_need_no_file() -> None:
    assert found(TEXTS, keep=["longest"]).kept == [TEXTS[1], TEXTS[3], TEXTS[4]]
    for options in ({"keep": ["newest"]}, {"protect": ["*"]}, {"keep": ["path:*"]}):
        with pytest.raises(InvalidInput, match="have no files"):
            found(TEXTS, **options)


def test_texts_that_say_something_else_are_alike_only() -> None:
    texts = [f"the meeting about the new saw is on the {day} of may in the hall" for day in (4, 5)]
    result = found(texts)
    (pair,) = result.alike
    assert (result.groups, pair.left_text, pair.right_text) == ((), *texts) and "4" in pair.reason
    (member,) = found(texts, remove_differing=True).groups[0].members
    assert "4" in member.why


def test_one_text_alone_is_refused() -> None:
    with pytest.raises(InvalidInput, match="is one text"):
        semsearch.dedup("a text")
    with pytest.raises(InvalidInput, match="no field 'body'"):
        found(ROWS, text="body")


def test_leak_lists_test_texts_of_the_training_data() -> None:
    result = semsearch.leak(pandas.DataFrame(ROWS[:2]), TEXTS[2:], threshold=0.9, embedder=TinyEmbedder())
    (match,) = result.matches
    assert (match.position, match.other, match.kind, match.other_text) == (0, 0, "exact", TEXTS[2])
    assert (result.rate, result.against, result.kept["number"].tolist()) == (0.5, 2, [1])
    assert repr(result) == "<1 of 2 test texts (50.0%) occur in 2 others>"
    assert result.to_dicts()[0]["train_text"] == TEXTS[2]


def test_leak_finds_what_lies_in_a_longer_text() -> None:
    part = "the members of the library vote on the budget of the next year in the big hall at noon"
    longer = f"first we eat. {part}. then all go home and nobody stays behind in the old house by the river"
    result = semsearch.leak([part], [longer], 0.99, contained=0.8, embedder=TinyEmbedder())
    assert [(match.kind, match.similarity) for match in result.matches] == [("contained", None)]


def test_the_function_is_a_package_too() -> None:
    module = importlib.import_module("semsearch.dedup.plan")
    assert semsearch.dedup.plan is module  # type: ignore[attr-defined]
    assert callable(semsearch.dedup)
    assert len(found(["a b c", "a b c"]).groups) == 1


SCRIPT = """
import semsearch
from semsearch import Hit, Index, dedup, leak

with Index.open_or_create("notes.db") as index:
    report = index.add([{"id": 1, "text": "a", "year": 2020}], metadata=["year"])
    index.add(["a", "b"], id=[1, "b"], metadata=[{"x": 1}, {"x": None}])
    ids: tuple[str, ...] = report.ids
    best: Hit = index.search("cat", k=3)[0]
    first: Hit = index.search(["a", "b"])[0][0]
    rows: list[dict[str, object]] = index.query("cat").to_dicts()
    n: int = len(index) + index.delete(ids)
    there: bool = "a" in index
    texts_of_records: list[str] = [record.text for record in index.get(["a", 1])]

found = dedup(["a", "b"], threshold=0.9, keep=["longest"])
texts: list[str] = found.kept
reasons: list[str] = [member.why for group in found.groups for member in group.members]
kept: tuple[str, ...] = semsearch.dedup(("a", "b")).kept
rate: float = leak(["a"], ["b"]).rate + semsearch.leak(["a"], ["b"]).rate
size: tuple[int, ...] = semsearch.embed(["a"]).shape
"""
WRONG = SCRIPT + "wrong: int = semsearch.dedup([1]).threshhold\n"
CHECKERS = {
    "mypy": ["mypy", "--strict"],
    "pyright": ["pyright", "--pythonpath", sys.executable],
}


@pytest.mark.long
@pytest.mark.parametrize("checker", CHECKERS)
def test_type_checkers_accept_a_users_script(checker: str, tmp_path: Path) -> None:
    """Check a right script and a wrong one. pyright is skipped where it cannot fetch what it runs on."""
    (tmp_path / "right.py").write_text(SCRIPT)
    (tmp_path / "wrong.py").write_text(WRONG)
    scripts = [str(tmp_path / name) for name in ("right.py", "wrong.py")]
    ran = subprocess.run(  # one process for both, since each takes seconds to begin
        [sys.executable, "-m", *CHECKERS[checker], *scripts],
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
    )
    if checker == "pyright" and "error" not in ran.stdout:
        pytest.skip(f"pyright does not run here: {ran.stderr[-200:]}")
    assert ran.returncode == 1, ran.stdout + ran.stderr
    errors = [line for line in ran.stdout.splitlines() if re.search(r":\d+(:\d+)?:? .*error", line)]
    assert len(errors) == 1 and "wrong.py" in errors[0] and "threshhold" in errors[0], ran.stdout
