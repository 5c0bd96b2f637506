"""Extract the text of a workbook, sheet by sheet, with values as Excel shows them.

The XML is walked here, since openpyxl reads no workbook in the strict form and refuses many a style sheet.
"""

import math
import re
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from xml.etree.ElementTree import Element

from semsearch.readers.parsed import Parsed
from semsearch.readers.parsers.flow import is_power
from semsearch.readers.parsers.sheet import MOST_ROWS, Cell, Row, sheet
from semsearch.readers.parsers.zipped import Package, reading

_BUILT_IN = {
    1: "0", 2: "0.00", 3: "#,##0", 4: "#,##0.00", 9: "0%", 10: "0.00%", 14: "yyyy-mm-dd", 15: "yyyy-mm-dd",
    16: "yyyy-mm-dd", 17: "yyyy-mm-dd", 18: "hh:mm", 19: "hh:mm:ss", 20: "hh:mm", 21: "hh:mm:ss",
    22: "yyyy-mm-dd hh:mm", 37: "#,##0", 38: "#,##0", 39: "#,##0.00", 40: "#,##0.00", 45: "mm:ss", 46: "[h]:mm:ss",
    47: "mm:ss",
}  # fmt: skip
"""The number formats that a workbook does not define (ECMA-376, 18.8.30)."""
_ESCAPED = re.compile(r'"([^"]*)"|\\(.)|[_*].')
_PATTERN = re.compile(r"[#0?,.]*[#0?][#0?,.]*")
_BRACKETS = re.compile(r"\[(?:\$([^\]-]*)[^\]]*|[^\]]*)\]")
_ELAPSED = re.compile(r"\[(?:h+|m+|s+)\]", re.IGNORECASE)
_DATE = re.compile(r"[dmyhs]", re.IGNORECASE)
_DIGITS = 15
"""The digits of a number that a float keeps, and Excel too; other programs write longer ones."""
_HEX = re.compile(r"_x([0-9A-Fa-f]{4})_")


def parse_xlsx(content: bytes, columns: Sequence[str] = ()) -> Iterator[Parsed]:
    """Yield each sheet, hidden ones too, or its rows; see `sheet`. Formulas count as the values that Excel stored."""
    with reading("XLSX"):
        package = Package(content, "XLSX")
        main, root = package.main("xl/workbook.xml", "workbook")
        book = _Book(package, main, root)
        for item in root.iter("sheet"):
            related = book.related.get(item.get("r:id", ""))
            if related is not None and related.kind == "worksheet":
                yield from sheet(item.get("name", ""), package.about(), book.rows(related.target), columns)


class _Book:
    def __init__(self, package: Package, main: str, root: Element) -> None:
        self._package = package
        self.related = package.related(main)
        parts = {related.kind: related.target for related in self.related.values()}
        properties = root.find("workbookPr")
        since_1904 = properties is not None and properties.get("date1904", "0") in ("1", "true")
        self._epoch = datetime(1904, 1, 1) if since_1904 else datetime(1899, 12, 30)
        self._shared = [_text(item) for item in package.elements(parts.get("sharedStrings", ""), "si")]
        styles = package.tree(parts.get("styles", ""))
        codes = {item.get("numFmtId", ""): item.get("formatCode", "") for item in styles.iter("numFmt")}
        ids = [item.get("numFmtId", "0") for item in styles.iterfind("cellXfs/xf")]
        self._formats = [
            _Format.of(codes.get(id_, _BUILT_IN.get(int(id_), "") if id_.isdecimal() else "")) for id_ in ids
        ]

    def rows(self, part: str) -> Iterator[Row]:
        """Yield the rows of a sheet that are stored, and last those that have remarks only."""
        remarks = self._remarks(part)
        waiting = sorted(remarks)[::-1]
        number = 0
        for item in self._package.elements(part, "row"):
            number = max(number + 1, min(int(item.get("r", 0)), MOST_ROWS))
            while waiting and waiting[-1] < number:  # in a row without cells
                yield Row(waiting[-1], {}, remarks[waiting.pop()])
            cells: dict[int, Cell] = {}
            column, uncomputed = -1, False
            for element in item.iterfind("c"):
                column = _column(element.get("r", ""), column + 1)
                if (cell := self._cell(element)) is not None:
                    cells[column] = cell
                uncomputed |= cell is None and element.find("f") is not None
            here = remarks[waiting.pop()] if waiting and waiting[-1] == number else ()
            yield Row(number, cells, here, uncomputed)
        for at in reversed(waiting):
            yield Row(max(at, number), {}, remarks[at])

    def _remarks(self, part: str) -> dict[int, list[str]]:
        """Return the comments and text boxes of a sheet by row."""
        remarks: dict[int, list[str]] = {}
        for kind, target in self._package.related(part).values():
            wanted = kind in ("comments", "drawing", "threadedComment")
            root = self._package.tree(target) if wanted else Element("")
            for comment in (*root.iter("comment"), *root.iter("threadedComment")):
                row = min(int(re.sub(r"\D", "", comment.get("ref", "")) or 1), MOST_ROWS)
                text = comment.findtext("text") if kind == "threadedComment" else _text(comment)
                if text and not text.startswith("[Threaded comment]"):  # its text for older versions of Excel
                    remarks.setdefault(row, []).append(f"[comment] {text}")
            for anchor in root:
                if texts := [_text(body) for body in anchor.iter("txBody")]:
                    row = min(int(anchor.findtext("from/row") or 0) + 1, MOST_ROWS)
                    remarks.setdefault(row, []).extend(texts)
        return remarks

    def _cell(self, element: Element) -> Cell | None:
        """Return a cell, or None if it is blank."""
        kind, raw = element.get("t", "n"), element.findtext("v") or ""
        if kind == "inlineStr":
            raw = _text(element)
        elif kind == "s":
            raw = self._shared[int(raw)] if raw else ""
        elif kind in ("str", "e", "d"):
            raw = _unescaped(raw)
        elif kind == "b" and raw:
            return Cell("TRUE" if raw == "1" else "FALSE", raw == "1")
        elif raw:
            style = int(element.get("s", 0))
            format_ = self._formats[style] if 0 <= style < len(self._formats) else _Format()
            if len(raw) > _DIGITS and raw.isdecimal() and format_.is_plain:
                return Cell(raw, raw)
            return format_.cell(float(raw), self._epoch)
        return Cell(raw, raw) if raw.strip() else None


