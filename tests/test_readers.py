"""Files of each format to Documents: text, places in the file, metadata, and what is said of broken ones."""

import codecs
import json
import logging
import os
from io import BytesIO
from pathlib import Path

import docx
import pytest
from fpdf import FPDF
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pypdf import PdfReader, PdfWriter
from reading import Read

from semsearch.errors import UnreadableSource
from semsearch.readers import Found, read, read_text, walk
from semsearch.text import clean
from semsearch.types import Document, Skipped

# Plain text and its encodings


@pytest.mark.parametrize("name", ["a.txt", "a.rst", "a.rst", "a.py", "LICENSE", "a.unheard-of"])
def test_any_text_file_is_one_document_as_it_is(reading: Read, name: str) -> None:
    text = "# Title\r\n\r\n  Some  text\rand more.\n"
    assert reading(name, text).document == Document(name, text)


def test_a_text_that_is_no_file(reading: Read) -> None:
    assert read_text("from a pipe\n", "-") == Document("-", "from a pipe\n")
    assert read_text("\udcff", "-").text.encode()


@pytest.mark.parametrize("name", ["a.txt", "a.html", "a.csv", "a.jsonl"])
def test_a_file_without_text_is_no_failure(reading: Read, name: str) -> None:
    assert reading(name, " \n\t\n").skipped == [Skipped(name, "no text")]


TEXTS = {
    "Chinese": (
        "社区工具图书馆每周六上午十点开门，借出的工具请在两周之内归还。\n"
        "押金会在归还工具时退还给您，请带上收据。\n修理之夜是每个月的第一个星期三。\n"
    ),
    "traditional Chinese": (
        "社區工具圖書館每週六上午十點開門，借出的工具請在兩週之內歸還。\n"
        "押金會在歸還工具時退還給您，請帶上收據。\n修理之夜是每個月的第一個星期三。\n"
    ),
    "French": "Le café était fermé à cause de la fête.\nOù êtes-vous allés ? Ça coûte très cher, hélas.\n",
    "Polish": "Zażółć gęślą jaźń. Pchnąć w tę łódź jeża lub ośm skrzyń fig.\nDziękuję za wiertarkę.\n",
    "Russian": "Съешь же ещё этих мягких французских булок, да выпей чаю.\nПотом пойдём домой.\n",
    "Japanese": "東京都は日本の首都です。これはテストの文章で、文字コードを判定するために使います。\n",
    "Korean": "한국어 문장입니다. 이 글은 문자 인코딩을 시험하기 위해 만들었습니다.\n",
}
UNICODE = "utf-8 utf-8-sig utf-16 utf-32"
ENCODINGS = {
    "Chinese": f"{UNICODE} gb18030 gbk",
    "traditional Chinese": f"{UNICODE} big5",
    "French": f"{UNICODE} latin-1 cp1252",
    "Polish": f"{UNICODE} cp1250",
    "Russian": f"{UNICODE} cp1251 koi8-r",
    "Japanese": f"{UNICODE} shift_jis euc_jp",
    "Korean": f"{UNICODE} euc_kr",
}


@pytest.mark.parametrize(
    ("language", "encoding"), [(language, name) for language in TEXTS for name in ENCODINGS[language].split()]
)
def test_text_is_decoded_whatever_its_encoding(reading: Read, language: str, encoding: str) -> None:
    text = TEXTS[language]
    assert reading("a.txt", text.encode(encoding)).document.text == text


@pytest.mark.parametrize("text", ["café", "It’s a “quote” – naïve, Zürich, 5 €"])
def test_few_bytes_that_fit_many_encodings_are_western(reading: Read, text: str) -> None:
    assert reading("a.txt", text.encode("cp1252")).document.text == text


def test_every_chinese_page_of_a_real_folder_survives_gb18030(reading: Read, shared_data: Path) -> None:
    pages = sorted((shared_data / "folders" / "vue-docs-zh").rglob("*.md"))
    texts = [text for page in pages if len(text := page.read_text(encoding="utf-8")) > 500]
    assert len(texts) > 50
    wrong = [text[:40] for text in texts if reading("a.txt", text.encode("gb18030")).document.text != text]
    assert wrong == []


