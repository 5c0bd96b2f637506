"""Cleaning and splitting, by hand-worked examples and by what must hold for every text."""

import io
import random
import subprocess
import sys
import unicodedata
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from semsearch.text import Measure, Span, clean, parse_structure, sentences, split

# All characters that cleaning or splitting treats specially, among ordinary ones.
SPECIAL = "abz .!?\"')]\n\n\r\t#=-~\u3000\u00a0\ufeff\0\ud800\udfff。！？；…”）Ａｂ１～，中文é\u2003\x0c😀"
TEXTS = st.text(st.sampled_from(SPECIAL)) | st.text(st.characters())


def words(texts: Sequence[str]) -> list[int]:
    return [len(text.split()) for text in texts]


def characters(texts: Sequence[str]) -> list[int]:
    """Return the number of characters that are not blank, which adds up wherever a text is cut."""
    return [sum(not character.isspace() for character in text) for text in texts]


def passages(text: str, limit: int, measure: Measure = words) -> list[str]:
    return [text[span.start : span.end] for span in split(text, measure, limit)]


# -- clean --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("plain", "plain"),
        ("a\r\nb\rc\nd", "a\nb\nc\nd"),
        ("a\n\rb", "a\n\nb"),
        ("a\r\r\nb", "a\n\nb"),
        ("ＡＢＣ１２３！～", "ABC123!~"),
        ("a\u3000\u3000b", "a b"),
        ("\ufeffHello\ufeff", "Hello"),
        ("a\0b", "a b"),
        ("a \t \u00a0 b", "a b"),
        ("  two leading", " two leading"),
        ("trailing \t\u00a0\nend \u3000", "trailing\nend"),
        ("x \ufeff\n", "x\n"),
        (" \n \n", "\n\n"),
        ("half \ud83d a pair", "half \ufffd a pair"),
        ("Straße ² ½ ① İ — “x”", "Straße ² ½ ① İ — “x”"),  # no NFKC, no lower-casing
        ("ﬁn oﬃce", "fin office"),
        ("de\u00adcide zero\u200bwidth \u202eabc\u202c", "decide zerowidth abc"),
        ("10\u202f000\u2009km", "10 000 km"),
        ("ｶﾞｲﾄﾞ ﾊﾟﾝ", "ガイド パン"),
        ("\u1112\u1161\u11ab", "한"),
        ("a\u0323\u0302 a\u0302\u0323 \u1ead", "\u1ead \u1ead \u1ead"),
        ("\ufedf\ufe8e \ufefb", "لا لا"),
        ("كـــتاب", "كتاب"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("क\u094d\u200dष", "क\u094d\u200dष"),
        ("\U0001f469\u200d\U0001f4bb \u2764\ufe0f", "\U0001f469\u200d\U0001f4bb \u2764"),
        ("plain\u200d text\u200c", "plain text"),
        ("ㅋㅋㅋ", "ㅋㅋㅋ"),
        ("葛\U000e0100飾", "葛飾"),
        ("\u2126 \u212b", "\u03a9 \u00c5"),
        ("「引号」、。", "「引号」、。"),
        ("é e\u0301", "é é"),
        ("well\u2011known e\u2010mail — 5\u2013 6", "well-known e-mail — 5\u2013 6"),
        ("\u2fa6\u2f2d 5 \xb5m, \u0132ssel \u01c6", "金山 5 \u03bcm, IJssel dž"),
        ("Hi\U000e0041\U000e0042 all", "Hi all"),
        ("\U0001f3f4\U000e0067\U000e0062\U000e007f", "\U0001f3f4\U000e0067\U000e0062\U000e007f"),
    ],
)
def test_clean_by_hand(text: str, expected: str) -> None:
    assert clean(text) == expected


@given(TEXTS)
def test_cleaning_twice_is_cleaning_once(text: str) -> None:
    assert clean(clean(text)) == clean(text)


@given(TEXTS)
@example("\r\ufeff\n")
@example("\r\0\n")
def test_cleaning_neither_adds_nor_drops_a_line(text: str) -> None:
    lines = io.StringIO(text, newline=None).read().count("\n")  # the standard library's universal newlines
    assert clean(text).count("\n") == lines


