"""Say how sure it is that a hit answers a query: the share of unrelated questions that find nothing as good.

A search has a best hit for any question, also for one that nothing answers. So some questions on everyday subjects are
asked of each index, and their best hits are its null model. The best of many has a Gumbel distribution (Gumbel,
Statistics of Extremes, 1958), which two numbers describe. The relevance of a hit is that distribution at its evidence:
at 0.99, one of 100 unrelated questions finds a hit as good. What was asked for word by word is relevant in any case.
docs/decisions/0135-relevance-by-a-null-model.md.
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import astuple, dataclass
from functools import cache
from math import exp, log
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semsearch.embedding import Embedder, Vectors, count_tokens, embed_checked
from semsearch.errors import ModelError
from semsearch.files import cache_folder, read_bounded, replacing
from semsearch.search import fusion
from semsearch.search.doubt import RELEVANT
from semsearch.search.query import Query
from semsearch.search.unrelated import CHINESE, ENGLISH
from semsearch.storage.library import Library, PassageTable, StoredPassage
from semsearch.storage.library.fulltext import stemmed
from semsearch.text.analyzer import content_terms, framing_terms, index_terms, normalize, query_terms
from semsearch.text.scripts import UNSPACED
from semsearch.types import MODES, Mode

SETTING = "relevance"
"""The key of the null model in the settings of the Library."""
_WORDS = 16.0
"""The weight of all words of a query; the cosine counts in scales of its null model."""
_NARROWEST = {"dense": 0.005, "hybrid": 0.25, "lexical": 0.02}
"""The lowest scale of a null model, for a few passages that all unrelated questions find equally bad."""
_SAMPLE = 20_000
"""The most passages that are compared with unrelated questions. Of more the best is extrapolated."""
_TRUSTED = 0.85
"""Only this share of the lowest evidence is fitted: some of the questions may be about what the index is about."""
_DRIFT = 1.25
"""The factor by which the number of passages may change before a null model is computed again."""
_NAMING = frozenset({"a", "an", "are", "does", "is", "of", "s", "the", "was", "were", "what", "who"})
"""The words with which people ask what something is."""
_RUN = re.compile(f"[{UNSPACED}]")
_LETTER = re.compile(r"[^\W\d_]")
_ASKED = [*ENGLISH.splitlines(), *CHINESE.splitlines()]
Rater = Callable[[StoredPassage, float | None, float | None], float]
"""Returns the relevance of a passage with this cosine and this BM25, each None where a search has none."""
SCRIPTS = (False, True)
"""The two kinds of questions, which have different cosines: True is for scripts without blanks between words."""


@dataclass(frozen=True, slots=True)
class Gumbel:
    """The distribution of the evidence for the best hit of an unrelated question."""

    location: float
    scale: float

    def below(self, evidence: float) -> float:
        """Return the share of unrelated questions whose best hit has less evidence, in [0, 1]."""
        return exp(-exp(min(700.0, (self.location - evidence) / self.scale)))

    def of_more(self, factor: float) -> "Gumbel":
        """Return the distribution of the best of `factor` times as many passages."""
        return Gumbel(self.location + self.scale * log(factor), self.scale)


@dataclass(frozen=True, slots=True)
class NullModel:
    """The null model of an index of `passages` passages: how good the best hits of unrelated questions are.

    `found` has a distribution for each mode of search and kind of script; without an embedder for words alone.
    """

    passages: int
    found: Mapping[tuple[Mode, bool], Gumbel]

    def fits(self, passages: int) -> bool:
        """Return whether the index has about as many passages as when it was computed."""
        return self.passages <= passages * _DRIFT and passages <= self.passages * _DRIFT

    def rater(self, mode: Mode, query: Query, known: float, most: float, table: PassageTable) -> Rater:
        """Return a function that gives the relevance of a hit of a query, in [0, 1], from its cosine and its BM25.

        `known` is the weight of its cosine, as by `fusion.known_weight`, and `most` a BM25 that no passage can exceed.
        A hit that is what was asked for has at least `RELEVANT`.
        """
        script = unspaced(query.text)
        null, is_asked_for = self.found[mode, script], asked_for(query)

        def rate(passage: StoredPassage, cosine: float | None, bm25: float | None) -> float:
            words = 0.0 if bm25 is None else share(bm25, most, table)
            evidence = words if cosine is None else cosine
            if cosine is not None and bm25 is not None:
                evidence = combined(cosine, words, known, self.found["dense", script])
            found = null.below(float(evidence))
            return RELEVANT if found < RELEVANT and is_asked_for(passage, bm25) else found

        return rate

    def stored(self) -> dict[str, Any]:
        """Return the model for JSON."""
        found = [[mode, script, *astuple(one)] for (mode, script), one in self.found.items()]
        return {"passages": self.passages, "questions": _digest(), "found": found}


def read_null_model(stored: Any) -> NullModel | None:
    """Return the null model that was saved in a Library, or None for anything else: a stranger may store anything."""
    try:
        if stored["questions"] != _digest():
            return None
        found = {
            (mode, script): Gumbel(float(location), max(float(scale), _NARROWEST[mode]))
            for mode, script, location, scale in stored["found"]
        }
        model = NullModel(int(stored["passages"]), found)
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    whole = found.keys() == {(mode, script) for mode in MODES for script in SCRIPTS}
    return model if whole and np.isfinite([astuple(one) for one in found.values()]).all() else None


def unspaced(query: str) -> bool:
    """Return whether most letters of a query are of a script without blanks between words, such as Chinese."""
    return 2 * len(_RUN.findall(query)) > len(_LETTER.findall(query))


def share(bm25: Any, most: float, table: PassageTable) -> Any:
    """Return BM25 scores as shares of `most`, which no passage can exceed, and of one more word that no passage has.

    So a question of a single word, which any passage may have by chance, gives less evidence than a longer one.
    """
    return bm25 / (most + table.rarest)


def combined(cosine: Any, words: Any, known: Any, unrelated: Gumbel) -> Any:
    """Return the evidence of a hybrid search: how far a cosine is above those of unrelated questions, and the words."""
    return known * (cosine - unrelated.location) / unrelated.scale + _WORDS * words


def asked_for(query: Query) -> Callable[[StoredPassage, float | None], bool]:
    """Return a test whether a passage with this BM25 is what was asked for, however common hits as good are.

    It is if the query requires something. It also is if it has, in any form, every word of a query that only names
    what it is about: a name, an error number, a Chinese word, "what is a quine". "Where are my keys" does more, and
    its one such word is little evidence.
    """
    if query.requires:
        return lambda *_: True
    asked = content_terms(query.text)
    if not (unspaced(query.text) or framing_terms(query.text) <= _NAMING):
        return lambda *_: False
    words = set(stemmed(list(asked)))
    # What all forms of a word begin with, and what its text has in any case.
    begins = tuple({word[: max(1, len(word) - 1) if word.isalnum() else 1] for word in words})
    is_term = len(asked) == 1 and asked == set(query_terms(query.text))

    def has_all(passage: StoredPassage, bm25: float | None) -> bool:
        if is_term and bm25 is not None:
            return bm25 > 0
        text = f"{passage.heading}\n{passage.text}"
        normalized = normalize(text)
        if not words or any(begin not in normalized for begin in begins):
            return False
        terms = {term for term in index_terms(text)[0] if term.startswith(begins)}
        return asked <= terms or words <= set(stemmed(list(terms)))

    return has_all


# -- computing it -----------------------------------------------------------------------------------------


def renew(library: Library, embedder: Embedder | None) -> None:
    """Save the null model of a Library that has changed much since the last one; only with a model that is loaded.

    Where the model fails, as one on a server that is gone, the first search computes it.
    """
    if embedder is None:
        return
    with suppress(ModelError):
        with library.snapshot():
            saved = read_null_model(library.setting(SETTING))
            if saved is not None and saved.fits(library.passage_count()):
                return
            found = measured(library, library.passage_table(), lambda: embedder)
        library.save_setting(SETTING, found.stored())


def measured(library: Library, table: PassageTable, embedder: Callable[[], Embedder] | None) -> NullModel:
    """Return the null model of the passages of a Library; without an `embedder`, only for words alone.

    Call it within a snapshot of the state that the table is from. Raises `ModelError`.
    """
    live = np.flatnonzero(table.live)
    if not len(live):
        return NullModel(
            0, {(mode, script): Gumbel(0, _NARROWEST[mode]) for mode in MODES for script in SCRIPTS}
        )
    rows = live[:: -(-len(live) // _SAMPLE)]
    factor = len(live) / len(rows)
    words, best = np.empty((len(_ASKED), len(rows)), np.float32), np.empty(len(_ASKED))
    for at, question in enumerate(_ASKED):
        shares = share(*library.bm25(question, table), table)
        words[at], best[at] = shares[rows], shares[live].max()
    script = np.array([unspaced(question) for question in _ASKED])
    found: dict[tuple[Mode, bool], Gumbel] = {
        ("lexical", each): fitted(best[script == each], "lexical") for each in SCRIPTS
    }
    if embedder is not None:
        vectors, oov_rate = unrelated_vectors(embedder())
        numbers, place = np.unique(table.vectors[rows], return_inverse=True)
        cosines = (vectors @ library.vectors_numbered(numbers.tolist()).T)[:, place]
        known = fusion.known_weight(oov_rate)[:, None]
        for each in SCRIPTS:
            some = script == each
            unrelated = fitted(cosines[some].max(axis=1), "dense").of_more(factor)
            evidence = combined(cosines[some], words[some], known[some], unrelated).max(axis=1)
            found["dense", each] = unrelated
            found["hybrid", each] = fitted(evidence, "hybrid").of_more(factor)
    return NullModel(len(live), found)


def fitted(best: NDArray[Any], mode: Mode) -> Gumbel:
    """Return the Gumbel distribution of some values by least squares on probability paper, without the highest ones."""
    values = np.sort(np.asarray(best, np.float64))
    share = (np.arange(len(values)) + 0.5) / len(values)
    trusted = share <= _TRUSTED
    reduced = -np.log(-np.log(share[trusted]))
    scale, location = np.polyfit(reduced, values[trusted], 1)
    return Gumbel(float(location), max(float(scale), _NARROWEST[mode]))


def unrelated_vectors(embedder: Embedder) -> tuple[Vectors, NDArray[np.float64]]:
    """Return the vectors of all unrelated questions, and the share of each that the model does not know.

    They are kept in the user's cache, since they are the same for every index of a model. Raises `ModelError`.
    """
    fingerprint = embedder.fingerprint
    digest = hashlib.sha256(json.dumps([astuple(fingerprint), _digest()]).encode()).hexdigest()
    path = cache_folder() / "unrelated" / f"{digest[:32]}.f4"
    shape = len(_ASKED), fingerprint.dimension + 1
    try:
        kept = np.frombuffer(read_bounded(path, 4 * shape[0] * shape[1]), "<f4").reshape(shape)
    except (OSError, ValueError):
        kept = np.empty(shape, np.float32)
        kept[:, :-1] = embed_checked(embedder, _ASKED, "query")
        tokens, unknown = count_tokens(embedder, _ASKED)
        kept[:, -1] = unknown / np.maximum(tokens, 1)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path) as file:
                file.write(kept.tobytes())
        except OSError:  # a read-only or full cache costs time, but nothing fails
            pass
    if not np.isfinite(kept).all():
        kept = np.nan_to_num(kept, nan=0.0, posinf=0.0, neginf=0.0)
    return kept[:, :-1], kept[:, -1].astype(np.float64)


@cache
def _digest() -> str:
    """Return the identity of the questions and of what is computed from them."""
    return hashlib.sha256(repr((_ASKED, _WORDS, _TRUSTED)).encode()).hexdigest()[:16]