class _Format(NamedTuple):
    """A number format: a date or a time by `strftime`, or a number with what is before and after it."""

    date: str = ""
    elapsed: bool = False
    before: str = ""
    after: str = ""
    decimals: int = -1
    """The number of decimals; -1 for all that the number has."""
    fewest: int = 1
    """The fewest digits before the decimal point, such as 5 for a postcode."""
    thousands: bool = False
    percent: bool = False

    @classmethod
    def of(cls, code: str) -> "_Format":
        """Return the format of a code (ECMA-376, 18.8.31), of which the first section counts."""
        section = _sections(code)[0]
        elapsed = _ELAPSED.search(section) is not None
        literal = _ESCAPED.sub("", section)
        bare = _BRACKETS.sub("", literal)
        if elapsed:
            return cls(elapsed=True)
        if _DATE.search(bare) and "general" not in bare.lower():
            time = re.search(r"[hs]|am/pm", bare, re.IGNORECASE)
            day = re.search(r"[dy]|m{3}", bare, re.IGNORECASE) or not time
            seconds = ":%S" if "s" in bare.lower() else ""
            return cls(date=" ".join(["%Y-%m-%d"] * bool(day) + [f"%H:%M{seconds}"] * bool(time)))
        shown = _ESCAPED.sub(
            lambda match: match[1] or match[2] or "",
            _BRACKETS.sub(lambda match: match[1] or "", section),
        )
        pattern = _PATTERN.search(shown)
        if pattern is None or "/" in bare or "E" in bare.upper().replace("GENERAL", ""):
            return cls()
        whole, _, fraction = pattern[0].partition(".")
        return cls(
            before=shown[: pattern.start()].lstrip(),
            after=shown[pattern.end() :].rstrip(),
            decimals=len(fraction),
            fewest=min(whole.count("0"), 30),
            thousands="," in whole.rstrip(","),
            percent="%" in bare,
        )

    @property
    def is_plain(self) -> bool:
        """True for a whole number without marks."""
        return self in (_Format(), _Format(decimals=0))

    def cell(self, number: float, epoch: datetime) -> Cell:
        """Return a number as a cell; a date's value is its text."""
        try:
            if self.elapsed:
                minutes, seconds = divmod(round(number * 86400), 60)
                return Cell(text := f"{minutes // 60}:{minutes % 60:02}:{seconds:02}", text)
            if self.date:
                moment = epoch + timedelta(seconds=round(number * 86400))
                return Cell(text := moment.strftime(self.date), text)
        except (OverflowError, ValueError):
            pass  # Excel shows ##### for it
        value: float = int(number) if number.is_integer() and abs(number) < 1e15 else number
        if self.decimals < 0 or not math.isfinite(number):
            return Cell(f"{number:.15g}", value)
        scaled = number * 100 if self.percent else number
        digits = f"{abs(scaled):{',' if self.thousands else ''}.{min(self.decimals, 30)}f}"
        digits = "0" * (self.fewest - len(digits.partition(".")[0])) + digits
        sign = "-" if scaled < 0 and digits.strip("0.,") else ""
        return Cell(f"{sign}{self.before}{digits}{self.after}", value)


def _sections(code: str) -> list[str]:
    """Return the sections of a format, which semicolons separate outside of quotation marks."""
    sections, quoted = [""], False
    for character in code:
        quoted ^= character == '"'
        if character == ";" and not quoted:
            sections.append("")
        else:
            sections[-1] += character
    return sections


def _text(element: Element) -> str:
    """Return the text of a string, less the pronunciation (`rPh`) of Japanese."""
    pieces: list[str] = []

    def collect(parent: Element) -> None:
        align = parent.find("rPr/vertAlign")
        raised = align is not None and align.get("val") == "superscript"
        for child in parent:
            if child.tag == "t":
                text = child.text or ""
                pieces.append(f"^{text}" if raised and is_power(pieces, text) else text)
            elif child.tag == "br" or (child.tag == "p" and pieces):
                pieces.append("\n")
            if child.tag != "rPh":
                collect(child)

    collect(element)
    return _unescaped("".join(pieces))


def _unescaped(text: str) -> str:
    """Return a text in which `_x000D_` is the character of that number (ECMA-376, 22.9.2.19)."""
    return _HEX.sub(lambda match: chr(int(match[1], 16)), text) if "_x" in text else text


def _column(reference: str, default: int) -> int:
    """Return the column of a reference such as B7, from 0."""
    column = 0
    for letter in reference.upper():
        if "A" <= letter <= "Z":
            column = 26 * column + ord(letter) - 64
    return column - 1 if 0 < column <= 16_384 else default
