"""Texts with the same words that say different things: each kind as a table, for one pair and for many at once."""

import numpy as np
import pytest

from semsearch.dedup.veto import RULES, Veto
from semsearch.text import clean

DIFFERENT = {
    "order": (
        (
            "Day 1: arrive in Lyon. Day 2: hike to the lake.",
            "Day 1: hike to the lake. Day 2: arrive in Lyon.",
        ),
        ("Room 5: Anna\nRoom 6: Bram", "Room 5: Bram\nRoom 6: Anna"),
        ("第一天：到达。第二天：爬山。", "第一天：爬山。第二天：到达。"),
        ("copy src dst", "copy dst src"),
        ("COPY src dst", "COPY dst src"),
        ("f(a, b)", "f(b, a)"),
        ("subtract(total, tax)", "subtract(tax, total)"),
        ("git merge main feature", "git merge feature main"),
        ("Add the flour, then the water.", "Add the water, then the flour."),
        ("First wash the pan, then dry it.", "First dry the pan, then wash it."),
        ("1. Unplug the device.\n2. Remove the cover.", "1. Remove the cover.\n2. Unplug the device."),
        (
            "1. Unplug the device\n2. Remove the cover\n3. Press the button",
            "1. Unplug the device\n2. Press the button\n3. Remove the cover",
        ),
        (
            "Step 1: Close the valve. Step 2: Open the drain.",
            "Step 1: Open the drain. Step 2: Close the valve.",
        ),
        (
            "First, unplug the device. Then remove the cover.",
            "First, remove the cover. Then unplug the device.",
        ),
        ("第一步：关闭阀门。第二步：打开排水口。", "第一步：打开排水口。第二步：关闭阀门。"),
        ("首先关闭电源，然后打开盖子。", "首先打开盖子，然后关闭电源。"),
        ("先洗手，再吃饭。", "先吃饭，再洗手。"),
        ("1、关闭阀门\n2、打开排水口", "1、打开排水口\n2、关闭阀门"),
        ("The ranking: 1. Anna 2. Ben 3. Cleo", "The ranking: 1. Ben 2. Anna 3. Cleo"),
        ("3 plums and 4 pears", "4 plums and 3 pears"),
        ("三个苹果和四个梨", "四个苹果和三个梨"),
        ("x = 1\nprint(x)\nx = 2", "x = 1\nx = 2\nprint(x)"),
        ("open();\nread();\nclose();", "read();\nopen();\nclose();"),
        ("Shut the valve before you open the lid.", "Open the lid before you shut the valve."),
    ),
    "structure": (
        (
            "steps:\n  - name: a\n    if: x\n    run: b\n  - name: c\n    run: d",
            "steps:\n  - name: a\n    run: b\n  - name: c\n    if: x\n    run: d",
        ),
        ("server:\n  port: 80", "server:\nport: 80"),
        ("on:\n  push:", "on:\npush:"),
        (
            "- Fruit\n  - apple\n  - pear\n- Roots\n  - carrot",
            "- Fruit\n  - apple\n- Roots\n  - pear\n  - carrot",
        ),
        ("- Do not\n  - smoke\n  - drink\n- Do\n  - eat", "- Do not\n  - smoke\n- Do\n  - drink\n  - eat"),
        ("- a\n  - b\n  - c", "- a\n  - b\n- c"),
        ("1. Open\n   - the door\n2. Close\n   - the lid", "1. Open\n   - the lid\n2. Close\n   - the door"),
        ("main = do\n  foo\n  bar", "main = do\n  foo\nbar"),
        ("f x = g x\n  where\n    g y = y\n    h z = z", "f x = g x\n  where\n    g y = y\nh z = z"),
        (
            "case x of\n  A -> do\n    foo\n    bar\n  B -> baz",
            "case x of\n  A -> do\n    foo\n  bar\n  B -> baz",
        ),
        ("- 水果\n  - 苹果\n  - 梨\n- 蔬菜", "- 水果\n  - 苹果\n- 蔬菜\n  - 梨"),
        ("a:\n  x: 1\n  y: 2\nb:\n  z: 3", "a:\n  x: 1\nb:\n  y: 2\n  z: 3"),
        ("if a:\n    x()\nelse:\n    y()\n    z()", "if a:\n    x()\n    z()\nelse:\n    y()"),
        ("# Allowed\n- dogs\n# Forbidden\n- cats", "# Allowed\n- cats\n# Forbidden\n- dogs"),
        ("Allowed:\n- dogs\nForbidden:\n- cats", "Allowed:\n- cats\nForbidden:\n- dogs"),
        ("- a\n  - b\n  - c", "- a\n- b\n- c"),
    ),
    "comment": (
        ("allow_root yes", "# allow_root yes"),
        ("PermitRootLogin no", "#PermitRootLogin no"),
        ("Port 22", "#Port 22"),
        ("extension=gd", ";extension=gd"),
        ("option", "; option"),
        ("<option>fast</option>", "<!-- <option>fast</option> -->"),
        ("The hall is closed on Monday.", "<!-- The hall is closed on Monday. -->"),
        ("start_server();", "// start_server();"),
        ("debug: true", "# debug: true"),
        ("SELECT 1;", "-- SELECT 1;"),
        ("x = 1", "# x = 1"),
        ("foo(1)", "/* foo(1) */"),
        ("include /etc/nginx/mime.types;", "# include /etc/nginx/mime.types;"),
        ("\\usepackage{x}", "% \\usepackage{x}"),
        ("export PATH=/usr/bin", "# export PATH=/usr/bin"),
    ),
    "number": (
        ("Use version 2.1 of the tool.", "Use version 2.10 of the tool."),
        ("Install Python 3.1 now", "Install Python 3.10 now"),
        ("See v2.1", "See v2.10"),
        ("See section 4.1.", "See section 4.10."),
        ("使用版本2.1", "使用版本2.10"),
        ("The team won 2-1.", "The team won 1-2."),
        ("The team won 2–1.", "The team won 1–2."),
        ("球队2-1获胜", "球队1-2获胜"),
        ("Read chapter II.", "Read chapter III."),
        ("Read Chapter I.", "Read Chapter II."),
        ("Henry IV was king.", "Henry V was king."),
        ("Henry VII of England", "Henry VIII of England"),
        ("World War I began there.", "World War II began there."),
        ("type II diabetes", "type I diabetes"),
        ("第二章", "第三章"),
        ("第Ⅱ章", "第Ⅲ章"),
        ("see (ii)", "see (iii)"),
        ("The file has 5 MB.", "The file has 5 Mb."),
        ("a link of 100 Mb/s", "a link of 100 MB/s"),
        ("a link of 100 Mbps", "a link of 100 MBps"),
        ("It needs 5 mW.", "It needs 5 MW."),
        ("a 5 mM solution", "a 5 mm solution"),
        ("a 3 GB file", "a 3 Gb file"),
        ("a gap of 5 µm", "a gap of 5 mm"),
        ("It takes 100 µs.", "It takes 100 ms."),
        ("文件大小为5MB", "文件大小为5Mb"),
        ("Net income: ($500)", "Net income: $500"),
        ("Net profit (1,200)", "Net profit 1,200"),
        ("Change of -$500", "Change of $500"),
        ("净利润：（500）万元", "净利润：500万元"),
        ("It is minus 5 degrees.", "It is 5 degrees."),
        ("气温零下5度", "气温5度"),
        ("x in [0,1)", "x in [0,1]"),
        ("the interval (0, 1)", "the interval [0, 1]"),
        ("x ∈ (0,1]", "x ∈ (0,1)"),
        ("区间[0,1)", "区间[0,1]"),
        ("Take one tablet q.d.", "Take one tablet q.i.d."),
        ("Take one tablet b.i.d.", "Take one tablet t.i.d."),
        ("Take one tablet p.o.", "Take one tablet i.v."),
        ("in 300 B.C.", "in 300 A.D."),
        ("The U.S. army", "The U.K. army"),
    ),
    "kind": (
        ("The shop is open.", "The shop is open?"),
        ("The shop is open", "The shop is open?"),
        ("Is the shop open?", "The shop is open."),
        ("商店开门了。", "商店开门了？"),
        ("商店开门了。", "商店开门了吗？"),
        ("We won. Are you sure?", "We won. You are sure."),
        ("You paid the bill.", "You paid the bill?"),
    ),
    "code": (
        ("a.b", "a_b"),
        ("import os.path", "import os_path"),
        ("a[1:]", "a[:1]"),
        ("x[i:]", "x[:i]"),
        ("x++", "++x"),
        ("i++;", "++i;"),
        ("a*(b+c)", "a*b+c"),
        ("a / (b * c)", "a / b * c"),
        ("a - (b - c)", "a - b - c"),
        ("not (a or b)", "not a or b"),
        ("(a or b) and c", "a or (b and c)"),
        ("!(a || b)", "!a || b"),
        ("a && (b || c)", "(a && b) || c"),
        ("&str", "&mut str"),
        ("let x = 1", "let mut x = 1"),
        ("char* p", "const char* p"),
        ("SELECT a FROM t INNER JOIN u", "SELECT a FROM t LEFT JOIN u"),
        ("SELECT a FROM t JOIN u", "SELECT a FROM t LEFT JOIN u"),
        ("SELECT a FROM t UNION SELECT b FROM u", "SELECT a FROM t UNION ALL SELECT b FROM u"),
        ("async def f(): pass", "def f(): pass"),
        ("my-file.txt", "my_file.txt"),
        ("非（甲或乙）", "非甲或乙"),
        ("不得离开", "不得不离开"),
        ("a[i][:n]", "a[i][n:]"),
        ("x = *p++", "x = ++*p"),
    ),
}
SAME = (
    ("The hall is open.", "The hall is open"),
    ("The hall is open.", "The hall is open!"),
    ("“Open” he said", '"Open" he said'),
    ("Open – at nine", "Open — at nine"),
    ("What time is it", "What time is it?"),
    ("How do I return an item", "How do I return an item?"),
    ("Can you help me", "Can you help me?"),
    ("Hi, can you help me", "Hi, can you help me?"),
    ("哪里卖票", "哪里卖票？"),
    ("你好吗", "你好吗？"),
    ("# Title", "Title"),
    ("# Chapter 1", "Chapter 1"),
    ("## Install the tool", "Install the tool"),
    ("#photo", "photo"),
    ("The ticket ($500) is refundable.", "The ticket, $500, is refundable."),
    ("It takes 3-5 days.", "It takes 3 to 5 days."),
    ("It takes 3–5 days.", "It takes 3-5 days."),
    ("It costs $2.10.", "It costs $2.1."),
    ("The rate is 0.50.", "The rate is 0.5."),
    ("Chapter IV", "Chapter 4"),
    ("World War II", "World War 2"),
    ("a 5 KB file", "a 5 kB file"),
    ("5 KG of flour", "5 kg of flour"),
    ("a gap of 5 \u00b5m", "a gap of 0.005 millimetres"),
    ("It takes 5 \u03bcs.", "It takes 5 microseconds."),
    ("10 mL of water", "10 ml of water"),
    ("e.g. tea", "eg tea"),
    ("the U.S. army", "the US army"),
    ("at 5 p.m.", "at 5 pm"),
    ("Send an e-mail.", "Send an email."),
    ("snake_case", "snake case"),
    ("a well-known fact", "a well known fact"),
    ("Bring water (still or sparkling) and a hat.", "Bring water, still or sparkling, and a hat."),
    ("- apples\n- pears", "- pears\n- apples"),
    ("* apples\n* pears", "- apples\n- pears"),
    (
        "The kitchen closes at nine. Please wash your cups.",
        "Please wash your cups. The kitchen closes at nine.",
    ),
    ("1. Unplug it.\n2. Open it.", "1) Unplug it.\n2) Open it."),
    ("- a\n  - b\n- c", "- a\n    - b\n- c"),
    ("- a\n  - b\n- c", "* a\n\t* b\n* c"),
    ("Bring:\n- water\n- hat", "Bring:\n  - water\n  - hat"),
    ("Subject:\nRe: the hall", "Subject:\n  Re: the hall"),
    ("a: 1\nb: 2\nc: 3", "b: 2\na: 1\nc: 3"),
    ("我们不得不离开", "我们必须离开"),
    ("see [1, 2]", "see (1, 2)"),
    ("Wait...", "Wait…"),
    ("Tea or coffee?", "Tea or coffee ?"),
    ("the big old house", "the old big house"),
    ("Tom and I went.", "I and Tom went."),
    ("a  double  blank", "a double blank"),
    ("He said: 'go'.", 'He said: "go".'),
    ("（见附件）", "(见附件)"),
    ("今天天气好。", "今天天气好"),
    ("今天天气好！", "今天天气好。"),
    ("“开放”", "「开放」"),
    ("Note: read this", "# Note: read this"),
)


