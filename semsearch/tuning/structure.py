"""Take from the structure of an index what to train on: each heading, and the text below it.

A heading is a question that its author gave to a text (title and headings of a document; the column `title`, `question`
or `subject` of a row). The text has the heading taken out, else words would be all there is to learn.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from semsearch.dedup.join import join
from semsearch.embedding import Embedder, Vectors, embed_checked
from semsearch.storage.library import Library, StoredPassage
from semsearch.text import parse_structure
from semsearch.text.suffixes import PROSE_SUFFIXES

MOST = 3_000
"""The most sections that are taken, of documents drawn at random."""
RATES, EPOCHS = (3e-4,), 2
"""The learning rates and the most epochs that cross-validation compares. With 1e-4, 320 sections of the Rust book were
too few steps for a gain there."""
PER_EPOCH, LONGEST = 400, 64
"""The most sections of an epoch, and the tokens of a text. A step is on 64 texts that are longer than sentences."""
_PAGE = 200
_FIELDS = ("title", "question", "subject")
_SHORTEST = 40
"""The fewest letters of a text that can be told from others."""
_SLACK = 20
"""The most characters of a line besides the heading, for the line to be a form of it, as `Title: ...`."""


@dataclass(frozen=True, slots=True, eq=False)
class Sections:
    """Headings and the text below each. `groups`, int64 [n], has the document of each section.

    `heading_vectors` and `text_vectors`, float32 [n, dimension], are those of the model before.
    """

    headings: Sequence[str]
    texts: Sequence[str]
    groups: NDArray[np.int64]
    heading_vectors: Vectors
    text_vectors: Vectors

    def __len__(self) -> int:
        return len(self.groups)

    @property
    def per_epoch(self) -> int:
        """The number of sections that an epoch trains on."""
        return min(len(self), PER_EPOCH)

    def some(self, rows: NDArray[np.intp]) -> "Sections":
        """Return some of the sections."""
        return Sections(
            [self.headings[at] for at in rows],
            [self.texts[at] for at in rows],
            self.groups[rows],
            self.heading_vectors[rows],
            self.text_vectors[rows],
        )

    def all_texts(self) -> Iterator[str]:
        """Yield every text."""
        yield from self.headings
        yield from self.texts

    def hard_negatives(self) -> NDArray[np.intp]:
        """Return for each section the one of another group whose text the model has nearest to its heading."""
        found = np.empty(len(self), np.intp)
        for start in range(0, len(self), _PAGE):
            some = slice(start, start + _PAGE)
            scores = self.heading_vectors[some] @ self.text_vectors.T
            scores[self.groups[some, None] == self.groups] = -np.inf
            found[some] = scores.argmax(axis=1)
        return found


def read_sections(library: Library, embedder: Embedder, threshold: float, *, seed: int = 0) -> Sections:
    """Return the sections of an index, at most `MOST`, of documents drawn at random.

    A heading that several documents have says too little, and a text with a near-duplicate in another document, from
    `threshold` up, answers two headings: both are left out.
    """
    with library.snapshot():
        matrix, vectors = library.passage_matrix()
        bounds = np.searchsorted(matrix.document, np.arange(len(matrix.names) + 1))
        order = np.random.default_rng(seed).permutation(len(matrix.names))
        found: list[tuple[str, str, int, int]] = []
        for start in range(0, len(order), _PAGE):
            if len(found) >= MOST:
                break
            places = [
                (document, bounds[document], bounds[document + 1])
                for document in order[start : start + _PAGE]
            ]
            numbers = [number for _, a, b in places for number in matrix.numbers[a:b].tolist()]
            stored = library.passages_numbered(numbers)
            for document, a, b in places:
                passages = [stored[number] for number in matrix.numbers[a:b].tolist()]
                for heading, text, at in _sections(passages):
                    found.append((heading, text, int(document), int(matrix.row[a + at])))
    owners: dict[str, set[int]] = {}
    for heading, text, document, _ in found:
        for one in (heading, text):
            owners.setdefault(one.casefold(), set()).add(document)
    found = [one for one in found if all(len(owners[said.casefold()]) == 1 for said in one[:2])][:MOST]
    headings, texts = [one[0] for one in found], [one[1] for one in found]
    groups, rows = (np.array([one[at] for one in found], np.int64) for at in (2, 3))
    every = Sections(
        headings, texts, groups, embed_checked(embedder, headings, "query"), vectors[rows].astype(np.float32)
    )
    pairs = join(every.text_vectors, threshold)
    apart = groups[pairs.left] != groups[pairs.right]
    twice = np.union1d(pairs.left[apart], pairs.right[apart])
    return every.some(np.delete(np.arange(len(every)), twice))


def _sections(passages: Sequence[StoredPassage]) -> Iterator[tuple[str, str, int]]:
    """Yield each heading of a document, the text below it, and the position of its passage."""
    seen = set[str]()
    for at, passage in enumerate(passages):
        title = passage.heading.split(" > ")[0] or _named(passage)
        marked = PurePosixPath(passage.source).suffix.lower() in PROSE_SUFFIXES
        for name, text in (
            _parts(passage, title) if marked else [(passage.heading.split(" > ")[-1], passage.text)]
        ):
            heading = ": ".join(filter(None, dict.fromkeys((title, name))))
            text = _without(name or title, text)
            if heading and heading not in seen and sum(map(str.isalnum, text)) >= _SHORTEST:
                yield heading, text, at
            seen.add(heading)


def _parts(passage: StoredPassage, title: str) -> Iterator[tuple[str, str]]:
    """Yield each heading in a passage, or the one above it, with the text below it."""
    name, start = passage.heading.split(" > ")[-1], 0
    for heading in parse_structure(passage.text, title)[0]:
        if text := passage.text[start : heading.start].strip():
            yield name, text
        name, start = heading.path.split(" > ")[-1], heading.end
    yield name, passage.text[start:]


def _named(passage: StoredPassage) -> str:
    """Return the title of a document without headings, or nothing."""
    fields = {name.casefold(): value for name, value in passage.metadata.items()}
    values = (fields.get(name) for name in _FIELDS)
    return next((value.strip() for value in values if isinstance(value, str) and value.strip()), "")


def _without(heading: str, text: str) -> str:
    """Return a text without the lines that say its heading and little more."""
    said = heading.casefold()
    lines = (
        line
        for line in text.split("\n")
        if not (said in line.casefold() and len(line) <= len(heading) + _SLACK)
    )
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
