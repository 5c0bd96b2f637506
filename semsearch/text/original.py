"""Find the part of a text, as it was written, that a part of its cleaned text was made from."""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from itertools import accumulate

from semsearch.text.cleaning import clean

_STEPS = 24
"""The most steps to a place inside a line. Two are enough but for text that shrinks a lot."""
_ALIGNED = 5_000
"""The most characters of a line that is compared with its cleaned text character by character."""
_WORD = re.compile(r"\S+")


class Original:
    """A text as it was written, and the text that was cleaned line by line.

    `numbers[i]` is the line of `written`, from 1, that the line `i` of `cleaned` was made from; without them both have
    the same lines. Parts are asked for in order.
    """

    def __init__(self, written: str, cleaned: str, numbers: Sequence[int] | None = None) -> None:
        self._written, self._cleaned, self._numbers = written, cleaned, numbers
        self._same = numbers is None and written == cleaned
        self._starts = [] if self._same else _starts(written)
        self._cleaned_starts = [] if self._same else _starts(cleaned)
        self._known = (-1, 0, 0)
        """The place that was found last: the line, the offset in the cleaned text, and the offset as written."""
        self._lost = -1
        """The line in which a place could not be found, so that no further one is looked for."""

    def part(self, start: int, end: int) -> str:
        """Return what `cleaned[start:end]`, which has no blanks around it, was made from.

        Whole lines come with their indentation. A part of a line comes exactly as it is in the line; if it cannot be
        found there, as in a very long line that was read in parts, the result is the cleaned part.
        """
        cleaned = self._cleaned[start:end]
        if self._same:
            return cleaned
        first, last = (bisect_right(self._cleaned_starts, at) - 1 for at in (start, end - 1))
        begin: int | None
        stop: int | None
        begin, stop = self._bounds(first)[0], self._bounds(last)[1]
        if self._cleaned[self._cleaned_starts[first] : start].strip():
            begin = self._after(first, start)
        if self._cleaned[end : self._cleaned_starts[last + 1]].strip():
            stop = self._at(last, end)
        return cleaned if begin is None or stop is None else self._written[begin:stop]

    def _bounds(self, line: int) -> tuple[int, int]:
        """Return the start and end, as written, of a line of the cleaned text."""
        number = line if self._numbers is None else self._numbers[line] - 1
        number = max(0, min(number, len(self._starts) - 2))  # the numbers come from a parser
        return self._starts[number], self._starts[number + 1] - 1

    def _after(self, line: int, start: int) -> int | None:
        """Return the place of the first character that the cleaned text from `start` on was made from."""
        before = self._cleaned[self._cleaned_starts[line] : start].rstrip()
        at = self._at(line, self._cleaned_starts[line] + len(before))
        while at is not None and at < self._bounds(line)[1] and not clean(self._written[at]).strip():
            at += 1
        return at

    def _at(self, line: int, end: int) -> int | None:
        """Return the end, as written, of what the line's cleaned text up to `end` was made from, or None."""
        if line == self._lost:
            return None
        known, begun, at = self._known
        if known != line or begun > end:
            begun, at = self._cleaned_starts[line], self._bounds(line)[0]
        wanted, start, limit = self._cleaned[begun:end], at, self._bounds(line)[1]
        for at in self._guesses(wanted, start, limit):
            if clean(self._written[start:at]) == wanted:
                before = at  # the next part begins with the blanks, which a cleaned part does not end with
                while before > start and not clean(self._written[before - 1]).strip():
                    before -= 1
                self._known = line, end, before
                return at
        aligned = self._aligned(line, end)
        if aligned is None:
            self._lost = line
        return aligned

    def _aligned(self, line: int, end: int) -> int | None:
        """Return the place in a line that reading has taken words from, such as a comment, by what both have."""
        (start, limit), own = self._bounds(line), self._cleaned_starts[line]
        if limit - start > _ALIGNED:
            return None
        cleaned = self._cleaned[own : self._cleaned_starts[line + 1] - 1]
        both = SequenceMatcher(None, self._written[start:limit], cleaned, autojunk=False)
        for at, same, length in both.get_matching_blocks():
            if same < end - own <= same + length:
                return start + at + end - own - same
        return None

    def _guesses(self, wanted: str, start: int, limit: int) -> Iterator[int]:
        """Yield places where the text written from `start` on may be `wanted`: by its length, and by its words."""
        at = min(limit, start + len(wanted))
        for _ in range(_STEPS):
            yield at
            step = len(wanted) - len(clean(self._written[start:at]))
            if not step or not start <= at + step <= limit:
                break
            at += step
        length = 0  # a link that is cut in two has another length than its parts
        for word in _WORD.finditer(self._written, start, limit):
            length += (word.start() > start) + len(clean(word[0]))
            if length >= len(wanted):
                yield word.end()
                break


def _starts(text: str) -> list[int]:
    """Return the start of each line, and where another line would start."""
    return list(accumulate((len(line) + 1 for line in text.split("\n")), initial=0))