def veto_on(texts: list[str]) -> Veto:
    cleaned = [clean(text).strip() for text in texts]
    return Veto(
        lambda numbers: [cleaned[number] for number in numbers],
        len(texts),
        written=lambda numbers: [texts[number] for number in numbers],
    )


@pytest.mark.parametrize(("a", "b"), [pair for pairs in DIFFERENT.values() for pair in pairs])
def test_same_words_that_say_otherwise_differ(a: str, b: str) -> None:
    veto = veto_on([a, b])
    assert veto.reason(0, 1)[0] not in ("", "template")
    assert veto.reason(0, 1)[0] == veto.reason(1, 0)[0]


@pytest.mark.parametrize(("a", "b"), SAME)
def test_other_typography_and_order_of_prose_agree(a: str, b: str) -> None:
    veto = veto_on([a, b])
    assert veto.reason(0, 1) == veto.reason(1, 0) == ("", "")


@pytest.mark.parametrize("kind", [*DIFFERENT, "same"])
def test_many_pairs_are_decided_like_one(kind: str) -> None:
    texts = list(dict.fromkeys(text for pair in DIFFERENT.get(kind, SAME) for text in pair))
    texts += [f"{text} {more}" for text in texts[:16] for more in ("Call Anna.", "Call Bram?")]
    veto = veto_on(texts)
    left, right = np.triu_indices(len(texts), 1)
    alone = [veto.reason(x, y)[0] for x, y in zip(left.tolist(), right.tolist(), strict=True)]
    assert [RULES[code] for code in veto.codes(left, right)] == alone
    assert veto.accepts(left, right).tolist() == [not rule for rule in alone]
