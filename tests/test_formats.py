"""Mail, books, notebooks, subtitles and marked-up text: what is read, where it is, and what is left out."""

import base64
import io
import json
import time
import zipfile
from email.message import EmailMessage
from itertools import pairwise

import pytest
from reading import Read, lines_of

from semsearch.readers.parsing import FORMATS
from semsearch.search.query import Condition
from semsearch.text import clean, without_data
from semsearch.text.suffixes import PROSE_SUFFIXES

PICTURE = base64.b64encode(bytes(range(256))).decode()


# Mail


def mail(
    subject: str = "Deposit", body: str = "The deposit comes back.\n", sender: str = "ann@example.org"
) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["Subject"] = sender, subject
    message.set_content(body)
    return message


def test_a_mail_is_decoded_and_its_header_becomes_fields(reading: Read) -> None:
    message = EmailMessage()
    message["From"] = '"Lee, Ann" <ann@example.org>'
    message["To"] = "Jürgen Groß <jg@example.org>, bo@example.org"
    message["Date"] = "Mon, 06 May 2024 10:00:00 +0200"
    message["Subject"] = (
        "Grüße vom Boot, und eine Zeile, die so lang ist, dass sie gefaltet wird: Rückgabe der Kaution"
    )
    message.set_content(
        "Schöne Grüße aus Köln.\n\n> Wann kommst du?\n\nBald.\n-- \nAnn\n", cte="quoted-printable"
    )
    document = reading("a.eml", message.as_bytes()).document
    assert lines_of(document) == [
        (1, f"# {document.metadata['title']}"),
        (2, "Schöne Grüße aus Köln."),
        (3, "> Wann kommst du?"),
        (4, "Bald."),
        (4, "-- "),
        (4, "Ann"),
    ]
    assert (document.name, document.unit) == ("a.eml", "paragraph")
    assert document.metadata["from"] == ("Lee, Ann", "ann@example.org")
    assert document.metadata["to"] == ("Jürgen Groß", "jg@example.org", "bo@example.org")
    assert document.metadata["date"] == "2024-05-06T10:00:00+02:00"
    assert str(document.metadata["subject"]).endswith("Rückgabe der Kaution")


def test_base64_that_is_cut_off_is_decoded_as_far_as_it_goes(reading: Read) -> None:
    encoded = base64.b64encode("Grüße aus dem Werkzeugschuppen".encode()).decode()
    head = "Subject: x\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n\n"
    assert reading("a.eml", head + encoded[:21]).lines == [(1, "# x"), (2, "Grüße aus dem")]


@pytest.mark.parametrize("charset", ["iso-8859-1", "gb2312", "shift_jis", "koi8-r", "utf-16"])
@pytest.mark.parametrize("encoding", ["base64", "quoted-printable"])
def test_a_mail_of_any_charset_and_encoding(reading: Read, charset: str, encoding: str) -> None:
    text = {"gb2312": "组件的路由", "shift_jis": "図書館は九時", "koi8-r": "Библиотека"}.get(
        charset, "Grüße, Köln"
    )
    message = EmailMessage()
    message["Subject"] = "x"
    message.set_content(text.encode(charset), "text", "plain", cte=encoding, params={"charset": charset})
    assert reading("a.eml", message.as_bytes()).lines == [(1, "# x"), (2, text)]


def test_a_body_in_two_forms_is_read_once(reading: Read) -> None:
    message = mail(body="The deposit comes back with the tool, and the shed is open.\n")
    message.add_alternative(
        "<title>T</title><p>The deposit <b>comes</b> back with the tool, and the shed is open.", "html"
    )
    assert reading("a.eml", message.as_bytes()).lines[1:] == [
        (2, "The deposit comes back with the tool, and the shed is open.")
    ]


@pytest.mark.parametrize("plain", ["", "This mail is HTML.\n"])
def test_the_html_form_is_read_where_the_plain_one_is_a_stub(reading: Read, plain: str) -> None:
    message = mail(body=plain)
    text = "The deposit comes back when all of the tools are back and nothing is broken."
    message.add_alternative(
        f"<html><head><title>T</title></head><body><h2>Tools</h2><p>{text}</p></body>", "html"
    )
    assert reading("a.eml", message.as_bytes()).lines == [(1, "# Deposit"), (2, "## Tools"), (3, text)]


