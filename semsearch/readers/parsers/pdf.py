"""Extract the text of a PDF, page by page, in the order in which it is read."""

import ctypes
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from semsearch.errors import UnreadableSource
from semsearch.readers.fields import about
from semsearch.readers.parsed import Parsed, parsed, said
from semsearch.readers.parsers.zipped import reading

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument, PdfPage

_HYPHENS = "-\u00ad\u2010"
_BROKEN = re.compile(rf"([^\W_]+(?:-[^\W_]+)*)([{_HYPHENS}])$")
_WORD = re.compile(r"[^\W_]+(?:-[^\W_]+)*")
_FIRST_PARTS = frozenset({
    "all", "cross", "double", "eighty", "ex", "fifty", "first", "forty", "four", "full", "half", "high", "ill", "left",
    "long", "low", "mid", "ninety", "non", "one", "part", "quasi", "right", "second", "self", "semi", "seventy",
    "short", "single", "six", "sixty", "ten", "third", "thirty", "three", "twenty", "two", "well",
})  # fmt: skip
"""Words that a hyphen joins to the next one, in a text that has the compound nowhere else."""
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff]")
_FEWEST_LINES = 4
"""Lines of a column on each side, from which two columns are told from a table."""
_PROSE = 0.18
"""The width of a column's line as a share of the page. The cells of a table are narrower."""
_PROPERTIES = ("Title", "Author", "Subject", "Keywords", "CreationDate", "ModDate")
"""The properties that people give a PDF. `Creator` and `Producer` are programs."""
_ANNOTATION_WIDGET, _ANNOTATION_POPUP = 20, 16


class _Segment(NamedTuple):
    """A part of a line without a wide gap, and the range of the page's width in which it lies."""

    left: float
    right: float
    text: str
    new_line: bool


def parse_pdf(content: bytes) -> Iterator[Parsed]:
    """Yield the text of a PDF: columns one after the other, words whole, form fields and comments after their page.

    A word that is broken over two lines is joined on the first. A line at the top or bottom that most pages have, such
    as a running head, is kept on its first page only.
    """
    import pypdfium2

    with reading("PDF"):
        try:
            document = pypdfium2.PdfDocument(content)
        except pypdfium2.PdfiumError as error:
            if "password" in str(error).lower():
                raise UnreadableSource("encrypted PDF that needs a password") from error
            raise
        document.init_forms()
        pages: list[list[str]] = []
        without: list[tuple[int, str, bool]] = []
        for number in range(1, len(document) + 1):
            lines: list[str] = []
            try:
                page = document[number - 1]
                lines = [*_page_lines(page), *_annotations(document, page)]
                page.close()
            except pypdfium2.PdfiumError as error:  # the other pages can still be read
                without.append((number, f"broken page ({said(error)})", True))
            else:
                if not any(map(str.strip, lines)):
                    without.append((number, "page without text", False))
            pages.append(lines)
        if len(without) == len(pages) and not any(failed for *_, failed in without):
            raise UnreadableSource("PDF without a text layer (a scan?)")
        _drop_running_heads(pages)
        numbered = [(number, line) for number, lines in enumerate(pages, 1) for line in lines]
        found = about((name, document.get_metadata_value(name)) for name in _PROPERTIES)
        yield parsed(_mended(numbered), "page", found.title, without, metadata=found.fields)


def _page_lines(page: "PdfPage") -> list[str]:
    """Return the lines of a page in the order of reading."""
    from pypdfium2 import raw

    text_page = page.get_textpage()
    edges = [ctypes.c_double() for _ in range(4)]

    def box(index: int) -> tuple[float, float, float]:
        """Return the left and right edge of a character, and its height."""
        raw.FPDFText_GetCharBox(text_page, index, *map(ctypes.byref, edges))
        left, right, bottom, top = (edge.value for edge in edges)
        return left, right, top - bottom

    segments: list[_Segment] = []
    pieces: list[str] = []
    start = last = -1  # the first and the last visible character of the segment
    new_line = True

    def end(*, line: bool) -> None:
        nonlocal start, new_line
        if start >= 0:
            ends = *box(start)[:2], *box(last)[:2]
            segments.append(_Segment(min(ends), max(ends), "".join(pieces).strip(), new_line))
            new_line = line
        new_line |= line
        pieces.clear()
        start = -1

    for index in range(raw.FPDFText_CountChars(text_page)):
        character = chr(raw.FPDFText_GetUnicode(text_page, index))
        if character in "\r\n":
            end(line=True)
        elif character in "\x02\ufffe":  # a hyphen at the end of a line
            pieces.append("-")
            end(line=True)
        elif character.isspace() or character == "\0":
            pieces.append(" ")
        else:
            if start >= 0 and pieces[-1] == " ":
                (a, b, height), (c, d, _) = box(last), box(index)
                if max(c - b, a - d) > max(1.2 * height, 9):
                    end(line=False)
            start = index if start < 0 else start
            last = index
            pieces.append(character)
    end(line=True)
    text_page.close()
    lines: list[str] = []
    for segment in _in_columns(segments, page.get_width()):
        if segment.new_line or not lines:
            lines.append(segment.text)
        else:
            lines[-1] += f" {segment.text}"
    return lines


def _in_columns(segments: list[_Segment], width: float) -> list[_Segment]:
    """Return the segments with those of each column together, where columns are drawn row by row.

    A gutter is to the left of the place at which most segments begin, other than the leftmost. Segments across it,
    such as a title, stay where they are.
    """
    if len(segments) < 4:
        return segments
    leftmost = min(segment.left for segment in segments)
    starts = Counter(round(segment.left) for segment in segments if segment.left > leftmost + _PROSE * width)
    if not starts:
        return segments
    gutter = starts.most_common(1)[0][0] - 2
    ordered: list[_Segment] = []
    run: list[_Segment] = []
    for segment in segments:
        if segment.left < gutter < segment.right:
            ordered += [*_parted(run, gutter, width), segment._replace(new_line=True)]
            run = []
        else:
            run.append(segment)
    return ordered + _parted(run, gutter, width)


