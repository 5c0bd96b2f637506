"""Count the numbered paragraphs of a Word document, whose numbers are not in its text."""

import re
from collections.abc import Callable
from xml.etree.ElementTree import Element

_ROMAN = (
    (1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"), (40, "xl"), (10, "x"),
    (9, "ix"), (5, "v"), (4, "iv"), (1, "i"),
)  # fmt: skip
_LEVELS = 9
_MOST = 3_000
"""The highest number that is written. A file may claim any start."""


def _letters(number: int) -> str:
    return chr(97 + (number - 1) % 26) * (1 + (number - 1) // 26) if number > 0 else ""


def _roman(number: int) -> str:
    written = ""
    for value, letters in _ROMAN:
        written += letters * (number // value)
        number %= value
    return written


_FORMATS: dict[str, Callable[[int], str]] = {
    "decimal": str,
    "decimalZero": "{:02}".format,
    "lowerLetter": _letters,
    "lowerRoman": _roman,
    "upperLetter": lambda number: _letters(number).upper(),
    "upperRoman": lambda number: _roman(number).upper(),
}
"""The formats of numbers that are written. Bullets are not, nor are numbers in other scripts."""


class Numbering:
    """The lists of a document, with the numbers that they have reached."""

    def __init__(self, root: Element) -> None:
        levels = {
            item.get("abstractNumId", ""): {level.get("ilvl", ""): level for level in item.iterfind("lvl")}
            for item in root.iterfind("abstractNum")
        }
        self._lists: dict[str, tuple[str, dict[str, Element]]] = {}
        self._restarts: dict[str, dict[int, int]] = {}
        for item in root.iterfind("num"):
            id_, abstract = item.get("numId", ""), _value(item.find("abstractNumId"))
            self._lists[id_] = abstract, levels.get(abstract, {})
            self._restarts[id_] = {
                _number(override.get("ilvl", "")): _number(_value(override.find("startOverride")))
                for override in item.iterfind("lvlOverride")
                if override.find("startOverride") is not None
            }
        self._counts: dict[str, list[int]] = {}

    def label(self, properties: Element | None) -> str:
        """Return the number of the next paragraph with these `numPr`, such as `4.2`; empty if it has none."""
        if properties is None:
            return ""
        id_ = _value(properties.find("numId"))
        at = min(_number(_value(properties.find("ilvl"))), _LEVELS - 1)
        abstract, levels = self._lists.get(id_, ("", {}))
        level = levels.get(str(at))
        if level is None:
            return ""
        starts = [
            _number(_value(levels[str(one)].find("start"))) if str(one) in levels else 1
            for one in range(_LEVELS)
        ]
        counts = self._counts.setdefault(abstract, [start - 1 for start in starts])
        for one, start in self._restarts.pop(id_, {}).items():
            if one < _LEVELS:
                counts[one] = start - 1
        for above in range(at):
            counts[above] = max(counts[above], starts[above])  # a level that was left out
        counts[at] += 1
        counts[at + 1 :] = [start - 1 for start in starts[at + 1 :]]

        def written(match: re.Match[str]) -> str:
            one = int(match[1]) - 1
            format_ = _FORMATS.get(_value(levels[str(one)].find("numFmt"))) if str(one) in levels else None
            return format_(min(counts[one], _MOST)) if format_ else ""

        text = _value(level.find("lvlText"))
        return re.sub(r"%([1-9])", written, text) if _value(level.find("numFmt")) in _FORMATS else ""


def _value(element: Element | None) -> str:
    return element.get("val", "") if element is not None else ""


def _number(text: str) -> int:
    return min(int(text), _MOST) if text.isdecimal() and len(text) < 10 else 0