@given(TEXTS)
def test_clean_text_can_be_stored_and_has_no_stray_blanks(text: str) -> None:
    result = clean(text)
    result.encode()
    assert not set(result) & {"\r", "\0", "\t", "\ufeff", "\u3000", "\u00a0"}
    assert "  " not in result
    assert " \n" not in result
    assert not result.endswith(" ")


@given(st.text(st.characters().filter(lambda c: clean(c) == c and not unicodedata.combining(c))))
def test_cleaning_keeps_every_other_character(text: str) -> None:
    joiners = str.maketrans("", "", " \u200c\u200d")
    assert clean(text).translate(joiners) == unicodedata.normalize("NFC", text).translate(joiners)


@given(
    TEXTS
    | st.text(st.sampled_from("eaأل\u0301\u0323\u0302\u1112\u1161\u11ab\uff76\uff9e\u200d\u0915\u094d "))
)
def test_composed_and_decomposed_text_is_equal(text: str) -> None:
    assert len({clean(unicodedata.normalize(form, text)) for form in ("NFC", "NFD")} | {clean(text)}) == 1


# -- split: where -------------------------------------------------------------------------------------------


def test_what_fits_is_one_passage() -> None:
    assert split("\n one two\nthree \n", words, 3) == [Span(2, 15, 3)]


@pytest.mark.parametrize("text", ["", " ", "\n\n \n", "\u2003\n" * 5000])
def test_a_blank_text_has_no_passages(text: str) -> None:
    assert split(text, words, 10) == []


@pytest.mark.parametrize(
    ("limit", "text", "expected"),
    [
        # A new section starts a new passage once half a window (5) is full, though "# Next" would fit (6 + 2).
        (
            10,
            "Intro one two three four five.\n\n# Next\n\nalpha beta gamma delta",
            ["Intro one two three four five.", "# Next\n\nalpha beta gamma delta"],
        ),
        # It does not while less than half is full: 2 + 2 + 5 fit in 10.
        (10, "One two.\n\n# Next\n\na b c d e. f g", ["One two.\n\n# Next\n\na b c d e.", "f g"]),
        # Underlined headings, of Markdown and of reStructuredText.
        (
            9,
            "One two three four five.\n\nTitle\n=====\n\nbody body body",
            ["One two three four five.", "Title\n=====\n\nbody body body"],
        ),
        # 4 + 4 + 2 fit in 12; of the cuts in the second half the paragraph's beats the later sentence's.
        (12, "a b c d. e f g h.\n\ni j. k l m n o p.", ["a b c d. e f g h.", "i j. k l m n o p."]),
        # 3 + 3 + 2 fit in 9; the sentence's end beats the later line's end.
        (9, "a b c\nd e f. g h\ni j k l", ["a b c\nd e f.", "g h\ni j k l"]),
        # 3 + 3 fit in 7; a line's end beats a place between two words.
        (7, "a b c d\ne f g h i j", ["a b c d", "e f g h i j"]),
        # A cut in the first half is not taken: better a full passage that ends between two words.
        (8, "a. b c d e f g h i j", ["a. b c d e f g h", "i j"]),
        (6, " ".join("abcdefghijklmn"), ["a b c d e f", "g h i j k l", "m n"]),
        # An ellipsis and a closing bracket belong to the sentence they end.
        (5, '"a b c..." d e f', ['"a b c..."', "d e f"]),
    ],
)  # fmt: skip
def test_where_passages_end_by_hand(limit: int, text: str, expected: list[str]) -> None:
    assert passages(text, limit) == expected


def test_chinese_is_cut_after_a_sentence() -> None:
    text = "今天我们不去公园了。" * 12  # 10 characters each; 7 of 12 fit in 70
    assert passages(text, 70, characters) == ["今天我们不去公园了。" * 7, "今天我们不去公园了。" * 5]


@pytest.mark.parametrize("mark", "！？；")
def test_chinese_is_cut_after_marks_that_cleaning_makes_ascii(mark: str) -> None:
    sentence = f"今天我们不去公园了{mark}"
    assert passages(clean(sentence * 12), 70, characters) == [clean(sentence * 7), clean(sentence * 5)]


@pytest.mark.parametrize(
    ("limit", "text", "expected"),
    [
        (9, 'a b c d "e."\n\nf g. h i j k l m', ['a b c d "e."', "f g. h i j k l m"]),
        (6, "One two (three.)\n\n# Head one\n\nfour five", ["One two (three.)", "# Head one\n\nfour five"]),
    ],
)
def test_a_quote_before_a_blank_line_does_not_weaken_the_cut(
    limit: int, text: str, expected: list[str]
) -> None:
    assert passages(text, limit) == expected


