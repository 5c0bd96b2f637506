"""Choose the passages that meet the conditions of a query, list their documents, and say why none may meet one."""

import difflib

import numpy as np

from semsearch.errors import InvalidInput
from semsearch.patterns import unmatched
from semsearch.search.corpus import Corpus, Rows
from semsearch.search.facets import facet
from semsearch.search.query import SOURCE, Condition, Query, measure
from semsearch.types import Scalar, several

_DATE_FIELD = "date"
"""The field whose dates order a list of documents."""
_SHOWN_VALUES, _LONGEST_VALUE, _MOST_COMPARED = 5, 40, 2_000


def qualifying(corpus: Corpus, query: Query, source: str | None) -> Rows | None:
    """Return the rows, sorted, that meet every condition and have every required word; None where all do.

    Raises `InvalidInput` for a condition that compares dates or numbers with something else.
    """
    groups = query.alternatives
    if source:
        groups.append([Condition(SOURCE, ":", source)])
    if not (groups or query.required or query.excluded):
        return None
    rows, table = corpus.rows, corpus.table
    corpus.read_columns([each.field for each in query.conditions])
    for alternatives in groups:
        meets = np.zeros(len(rows), np.bool_)
        for condition in alternatives:
            _refuse_incomparable(corpus, condition)
            meets |= np.isin(table.documents[rows], _meeting(corpus, condition)) != condition.excluded
        rows = rows[meets]
    for word in query.required:
        having = corpus.library.having(word.text, table, exact=word.exact)
        rows = np.intersect1d(rows, having, assume_unique=True)
    for word in query.excluded:
        having = corpus.library.having(word.text, table, exact=word.exact)
        rows = np.setdiff1d(rows, having, assume_unique=True)
    return rows


def listed(corpus: Corpus, rows: Rows | None) -> Rows:
    """Return the first of the rows of each document: those with a `date` first, newest first, then the others by name.

    Documents of one date, and the rows of one file, are in the order of their names and of the file.
    """
    rows = corpus.rows if rows is None else rows
    rows = rows[np.lexsort((corpus.table.numbers[rows], corpus.table.documents[rows]))]
    found, first = np.unique(corpus.table.documents[rows], return_index=True)
    documents: list[int] = found.tolist()
    dates: dict[int, str] = {}
    for column in corpus.columns(_DATE_FIELD):
        latest = [
            max((str(day) for one in several(value) if (day := measure(one))), default="")
            for value in column.values
        ]
        dates |= {
            document: latest[code]
            for document, code in zip(column.documents.tolist(), column.codes.tolist(), strict=True)
        }
    all_documents, names = corpus.names
    name_of = dict(zip(all_documents.tolist(), names.sources, strict=True))
    order = sorted(range(len(documents)), key=lambda at: (name_of[documents[at]], documents[at]))
    order.sort(key=lambda at: dates.get(documents[at], ""), reverse=True)
    return rows[first[np.array(order, np.int64)]]


def remarks(corpus: Corpus, query: Query, source: str | None) -> list[str]:
    """Return a sentence for each condition that no document meets, with what one could ask for.

    Raises what `qualifying` raises.
    """
    patterns = [each.value for each in query.conditions if each.field == SOURCE]
    said = (
        list(unmatched(corpus.names[1], [*patterns, *([source] if source else [])]))
        if patterns or source
        else []
    )
    for condition in query.conditions:
        _refuse_incomparable(corpus, condition)
        if condition.field != SOURCE and not len(_meeting(corpus, condition)):
            said.append(f"no document has {condition}; {_known(corpus, condition)}")
    return said


def _meeting(corpus: Corpus, condition: Condition) -> Rows:
    """Return the documents with a value that meets a condition, whether it is excluded or not."""
    if condition.field == SOURCE:
        documents, names = corpus.names
        meets: Rows = documents[np.array(names.select(condition.value), bool) == (condition.operator != "!=")]
        return meets
    test = condition.test()
    return np.concatenate(
        [np.empty(0, np.int64), *(some.where(test) for some in corpus.columns(condition.field))]
    )


def _refuse_incomparable(corpus: Corpus, condition: Condition) -> None:
    """Raise `InvalidInput` where a field has dates and numbers only, and a condition compares them with a text."""
    if not condition.compares or condition.field == SOURCE or measure(condition.value) is not None:
        return
    values = _values(corpus, condition)
    if values and all(measure(value) is not None for value in values):
        raise InvalidInput(
            f"the query asks for {condition}, but {condition.value!r} is neither a number nor a date",
            f"write one as in {condition.field}{condition.operator}{_short(max(values, key=str))}",
        )


def _values(corpus: Corpus, condition: Condition) -> list[Scalar]:
    """Return all values of the field of a condition, the most frequent first."""
    documents = np.unique(corpus.table.documents[corpus.rows])
    return [value for value, _ in facet(corpus, condition.field, documents).values]


def _known(corpus: Corpus, condition: Condition) -> str:
    """Return what values the field of a condition has: those like the one asked for, or their range, or some."""
    values = _values(corpus, condition)
    measures = {
        kind: [one for one in map(measure, values) if isinstance(one, kind)] for kind in (float | int, str)
    }
    for some in measures.values():
        if len(some) == len(values) > 1 and measure(condition.value) is not None:
            return f"its values go from {_short(min(some))} to {_short(max(some))}"
    texts = {str(value).casefold(): value for value in values[:_MOST_COMPARED]}
    near = difflib.get_close_matches(condition.value.casefold()[:_LONGEST_VALUE], texts, 3, 0.6)
    if near:
        return f"did you mean {' or '.join(_short(texts[one]) for one in near)}?"
    more = f" and {len(values) - _SHOWN_VALUES:,} more" if len(values) > _SHOWN_VALUES else ""
    return f"its values are {', '.join(map(_short, values[:_SHOWN_VALUES]))}{more}"


def _short(value: Scalar) -> str:
    text = " ".join((f"{value:g}" if isinstance(value, float) else str(value)).split())
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 1]}…"
