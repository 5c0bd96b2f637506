"""The cost of a query in a process that has asked before: each mode, and a filter that few passages pass.

It is also compared with the same search without the relevance of hits, in pairs and by processor time.

The time to embed the query and the candidate sentences of a hit is measured and subtracted: it depends on their
length and on the model, not on the search. The index is the one of cold_query.py.
"""

import gzip
import json
import random
import re
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import numpy as np
from cold_query import PART, build
from common import Report, arguments, need, talk

from semsearch import Index
from semsearch.types import Mode

HITS = 10
WARM = 20
"""The number of unmeasured queries."""


class Beyond:
    """A clock for calls that leaves out the time of embedding."""

    def __init__(self, index: Index) -> None:
        self._embedding = 0.0
        embedder: Any = index.embedder
        embed = embedder.embed

        def timed(*arguments: Any, **named: Any) -> Any:
            started = time.perf_counter()
            try:
                return embed(*arguments, **named)
            finally:
                self._embedding += time.perf_counter() - started

        embedder.embed = timed

    def __call__(self, task: Callable[[], Any]) -> tuple[float, Any]:
        """Return the milliseconds of a task, and its result."""
        self._embedding, started = 0.0, time.perf_counter()
        result = task()
        return 1_000 * (time.perf_counter() - started - self._embedding), result


def with_relevance(index: Index, queries: Iterable[str]) -> dict[str, float]:
    """Return the processor time of searches in each mode, with embedding, as a share of that without relevance."""
    engine: Any = index._engine  # private, but nothing public turns relevance off
    unrated = SimpleNamespace(rater=lambda *_: lambda *_: 1.0)
    spent = {(mode, rated): 0.0 for mode in get_args(Mode) for rated in (True, False)}
    for number, query in enumerate(queries):
        for mode, rated in random.Random(number).sample(list(spent), len(spent)):
            if not rated:
                engine._null_model = lambda *_: unrated
            started = time.process_time()
            index.query(query, k=HITS, mode=mode, highlight=False)
            spent[mode, rated] += time.process_time() - started
            vars(engine).pop("_null_model", None)
    return {mode: spent[mode, True] / spent[mode, False] for mode in get_args(Mode)}


def right(index: Index, rows: Path, query: str, part: int, hits: Iterable[Any]) -> bool:
    """Return whether hits are the nearest rows of a part, by the product of all its rows. Ties count as equal."""
    with rows.open(encoding="utf-8") as file:
        texts = [row["text"] for row in map(json.loads, file) if row["part"] == part]
    cosines = np.sort(index.embedder.embed(texts) @ index.embedder.embed([query], "query")[0])[::-1]
    return np.allclose([hit.score for hit in hits], cosines[:HITS], atol=1e-5)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument(
        "--count", type=int, default=100_000, metavar="N", help="passages in the index (default 100,000)"
    )
    parser.add_argument(
        "--queries", type=int, default=500, metavar="N", help="queries of each kind (default 500)"
    )
    parser.add_argument(
        "--cache", type=Path, metavar="DIR", help="keep the index here (default: build it each time)"
    )
    options = parser.parse_args()
    sentences = need(options.data / "sentences" / "sentences-400k.txt.gz")
    report = Report("warm_query", options)
    with gzip.open(sentences, "rt", encoding="utf-8") as file:
        lines = filter(None, (" ".join(re.split(r"[\s\"\u201c+-]+", line)).strip() for line in file))
        queries = list(islice(lines, 2 * options.count, 2 * options.count + options.queries + WARM))
    keep = nullcontext(options.cache) if options.cache else tempfile.TemporaryDirectory()
    with keep as cache:
        folder = Path(cache).absolute() / f"sentences-{options.count}"
        with Index.open(build(sentences, options.count, folder)) as index:
            beyond = Beyond(index)
            times: dict[str, list[float]] = {}
            exact = 0
            talk(f"{len(queries)} queries of each kind, in turn")
            for number, query in enumerate(queries):
                part = number % (options.count // PART)
                tasks: dict[str, tuple[str, Mode]] = {mode: (query, mode) for mode in get_args(Mode)}
                tasks["hybrid, of few"] = f"{query} part:{part}", "hybrid"
                tasks["dense, of few"] = f"{query} part:{part}", "dense"
                for name, (text, mode) in tasks.items():
                    spent, hits = beyond(
                        lambda text=text, mode=mode: index.query(
                            text, k=HITS, mode=mode, collapse=False, per_document=None
                        )
                    )
                    times.setdefault(name, []).append(spent)
                if number < WARM:
                    exact += right(index, folder / "sentences.jsonl", query, part, hits)
            ratios = with_relevance(index, queries[WARM:])
    figures = {
        name: {f"p{share}": float(np.percentile(some[WARM:], share)) for share in (50, 90, 99)}
        for name, some in times.items()
    }
    counts = {"passages": options.count, "exact": exact, "of": WARM}
    report.figures = counts | {"ms": figures, "with relevance": ratios}
    report.table(
        f"a warm query of {options.count:,} passages beyond embedding, the best {HITS} with their best sentences, ms",
        ("", "p50", "p90", "p99"),
        [(name, *(f"{value:.1f}" for value in row.values())) for name, row in figures.items()],
    )
    for mode, ratio in ratios.items():
        report.bar(f"{mode} with relevance, as a share of without", ratio, "<=", 1.1)
    report.bar("hybrid, p50 in ms", figures["hybrid"]["p50"], "<", 15)
    report.bar("hybrid, p99 in ms", figures["hybrid"]["p99"], "<", 40)
    report.bar(f"filters that let {PART} through with the exact best {HITS}, of {WARM}", exact, "==", WARM)
    report.close()


if __name__ == "__main__":
    main()