def _parted(run: list[_Segment], gutter: float, width: float) -> list[_Segment]:
    """Return the segments on one side of a gutter and then those on the other, if both sides are prose."""
    left = [segment for segment in run if segment.right <= gutter]
    right = [segment for segment in run if segment.left >= gutter]
    sides = [segment.left >= gutter for segment in run]
    changes = sum(a != b for a, b in pairwise(sides))
    continued = not run[0].text[:1].islower() if run else False
    if changes < 3 or not all(_is_prose(side, width, continued) for side in (left, right)):
        return run
    right = _in_columns(right, width)
    first, second = (right, left) if _RIGHT_TO_LEFT.search(run[0].text) else (left, right)
    return [segment._replace(new_line=True) for segment in (*first, *second)]


def _is_prose(side: Sequence[_Segment], width: float, continued: bool) -> bool:
    """Return whether most lines of a column are wide and as wide as the widest.

    Of a text that begins in upper case it is enough, if `continued`, that each line continues the one above.
    """
    widths = sorted(segment.right - segment.left for segment in side)
    lower = all(segment.text[:1].islower() for segment in side[1:])
    if continued and lower and len(widths) > 1 and widths[-1] > _PROSE * width:
        return True
    if len(widths) < _FEWEST_LINES:
        return False
    median = widths[len(widths) // 2]
    return median > _PROSE * width and median > 0.7 * widths[-1]


def _annotations(document: "PdfDocument", page: "PdfPage") -> Iterator[str]:
    """Yield the filled form fields and the comments of a page."""
    from pypdfium2 import raw

    def text_of(get: object, *arguments: object) -> str:
        size = get(*arguments, None, 0)  # type: ignore[operator]
        buffer = ctypes.create_string_buffer(size)
        get(*arguments, ctypes.cast(buffer, ctypes.POINTER(raw.FPDF_WCHAR)), size)  # type: ignore[operator]
        return buffer.raw[:size].decode("utf-16-le", "replace").rstrip("\0").strip()

    for index in range(raw.FPDFPage_GetAnnotCount(page)):
        annotation = raw.FPDFPage_GetAnnot(page, index)
        kind = raw.FPDFAnnot_GetSubtype(annotation)
        if kind == _ANNOTATION_WIDGET and document.formenv is not None:
            name = text_of(raw.FPDFAnnot_GetFormFieldName, document.formenv, annotation)
            value = text_of(raw.FPDFAnnot_GetFormFieldValue, document.formenv, annotation)
            if value and value != "Off":
                yield f"{name}: {' '.join(value.split())}"
        elif kind != _ANNOTATION_POPUP:
            contents = text_of(raw.FPDFAnnot_GetStringValue, annotation, b"Contents")
            if contents:
                yield f"[comment] {' '.join(contents.split())}"
        raw.FPDFPage_CloseAnnot(annotation)


def _drop_running_heads(pages: list[list[str]]) -> None:
    """Remove the first or last line of pages if many of them have it, but for the first of these pages."""
    for at in (0, -1):
        keys = [_keys(lines[at], number) if len(lines) > 1 else set() for number, lines in enumerate(pages)]
        counted = Counter(key for page in keys for key in page)
        repeated = {key for key, count in counted.items() if count >= max(3, len(pages) / 3)}
        seen: set[str] = set()
        for page, lines in zip(keys, pages, strict=True):
            if page & repeated & seen:
                del lines[at]
            seen |= page


def _keys(line: str, page: int) -> set[str]:
    """Return a line as it may be the same on other pages: as it is, or with a number relative to the page's."""
    numbers = [match for match in re.finditer(r"\d{1,9}", line) if match[0].isdecimal()]
    relative = (
        f"{line[: match.start()]}\0{int(match[0]) - page}\0{line[match.end() :]}"
        for match in [*numbers[:1], *numbers[-1:]]
    )
    return {line, *relative} - {""}


def _mended(lines: Sequence[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """Yield the lines with their broken words joined, each at the place of its first part.

    Of two readings the one counts that the text has elsewhere. Otherwise the hyphen is dropped, unless the second part
    is a number or a name, or the first one usually begins a compound.
    """
    words = Counter(word.casefold() for _, line in lines for word in _WORD.findall(line))
    remaining = [line for _, line in lines]
    for at, (number, whole) in enumerate(lines):
        line, next_ = remaining[at], at + 1
        while next_ < len(lines):
            broken, second = _BROKEN.search(line), _WORD.match(remaining[next_])
            if not broken or not second:
                break
            token, _, remaining[next_] = remaining[next_].partition(" ")
            mended = _joined(broken[1], broken[2], second[0], words)
            line = f"{line[: broken.start()]}{mended}{token[second.end() :]}"
            if remaining[next_]:
                break
            next_ += 1  # a word over three lines
        if line or not whole:
            yield number, line


def _joined(first: str, hyphen: str, second: str, words: Counter[str]) -> str:
    whole, compound = first + second, f"{first}-{second}"
    if hyphen == "\u00ad" or words[whole.casefold()]:
        return whole
    plain = second[0].islower() or (first.isupper() and second.isupper() and len(first) > 1)
    keeps = words[compound.casefold()] or len(first) == 1 or "-" in first or first.casefold() in _FIRST_PARTS
    return whole if plain and not keeps else compound
