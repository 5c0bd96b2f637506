"""The differences of two texts: worked by hand, then properties of any two."""

import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsearch.text.diff import Difference, Segment, count_words, difference


def changed(a: str, b: str) -> list[tuple[str, str, str]]:
    """Each change: its kind, and its two sides without blanks around them."""
    return [(s.kind, s.a.strip(), s.b.strip()) for s in difference(a, b).changed]


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ("You may always leave.", "You may never leave.", [("negation", "always", "never")]),
        ("It listens on port 8080.", "It listens on port 8081.", [("number", "8080", "8081")]),
        (
            "port 8080 always open",
            "port 8081 never open",
            [("number", "8080", "8081"), ("negation", "always", "never")],
        ),
        ("你可以进来。", "你不可以进来。", [("negation", "", "不")]),
        ("图书馆有电梯", "图书馆没有电梯", [("negation", "", "没")]),
        (
            "from 2024-01-02 on",
            "from 2024-01-03 on",
            [("number", "2024-01-02", "2024-01-03")],
        ),
        ("open at 9:30 sharp", "open at 10:30 sharp", [("number", "9:30", "10:30")]),
        ("add 5kg of flour", "add 5g of flour", [("number", "5kg", "5g")]),
        ("it costs $50 now", "it costs £50 now", [("number", "$50", "£50")]),
        ("below -5 degrees", "below 5 degrees", [("number", "-5", "5")]),
        ("release v1.2 is out", "release v1.3 is out", [("number", "2", "3")]),
        ("a red door", "a blue door", [("word", "red", "blue")]),
        ("we go", "we don’t go", [("negation", "", "don’t")]),
        ("It may be lent.", "It cannot be lent.", [("negation", "may", "cannot")]),
        (
            "The fee is refundable.",
            "The fee is non-refundable.",
            [("negation", "", "non"), ("word", "", "-")],
        ),
        ("with a coat", "without a coat", [("negation", "with", "without")]),
    ],
)
def test_what_differs_and_how(a: str, b: str, expected: list[tuple[str, str, str]]) -> None:
    assert changed(a, b) == expected
    assert changed(b, a) == [(kind, there, here) for kind, here, there in expected]


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("1,000 people", "1000 people"),
        ("a  b\n\nc", "a b c"),
        ("well - done", "well-done"),
        ("it isn't", "it isn’t"),
        ("", " \n "),
        ("", ""),
    ],
)
def test_what_is_no_difference(a: str, b: str) -> None:
    assert changed(a, b) == []


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("do not go", "don't go"),  # both deny
        ("他非常好", "他好"),  # very
        ("不但便宜", "便宜"),  # not only
        ("是不是好", "是好"),  # whether
        ("特别好", "好"),  # especially
        ("未来的车", "的车"),  # future
        ("not only cats", "cats"),
        ("a knot", "a"),
        ("8GB of memory", "8 GB of memory"),  # the same number, written otherwise
        ("fifty cats", "some cats"),
    ],
)
def test_what_is_a_difference_in_words_only(a: str, b: str) -> None:
    assert {kind for kind, _, _ in changed(a, b)} == {"word"}


def test_the_abbreviation_of_number_denies_nothing() -> None:
    assert changed("See No. 5 there", "See No. 6 there") == [("number", "5", "6")]
    assert difference("See No. 5", "See").negations == ()


def test_swapped_roles_share_one_word_in_place() -> None:
    found = difference("A whacks B", "B whacks A")
    assert (found.words_a, found.words_b, found.shared) == (3, 3, 1)
    assert found.containment_a == found.containment_b == 1 / 3


def test_one_inside_the_other() -> None:
    inner = "Bring the ladder back by Friday."
    found = difference(inner, f"Dear all. {inner} Clean it first, please.")
    assert found.containment_a == 1
    assert found.containment_b == 6 / 12
    assert [segment.op for segment in found.segments] == ["insert", "equal", "insert"]


def test_paragraphs_in_another_order_are_moved_not_gone() -> None:
    one, two, three = (
        "Port 80 is never open here.",
        "Bring your own cup to it.",
        "The key is with the porter.",
    )
    found = difference(f"{one}\n\n{two}\n\n{three}", f"{two}\n\n{three}\n\n{one}")
    assert found.containment_a == found.containment_b == 1
    assert [(s.op, s.kind, (s.a + s.b).strip()) for s in found.changed] == [
        ("delete", "moved", one),
        ("insert", "moved", one),
    ]
    assert found.numbers == found.negations == ()


def test_a_short_sentence_is_not_called_moved() -> None:
    found = difference("Yes. The door was open all day.", "The door was open all day. Yes.")
    assert {segment.kind for segment in found.changed} == {"word"}


