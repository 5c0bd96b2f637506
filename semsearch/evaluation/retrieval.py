"""How well search finds what people have judged: collections in the layout of BEIR, and the measures of trec_eval.

BEIR (Thakur and others, NeurIPS 2021, https://github.com/beir-cellar/beir) has a corpus and queries as JSON Lines, and
judgements ("qrels") as TSV. The measures are those of https://github.com/usnistgov/trec_eval.
"""

import codecs
import math
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from glob import escape
from pathlib import Path
from statistics import fmean

from semsearch.errors import InvalidInput
from semsearch.files import opened
from semsearch.index import Index
from semsearch.readers import RowFields, json_object
from semsearch.types import Mode

DEPTH = 100
"""Documents that are looked for with each query."""
_SHOWN = 10
"""The first documents, which nDCG and MRR look at."""
_BATCH = 128
_QRELS = ("query-id", "corpus-id", "score")
_SCORE = re.compile(r"[+-]?\d{1,9}", re.ASCII)
_MODES: tuple[Mode, ...] = ("dense", "lexical", "hybrid")

Judgements = Mapping[str, Mapping[str, int]]
"""For each query how relevant documents are: above 0 they are, and all that are not judged count as 0."""


# -- measures -----------------------------------------------------------------------------------------------


def ndcg(ranked: Sequence[str], judged: Mapping[str, int], k: int = _SHOWN) -> float:
    """Normalised discounted cumulative gain at `k`, as trec_eval has it (m_ndcg_cut.c); 0 if nothing is relevant.

    The gain of a document is its judgement, or 0 if that is negative, over log2(1 + rank); the sum of them is divided
    by that of the ideal ranking (Jarvelin and Kekalainen, ACM TOIS 20(4), 2002).
    """

    def gain(judgements: Sequence[int]) -> float:
        return sum(max(0, value) / math.log2(1 + rank) for rank, value in enumerate(judgements[:k], 1))

    ideal = gain(sorted(judged.values(), reverse=True))
    return gain([judged.get(document, 0) for document in ranked]) / ideal if ideal else 0.0


def recall(ranked: Sequence[str], judged: Mapping[str, int], k: int = DEPTH) -> float:
    """The share of the relevant documents that are among the first `k`; 0 if there are none."""
    relevant = {document for document, value in judged.items() if value > 0}
    return len(relevant.intersection(ranked[:k])) / len(relevant) if relevant else 0.0


def reciprocal_rank(ranked: Sequence[str], judged: Mapping[str, int], k: int = _SHOWN) -> float:
    """1 over the rank of the first relevant document; 0 if none is among the first `k`."""
    ranks = (rank for rank, document in enumerate(ranked[:k], 1) if judged.get(document, 0) > 0)
    return 1 / next(ranks, math.inf)


@dataclass(frozen=True, slots=True)
class Measures:
    """What a search is worth: means over queries, in [0, 1]."""

    ndcg_at_10: float
    recall_at_100: float
    mrr_at_10: float


# -- collections --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Collection:
    """A corpus of so many `documents`, and queries, each of which has a relevant document.

    `fields` are the columns of the corpus to ingest it with. `queries` has the text of each, and the file and line that
    it is from. So many as `unasked` have a relevant document but no text, and are left out; `absent` relevant documents
    are not in the corpus, and count as not found.
    """

    corpus: Path
    fields: RowFields
    documents: int
    queries: Mapping[str, tuple[str, str]]
    judgements: Judgements
    unasked: int
    absent: int