def test_a_heading_is_not_parted_from_its_text() -> None:
    # 3 + 2 + 2 of 12 fit in 10; the place below the heading is worse than the sentence's end after it.
    text = "One two three.\n\n# Next\n\nalpha beta. g h i j k"
    assert passages(text, 10) == ["One two three.\n\n# Next\n\nalpha beta.", "g h i j k"]


# -- split: headings, code and tables -----------------------------------------------------------------------


def paths(text: str) -> list[str]:
    return [heading.path for heading in parse_structure(clean(text))[0]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# Guide\n\n## Install\n\ntext\n\n### Windows\n\n## Use", [
            "Guide", "Guide > Install", "Guide > Install > Windows", "Guide > Use",
        ]),
        ("### Deep\n\n# Then up\n\n### One level left out", ["Deep", "Then up", "Then up > One level left out"]),
        ("# Closed ##\n\n## With an anchor {#anchor}", ["Closed", "Closed > With an anchor"]),
        # Underlined: in Markdown = is above -, whatever comes first; alone they rank as they come.
        ("# Top\n\nSecond\n---\n\nFirst\n===", ["Top", "Top > Second", "First"]),
        ("One\n---\n\nTwo\n===\n\nThree\n---", ["One", "One > Two", "Three"]),
        # reStructuredText: a style with an overline differs from the one without; ~ and ` do not open fences.
        ("=====\nTitle\n=====\n\nPart\n====\n\nDetail\n~~~~~~\n\nMore\n````\n\nPart 2\n======", [
            "Title", "Title > Part", "Title > Part > Detail", "Title > Part > Detail > More", "Title > Part 2",
        ]),
        ("第一章\n======\n\n安装\n----", ["第一章", "第一章 > 安装"]),
        ("#hash\n\n#!/bin/sh\n\n####### seven\n\ntext # not at the start", []),
        ("- item\n---\n\ntwo lines\nof text\n---\n\n> quote\n---\n\n| a |\n---\n\n---", []),
        ("too long for its line\n~~~~", []),
        ("---\ntags: a\n---\n\n# Real", ["Real"]),
        ("---\ntitle: 'Notes: all'\ntags: a\n---\n\n# Real", ["Notes: all", "Notes: all > Real"]),
        ("---\ntitle: Notes\n---\n\n# notes\n\n## Real", ["Notes", "notes", "notes > Real"]),
        ("PEP: 1\nTitle: Notes\nAuthor: A,\n B\n\nReal\n----", ["Notes", "Notes > Real"]),
        ("Title: of a song\n\nReal\n----", ["Real"]),
        ("Note: one\nDate: two\n\nReal\n----", ["Real"]),
        ("Title: one\nno field\n\nReal\n----", ["Real"]),
        ("# `Vec<T>`, <kbd>x</kbd> and y <sup class=\"new\" />", ["`Vec<T>`, x and y"]),
        ("---\n\nNo metadata\n---", ["No metadata"]),
        ("```sh\n# a comment\n```\n\n# Real", ["Real"]),
        ("````\n```\n# still code\n```\n````\n# Real", ["Real"]),
        ("1. list\n   ```py\n# code\n   ```\n\n# Real", ["Real"]),
        ("```\n# never closed, so no code", ["never closed, so no code"]),
        ("~~~\n```\n# code\n~~~\n# Real", ["Real"]),
        ("# " + "x" * 500, ["x" * 119 + "…"]),
    ],
)  # fmt: skip
def test_headings_by_hand(text: str, expected: list[str]) -> None:
    assert paths(text) == expected


def test_blocks_by_hand() -> None:
    text = "a | b\n\nx\n```\ncode\n\ncode\n```\ny\n| a | b |\n|---|---|\n| 1 | 2 |\nz\n+--+\n| c|\n+--+"
    assert [text[start:end] for start, end in parse_structure(text)[1]] == [
        "```\ncode\n\ncode\n```",
        "| a | b |\n|---|---|\n| 1 | 2 |",
        "+--+\n| c|\n+--+",
    ]