def test_attachments_are_documents_with_their_own_places(reading: Read) -> None:
    message = mail()
    message.add_attachment(
        b"<title>P</title>\n<p>A page.", maintype="text", subtype="html", filename="p.html"
    )
    message.add_attachment(
        "one\ntwo\n".encode("utf-16"), maintype="application", subtype="x", filename="../../Ü.txt"
    )
    message.add_attachment(b"\x89PNG", maintype="image", subtype="png", filename="p.png")
    message.add_attachment(b"%PDF-1.7 broken", maintype="application", subtype="pdf", filename="p.pdf")
    message.add_attachment(b"again", maintype="text", subtype="plain", filename="Ü.txt")
    found = reading("a.eml", message.as_bytes())
    assert {document.name: lines_of(document) for document in found.documents} == {
        "a.eml#body": [(1, "# Deposit"), (2, "The deposit comes back.")],
        "a.eml#p.html": [(1, "P"), (2, "A page.")],
        "a.eml#Ü.txt": [(1, "one"), (2, "two")],
        "a.eml#Ü.txt (2)": [(1, "again")],
    }
    assert all(document.metadata["from"] == "ann@example.org" for document in found.documents)
    assert [(one.reason.partition(" (")[0], one.failed) for one in found.skipped] == [
        ("attachment of a format that is not read", False),
        ("attachment p.pdf: broken PDF", True),
    ]


def test_a_forwarded_mail_is_a_section(reading: Read) -> None:
    message = mail("Fwd", "See below.\n")
    message.add_attachment(mail("Key", "The key is under the mat.\n", "bo@example.org"))
    assert [line for _, line in reading("a.eml", message.as_bytes()).lines] == [
        "# Fwd", "See below.", "### Key", "From: bo@example.org", "The key is under the mat.",
    ]  # fmt: skip


def test_flowed_lines_are_joined_within_their_level_of_quotes(reading: Read) -> None:
    body = "> When do we \n> meet?\n>> Older.\nAt nine, \nat the shed.\n\n From here.\n-- \nAnn\n"
    content = f"Subject: x\nContent-Type: text/plain; format=flowed\n\n{body}"
    assert [line for _, line in reading("a.eml", content).lines[1:]] == [
        "> When do we meet?", ">> Older.", "At nine, at the shed.", "From here.", "-- ", "Ann",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("header", "subject"),
    [
        ("Subject: =?utf-8?B?R3LD?= =?utf-8?B?vMOfZQ==?=", "Grüße"),
        ("Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\n =?utf-8?q?_aus?= K", "Grüße aus K"),
        ("Subject: =?x-unknown?q?abc?=", "abc"),
        ("Subject: Grüße", "Grüße"),
        ("Subject: =?utf-8?B?*?=", "=?utf-8?B?*?="),
    ],
)
def test_subjects_as_programs_write_them(reading: Read, header: str, subject: str) -> None:
    found = reading("a.eml", f"{header}\nFrom: a@example.org\n\ntext\n").document
    assert found.metadata["subject"] == subject


def test_encoded_data_in_a_body_is_left_out(reading: Read) -> None:
    uuencoded = "begin 644 a.bin\n" + "M" + "A" * 60 + "\n" + "`\nend\n"
    signature = "-----BEGIN PGP SIGNATURE-----\n\niQEzBAEBCAAdFiEE\n-----END PGP SIGNATURE-----\n"
    wrapped = "\n".join(PICTURE[at : at + 76] for at in range(0, len(PICTURE), 76))
    text = "\n".join(
        line
        for _, line in reading(
            "a.eml", f"Subject: x\n\nBefore.\n{uuencoded}\n{signature}\n{wrapped}\n\nAfter.\n"
        ).lines
    )
    text = without_data(text)
    assert "Before." in text and "After." in text
    assert "AAAA" not in text and "iQEz" not in text and PICTURE[:20] not in text


def test_each_mail_of_a_mailbox_is_a_document(reading: Read) -> None:
    second = "Hello.\n\nFrom here on we walk.\n\nFrom ann at 10:00 we heard nothing.\n\n>From there too.\n"
    box = (
        b"From ann@example.org Mon May  6 10:00:00 2024\n" + mail().as_bytes()
        + b"\nFrom - Mon May  6 10:00:00 2024\r\n" + mail("Two", second).as_bytes()
    )  # fmt: skip
    found = reading("a.mbox", box)
    assert found.skipped == []
    assert [(one.name, one.unit, set(one.numbers or ())) for one in found.documents] == [
        ("a.mbox#1", "message", {1}),
        ("a.mbox#2", "message", {2}),
    ]
    assert [line for _, line in lines_of(found.documents[1])][2:] == [
        "From here on we walk.", "From ann at 10:00 we heard nothing.", "From there too.",
    ]  # fmt: skip


def test_one_broken_mail_costs_only_itself(reading: Read) -> None:
    deep = "".join(f"Content-Type: multipart/mixed; boundary=b{at}\n\n--b{at}\n" for at in range(1000))
    separator = "From a@example.org Mon May  6 10:00:00 2024\n"
    box = f"{separator}Subject: deep\n{deep}\n\n{separator}Subject: good\n\ntext\n"
    found = reading("a.mbox", box)
    assert [one.name for one in found.documents] == ["a.mbox#2"]
    assert [(one.path, one.failed) for one in found.skipped] == [("a.mbox#1", True)]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("just text, no header", "not a mail"),
        (
            "Subject: x\nContent-Type: multipart/mixed; boundary=b\n\n" + "--b\n\nx\n" * 2000,
            "more than 1,000 parts",
        ),
        ("".join("Content-Type: message/rfc822\n\n" for _ in range(1000)), "nested too deeply"),
    ],
)
def test_what_is_not_a_mail_of_a_person_is_an_error(reading: Read, content: str, reason: str) -> None:
    assert reason in reading("a.eml", content).reason


