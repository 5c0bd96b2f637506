"""The keeper is chosen by the rules in order, then by position, and protected documents come first."""

import fnmatch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsearch.dedup.keeper import Traits, matching, preference
from semsearch.errors import InvalidInput


def traits(*documents: tuple[str, int, int]) -> Traits:
    sources, modified, length = zip(*documents, strict=True) if documents else ((), (), ())
    return Traits(sources, np.array(modified, np.int64), np.array(length, np.int64))


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
        (["path:*/A.md"], [0, 1, 2, 3]),
        (["path:*/[ac].md", "shortest"], [3, 0, 2, 1]),
    ],
)
def test_each_rule_decides_what_those_before_it_left_open(rules: list[str], order: list[int]) -> None:
    assert preference(rules, NOTES).tolist() == order


def test_protected_documents_come_before_every_rule() -> None:
    protected = matching(NOTES.sources, ["archive/old/*", "notes/b.md"])
    assert protected.tolist() == [1, 3]
    assert preference(["newest"], NOTES, protected).tolist() == [3, 1, 0, 2]
    assert preference(["newest"], NOTES, set(protected.tolist())).tolist() == [3, 1, 0, 2]


@pytest.mark.parametrize("rule", ["best", "", "path:", "Newest", "path"])
def test_an_unknown_rule_is_refused_with_those_there_are(rule: str) -> None:
    with pytest.raises(InvalidInput, match=f"'{rule}' is not a --keep rule") as refused:
        preference(["newest", rule], NOTES)
    assert refused.value.hint == "the rules are first, newest, oldest, longest, shortest, path:GLOB"


def test_no_documents_and_no_globs() -> None:
    assert preference(["newest", "path:*"], traits()).tolist() == []
    assert matching(NOTES.sources, []).tolist() == []
    assert matching([], ["*"]).tolist() == []


def test_names_in_any_script() -> None:
    assert matching(["笔记/一.md", "笔记/二.md", "注释/一.md"], ["笔记/*"]).tolist() == [0, 1]


small = st.integers(0, 3)
document = st.tuples(st.sampled_from(["a/x", "a/y", "b/x", "B/x"]), small, small)
rule = st.sampled_from(["first", "newest", "oldest", "longest", "shortest", "path:a/*", "path:*x", "path:b*"])


@given(st.lists(document, max_size=10), st.lists(rule, max_size=4), st.data())
def test_the_order_is_that_of_sorting_by_all_rules(
    documents: list[tuple[str, int, int]], rules: list[str], data: st.DataObject
) -> None:
    protected = data.draw(st.sets(st.sampled_from(range(len(documents))))) if documents else set()

    def key(position: int) -> list[int]:
        source, modified, length = documents[position]
        number = {
            "first": position,
            "newest": -modified,
            "oldest": modified,
            "longest": -length,
            "shortest": length,
        }
        ranks = [
            number[name] if name in number else not fnmatch.fnmatchcase(source, name.removeprefix("path:"))
            for name in rules
        ]
        return [position not in protected, *ranks, position]

    expected = sorted(range(len(documents)), key=key)
    assert preference(rules, traits(*documents), protected).tolist() == expected