@pytest.mark.parametrize(
    ("limit", "text", "expected"),
    [
        # 4 + 5 of code: neither its blank line nor the sentence in it is a place to cut.
        (8, "a b c d\n\n```\ne f. g\n\nh\n```", ["a b c d", "```\ne f. g\n\nh\n```"]),
        # Code that does not fit (4 + 3 + 3 + 2 in 8) is cut between lines, at a blank one rather than another.
        (8, "```\na b\n\nc d. e\nf g h\n```", ["```\na b", "c d. e\nf g h\n```"]),
        # A table is cut between its rows: 3 + 1 + 5 + 5 + 5 words, 9 fit.
        (9, "| a\n|-\n| b. c |\n| d. e |\n| f. g |", ["| a\n|-\n| b. c |", "| d. e |\n| f. g |"]),
        # A heading stays with the block it heads, though that means to cut the block.
        (
            7,
            "a b c d e.\n\n# H\n\n```\nf g\nh i\nj k\n```",
            ["a b c d e.", "# H\n\n```\nf g\nh i", "j k\n```"],
        ),
    ],
)
def test_where_blocks_are_cut_by_hand(limit: int, text: str, expected: list[str]) -> None:
    assert passages(text, limit) == expected


def test_passages_know_what_they_stand_under() -> None:
    text = "a b c\n\n# One\n\nd e f g\n\n## Two\n\nh i j k\n\nl m n o\n\n# Three\n\n## Four"
    spans = split(text, words, 6)
    assert [(text[s.start : s.end], s.heading) for s in spans] == [
        ("a b c", ""),
        ("# One\n\nd e f g", "One"),
        ("## Two\n\nh i j k", "One > Two"),
        ("l m n o", "One > Two"),
        ("# Three\n\n## Four", "Three > Four"),
    ]
    assert {span.heading for span in split(text, words, 6, marked=False)} == {""}
    assert split("x\n\n# One", words, 10)[0].heading == ""


def test_a_word_among_chinese_is_not_cut() -> None:
    text = "我们使用Elasticsearch来搜索" * 20  # neither a blank nor the end of a sentence
    assert all(
        p.count("Elasticsearch") * 13 == sum(c.isascii() for c in p) for p in passages(text, 30, characters)
    )


# -- split: what must hold ----------------------------------------------------------------------------------


def check(text: str, spans: list[Span], measure: Measure, limit: int) -> None:
    """Spans in order, none blank, none too large, and nothing but blanks between them."""
    at = 0
    for span in spans:
        assert not text[at : span.start].strip()
        body = text[span.start : span.end]
        assert body
        assert body == body.strip()
        assert measure([body]) == [span.tokens]
        assert span.tokens <= limit
        at = span.end
    assert not text[at:].strip()


@given(TEXTS | st.lists(TEXTS, min_size=8).map("\n".join), st.integers(1, 90))
def test_every_character_is_in_exactly_one_passage(text: str, limit: int) -> None:
    text = clean(text)
    check(text, split(text, characters, limit), characters, limit)


SHORT_WORDS = st.lists(
    st.sampled_from(
        [
            "a",
            "bc.",
            "def\n",
            "g\n\n",
            "\n# h",
            "i!\r\n",
            "j\n---\n",
            "(k.)",
            "\n```\n",
            "\n|l|\n",
            "\n====\nm\n====\n",
        ]
    )
).map(" ".join)


@given(SHORT_WORDS, st.integers(4, 12))  # below 4 the longest of these words would be cut up
def test_every_word_is_in_exactly_one_passage(text: str, limit: int) -> None:
    text = clean(text)
    check(text, split(text, words, limit), words, limit)


