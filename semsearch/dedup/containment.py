"""Find the documents that lie mostly in a longer document, exactly.

Containment is directed: the share of one text that is also in another (Broder, "On the resemblance and containment of
documents", 1997). Here it is the share of a text's words that lie in a run of `RUN` words which the other text has too,
anywhere and in any order. Winnowing (Schleimer, Wilkerson and Aiken, SIGMOD 2003) and the suffix arrays of Lee et al.
(ACL 2022) look for such runs too; the first keeps a sample of them, and the second finds only long ones.

No pair is missed. Number all runs by the texts that have them, the rarest first. Of a text with n words, let c be the
q-th highest of the numbers that each word has at most, where q = ceil(t n). The runs above c cover fewer than q of its
words, so a text that has t of it also has one of its runs up to c. Only texts that share such a run are compared. A
footer in thousands of texts is above c wherever less than t of a text is footer, and so costs nothing.

Changed words break runs. Where runs alone cover half of t, a passage also counts as a whole if the model finds it
similar to a passage of the other text, t of its words are in and around that passage, and so are all its numbers.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from semsearch.dedup.document_join import Corpus
from semsearch.dedup.lexical import batches
from semsearch.text.word_runs import RUN, Flags, Hashes, Integers, covered, run_hashes, word_hashes, words_of
from semsearch.types import Contained, SharedPart, Unit

FEWEST_WORDS = 10
"""A text of fewer words is contained in nothing: what is so short occurs by chance, or is a greeting."""
MOST_CONTAINERS = 20
"""The containers that are listed for one text."""
DISTINCTIVE = 20
"""Runs in more texts than this are boilerplate, which does not call for a look at the passages."""
_GAP = 12
"""Words that may differ within one part, on either side."""
_WORK = 2**22
"""Words, or products of runs, processed at a time: about 200 MB."""
_FIRST_LOOK = 64
"""Candidates of a text that are compared at first; then four times the number, until enough containers are found."""
_ROUNDING = 1e-9
_CACHED = 64

Place = tuple[Unit, int, int]
Allowed = Callable[[Integers, Integers], Flags]
"""Returns where a text x[k] may be listed as contained in y[k]."""


@dataclass(frozen=True, slots=True, eq=False)
class Containments:
    """Texts `x` that lie in texts `y` by number, with the share in (0, 1], the best container of each first.

    `semantic` is True where the runs of words alone do not reach the share. `more` counts the texts that have further
    containers, which are not listed.
    """

    x: Integers
    y: Integers
    share: NDArray[np.float64]
    semantic: Flags
    more: int


class RunTable:
    """The runs of words that two or more of some texts have.

    The memory is about 20 bytes for each word of the texts, and 60 for each word that begins a run of several texts.
    """

    # `length` has the words of each text, `start` the number of its first word. `run` has for each word the number of
    # the run that begins there, by the texts that have it, or 0 if no other text has it. `texts_of[run]` counts these.
    # `text` and `held` are all pairs of a text and a run it has, sorted.

    def __init__(self, texts: Iterable[str]) -> None:
        parts = [
            run_hashes(words) if len(words) >= FEWEST_WORDS else words[:0]
            for words in map(word_hashes, texts)
        ]
        counts = np.array([len(part) for part in parts], np.int64)
        hashes = np.concatenate([np.empty(0, np.uint64), *parts])
        del parts
        self.length = np.where(counts > 0, counts + RUN - 1, 0)
        self.start = np.cumsum(self.length) - self.length
        at = _repeated(hashes)
        first = np.cumsum(counts) - counts
        text = np.searchsorted(first + counts, at, "right")
        _, code = np.unique(hashes[at], return_inverse=True)
        codes = int(code.max(initial=-1)) + 1
        pair = np.unique(code * max(1, len(counts)) + text)
        texts_of = np.bincount(pair // max(1, len(counts)), minlength=codes)
        order = np.argsort(texts_of, kind="stable")
        alone = int(np.count_nonzero(texts_of < 2))
        number = np.empty(codes, np.int64)
        number[order] = np.clip(np.arange(1, codes + 1) - alone, 0, None)
        self.texts_of = np.concatenate([[0], texts_of[order[alone:]]])
        self.run = np.zeros(int(self.length.sum()), np.int32 if codes < 2**31 else np.int64)
        self.run[at - first[text] + self.start[text]] = number[code]
        held, text = np.divmod(pair, max(1, len(counts)))
        held = number[held]
        text, held = text[held > 0], held[held > 0]
        ranked = np.lexsort((held, text))
        self.text, self.held = text[ranked], held[ranked]

    def contained(
        self, least: float, allowed: Allowed, *, most_texts: int | None = None
    ) -> Iterator[tuple[Integers, Integers, Integers]]:
        """Yield texts x and y, and the words of x in runs that y has, where these are at least `least` of its words.

        Once a text has more than `MOST_CONTAINERS` containers, further ones may be left out. With `most_texts` only
        runs that at most this number of texts have can find a pair, and none is left out.
        """
        from scipy.sparse import csr_array

        runs = len(self.texts_of)
        known = runs if most_texts is None else int(np.searchsorted(self.texts_of, most_texts, "right"))
        highest = self._highest(known)
        need = np.maximum(1, np.ceil(least * self.length * (1 - _ROUNDING))).astype(np.int64)
        able = (
            np.bincount(np.repeat(np.arange(len(self.length)), self.length)[highest > 0], minlength=len(need))
            >= need
        )
        inside = np.repeat(able, self.length)
        owner = np.repeat(np.arange(len(self.length)), self.length)[inside]
        key = np.sort(owner * runs + (runs - 1 - highest[inside]))
        length = self.length[able]
        limit = np.zeros(len(need), np.int64)
        limit[able] = runs - 1 - key[np.cumsum(length) - length + need[able] - 1] % runs
        signed = self.held <= limit[self.text]
        shape = (len(need), runs)
        every = csr_array((np.ones(len(self.held), np.int32), (self.held, self.text)), shape=shape[::-1])
        signature = csr_array(
            (np.ones(int(signed.sum()), np.int32), (self.text[signed], self.held[signed])), shape=shape
        )
        rows = np.flatnonzero(np.diff(signature.indptr))
        signature = signature[rows]
        work = signature @ self.texts_of
        for start, stop in batches(work, _WORK):
            products = (signature[start:stop] @ every).tocoo()
            x, y = (side.astype(np.int64) for side in products.coords)
            x = rows[x + start]
            kept = (x != y) & allowed(x, y)
            x, y, shared = x[kept], y[kept], products.data[kept]
            ranked = np.lexsort((y, -shared, x))
            enough = MOST_CONTAINERS if most_texts is None else len(need)
            yield from self._verified(x[ranked], y[ranked], need, enough)

    def _verified(
        self, x: Integers, y: Integers, need: Integers, enough: int
    ) -> Iterator[tuple[Integers, Integers, Integers]]:
        """Yield the pairs that have the words they need. Candidates come by text, the likeliest first."""
        edges = np.flatnonzero(np.diff(x, prepend=-1))
        rank = np.arange(len(x)) - np.repeat(edges, np.diff(edges, append=len(x)))
        found = np.zeros(len(need), np.int64)
        first, last = 0, _FIRST_LOOK
        while np.any(rank >= first):
            looked = np.flatnonzero((rank >= first) & (rank < last) & (found[x] <= enough))
            for begin, end in batches(self.length[x[looked]], _WORK):
                a, b = x[looked[begin:end]], y[looked[begin:end]]
                words = self._words_in(a, b)
                kept = words >= need[a]
                found += np.bincount(a[kept], minlength=len(found))
                yield a[kept], b[kept], words[kept]
            first, last = last, 4 * last

    def _highest(self, known: int) -> Integers:
        """Return the highest number of a run that each word lies in, among those below `known`; 0 for none."""
        run = self.run.astype(np.int64)
        run[run >= known] = 0
        highest = run.copy()
        for at in range(1, RUN):
            np.maximum(highest[at:], run[:-at], out=highest[at:])
        return highest

    def _words_in(self, x: Integers, y: Integers) -> Integers:
        """Return how many words of x[k] lie in runs that y[k] has."""
        count = self.length[x]
        ends = np.cumsum(count)
        owner = np.repeat(np.arange(len(x)), count)
        run = self.run[np.arange(len(owner)) + np.repeat(self.start[x] - ends + count, count)]
        begins = np.zeros(len(owner), np.bool_)
        some = np.flatnonzero(run)
        runs = len(self.texts_of)
        begins[some] = _has(self.text * runs + self.held, y[owner[some]] * runs + run[some])
        words: Integers = np.bincount(owner[covered(begins)], minlength=len(x))
        return words


def containments(
    texts: Iterable[str],
    least: float,
    allowed: Allowed,
    *,
    rank: Integers | None = None,
    alike: Callable[[int, int], float] | None = None,
) -> Containments:
    """Return the texts of which at least `least` lies in another one, by number.

    `allowed` says which pairs may be listed. Where `rank` (int64 [n]) is given, y has more words than x, or the same
    number and the lower rank. `alike(x, y)` returns the share of x in y with passages that the model finds similar; it
    is asked only where runs find half of `least`.
    """
    table = RunTable(texts)

    def may_be(x: Integers, y: Integers) -> Flags:
        if rank is None:
            return allowed(x, y)
        more = table.length[y] - table.length[x]
        longer: Flags = (more > 0) | ((more == 0) & (rank[y] < rank[x]))
        return longer & allowed(x, y)

    found = [(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0), np.empty(0, np.bool_))]
    for x, y, words in table.contained(least, may_be):
        found.append((x, y, words / table.length[x], np.zeros(len(x), np.bool_)))
    if alike is not None:
        for x, y, words in table.contained(least / 2, may_be, most_texts=DISTINCTIVE):
            new = words < least * table.length[x] * (1 - _ROUNDING)
            x, y = x[new], y[new]
            shares = np.array([alike(*pair) for pair in zip(x.tolist(), y.tolist(), strict=True)], np.float64)
            kept = shares >= least
            found.append((x[kept], y[kept], shares[kept], np.ones(int(kept.sum()), np.bool_)))
    x, y = (np.concatenate([columns[at] for columns in found]) for at in (0, 1))
    share = np.concatenate([columns[2] for columns in found])
    semantic = np.concatenate([columns[3] for columns in found])
    order = np.arange(len(table.length)) if rank is None else rank
    ranked = np.lexsort((order[y], table.length[y], -share, order[x]))
    edges = np.flatnonzero(np.diff(x[ranked], prepend=-1))
    size = np.diff(edges, append=len(x))
    listed = ranked[np.arange(len(x)) - np.repeat(edges, size) < MOST_CONTAINERS]
    return Containments(
        x[listed], y[listed], share[listed], semantic[listed], int(np.sum(size > MOST_CONTAINERS))
    )


def contained_documents(
    corpus: Corpus,
    least: float,
    threshold: float,
    *,
    names: Sequence[str],
    read: Callable[[Sequence[int]], Iterable[str]],
    places: Callable[[int], Sequence[Place]],
    allowed: Allowed,
    rank: Integers | None = None,
) -> tuple[tuple[Contained, ...], int]:
    """Return the documents of a corpus that lie in another one, and how many have further containers, not listed.

    The containers of a document follow each other, the one with the highest share first. `least` is the share in
    (0, 1], `threshold` the lowest similarity of passages. For each document, by position in the corpus, `names` has its
    name, `read` returns its text and `places` the places of its passages. Where `rank` is given, a container is longer,
    or equally long and of a lower rank.
    """

    @lru_cache(_CACHED)
    def located(number: int) -> LocatedWords:
        (text,) = read([number])
        passages = slice(corpus.start[number], corpus.start[number] + corpus.size[number])
        return LocatedWords.of(text, corpus.weight[passages].astype(np.int64).tolist(), places(number))

    def rows(number: int) -> Integers:
        return corpus.row[corpus.start[number] : corpus.start[number] + corpus.size[number]]

    def alike(x: int, y: int) -> float:
        own, others = rows(x), rows(y)
        cosines = corpus.vectors[own].astype(np.float64) @ corpus.vectors[others].astype(np.float64).T
        cosines[own[:, None] == others] = 1
        if cosines.max() < threshold:
            return 0.0
        return share_with_passages(located(x), located(y), cosines, threshold, least)

    found = containments(read(range(len(corpus.size))), least, allowed, rank=rank, alike=alike)
    return tuple(
        Contained(
            names[x],
            names[y],
            float(share),
            len(located(x).words),
            len(located(y).words),
            "semantic" if semantic else "lexical",
            shared_parts(located(x), located(y)),
        )
        for x, y, share, semantic in zip(
            *(column.tolist() for column in (found.x, found.y, found.share, found.semantic)), strict=True
        )
    ), found.more


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
    return at[_has(values, hashes[at])]


def _has(sorted_values: NDArray[np.generic], wanted: NDArray[np.generic]) -> Flags:
    """Return which of the wanted values are among some sorted values."""
    if not len(sorted_values):
        return np.zeros(len(wanted), np.bool_)
    at = np.minimum(np.searchsorted(sorted_values, wanted), len(sorted_values) - 1)
    found: Flags = sorted_values[at] == wanted
    return found


# -- two documents, word for word ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class LocatedWords:
    """The words of a document, uint64 [n], and their places: `places[i]` is for the words from `firsts[i]` on.

    `passages` has the number of each passage's first word, and at the end the number of words. `numeric` says which
    words have a digit.
    """

    words: Hashes
    numeric: Flags
    passages: list[int]
    firsts: Integers
    places: list[Place]

    @classmethod
    def of(cls, text: str, lengths: Sequence[int], places: Sequence[Place]) -> "LocatedWords":
        """Return the words of a cleaned text of passages with these lengths (in characters) and places."""
        words: list[bytes] = []
        passages, firsts, located = [0], [], []
        at = 0
        for length, (unit, first, last) in zip(lengths, places, strict=True):
            while text[at : at + 1].isspace():  # passages have no blanks around them
                at += 1
            lines = text[at : at + length].split("\n")
            at += length
            for number, line in enumerate(lines):
                firsts.append(len(words))
                exact = last - first == len(lines) - 1  # a line is a line, not a part of a page
                located.append((unit, first + number, first + number) if exact else (unit, first, last))
                words += words_of(line)
            passages.append(len(words))
        hashes = np.fromiter(map(hash, words), np.int64, len(words)).view(np.uint64)
        numeric = np.array([any(48 <= byte < 58 for byte in word) for word in words], np.bool_)
        return cls(hashes, numeric, passages, np.array(firsts, np.int64), located)

    def place(self, first: int, last: int) -> Place:
        """Return the place of the words from `first` to `last`, inclusive."""
        at, to = np.searchsorted(self.firsts, [first, last], "right") - 1
        return self.places[at][0], self.places[at][1], self.places[to][2]


def share_of(words: Hashes, others: Hashes) -> float:
    """Return the share of some words that lie in runs of `others`; 0 for fewer than `FEWEST_WORDS` words."""
    if len(words) < FEWEST_WORDS:
        return 0.0
    return float(np.mean(covered(_begins(words, others))))


def containing(
    document: tuple[str, LocatedWords],
    others: Iterable[tuple[str, str, Callable[[str], LocatedWords]]],
    least: float,
) -> list[Contained]:
    """Return the longer documents that a document mostly lies in, and the shorter ones that lie mostly in it.

    `others` are the names and cleaned texts of documents, and functions that locate the words of a text. Only runs of
    words count. The highest share comes first.
    """
    name, own = document
    runs = np.unique(run_hashes(own.words))
    found = []
    for other, text, locate in others:
        words = word_hashes(text)
        if len(words) == len(own.words) or not np.any(_has(runs, run_hashes(words))):
            continue
        longer = len(words) > len(own.words)
        share = share_of(own.words, words) if longer else share_of(words, own.words)
        if share >= least:
            theirs = locate(text)
            a, b = ((name, own), (other, theirs)) if longer else ((other, theirs), (name, own))
            parts = shared_parts(a[1], b[1])
            found.append(Contained(a[0], b[0], share, len(a[1].words), len(b[1].words), "lexical", parts))
    return sorted(found, key=lambda pair: -pair.share)


def _begins(words: Hashes, others: Hashes) -> Flags:
    begins = np.zeros(len(words), np.bool_)
    runs = run_hashes(words)
    begins[: len(runs)] = np.isin(runs, run_hashes(others))
    return begins


def share_with_passages(
    a: LocatedWords, b: LocatedWords, cosines: NDArray[np.floating], threshold: float, least: float
) -> float:
    """Return the share of the words of `a` that lie in runs of `b`, or in passages that are similar to one of `b`.

    `cosines` [passages of a, passages of b]. A passage is similar if a cosine reaches the threshold, and the closest
    passage of `b` with its neighbours has `least` of its words and all of its numbers.
    """
    inside = covered(_begins(a.words, b.words))
    for row, nearest in enumerate(cosines.argmax(axis=1).tolist()):
        if cosines[row, nearest] < threshold:
            continue
        mine = slice(a.passages[row], a.passages[row + 1])
        around = b.words[b.passages[max(0, nearest - 1)] : b.passages[min(len(b.passages) - 1, nearest + 2)]]
        had = np.isin(a.words[mine], around)
        if len(had) and had.mean() >= least and np.all(had[a.numeric[mine]]):
            inside[mine] = True
    return float(inside.mean()) if len(inside) else 0.0


def shared_parts(a: LocatedWords, b: LocatedWords) -> tuple[SharedPart, ...]:
    """Return the parts of `a` that `b` has too, in the order of `a`, with their places in both.

    A part may contain a few words that differ. What occurs several times in `b` is located where it follows the part
    before, or else where it occurs first.
    """
    others = run_hashes(b.words)
    order = np.argsort(others, kind="stable")
    ranked, mine = others[order], run_hashes(a.words)
    at = np.searchsorted(ranked, mine)
    parts: list[list[int]] = []  # first word and end in a, first word and end in b, words shared
    for i in np.flatnonzero(_has(ranked, mine)).tolist():
        j = int(order[at[i]])
        if parts:
            _, end, _, other_end, _ = parts[-1]
            follows = other_end + i - end  # the place in b where only words are changed
            if 0 <= follows < len(others) and others[follows] == mine[i]:
                j = follows
            if i <= end + _GAP and other_end - RUN < j <= other_end + _GAP:
                parts[-1][4] += i + RUN - max(i, end)
                parts[-1][1], parts[-1][3] = i + RUN, j + RUN
                continue
        parts.append([i, i + RUN, j, j + RUN, RUN])
    found = []
    for begin, end, other_begin, other_end, words in parts:
        unit, first, last = a.place(begin, end - 1)
        found.append(SharedPart(words, unit, first, last, *b.place(other_begin, other_end - 1)))
    return tuple(found)