# Books

CONTAINER = '<container><rootfiles><rootfile full-path="O/b.opf"/></rootfiles></container>'
OPF = """<package xmlns="http://www.idpf.org/2007/opf" xmlns:dc="http://purl.org/dc/elements/1.1/"><metadata>
<dc:title>The Shed</dc:title><dc:creator>Ann Lee</dc:creator><dc:language>en</dc:language></metadata><manifest>
<item id="n" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>
<item id="b" href="two%20.xhtml" media-type="application/xhtml+xml"/>
<item id="a" href="one.xhtml" media-type="application/xhtml+xml"/>
<item id="e" href="../../../etc/passwd" media-type="application/xhtml+xml"/>{more}</manifest>
<spine><itemref idref="n"/><itemref idref="a"/><itemref idref="b"/>{spine}</spine></package>"""


def book(more: str = "", spine: str = "", **files: str) -> bytes:
    file = io.BytesIO()
    page = "<html><head><title>The Shed</title></head><body>{}</body></html>"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", "application/epub+zip")
        archive.writestr("META-INF/container.xml", CONTAINER)
        archive.writestr("O/b.opf", OPF.format(more=more, spine=spine))
        archive.writestr("O/nav.xhtml", page.format("<ol><li>Contents</li></ol>"))
        archive.writestr("O/one.xhtml", page.format("<h1>Tools</h1><p>A hammer.</p><p>A saw.</p>"))
        archive.writestr("O/two .xhtml", page.format("<h1>Keys</h1>\n<p>Under the mat.</p>"))
        for name, content in files.items():
            archive.writestr(name, content)
    return file.getvalue()