def test_damaged_utf8_is_named_not_guessed_at(reading: Read) -> None:
    damaged = "Ein schöner Tag.\nGrüße aus München, übrigens.\n".encode() + b"caf\xe9\n"
    assert reading("a.txt", damaged).skipped == [Skipped("a.txt", "line 3 is not valid UTF-8", failed=True)]


def test_bytes_that_are_no_text_are_refused(reading: Read) -> None:
    noise = bytes(range(1, 256)) * 4
    assert reading("a.txt", noise).skipped == [Skipped("a.txt", "unknown encoding", failed=True)]
    (skipped,) = reading("a.txt", codecs.BOM_UTF16_LE + b"odd").skipped
    assert skipped.failed
    assert skipped.reason.startswith("malformed text")


# Web pages


PAGE = """<!DOCTYPE html>
<html><head><meta charset="utf-8">
<title>Repair
  evenings</title><style>p { color: red }</style>
<script>document.write("<p>never</p>")</script></head>
<body><header><h1>Harbour Street</h1></header>
<nav><ul><li><a href="/">Home</a></ul></nav>
<article><header><h2>What we
mend</h2></header>
<p>Lamps &amp; <b>b</b>icycles,
zips.</p><p>Bring the
  <a
   href="/manual"
  >manual</a>&nbsp;along.<br>Please.</p><!-- not
this -->
<table><tr><th>Day</th><th>Bench</th></tr>
  <tr>
    <td>Monday</td>
    <td>nine</td>
  </tr></table>
<svg><title>icon</title><text>x</text></svg><noscript>Enable scripts</noscript><template>t</template>
</article>
<footer>14 Harbour Street</footer></body></html>
"""


def test_a_page_is_its_text_at_the_lines_of_the_file(reading: Read) -> None:
    result = reading("page.html", PAGE)
    assert result.document.unit == "line"
    assert result.document.metadata == {"title": "Repair evenings"}
    assert result.lines == [
        (3, "Repair"),
        (4, "evenings"),
        (6, "# Harbour Street"),
        (8, "## What we mend"),
        (10, "Lamps & bicycles,"),
        (11, "zips."),
        (11, "Bring the"),
        (14, "manual along."),
        (14, "Please."),
        (16, "Day | Bench"),
        (18, "Monday | nine"),
    ]


def test_paragraphs_of_a_page_are_parted_by_a_blank_line(reading: Read) -> None:
    text = "<p>One.</p><p>Two.<br>Three.</p><ul><li>Four<li>Five</ul>Six"
    assert reading("a.htm", text).document.text == "One.\n\nTwo.\nThree.\n\nFour\nFive\n\nSix"


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("<div><nav>menu</div>text", "text"),  # an element left open ends with the one around it
        ("</nav></p>text</div>", "text"),
        ("<main><header>kept</header></main><header>dropped</header>", "kept"),
        ('<![if IE]>a<![endif]><!["b">', "a"),
        ("1 < 2 &nonsense; AT&T", "1 < 2 &nonsense; AT&T"),
        ("&#10;&#x0A;a&NewLine;b&#101;&#xAb;", "a be«"),
        ("<p>a<p>b", "a\n\nb"),
        ("<svg/>a<br/>b", "a\nb"),
        ("<title>t</title>", "t"),
    ],
)
def test_broken_markup_keeps_its_text(reading: Read, markup: str, text: str) -> None:
    assert reading("a.xhtml", markup).document.text == text


def test_a_page_may_declare_its_encoding(reading: Read) -> None:
    page = '<meta http-equiv="Content-Type" content="text/html; charset=gb2312">\n<p>{}</p>'
    for text in ("隐私政策", "朱镕基"):  # as bytes also Korean, and Western; 镕 is in the superset GBK only
        assert reading("a.html", page.format(text).encode("gb18030")).document.text == text
    page = '<?xml version="1.0" encoding="no-such-thing"?>\n<p>café</p>'
    assert reading("a.xhtml", page.encode("latin-1")).document.text == "café"


