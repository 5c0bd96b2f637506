"""A power is not a longer number: 10³ litres are not 103 litres, in whatever format the digit is raised."""

import io

import pytest
from openpyxl import Workbook
from openpyxl.cell.rich_text import CellRichText, TextBlock
from openpyxl.cell.text import InlineFont
from pptx import Presentation

from semsearch.readers.parsing import parse

RAISED = {
    ".html": "<p>Ten is 10<sup>3</sup> grams, 10<sup><b>-6</b></sup> tons. Oak<sup>2</sup> has 4 m<sup>2</sup>.</p>",
    ".xhtml": "<p>Ten is 10<sup>3</sup> grams, 10<sup>-6</sup> tons. Oak<sup>2</sup> has 4 m<sup>2</sup>.</p>",
    ".wiki": "Ten is 10<sup>3</sup> grams, 10<sup class='x'>-6</sup> tons. Oak<sup>2</sup> has 4 m<sup>2</sup>.",
    ".xml": "<article><para>Ten is 10<superscript>3</superscript> grams, 10<hi rend='sup'>-6</hi> tons. "
    "Oak<superscript>2</superscript> has 4 m<sup>2</sup>.</para></article>",
    ".rtf": r"{\rtf1\ansi Ten is 10{\super 3} grams, 10\super -6\nosupersub  tons. Oak{\super 2} has 4 m{\super 2}.}",
    ".fodt": """<office:document xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0"
    xmlns:style="urn:oasis:names:tc:opendocument:xmlns:style:1.0"
    xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"><office:automatic-styles>
    <style:style style:name="T1"><style:text-properties style:text-position="super 58%"/></style:style>
    <style:style style:name="T2"><style:text-properties style:text-position="33% 58%"/></style:style>
    <style:style style:name="T3"><style:text-properties style:text-position="sub 58%"/></style:style>
    </office:automatic-styles><office:body><office:text><text:p>Ten is 10<text:span text:style-name="T1">3</text:span>
    grams, 10<text:span text:style-name="T2">-6</text:span> tons. Oak<text:span text:style-name="T1">2</text:span> has 4
    m<text:span text:style-name="T1">2</text:span>.</text:p></office:text></office:body></office:document>""",
}
SAID = "Ten is 10^3 grams, 10^-6 tons. Oak2 has 4 m2."


def text_of(suffix: str, content: bytes) -> str:
    return "\n".join(parsed.text for parsed in parse(suffix, content))


@pytest.mark.parametrize("suffix", RAISED)
def test_a_raised_number_after_a_number_is_a_power(suffix: str) -> None:
    assert " ".join(text_of(suffix, RAISED[suffix].encode()).split()) == SAID


def test_what_is_not_raised_continues_the_number() -> None:
    assert text_of(".html", b"<p>10<b>3</b> and H<sub>2</sub>O, 10<sub>2</sub>, 7<sup></sup>5</p>") == (
        "103 and H2O, 102, 75"
    )
    assert text_of(".rtf", rb"{\rtf1 10{\sub 3} and 10{\super\nosupersub 3}}") == "103 and 103"


def test_a_power_on_a_slide() -> None:
    deck = Presentation()
    paragraph = (
        deck.slides.add_slide(deck.slide_layouts[6]).shapes.add_textbox(0, 0, 9, 9).text_frame.paragraphs[0]
    )
    for text, baseline in (
        ("10", None),
        ("3", "30000"),
        (" grams, CO", None),
        ("2", "-25000"),
        (", 10", "0"),
        ("4", "0"),
    ):
        run = paragraph.add_run()
        run.text = text
        if baseline is not None:
            run.font._element.set("baseline", baseline)
    file = io.BytesIO()
    deck.save(file)
    assert text_of(".pptx", file.getvalue()) == "10^3 grams, CO2, 104"


def test_a_power_in_a_cell() -> None:
    book = Workbook()
    raised = InlineFont(vertAlign="superscript")
    book.active["A1"] = CellRichText("10", TextBlock(raised, "3"), " grams, Oak", TextBlock(raised, "2"))
    file = io.BytesIO()
    book.save(file)
    assert text_of(".xlsx", file.getvalue()).endswith("10^3 grams, Oak2")