def test_a_book_without_a_spine_is_read_by_its_files(reading: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    spine = '<itemref idref="n"/><itemref idref="a"/><itemref idref="b"/>'
    assert spine in OPF
    monkeypatch.setitem(globals(), "OPF", OPF.replace(spine, ""))
    read = reading("a.epub", book())
    found = [line for document in read.documents for _, line in lines_of(document)]
    assert [one.failed for one in read.skipped] == [True]  # the file that is not in the book
    assert sorted(found) == ["# Keys", "# Tools", "A hammer.", "A saw.", "Under the mat."]


def test_a_book_is_read_in_the_order_of_its_spine(reading: Read) -> None:
    document = reading("a.epub", book()).document
    assert lines_of(document) == [
        (1, "# Tools"), (1, "A hammer."), (1, "A saw."), (2, "# Keys"), (2, "Under the mat."),
    ]  # fmt: skip
    assert document.unit == "chapter"
    assert document.metadata == {"title": "The Shed", "author": "Ann Lee", "language": "en"}


def test_a_chapter_outside_the_book_is_missing(reading: Read) -> None:
    found = reading("a.epub", book(spine='<itemref idref="e"/>'))
    assert len(found.documents) == 1
    assert [(one.path, one.failed) for one in found.skipped] == [("a.epub:3", True)]
    assert "etc/passwd is missing" in found.skipped[0].reason


@pytest.mark.parametrize(
    ("algorithm", "is_read"),
    [("http://www.w3.org/2001/04/xmlenc#aes128-cbc", False), ("http://www.idpf.org/2008/embedding", True)],
)
def test_an_encrypted_book_says_so(reading: Read, algorithm: str, is_read: bool) -> None:
    encryption = (
        f'<encryption><EncryptedData><EncryptionMethod Algorithm="{algorithm}"/><CipherData>'
        '<CipherReference URI="O/one.xhtml"/></CipherData></EncryptedData></encryption>'
    )
    found = reading("a.epub", book(**{"META-INF/encryption.xml": encryption}))
    assert bool(found.documents) == is_read
    assert is_read or "DRM" in found.reason


def test_a_book_with_entities_is_refused(reading: Read) -> None:
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><encryption>&b;</encryption>'
    assert "entities" in reading("a.epub", book(**{"META-INF/encryption.xml": bomb})).reason


# Notebooks


def notebook(*cells: dict[str, object]) -> str:
    about = {"language_info": {"name": "python"}, "title": "Prices"}
    return json.dumps({"cells": cells, "metadata": about, "nbformat": 4, "nbformat_minor": 5})


def test_a_notebook_has_cells_of_prose_code_and_short_output(reading: Read) -> None:
    outputs = [
        {"output_type": "stream", "name": "stdout", "text": ["\x1b[31mtwo rows\x1b[0m\n"]},
        {
            "output_type": "display_data",
            "data": {"image/png": PICTURE, "text/plain": ["<Figure size 640x480>"]},
        },
        {"output_type": "execute_result", "data": {"text/html": "<table>", "text/plain": "   price\n0  1"}},
        {"output_type": "error", "ename": "ValueError", "evalue": "no rows", "traceback": ["\x1b[0;31m---"]},
    ]
    cells = (
        {"cell_type": "markdown", "source": ["# Prices\n", f"![plot](data:image/png;base64,{PICTURE})"]},
        {"cell_type": "code", "source": "import pandas", "outputs": outputs},
        {"cell_type": "code", "source": "", "outputs": []},
        {"cell_type": "raw", "source": "raw words"},
    )
    document = reading("a.ipynb", notebook(*cells)).document
    lines = lines_of(document)
    assert lines[0] == (1, "# Prices") and without_data(lines[1][1]).startswith("plot [data ")
    assert lines[2:] == [
        (2, "```python"), (2, "import pandas"), (2, "```"), (2, "```"), (2, "two rows"), (2, "```"), (2, "```"),
        (2, "   price"), (2, "0  1"), (2, "```"), (2, "```"), (2, "ValueError: no rows"), (2, "```"), (4, "raw words"),
    ]  # fmt: skip
    assert (document.unit, dict(document.metadata)) == ("cell", {"language": "python", "title": "Prices"})


def test_a_notebook_of_format_3(reading: Read) -> None:
    cells = [
        {"cell_type": "heading", "level": 2, "source": ["Prices"]},
        {
            "cell_type": "code",
            "language": "r",
            "input": "1 + 1",
            "outputs": [{"output_type": "pyout", "text": ["2"]}],
        },
    ]
    content = json.dumps({"worksheets": [{"cells": cells}], "nbformat": 3, "metadata": {"name": ""}})
    assert reading("a.ipynb", content).lines == [
        (1, "## Prices"), (2, "```r"), (2, "1 + 1"), (2, "```"), (2, "```"), (2, "2"), (2, "```"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{}", "not a notebook"),
        ('{"cells": [', "malformed JSON"),
        ("[" * 100_000, "nested too deeply"),
        ('{"cells": {"a": 1}, "nbformat": 4}', "no text"),
        ('{"cells": [1, null, {"cell_type": 5, "source": {"a": 1}}], "nbformat": 4}', "no text"),
    ],
)
def test_what_is_not_a_notebook_is_said(reading: Read, content: str, reason: str) -> None:
    assert reason in reading("a.ipynb", content).reason


# Subtitles


def test_subtitles_are_sentences_at_their_times(reading: Read) -> None:
    text = (
        "1\n00:00:01,000 --> 00:00:03,000 X1:10\n{\\an8}<i>The membrane has to</i>\ndry for two\n\n"
        "2\n00:00:03,500 --> 00:00:05,000\nhours &amp; a half. Then\n\n3\n00:00:05,000 --> 00:00:06,000\npaint it.\n\n"
        "4\n00:00:30,000 --> 00:00:32,000\n- Hi.\n- Hello\n5\n01:01:30,000 --> 01:01:32,000\n7\n"
    )
    found = reading("a.srt", text.replace("\n", "\r\n"))
    assert found.lines == [
        (1, "The membrane has to dry for two hours & a half. Then paint it."),
        (30, "- Hi."), (30, "- Hello"), (3690, "7"),
    ]  # fmt: skip
    assert found.document.unit == "second"


def test_webvtt_notes_styles_tags_and_positions_are_left_out(reading: Read) -> None:
    text = (
        "WEBVTT - a title\nKind: captions\n\nSTYLE\n::cue { color: red }\n\nNOTE a comment\nof two lines\n\n"
        "intro\n00:01.000 --> 00:04.000 align:start position:0%\n<v Ann Lee>We are in<00:00:02.000><c.y> Bonn</c>.\n\n"
        "NOTE inside\n\n00:05.000 --> 00:06.000\n<b>Yes.</b>\n"
    )
    assert reading("a.vtt", text).lines == [(1, "Ann Lee: We are in Bonn."), (5, "Yes.")]


def test_captions_that_scroll_are_read_once(reading: Read) -> None:
    text = (
        "WEBVTT\n\n00:00:00.000 --> 00:00:02.000\n \nso<c> today</c>\n\n00:00:02.000 --> 00:00:02.010\nso today\n \n\n"
        "00:00:02.010 --> 00:00:04.000\nso today\nwe paint\n\n00:00:04.000 --> 00:00:04.010\nwe paint\n"
    )
    assert reading("a.vtt", text).lines == [(0, "so today we paint")]


# Markdown

NOTE = """---
title: Flat renovation
status: active
budget: 12000
tags: [home, daily]
author:
  name: Ann

---
# Plan

Buy tape %%secret%% today. ![[boiler.png]] See [[Suppliers|the list]] and [[Other]]. ^abc123
It is 100%% sure and 50%% not. `<!-- code -->` <!-- gone
all gone --> back.

%%
hidden
%%

```dataview
table status
```
"""


def test_front_matter_is_fields_and_not_text(reading: Read) -> None:
    document = reading("a.md", NOTE).document
    assert lines_of(document) == [
        (10, "# Flat renovation"),
        (10, "# Plan"),
        (12, "Buy tape  today. boiler.png See the list and Other."),
        (13, "It is 100%% sure and 50%% not. `<!-- code -->` "),
        (14, " back."),
    ]
    assert dict(document.metadata) == {
        "title": "Flat renovation", "status": "active", "budget": "12000", "tags": ("home", "daily"),
        "author.name": "Ann",
    }  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "---\n\nA rule at the top.\n\n---\n\nMore.",
        "<!-- an open comment\nthat is text, since nothing closes it",
        "%%\nnever closed",
        "---\na: b\nnever closed",
        "a `%%code%%` b `[[code]]`",
    ],
)
def test_what_only_looks_like_markup_stays(reading: Read, text: str) -> None:
    assert reading("a.md", text).document.text == text


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        (
            "+++\ntitle = 'T'\ndraft = true\n[x]\ny = 2024-05-01\n+++\ntext",
            {"title": "T", "draft": True, "x.y": "2024-05-01"},
        ),
        ("---\na: &a [x]\nb: *a\nn: null\ne:\n---\ntext", {"a": ("x",), "b": ("x",), "n": "null"}),
        (
            "---\n" + "".join(f"k{at}: v\n" for at in range(500)) + "---\ntext",
            {f"k{at}": "v" for at in range(64)},
        ),
    ],
)
def test_front_matter_as_people_have_it(reading: Read, text: str, fields: dict[str, object]) -> None:
    assert dict(reading("a.md", text).document.metadata) == fields


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("![[a.pdf]]", "![[b.pdf]]"),
        ("![[a.pdf#page=2]]", "![[a.pdf#page=3]]"),
        ("![](img/a.png)", "![](img/b.png)"),
        ("![plan](2023/plan.png)", "![plan](2024/plan.png)"),
        ("![plan](plan.png 'Winter')", "![plan](plan.png 'Summer')"),
        ("![plan][first]", "![plan][second]"),
    ],
)
def test_notes_that_embed_other_files_differ(reading: Read, one: str, other: str) -> None:
    left, right = (reading("a.md", f"The drawing is {mark} here.").document.text for mark in (one, other))
    assert left != right
    assert "![" not in left and left.startswith("The drawing is ") and left.endswith(" here.")


