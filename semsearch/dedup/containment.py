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

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from semsearch.dedup.document_join import Corpus
from semsearch.dedup.run_table import FEWEST_WORDS, MOST_CONTAINERS, Allowed, RunTable, has
from semsearch.requests import DEFAULT_MEMORY
from semsearch.text.word_runs import RUN, Flags, Hashes, Integers, covered, run_hashes, word_hashes, words_of
from semsearch.types import Contained, SharedPart, Unit

DISTINCTIVE = 20
"""Runs in more texts than this are boilerplate, which does not call for a look at the passages."""
_GAP = 12
"""Words that may differ within one part, on either side."""
_ROUNDING = 1e-9
_CACHED = 64

Place = tuple[Unit, int, int]


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


def containments(
    texts: Iterable[str],
    least: float,
    allowed: Allowed,
    *,
    rank: Integers | None = None,
    alike: Callable[[int, int], float] | None = None,
    memory: int = DEFAULT_MEMORY,
) -> Containments:
    """Return the texts of which at least `least` lies in another one, by number.

    `allowed` says which pairs may be listed. Where `rank` (int64 [n]) is given, y has more words than x, or the same
    number and the lower rank. `alike(x, y)` returns the share of x in y with passages that the model finds similar; it
    is asked only where runs find half of `least`. `memory` and the errors are those of `RunTable`.
    """
    found = [(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0), np.empty(0, np.bool_))]
    with RunTable(texts, memory) as table:
        length = table.length

        def may_be(x: Integers, y: Integers) -> Flags:
            if rank is None:
                return allowed(x, y)
            more = length[y] - length[x]
            longer: Flags = (more > 0) | ((more == 0) & (rank[y] < rank[x]))
            return longer & allowed(x, y)

        for x, y, words in table.contained(least, may_be):
            found.append((x, y, words / length[x], np.zeros(len(x), np.bool_)))
        if alike is not None:
            for x, y, words in table.contained(least / 2, may_be, most_texts=DISTINCTIVE):
                new = words < least * length[x] * (1 - _ROUNDING)
                x, y = x[new], y[new]
                shares = np.array(
                    [alike(*pair) for pair in zip(x.tolist(), y.tolist(), strict=True)], np.float64
                )
                kept = shares >= least
                found.append((x[kept], y[kept], shares[kept], np.ones(int(kept.sum()), np.bool_)))
    x, y = (np.concatenate([columns[at] for columns in found]) for at in (0, 1))
    share = np.concatenate([columns[2] for columns in found])
    semantic = np.concatenate([columns[3] for columns in found])
    order = np.arange(len(length)) if rank is None else rank
    ranked = np.lexsort((order[y], length[y], -share, order[x]))
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
    memory: int = DEFAULT_MEMORY,
) -> tuple[tuple[Contained, ...], int]:
    """Return the documents of a corpus that lie in another one, and how many have further containers, not listed.

    The containers of a document follow each other, the one with the highest share first. `least` is the share in
    (0, 1], `threshold` the lowest similarity of passages. For each document, by position in the corpus, `names` has its
    name, `read` returns its text and `places` the places of its passages. Where `rank` is given, a container is longer,
    or equally long and of a lower rank. `memory` and the errors are those of `RunTable`.
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

    found = containments(read(range(len(corpus.size))), least, allowed, rank=rank, alike=alike, memory=memory)
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
        if len(words) == len(own.words) or not np.any(has(runs, run_hashes(words))):
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
    for i in np.flatnonzero(has(ranked, mine)).tolist():
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
