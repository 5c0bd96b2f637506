"""The best way to cut text for search: size, overlap, sections, headings, and their weight among the words.

Each question has one file with its answer. Questions on the Rust book and on some PEPs are asked by meaning alone,
and questions on the book and, in Chinese, on Vue's pages by words alone. A file ranks by its best passage.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory

import numpy as np
from common import Report, arguments, need, talk
from search import PEPS, VUE_OTHERS

from semsearch.embedding import count_tokens, load_embedder
from semsearch.storage.library import Library
from semsearch.text import clean, parse_structure, sentences, split

WINDOW = 254
BOOK = {
    "can I change a value after I have bound it with let": "ch03-01",
    "what happens when an integer gets too big for its type": "ch03-02",
    "go through a range of numbers backwards": "ch03-05",
    "why can I not use a string after I gave it to another variable": "ch04-01",
    "how many mutable references may there be at the same time": "ch04-02",
    "shorter way to fill a struct when variables are called like its fields": "ch05-01",
    "call a function on a value with a dot": "ch05-03",
    "what does the language offer in place of null": "ch06-01",
    "must a match cover every possible value": "ch06-02",
    "make an item usable outside of the module it is in": "ch07-03",
    "why can a string not be indexed by a number": "ch08-02",
    "count how often each word occurs": "ch08-03",
    "see where a program crashed with a stack of calls": "ch09-01",
    "shortcut to hand an error on to the caller": "ch09-02",
    "does generic code run slower than code for one type": "ch10-01",
    "give all types that have some behaviour another method": "ch10-02",
    "when may the lifetimes of references be left out": "ch10-03",
    "check that a function panics in a test": "ch11-01",
    "run only the tests whose name has some word in it": "ch11-02",
    "print messages so that they do not end up in the output file": "ch12-06",
    "force an anonymous function to take what it uses from around it": "ch13-01",
    "withdraw a broken version of a published library": "ch14-02",
    "type that contains itself has no known size": "ch15-01",
    "clean up a value before it goes out of scope": "ch15-03",
    "several owners of the same data": "ch15-04",
    "memory that is never freed as two values point at each other": "ch15-06",
    "wait until another thread has finished": "ch16-01",
    "only one thread at a time may touch the data": "ch16-03",
    "patterns that can fail to match": "ch19-02",
    "call a function written in C": "ch20-01",
    "write code that writes code from annotations on a struct": "ch20-05",
    "a fixed number of workers that serve requests": "ch21-02",
}
"""Questions and the chapter that answers each, written before the first run."""
HEADS = ("first", "first three", "MRR@10", "log2 rank")
Cut = Callable[[str], Iterator[str]]


def variants(measure: Callable[[Sequence[str]], list[int]]) -> dict[str, Cut]:
    """Return the ways to make passages of a cleaned document, by name."""

    def plain(text: str, limit: int = WINDOW) -> Iterator[str]:
        return (text[span.start : span.end] for span in split(text, measure, limit))

    def headed(text: str, limit: int = WINDOW - 40) -> Iterator[str]:
        for span in split(text, measure, limit):
            body = text[span.start : span.end]
            yield f"{span.heading}\n{body}" if span.heading else body

    def overlapping(text: str, limit: int = WINDOW - 50, most: int = 50) -> Iterator[str]:
        before = ""
        for body in plain(text, limit):
            tail = [before[a:b] for a, b in sentences(before)][-3:]
            while tail and measure([" ".join(tail)])[0] > most:
                tail.pop(0)
            yield " ".join([*tail, body])
            before = body

    def by_section(text: str) -> Iterator[str]:
        starts = [heading.start for heading in parse_structure(text)[0]]
        for start, end in pairwise([0, *(start for start in starts if start), len(text)]):
            yield from plain(text[start:end])

    return {
        "up to 254 tokens": plain,
        "254, with the path of headings": headed,
        "254, with 50 of the one before": overlapping,
        "254, each section for itself": by_section,
        "up to 128 tokens": lambda text: plain(text, 128),
    }


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--limit", type=int, metavar="N", help="files in addition to those with an answer")
    parser.add_argument(
        "--dtype", choices=("float32", "int8"), default="float32", help="arithmetic of the model"
    )
    parser.add_argument("--only", choices=("meaning", "words"), help="one part (default: both)")
    options = parser.parse_args()
    folders = need(options.data / "folders")
    book = sorted((folders / "rust-book" / "src").glob("ch*.md"))
    peps = sorted((folders / "peps").rglob("pep-[0-9]*.rst"))
    others = [file for file in peps if file.name not in PEPS.values()]
    peps = [file for file in peps if file not in others] + others[:: max(1, len(others) // 30)]
    embedder = load_embedder(dtype=options.dtype)
    report = Report("passages", options)
    if options.only != "meaning":
        pages = sorted((folders / "vue-docs-zh").rglob("*.md"))
        for name, files, questions in (
            ("Rust book", book, BOOK),
            ("Vue's pages", pages, {question: Path(file).stem for question, file in VUE_OTHERS.items()}),
        ):
            report.figures[f"{name}, by words"] = by_words(report, name, files, questions, embedder)
    if options.only == "words":
        report.close()
        return
    for name, files, questions in (
        ("Rust book", book, BOOK),
        ("PEPs", peps, {question: Path(file).stem for question, file in PEPS.items()}),
    ):
        if options.limit is not None:
            held = tuple(questions.values())
            answering = [file for file in files if file.stem.startswith(held)]
            files = answering + [file for file in files if file not in answering][: options.limit]
        report.figures[name] = measured(report, name, files, questions, embedder)
    report.close()


def by_words(report: Report, name: str, files: Sequence[Path], questions: dict[str, str], embedder) -> dict:  # type: ignore[no-untyped-def,type-arg]
    """Report the same figures by BM25, for several weights of the words of headings."""
    passages = [
        (owner, span.heading, text[span.start : span.end])
        for owner, text in enumerate(clean(file.read_text(encoding="utf-8")) for file in files)
        for span in split(text, lambda some: count_tokens(embedder, some)[0].tolist(), WINDOW)
    ]
    owners = np.array([owner for owner, _, _ in passages])
    figures, rows = {}, []
    with TemporaryDirectory() as folder:
        for times in range(5):
            with closing(Library(Path(folder) / f"{times}.sqlite3", create=True)) as library:
                words = library._fulltext  # private, but no other part counts words
                words.add(
                    (at, at, at, "", f"{head}\n" * times + text)
                    for at, (_, head, text) in enumerate(passages, 1)
                )
                roll = library.passage_table()
                scores = np.stack([library.bm25(question, roll)[0] for question in questions])
            best = np.full((len(questions), len(files)), -np.inf)
            np.maximum.at(best, (slice(None), owners), scores)
            figures[f"headings {times} times"] = quality(best, files, questions)
            rows.append((f"headings {times} times", *cells(figures[f"headings {times} times"])))
    report.table(f"{name}, by words: {len(questions)} questions, {len(files)} files", ("", *HEADS), rows)
    return figures


def quality(best, files: Sequence[Path], questions: dict[str, str]) -> dict[str, float]:  # type: ignore[no-untyped-def]
    """Return hit at 1 and MRR@10 of the right file among all files, by their best passage."""
    right = np.array([[file.stem.startswith(stem) for file in files] for stem in questions.values()])
    rank = 1 + (best > np.where(right, best, -np.inf).max(axis=1, keepdims=True)).sum(axis=1)
    return {
        "first": fmean(rank == 1),
        "first_three": fmean(rank <= 3),
        "mrr_at_10": fmean(1 / at if at <= 10 else 0.0 for at in rank),
        "mean_log2_rank": fmean(map(math.log2, rank)),
    }


def cells(figures: dict[str, float]) -> list[str]:
    return [f"{value:.3f}" for value in figures.values()]


def measured(report: Report, name: str, files: Sequence[Path], questions: dict[str, str], embedder) -> dict:  # type: ignore[no-untyped-def,type-arg]
    """Report hit at 1 and MRR@10 of every variant on one folder."""
    texts = [clean(file.read_text(encoding="utf-8")) for file in files]
    asked = embedder.embed(list(questions), "query")
    figures, rows = {}, []
    for variant, cut in variants(lambda some: count_tokens(embedder, some)[0].tolist()).items():
        passages = [list(cut(text)) for text in texts]
        owner = np.repeat(np.arange(len(files)), [len(some) for some in passages])
        talk(f"{name}: {len(owner):,} passages, {variant}")
        scores = asked @ embedder.embed([passage for some in passages for passage in some]).T
        best = np.full((len(asked), len(files)), -np.inf)
        np.maximum.at(best, (slice(None), owner), scores)
        found = quality(best, files, questions)
        figures[variant] = {"passages": len(owner), **found}
        rows.append((variant, f"{len(owner):,}", *cells(found)))
    heads = ("embedded", "passages", *HEADS)
    report.table(f"{name}, by meaning: {len(questions)} questions, {len(files)} files", heads, rows)
    return figures


if __name__ == "__main__":
    main()