@pytest.mark.parametrize(
    ("one", "other"),
    [("![[a.png|300]]", "![[a.png]]"), ("![x](../../img/a.png)", "![x](./img/a.png)")],
)
def test_one_file_embedded_in_two_ways_is_the_same(reading: Read, one: str, other: str) -> None:
    assert reading("a.md", one).document.text == reading("b.md", other).document.text


def test_encoded_data_becomes_a_mark_of_its_digest(reading: Read) -> None:
    first = reading(
        "a.md", f"A ![x](data:image/png;base64,{PICTURE}) b https://example.org/#{PICTURE} c"
    ).document
    second = reading(
        "b.md", f"A ![x](data:image/png;base64,{PICTURE[::-1]}) b https://example.org/#{PICTURE} c"
    ).document
    texts = [clean(without_data(document.text)) for document in (first, second)]
    assert PICTURE[:20] not in texts[0] and len(texts[0]) < 90
    assert texts[0].startswith("A x [data ") and "https://example.org/ [" in texts[0]
    assert texts[0] != texts[1]


def test_a_list_in_a_field_is_met_by_any_item() -> None:
    test = Condition("tags", ":", "daily").test()
    assert test(("home", "daily")) and test("Daily") and not test(("home", "dailies"))
    assert Condition("to", ":", "*@example.org").test()(("Ann", "ann@example.org", "bo"))


# Org and LaTeX


def test_an_org_file_has_headings_and_no_drawers(reading: Read) -> None:
    text = (
        "#+TITLE: The Shed\n#+FILETAGS: :home:\n#+STARTUP: overview\n\n* TODO [#A] Tools :work:oil:\n"
        ":PROPERTIES:\n:ID: 5f\n:END:\nSee [[https://example.org][the page]] and [[file:keys.org]][fn:1].\n"
        "# a comment\n#+BEGIN_SRC python :results output\n* x # no heading\n#+END_SRC\n#+RESULTS:\n: 4\n"
        "** COMMENT Hidden\nnothing\n*** deeper\n** Keys\n| a | b |\n|---+---|\n#+begin_quote\nQuoted.\n#+end_quote\n"
        ":NOTADRAWER: is a line\n*bold* at the start\n:open:\nno end\n"
    )
    document = reading("a.org", text).document
    assert lines_of(document) == [
        (1, "# The Shed"), (5, "# Tools"), (9, "See the page and keys.org."), (11, "```python"), 
        (12, "* x # no heading"),
        (13, "```"), (15, "4"), (19, "## Keys"), (20, "| a | b |"), (23, "Quoted."), (25, ":NOTADRAWER: is a line"),
        (26, "*bold* at the start"), (27, ":open:"), (28, "no end"),
    ]  # fmt: skip
    assert dict(document.metadata) == {"title": "The Shed", "tags": ("home", "work", "oil"), "todo": "TODO"}


