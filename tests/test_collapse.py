"""Near-copies among hits go with the first of them."""

from semsearch.search.collapse import leaders

LINE = "The boiler in the reading room is serviced every October, and the engineer bleeds the radiators"
LONG = f"{LINE}, checks the pressure twice and leaves a signed sheet by the door of the hall."


def test_copies_and_small_edits_go_with_the_first() -> None:
    other = "The choir rehearses on Monday evenings in the small hall."
    edited = LONG.replace("signed", "dated")
    assert leaders([LONG, other, edited, LONG.upper(), other]) == [0, 1, 0, 0, 1]


def test_what_says_something_else_stays() -> None:
    texts = [f"Always {LONG.lower()}", f"Never {LONG.lower()}", f"{LINE} 12 times.", f"{LINE} 13 times."]
    assert leaders(texts) == [0, 1, 2, 3]


def test_nothing_chains() -> None:
    words = [first + second for first in "bdfgk" for second in ("a", "e", "i", "o", "u", "ai", "au", "ou")]
    a, b, c = (" ".join(words[start : start + 30]) for start in (0, 3, 6))
    assert leaders([a, b, c]) == [0, 0, 2], "22 of 34 triples of a are in c, 25 of 31 in b"


def test_short_and_empty() -> None:
    assert leaders([]) == []
    assert leaders(["", "", "a", "b", "A"]) == [0, 0, 2, 3, 2]
