"""Office files to text: what a person wrote and sees is read once, at its place, and nothing else is."""

import io
import json
import time
from pathlib import Path

import pytest
from openpyxl import Workbook
from openpyxl.comments import Comment
from pptx import Presentation
from pptx.chart.data import CategoryChartData
from pptx.enum.chart import XL_CHART_TYPE

from semsearch.errors import UnreadableSource
from semsearch.readers import RowFields, read
from semsearch.readers.parsed import Parsed
from semsearch.readers.parsing import parse
from semsearch.types import Document, Skipped
from tests.office_files import (
    STRICT,
    open_document,
    p,
    r,
    relationships,
    sdt,
    tc,
    tr,
    w,
    word,
    workbook,
    zipped,
)
from tests.tiny_embedder import create_index


def only(suffix: str, content: bytes) -> Parsed:
    """Return the one text of a file."""
    (parsed,) = parse(suffix, content)
    return parsed


def lines(parsed: Parsed) -> list[tuple[int, str]]:
    """Return the lines that are not blank, each with its place."""
    numbered = zip(parsed.numbers, parsed.text.split("\n"), strict=True)
    return [(number, line) for number, line in numbered if line]


# Word


FIELD = (
    '<w:r><w:fldChar w:fldCharType="begin"/></w:r><w:r><w:instrText>IF x = </w:instrText></w:r>{}'
    '<w:r><w:fldChar w:fldCharType="separate"/></w:r>{}<w:r><w:fldChar w:fldCharType="end"/></w:r>'
)
BOX = "<w:txbxContent>{}</w:txbxContent>"
BODIES = {
    "tracked changes, accepted": (
        p(r("Ten "), f"<w:del>{r('old')}</w:del>", f"<w:ins>{r('new')}</w:ins>", r(" pegs"))
        + p(f"<w:moveFrom>{r('gone')}</w:moveFrom>", f"<w:moveTo>{r('come')}</w:moveTo>"),
        "Ten new pegs\n\ncome",
    ),
    "insertion inside a deletion": (p(f"<w:del><w:ins>{r('neither')}</w:ins></w:del>", r("kept")), "kept"),
    "paragraph whose mark is deleted": (
        p(r("The rope "), properties="<w:rPr><w:del/></w:rPr>") + p(r("is wet.")) + p(r("Dry it.")),
        "The rope is wet.\n\nDry it.",
    ),
    "deleted row of a table": (
        w("tbl", tr(tc(p(r("a"))), tc(p(r("b")))), tr(tc(p(r("x"))), tc(p(r("y"))), properties="<w:del/>")),
        "a | b",
    ),
    "content controls around block, run, row and cell": (
        sdt(p(r("block"))) + p(sdt(r("run"))) + w("tbl", sdt(tr(tc(p(r("row"))), sdt(tc(p(r("cell"))))))),
        "block\n\nrun\n\nrow | cell",
    ),
    "smart tags, links and custom XML": (
        w("customXml", p(w("smartTag", r("tag")), w("hyperlink", r(" link")))),
        "tag link",
    ),
    "result of a field, without its instruction": (
        p(r("See "), FIELD.format(r("not this"), r("page nine")), r(".")),
        "See page nine.",
    ),
    "field inside the instruction of another": (
        p(FIELD.format(FIELD.format("", r("inner")), r("outer"))),
        "outer",
    ),
    "field that is never ended": (
        p('<w:r><w:fldChar w:fldCharType="begin"/></w:r>', r("lost")) + p(r("All that follows.")),
        "All that follows.",
    ),
    "simple field": (p(f'<w:fldSimple w:instr="DATE">{r("in May")}</w:fldSimple>'), "in May"),
    "box in two alternatives, once": (
        p(
            r("Text"),
            f"<w:r><mc:AlternateContent><mc:Choice>{BOX.format(p(r('boxed')))}</mc:Choice>"
            f"<mc:Fallback>{BOX.format(p(r('boxed')))}</mc:Fallback></mc:AlternateContent></w:r>",
        ),
        "Text\n\nboxed",
    ),
    "alternative whose first choice has no text": (
        p(
            f"<w:r><mc:AlternateContent><mc:Choice><w:pict/></mc:Choice><mc:Fallback>{BOX.format(p(r('boxed')))}"
            "</mc:Fallback></mc:AlternateContent></w:r>"
        ),
        "boxed",
    ),
    "drawn letters and the description of a picture": (
        p('<w:r><w:pict><v:textpath string="FAIR"/></w:pict></w:r>', '<w:r><w:docPr descr="A red kite"/></w:r>'),
        "FAIR\n\nA red kite",
    ),
    "table in a cell": (
        w("tbl", tr(tc(p(r("one"))), tc(p(), w("tbl", tr(tc(p(r("two"))), tc(p(r("three"))))), p()))),
        "one | two | three",
    ),
    "cells that are merged, once": (
        w(
            "tbl",
            tr(tc(p(r("tall")), properties='<w:vMerge w:val="restart"/>'), tc(p(r("b")))),
            tr(tc(p(r("tall")), properties="<w:vMerge/>"), tc(p(r("c")), properties='<w:gridSpan w:val="2"/>')),
        ),
        "tall | b\n | c",
    ),
    "page laid out in one cell": (
        w("tbl", tr(tc(p(r("Dear Oak,")), p(r("Come soon."))))),
        "Dear Oak,\nCome soon.",
    ),
    "characters that are elements": (
        p("<w:r><w:t>a</w:t><w:tab/><w:t>b</w:t><w:br/><w:t>c</w:t><w:noBreakHyphen/><w:t>d</w:t><w:softHyphen/>"
          '<w:t>e</w:t><w:sym w:font="Wingdings" w:char="F04A"/><w:sym w:char="03A9"/></w:r>'),
        "a\tb\nc-deΩ",
    ),
    "marks of symbol fonts": (
        p('<w:r><w:sym w:font="Wingdings" w:char="F0FC"/><w:t> passed, </w:t><w:sym w:font="Wingdings" w:char="F0FB"/>'
          '<w:t> failed, x </w:t><w:sym w:font="Symbol" w:char="F0A3"/><w:t> 5</w:t></w:r>'),
        "✓ passed, ✗ failed, x ≤ 5",
    ),
    "boxes to check in a form": (
        p(*(f'<w:r><w:fldChar w:fldCharType="begin"><w:ffData><w:checkBox><w:default w:val="0"/>{state}</w:checkBox>'
            '</w:ffData></w:fldChar></w:r><w:r><w:fldChar w:fldCharType="end"/></w:r>' + r(f" {said}, ")
            for state, said in (("<w:checked/>", "yes"), ("", "no"), ('<w:checked w:val="0"/>', "maybe")))),
        "☒ yes, ☐ no, ☐ maybe, ",
    ),
    "a power is not a longer number, and a note's number no power": (
        p(r("10"), '<w:r><w:rPr><w:vertAlign w:val="superscript"/></w:rPr><w:t>3</w:t></w:r>', r(" litres of rain"),
          '<w:r><w:rPr><w:vertAlign w:val="superscript"/></w:rPr><w:t>2</w:t></w:r>'),
        "10^3 litres of rain2",
    ),
    "equation": (
        p("<m:oMath><m:f><m:num><m:r><m:t>a</m:t></m:r></m:num><m:den><m:d><m:e><m:r><m:t>b+c</m:t></m:r></m:e></m:d>"
          "</m:den></m:f><m:sSup><m:e><m:r><m:t>x</m:t></m:r></m:e><m:sup><m:r><m:t>2</m:t></m:r></m:sup></m:sSup>"
          "</m:oMath>"),
        "a/(b+c)x^2",
    ),
    "ruby": (
        p(f"<w:r><w:ruby><w:rt>{r('とう')}</w:rt><w:rubyBase>{r('東')}</w:rubyBase></w:ruby></w:r>", r("京")),
        "東(とう)京",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BODIES)
def test_word_document_reads_as_it_is_printed(name: str) -> None:
    body, text = BODIES[name]
    assert only(".docx", word(body)).text == text
    assert only(".docx", word(body, base=STRICT)).text == text


def test_notes_and_comments_follow_their_paragraph() -> None:
    body = (
        p(r("One"), '<w:r><w:footnoteReference w:id="2"/></w:r>', r(" tent."))
        + p(
            r("Two."),
            '<w:r><w:commentReference w:id="0"/></w:r>',
            '<w:r><w:endnoteReference w:id="1"/></w:r>',
        )
        + p(r("Three."))
    )
    result = only(
        ".docx",
        word(
            body,
            footnotes=f'<w:footnote w:id="2">{p(r("Of canvas."))}</w:footnote>',
            endnotes=f'<w:endnote w:id="1">{p(r("See the list."))}</w:endnote>',
            comments=f'<w:comment w:id="0" w:author="Ash">{p(r("Why two?"))}</w:comment>'
            f'<w:comment w:id="7" w:author="Elm">{p(r("Nowhere."))}</w:comment>',
        ),
    )
    assert lines(result) == [
        (1, "One tent."),
        (1, "[1] Of canvas."),
        (2, "Two."),
        (2, "[comment by Ash] Why two?"),
        (2, "[2] See the list."),
        (3, "Three."),
        (3, "[comment by Elm] Nowhere."),
    ]


def test_headers_and_footers_come_once_and_last() -> None:
    references = "".join(f'<w:headerReference r:id="hdr{at}"/>' for at in (1, 2))
    sections = f"<w:sectPr>{references}</w:sectPr>" * 2
    result = only(
        ".docx",
        word(
            p(r("Body.")) + sections,
            {"hdr1": "hdr.xml", "hdr2": "hdr.xml"},
            hdr=p(r("Letterhead of the shed")),
        ),
    )
    assert result.text == "Body.\n\nLetterhead of the shed"


def test_headings_are_known_by_level_in_any_language() -> None:
    styles = (
        '<w:style w:styleId="1"><w:name w:val="Überschrift 1"/><w:pPr><w:outlineLvl w:val="0"/></w:pPr></w:style>'
        '<w:style w:styleId="2"><w:name w:val="Mine"/><w:basedOn w:val="1"/></w:style>'
        '<w:style w:styleId="3"><w:name w:val="heading 3"/><w:basedOn w:val="4"/></w:style>'
        '<w:style w:styleId="4"><w:name w:val="loop"/><w:basedOn w:val="5"/></w:style>'
        '<w:style w:styleId="5"><w:name w:val="loop too"/><w:basedOn w:val="4"/></w:style>'
        '<w:style w:styleId="6"><w:name w:val="Title"/></w:style>'
    )
    body = "".join(p(r(f"t{at}"), properties=f'<w:pStyle w:val="{at}"/>') for at in range(1, 7))
    body += p(r("own"), properties='<w:outlineLvl w:val="1"/>')
    result = only(".docm", word(body, styles=styles))
    assert result.text.split("\n\n") == ["# t1", "# t2", "### t3", "t4", "t5", "t6", "## own"]
    assert result.title == "t6"


def test_numbers_of_lists_are_counted() -> None:
    def level(at: int, kind: str, text: str) -> str:
        start = f'<w:start w:val="1"/><w:numFmt w:val="{kind}"/><w:lvlText w:val="{text}"/>'
        return f'<w:lvl w:ilvl="{at}">{start}</w:lvl>'

    def item(text: str, list_: int, at: int = 0) -> str:
        return p(r(text), properties=f'<w:numPr><w:ilvl w:val="{at}"/><w:numId w:val="{list_}"/></w:numPr>')

    numbering = (
        f'<w:abstractNum w:abstractNumId="7">{level(0, "decimal", "§ %1")}{level(1, "lowerRoman", "%1.%2)")}'
        "</w:abstractNum>"
        f'<w:abstractNum w:abstractNumId="8">{level(0, "bullet", "o")}</w:abstractNum>'
        '<w:num w:numId="1"><w:abstractNumId w:val="7"/></w:num><w:num w:numId="2"><w:abstractNumId w:val="8"/></w:num>'
        '<w:num w:numId="3"><w:abstractNumId w:val="7"/><w:lvlOverride w:ilvl="0"><w:startOverride w:val="9"/>'
        "</w:lvlOverride></w:num>"
    )
    style = '<w:name w:val="heading 1"/><w:pPr><w:numPr><w:numId w:val="1"/></w:numPr></w:pPr>'
    styles = f'<w:style w:styleId="h">{style}</w:style>'
    body = (
        item("a", 1) + item("b", 1, 1) + item("c", 1, 1) + item("dot", 2) + p(r("text"))
        + p(r("Rules"), properties='<w:pStyle w:val="h"/>') + item("d", 1, 1) + item("e", 3) + item("f", 5)
        + p(r("g"), properties='<w:pStyle w:val="h"/><w:numPr><w:numId w:val="0"/></w:numPr>')
    )  # fmt: skip
    result = only(".docx", word(body, numbering=numbering, styles=styles))
    assert result.text.split("\n\n") == [
        "§ 1 a", "1.i) b", "1.ii) c", "dot", "text", "# § 2 Rules", "2.i) d", "§ 9 e", "f", "# g",
    ]  # fmt: skip


def test_inserted_part_of_another_format_is_read() -> None:
    body = p(r("Before.")) + '<w:altChunk r:id="aFChunk"/>' + p(r("After."))
    made = word(body, {"aFChunk": "page.html"})
    parts = {"word/page.html": "<p>From a page.</p>"}
    with_chunk = zipped(parts | _parts(made))
    assert lines(only(".docx", with_chunk)) == [(1, "Before."), (2, "From a page."), (3, "After.")]


def _parts(archive: bytes) -> dict[str, str | bytes]:
    import zipfile

    with zipfile.ZipFile(io.BytesIO(archive)) as file:
        return {name: file.read(name) for name in file.namelist()}


# Presentations


def test_slides_have_titles_tables_groups_notes_and_charts() -> None:
    deck = Presentation()
    deck.core_properties.title = "Bees"
    first = deck.slides.add_slide(deck.slide_layouts[1])
    first.placeholders[1].text = "Hive\nSmoker"
    first.shapes.title.text = "Keeping\nbees"
    table = first.shapes.add_table(2, 2, 0, 0, 9, 9).table
    table.cell(0, 0).text, table.cell(0, 1).text = "Month", "Task"
    table.cell(1, 0).merge(table.cell(1, 1))
    table.cell(1, 0).text = "rest"
    group = first.shapes.add_group_shape().shapes.add_group_shape()
    group.shapes.add_textbox(0, 0, 9, 9).text_frame.text = "in a group"
    first.notes_slide.notes_text_frame.text = "Speak slowly."
    deck.slides.add_slide(deck.slide_layouts[6])
    hidden = deck.slides.add_slide(deck.slide_layouts[5])
    hidden.shapes.title.text = "Harvest"
    hidden._element.set("show", "0")
    data = CategoryChartData()
    data.categories = ["North field", "South field"]
    data.add_series("Honey in kg", (4, 5))
    hidden.shapes.add_chart(XL_CHART_TYPE.PIE, 0, 0, 9, 9, data)
    file = io.BytesIO()
    deck.save(file)
    result = only(".pptx", file.getvalue())
    assert (result.unit, result.title) == ("slide", "Bees")
    assert lines(result) == [
        (1, "# Keeping bees"),
        (1, "Hive"),
        (1, "Smoker"),
        (1, "Month | Task"),
        (1, "rest"),
        (1, "in a group"),
        (1, "[notes] Speak slowly."),
        (3, "# Harvest"),
        (3, "Honey in kg"),
        (3, "North field"),
        (3, "South field"),
    ]
    assert result.without == ((2, "slide without text", False),)


# Workbooks


CELLS = [
    ('t="n" s="0"', "1234.5", "1234.5"),
    ('s="1"', "0.256", "25.6%"),
    ('s="2"', "1234.5", "1,234.50 €"),
    ('s="2"', "-2", "-2.00 €"),
    ('s="3"', "45352", "2024-03-01"),
    ('s="4"', "45352.604166667", "2024-03-01 14:30"),
    ('s="5"', "1.25", "30:00:00"),
    ('s="0"', "12345678901234567", "12345678901234567"),
    ('s="2"', "12345678901234567", "12,345,678,901,234,568.00 €"),
    ('s="0"', "0.1", "0.1"),
    ('s="0"', "1E+20", "1e+20"),
    ('t="b"', "1", "TRUE"),
    ('t="e"', "#DIV/0!", "#DIV/0!"),
    ('t="str"', "made by a formula", "made by a formula"),
    ('t="s"', "1", "shared words"),
    ('t="d"', "2024-03-01", "2024-03-01"),
    ('s="3"', "1e300", "1e+300"),
    ('s="6"', "42", "No. 042"),
]
STYLES = (
    '<numFmts><numFmt numFmtId="164" formatCode="0.0%"/><numFmt numFmtId="165" formatCode="#,##0.00\\ &quot;€&quot;"/>'
    '<numFmt numFmtId="166" formatCode="[$-407]d\\. mmm yyyy;@"/><numFmt numFmtId="167" formatCode="dd/mm/yy hh:mm"/>'
    '<numFmt numFmtId="168" formatCode="[h]:mm:ss"/><numFmt numFmtId="169" formatCode="&quot;No. &quot;000"/></numFmts>'
    '<cellXfs><xf numFmtId="0"/><xf numFmtId="164"/><xf numFmtId="165"/><xf numFmtId="166"/><xf numFmtId="167"/>'
    '<xf numFmtId="168"/><xf numFmtId="169"/></cellXfs>'
)
SHARED = (
    "<si><t>no</t></si><si><r><t>shared </t></r><r><t>words</t></r><rPh><t>sheado</t></rPh></si>"
    "<si><t>two_x000D_lines</t></si>"
)


@pytest.mark.parametrize(("attributes", "value", "shown"), CELLS)
def test_a_cell_is_read_as_it_is_shown(attributes: str, value: str, shown: str) -> None:
    row = f'<row r="3"><c r="B3" {attributes}><v>{value}</v></c></row>'
    for base in ("http://schemas.openxmlformats.org", STRICT):
        book = workbook({"Shed": row}, base, styleSheet=STYLES, sst=SHARED)
        book = zipped(
            {
                name.replace("xl/sst", "xl/sharedStrings").replace("xl/styleSheet", "xl/styles"): part
                for name, part in _parts(book).items()
                if not name.endswith("workbook.xml.rels")
            }
            | {
                "xl/_rels/workbook.xml.rels": relationships(
                    {
                        "worksheet1": "worksheets/sheet1.xml",
                        "styles": "styles.xml",
                        "sharedStrings": "sharedStrings.xml",
                    },
                    base,
                )
            }
        )
        assert lines(only(".xlsx", book)) == [(3, "# Shed"), (3, shown)]


def book() -> bytes:
    """Return a workbook as people have them: a table, a hidden sheet of texts, comments, cells far away."""
    made = Workbook()
    prices = made.active
    prices.title = "Prices"
    for row in (["Tool", "Price", "In stock"], ["saw", 4.5, True], ["rasp", 3, False]):
        prices.append(row)
    prices["A3"].comment = Comment("lent to Oak", "Ash")
    prices["A5"] = "=1+1"
    prices["XFD1048576"] = "far away"
    answers = made.create_sheet("Answers")
    for row in (["Question", "Answer"], ["Why?", "It rusts."]):
        answers.append(row)
    answers.sheet_state = "hidden"
    made.create_sheet("Blank")
    file = io.BytesIO()
    made.save(file)
    return file.getvalue()


def test_each_sheet_is_a_document_with_its_header(tmp_path: Path) -> None:
    (tmp_path / "a.xlsx").write_bytes(book())
    prices, answers = (item for item in read(tmp_path / "a.xlsx", "a.xlsx") if isinstance(item, Document))
    assert (prices.name, prices.unit) == ("a.xlsx#Prices", "row")
    assert list(zip(prices.numbers or (), prices.text.split("\n"), strict=True)) == [
        (1, "# Prices"),
        (1, "Tool | Price | In stock"),
        (2, "Tool: saw | Price: 4.5 | In stock: TRUE"),
        (3, "Tool: rasp | Price: 3 | In stock: FALSE"),
        (3, "[comment] lent to Oak"),
        (1048576, "far away"),
    ]
    assert answers.name == "a.xlsx#Answers"
    assert answers.text == "# Answers\nQuestion | Answer\nWhy? | It rusts."
    (skipped,) = (item for item in read(tmp_path / "a.xlsx", "a.xlsx") if isinstance(item, Skipped))
    assert skipped.path == "a.xlsx#Prices:5"
    assert skipped.reason.startswith("a formula without its value")


def test_rows_of_a_sheet_are_documents_where_columns_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.xlsx").write_bytes(book())
    documents = [
        item
        for item in read(tmp_path / "a.xlsx", "a.xlsx", RowFields(("Tool",)))
        if isinstance(item, Document)
    ]
    assert [(item.name, item.text, item.numbers, item.metadata) for item in documents[:2]] == [
        ("a.xlsx#Prices!2", "saw", (2,), {"Price": 4.5, "In stock": True}),
        ("a.xlsx#Prices!3", "rasp", (3,), {"Price": 3, "In stock": False}),
    ]
    assert documents[-1].name == "a.xlsx#Answers"  # it has no such column
    by_id = [
        item.name
        for item in read(tmp_path / "a.xlsx", "a", RowFields(("Answer",), "Question"))
        if isinstance(item, Document)
    ]
    assert by_id[-1] == "a#Why?"


def test_threaded_comment_is_read_once() -> None:
    made = _parts(workbook({"S": '<row r="2"><c r="A2"><v>1</v></c></row>'}))
    made["xl/worksheets/_rels/sheet1.xml.rels"] = relationships(
        {"comments": "../c.xml", "threadedComment": "../t.xml"}
    )
    old = "[Threaded comment] Your version allows you to read this. Comment: Why one?"
    made["xl/c.xml"] = f'<comments><comment ref="A2"><text><t>{old}</t></text></comment></comments>'
    made["xl/t.xml"] = '<T><threadedComment ref="A2"><text>Why one?</text></threadedComment></T>'
    assert lines(only(".xlsx", zipped(made))) == [(2, "# S"), (2, "1"), (2, "[comment] Why one?")]


# OpenDocument


def test_open_document_text_has_notes_boxes_and_no_deletions() -> None:
    body = (
        "<text:tracked-changes><text:changed-region><text:deletion><text:p>deleted</text:p></text:deletion>"
        '</text:changed-region></text:tracked-changes><text:h text:outline-level="2">Tents</text:h>'
        '<text:p>One<text:s text:c="2"/>tent,\n  <text:span>of</text:span><text:tab/>canvas<text:line-break/>or not'
        "<text:note><text:note-citation>1</text:note-citation><text:note-body><text:p>Cotton.</text:p></text:note-body>"
        "</text:note><office:annotation><dc:creator>Ash</dc:creator><text:p>Sure?</text:p></office:annotation>.</text:p>"
        "<text:list><text:list-item><text:p>peg</text:p><text:list><text:list-item><text:p>small peg</text:p>"
        "</text:list-item></text:list></text:list-item></text:list>"
        "<table:table><table:table-header-rows><table:table-row><table:table-cell><text:p>a</text:p></table:table-cell>"
        "<table:table-cell><text:p>b</text:p></table:table-cell></table:table-row></table:table-header-rows></table:table>"
        "<text:p><draw:frame><draw:text-box><text:p>boxed</text:p></draw:text-box><svg:desc>A kite</svg:desc>"
        "</draw:frame></text:p><text:section><text:p>last</text:p></text:section>"
    )
    styles = (
        "<office:master-styles><style:master-page><style:header><text:p>Letterhead</text:p></style:header>"
    )
    styles += (
        "<style:header-first><text:p>Letterhead</text:p></style:header-first>"
        "</style:master-page></office:master-styles>"
    )
    result = only(".odt", open_document("text", body, styles, "<dc:title>Camp</dc:title>"))
    assert (result.unit, result.title) == ("paragraph", "Camp")
    assert lines(result) == [
        (1, "## Tents"),
        (2, "One  tent, of\tcanvas"),
        (2, "or not."),
        (2, "[1] Cotton."),
        (2, "[comment by Ash] Sure?"),
        (3, "peg"),
        (4, "small peg"),
        (5, "a | b"),
        (6, "boxed"),
        (6, "A kite"),
        (7, "last"),
        (7, "Letterhead"),
    ]


def test_flat_open_document_is_read() -> None:
    made = _parts(
        open_document("text", '<text:h text:outline-level="1">Camp</text:h><text:p>Tents.</text:p>')
    )
    assert only(".fodt", bytes(made["content.xml"])).text == "# Camp\n\nTents."


def test_open_document_sheet_repeats_cells_within_bounds() -> None:
    cell = '<table:table-cell office:value-type="{}" {}><text:p>{}</text:p></table:table-cell>'
    rows = (
        cell.format("string", "", "Tool") + cell.format("string", "", "Price"),
        cell.format("string", "", "saw") + cell.format("currency", 'office:value="4.5"', "4,50 €"),
        cell.format("string", "", "rasp") + cell.format("currency", 'office:value="3"', "3,00 €"),
    )
    body = "".join(
        f'<table:table-row>{row}<table:table-cell table:number-columns-repeated="16000"/></table:table-row>'
        for row in rows
    )
    body += '<table:table-row table:number-rows-repeated="1048573"><table:table-cell/></table:table-row>'
    made = open_document("spreadsheet", f'<table:table table:name="Shed">{body}</table:table>')
    result = only(".ods", made)
    assert result.text == "# Shed\nTool | Price\nTool: saw | Price: 4,50 €\nTool: rasp | Price: 3,00 €"
    rows_ = list(parse(".ods", made, ["Price"]))
    assert [row.values for row in rows_] == [{"Tool": "saw", "Price": 4.5}, {"Tool": "rasp", "Price": 3.0}]


def test_open_document_slides_have_titles_and_notes() -> None:
    frame = "<draw:frame {}><draw:text-box><text:p>{}</text:p></draw:text-box></draw:frame>"
    notes = f"<presentation:notes>{frame.format('', 'Say hello.')}</presentation:notes>"
    title = frame.format('presentation:class="title"', "Bees")
    page = f"<draw:page>{frame.format('', 'One hive')}{title}{notes}</draw:page>"
    result = only(".odp", open_document("presentation", page + "<draw:page/>"))
    assert lines(result) == [(1, "# Bees"), (1, "One hive"), (1, "[notes] Say hello.")]
    assert result.without == ((2, "slide without text", False),)


# RTF


RTF = rb"""{\rtf1\ansi\ansicpg1252{\fonttbl{\f0\fcharset0 Arial;}{\f1\fcharset134 SimSun;}{\f2\fcharset204 Cyr;}}
{\stylesheet{\s1\outlinelevel0 heading 1;}}{\info{\title Shed rules}{\author Ash}}{\header\pard Letterhead\par}
\pard\s1 The {\b sh}ed\par\pard\plain caf\'e9 \u8364? {\f1\'d6\'d0\'ce\'c4} {\f2\'cf\'f0\'e8} well\_known soft\-ware 
{\footnote\pard A note.}{\*\annotation Why?}{\deleted gone}{\revised new}{\*\unknown junk}{\pict 00ff}\line end\par
{\field{\*\fldinst HYPERLINK "x"}{\fldrslt linked}}{\shp{\*\shpinst{\sp{\sn a}{\sv b}}{\shptxt boxed\par}}}\par
\trowd\pard\intbl a\cell b\par c\cell\row\trowd\pard\intbl d\cell e\cell\row\pard
{\listtext 1.\tab}item\u-10179?\u-8704?}"""


def test_rich_text_is_read_in_its_encodings() -> None:
    result = only(".rtf", RTF)
    assert (result.unit, result.title, result.without) == ("paragraph", "Shed rules", ())
    assert lines(result) == [
        (1, "# The shed"),
        (2, "café € 中文 При well-known software new"),
        (2, "end"),
        (2, "A note."),
        (2, "[comment] Why?"),
        (3, "linked"),
        (3, "boxed"),
        (4, "a | b c"),
        (5, "d | e"),
        (6, "1.\titem😀"),
        (6, "Letterhead"),
    ]


def test_rich_text_that_is_cut_off_says_so() -> None:
    result = only(".rtf", RTF[:-20])
    assert result.without == ((6, "the file ends in the middle", True),)
    with pytest.raises(UnreadableSource, match="broken RTF"):
        only(".rtf", b"plain text")


# Hostile and broken files


OFFICE = (".docx", ".pptx", ".xlsx", ".odt", ".ods", ".odp")
COMPOUND = bytes.fromhex("d0cf11e0a1b11ae1") + b"\0" * 500


@pytest.mark.parametrize("suffix", OFFICE)
def test_broken_or_encrypted_office_file_says_so(suffix: str) -> None:
    kind = suffix[1:].upper()
    for content, reason in (
        (b"", f"broken {kind}"),
        (b"PK\3\4 cut off", f"broken {kind}"),
        (zipped({"a.txt": "no office file"}), f"broken {kind}"),
        (COMPOUND, f"not {kind} but an older format"),
        (COMPOUND + "EncryptedPackage".encode("utf-16-le"), f"encrypted {kind} that needs a password"),
        (word(p(r("x"))) if suffix != ".docx" else workbook({}), f"not {kind}, in spite of|broken {kind}"),
    ):
        with pytest.raises(UnreadableSource, match=reason):
            list(parse(suffix, content))


def test_encrypted_open_document_says_so() -> None:
    made = _parts(open_document("text", ""))
    manifest = "<m:manifest xmlns:m='m'><m:file-entry><m:encryption-data/></m:file-entry></m:manifest>"
    with pytest.raises(UnreadableSource, match="encrypted ODT that needs a password"):
        only(".odt", zipped(made | {"META-INF/manifest.xml": manifest}))


@pytest.mark.parametrize("suffix", [".doc", ".xls", ".ppt", ".xlsb"])
def test_older_office_formats_are_skipped_with_the_reason(tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"a{suffix}").write_bytes(COMPOUND)
    (skipped,) = read(tmp_path / f"a{suffix}", "a")
    assert isinstance(skipped, Skipped)
    assert not skipped.failed
    assert "save it as" in skipped.reason


def test_lock_file_of_an_open_document_is_no_failure(tmp_path: Path) -> None:
    (tmp_path / "~$a.docx").write_bytes(b"\x05Ash" + bytes(158))
    assert list(read(tmp_path / "~$a.docx", "a")) == [
        Skipped("a", "lock file of a document that is open in Office")
    ]


def test_a_plan_leaves_out_sheets_that_repeat_another(tmp_path: Path) -> None:
    for name in ("one.xlsx", "two.xlsx"):
        (tmp_path / name).write_bytes(book())
    with create_index(tmp_path / ".semsearch") as index:
        index.ingest([tmp_path / "one.xlsx", tmp_path / "two.xlsx"])
        plan = json.loads(index.plan(index.duplicates(0.9)).text())
    assert plan["steps"] == []
    assert sorted(plan["left_out"]) == ["two.xlsx#Answers", "two.xlsx#Prices"]


def test_nesting_and_entities_are_refused() -> None:
    deep = "<w:smartTag>" * 300 + r("x") + "</w:smartTag>" * 300
    with pytest.raises(UnreadableSource, match="more than 256 levels"):
        only(".docx", word(p(deep)))
    near = "<w:smartTag>" * 240 + r("x") + "</w:smartTag>" * 240
    assert only(".docx", word(p(near))).text == "x"
    bomb = b'<!DOCTYPE a [<!ENTITY a "aaaa">]><a>&a;</a>'
    with pytest.raises(UnreadableSource, match="declares entities"):
        only(".xlsx", zipped({"xl/workbook.xml": bomb}))
    groups = b"{\\rtf1" + b"{" * 20_000
    with pytest.raises(UnreadableSource, match="nested more than 10,000"):
        only(".rtf", groups)


def test_a_note_that_refers_to_itself_is_read_once() -> None:
    reference = '<w:r><w:footnoteReference w:id="2"/></w:r>'
    made = word(
        p(r("a"), reference), footnotes=f'<w:footnote w:id="2">{p(r("loop"), reference)}</w:footnote>'
    )
    assert only(".docx", made).text == "a\n\n[1] loop"


def test_a_sheet_of_claims_too_large_is_read_in_bounds() -> None:
    rows = '<row r="99999999999999999999"><c r="ZZZZZZ1"><v>1</v></c><c r="B1"><v>2</v></c></row>'
    rows += '<row r="2"><c><v>3</v></c></row>'
    begin = time.monotonic()
    assert lines(only(".xlsx", workbook({"S": rows}))) == [(2**24, "# S"), (2**24, "1 | 2"), (2**24 + 1, "3")]
    repeated = (
        '<table:table-row table:number-rows-repeated="999999999"><table:table-cell/></table:table-row>' * 100
    )
    assert only(".ods", open_document("spreadsheet", f"<table:table>{repeated}</table:table>")).text == ""
    assert time.monotonic() - begin < 5