def test_a_latex_file_is_read_as_it_is_set(reading: Read) -> None:
    text = r"""% a comment
\documentclass[a4paper]{article}
\title{The \emph{Shed}: a \LaTeX{} story}
\author{Ann Lee \and J\"urgen Gro\ss}
\begin{document}
\section[short]{Tools
  and keys}\label{sec:x}
A hammer---the one % hidden
  of 50\% worth~\cite{lee}. Caf\'e, na\"{\i}ve, \c{c}a.
% a whole line
Next\footnote{with \textbf{bold} words}.
\begin{itemize}[noitemsep]
  \item Two $a_1 \& b$ and \[ x = \frac{1}{2} \]
\end{itemize}
\begin{verbatim}
  % code
\end{verbatim}
\begin{tabular}{l|r}
a & b \\[2pt]
\end{tabular}
\includegraphics[width=3cm]{a.png}\caption{A picture.}
\iffalse hidden \fi \href{https://example.org}{the page} \input{other}
\end{document}
after
"""
    document = reading("a.tex", text).document
    assert [(number, line.strip()) for number, line in lines_of(document)] == [
        (3, "# The Shed: a LaTeX story"), (6, "## Tools and keys"),
        (8, "A hammer—the one of 50% worth . Café, naïve, ça."),
        (11, "Next (with bold words)."), (13, r"- Two $a_1 \& b$ and \[ x = \frac{1}{2} \]"),
        (15, "```"), (16, "% code"),
        (17, "```"), (19, "a | b"), (21, "A picture."), (22, "the page"),
    ]  # fmt: skip
    assert dict(document.metadata) == {
        "title": "The Shed: a LaTeX story",
        "author": ("Ann Lee", "Jürgen Groß"),
    }


def test_macros_of_a_latex_file_are_set(reading: Read) -> None:
    text = r"""\newcommand{\saw}{Pull Saw\xspace} \newcommand{\greet}[1]{Dear \emph{#1}!} \def\both{\saw, twice}
\newcommand{\todo}[1]{} \newcommand{\see}[1]{See page~\pageref{#1}} \renewcommand{\x}{\x\x}
\begin{document}
\greet{Ann} The \saw cuts\todo{check this}. \both{} \see{sec:a}.\x
\end{document}"""
    document = reading("a.tex", text).document
    assert document.text.split("\n")[1] == "Dear Ann! The Pull Saw cuts. Pull Saw, twice See page."


LETTERS = "abcdefghijklmnopqrstuvwxyz"
LAUGHS = r"\def\xa{ha }" + "".join(
    rf"\newcommand{{\x{name}}}{{" + rf"\x{before}" * 99 + "}" for before, name in pairwise(LETTERS)
)
LAUGHS += "".join(rf"\x{name} " for name in LETTERS) * 999


@pytest.mark.parametrize(
    "text",
    ["{" * 10**5, r"\\begin{verbatim}" * 10**4, r"\\section{" * 10**4, "$" * 10**5, "\\\\" * 10**5, LAUGHS],
)
def test_hostile_latex_costs_linear_time(reading: Read, text: str) -> None:
    found = reading("a.tex", text + " words")
    assert not any(one.failed for one in found.skipped)


# XML, calendars and address books


def test_xml_for_readers_has_headings_and_lines(reading: Read) -> None:
    text = (
        '<?xml version="1.0"?>\n<!DOCTYPE book SYSTEM "x.dtd" [<!ENTITY shop "The Shed">]>\n<d:book xmlns:d="urn:x">\n'
        "<d:info><d:title>Guide</d:title></d:info>\n<d:chapter><d:title>Tools &amp; keys</d:title>\n"
        "<d:para>At &shop; a <d:emphasis>big</d:emphasis>\nhammer&nbsp;hangs.</d:para>"
        "<d:para>Two.</d:para></d:chapter></d:book>"
    )
    document = reading("a.xml", text).document
    assert lines_of(document) == [
        (4, "# Guide"), (5, "## Tools & keys"), (6, "At The Shed a big hammer hangs."), (7, "Two."),
    ]  # fmt: skip
    assert document.metadata["title"] == "Guide"


