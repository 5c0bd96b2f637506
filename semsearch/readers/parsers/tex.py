"""Extract the text of a LaTeX file."""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from itertools import islice
from types import MappingProxyType
from typing import NamedTuple

from semsearch.readers.encoding import decoded
from semsearch.readers.fields import document_fields
from semsearch.readers.parsed import Parsed, parsed

_LISTINGS = frozenset({"verbatim", "Verbatim", "lstlisting", "minted", "alltt"})
_HIDDEN = frozenset({"comment", "tikzpicture", "pgfpicture", "filecontents", "pspicture"})
_MATH = frozenset({
    "align", "alignat", "array", "cases", "displaymath", "dmath", "eqnarray", "equation", "flalign", "gather", "math",
    "multline", "split",
})  # fmt: skip
_CLOSERS = {"$$": "$$", "\\[": "\\]", "\\(": "\\)", "\\iffalse": "\\fi"}
_TOKEN = re.compile(
    r"(?P<comment>%[^\n]*(?:\n[ \t]*+(?!\n))?)"
    r"|(?P<opener>\$\$|\\\[|\\\(|\\iffalse(?![A-Za-z]))"
    r"|(?P<formula>\$(?:\\.|[^$\\\n]|\n(?!\s*\n)){1,2000}\$)"
    r"|\\verb\*?(?P<mark>[^\sA-Za-z])(?P<verb>[^\n]*?)(?P=mark)"
    r"|\\(?P<edge>begin|end)\s*\{(?P<name>[A-Za-z]{1,40})(?P<star>\*?)\}"
    r"|\\(?P<accent>[`'^\"~=.]|[cvHkrubdt](?![A-Za-z]))[ \t]*(?:\{\\?(?P<braced>[A-Za-z]?)\}|\\?(?P<letter>[A-Za-z]))"
    r"|\\(?P<command>[A-Za-z@]+)\*?[ \t]*"
    r"|\\(?P<symbol>.|\n)"
    r"|(?P<brace>[{}])|(?P<cell>&)|(?P<text>[^\\{}%$&]+|\$)",
    re.DOTALL,
)
_COMBINING = dict(
    zip(
        "`'^\"~=.cvHkrubdt",
        "\u0300\u0301\u0302\u0308\u0303\u0304\u0307\u0327\u030c\u030b\u0328\u030a\u0306\u0331\u0323\u0361",
        strict=True,
    )
)
_HEADINGS = {
    "part": 1, "chapter": 1, "section": 2, "subsection": 3, "subsubsection": 4, "paragraph": 5, "subparagraph": 6,
    "frametitle": 4, "addchap": 1, "addsec": 2,
}  # fmt: skip
_SYMBOLS = {
    "ss": "ß", "o": "ø", "O": "Ø", "l": "ł", "L": "Ł", "ae": "æ", "AE": "Æ", "oe": "œ", "OE": "Œ", "aa": "å", "AA": "Å",
    "i": "i", "j": "j", "LaTeX": "LaTeX", "TeX": "TeX", "BibTeX": "BibTeX", "ldots": "…", "dots": "…", "S": "§",
    "copyright": "©", "euro": "€", "EUR": "€", "pounds": "£", "textendash": "–", "textemdash": "—", "quad": " ",
    "qquad": " ", "textbackslash": "\\", "textasciitilde": "~", "par": "\n\n", "newline": "\n", "item": "\n- ",
    "bibitem": "\n- ", "textbar": "|", "and": ", ", "textless": "<", "textgreater": ">", "space": " ",
}  # fmt: skip
_ESCAPES = {"\\": "\n", " ": " ", "\n": " ", ",": " ", ";": " ", ":": " ", "-": "", "/": "", "@": "", "!": ""}
_WRAPPED = {"footnote": (" (", ")"), "caption": ("\n", "\n"), "thanks": (" (", ")"), "marginpar": (" (", ")")}
_HIDDEN_ARGUMENTS = (
    (
        1,
        "label ref eqref pageref autoref cref Cref nameref vref cite citep citet citeauthor citeyear parencite "
        "textcite autocite footcite nocite includegraphics input include subfile bibliography bibliographystyle "
        "usepackage documentclass RequirePackage vspace hspace color pagestyle thispagestyle hypersetup "
        "graphicspath index glossary phantom hphantom vphantom selectlanguage bibitem addbibresource tikzset "
        "lstset hyphenation title author date subtitle institute href textcolor colorbox raisebox scalebox "
        "geometry pgfplotsset usetikzlibrary usetheme lstinputlisting lstinline cline cmidrule theoremstyle "
        "setmainfont gls ac markboth markright",
    ),
    (
        2,
        "newcommand renewcommand providecommand DeclareMathOperator newtheorem setlength addtolength setcounter "
        "addtocounter fontsize multicolumn multirow resizebox rule definecolor let newcolumntype",
    ),
    (3, "newenvironment renewenvironment addcontentsline"),
)
_DROPPED = {name: count for count, names in _HIDDEN_ARGUMENTS for name in names.split()}
"""The commands that show nothing of so many arguments; the text of any other argument is read."""
_KNOWN = _SYMBOLS.keys() | _HEADINGS.keys() | _WRAPPED.keys() | _DROPPED.keys()
_ENVIRONMENTS = {
    "tabular": 1, "tabularx": 2, "longtable": 1, "tabulary": 2, "minipage": 1, "thebibliography": 1, "multicols": 1,
    "adjustbox": 1, "wrapfigure": 2, "textblock": 1, "column": 1,
    "columns": 0, "description": 0, "enumerate": 0, "figure": 0, "frame": 0, "itemize": 0, "table": 0, "tcolorbox": 0,
}  # fmt: skip
_TITLE = re.compile(r"\\(title|author|date)\s*(?:\[[^\]\n]{0,300}\])?\s*(?=\{)")
_MACRO = re.compile(
    r"\\(?:(?:re)?newcommand|providecommand|DeclareRobustCommand|def)\*?[ \t]*\{?\\([A-Za-z@]{1,60})\}?"
    r"(?:[ \t]*\[([1-9])\]|#([1-9]))?[ \t]*(?=\{)"
)
"""The definition of a macro without a default, up to its body."""
_MOST_MACROS, _LONGEST_MACRO = 500, 500
"""The most macros of a file, and characters of one, before and after the macros in it are set."""
_ARGUMENT = "\ufdd0"
"""Stands for the argument of a macro; no text has this character."""
_COMMENTS = re.compile(r"(?<!\\)(?:\\\\)*%[^\n]*")
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
_OPTIONS = re.compile(r"(?:\s*\[[^\[\]]{0,500}\])*")
_BLANKS = re.compile(r"(?<=\S)[ \t]+")
_SPACE = re.compile(r"\s{0,200}")
_LANGUAGE = re.compile(r"\{(\w+)\}")