@given(SHORT_WORDS, st.integers(2, 12))
def test_passages_are_not_needlessly_small(text: str, limit: int) -> None:
    """Two neighbours together are at least half a window: else they would have been one."""
    sizes = [span.tokens for span in split(clean(text), words, limit)]
    assert all(a + b >= limit // 2 for a, b in pairwise(sizes))


def test_a_limit_below_64_is_kept_too() -> None:
    check("x" * 100, split("x" * 100, characters, 10), characters, 10)


# -- split: large texts -------------------------------------------------------------------------------------


def work(text: str, limit: int) -> tuple[int, list[Span]]:
    """Return the characters that `split` passes to the tokenizer, which take most of its time, and the passages."""
    seen: list[int] = []

    def measure(texts: Sequence[str]) -> list[int]:
        seen.extend(map(len, texts))
        return words(texts)

    spans = split(text, measure, limit)
    return sum(seen), spans


def long_word() -> str:
    return "x" * 100_000


def many_words() -> str:
    return " ".join(map(str, range(200_000)))


def many_paragraphs() -> str:
    draw = random.Random(0)
    return "\n\n".join(
        " ".join("w" * draw.randrange(1, 9) for _ in range(draw.randrange(60))) for _ in range(5_000)
    )


@pytest.mark.parametrize(
    "text", [long_word(), many_words(), many_paragraphs()], ids=["word", "words", "paragraphs"]
)
def test_large_text_is_measured_a_few_times_and_kept_whole(text: str) -> None:
    seen, spans = work(text, 100)
    assert seen <= 3 * len(text)
    kept = "".join("".join(text[span.start : span.end].split()) for span in spans)
    assert kept == "".join(text.split())
    assert max(span.tokens for span in spans) <= 100
    assert max(span.end - span.start for span in spans) <= 100 * 65  # 64 characters a word, and a blank


def test_passages_of_many_words_are_full() -> None:
    assert {span.tokens for span in split(many_words(), words, 100)} == {100}


RUNS = """
import resource
resource.setrlimit(resource.RLIMIT_CPU, (25, 25))
from semsearch.text import sentences, split
for run in (
    "\\n", ".", "\\n\\f", "!? ", ".'", "\\u2003", "`", "```\\n", "```x\\n", "\\n# x", "\\n# ", "#", "# #", "{", "|",
    "|\\n", "> ", "-", "\\n---", "x\\n---\\n\\n", "===\\nx\\n", "\\n> ```",
):
    text = "a b c" + run * 20_000 + "d e f"
    spans = split(text, lambda texts: [len(text.split()) for text in texts], 100)
    assert sum(map(len, sentences(text))) and text[spans[0].start] == "a" and text[spans[-1].end - 1] == "f"
"""


def test_a_long_run_of_one_mark_does_not_hang() -> None:
    """A linear search takes a second; a quadratic one would take an hour, and is stopped by a limit."""
    subprocess.run([sys.executable, "-c", RUNS], check=True)


# -- sentences ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("Version 3.11 is e.g. fine", ["Version 3.11 is e.g.", "fine"]),
        ("no end", ["no end"]),
        ("下雨了。我们走吧…好的", ["下雨了。", "我们走吧…", "好的"]),
        ("Title\n\nBody goes\non here.", ["Title", "Body goes\non here."]),
        ("Buy:\n- milk\n- eggs", ["Buy:", "- milk", "- eggs"]),
    ],
)
def test_sentences_by_hand(text: str, expected: list[str]) -> None:
    assert [text[start:end] for start, end in sentences(text)] == expected


def test_a_closing_quote_belongs_to_its_sentence() -> None:
    text = 'He said "stop." (Then he left.) We stayed.'
    assert [text[start:end] for start, end in sentences(text)] == [
        'He said "stop."',
        "(Then he left.)",
        "We stayed.",
    ]


def test_chinese_sentences_end_with_ascii_marks() -> None:
    text = clean("下雨了吗？我们走吧！好的")
    assert [text[start:end] for start, end in sentences(text)] == ["下雨了吗?", "我们走吧!", "好的"]


def test_a_chinese_ellipsis_ends_one_sentence() -> None:
    text = "我们走吧……好的"
    assert [text[start:end] for start, end in sentences(text)] == ["我们走吧……", "好的"]


def test_an_indented_item_has_no_blanks_around_it() -> None:
    text = "Buy:\n  - milk\n  - eggs"
    assert [text[start:end] for start, end in sentences(text)] == ["Buy:", "- milk", "- eggs"]


@given(TEXTS)
def test_sentences_hold_every_letter_in_order(text: str) -> None:
    text = clean(text).strip()
    spans = sentences(text)
    assert bool(spans) == bool(text)
    edges = [edge for span in spans for edge in span]
    assert edges == sorted(edges)
    assert all(text[start:end].strip() for start, end in spans)
    kept = "".join(text[start:end] for start, end in spans)
    assert [c for c in kept if c.isalnum()] == [c for c in text if c.isalnum()]
