"""Find which of many texts have runs of words of each other, in bounded memory.

The hashes of all runs go to a temporary file. Runs that only one text has are left out first, one part of the hashes
after the other, and the others are numbered by the texts that have them. Then blocks of texts are compared with
blocks of texts. One block is enough for most collections.
"""

import tempfile
from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from semsearch.dedup.lexical import batches
from semsearch.files import temporary_files
from semsearch.text.word_runs import RUN, Flags, Hashes, Integers, covered, run_hashes, word_hashes

if TYPE_CHECKING:
    from scipy.sparse import csr_array

FEWEST_WORDS = 10
"""A text of fewer words is contained in nothing: what is so short occurs by chance, or is a greeting."""
MOST_CONTAINERS = 20
"""The containers that are listed for one text."""
_WORK = 2**22
"""Words, or products of runs, processed at a time at the most: about 200 MB."""
_WORK_BYTES = 96
"""Bytes of working memory for each of them, of which half of the memory is for them."""
_SORT_BYTES, _WORD_BYTES, _RUN_BYTES = 48, 16, 64
"""Bytes for each hash that is sorted, each word of a block, and each run of a block that several texts have."""
_FEWEST_SORTED = 2**14
"""Hashes that are sorted at a time at least, since each part reads the whole file."""
_FIRST_LOOK = 64
"""Candidates of a text that are compared at first; then four times the number, until enough containers are found."""
_ROUNDING = 1e-9

Allowed = Callable[[Integers, Integers], Flags]
"""Returns where a text x[k] may be listed as contained in y[k]."""


