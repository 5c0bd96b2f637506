"""Extract the text of a Rich Text Format file (RTF 1.9.1), as it reads with all tracked changes accepted."""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from semsearch.errors import UnreadableSource
from semsearch.readers.fields import about
from semsearch.readers.parsed import Parsed, parsed
from semsearch.readers.parsers.flow import Flow, heading, is_power, row_text

_TOKEN = re.compile(
    rb"\\(?:(?P<word>[A-Za-z]{1,32})(?P<number>-?\d{1,10})? ?|'(?P<hex>[0-9A-Fa-f]{2})|(?P<symbol>[\s\S]))"
    rb"|(?P<brace>[{}])|(?P<text>[^\\{}\r\n]+)|[\r\n]+"
)
_CHARACTERS = {
    "bullet": "•", "emdash": "—", "emspace": " ", "endash": "–", "enspace": " ", "ldblquote": "“", "line": "\n",
    "lquote": "‘", "nestcell": "\n", "qmspace": " ", "rdblquote": "”", "rquote": "’", "tab": "\t",
}  # fmt: skip
_SYMBOLS = {"~": "\u00a0", "_": "-", "\\": "\\", "{": "{", "}": "}", "\t": "\t"}
_PARAGRAPH = frozenset({"page", "par", "sect"})
_SKIPPED = frozenset({
    "atnauthor", "atnid", "colortbl", "datafield", "fldinst", "filetbl", "ftncn", "ftnsep", "ftnsepc", "operator",
    "company", "manager", "creatim", "revtim", "printim",
    "buptim", "nonesttables", "objdata", "pict", "rxe", "sn", "stylesheet", "sv", "tc", "template", "txe", "upr", "xe",
})  # fmt: skip
"""Destinations without text that is read. Those that begin with `\\*` are skipped too, unless they are known."""
_ENTERED = frozenset({"shpinst", "shptxt", "ud"})
_ABOUT = frozenset({"author", "category", "doccomm", "keywords", "subject", "title"})
"""The destinations of what the file says about itself."""
_ASIDE = {"annotation": "[comment] ", "footnote": "", "shptxt": ""}
_BANNERS = frozenset({f"{kind}{page}" for kind in ("header", "footer") for page in ("", "l", "r", "f")})
_CODE_PAGES = {"mac": "mac_roman", "pc": "cp437", "pca": "cp850"}
_CHARSETS = {
    77: "mac_roman", 128: "cp932", 129: "cp949", 134: "gb18030", 136: "cp950", 161: "cp1253", 162: "cp1254",
    163: "cp1258", 177: "cp1255", 178: "cp1256", 186: "cp1257", 204: "cp1251", 222: "cp874", 238: "cp1250",
    255: "cp437",
}  # fmt: skip
"""The encodings of the character sets of fonts."""
_DEEPEST = 10_000


@dataclass(frozen=True, slots=True)
class _State:
    """The state of a group. `into` is where its text goes: the body, the title, something aside, or nowhere."""

    into: str = "body"
    encoding: str = ""
    fallback: int = 1
    """The bytes after a Unicode character that stand for it in older readers."""
    deleted: bool = False
    raised: bool = False
    start: int = 0
    """The position in the pieces of text at which the destination begins."""


def parse_rtf(content: bytes) -> Iterator[Parsed]:
    """Yield paragraphs, with a blank line between them and `#` marks for headings, and tables, with a line per row.

    A paragraph and a row each count as one paragraph. Notes, comments and text boxes follow the paragraph that they
    belong to, at its place. Headers and footers come last, each once.
    """
    if not content.lstrip().startswith(b"{\\rtf"):
        raise UnreadableSource("broken RTF (it does not begin with {\\rtf)")
    yield _Reader(content).parsed()