def test_a_fictionbook_and_an_outline(reading: Read) -> None:
    text = (
        "<FictionBook><description><title-info><author><first-name>Ann</first-name><last-name>Lee</last-name></author>"
        "<book-title>The Shed</book-title></title-info></description><body><section>"
        "<title><p>One</p><p>Tools</p></title>"
        f"<p>A hammer.</p></section></body><binary>{PICTURE}</binary></FictionBook>"
    )
    document = reading("a.fb2", text).document
    assert [line for _, line in lines_of(document)] == ["## One Tools", "A hammer."]
    assert dict(document.metadata) == {"title": "The Shed", "author": "Ann Lee"}
    inner = '<outline text="Tools">\n<outline text="Saw" _note="old"/></outline>'
    outline = f"<opml><head><title>L</title></head><body>{inner}</body></opml>"
    assert [line for _, line in reading("a.opml", outline).lines] == ["L", "Tools", "Saw", "old"]


@pytest.mark.parametrize(
    "text",
    [
        "<a>",
        "",
        "<a>&undefined;</a>",
        "<a" * 1000,
        '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
    ],
)
def test_broken_and_hostile_xml_gives_no_text(reading: Read, text: str) -> None:
    assert reading("a.xml", text).documents == []


def test_entities_that_explode_are_refused(reading: Read) -> None:
    names = [f"e{at}" for at in range(12)]
    declared = "".join(f'<!ENTITY {name} "{f"&{below};" * 40}">' for below, name in pairwise(names))
    text = f'<!DOCTYPE a [<!ENTITY e0 "{"x" * 40}">{declared}]><a>&e11;</a>'
    assert reading("a.xml", text).skipped[0].failed


def test_a_calendar_and_an_address_book(reading: Read) -> None:
    event = (
        "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:5f\r\nSUMMARY:Shed\\, open\r\nDTSTART;TZID=X:20240506T100000\r\n"
        'ATTENDEE;CN="Lee, Ann":mailto:ann@example.org\r\nDESCRIPTION:All tools\r\n  are back.\\nThen tea.\r\n'
        "BEGIN:VALARM\r\nDESCRIPTION:Beep\r\nEND:VALARM\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )
    assert reading("a.ics", event).lines == [
        (4, "# Shed, open"), (5, "From: 20240506T100000"), (6, "Attendee: Lee, Ann ann@example.org"),
        (7, "All tools are back."), (7, "Then tea."),
    ]  # fmt: skip
    card = (
        f"BEGIN:VCARD\nFN:Ann Lee\nPHOTO;ENCODING=b:{PICTURE}\nTEL;TYPE=cell:+49 1\nADR:;;Main St 1;Bonn;;;\n"
        "NOTE;ENCODING=QUOTED-PRINTABLE:Gr=C3=BC=\n=C3=9Fe\nEND:VCARD\n"
    )
    assert [line for _, line in reading("a.vcf", card).lines] == [
        "# Ann Lee", "Phone: +49 1", "Address: Main St 1, Bonn", "Grüße",
    ]  # fmt: skip


# Hostile files: each is read within the limits of the sandbox, or named as a failure


def test_a_bomb_in_a_book_or_a_mail_is_a_failure(reading: Read) -> None:
    bomb = book(**{"META-INF/encryption.xml": "<x>" + " " * 10**6 + "</x>"})
    assert reading("small.epub", bomb).documents
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("META-INF/container.xml", CONTAINER)
        with archive.open("O/b.opf", "w", force_zip64=True) as part:
            for _ in range(501):
                part.write(b" " * 10**6)
    found = reading("a.epub", file.getvalue())
    assert found.documents == [] and found.skipped[0].failed
    message = mail()
    message.add_attachment(file.getvalue(), "application", "epub+zip", filename="b.epub")
    found = reading("a.eml", message.as_bytes())
    assert any(one.failed for one in found.skipped)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.eml", "Subject: x\n" + "A: b\n" * 300_000 + "\ntext"),
        ("a.eml", "Subject: " + "=?utf-8?B?QQ==?= " * 50_000 + "\n\ntext"),
        ("a.eml", "Subject: x\n\n" + "A" * 10**6),
        ("a.mbox", "From a Mon May  6 10:00:00 2024\nSubject: x\n\n" + "a" * 3_000_000 + "\n"),
        ("a.md", "<!--" * 10**5),
        ("a.md", "---\n" + "[" * 50_000 + "\n---\ntext"),
        ("a.md", "---\na: &a [x]\n" + "".join(f"a{n}: &a{n} [*a, *a, *a]\n" for n in range(9)) + "---\ntext"),
        ("a.srt", "1\n00:00:01,000 --> 00:00:02,000\n" + "x\n" * 10**5),
        ("a.org", ":a:\n" * 10**5),
        ("a.ics", "BEGIN:VEVENT\n" * 10**5),
    ],
)
def test_absurd_counts_and_endless_lines_end(reading: Read, name: str, text: str) -> None:
    found = reading(name, text)
    assert found.documents or found.skipped


