"""Evaluate search on a collection with relevance judgments, in the layout of BEIR, with the metrics of trec_eval.

BEIR (Thakur and others, NeurIPS 2021, https://github.com/beir-cellar/beir) stores a corpus and queries as JSON Lines,
and relevance judgments ("qrels") as TSV. The metrics are defined as in https://github.com/usnistgov/trec_eval.
"""

import codecs
import math
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from semsearch.errors import InvalidInput
from semsearch.files import opened
from semsearch.index import Index
from semsearch.readers import RowFields, json_object
from semsearch.types import Mode

DEPTH = 100
"""The number of documents to find for each query."""
_CUTOFF = 10
"""The number of first documents that nDCG and MRR count."""
_BATCH = 128
_QRELS = ("query-id", "corpus-id", "score")
_SCORE = re.compile(r"[+-]?\d{1,9}", re.ASCII)
_MODES: tuple[Mode, ...] = ("dense", "lexical", "hybrid")

Qrels = Mapping[str, Mapping[str, int]]
"""The relevance of documents to each query. Above 0 is relevant; a document without a judgment counts as 0."""


# -- metrics ------------------------------------------------------------------------------------------------


def ndcg(ranked: Sequence[str], judged: Mapping[str, int], k: int = _CUTOFF) -> float:
    """Return the normalised discounted cumulative gain at `k`, as in trec_eval (m_ndcg_cut.c).

    It is 0 if nothing is relevant. The gain of a document is its relevance, at least 0, over log2(1 + rank). The sum
    is divided by the sum of the ideal ranking (Jarvelin and Kekalainen, ACM TOIS 20(4), 2002).
    """

    def gain(values: Sequence[int]) -> float:
        return sum(max(0, value) / math.log2(1 + rank) for rank, value in enumerate(values[:k], 1))

    ideal = gain(sorted(judged.values(), reverse=True))
    return gain([judged.get(document, 0) for document in ranked]) / ideal if ideal else 0.0


def recall(ranked: Sequence[str], judged: Mapping[str, int], k: int = DEPTH) -> float:
    """Return the share of the relevant documents among the first `k`; 0 if there are none."""
    relevant = {document for document, value in judged.items() if value > 0}
    return len(relevant.intersection(ranked[:k])) / len(relevant) if relevant else 0.0


def reciprocal_rank(ranked: Sequence[str], judged: Mapping[str, int], k: int = _CUTOFF) -> float:
    """Return 1 over the rank of the first relevant document; 0 if it is not among the first `k`."""
    ranks = (rank for rank, document in enumerate(ranked[:k], 1) if judged.get(document, 0) > 0)
    return 1 / next(ranks, math.inf)


@dataclass(frozen=True, slots=True)
class RetrievalMetrics:
    """Means over the queries, in [0, 1]."""

    ndcg_at_10: float
    recall_at_100: float
    mrr_at_10: float


# -- collections --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Collection:
    """A corpus of `documents` documents, and the queries that have a relevant document.

    `fields` are the columns of the corpus to ingest. `queries` holds the text of each query, and its file and line.
    `queries_without_text` counts the queries with a relevant document but without a text; they are left out.
    `documents_absent` counts the relevant documents that are not in the corpus; they count as not found.
    """

    corpus: Path
    fields: RowFields
    documents: int
    queries: Mapping[str, tuple[str, str]]
    qrels: Qrels
    queries_without_text: int
    documents_absent: int


def read_collection(corpus: Path, queries: Path, qrels: Path) -> Collection:
    """Read a collection in the layout of BEIR; the corpus is checked but not kept in memory.

    A row of `corpus` has `_id`, `text`, and optionally `title`; a row of `queries` has `_id` and `text`. Raises
    `InvalidInput`, naming the file and line, for any other row, and if no query has a relevant document.
    """
    if corpus.suffix.lower() not in {".jsonl", ".ndjson"}:
        raise InvalidInput(f"{corpus} does not have the suffix of JSON Lines", "name it corpus.jsonl")
    judged = {
        query: row for query, row in read_qrels(qrels).items() if any(value > 0 for value in row.values())
    }
    texts = {id_: (_text(row, place), place) for id_, row, place in _json_rows(queries) if id_ in judged}
    if not texts:
        found = f"{len(judged):,} queries have a relevant document, but {queries} has none of them"
        raise InvalidInput(
            f"{qrels}: {found}" if judged else f"{qrels}: no query has a relevant document",
            "check that the ids are the same" if judged else "a score above 0 marks a relevant document",
        )
    ids, titled = set(), False
    for id_, row, place in _json_rows(corpus):
        _text(row, place)
        ids.add(id_)
        titled |= "title" in row
    if not ids:
        raise InvalidInput(f"{corpus} has no documents", "every line is a JSON object with _id and text")
    relevance = {query: judged[query] for query in texts}
    return Collection(
        corpus=corpus,
        fields=RowFields(("title", "text") if titled else ("text",), "_id"),
        documents=len(ids),
        queries=texts,
        qrels=relevance,
        queries_without_text=len(judged) - len(texts),
        documents_absent=len(
            {id_ for row in relevance.values() for id_, value in row.items() if value > 0}.difference(ids)
        ),
    )


