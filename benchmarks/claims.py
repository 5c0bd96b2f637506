"""The claims of a popular article about all-MiniLM-L6-v2, measured again. docs/claims.md has the figures of one run.

The article gives correlations on STS-B and SICK, the gain of batches, the effect of cleaning and stemming on scores,
the errors by length, logic and negation, and the similarities of four Chinese pairs.

Stemming is Porter's algorithm in SQLite's full-text index.
"""

import re
import sqlite3
from argparse import Namespace
from collections.abc import Callable, Sequence
from hashlib import blake2b
from pathlib import Path

import numpy as np
from common import Report, arguments, interleave, need, talk, weights_folder
from numpy.typing import NDArray

from semsearch.embedding import count_tokens, load_embedder
from semsearch.evaluation.pairs import expected_grades
from semsearch.text import clean
from semsearch.text.diff import count_words, difference
from semsearch.tuning.agreement import agreement
from semsearch.tuning.pairs import PairSet, load_pairs
from semsearch.types import LabelledPair

FILES = {
    "sts-b": "stsb/stsb-en-test.csv",
    "sts-b:dev": "stsb/stsb-en-dev.csv",
    "sts-b:train": "stsb/stsb-en-train.csv",
    "sick": "sick/SICK.txt",
    "sts-b:zh": "stsb/stsb-zh-test.csv",
}
CLAIMED = {"sts-b": 0.792, "sick": 0.731}
CHINESE = (
    ("今天天气真好，适合出门散步", "阳光明媚，很适合外出走走", 0.862),
    ("苹果公司发布了新款iPhone", "Apple推出新一代智能手机", 0.831),
    ("北京是中国首都", "东京是日本首都", 0.302),
    ("咖啡因能提神", "绿茶含有丰富的抗氧化剂", 0.218),
)
BANDS = ((10, "at most 10"), (20, "11 to 20"), (35, "21 to 35"), (10**9, "more than 35"))
LEAST = 10
"""The least number of pairs of a part that is reported."""
_WORD = re.compile(r"[a-z0-9']+")

Floats = NDArray[np.float64]


class Vectors:
    """The unit vectors of texts. Each text is embedded once, and kept in the file if there is one."""

    def __init__(self, path: Path | None) -> None:
        self.embedder = load_embedder()
        self.path = path
        self.known: dict[bytes, NDArray[np.float32]] = {}
        if path and path.exists():
            with np.load(path) as file:
                self.known = dict(zip(file["keys"].tolist(), file["vectors"], strict=True))

    def cosines(self, sides: Sequence[tuple[str, str]]) -> Floats:
        names = [
            [blake2b(text.encode(), digest_size=15).hexdigest().encode() for text in pair] for pair in sides
        ]
        texts = {
            key: text
            for row, pair in zip(names, sides, strict=True)
            for key, text in zip(row, pair, strict=True)
        }
        new = [key for key in texts if key not in self.known]
        for start in range(0, len(new), 2000):
            talk(f"embedding texts: {start:,} of {len(new):,}")
            part = new[start : start + 2000]
            self.known |= dict(zip(part, self.embedder.embed([texts[key] for key in part]), strict=True))
            if self.path:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                np.savez(
                    self.path, keys=np.array(list(self.known)), vectors=np.stack(list(self.known.values()))
                )
        left, right = (np.stack([self.known[row[side]] for row in names]) for side in (0, 1))
        return np.einsum("ij,ij->i", left, right, dtype=np.float64)


def porter(texts: Sequence[str]) -> dict[str, str]:
    """Return the lower-case stem of each word of some texts."""
    every = sorted({word for text in texts for word in _WORD.findall(text.lower())})
    database = sqlite3.connect(":memory:")
    database.execute(
        "CREATE VIRTUAL TABLE stems USING fts5(word, tokenize = \"porter unicode61 tokenchars ''''\")"
    )
    database.execute("CREATE VIRTUAL TABLE terms USING fts5vocab(stems, instance)")
    database.executemany("INSERT INTO stems (rowid, word) VALUES (?, ?)", enumerate(every, 1))
    found = {every[row - 1]: term for term, row in database.execute("SELECT term, doc FROM terms")}
    database.close()
    return found


def grades(pairs: PairSet) -> Floats:
    """Return people's grades as 0 to 1. The scale is 1 to 5 in SICK and 0 to 5 in STS-B."""
    low = 1.0 if pairs.name == "sick" else 0.0
    return (np.array([pair.score for pair in pairs.pairs], float) - low) / (5 - low)


