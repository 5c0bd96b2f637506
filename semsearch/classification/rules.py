"""Rules that a person writes: they label a text before any model is asked.

A file of rules is TOML (https://toml.io), with a table for each rule. A rule holds where all of its conditions do, and
the first rule that holds decides:

    [[rule]]
    label = "refund"
    any = ["money back", "refund*", "退款"]    # one of these words or phrases; * is the rest of a word
    none = ["gift card"]                       # none of these
    negated = false                            # not in a sentence with a negation: "I do not want a refund"

`all` takes words that must all occur, `pattern` a regular expression, and `number` a bound such as ">= 1000", which
some number of the text must keep.
"""

import operator
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from semsearch.errors import InvalidInput
from semsearch.files import read_bounded
from semsearch.text import sentences
from semsearch.text.analyzer import normalize, phrase_pattern
from semsearch.text.words import NEGATION, without_separators

_MOST_BYTES = 1_000_000
_BOUNDS: Mapping[str, Callable[[float, float], bool]] = {
    ">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt, "=": operator.eq,
}  # fmt: skip
_BOUND = re.compile(r"\s*(>=|<=|>|<|=)\s*(-?\d+(?:\.\d+)?)\s*", re.ASCII)
_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:,\d{3})*(?:\.\d+)?", re.ASCII)
_MEMBERS: Mapping[str, tuple[type, str]] = {
    "label": (str, "a text"),
    "any": (list, "a list of texts"),
    "all": (list, "a list of texts"),
    "none": (list, "a list of texts"),
    "pattern": (str, "a text"),
    "number": (str, 'a text such as ">= 1000"'),
    "negated": (bool, "true or false"),
}


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule, by its `number` in its file, and the label that it gives. All of its conditions must hold.

    With `negated` the words of `any` and `all`, and `pattern`, count only in sentences that have a negation (True), or
    only in those that have none (False).
    """

    number: int
    label: str
    any: tuple[re.Pattern[str], ...] = ()
    all: tuple[re.Pattern[str], ...] = ()
    none: tuple[re.Pattern[str], ...] = ()
    pattern: re.Pattern[str] | None = None
    bound: tuple[str, float] | None = None
    negated: bool | None = None

    def holds(self, text: str) -> bool:
        """Return whether the rule holds for a text."""
        spans = (text[start:end] for start, end in sentences(text))
        written = text if self.negated is None else " ".join(
            span for span in spans if bool(NEGATION.search(span)) == self.negated
        )  # fmt: skip
        plain = normalize(written)
        return (
            (not self.any or any(word.search(plain) for word in self.any))
            and all(word.search(plain) for word in self.all)
            and not any(word.search(normalize(text)) for word in self.none)
            and (self.pattern is None or self.pattern.search(written) is not None)
            and (self.bound is None or _keeps(text, *self.bound))
        )


def read_rules(path: Path) -> list[Rule]:
    """Return the rules of a file. Raises `InvalidInput` for what is not a rule, with its place."""
    try:
        content = read_bounded(path, _MOST_BYTES)
    except OSError as error:
        raise InvalidInput(f"cannot read {path}: {error.strerror or error}") from error
    return parse_rules(content, str(path))


def parse_rules(content: bytes, path: str, *, patterns: bool = True) -> list[Rule]:
    """Return the rules of the content of a file; errors call it `path`. Raises `InvalidInput` as `read_rules` does.

    Without `patterns` a regular expression is refused: one from a stranger could keep the process busy for hours.
    """
    try:
        found = tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path} is not TOML: {error}", "docs/triage.md shows a file of rules") from error
    tables = found.pop("rule", [])
    if (
        found
        or not isinstance(tables, list)
        or not all(isinstance(one, dict) for one in tables)
        or not tables
    ):
        raise InvalidInput(f"{path} has no rules", "each rule begins with [[rule]]; see docs/triage.md")
    if not patterns and any("pattern" in table for table in tables):
        raise InvalidInput(f"{path} cannot have a pattern here", "use semsearch triage --rules FILE")
    return [_rule(number, table, f"{path}, rule {number}") for number, table in enumerate(tables, 1)]


def first_that_holds(rules: Sequence[Rule], text: str) -> Rule | None:
    """Return the first rule that holds for a text."""
    return next((rule for rule in rules if rule.holds(text)), None)


def _rule(number: int, table: Mapping[str, Any], at: str) -> Rule:
    for name, value in table.items():
        if name not in _MEMBERS:
            raise InvalidInput(f"{at}: there is no {name!r}", f"a rule has {', '.join(_MEMBERS)}")
        kind, called = _MEMBERS[name]
        if type(value) is not kind or (
            isinstance(value, list) and not all(type(one) is str for one in value)
        ):
            raise InvalidInput(f"{at}: {name} is {value!r:.80}, but must be {called}")
        if value in ([], "") and name != "label":
            raise InvalidInput(f"{at}: {name} is empty, so it would say nothing", "fill it, or leave it out")
    if not str(table.get("label", "")).strip():
        raise InvalidInput(f"{at}: it has no label")
    if not table.keys() & {"any", "all", "none", "pattern", "number"}:
        raise InvalidInput(f"{at}: it has no condition", "add any, all, none, pattern or number")
    words = {name: tuple(_word(one, at) for one in table.get(name, ())) for name in ("any", "all", "none")}
    return Rule(
        number,
        table["label"].strip(),
        words["any"],
        words["all"],
        words["none"],
        _compiled(table["pattern"], at) if "pattern" in table else None,
        _bound(table["number"], at) if "number" in table else None,
        table.get("negated"),
    )


def _word(word: str, at: str) -> re.Pattern[str]:
    begins = word.endswith("*")
    pattern = phrase_pattern(word[:-1] if begins else word, begins=begins)
    if pattern is None:
        raise InvalidInput(f"{at}: {word!r} has no word")
    return pattern


def _compiled(pattern: str, at: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise InvalidInput(f"{at}: {pattern!r} is not a regular expression: {error}") from error


def _bound(text: str, at: str) -> tuple[str, float]:
    if match := _BOUND.fullmatch(text):
        return match[1], float(match[2])
    raise InvalidInput(f"{at}: {text!r} is not a bound", 'write a sign and a number, such as ">= 1000"')


def _keeps(text: str, sign: str, limit: float) -> bool:
    """Return whether some number of a text keeps a bound."""
    found = _NUMBER.findall(text.replace("−", "-"))
    return any(_BOUNDS[sign](float(without_separators(one)), limit) for one in found)