class _Macro(NamedTuple):
    """A macro: its text around the argument, whether that shows, and whether it takes one."""

    before: str
    shows: bool
    after: str
    takes: bool


def parse_tex(content: bytes) -> Iterator[Parsed]:
    """Yield the text between `\\begin{document}` and `\\end{document}`, or of a whole file that has neither.

    A section has `#` marks, code is fenced as in Markdown, formulas stay as they are, and the cells of a table are
    separated by " | ". Comments, references and pictures are left out, and `\\input` is not followed. Macros of the
    file with at most one argument are set. The text of a command that is not known stays. `author` and `date` are
    fields.
    """
    source = decoded(content)
    start = source.find("\\begin{document}")
    end = source.rfind("\\end{document}")
    body = source[start + len("\\begin{document}") if start >= 0 else 0 : end if end > start else len(source)]
    first = 1 + source.count("\n", 0, len(source[:start]) if start >= 0 else 0)
    ends = _matching(source)
    macros = _macros(source, ends)
    found: dict[str, str] = {}
    lines: list[tuple[int, str]] = []
    for match in _TITLE.finditer(source):
        comment = _COMMENTS.search(source, source.rfind("\n", 0, match.start()) + 1, match.start())
        if match[1] not in found and not comment:
            argument = source[match.end() + 1 : ends.get(match.end(), match.end() + 2) - 1]
            found[match[1]] = plain_tex(argument, macros)
            if match[1] == "title" and found["title"]:
                lines.append((1 + source.count("\n", 0, match.start()), f"# {found['title']}\n"))
    lines += _converted(body, first, macros)
    title = found.pop("title", "")
    yield parsed(sorted(lines, key=lambda line: line[0]), "line", title, metadata=document_fields(found))


