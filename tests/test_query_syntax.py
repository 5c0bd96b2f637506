"""The query syntax: the meaning of a query."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsearch.search.query import Condition, Query, Word, parse
from semsearch.types import FieldValue

FIELDS = {"year", "day", "author", "publication_year"}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("how do refunds work", Query("how do refunds work")),
        ('the "rate limit" is', Query("the rate limit is", required=(Word("rate limit", exact=True),))),
        ("a +must -not", Query("a must", required=(Word("must"),), excluded=(Word("not"),))),
        ('x -"two words"', Query("x", excluded=(Word("two words", exact=True),))),
        ("查询 “确切 短语”", Query("查询 确切 短语", required=(Word("确切 短语", exact=True),))),
        ("x source:notes/*", Query("x", conditions=(Condition("source", ":", "notes/*"),))),
        ('x -source:"my notes/*"', Query("x", conditions=(Condition("source", ":", "my notes/*", True),))),
        ("x Year>=2020", Query("x", conditions=(Condition("year", ">=", "2020"),))),
        ("x year!=2020", Query("x", conditions=(Condition("year", "!=", "2020"),))),
        ('x author:"A. Lee"', Query("x", conditions=(Condition("author", ":", "A. Lee"),))),
        ("x publication_year<1999", Query("x", conditions=(Condition("publication_year", "<", "1999"),))),
        ("note: buy milk", Query("note: buy milk")),
        ("https://example.org/a?b=c", Query("https://example.org/a?b=c")),
        ("std::vector a-b co-op", Query("std::vector a-b co-op")),
        ("yeer>=2020", Query("yeer>=2020", unknown=("yeer>=2020",))),
        ("grep --color - + -- x", Query("grep --color - + -- x")),
        ('an "open quote', Query('an "open quote')),
        ("-only -exclusions", Query("", excluded=(Word("only"), Word("exclusions")))),
        ('"" " "', Query("")),
        ("grep -v", Query("grep -v", signed=("-v",))),
        ("was it -5 degrees or -0.5", Query("was it -5 degrees or -0.5", signed=("-5", "-0.5"))),
        ("pay +5 or -$20 or -3%", Query("pay +5 or -$20 or -3%", signed=("+5", "-3%"))),
        ("call +49 30 1234", Query("call +49 30 1234", signed=("+49",))),
        ("a -b", Query("a -b", signed=("-b",))),
        ('x -"v" -"5"', Query("x", excluded=(Word("v", exact=True), Word("5", exact=True)))),
        ("ls -la", Query("ls", excluded=(Word("la"),))),
        ("git log --oneline", Query("git log --oneline")),
        ("a -> b +/- c", Query("a -> b +/- c")),
        ("5' 10\" tall", Query("5' 10\" tall")),
        ("meet at 12:30, or 9:15:00?", Query("meet at 12:30, or 9:15:00?")),
        ("open http://x:80 now", Query("open http://x:80 now")),
        ("C:\\notes\\a.md D:/b", Query("C:\\notes\\a.md D:/b")),
        ("status:open", Query("status:open", unknown=("status:open",))),
        ("−5 or –5", Query("−5 or –5")),
        ("x OR y AND z", Query("x OR y AND z", connectives=("AND", "OR"))),
        ("TO BE OR NOT TO BE", Query("TO BE OR NOT TO BE")),
        ("cats or dogs and not mice", Query("cats or dogs and not mice")),
        ("year:1 AND x", Query("x", conditions=(Condition("year", ":", "1"),))),
        ("NOT year:1", Query("", conditions=(Condition("year", ":", "1", excluded=True),))),
        ("NOT -year:1", Query("", conditions=(Condition("year", ":", "1"),))),
        (
            "day:2 year:1 OR NOT year:2",
            Query(
                "",
                conditions=(
                    Condition("day", ":", "2"),
                    Condition("year", ":", "1"),
                    Condition("year", ":", "2", excluded=True, alternative=True),
                ),
            ),
        ),
        ("year:1 OR x", Query("OR x", conditions=(Condition("year", ":", "1"),), connectives=("OR",))),
        ("没有 -猫 的", Query("没有 的", excluded=(Word("猫"),))),
    ],
)
def test_parts(query: str, expected: Query) -> None:
    assert parse(query, lambda: FIELDS) == expected


def test_what_is_excluded_or_taken_as_text_is_said() -> None:
    notes = parse('how to grep -v -draft -"old plan" yeer:1 -5', lambda: FIELDS).notes
    assert notes == (
        "passages with draft are excluded; --literal searches for -draft as text",
        'passages with "old plan" are excluded; --literal searches for -"old plan" as text',
        '-v was searched as text; -"v" is an operator',
        '-5 was searched as text; -"5" is an operator',
        "the index has no field for yeer:1, so this was searched as text; did you mean year?",
    )
    assert parse('+must "phrase" -source:x/* year>1', lambda: FIELDS).notes == ()
    assert parse("a OR b", lambda: FIELDS).notes == (
        "OR between words was searched as text: any of the words is enough already",
    )


@given(
    st.text(alphabet=st.sampled_from(list("ab1年 \"'+-:=<>!*.“”\n\0\\%;()🎉")), max_size=60)
    | st.text(max_size=60)
)
def test_anything_can_be_typed_and_no_word_is_lost(query: str) -> None:
    parsed = parse(query, lambda: FIELDS)
    kept = [
        parsed.text,
        *(word.text for word in parsed.excluded),
        *(c.field + c.value for c in parsed.conditions),
    ]
    letters = {character for character in query.casefold() if character.isalnum()}
    assert letters <= set("".join(kept).casefold())


@given(st.lists(st.sampled_from(["apple", "a-b", "naïve", "苹果", "3.14", "e.g.", "(x)"]), min_size=1))
def test_plain_words_are_plain_text(words: list[str]) -> None:
    assert parse(" ".join(words), lambda: FIELDS) == Query(" ".join(words))


@pytest.mark.parametrize(
    ("condition", "true", "false"),
    [
        (":2020", [2020, "2020", 2020.0, "2020-07-01"], [2021, "x2020", "12020", True]),
        (">=2020", [2020, "2021", 2020.5, "2020-01-01"], [2019, "2019-12-31", "new", ""]),
        ("<9", [8, "8", "-10", 8.9], [9, "10", "many"]),
        (":2024-05", ["2024-05-01", "2024-05-31T23:59", "2024-05"], ["2024-06-01", "2024", "May"]),
        (">2024-05", ["2024-06-01"], ["2024-05-31", "2024-04", "2024"]),
        ("<=2024-05-03", ["2024-05-03T10:00:00", "2024-05-02"], ["2024-05-04"]),
        ("<=2024-05-03T22:30:00Z", ["2024-05-04T00:00:00+02:00"], ["2024-05-04T00:45:00+02:00"]),
        (":lee", ["Lee", " LEE ", "Bruce Lee", "Lée"], ["Leeds", "bleed"]),
        ('="bruce lee"', ["Bruce Lee", ("x", "bruce lee")], ["Mr Bruce Lee", "lee"]),
        (":李", ["李小龙"], ["成龙"]),
        ("!=lee", ["bruce lee", ("li", "lo")], ["Lee", ("li", "lee")]),
        (":*lee*", ["Bruce Lee", "Leeds"], ["Li"]),
        ("!=lee", ["li", 3], ["Lee"]),
        (":true", [True, "true"], [False, 1, "yes"]),
        (">m", ["zeta", "N"], ["alpha"]),
    ],
)
def test_conditions(condition: str, true: list[FieldValue], false: list[FieldValue]) -> None:
    parsed = parse(f"author{condition}", lambda: FIELDS).conditions[0]
    assert [value for value in true if not parsed.test()(value)] == []
    assert [value for value in false if parsed.test()(value)] == []


def test_a_nested_tag_is_met_by_the_tag_above_it() -> None:
    test = Condition("tags", ":", "#Project").test()
    assert (
        test("project")
        and test(("home", "project/x/y"))
        and not test(("projects", "my-project", "x/project"))
    )
    assert Condition("tags", ":", "project/*").test()("project/x")


@pytest.mark.parametrize(
    ("query", "told"),
    [
        *((query, True) for query in ("(year:1 OR year:2) x", "-(year:1 AND year:2)", "(cats OR dogs) here")),
        *((query, False) for query in ("(cats)", "print(x) year:1", "f(x) = (a)", "year:1 OR year:2")),
    ],
)
def test_parentheses_around_conditions_are_told(query: str, told: bool) -> None:
    notes = parse(query, lambda: ["year"]).notes
    assert any("parentheses group nothing" in note for note in notes) == told