def read_qrels(path: Path) -> Qrels:
    """Read relevance judgments from a TSV file with the columns query-id, corpus-id and score; the last one counts.

    Raises `InvalidInput`, naming the file and line, for a row that does not fit.
    """
    lines = _lines(path)
    _, first = next(lines, ("", ""))
    header = first.split("\t")
    if missing := [name for name in _QRELS if name not in header]:
        raise InvalidInput(
            f"{path} has no column {missing[0]!r}",
            f"its first line must be {', '.join(_QRELS)}, with tabs between them",
        )
    columns = [header.index(name) for name in _QRELS]
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for place, line in lines:
        cells = line.split("\t")
        if len(cells) != len(header):
            raise InvalidInput(
                f"{place}: {len(cells)} fields where the header has {len(header)}",
                "separate the fields with tabs",
            )
        query, document, score = (cells[column].strip() for column in columns)
        if not _SCORE.fullmatch(score):
            raise InvalidInput(f"{place}: the score {score!r} is not a whole number", "such as 0, 1 or 2")
        found[query][document] = int(score)
    return dict(found)


def _json_rows(path: Path) -> Iterator[tuple[str, Mapping[str, object], str]]:
    """Yield the id of each row of a JSON Lines file, the row, and its file and line. Raises on a repeated id."""
    seen: dict[str, str] = {}
    for place, line in _lines(path):
        try:
            row = json_object(line)
        except ValueError as error:
            raise InvalidInput(f"{place}: {error}", "every line is a JSON object") from error
        value = row.get("_id")
        id_ = str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""
        if not id_:
            raise InvalidInput(f"{place}: no '_id'", f"its columns: {', '.join(row)}" if row else "")
        if id_ in seen:
            raise InvalidInput(f"{place}: {seen[id_]} has the _id {id_!r} already")
        seen[id_] = place
        yield id_, row, place


def _text(row: Mapping[str, object], place: str) -> str:
    text = row.get("text")
    if not isinstance(text, str):
        raise InvalidInput(f"{place}: no 'text' that is a string", f"its columns: {', '.join(row)}")
    return text


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the lines of a UTF-8 file that are not blank, each after its place, such as `corpus.jsonl:3`."""
    try:
        with opened(path) as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    text = line.removeprefix(codecs.BOM_UTF8) if number == 1 else line
                    yield f"{path}:{number}", text.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path}:{number}: not UTF-8 text", "save it as UTF-8") from error
    except OSError as error:
        raise InvalidInput(
            f"cannot read {path}: {error.strerror or error}", f"relative paths start at {Path.cwd()}"
        ) from error


# -- evaluating a search ------------------------------------------------------------------------------------


def ingest_corpus(index: Index, collection: Collection, progress: Callable[[int, int, int], None]) -> None:
    """Bring an index up to date with the whole corpus; `progress` gets the bytes done, all bytes, and the passages.

    Raises `InvalidInput` if a row cannot be read.
    """
    report = index.ingest(
        [collection.corpus],
        fields=collection.fields,
        max_bytes=sys.maxsize,
        progress=lambda step: progress(step.done, step.total, step.passages),
    )
    for failed in report.failed:
        raise InvalidInput(f"could not read {failed.path}: {failed.reason}", "nothing was measured")


def evaluate_search(
    index: Index, collection: Collection, progress: Callable[[int, int], None] | None = None
) -> dict[Mode, RetrievalMetrics]:
    """Evaluate each mode of search on an index that holds the corpus; `progress` gets the searches done and all.

    Each query is searched for as plain text and returns `DEPTH` documents, ranked by their best passage. Other sources
    of the index are not searched. Raises `InvalidInput` for a query that cannot be searched.
    """
    key = index.key_of(collection.corpus)
    source = None if index.sources() == [key] else key
    for text, place in collection.queries.values():
        try:
            index.parse_query(text, literal=True)
        except InvalidInput as error:
            raise InvalidInput(f"{place}: {error}", error.hint) from error
    texts = [text for text, _ in collection.queries.values()]
    found: dict[Mode, RetrievalMetrics] = {}
    for turn, mode in enumerate(_MODES):
        ranked: list[list[str]] = []
        for start in range(0, len(texts), _BATCH):
            batch = index.query_many(
                texts[start : start + _BATCH],
                k=DEPTH,
                mode=mode,
                source=source,
                collapse=False,
                per_document=1,
                literal=True,
                highlight=False,
            )
            ranked += [[hit.document.removeprefix(f"{key}#") for hit in hits] for hits in batch]
            if progress is not None:
                progress(turn * len(texts) + len(ranked), len(_MODES) * len(texts))
        pairs = list(zip(ranked, map(collection.qrels.__getitem__, collection.queries), strict=True))
        found[mode] = RetrievalMetrics(
            *(fmean(one(*pair) for pair in pairs) for one in (ndcg, recall, reciprocal_rank))
        )
    return found