# PDF


def pdf(*pages: str, title: str = "") -> bytes:
    writer = FPDF()
    writer.set_compression(False)
    writer.set_font("Helvetica")
    writer.set_title(title)
    for page in pages:
        writer.add_page()
        writer.multi_cell(0, text=page)
    return bytes(writer.output())


def test_a_pdf_is_its_text_at_the_pages_of_the_file(reading: Read) -> None:
    result = reading("a.pdf", pdf("Belt sander\nWear a mask.", "Plug it in.", "Unplug it.", title="Safety"))
    assert (result.document.unit, result.document.metadata["title"]) == ("page", "Safety")
    assert result.lines == [(1, "Belt sander"), (1, "Wear a mask."), (2, "Plug it in."), (3, "Unplug it.")]


def test_a_pdf_without_text_or_that_is_broken_says_so(
    reading: Read, caplog: pytest.LogCaptureFixture
) -> None:
    whole = pdf("Some text.")
    assert reading("a.pdf", pdf("", "")).skipped == [
        Skipped("a.pdf", "PDF without a text layer (a scan?)", failed=True)
    ]
    with caplog.at_level(logging.DEBUG):
        for broken in (b"not a PDF", b"%PDF-1.7\n", whole[:40], b""):
            (skipped,) = reading("a.pdf", broken).skipped
            assert skipped.failed
            assert skipped.reason.startswith("broken PDF (")
        damaged = whole.replace(b"startxref\n", b"startxref\n9")  # of which pypdf warns, and reads on
        assert reading("a.pdf", damaged).document.text == "Some text."
    assert [record for record in caplog.records if record.name.startswith("pypdf")] == []


def test_broken_or_blank_pdf_page_is_skipped_and_the_rest_read(reading: Read) -> None:
    result = reading("a.pdf", pdf("One.", "Two.", "", "Four.").replace(b"(Two.)", b"}}}}}}"))
    (document,) = result.documents
    assert (document.text, document.numbers) == ("One.\nFour.", (1, 4))
    assert result.skipped == [Skipped(f"a.pdf:{page}", "page without text") for page in (2, 3)]


@pytest.mark.parametrize("password", ["secret", ""])
def test_an_encrypted_pdf_is_read_where_it_asks_for_no_password(reading: Read, password: str) -> None:
    writer = PdfWriter(clone_from=PdfReader(BytesIO(pdf("Some text."))))
    writer.encrypt(password, "owner", algorithm="RC4-128")
    content = BytesIO()
    writer.write(content)
    result = reading("a.pdf", content.getvalue())
    if password:
        reason = "encrypted PDF that needs a password"
        assert result.skipped == [Skipped("a.pdf", reason, failed=True)]
    else:
        assert result.document.text == "Some text."


# DOCX


def test_a_docx_is_its_paragraphs_and_tables_in_order(reading: Read) -> None:
    document = docx.Document()
    document.core_properties.title = "Volunteer handbook"
    document.add_heading("Handbook")
    document.add_paragraph("")
    document.add_paragraph("Be on time.\nRing if late.")
    table = document.add_table(rows=3, cols=3)
    for cell, text in zip(table.rows[0].cells, ["Name", "Day", "Phone"], strict=True):
        cell.text = text
    table.cell(1, 0).merge(table.cell(1, 1)).text = "Oke,\nall week"
    table.cell(1, 2).text = "12"
    document.add_paragraph("The end.")
    content = BytesIO()
    document.save(content)
    result = reading("a.docx", content.getvalue())
    assert (result.document.unit, result.document.metadata["title"]) == ("paragraph", "Volunteer handbook")
    assert result.lines == [
        (1, "# Handbook"),
        (3, "Be on time."),
        (3, "Ring if late."),
        (4, "Name | Day | Phone"),
        (5, "Oke, all week | 12"),
        (6, " |  | "),
        (7, "The end."),
    ]
    assert "Handbook\n\nBe on time.\nRing" in result.document.text