def plain_tex(source: str, macros: Mapping[str, _Macro] = MappingProxyType({})) -> str:
    """Return a short piece of LaTeX as one line of text, such as the title of a reference."""
    return " ".join(" ".join(line for _, line in _converted(source, 1, macros)).split())


def _macros(source: str, ends: Mapping[int, int]) -> dict[str, _Macro]:
    """Return the macros that a file defines, by name."""
    found: dict[str, _Macro] = {}
    for match in islice(_MACRO.finditer(source), _MOST_MACROS):
        name, count = match[1], int(match[2] or match[3] or 0)
        body = source[match.end() + 1 : ends.get(match.end(), match.end() + 2) - 1]
        if name in _KNOWN or count > 1 or len(body) > _LONGEST_MACRO or body.count("#1") > 1:
            continue
        text = plain_tex(body.replace("#1", _ARGUMENT), found)
        if len(text) <= _LONGEST_MACRO:
            before, argument, after = text.partition(_ARGUMENT)
            found[name] = _Macro(before, bool(argument), after, count > 0)
    return found


def _converted(
    source: str, number: int, macros: Mapping[str, _Macro] = MappingProxyType({})
) -> list[tuple[int, str]]:
    """Return the text of LaTeX as (line, text); `number` is the line of its start."""
    lines: list[tuple[int, list[str]]] = [(number, [])]
    closers: list[str] = []
    """The text after the closing brace of each open one."""
    in_title, is_blank = 0, True
    """The depth of braces in which a heading is, or 0: its line ends are blanks. Whether the last line is blank."""

    def write(text: str, rises: bool = False) -> None:
        """Write a text. `rises` is for one that stands like this in the file, so its lines have its numbers."""
        nonlocal is_blank
        pieces = [text.replace("\n", " ")] if in_title else text.split("\n")
        if is_blank:
            lines[-1] = (number, lines[-1][1])
        lines[-1][1].append(pieces[0])
        lines.extend((number + at * rises, [piece]) for at, piece in enumerate(pieces[1:], 1))
        is_blank = not pieces[-1].strip() and (is_blank or len(pieces) > 1)

    unclosed: set[str] = set()

    def closed(opener: str, closer: str, start: int) -> int:
        """Return the place after the next `closer`, or `start` if there is none; each is looked for once."""
        end = -1 if opener in unclosed else source.find(closer, start)
        if end < 0:
            unclosed.add(opener)
            return start
        return end + len(closer)

    ends = _matching(source)
    at = 0
    while match := _TOKEN.match(source, at):
        end = match.end()
        if match["text"]:
            write(_typeset(match["text"]), rises=True)
        elif match["brace"] == "{":
            closers.append("")
        elif match["brace"]:
            if in_title and len(closers) <= in_title:
                in_title = 0
            write(closers.pop() if closers else "")
        elif match["cell"]:
            write(" | ")
        elif match["formula"]:
            write(match["formula"], rises=True)
        elif opener := match["opener"]:
            end = closed(opener, _CLOSERS[opener], end)
            if end > match.end() and opener != "\\iffalse":
                write(source[at:end], rises=True)
        elif match["edge"] == "begin" and match["name"] in _LISTINGS | _HIDDEN | _MATH:
            name = match["name"]
            end = closed(name, f"\\end{{{name}{match['star']}}}", end)
            if name in _MATH and end > match.end():
                write(source[at:end], rises=True)
            elif name in _LISTINGS and end > match.end():
                options = _after_options(source, match.end())
                language = _LANGUAGE.match(source, options)
                code = source[language.end() if language else options : source.rindex("\\end", at, end)]
                write(f"\n```{language[1] if language else ''}")
                write(code.rstrip("\n "), rises=True)
                number += source.count("\n", at, end)
                write("\n```\n")
                number -= source.count("\n", at, end)
        elif match["verb"] is not None:
            write(match["verb"])
        elif match["accent"]:
            base = match["braced"] or match["letter"] or ""
            write(unicodedata.normalize("NFC", base + _COMBINING[match["accent"]]) if base else "")
        elif match["edge"]:
            write("\n" if match["name"] in ("tabular", "itemize", "enumerate") else "")
            begins = match["edge"] == "begin"
            if begins and match["name"] in _ENVIRONMENTS:
                end = _after_options(source, end)
                for _ in range(_ENVIRONMENTS[match["name"]]):
                    end = _after(source, ends, end)
            if begins and match["name"] == "frame" and source.startswith("{", end):
                write("\n\n#### ")
                closers.append("\n\n")
                in_title, end = len(closers), end + 1
        elif name := match["command"]:
            if name in _SYMBOLS:
                write(_SYMBOLS[name])
            if (
                name in _DROPPED
                or name in _HEADINGS
                or name in _WRAPPED
                or (name != "item" and source.startswith("[", end))
            ):
                end = _after_options(source, end)
            for _ in range(_DROPPED.get(name, 0)):
                end = _after(source, ends, end)
            if name in ("def", "gdef"):
                end = _after(source, ends, max(end, source.find("{", end, end + 200)))
            opening, closing = _WRAPPED.get(name, ("", ""))
            if macro := macros.get(name):
                if macro.shows:
                    opening, closing = macro.before, macro.after
                else:
                    blank = " " * (not macro.takes and match[0].endswith((" ", "\t")))
                    write(macro.before + blank)
                    end = _after(source, ends, end) if macro.takes else end
            if name in _HEADINGS:
                opening, closing = f"\n\n{'#' * _HEADINGS[name]} ", "\n\n"
            if (opening or closing) and source.startswith("{", end):
                write(opening)
                closers.append(closing)
                end += 1
                in_title = len(closers) if name in _HEADINGS else in_title
        elif symbol := match["symbol"]:
            write(_ESCAPES.get(symbol, symbol))
            end = _after_options(source, end) if symbol == "\\" else end
        number += source.count("\n", at, end)
        at = end
    return [(line, _BLANKS.sub(" ", "".join(pieces)).rstrip()) for line, pieces in lines]


def _typeset(text: str) -> str:
    """Return characters as TeX sets them."""
    for typed, shown in (("---", "—"), ("--", "–"), ("``", "“"), ("''", "”"), ("~", " ")):
        text = text.replace(typed, shown)
    return text


def _matching(source: str) -> dict[int, int]:
    """Return the end of each argument in braces by its start."""
    open_, ends = [], {}
    for match in _BRACE.finditer(source):
        if match[0] == "{":
            open_.append(match.start())
        elif match[0] == "}" and open_:
            ends[open_.pop()] = match.end()
    return ends


def _after(source: str, ends: Mapping[int, int], at: int) -> int:
    """Return the end of the argument in braces that begins at a place, after blanks, or the place if none does."""
    blanks = _SPACE.match(source, at)
    return ends.get(blanks.end() if blanks else at, at)


def _after_options(source: str, at: int) -> int:
    match = _OPTIONS.match(source, at)
    return match.end() if match else at
