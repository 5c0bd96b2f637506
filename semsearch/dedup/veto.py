"""Veto pairs: some texts with similar vectors differ in what they say, and similarity does not show it.

A pair has a veto where its difference lies in words that the model does not know, where the texts state different
facts (see `semsearch.text.facts`), and where they share little more than a template of the collection.

Most pairs are decided by a few numbers for each text, so that millions of pairs of one template take seconds. Only the
others are looked at one by one.
"""

from collections.abc import Callable, Collection, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from semsearch.dedup.number_masks import NumberMasks
from semsearch.dedup.pair_proofs import NONE, VETO, PairProofs
from semsearch.dedup.parsed_text import ParsedText
from semsearch.dedup.template import Templates
from semsearch.text.arrangement import Places, displaced
from semsearch.text.facts import differences
from semsearch.text.indentation import indentation
from semsearch.text.unseen import UNSEEN, UnknownWords, none_unknown, split_words, unseen

Integers = NDArray[np.int64]
RULES = (
    "",
    "unknown",
    "number",
    "negation",
    "opposite",
    "name",
    "roles",
    "order",
    "sign",
    "indentation",
    "template",
)
"""The reasons of a veto by their codes; code 0 means that there is none."""
UNKNOWN = RULES.index("unknown")
FACTS = frozenset(("number", "negation", "opposite", "name", "roles", "order", "sign", "indentation"))
"""The rules for texts that state different facts."""
_CODE = {rule: code for code, rule in enumerate(RULES)} | {"date": RULES.index("number")}
_READ = 256
"""Texts, or pairs of texts, read at a time."""
_REASONS = 3
"""Reasons that are said of a pair."""
_CACHED = 2**21
"""Characters of the parsed texts that are kept for the next pairs: about 120 MB."""
_EMPTY = 100
"""Characters that each parsed text counts for besides its own."""
_MANY = 4
"""Pairs for each new text from which on all texts are prepared for proofs; fewer are looked at one by one."""