def test_a_docx_that_is_broken_says_so(reading: Read) -> None:
    zipped = BytesIO()
    docx.Document().save(zipped)
    assert reading("a.docx", zipped.getvalue()).skipped == [Skipped("a.docx", "no text")]
    for broken in (
        b"",
        b"PK",
        zipped.getvalue()[:500],
        zipped.getvalue().replace(b"word/document.xml", b"word/documents.xm"),
    ):
        (skipped,) = reading("a.docx", broken).skipped
        assert skipped.failed
        assert skipped.reason.startswith("broken DOCX (")


# What holds for any file


@pytest.mark.parametrize("name", ["a.txt", "a.html", "a.pdf", "a.docx", "a.csv", "a.tsv", "a.jsonl"])
def test_a_file_that_cannot_be_opened_is_unreadable(tmp_path: Path, name: str) -> None:
    with pytest.raises(UnreadableSource, match="docs/gone: no such file or directory"):
        list(read(tmp_path / name, "docs/gone"))
    (tmp_path / name).mkdir()
    with pytest.raises(UnreadableSource, match="is a directory"):
        list(read(tmp_path / name, "docs/folder"))


SUFFIXES = ["txt", "html", "pdf", "docx", "csv", "tsv", "jsonl"]
TOKENS = [
    b"a", b" ", b"\n", b"\r", b",", b";", b"\t", b'"', b"<", b">", b"<p", b"</nav>", b"<nav>", b"<title>", b"<![",
    b"<!--", b"&#", b"&NewLine;", b"{", b"}", b"[", b":", b'"text"', b"\\ud800", b"1e999", b"NaN", b"\xff\xfe",
    b"\xef\xbb\xbf", b"\xe9", b"\0", b"%PDF-1.4\n", b"obj", b"stream", b"PK\x03\x04",
]  # fmt: skip


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    suffix=st.sampled_from(SUFFIXES),
    content=st.binary(max_size=200) | st.lists(st.sampled_from(TOKENS), max_size=40).map(b"".join),
)
@example(suffix="html", content=b'<!["')
@example(suffix="jsonl", content=b'{"text": "\\ud800"}')
def test_any_bytes_come_to_documents_or_reasons(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"any.{suffix}"
    path.write_bytes(content)
    items = list(read(path, "any"))
    assert items
    last = len(content.replace(b"\r", b"\n").split(b"\n"))
    for item in items:
        if isinstance(item, Document):
            for text in (item.text, item.row_id, *item.metadata, *map(str, item.metadata.values())):
                text.encode()
            lines = clean(item.text).count("\n") + 1
            numbers = item.numbers or tuple(range(1, lines + 1))
            assert len(numbers) == lines
            assert list(numbers) == sorted(numbers)
            assert item.unit != "line" or 1 <= numbers[0] <= numbers[-1] <= last


def test_the_sample_corpus_is_read_without_a_failure(sample_corpus: Path) -> None:
    outcome = list(walk([sample_corpus]))
    found = [item.path for item in outcome if isinstance(item, Found)]
    assert {item.reason for item in outcome if isinstance(item, Skipped)} == {
        "hidden file",
        "ignored by .semsearchignore",
    }
    documents: dict[str, list[Document]] = {}
    for path in found:
        name = os.path.relpath(path, sample_corpus)
        for item in read(path, name):
            assert isinstance(item, Document), item
            documents.setdefault(name, []).append(item)
    assert len(documents) == len(found) > 90
    assert {item.unit for items in documents.values() for item in items} == {
        "line",
        "page",
        "paragraph",
        "row",
    }
    (manual,) = documents["manuals/belt-sander-safety.pdf"]
    assert set(manual.numbers or ()) == {1, 2, 3}
    (hours,), (windows,) = documents["zh/opening-hours.txt"], documents["zh/opening-hours-windows.txt"]
    assert hours.text != windows.text
    assert clean(hours.text) == clean(windows.text)
    rows = (sample_corpus / "data" / "feedback.jsonl").read_text(encoding="utf-8").splitlines()
    assert [item.text for item in documents["data/feedback.jsonl"]] == [
        json.loads(row)["text"] for row in rows
    ]