ASCIIDOC = """= The Garden Manual
Jane Doe <jane@example.org>
v1.0, 2024-01-02
:description: How to dig

A preamble with image::spade.png[A spade].

== Digging deep

[source,python]
----
# not a heading
== nor this
----

// a comment
.A list
* First, see <<depth,how deep>> and https://example.org[the site].

////
hidden
////
|===
|Name |Depth
|===
include::other.adoc[]
----
not closed
"""


def test_asciidoc_has_headings_and_fields(reading: Read) -> None:
    document = reading("a.adoc", ASCIIDOC).document
    assert lines_of(document) == [
        (1, "# The Garden Manual"),
        (6, "A preamble with A spade."),
        (8, "## Digging deep"),
        (11, "```python"),
        (12, "# not a heading"),
        (13, "== nor this"),
        (14, "```"),
        (17, "A list"),
        (18, "* First, see how deep and the site."),
        (24, "|Name |Depth"),
        (27, "----"),
        (28, "not closed"),
    ]
    assert document.metadata == {
        "author": "Jane Doe",
        "email": "jane@example.org",
        "date": "2024-01-02",
        "description": "How to dig",
        "title": "The Garden Manual",
    }


WIKI = """<!-- a comment
of two lines -->
{{Infobox
| name = {{lc:X}}
}}
== Digging ==
'''Bold''' words with [[Spade|a spade]], [[Earth]]<ref>Smith</ref> and [https://x.org the site].
* one
** two
{| class="wikitable"
! Name !! Depth
|-
| style="x" | Tulip || 15 cm
|}
[[File:a.png|thumb|A tulip]]
[[Category:Plants]]
{{ not closed
"""


def test_a_wiki_page_is_its_words(reading: Read) -> None:
    document = reading("a.wiki", WIKI).document
    assert lines_of(document) == [
        (6, "## Digging"),
        (7, "Bold words with a spade, Earth and the site."),
        (8, "- one"),
        (9, "  - two"),
        (11, "Name | Depth"),
        (13, "Tulip | 15 cm"),
        (15, "A tulip"),
        (17, "{{ not closed"),
    ]
    assert document.metadata == {"tags": ("Plants",)}


BIB = """@string{jg = "Journal"}
@article{smith2001,
  author = {Smith, John and Doe, Jane},
  title = {The {Art} of G{\\"o}ttingen},
  journal = jg # " of Gardens",
  year = 2001,
  abstract = {We dig
    holes.},
}
@book(knuth, title="A \\"Book\\"", file={/home/x.pdf})
@misc{smith2001, note={Again}}
@misc{open, title={Not closed
"""


def test_each_entry_of_a_bibliography_is_a_document(reading: Read) -> None:
    first, second, third = reading("a.bib", BIB).documents
    assert first.name == "a.bib#smith2001"
    assert lines_of(first) == [
        (2, "# The Art of Göttingen"),
        (3, "John Smith, Jane Doe"),
        (5, "jg of Gardens"),
        (7, "We dig holes."),
    ]
    assert first.metadata == {
        "kind": "article",
        "author": ("John Smith", "Jane Doe"),
        "year": "2001",
        "title": "The Art of Göttingen",
    }
    assert (second.name, lines_of(second)[0][0], third.name) == ("a.bib#knuth", 10, "a.bib#smith2001(2)")


@pytest.mark.parametrize(
    "mark",
    ["{{", "<ref>", "[[a|", "@a{b,c={", "= x\n:a: b\n----\n", "<!--", "footnote:[", "''", "[[Category:a"],
)
@pytest.mark.parametrize("name", ["a.adoc", "a.wiki", "a.bib"])
def test_hostile_markup_is_read_in_time(reading: Read, name: str, mark: str) -> None:
    began = time.monotonic()
    reading(name, mark * 20_000)
    assert time.monotonic() - began < 30


def test_a_bibliography_without_entries_has_no_text(reading: Read) -> None:
    (skipped,) = reading("a.bib", "@comment\nBooks that I want to read.").skipped
    assert skipped.reason == "no text"


def test_a_category_may_have_a_key_to_sort_by(reading: Read) -> None:
    document = reading("a.wiki", "Words.\n[[Category:Plants|tulip]]").document
    assert document.metadata == {"tags": ("Plants",)} and lines_of(document) == [(1, "Words.")]


# Prose


def test_suffixes_of_prose_are_those_of_the_formats() -> None:
    plain = {"", ".csv", ".jsonl", ".mbox", ".mbx", ".ndjson", ".rest", ".rst", ".text", ".tsv", ".txt"}
    assert plain.isdisjoint(FORMATS)
    assert plain | {suffix for suffix, one in FORMATS.items() if one.headings} == PROSE_SUFFIXES
