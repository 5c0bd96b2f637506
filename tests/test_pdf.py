"""PDF to text: words are whole, columns are read one after the other, and every page is accounted for."""

import io
import time
from collections.abc import Callable, Sequence

import pytest
from pypdf import PdfReader, PdfWriter
from pypdf.annotations import FreeText, Text
from reportlab.lib.pagesizes import A4
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfgen.canvas import Canvas

from semsearch.readers.parsed import Parsed
from semsearch.readers.parsing import parse

LEFT = (
    "The greenhouse needs new",
    "glass on the north side",
    "before the frost comes in",
    "October, says the keeper.",
    "She will order it today.",
)
RIGHT = (
    "Meetings are held on the",
    "first Monday of a month.",
    "Members vote by hand and",
    "the chair counts twice.",
    "Minutes are kept by Elm.",
)
TITLE = "The gazette: a title over both of the columns of the page"


def drawn(draw: Callable[[Canvas], None], *, encrypt: str | None = None) -> bytes:
    """Return a PDF that a function draws."""
    file = io.BytesIO()
    canvas = Canvas(file, pagesize=A4, encrypt=encrypt)
    canvas.setFont("Helvetica", 11)
    draw(canvas)
    canvas.save()
    return file.getvalue()


def with_lines(*pages: Sequence[str]) -> bytes:
    """Return a PDF with these lines on its pages."""

    def draw(canvas: Canvas) -> None:
        for lines in pages:
            canvas.setFont("Helvetica", 11)
            for at, line in enumerate(lines):
                canvas.drawString(72, 760 - 14 * at, line)
            canvas.showPage()

    return drawn(draw)


def read(content: bytes) -> Parsed:
    """Return the text of a PDF."""
    (parsed,) = parse(".pdf", content)
    return parsed


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        (["the irri-", "gation system"], "the irrigation\nsystem"),
        (["a well-", "known fault"], "a well-known\nfault"),  # it begins compounds
        (["the work-", "shop. Our workshop"], "the workshop.\nOur workshop"),
        (["a tide-", "mark and a tide-mark"], "a tide-mark\nand a tide-mark"),  # the text has it elsewhere
        (["an e-", "mail"], "an e-mail"),
        (["mother-in-", "law"], "mother-in-law"),
        (["the Anglo-", "Saxon hoard"], "the Anglo-Saxon\nhoard"),
        (["pages 10-", "12 only"], "pages 10-12\nonly"),
        (["INSUR-", "ANCE"], "INSURANCE"),
        (["one -", "two"], "one -\ntwo"),  # a dash
        (["über die Gemein-", "de, und so"], "über die Gemeinde,\nund so"),
        (["a refurb-", "ish-", "ment"], "a refurbishment"),
    ],
)
def test_word_broken_over_lines_is_joined(lines: list[str], text: str) -> None:
    assert read(with_lines(lines)).text == text


def test_word_broken_over_pages_is_on_the_first() -> None:
    result = read(with_lines(["The irri-"], ["gation system"]))
    assert (result.text, result.numbers) == ("The irrigation\nsystem", (1, 2))


def in_rows(canvas: Canvas, *columns: Sequence[str], shift: float = 0) -> None:
    """Draw columns line by line across the page."""
    for at, row in enumerate(zip(*columns, strict=True)):
        for column, line in enumerate(row):
            canvas.drawString(40 + 180 * column, 700 - 14 * at - shift * column, line)


@pytest.mark.parametrize("shift", [0, 5])
def test_columns_drawn_row_by_row_are_read_one_by_one(shift: float) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.drawString(72, 780, TITLE)
        in_rows(canvas, LEFT, RIGHT, shift=shift)
        canvas.drawString(72, 500, TITLE)

    assert read(drawn(draw)).text.split("\n") == [TITLE, *LEFT, *RIGHT, TITLE]


def test_three_columns_are_read_one_by_one() -> None:
    third = [line.swapcase() for line in LEFT]
    result = read(drawn(lambda canvas: in_rows(canvas, LEFT, RIGHT, third)))
    assert result.text.split("\n") == [*LEFT, *RIGHT, *third]