def sides(pairs: PairSet, change: Callable[[str], str]) -> list[tuple[str, str]]:
    return [(change(pair.text_a), change(pair.text_b)) for pair in pairs.pairs]


def light(text: str) -> str:
    return clean(text).strip()


def correlations(report: Report, sets: dict[str, PairSet], cosines: dict[str, Floats]) -> None:
    found = {name: agreement(cosines[name], grades(sets[name])) for name in ("sts-b", "sick", "sts-b:zh")}
    report.figures["pearson"] = {name: one.pearson for name, one in found.items()}
    rows = [
        (name, f"{one.n:,}", CLAIMED.get(name, "-"), f"{one.pearson:.3f}", f"{one.spearman:.3f}")
        for name, one in found.items()
    ]
    report.table("correlation with people", ("set", "pairs", "claimed", "Pearson", "Spearman"), rows)


def cleaning(report: Report, test: PairSet, vectors: Vectors) -> None:
    stems = porter([text for pair in test.pairs for text in (pair.text_a, pair.text_b)])
    variants: dict[str, Callable[[str], str]] = {
        "as it is": lambda text: text,
        "semsearch's light cleaning": light,
        "lower case": str.lower,
        "without punctuation": lambda text: " ".join(re.sub(r"[^\w\s]", " ", text).split()) or text,
        "lower case, without punctuation": lambda text: " ".join(_WORD.findall(text.lower())) or text,
        "Porter's stems": lambda text: " ".join(stems[word] for word in _WORD.findall(text.lower())) or text,
    }
    gold = grades(test)
    found = {
        name: agreement(vectors.cosines(sides(test, change)), gold).pearson
        for name, change in variants.items()
    }
    report.figures["cleaning"] = found
    plain = found["as it is"]
    rows = [(name, f"{value:.4f}", f"{value - plain:+.4f}") for name, value in found.items()]
    report.table("STS-B test, Pearson by what is done to the text first", ("", "Pearson", "change"), rows)


def longer(pair: LabelledPair) -> int:
    """Return the number of words of the longer text of a pair."""
    return max(count_words(clean(pair.text_a)), count_words(clean(pair.text_b)))


def lengths(report: Report, pairs: PairSet, score: Floats) -> None:
    gold, count = grades(pairs), np.array([longer(pair) for pair in pairs.pairs])
    short, all_short = float(np.mean(count[score >= 0.85] <= 20)), float(np.mean(count <= 20))
    off = np.abs(expected_grades(score, gold) - gold)
    rows, low, bands = [], 0, {}
    for high, band in BANDS:
        inside = (count > low) & (count <= high)
        low = high
        if (n := int(np.count_nonzero(inside))) >= LEAST:
            pearson, error = agreement(score[inside], gold[inside]).pearson, float(off[inside].mean())
            bands[band] = {"pairs": n, "pearson": pearson, "off": error}
            rows.append((band, f"{n:,}", f"{pearson:.3f}", f"{error:.3f}"))
    report.figures[f"length: {pairs.name}"] = {"from 0.85": short, "all": all_short, "bands": bands}
    title = f"{pairs.name}: at most 20 words have {short:.1%} of the pairs from 0.85 up, and {all_short:.1%} of all"
    report.table(title, ("words of the longer text", "pairs", "Pearson", "off by"), rows)


def long_ones(report: Report, parts: Sequence[PairSet], vectors: Vectors) -> None:
    """Return the long pairs of all parts together. A single part has too few."""
    rows = []
    for low, high, name in ((20, 35, "21 to 35"), (35, 10**9, "more than 35")):
        of = PairSet(
            "long", tuple(pair for part in parts for pair in part.pairs if low < longer(pair) <= high)
        )
        if len(of.pairs) >= LEAST:
            pearson = agreement(vectors.cosines(sides(of, light)), grades(of)).pearson
            report.figures[f"long pairs of STS-B: {name}"] = {"pairs": len(of.pairs), "pearson": pearson}
            rows.append((name, f"{len(of.pairs):,}", f"{pearson:.3f}"))
    report.table("STS-B, all parts", ("words of the longer text", "pairs", "Pearson"), rows)


