"""Measure how well relevance tells questions that an index answers from those that it does not.

The PEPs, the Rust book, SciFact and Vue's pages in Chinese are asked their own questions, some of those of each other,
and 100 lines of chit-chat and random letters. `questions.tsv` has what is not in other benchmarks. For SciFact only
train claims are asked. The PEPs and the Rust book are not asked each other's questions, since some of these have an
answer in both. Each index is also asked for single words that it has once.

The weight of words was chosen on the PEPs and the Rust book, so SciFact and Vue's pages judge it. `--choose` shows what
other weights would have given. In the bars, `all` is without Vue's pages: the default model knows few Chinese
characters.
"""

import csv
import json
import re
import tempfile
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
from common import Report, arguments, need, talk
from passages import BOOK
from search import PEPS, VUE, VUE_OTHERS, opened

from semsearch import Index
from semsearch.evaluation.retrieval import read_collection
from semsearch.search import relevance
from semsearch.search.doubt import RELEVANT, best_relevance

MOST = 150
"""The most questions of a set that are asked of an index."""
SINGLE, ONCE = "words that occur once", 120
"""The number of words that occur once which each index is asked for."""
BARS = {"AUROC": 0.97, "refused": 0.05, "answered": 0.05}
WORD = r"(?<![a-z0-9_])[a-z]{4,}(?![a-z0-9_])|(?<![\u4e00-\u9fff])[\u4e00-\u9fff]{2,4}(?![\u4e00-\u9fff])"
WEIGHTS = 8.0, 16.0, 24.0
CHOSEN_ON = "PEPs", "Rust book"


def questions(name: str) -> list[tuple[str, str]]:
    """Return the files and questions of a set of `questions.tsv`."""
    with (Path(__file__).parent / "questions.tsv").open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [(row["file"], row["question"]) for row in rows if row["set"] == name]


def area(own: np.ndarray, others: np.ndarray) -> float:
    """Return the area under the ROC curve: how often a question with an answer has more than another."""
    more = (own[:, None] > others).mean() + (own[:, None] == others).mean() / 2
    return float(more)