def test_a_sentence_over_two_short_columns_is_whole() -> None:
    left = ["The keeper has looked at every", "hive and"]
    right = ["wrote down how much honey", "each of them gave."]
    assert read(drawn(lambda canvas: in_rows(canvas, left, right))).text.split("\n") == [*left, *right]


def test_columns_drawn_one_by_one_stay_as_they_are() -> None:
    def draw(canvas: Canvas) -> None:
        for column, lines in enumerate((RIGHT, LEFT)):
            for at, line in enumerate(lines):
                canvas.drawString(72 + 250 * column, 700 - 14 * at, line)

    assert read(drawn(draw)).text.split("\n") == [*RIGHT, *LEFT]


def test_rows_of_a_table_stay_rows() -> None:
    rows = [("Tool", "Price", "Lent to"), *((f"saw {at}", f"4.{at}0", "Ash") for at in range(8))]
    columns = list(zip(*rows, strict=True))
    assert read(drawn(lambda canvas: in_rows(canvas, *columns))).text.split("\n") == [
        " ".join(row) for row in rows
    ]


def test_running_heads_and_page_numbers_are_read_once() -> None:
    words = ("glass", "votes", "compost", "bees")
    pages = [["Handbook", f"About {word}.", f"page {at} of 4"] for at, word in enumerate(words, 1)]
    result = read(with_lines(*pages))
    assert result.text.split("\n") == [
        "Handbook",
        "About glass.",
        "page 1 of 4",
        "About votes.",
        "About compost.",
        "About bees.",
    ]
    assert result.numbers == (1, 1, 1, 2, 3, 4)


def test_rows_of_numbers_are_not_taken_for_page_numbers() -> None:
    pages = [[f"{at * 7} {at * 3}.50", "total", f"{at * at} left"] for at in range(1, 6)]
    assert read(with_lines(*pages)).text.split("\n") == [line for page in pages for line in page]


def test_form_fields_and_comments_follow_their_page() -> None:
    def draw(canvas: Canvas) -> None:
        canvas.drawString(72, 740, "Name of the tenant:")
        canvas.acroForm.textfield(name="tenant", value="Mirabel Quince", x=200, y=730, width=150)
        canvas.acroForm.textfield(name="blank", value="", x=200, y=630, width=150)
        canvas.showPage()
        canvas.drawString(72, 740, "Second page")

    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(drawn(draw))))
    writer.add_annotation(1, Text(rect=(0, 0, 9, 9), text="Is this so?"))
    writer.add_annotation(1, FreeText(rect=(0, 0, 9, 9), text="Yes."))
    file = io.BytesIO()
    writer.write(file)
    result = read(file.getvalue())
    assert result.text.split("\n") == [
        "Name of the tenant:",
        "tenant: Mirabel Quince",
        "Second page",
        "[comment] Is this so?",
        "[comment] Yes.",
    ]
    assert result.numbers == (1, 1, 2, 2, 2)


def test_rotated_and_chinese_text_is_read() -> None:
    def draw(canvas: Canvas) -> None:
        canvas.saveState()
        canvas.translate(300, 300)
        canvas.rotate(90)
        for at, line in enumerate(LEFT):
            canvas.drawString(0, -14 * at, line)
        canvas.restoreState()
        canvas.showPage()
        pdfmetrics.registerFont(UnicodeCIDFont("STSong-Light"))
        canvas.setFont("STSong-Light", 12)
        canvas.drawString(72, 740, "工具租借须知：请在每周一")

    assert read(drawn(draw)).text.split("\n") == [*LEFT, "工具租借须知：请在每周一"]


def test_a_page_of_much_text_is_read_in_time() -> None:
    begin = time.monotonic()
    result = read(with_lines(*([" ".join(LEFT)] * 50 for _ in range(20))))
    assert len(result.text) > 100_000
    assert time.monotonic() - begin < 10