def logic(report: Report, sets: dict[str, PairSet], cosines: dict[str, Floats]) -> None:
    rows = []
    for name in ("sts-b", "sick"):
        pairs, score, gold = sets[name].pairs, cosines[name], grades(sets[name])
        differing = [difference(clean(pair.text_a), clean(pair.text_b)) for pair in pairs]
        parts = {
            "all": np.ones(len(pairs), bool),
            "a negation differs": np.array([bool(found.negations) for found in differing]),
            "a number differs": np.array([bool(found.numbers) for found in differing]),
        }
        for kind in sorted({pair.kind for pair in pairs if pair.kind}):
            parts[kind.lower()] = np.array([pair.kind == kind for pair in pairs])
        than_others = expected_grades(score, gold) - gold
        for part, inside in parts.items():
            if (n := int(np.count_nonzero(inside))) >= LEAST:
                plain, fair = float((score - gold)[inside].mean()), float(than_others[inside].mean())
                report.figures[f"too high: {name}: {part}"] = {
                    "cosine less grade": plain,
                    "than others": fair,
                }
                rows.append((f"{name}: {part}", f"{n:,}", f"{plain:+.3f}", f"{fair:+.3f}"))
    report.table(
        "scored too high by, grades as 0 to 1", ("", "pairs", "cosine less grade", "than its like"), rows
    )


def chinese(report: Report, vectors: Vectors) -> None:
    score = vectors.cosines([(a, b) for a, b, _ in CHINESE])
    tokens, unknown = count_tokens(vectors.embedder, [text for a, b, _ in CHINESE for text in (a, b)])
    share = float(unknown.sum() / tokens.sum())
    report.figures["chinese"] = {"cosines": score.tolist(), "unknown": share}
    rows = [
        (f"{a} / {b}", f"{claim:.3f}", f"{s:.3f}") for (a, b, claim), s in zip(CHINESE, score, strict=True)
    ]
    report.table(f"{share:.0%} of the tokens of these are unknown", ("pair", "claimed", "cosine"), rows)


def batches(report: Report, texts: list[str], vectors: Vectors, options: Namespace) -> None:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(weights_folder()), device="cpu")
    ours = vectors.embedder
    timings = interleave(
        {
            ("sentence-transformers", "one by one"): lambda: [model.encode(text) for text in texts],
            ("sentence-transformers", "100 at a time"): lambda: model.encode(texts, batch_size=100),
            ("semsearch", "one by one"): lambda: [ours.embed([text]) for text in texts],
            ("semsearch", "100 at a time"): lambda: [
                ours.embed(texts[at : at + 100]) for at in range(0, len(texts), 100)
            ],
        },
        options.repeats,
    )
    rates = {name: len(texts) / timing.median for name, timing in timings.items()}
    gains = {(who, how): rate / rates[who, "one by one"] for (who, how), rate in rates.items()}
    report.figures["batch"] = {
        who: {"texts a second": rates[who, "100 at a time"], "times one by one": gains[who, "100 at a time"]}
        for who in ("sentence-transformers", "semsearch")
    }
    rows = [(", ".join(name), f"{rate:,.0f}", f"{gains[name]:.1f}") for name, rate in rates.items()]
    report.table(f"{len(texts):,} SICK sentences", ("", "texts/s", "times one by one"), rows)


def main() -> None:
    parser = arguments(__doc__, repeats=3)
    parser.add_argument("--cache", type=Path, metavar="DIR", help="keep the vectors here for another run")
    parser.add_argument(
        "--sentences", type=int, default=300, metavar="N", help="sentences to time (default 300)"
    )
    parser.add_argument("--limit", type=int, metavar="N", help="use the first N pairs of each set only")
    options = parser.parse_args()
    sets = {
        name: PairSet(name, load_pairs(str(need(options.data / file))).pairs[: options.limit])
        for name, file in FILES.items()
    }
    report = Report("claims", options)
    vectors = Vectors(options.cache and options.cache / "claims.npz")
    chinese(report, vectors)
    cosines = {name: vectors.cosines(sides(sets[name], light)) for name in ("sts-b", "sick", "sts-b:zh")}
    correlations(report, sets, cosines)
    for name in ("sts-b", "sick"):
        lengths(report, sets[name], cosines[name])
    logic(report, sets, cosines)
    cleaning(report, sets["sts-b"], vectors)
    long_ones(report, [sets[name] for name in ("sts-b", "sts-b:dev", "sts-b:train")], vectors)
    batches(report, [pair.text_a for pair in sets["sick"].pairs[: options.sentences]], vectors, options)
    report.close()


if __name__ == "__main__":
    main()