@dataclass(slots=True)
class _Reader:
    _content: bytes
    _flow: Flow = field(default_factory=Flow)
    _pieces: list[str] = field(default_factory=list)
    _raw: bytearray = field(default_factory=bytearray)
    _cells: list[str] = field(default_factory=list)
    _after_row: bool = False
    _banners: dict[str, None] = field(default_factory=dict)
    _about: list[tuple[str, str]] = field(default_factory=list)
    _encoding: str = "cp1252"
    _fonts: dict[int, str] = field(default_factory=dict)
    _font: int = 0
    _styles: dict[int, int] = field(default_factory=dict)
    _style: int = 0
    _level: int = 0
    _in_table: bool = False
    _skip: int = 0
    _state: _State = field(default_factory=_State)
    _was_raised: bool = False

    def parsed(self) -> Parsed:
        stack: list[_State] = []
        position = 0
        starred = False
        while match := _TOKEN.match(self._content, position):
            position = match.end()
            kind = match.lastgroup
            if match["brace"] == b"{":
                self._flush()
                if len(stack) >= _DEEPEST:
                    raise UnreadableSource(f"its groups are nested more than {_DEEPEST:,} levels deep")
                stack.append(self._state)
            elif match["brace"] == b"}":
                self._flush()
                if not stack:
                    break
                self._close(self._state, stack[-1])
                self._state = stack.pop()
                if not stack:
                    break
            elif match["word"]:
                word, number = match["word"].decode(), match["number"]
                if word == "bin":
                    position += max(0, int(number or 0))
                else:
                    self._word(word, int(number) if number else None, starred)
            elif match["hex"]:
                self._bytes(bytes.fromhex(match["hex"].decode()))
            elif kind == "symbol":
                self._symbol(match["symbol"].decode("latin-1"))
            elif kind == "text":
                self._bytes(match["text"])
            starred = match["symbol"] == b"*"
        self._flush()
        if "".join(self._pieces).strip() or self._cells:
            self._paragraph()
        self._flow.write(self._banners)
        cut = [(self._flow.number or 1, "the file ends in the middle", True)] if stack else []
        found = about(self._about)
        return parsed(self._flow.lines, "paragraph", found.title, cut, metadata=found.fields)

    def _word(self, word: str, number: int | None, starred: bool) -> None:
        state = self._state
        if word == "u" and number is not None:
            self._add(chr(number % 0x10000))
            self._skip = state.fallback
            return
        self._flush()
        self._skip = 0
        if word in _ASIDE or word in _BANNERS or word == "fonttbl" or word in _ABOUT:
            if state.into != "":
                into = "banner" if word in _BANNERS else word
                self._state = replace(state, into=into, start=len(self._pieces))
        elif word == "stylesheet":
            self._state = replace(state, into="stylesheet", start=len(self._pieces))
        elif word == "ud":
            self._state = replace(state, into="body")
        elif word in _SKIPPED or (starred and word not in _ENTERED):
            self._state = replace(state, into="")
        elif word == "uc":
            self._state = replace(state, fallback=max(0, number or 0))
        elif word == "deleted":
            self._state = replace(state, deleted=number != 0)
        elif word in ("ansicpg", *_CODE_PAGES):
            self._encoding = _known(f"cp{number}" if word == "ansicpg" else _CODE_PAGES[word])
        elif word == "f" and number is not None:
            self._font = number
            self._state = replace(state, encoding=self._fonts.get(number, ""))
        elif word == "plain":
            self._state = replace(state, encoding="", deleted=False, raised=False)
        elif word in ("super", "sub", "nosupersub"):
            self._state = replace(state, raised=word == "super" and number != 0)
        elif word == "fcharset" and state.into == "fonttbl":
            self._fonts[self._font] = _CHARSETS.get(number or 0, "")
        elif word == "s" and number is not None:
            self._style = number
            self._level = self._styles.get(number, self._level)
        elif word == "outlinelevel" and number is not None:
            self._level = number + 1 if 0 <= number < 9 else 0
            if state.into == "stylesheet":
                self._styles[self._style] = self._level
        elif word == "pard":
            self._level, self._in_table = 0, False
        elif word == "intbl":
            self._in_table = True
        elif word in _CHARACTERS:
            self._add(_CHARACTERS[word])
        elif word in _PARAGRAPH:
            if self._state.into == "body" and not self._in_table:
                self._paragraph()
            else:
                self._add("\n")
        elif word == "cell" and state.into == "body":
            self._cells.append("".join(self._pieces).strip())
            self._pieces.clear()
        elif word == "row" and state.into == "body":
            self._row()

    def _symbol(self, symbol: str) -> None:
        if symbol in "\r\n" and not self._in_table and self._state.into == "body":
            self._flush()
            self._paragraph()
        elif symbol in _SYMBOLS:
            if self._skip:
                self._skip -= 1
            else:
                self._add(_SYMBOLS[symbol])

    def _bytes(self, raw: bytes) -> None:
        """Add bytes of text, less those that stand for a Unicode character before them."""
        skipped = min(self._skip, len(raw))
        self._skip -= skipped
        self._raw += raw[skipped:]

    def _flush(self) -> None:
        """Decode the bytes that came so far; a character may have two."""
        if self._raw:
            raw = bytes(self._raw)
            self._raw.clear()
            self._add(raw.decode(self._state.encoding or self._encoding, "replace"))

    def _add(self, text: str) -> None:
        if self._raw:
            self._flush()
        if self._state.into not in ("", "fonttbl", "stylesheet") and not self._state.deleted:
            power = self._state.raised and not self._was_raised and is_power(self._pieces, text)
            self._was_raised = self._state.raised
            self._pieces.append(f"^{text}" if power else text)

    def _close(self, state: _State, outer: _State) -> None:
        """Take the text of a destination out of the paragraph around it when it ends."""
        if state.into == outer.into or state.into in ("", "body", "fonttbl", "stylesheet"):
            return
        text = "".join(self._pieces[state.start :]).strip()
        del self._pieces[state.start :]
        if state.into in _ABOUT:
            self._about.append((state.into, text))
        elif state.into == "banner":
            self._banners[text] = None
        elif text:
            self._flow.aside.append(_ASIDE[state.into] + text)

    def _paragraph(self) -> None:
        text = "".join([*self._cells, *self._pieces]).strip("\n")
        self._cells.clear()
        self._pieces.clear()
        self._flow.paragraph(heading(text, self._level))
        self._after_row = False

    def _row(self) -> None:
        cells, self._cells = self._cells, []
        self._flow.number += 1
        self._flow.write([row_text(cells or [""])], apart=not self._after_row)
        self._after_row = True


def _known(encoding: str) -> str:
    """Return an encoding that Python has, else the one of Windows in the West."""
    try:
        name = codecs.lookup(encoding).name
        return "gb18030" if name == "gbk" else name
    except LookupError:
        return "cp1252"
