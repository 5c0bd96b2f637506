"""Signs that carry meaning part two texts, and marks of prose do not."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from timing import is_linear
from tiny_embedder import TinyEmbedder, create_index

import semsearch
from semsearch.dedup.collection import DocumentCollection
from semsearch.dedup.in_files import Dataset
from semsearch.text import clean
from semsearch.text.facts import Facts, differences
from semsearch.text.indentation import indentation, may_carry_meaning
from semsearch.text.signs import signs

DIFFERENT = (
    ("git push", "git push --force"),
    ("if (p)", "if (!p)"),
    ("if (p) return;", "if (!p) return;"),
    ("a + b", "a - b"),
    ("x < y", "x <= y"),
    ("Well :(", "Well :)"),
    ("rm -r x", "rm -rf x"),
    ("rm -r x", "rm -R x"),
    ("a == b", "a != b"),
    ("a.b", "a->b"),
    ("#define X", "define X"),
    ("cat /tmp/x", "cat tmp/x"),
    ("cat ./x", "cat ../x"),
    ("a/ b", "a b"),
    ("^a.*b$", "^a.+b$"),
    ("[^a]", "[a]"),
    ("\\d+", "\\D+"),
    ("a && b", "a || b"),
    ("a & b", "a && b"),
    ("a | b", "a b"),
    ("x = 1", "x == 1"),
    ("x += 1", "x -= 1"),
    ("i++", "i--"),
    ("C++ developer", "C developer"),
    ("C# developer", "C developer"),
    ("f(x)", "f[x]"),
    ("*p = 1", "p = 1"),
    ("&x", "x"),
    ("(a + b) * c", "a + b * c"),
    ("rm *.txt", "rm .txt"),
    ("rm *", "rm"),
    ("echo $HOME", "echo HOME"),
    ("std::sort", "std.sort"),
    ("- [ ] pay", "- [x] pay"),
    ("// foo();", "foo();"),
    ("# x = 1", "x = 1"),
    ("cmd > f", "cmd >> f"),
    ("cmd < f", "cmd > f"),
    ("x*y", "x/y"),
    ("a * b", "a / b"),
    ("a % b", "a / b"),
    ("结果是好的 :(", "结果是好的 :)"),
    ("a ≠ b", "a = b"),
    ("a→b", "a b"),
    ("很好👎", "很好👍"),
    ("Done ✅", "Done ❌"),
    ("colou?r", "colour"),
    ("%s", "s"),
    ("~/x", "x"),
    ("curl -o f", "curl -O f"),
    ("Vec<T>", "Vec T"),
    ("x ** 2", "x * 2"),
    ("not a", "!a"),
    ("a >= b", "a > b"),
    ("5 + 3", "5 - 3"),
    ("x := 1", "x = 1"),
    ("a?.b", "a.b"),
    ("tar xf", "tar -xf"),
    ("（甲＋乙）", "（甲－乙）"),
    ("若Ａ＞Ｂ", "若Ａ＜Ｂ"),
    ("a ^ b", "a | b"),
    ("ls -l | wc", "ls -l wc"),
    ("~~old~~ text", "old text"),
    ("这是~~旧的~~新的", "这是旧的新的"),
    ("// return x;", "return x;"),
    ("1 << n", "1 n"),
    ("cout << x >> y", "cout x y"),
    ("x^2", "x"),
)

SAME = (
    ("Open.", "Open!"),
    ("Open", "Open."),
    ("“Open” he said", '"Open" he said'),
    ("a – b", "a - b"),
    ("a — b", "a, b"),
    ("wait -- no", "wait - no"),
    ("**bold** move", "bold move"),
    ("* item", "- item"),
    ("# Title", "Title"),
    ("## Title", "Title"),
    ("Title\n=====\n\ntext", "# Title\n\ntext"),
    ("ＡＢＣ，好", "ABC,好"),
    ("(see there)", "[see there]"),
    ("word(s)", "words"),
    ("see [text](http://x.org/a?b=c)", "see text"),
    ("a, b and c", "a, b, and c"),
    ("R&D", "R & D"),
    ("A & B", "A and B"),
    ("and/or", "and or"),
    ("`git push`", "git push"),
    ("Use `git push --force` now", 'Use "git push --force" now'),
    ("> quoted text", "quoted text"),
    ("| a | b |\n|---|---|", "a b"),
    ("*emph* here", "emph here"),
    ("_emph_ here", "emph here"),
    ("<b>bold</b>", "bold"),
    ("see http://x.org/", "see http://x.org"),
    ("$x$ is", "x is"),
    ("~5 km", "5 km"),
    ("3~5天", "3-5天"),
    ("Thanks :)", "Thanks"),
    ("Thanks 👍", "Thanks"),
    ("50+ people", "50 people"),
    ("50%", "50 %"),
    ("+49 30 123", "49 30 123"),
    ("Hello!World", "Hello! World"),
    ("你好！世界", "你好，世界"),
    ("《书》", "“书”"),
    ("a: b", "a - b"),
    ("note*", "note"),
    ("a...", "a"),
    ("Really?!", "Really?"),
    ("A → B", "A -> B"),
    ("1. item", "1) item"),
    ("- item", "• item"),
    ("#photo", "photo"),
    ("@anna hi", "anna hi"),
    ("e-mail", "email"),
    ("he said -- well -- no", "he said, well, no"),
    ("3 x 4", "3 × 4"),
    ("3*4", "3×4"),
    ("x ≥ 5", "x at least 5"),
    ("![img](a.png)", "img"),
    ("[[Link]]", "Link"),
    ("==mark==", "mark"),
    ("price: $5", "price: 5"),
    ("这是**重要**的", "这是重要的"),
    ("snake_case", "snake case"),
    ("word[12] here", "word here"),
    ("tea &amp; milk", "tea & milk"),
    ("*****", "-----"),
    ("-milk", "- milk"),
    ("5:30", "5.30"),
    ("pre- and post-war", "pre and post war"),
    ("foo\\_bar", "foo_bar"),
    ("Mr. X / Mr. Y", "Mr. X / Mr. Y"),
    ("O'Brien", "O’Brien"),
    ("a;b", "a,b"),
    ("→ Open the door", "Open the door"),
    ("=> Open the door (left)", "Open the door (left)"),
    ("// Open the door", "Open the door"),
    ("<<Open the door>>", "Open the door"),
    ("the <<door>> is", "the door is"),
    ("＊ Open the door", "Open the door"),
    ("＊营业时间", "营业时间"),
    ("the library^1 is open", "the library is open"),
    ("好书～大家", "好书，大家"),
    ("好书~大家~", "好书大家"),
    ("たのしい～です", "たのしいです"),
    ("***x***", "x"),
    ("1 < 5", "1 less than 5"),
    ("p < 0.05", "p below 0.05"),
    ("text ^^", "text"),
    ("www.x.org/a", "www.x.org a"),
    ('Say "no"', "Say 'no'"),
    ("Q: what?", "Q. what?"),
    ("[1] Text", "Text"),
    ("© 2024", "2024"),
    ("item;", "item"),
    ("3 - 5", "3 – 5"),
    ("(a)", "a)"),
    ("—Hello—", "Hello"),
    ("foo (bar)", "foo bar"),
    ("well…", "well..."),
    ("Quoi ?", "Quoi?"),
)


@pytest.mark.parametrize(("a", "b"), DIFFERENT)
def test_signs_that_carry_meaning_differ(a: str, b: str) -> None:
    assert signs(clean(a)) != signs(clean(b))
    stated = list(differences(Facts(clean(a)), Facts(clean(b))))
    assert [str(reason) for reason in stated if reason.rule == "sign"]


@pytest.mark.parametrize(("a", "b"), SAME)
def test_marks_of_prose_are_no_signs(a: str, b: str) -> None:
    assert signs(clean(a)) == signs(clean(b))


def test_the_sign_that_differs_is_said() -> None:
    (reason,) = differences(Facts("if (p) return"), Facts("if (!p) return"))
    assert str(reason) == "a sign differs: – / !"


@pytest.mark.parametrize(
    "unit",
    [
        "?",
        "a|",
        "*a ",
        "*(|",
        "<a ",
        "(a+",
        "$",
        "a[",
        "<!--",
        "**日",
        "<<a",
        "~~a",
        "~~",
        "-> a (",
        "\n// (",
    ],
)
def test_the_search_for_signs_takes_linear_time(unit: str) -> None:
    assert is_linear(signs, unit, size=40_000, floor=0.05)


INDENTED = (
    ("if x:\n    a()\n    b()", "if x:\n    a()\nb()"),
    ("a:\n  b: 1\n  c: 2", "a:\n  b: 1\nc: 2"),
    ("all: x\n\tcc x", "all: x\ncc x"),
    (
        "def f():\n    for x in y:\n        a()\n    b()",
        "def f():\n    for x in y:\n        a()\n        b()",
    ),
    ("on:\n  push:\n    branches: x", "on:\n  push:\n  branches: x"),
    ("jobs:\n  - name: a\n    run: b", "jobs:\n  - name: a\n  run: b"),
    ("server:\n  port: x", "server:\nport: x"),
    ("- a\n  - b", "- a\n- b"),
    ("- a\n  - b\n  - c", "- a\n  - b\n- c"),
    ("1. a\n   - b\n   - c", "1. a\n   - b\n- c"),
    ("- 水果\n  - 苹果\n  - 梨", "- 水果\n  - 苹果\n- 梨"),
    ("main = do\n  foo\n  bar", "main = do\n  foo\nbar"),
    ("f x = g\n  where\n    g = y\n    h = z", "f x = g\n  where\n    g = y\nh = z"),
    ("f x = case x of\n  A -> do\n    b\n    c", "f x = case x of\n  A -> do\n    b\n  c"),
)

EVEN = (
    ("if x:\n    a()", "if x:\n\ta()"),
    ("if x:\n    a()", "if x:\n  a()"),
    ("  if x:\n    a()", "if x:\n  a()"),
    ("Bring:\n- water\n- hat", "Bring:\n  - water\n  - hat"),
    ("Hello\n  there", "Hello\nthere"),
    ("Note: a\n  b", "Note: a\nb"),
    ("if (x) {\n  a\n}", "if (x) {\na\n}"),
    ("a:\n- b\n- c\nd: 1", "a:\n  - b\n  - c\nd: 1"),
    ("Notes:\n\nThe meeting is on Monday.", "Notes:\n\n    The meeting is on Monday."),
    ("Notes:\n\tThe meeting is on Monday.", "Notes:\nThe meeting is on Monday."),
    ("Subject:\nRe: the hall", "Subject:\n  Re: the hall"),
    ("Ingredients:\nflour\neggs", "Ingredients:\n  flour\n  eggs"),
    (
        "Time: 1 h\nServes: 4\nIngredients:\nflour\neggs",
        "Time: 1 h\nServes: 4\nIngredients:\n  flour\n  eggs",
    ),
    ("Agenda:\n\n1. open\n2. close", "Agenda:\n\n  1. open\n  2. close"),
    ("配料:\n\t面粉", "配料:\n面粉"),
    ("for dinner:\n  eggs", "for dinner:\neggs"),
)


@pytest.mark.parametrize(("a", "b"), INDENTED)
def test_indentation_of_code_carries_meaning(a: str, b: str, tmp_path: Path) -> None:
    assert indentation(a) != indentation(b)
    found = semsearch.dedup([a, b, a], embedder=TinyEmbedder())
    assert [[member.position for member in group.members] for group in found.groups] == [[2]]
    assert [one.reason for one in found.alike] == ["the indentation differs"]
    found = semsearch.dedup([a, b], embedder=TinyEmbedder(), remove_differing=True)
    assert [match.differs for match in found.duplicates] == ["the indentation differs"]
    assert not semsearch.leak([a], [b], embedder=TinyEmbedder()).matches


@pytest.mark.parametrize(("a", "b"), EVEN)
def test_indentation_of_prose_says_nothing(a: str, b: str) -> None:
    assert indentation(a) == indentation(b)


@pytest.mark.parametrize("text", [text for pair in (*INDENTED, *EVEN) for text in pair])
def test_a_cleaned_text_tells_whether_indentation_may_matter(text: str) -> None:
    assert may_carry_meaning(clean(text)) >= bool(indentation(text))
    assert not may_carry_meaning("The hall is open.\n Ask at the desk.")


def test_exact_copies_of_prose_are_not_read_again() -> None:
    prose, code = "The hall is open.\nAsk at the desk.", "if x:\n    a()\n    b()"
    originals = [prose, prose, prose, code, code, code.replace("    b", "b")]
    shown: list[int] = []

    def written(positions: Sequence[int]) -> list[str]:
        shown.extend(positions)
        return [originals[at] for at in positions]

    names = [str(at) for at in range(len(originals))]
    collection = DocumentCollection(
        names,
        names,
        [b"prose"] * 3 + [b"code"] * 3,
        [],
        np.zeros((0, 3), np.float32),
        lambda positions: [clean(originals[at]) for at in positions],
        lambda position: [],
        originals=written,
    )
    digests = collection.by_indentation().digests
    assert shown == [3, 4, 5]
    assert [digests.index(digest) for digest in digests] == [0, 0, 0, 3, 3, 5]


def test_an_index_and_files_keep_what_is_indented_otherwise(tmp_path: Path) -> None:
    a, b = INDENTED[0]
    for name, text in (("a.txt", a), ("b.txt", b), ("c.txt", b)):
        (tmp_path / name).write_text(text)
    with create_index(tmp_path / ".semsearch") as index:
        index.ingest([tmp_path])
        found = index.duplicates(0.85)
        assert [(group.keeper, [m.name for m in group.members]) for group in found.groups] == [
            ("b.txt", ["c.txt"])
        ]
        assert found.vetoed == {"indentation": 1}
        assert index.plan(found).steps[0].document == "c.txt"
    with Dataset.read([tmp_path], embedder=TinyEmbedder()) as data:
        assert data.duplicates().vetoed == {"indentation": 1}


def test_a_comparison_says_what_dedup_does(tmp_path: Path) -> None:
    texts = {
        "a": INDENTED[0][0],
        "b": INDENTED[0][1],
        "c": "git push to main",
        "d": "git push --force to main",
    }
    for name, text in texts.items():
        (tmp_path / f"{name}.txt").write_text(text)
    with create_index(tmp_path / ".semsearch") as index:
        index.ingest([tmp_path])
        found = index.compare("a.txt", "b.txt")
        assert (found.tier, found.rule, found.differs) == (
            "lexical",
            "indentation",
            "the indentation differs",
        )
        assert index.compare("c.txt", "d.txt").differs == "a sign differs: – / --force"
        assert (index.compare("c.txt", "c.txt").tier, index.compare("c.txt", "c.txt").differs) == (
            "exact",
            "",
        )


def test_proofs_know_of_indentation() -> None:
    from itertools import combinations

    from semsearch.dedup.veto import RULES, Veto

    texts = [
        "if x:\n a()\n b()",
        "if x:\n a()\nb()",
        "x\n a()",
        "x\na()",
        *(f"if {n}:\n c()" for n in "abcdef"),
    ]
    left, right = np.array(list(combinations(range(len(texts)), 2))).T
    for differing in (False, True):
        veto = Veto(lambda numbers: [texts[n] for n in numbers], len(texts), differing=differing)
        alone = [veto.reason(x, y)[0] for x, y in zip(left.tolist(), right.tolist(), strict=True)]
        assert [RULES[code] for code in veto.codes(left, right)] == alone
        assert veto.accepts(left, right).tolist() == [not rule for rule in alone]
