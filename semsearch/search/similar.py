"""Find documents similar to a document, or passages similar to one of its passages."""

from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from semsearch.embedding import Embedder, Vectors
from semsearch.embedding.similarity import PassageRows, document_similarities, rounded
from semsearch.errors import InvalidInput
from semsearch.ingest.lookup import DocumentVectors, file_document, stored_document
from semsearch.patterns import Names
from semsearch.requests import SimilarRequest
from semsearch.search.hits import Hits
from semsearch.search.sentences import SentenceVectors, by_meaning, by_words, highlighted
from semsearch.storage.library import Library, PassageMatrix
from semsearch.text.unseen import SplitText, UnknownWords, split_words, unseen
from semsearch.types import Hit

_COARSE = 2e-4
"""Twice the most by which a similarity in float32 can be wrong, for vectors of up to 1,600 numbers."""
_WIDER = 4
"""The factor by which more documents are looked at where too many are left out."""


def similar(
    request: SimilarRequest,
    keys: Sequence[str],
    library: Library,
    embedder: Callable[[], Embedder],
    sentences: SentenceVectors,
    unknown: UnknownWords,
) -> Hits:
    """Return the documents most similar to one, or the passages most similar to the one at its line, best first.

    The document is the first of `keys` that the Library has, else the file of that name. Raises `InvalidInput` where
    there is neither, and where the document has no text at the line; `UnreadableSource` for a file that cannot be read.
    For a document of the Library no text is embedded: the best sentence of a hit shares most words with it.

    A score means nothing where the difference lies in words that the model does not know, which `unknown` returns. Such
    texts are left out and counted.
    """
    with library.snapshot():
        document = next(filter(None, (stored_document(key, library) for key in keys)), None)
        if document is not None:
            hits, nearest, left_out = _nearest(request, document, library, unknown, leave_out=document.name)
    if document is not None:
        scorer = by_words([document.texts[at] for at in nearest])
    else:
        document = file_document(request.document, embedder, library)
        with library.snapshot():
            hits, nearest, left_out = _nearest(request, document, library, unknown)
        scorer = by_meaning(sentences, document.vectors[nearest])
    return Hits(highlighted(hits, scorer) if request.highlight and hits else hits, left_out)


def _nearest(
    request: SimilarRequest,
    document: DocumentVectors,
    library: Library,
    unknown: UnknownWords,
    leave_out: str | None = None,
) -> tuple[list[Hit], list[int], int]:
    """Return the best hits whose difference the model can see, and how many others were left out for them.

    The second list has for each hit the position of the passage of `document` that it resembles most.
    """
    layout, matrix = library.passage_matrix()
    allowed = np.array([name != leave_out for name in layout.names], bool)
    if request.source is not None:
        allowed &= np.array(Names(layout.sources, layout.names, library.base).select(request.source), bool)
    if not allowed.any():
        return [], [], 0
    at = None if request.line is None else _passage_at(document, request.line)
    text = SplitText(*next(split_words([document.text if at is None else document.texts[at]], unknown)))

    @cache
    def differs_unseen(passage: int) -> bool:
        of_hit = layout.document == layout.document[passage] if at is None else [passage]
        other = "\n".join(library.texts(layout.numbers[of_hit].tolist()))
        return bool(unseen(text, SplitText(*next(split_words([other], unknown)))))

    most = request.k
    while True:
        if at is None:
            scores, passage, own = _best_documents(document, library, layout, matrix, allowed, most)
        else:
            passage = np.flatnonzero(allowed[layout.document])
            scores = (matrix @ document.vectors[at])[layout.row[passage]].astype(np.float64)
            own = np.full(len(passage), at)
        scores = rounded(scores)
        best = np.lexsort((passage, -scores))[:most]
        best = best[scores[best] >= request.min_score]
        seen: list[int] = []
        for rank, one in enumerate(passage[best].tolist()):
            if len(seen) < request.k and not differs_unseen(one):
                seen.append(rank)
        if len(seen) == request.k or len(best) < most:
            break
        most *= _WIDER
    left_out = (seen[-1] + 1 if len(seen) == request.k else len(best)) - len(seen)
    best = best[seen]
    numbers = layout.numbers[passage[best]].tolist()
    stored = library.passages_numbered(numbers)
    hits = [stored[number].hit(min(1.0, float(scores[at]))) for number, at in zip(numbers, best, strict=True)]
    return hits, own[best].tolist(), left_out


def _best_documents(
    document: DocumentVectors,
    library: Library,
    layout: PassageMatrix,
    matrix: Vectors,
    allowed: NDArray[np.bool_],
    k: int,
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the similarity of the `k` or more most similar allowed documents, and each one's closest pair of passages.

    Of the closest pair the second array has the passage of the allowed document, the third the row in `document`. A
    pass in float32 over all documents selects those that may be among the best; their similarity is then exact.
    """
    starts = np.flatnonzero(np.diff(layout.document, prepend=-1))
    lengths = np.array([len(text) for text in document.texts], np.float64)
    unknown = np.full(len(lengths), -1)  # so equal texts have a cosine of almost 1 here
    own = PassageRows(document.vectors, lengths, unknown)
    every = PassageRows(matrix, layout.length, layout.row, layout.row)
    coarse = document_similarities(own, every, starts).similarity[allowed]
    least = np.partition(coarse, -k)[-k] if k < len(coarse) else -np.inf
    chosen = np.zeros(len(starts), np.bool_)
    chosen[np.flatnonzero(allowed)[coarse >= least - _COARSE]] = True

    passage = np.flatnonzero(chosen[layout.document])
    numbers: dict[str, int] = {}
    texts = [
        np.array([numbers.setdefault(text, len(numbers)) for text in side])
        for side in (document.texts, library.texts(layout.numbers[passage].tolist()))
    ]
    own = PassageRows(document.vectors.astype(np.float64), lengths, texts[0])
    vectors = matrix[layout.row[passage]].astype(np.float64)
    starts = np.flatnonzero(np.diff(layout.document[passage], prepend=-1))
    exact = document_similarities(
        own, PassageRows(vectors, layout.length[passage], texts[1]), starts, find_nearest=True
    )
    best = np.lexsort((-exact.cosine, layout.document[passage]))[starts]
    return exact.similarity, passage[best], exact.nearest[best]


def _passage_at(document: DocumentVectors, line: int) -> int:
    """Return the position of the passage that contains a line, page or paragraph, or else of the passage before it.

    Raises `InvalidInput` where the document ends before the line.
    """
    unit, _, last = document.places[-1]
    if not 1 <= line <= last:
        raise InvalidInput(
            f"{document.name} has no text at {unit} {line}", f"its last {unit} with text is {last}"
        )
    begun = [at for at, (_, first, _) in enumerate(document.places) if first <= line]
    return begun[-1] if begun else 0