class Veto:
    """The vetoes on the pairs of one comparison. A similar pair without a veto is a pair of duplicates.

    `read` returns the cleaned texts at some text numbers, which are those of `Corpus`; `total` is how many there are.
    `unknown` says which words the model does not know; without it the model knows all. With `differing`, texts that
    state different facts have no veto for these. `written` returns texts with their indentation; by default the
    cleaned ones have it. A text is parsed when a pair that has it is first asked about.
    """

    def __init__(
        self,
        read: Callable[[Sequence[int]], Sequence[str]],
        total: int,
        *,
        unknown: UnknownWords = none_unknown,
        differing: bool = False,
        written: Callable[[Sequence[int]], Sequence[str]] | None = None,
    ) -> None:
        self._read, self._total = read, total
        self._written = written or read
        self._unknown, self._differing = unknown, differing
        self._cache: dict[int, ParsedText] = {}
        self._room = _CACHED
        self._templates = Templates(self._batches)
        self._prepared = np.zeros(total, np.bool_)
        self._masks = NumberMasks(total)
        self._proofs = PairProofs(total, unseen=UNSEEN, differing=differing)

    def codes(self, left: Integers, right: Integers) -> NDArray[np.int8]:
        """Return for every k the code (see `RULES`) of what parts texts left[k] and right[k], or 0, int8 [k].

        The order of the two does not matter, nor do the other pairs or earlier calls.
        """
        return self._decide(left, right, by_rule=True)

    def accepts(self, left: Integers, right: Integers) -> NDArray[np.bool_]:
        """Return whether texts left[k] and right[k] have no veto, for every k, bool [k]."""
        accepted: NDArray[np.bool_] = self._decide(left, right, by_rule=False) == 0
        return accepted

    def _decide(self, left: Integers, right: Integers, *, by_rule: bool) -> NDArray[np.int8]:
        """Return the codes; if not `by_rule`, some of those above 0 are of another rule."""
        codes = np.zeros(len(left), np.int8)
        rest = np.flatnonzero(left != right)
        if self._prepare(left[rest], right[rest]):
            if not self._differing:
                number = self._masks.contradict(left[rest], right[rest])
                codes[rest[number]] = _CODE["number"]
                rest = rest[~number]
            verdicts = self._proofs.decide(left[rest], right[rest])
            if by_rule:
                rest = rest[verdicts != NONE]
            else:
                codes[rest[verdicts == VETO]] = UNKNOWN
                rest = rest[verdicts == 0]
        for start in range(0, len(rest), _READ):
            block = rest[start : start + _READ]
            x, y = left[block].tolist(), right[block].tolist()
            self._read_ahead({*x, *y})
            for at, one, other in zip(block.tolist(), x, y, strict=True):
                codes[at] = next((_CODE[rule] for rule, _ in self._reasons(one, other)), 0)
        return codes

    def reason(self, left: int, right: int) -> tuple[str, str]:
        """Return the rule that parts two texts, and all reasons, such as "a number differs: 4.2 / 4.8"; else "", ""."""
        found = list(self._reasons(left, right))
        rule = RULES[_CODE[found[0][0]]] if found else ""
        return rule, "; ".join(list(dict.fromkeys(said for _, said in found))[:_REASONS])

    def differences(self, left: int, right: int) -> Iterator[tuple[str, str]]:
        """Yield each rule by which two texts state different facts, and what differs."""
        a, b = self._parsed(left), self._parsed(right)
        yield from ((reason.rule, str(reason)) for reason in differences(a.facts, b.facts))
        if a.has_places or b.has_places:
            x, y = self._written([left, right])
            if a.flat == b.flat:
                if indentation(x) != indentation(y):
                    yield "indentation", "the indentation differs"
            elif line := displaced(Places(x), Places(y)):
                yield "order", f"a line stands below another one: {line}"

    def _reasons(self, left: int, right: int) -> Iterator[tuple[str, str]]:
        """Yield each rule that parts two texts, and what it found. A number comes first."""
        a, b = self._parsed(left), self._parsed(right)
        facts = iter(()) if self._differing else self.differences(left, right)
        first = next(facts, None)
        if first and _CODE[first[0]] == _CODE["number"]:
            yield first
            first = None
        if found := unseen(a, b):
            yield "unknown", f"the model does not know what differs: {found}"
        if first:
            yield first
        yield from facts
        if self._templates.part(a.phrases, b.phrases):
            yield "template", "they share a template of several texts, and little else"

    def _parsed(self, number: int) -> ParsedText:
        """Return a text by its number, parsed."""
        if number not in self._cache:
            self._read_ahead([number])
        parsed = self._cache[number] = self._cache.pop(number)  # the last one is dropped last
        return parsed

    def _read_ahead(self, numbers: Collection[int]) -> None:
        """Parse texts by number as far as there is room, and drop others."""
        new = sorted(number for number in numbers if number not in self._cache)
        for start in range(0, len(new), _READ):
            some = new[start : start + _READ]
            for number, words in zip(some, split_words(self._read(some), self._unknown), strict=True):
                parsed = ParsedText(*words)
                self._room -= len(parsed.text) + _EMPTY
                while self._room < 0 and self._cache:
                    self._room += len(self._cache.pop(next(iter(self._cache))).text) + _EMPTY
                self._cache[number] = parsed

    def _batches(self) -> Iterator[Sequence[str]]:
        for start in range(0, self._total, _READ):
            yield self._read(range(start, min(start + _READ, self._total)))

    def _prepare(self, *sides: Integers) -> bool:
        """Prepare texts for proofs, if there are many pairs for each text; return whether all of them are prepared."""
        new = np.unique(np.concatenate([side[~self._prepared.take(side)] for side in sides]))
        if len(sides[0]) < _MANY * len(new):
            return False
        if len(new):
            self._templates.count_all()
        for start in range(0, len(new), _READ):
            some = new[start : start + _READ].tolist()
            self._read_ahead(some)
            for number in some:
                parsed = self._parsed(number)
                self._masks.add(number, parsed.facts)
                self._proofs.add(number, parsed, self._templates.frame(parsed.phrases))
        self._prepared[new] = True
        return True
