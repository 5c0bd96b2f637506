"""The keeper is chosen by the rules in order, then by position, and protected documents come first."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsearch.dedup.keeper import Traits, preference, protected
from semsearch.errors import InvalidInput
from semsearch.patterns import Names


def traits(*documents: tuple[str, int, int]) -> Traits:
    sources, modified, length = zip(*documents, strict=True) if documents else ((), (), ())
    return Traits(
        Names(sources, sources, Path("/base")), np.array(modified, np.int64), np.array(length, np.int64)
    )


NOTES = traits(
    ("notes/a.md", 30, 500),
    ("notes/b.md", 10, 700),
    ("archive/a.md", 10, 700),
    ("archive/old/c.md", 20, 100),
)


@pytest.mark.parametrize(
    ("rules", "order"),
    [
        ([], [0, 1, 2, 3]),
        (["first"], [0, 1, 2, 3]),
        (["newest"], [0, 3, 1, 2]),
        (["oldest"], [1, 2, 3, 0]),
        (["longest"], [1, 2, 0, 3]),
        (["shortest"], [3, 0, 1, 2]),
        (["path:archive/*"], [2, 3, 0, 1]),
        (["path:archive/*", "longest", "newest"], [2, 3, 1, 0]),
        (["longest", "path:archive/*"], [2, 1, 0, 3]),
        (["oldest", "first", "path:archive/*"], [1, 2, 3, 0]),
        (["path:*/[ac].md", "shortest"], [3, 0, 2, 1]),
    ],
)
def test_each_rule_decides_what_those_before_it_left_open(rules: list[str], order: list[int]) -> None:
    assert preference(rules, NOTES).tolist() == order


def test_protected_documents_come_before_every_rule() -> None:
    ahead = protected(NOTES.names, ["archive/old/*", "notes/b.md"])
    assert ahead.tolist() == [1, 3]
    assert preference(["newest"], NOTES, ahead).tolist() == [3, 1, 0, 2]
    assert preference(["newest"], NOTES, set(ahead.tolist())).tolist() == [3, 1, 0, 2]


@pytest.mark.parametrize("pattern", ["archive/Old", "archvie/*", "b.md"])
def test_a_pattern_that_protects_nothing_is_refused(pattern: str) -> None:
    for call in (
        lambda: protected(NOTES.names, ["notes", pattern]),
        lambda: preference(["newest", f"path:{pattern}"], NOTES),
    ):
        with pytest.raises(InvalidInput, match="matches no source") as refused:
            call()
        assert refused.value.hint.startswith("did you mean ")


@pytest.mark.parametrize("rule", ["best", "", "path:", "Newest", "path"])
def test_an_unknown_rule_is_refused_with_those_there_are(rule: str) -> None:
    with pytest.raises(InvalidInput, match=f"'{rule}' is not a --keep rule") as refused:
        preference(["newest", rule], NOTES)
    assert refused.value.hint == "the rules are first, newest, oldest, longest, shortest, path:PATTERN"


def test_no_documents_and_no_globs() -> None:
    assert preference(["newest", "path:*"], traits()).tolist() == []
    assert protected(NOTES.names, []).tolist() == []
    assert protected(traits().names, ["*"]).tolist() == []


def test_names_in_any_script() -> None:
    sources = ["笔记/一.md", "笔记/二.md", "注释/一.md"]
    assert protected(Names(sources, sources, Path("/base")), ["笔记/*"]).tolist() == [0, 1]


small = st.integers(0, 3)
document = st.tuples(st.sampled_from(["a/x", "a/y", "b/x", "B/x"]), small, small)
PATHS: dict[str, Callable[[str], bool]] = {
    "path:a/*": lambda source: source.startswith("a/"),
    "path:*x": lambda source: source.endswith("x"),
    "path:b*": lambda source: source.startswith("b"),
}
rule = st.sampled_from(["first", "newest", "oldest", "longest", "shortest", *PATHS])


@given(st.lists(document, max_size=10), st.lists(rule, max_size=4), st.data())
def test_the_order_is_that_of_sorting_by_all_rules(
    documents: list[tuple[str, int, int]], rules: list[str], data: st.DataObject
) -> None:
    ahead = data.draw(st.sets(st.sampled_from(range(len(documents))))) if documents else set()

    def key(position: int) -> list[int]:
        source, modified, length = documents[position]
        number = {
            "first": position,
            "newest": -modified,
            "oldest": modified,
            "longest": -length,
            "shortest": length,
        }
        ranks = [number[name] if name in number else not PATHS[name](source) for name in rules]
        return [position not in ahead, *ranks, position]

    if any(
        documents and not any(PATHS[name](source) for source, _, _ in documents)
        for name in PATHS
        if name in rules
    ):
        with pytest.raises(InvalidInput, match="matches no source"):
            preference(rules, traits(*documents), ahead)
        return
    expected = sorted(range(len(documents)), key=key)
    assert preference(rules, traits(*documents), ahead).tolist() == expected
