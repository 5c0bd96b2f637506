"""Measure how well relevance tells questions that an index answers from those that it does not.

The PEPs, the Rust book and SciFact are asked their own questions, those of each other and of Vue's pages, and 100 lines
of chit-chat and random letters. `questions.tsv` has what is not in other benchmarks. For SciFact only train claims are
asked. The PEPs and the Rust book are not asked each other's questions: some of these have an answer in both.
"""

import csv
import json
import tempfile
from contextlib import nullcontext
from pathlib import Path

import numpy as np
from common import Report, arguments, need, talk
from passages import BOOK
from search import PEPS, VUE, VUE_OTHERS, opened

from semsearch import Index
from semsearch.evaluation.retrieval import read_collection
from semsearch.search.doubt import RELEVANT, best_relevance

MOST = 150
"""The most questions of a set that are asked of an index."""
BARS = {"AUROC": 0.97, "refused": 0.05, "answered": 0.05}


def questions(name: str) -> list[tuple[str, str]]:
    """Return the files and questions of a set of `questions.tsv`."""
    with (Path(__file__).parent / "questions.tsv").open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [(row["file"], row["question"]) for row in rows if row["set"] == name]


def area(own: np.ndarray, others: np.ndarray) -> float:
    """Return the area under the ROC curve: how often a question with an answer has more than another."""
    more = (own[:, None] > others).mean() + (own[:, None] == others).mean() / 2
    return float(more)


def collections(data: Path, cache: Path) -> dict[str, tuple[Index, list[str], list[str]]]:
    """Return each index with the names of the sets that it answers and of others."""
    folders, scifact = need(data / "folders"), need(data / "scifact")
    peps = sorted((folders / "peps").rglob("pep-[0-9]*.rst"))
    right = {*PEPS.values(), *(file for file, _ in questions("peps"))}
    some = [file for at, file in enumerate(peps) if file.name in right or at % max(1, len(peps) // 100) == 0]
    book = sorted((folders / "rust-book" / "src").glob("ch*.md"))
    train = read_collection(
        scifact / "corpus.jsonl", scifact / "queries.jsonl", scifact / "qrels" / "train.tsv"
    )
    return {
        "PEPs": (opened(cache / "peps-some", some), ["PEPs"], ["SciFact", "Vue", "chat"]),
        "Rust book": (opened(cache / "rust-book-chapters", book), ["Rust book"], ["SciFact", "Vue", "chat"]),
        "SciFact": (
            opened(cache / "scifact-all", [train.corpus], train.fields),
            ["SciFact"],
            ["PEPs", "Rust book", "chat"],
        ),
    }


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument(
        "--cache", type=Path, metavar="DIR", help="keep the indexes here (default: build them each time)"
    )
    options = parser.parse_args()
    scifact = need(options.data / "scifact")
    train = {line.split("\t")[0] for line in (scifact / "qrels" / "train.tsv").open()}
    claims = [json.loads(line) for line in (scifact / "queries.jsonl").open(encoding="utf-8")]
    asked = {
        "PEPs": [*PEPS, *(question for _, question in questions("peps"))],
        "Rust book": [*BOOK, *(question for _, question in questions("rust-book"))],
        "SciFact": [claim["text"] for claim in claims if claim["_id"] in train],
        "Vue": [*VUE, *VUE_OTHERS],
        "chat": [question for _, question in questions("chat")],
    }
    report = Report("doubt", options)
    rows = []
    rated: dict[bool, list[float]] = {True: [], False: []}
    keep = nullcontext(options.cache) if options.cache else tempfile.TemporaryDirectory()
    with keep as folder:
        for name, (index, own, others) in collections(options.data, Path(folder).absolute()).items():
            for subject in (*own, *others):
                talk(f"{name}: questions of {subject}")
                found = index.query_many(asked[subject][:MOST], literal=True, highlight=False)
                best = np.array([best_relevance(hits) or 0.0 for hits in found])
                rated[subject in own] += best.tolist()
                answered = float(np.mean(best >= RELEVANT))
                report.figures[f"{name}, {subject}"] = {"questions": len(best), "answered": answered}
                quantiles = " ".join(f"{one:.3f}" for one in np.quantile(best, (0.05, 0.5, 0.95)))
                rows.append((name, subject, len(best), quantiles, f"{answered:.1%}"))
            index.close()
    own_, others_ = np.array(rated[True]), np.array(rated[False])
    figures = {
        "AUROC": area(own_, others_),
        "refused": float(np.mean(own_ < RELEVANT)),
        "answered": float(np.mean(others_ >= RELEVANT)),
    }
    report.figures["all"] = figures
    report.table(
        "Relevance of the best of five hits",
        ("index", "questions of", "number", "relevance 5 50 95 %", f"from {RELEVANT} on"),
        rows,
    )
    report.bar("AUROC of questions with an answer against others", figures["AUROC"], ">=", BARS["AUROC"])
    report.bar("share of questions with an answer refused", figures["refused"], "<=", BARS["refused"])
    report.bar("share of other questions answered", figures["answered"], "<=", BARS["answered"])
    report.close()


if __name__ == "__main__":
    main()