def read_collection(corpus: Path, queries: Path, qrels: Path) -> Collection:
    """A collection in the layout of BEIR, see `Collection`; its texts stay where they are.

    A row of `corpus` has `_id`, `text`, and perhaps `title`; one of `queries` `_id` and `text`. Raises `InvalidInput`,
    which names the file and line, for what is not so, and where no query has a relevant document.
    """
    if corpus.suffix.lower() not in {".jsonl", ".ndjson"}:
        raise InvalidInput(f"{corpus} is not named as JSON Lines are", "name it corpus.jsonl")
    judged = {
        query: row
        for query, row in read_judgements(qrels).items()
        if any(value > 0 for value in row.values())
    }
    texts = {id_: (_text(row, place), place) for id_, row, place in _rows(queries) if id_ in judged}
    if not texts:
        found = f"{len(judged):,} queries have a relevant document, but none of them is in {queries}"
        raise InvalidInput(
            f"{qrels}: {found}" if judged else f"{qrels}: no query has a relevant document",
            "do the ids fit?" if judged else "a score above 0 says that a document is relevant",
        )
    ids, titled = set(), False
    for id_, row, place in _rows(corpus):
        _text(row, place)
        ids.add(id_)
        titled |= "title" in row
    if not ids:
        raise InvalidInput(f"{corpus} has no documents", "every line is a JSON object with _id and text")
    judgements = {query: judged[query] for query in texts}
    return Collection(
        corpus=corpus,
        fields=RowFields(("title", "text") if titled else ("text",), "_id"),
        documents=len(ids),
        queries=texts,
        judgements=judgements,
        unasked=len(judged) - len(texts),
        absent=len(
            {id_ for row in judgements.values() for id_, value in row.items() if value > 0}.difference(ids)
        ),
    )


def read_judgements(path: Path) -> Judgements:
    """Judgements from a TSV file with the columns query-id, corpus-id and score; of two the later one counts."""
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
                f"{place}: {len(cells)} fields where the header has {len(header)}", "tabs part the fields"
            )
        query, document, score = (cells[column].strip() for column in columns)
        if not _SCORE.fullmatch(score):
            raise InvalidInput(f"{place}: the score {score!r} is not a whole number", "such as 0, 1 or 2")
        found[query][document] = int(score)
    return dict(found)


def _rows(path: Path) -> Iterator[tuple[str, Mapping[str, object], str]]:
    """The id of each row of a JSON Lines file, the row, and where it is; no id comes twice."""
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
            raise InvalidInput(f"{place}: the _id {id_!r} is that of {seen[id_]} already")
        seen[id_] = place
        yield id_, row, place


def _text(row: Mapping[str, object], place: str) -> str:
    text = row.get("text")
    if not isinstance(text, str):
        raise InvalidInput(f"{place}: no 'text' that is a string", f"its columns: {', '.join(row)}")
    return text


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    """The lines of a UTF-8 file that are not blank, and where they are: `corpus.jsonl:3`."""
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


# -- judging a search ---------------------------------------------------------------------------------------


def ingest(index: Index, collection: Collection, progress: Callable[[int, int, int], None]) -> None:
    """Bring an index up to date with a corpus, all of it; `progress` is given bytes done and in all, and passages."""
    report = index.ingest(
        [collection.corpus],
        fields=collection.fields,
        max_bytes=sys.maxsize,
        progress=lambda step: progress(step.done, step.total, step.passages),
    )
    for failed in report.failed:
        raise InvalidInput(f"could not read {failed.path}: {failed.reason}", "nothing was measured")


def measure(
    index: Index, collection: Collection, progress: Callable[[int, int], None] | None = None
) -> dict[Mode, Measures]:
    """What each mode of search is worth in an index that has the corpus; `progress` is given searches done and in all.

    Each query is text, whatever signs are in it, and asks for `DEPTH` documents, which rank by their best passage.
    Other sources of the index are not searched.
    """
    key = index.key_of(collection.corpus)
    source = None if index.sources() == [key] else escape(key)
    for text, place in collection.queries.values():
        try:
            index.parse_query(text, literal=True)
        except InvalidInput as error:
            raise InvalidInput(f"{place}: {error}", error.hint) from error
    texts = [text for text, _ in collection.queries.values()]
    measures = {}
    for turn, mode in enumerate(_MODES):
        ranked: list[list[str]] = []
        for start in range(0, len(texts), _BATCH):
            found = index.query_many(
                texts[start : start + _BATCH],
                k=DEPTH,
                mode=mode,
                source=source,
                collapse=False,
                per_document=1,
                literal=True,
                highlight=False,
            )
            ranked += [[hit.document.removeprefix(f"{key}#") for hit in hits] for hits in found]
            if progress is not None:
                progress(turn * len(texts) + len(ranked), len(_MODES) * len(texts))
        pairs = list(zip(ranked, map(collection.judgements.__getitem__, collection.queries), strict=True))
        measures[mode] = Measures(
            *(fmean(one(*pair) for pair in pairs) for one in (ndcg, recall, reciprocal_rank))
        )
    return measures
