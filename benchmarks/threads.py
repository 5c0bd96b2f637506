"""Queries per second of 1, 2, 4 and 8 threads on one `Index`, and whether their answers equal those of one thread.

The queries are sentences, asked in each mode in turn. Every thread asks all of them, from another place on, so that the
threads are at different modes at the same time. The index is the one of cold_query.py.
"""

import gzip
import re
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from itertools import islice
from pathlib import Path
from typing import get_args

from cold_query import build
from common import Report, arguments, need, talk

from semsearch import Index, Mode

THREADS = (1, 2, 4, 8)
HITS = 10

Answer = list[tuple[str, float]]


def ask(index: Index, number: int, query: str) -> Answer:
    """Return the passages that answer a query in the mode of its number, with their scores."""
    modes: tuple[Mode, ...] = get_args(Mode)
    hits = index.query(query, k=HITS, mode=modes[number % len(modes)])
    return [(hit.passage_id, hit.score) for hit in hits]


def equal(found: Answer, expected: Answer) -> bool:
    """Return whether two answers have the same passages in the same order, with scores that differ by rounding only."""
    return [passage for passage, _ in found] == [passage for passage, _ in expected] and all(
        abs(a - b) < 1e-6 for (_, a), (_, b) in zip(found, expected, strict=True)
    )


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument(
        "--count", type=int, default=100_000, metavar="N", help="passages in the index (default 100,000)"
    )
    parser.add_argument(
        "--queries", type=int, default=200, metavar="N", help="queries of each thread (default 200)"
    )
    parser.add_argument(
        "--cache", type=Path, metavar="DIR", help="keep the index here (default: build it each time)"
    )
    options = parser.parse_args()
    sentences = need(options.data / "sentences" / "sentences-400k.txt.gz")
    report = Report("threads", options)
    with gzip.open(sentences, "rt", encoding="utf-8") as file:
        lines = filter(None, (" ".join(re.split(r"[\s\"\u201c:+-]+", line)).strip() for line in file))
        queries = list(islice(lines, 2 * options.count, 2 * options.count + options.queries))
    keep = nullcontext(options.cache) if options.cache else tempfile.TemporaryDirectory()
    with keep as cache:
        folder = Path(cache).absolute() / f"sentences-{options.count}"
        with Index.open(build(sentences, options.count, folder)) as index:
            numbered = list(enumerate(queries))
            talk("one thread, for the answers")
            expected = [ask(index, *query) for query in numbered]

            def work(thread: int) -> int:
                """Ask every query, from another place on in each thread. Return the number of other answers."""
                start = thread * len(numbered) // max(THREADS)
                turn = numbered[start:] + numbered[:start]
                return sum(not equal(ask(index, at, query), expected[at]) for at, query in turn)

            rates, wrong = {}, 0
            for threads in THREADS:
                talk(f"{threads} threads")
                started = time.perf_counter()
                with ThreadPoolExecutor(threads) as pool:
                    wrong += sum(pool.map(work, range(threads)))
                rates[threads] = threads * len(queries) / (time.perf_counter() - started)
    report.figures = {"passages": options.count, "queries a second": rates, "other answers": wrong}
    report.table(
        f"queries per second on {options.count:,} passages",
        ("threads", "queries/s", "times one thread"),
        [(str(threads), f"{rate:.1f}", f"{rate / rates[1]:.2f}") for threads, rate in rates.items()],
    )
    report.bar("answers that differ from those of one thread", wrong, "==", 0)
    report.close()


if __name__ == "__main__":
    main()