def test_nothing_is_inside_anything() -> None:
    found = difference("", "one two")
    assert (found.containment_a, found.containment_b) == (1, 0)
    assert found.segments == (Segment("insert", "", "one two", "word"),)


def test_count_words_ignores_marks_and_counts_chinese_characters() -> None:
    assert count_words("It costs 3.50, - (really)! 梯子 हिन्दी") == 7


def test_words_around_a_change_stay_aligned_where_words_repeat() -> None:
    text = " ".join(f"the cat and the dog number {n} in the house of the man" for n in range(2_000))
    found = difference(text, text.replace("number 1234 in", "number 4321 in"))
    assert [(s.a, s.b) for s in found.changed] == [("1234 ", "4321 ")]


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("a" * 1_000_000, "a" * 999_999 + "b"),
        ("-" * 1_000_000, "-" * 999_999 + "!"),
        ("好" * 100_000, "好" * 50_000 + "的" * 50_000),
        ("a b " * 10_000, "b a a b " * 5_000),
        ("not x. " * 5_000, "no y. " * 5_000),
        ("\x00\x1b[31m\u202e 5\x07", "\x00\x1b[31m\u202e 6\x07"),
        ("\ud800 \u0301\u0301", "\ud800 \u0301"),
    ],
    ids=range(7),
)
def test_hostile_texts_come_back_whole(a: str, b: str) -> None:
    check(a, b, difference(a, b))


def check(a: str, b: str, found: Difference) -> None:
    """Check what the docstrings say of any two texts."""
    assert "".join(segment.a for segment in found.segments) == a.strip()
    assert "".join(segment.b for segment in found.segments) == b.strip()
    for segment in found.segments:
        assert (segment.op == "equal") == (segment.kind == "")
        assert segment.op != "insert" or not segment.a
        assert segment.op != "delete" or not segment.b
        assert segment.op in ("insert", "delete") or (segment.a and segment.b)
        if segment.op == "equal":
            assert compact(segment.a) == compact(segment.b)
    assert (found.changed == ()) == (compact(a) == compact(b))
    assert 0 <= found.shared <= min(found.words_a, found.words_b)
    assert (found.words_a, found.words_b) == (count_words(a), count_words(b))


def compact(text: str) -> list[str]:
    """Return a text without its blanks and the commas between thousands."""
    return [re.sub(r"(?<=\d),(?=\d{3})", "", word) for word in text.split()]


_WORDS = "the the a cat dog not never always without 8080 8081 3.5 1,000 5kg 可 以 不 . . , ! ; - Yes don't"
WORDS = st.sampled_from(_WORDS.split())
TEXTS = st.lists(st.tuples(WORDS, st.sampled_from((" ", "  ", "\n", "\n\n"))), max_size=40).map(
    lambda pairs: "".join(word + blank for word, blank in pairs)
)


@given(TEXTS, TEXTS)
def test_any_two_texts(a: str, b: str) -> None:
    found = difference(a, b)
    check(a, b, found)
    turned = difference(b, a)
    assert (turned.containment_a, turned.containment_b) == (found.containment_b, found.containment_a)
    assert [(s.b, s.a, s.kind) for s in turned.segments] == [(s.a, s.b, s.kind) for s in found.segments]
    shared = Counter(a.split()) & Counter(b.split())
    assert found.shared <= sum(count for word, count in shared.items() if count_words(word))


@given(st.text(max_size=60), st.text(max_size=60))
def test_any_text_at_all_is_rebuilt(a: str, b: str) -> None:
    found = difference(a, b)
    assert "".join(segment.a for segment in found.segments) == a.strip()
    assert "".join(segment.b for segment in found.segments) == b.strip()
    assert difference(a, a).changed == ()


@given(TEXTS, TEXTS, TEXTS)
def test_a_text_is_inside_itself_with_more_around(a: str, before: str, after: str) -> None:
    assert difference(a, a + after).containment_a == 1
    assert difference(a, before + a).containment_a == 1


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ("Doors open at 4:30pm.", "Doors open at 16:30.", True),
        ("The lease ends on 5 March 2024.", "The lease ends on 2024-03-05.", True),
        ("It is 5 km long.", "It is 5000 m long.", True),
        ("Doors open at 4:30pm.", "Doors open at 16:45.", False),
        ("3 plums and 4 pears", "4 plums and 3 pears", False),
        ("It costs 5 EUR.", "It costs 6 EUR.", False),
    ],
)
def test_a_number_in_another_form_is_no_warning(a: str, b: str, same: bool) -> None:
    assert (difference(a, b).numbers == ()) is same