class RunTable:
    """The runs of words that two or more of some texts have.

    `length` (int64 [n]) has the words of each text, or 0 where these are fewer than `FEWEST_WORDS`. `memory` limits the
    working bytes, without about 20 bytes for each text and 12 for each distinct run of several texts. Close the table,
    or use it in a `with` block. Raises `SemsearchError` where there is too little room for temporary files.
    """

    # The file has an entry of 8 bytes for each run: its hash at first, and later its number, or 0 if no other text has
    # it. Runs are numbered by the texts that have them, and `_texts_of[number]` counts these.

    def __init__(self, texts: Iterable[str], memory: int) -> None:
        self._memory = memory
        self._work = max(1, min(_WORK, memory // (2 * _WORK_BYTES)))
        self._sorted = max(_FEWEST_SORTED, memory // (2 * _SORT_BYTES))
        self._file = tempfile.SpooledTemporaryFile(memory // 8)  # noqa: SIM115 - `close` closes it
        try:
            counts = array("q")
            for words in map(word_hashes, texts):
                runs = run_hashes(words) if len(words) >= FEWEST_WORDS else words[:0]
                counts.append(len(runs))
                with temporary_files():
                    self._file.write(runs.tobytes())
            self._count = np.array(counts, np.int64)
            self._first = np.cumsum(self._count) - self._count
            self.length = np.where(self._count > 0, self._count + RUN - 1, 0)
            self._texts_of, self._shared = self._number()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Delete the temporary file."""
        self._file.close()

    def __enter__(self) -> "RunTable":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def contained(
        self, least: float, allowed: Allowed, *, most_texts: int | None = None
    ) -> Iterator[tuple[Integers, Integers, Integers]]:
        """Yield texts x and y, and the words of x in runs that y has, where these are at least `least` of its words.

        Once a text has more than `MOST_CONTAINERS` containers, further ones may be left out. With `most_texts` only
        runs that at most this number of texts have can find a pair, and none is left out.
        """
        known = len(self._texts_of)
        if most_texts is not None:
            known = int(np.searchsorted(self._texts_of, most_texts, "right"))
        need = np.maximum(1, np.ceil(least * self.length * (1 - _ROUNDING))).astype(np.int64)
        enough = MOST_CONTAINERS if most_texts is None else len(need)
        found = np.zeros(len(need), np.int64)
        cost = _WORD_BYTES * self.length + _RUN_BYTES * self._shared
        blocks = list(batches(cost, self._memory // 4))
        for own in blocks:
            block = self._block(*own)
            signature = self._signature(block, need, known)
            for other in blocks:
                held = block if other == own else self._block(*other)
                for x, y in self._candidates(block, signature, held, allowed):
                    yield from self._verified(block, held, x, y, need, found, enough)

    # -- the file ---------------------------------------------------------------------------------------

    def _read(self, start: int, stop: int) -> NDArray[np.int64]:
        """Return the entries from `start` to `stop`."""
        with temporary_files():
            self._file.seek(8 * start)
            return np.frombuffer(self._file.read(8 * (stop - start)), np.int64)

    def _parts(self) -> Iterator[tuple[int, NDArray[np.int64]]]:
        """Yield all entries, as many as fit, each part with the number of its first one."""
        total = int(self._count.sum())
        for start in range(0, total, self._sorted):
            yield start, self._read(start, min(total, start + self._sorted))

    def _number(self) -> tuple[Integers, Integers]:
        """Write the number of each run in place of its hash.

        Return the texts that have each run, by number, and the entries of each text that have one.
        """
        hashes, texts_of = [np.empty(0, np.uint64)], [np.empty(0, np.int64)]
        sorts = -(-int(self._count.sum()) // self._sorted)
        for remainder in range(sorts):
            some, counts = self._repeated(remainder, sorts)
            hashes.append(some)
            texts_of.append(counts)
        values, counts = np.concatenate(hashes), np.concatenate(texts_of)
        by_count = np.argsort(counts, kind="stable")
        number = np.empty(len(values), np.int64)
        number[by_count] = np.arange(1, len(values) + 1)
        by_hash = np.argsort(values)
        values, number = values[by_hash], number[by_hash]
        shared = np.zeros(len(self._count), np.int64)
        for start, part in self._parts():
            entries = part.view(np.uint64)
            at = np.flatnonzero(has(values, entries))
            numbers = np.zeros(len(entries), np.int64)
            numbers[at] = number[np.searchsorted(values, entries[at])]
            shared += np.bincount(self._text_of(at + start), minlength=len(shared))
            with temporary_files():
                self._file.seek(8 * start)
                self._file.write(numbers.tobytes())
        return np.concatenate([[0], counts[by_count]]), shared

    def _repeated(self, remainder: int, sorts: int) -> tuple[Hashes, Integers]:
        """Return the hashes of one part that several texts have, and the number of these texts."""
        hashes, places = [np.empty(0, np.uint64)], [np.empty(0, np.int64)]
        for start, part in self._parts():
            entries = part.view(np.uint64)
            at = np.arange(len(entries)) if sorts == 1 else np.flatnonzero(entries % sorts == remainder)
            hashes.append(entries[at])
            places.append(at + start)
        some, place = np.concatenate(hashes), np.concatenate(places)
        del hashes, places
        at = _repeated(some)
        values, code = np.unique(some[at], return_inverse=True)
        pair = np.unique(code * len(self._count) + self._text_of(place[at]))
        texts_of = np.bincount(pair // len(self._count), minlength=len(values))
        return values[texts_of > 1], texts_of[texts_of > 1]

    def _text_of(self, entry: Integers) -> Integers:
        """Return the text that each entry belongs to."""
        return np.searchsorted(self._first + self._count, entry, "right")

    # -- blocks of texts --------------------------------------------------------------------------------

    def _block(self, first: int, stop: int) -> "_Block":
        """Return the runs of the texts from `first` to `stop`."""
        from scipy.sparse import csr_array

        length, count, runs = self.length[first:stop], self._count[first:stop], len(self._texts_of)
        start = np.cumsum(length) - length
        begin = int(self._first[first])
        entries = self._read(begin, begin + int(count.sum()))
        run = np.zeros(int(length.sum()), np.int64)
        at = np.flatnonzero(entries)
        text = self._text_of(at + begin) - first
        run[at + begin - self._first[first + text] + start[text]] = entries[at]
        pair = np.unique(text * runs + entries[at])
        text, held = np.divmod(pair, runs)
        rows = np.concatenate([[0], np.cumsum(np.bincount(text, minlength=len(length)))])
        matrix = csr_array((np.ones(len(held), np.int32), held, rows), shape=(len(length), runs))
        return _Block(first, length, start, run, pair, matrix)

    def _signature(self, block: "_Block", need: Integers, known: int) -> "csr_array":
        """Return the runs of each text of a block, of which a text that has the words it needs must have one."""
        from scipy.sparse import csr_array

        limit = np.zeros(len(block.length), np.int64)
        runs = len(self._texts_of)
        need = need[block.first : block.first + len(limit)]
        for first, stop in batches(block.length, self._work):
            begin = int(block.start[first])
            length = block.length[first:stop]
            highest = _highest(block.run[begin : begin + int(length.sum())], known)
            owner = np.repeat(np.arange(first, stop), length)
            able = np.bincount(owner[highest > 0] - first, minlength=len(length)) >= need[first:stop]
            inside = able[owner - first]
            key = np.sort(owner[inside] * runs + (runs - 1 - highest[inside]))
            own, least = length[able], need[first:stop][able]
            limit[first:stop][able] = runs - 1 - key[np.cumsum(own) - own + least - 1] % runs
        held = block.held.indices
        owner = np.repeat(np.arange(len(limit)), np.diff(block.held.indptr))
        signed = held <= limit[owner]
        rows = np.concatenate([[0], np.cumsum(np.bincount(owner[signed], minlength=len(limit)))])
        return csr_array((np.ones(int(rows[-1]), np.int32), held[signed], rows), shape=block.held.shape)

    def _candidates(
        self, block: "_Block", signature: "csr_array", other: "_Block", allowed: Allowed
    ) -> Iterator[tuple[Integers, Integers]]:
        """Yield the texts of a block and of another one that share a run of the signature, the likeliest first."""
        rows = np.flatnonzero(np.diff(signature.indptr))
        signature, every = signature[rows], other.held.T.tocsr()
        work = signature @ np.diff(every.indptr)
        for start, stop in batches(work, self._work):
            products = (signature[start:stop] @ every).tocoo()
            x, y = (side.astype(np.int64) for side in products.coords)
            x, y = rows[x + start] + block.first, y + other.first
            kept = (x != y) & allowed(x, y)
            x, y, shared = x[kept], y[kept], products.data[kept]
            ranked = np.lexsort((y, -shared, x))
            yield x[ranked], y[ranked]

    def _verified(
        self,
        block: "_Block",
        other: "_Block",
        x: Integers,
        y: Integers,
        need: Integers,
        found: Integers,
        enough: int,
    ) -> Iterator[tuple[Integers, Integers, Integers]]:
        """Yield the pairs that have the words they need, and count them in `found`.

        Candidates come by text, the likeliest first.
        """
        edges = np.flatnonzero(np.diff(x, prepend=-1))
        rank = np.arange(len(x)) - np.repeat(edges, np.diff(edges, append=len(x)))
        first, last = 0, _FIRST_LOOK
        while np.any(rank >= first):
            looked = np.flatnonzero((rank >= first) & (rank < last) & (found[x] <= enough))
            for begin, end in batches(self.length[x[looked]], self._work):
                a, b = x[looked[begin:end]], y[looked[begin:end]]
                words = self._words_in(block, a - block.first, other, b - other.first)
                kept = words >= need[a]
                found += np.bincount(a[kept], minlength=len(found))
                yield a[kept], b[kept], words[kept]
            first, last = last, 4 * last

    def _words_in(self, block: "_Block", x: Integers, other: "_Block", y: Integers) -> Integers:
        """Return how many words of x[k] in a block lie in runs that y[k] in the other one has."""
        count = block.length[x]
        ends = np.cumsum(count)
        owner = np.repeat(np.arange(len(x)), count)
        run = block.run[np.arange(len(owner)) + np.repeat(block.start[x] - ends + count, count)]
        begins = np.zeros(len(owner), np.bool_)
        some = np.flatnonzero(run)
        begins[some] = has(other.pair, y[owner[some]] * len(self._texts_of) + run[some])
        words: Integers = np.bincount(owner[covered(begins)], minlength=len(x))
        return words


@dataclass(frozen=True, slots=True, eq=False)
class _Block:
    """Consecutive texts from the number `first` on.

    `length` has the words of each text, and `start` the first of them in `run`: for each word, the number of the run
    that begins there, or 0. `held` has the runs of each text as a matrix [texts, runs], and `pair` the same as sorted
    numbers, text * runs + run.
    """

    first: int
    length: Integers
    start: Integers
    run: Integers
    pair: Integers
    held: "csr_array"


def _highest(run: Integers, known: int) -> Integers:
    """Return the highest number of a run that each word lies in, among those below `known`; 0 for none."""
    run = np.where(run < known, run, 0)
    highest = run.copy()
    for at in range(1, RUN):
        np.maximum(highest[at:], run[:-at], out=highest[at:])
    return highest


def _repeated(hashes: Hashes) -> Integers:
    """Return the positions of all values that occur more than once."""
    ranked = np.sort(hashes)
    values = np.unique(ranked[1:][ranked[1:] == ranked[:-1]])
    del ranked
    # Most values occur once. A table of their lowest bits finds most of these before the search, which is slow.
    bits = np.uint64(2 ** min(27, max(10, 3 + len(values).bit_length())) - 1)
    possible = np.zeros(int(bits) + 1, np.bool_)
    possible[values & bits] = True
    at = np.flatnonzero(possible[hashes & bits])
    return at[has(values, hashes[at])]


def has(sorted_values: NDArray[np.generic], wanted: NDArray[np.generic]) -> Flags:
    """Return which of the wanted values are among some sorted values."""
    if not len(sorted_values):
        return np.zeros(len(wanted), np.bool_)
    at = np.minimum(np.searchsorted(sorted_values, wanted), len(sorted_values) - 1)
    found: Flags = sorted_values[at] == wanted
    return found