def collections(
    data: Path, cache: Path, limit: int | None
) -> tuple[dict[str, tuple[Path, list[str]]], dict[str, list[str]]]:
    """Return the folder of each index with the names of the sets that it is asked, its own first; and all sets."""
    folders, scifact = need(data / "folders"), need(data / "scifact")
    peps = sorted((folders / "peps").rglob("pep-[0-9]*.rst"))
    right = {*PEPS.values(), *(file for file, _ in questions("peps"))}
    some = [file for at, file in enumerate(peps) if file.name in right or at % max(1, len(peps) // 100) == 0]
    book = sorted((folders / "rust-book" / "src").glob("ch*.md"))
    vue = sorted((folders / "vue-docs-zh").rglob("*.md"))
    train = read_collection(
        scifact / "corpus.jsonl", scifact / "queries.jsonl", scifact / "qrels" / "train.tsv"
    )
    abstracts = train.corpus
    if limit is not None:
        wanted = {document for claim in list(train.queries)[:MOST] for document in train.qrels[claim]}
        lines = abstracts.read_text(encoding="utf-8").splitlines(keepends=True)
        lines.sort(key=lambda line: json.loads(line)["_id"] not in wanted)
        abstracts = cache / f"scifact-{limit}.jsonl"
        abstracts.write_text("".join(lines[:limit]), encoding="utf-8")
    indexes = {
        "PEPs": (
            opened(cache / "peps-some", some),
            ["PEPs", "SciFact", "Vue", "Vue, in other words", "chat"],
        ),
        "Rust book": (
            opened(cache / "rust-book-chapters", book),
            ["Rust book", "SciFact", "Vue", "Vue, in other words", "chat"],
        ),
        "SciFact": (
            opened(cache / f"scifact-{limit or 'all'}", [abstracts], train.fields),
            ["SciFact", "PEPs", "Rust book", "chat"],
        ),
        "Vue": (opened(cache / "vue", vue), ["Vue", "SciFact", "chat"]),
    }
    found = {}
    for name, (index, subjects) in indexes.items():
        found[name] = index.folder, subjects
        index.close()
    with (Path(__file__).parent / "vue_questions.tsv").open(encoding="utf-8", newline="") as file:
        paraphrased = [
            row["question"] for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        ]
    return found, {
        "PEPs": [*PEPS, *(question for _, question in questions("peps"))],
        "Rust book": [*BOOK, *(question for _, question in questions("rust-book"))],
        "SciFact": [text for text, _ in train.queries.values()],
        "Vue": [*VUE, *VUE_OTHERS],
        "Vue, in other words": paraphrased,
        "chat": [question for _, question in questions("chat")],
    }


def once(index: Index) -> list[str]:
    """Return words that an index has once, spread over the alphabet: English ones, or short runs of Chinese."""
    library: Any = index._library  # private, but nothing public has the texts of all passages
    texts = [
        each.text for each in library.passages_numbered(library.passage_table().numbers.tolist()).values()
    ]
    found = Counter(word for text in texts for word in re.findall(WORD, text.lower()))
    words = sorted(word for word, count in found.items() if count == 1)
    chinese = [word for word in words if not word.isascii()]
    words = chinese if len(chinese) >= ONCE else words
    return words[:: max(1, len(words) // ONCE)][:ONCE]


def judged(found: Mapping[str, Mapping[str, np.ndarray]], names: Collection[str]) -> dict[str, float]:
    """Return the figures of some indexes together."""
    own, others = (
        np.concatenate(
            [
                best
                for name in names
                for subject, best in found[name].items()
                if (subject == name) is right and subject != SINGLE
            ]
        )
        for right in (True, False)
    )
    return {
        "AUROC": area(own, others),
        "refused": float(np.mean(own < RELEVANT)),
        "answered": float(np.mean(others >= RELEVANT)),
    }


def rated(folder: Path, asked: Mapping[str, Sequence[str]], weight: float) -> dict[str, np.ndarray]:
    """Return the relevance of the best of five hits for sets of questions, where words have this weight."""
    vars(relevance)["_WORDS"] = weight
    relevance._digest.cache_clear()  # a null model that was saved with another weight is not used
    with Index.open(folder) as index:
        return {
            name: np.array(
                [
                    best_relevance(hits) or 0.0
                    for hits in index.query_many(some, literal=True, highlight=False)
                ]
            )
            for name, some in asked.items()
        }


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument(
        "--cache", type=Path, metavar="DIR", help="keep the indexes here (default: build them each time)"
    )
    parser.add_argument("--limit", type=int, metavar="N", help="only N abstracts of SciFact")
    parser.add_argument("--choose", action="store_true", help="also choose the weight of words (takes long)")
    options = parser.parse_args()
    report = Report("doubt", options)
    default = relevance._WORDS
    everything: dict[float, dict[str, dict[str, np.ndarray]]] = {}
    keep = nullcontext(options.cache) if options.cache else tempfile.TemporaryDirectory()
    with keep as folder:
        cache = Path(folder).absolute()
        cache.mkdir(parents=True, exist_ok=True)
        indexes, asked = collections(options.data, cache, options.limit)
        for weight in (default, *(one for one in WEIGHTS if options.choose and one != default)):
            for name, (at, subjects) in indexes.items():
                talk(f"weight {weight:g}: questions to {name}")
                some = {subject: asked[subject][:MOST] for subject in subjects}
                with Index.open(at) as index:
                    some |= {SINGLE: once(index)} if weight == default else {}
                everything.setdefault(weight, {})[name] = rated(at, some, weight)
    rows = []
    for name, found in everything[default].items():
        for subject, best in found.items():
            answered = float(np.mean(best >= RELEVANT))
            report.figures[f"{name}, {subject}"] = {"questions": len(best), "answered": answered}
            quantiles = " ".join(f"{one:.3f}" for one in np.quantile(best, (0.05, 0.5, 0.95)))
            rows.append((name, subject, len(best), quantiles, f"{answered:.1%}"))
    report.table(
        "Relevance of the best of five hits",
        ("index", "questions of", "number", "relevance 5 50 95 %", f"from {RELEVANT} on"),
        rows,
    )
    groups = {
        "all": (*CHOSEN_ON, "SciFact"),
        "chosen on": CHOSEN_ON,
        "SciFact": ("SciFact",),
        "Vue": ("Vue",),
    }
    table = {
        (f"{weight:g}", group): judged(found, names)
        for weight, found in everything.items()
        for group, names in groups.items()
    }
    report.figures["weights"] = {", ".join(key): figures for key, figures in table.items()}
    report.table(
        f"Questions with an answer against others, by the weight of words (used: {default:g})",
        ("weight", "indexes", "AUROC", "refused", "answered"),
        [
            (*key, f"{row['AUROC']:.3f}", f"{row['refused']:.1%}", f"{row['answered']:.1%}")
            for key, row in table.items()
        ],
    )
    for group in ("all", "SciFact", "Vue"):
        figures = table[f"{default:g}", group]
        report.bar(f"{group}: AUROC of questions with an answer", figures["AUROC"], ">=", BARS["AUROC"])
        report.bar(f"{group}: share of them refused", figures["refused"], "<=", BARS["refused"])
        report.bar(f"{group}: share of others answered", figures["answered"], "<=", BARS["answered"])
    single = np.concatenate([found[SINGLE] for found in everything[default].values()])
    report.bar("share of words that occur once refused", float(np.mean(single < RELEVANT)), "<=", 0.0)
    report.close()


if __name__ == "__main__":
    main()
