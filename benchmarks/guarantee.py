"""The share of guarantees that hold, on SICK, STS-B and made-up corpora, and how often there is one.

Drawn labels: from a corpus, pairs are drawn and labelled as `semsearch label` does, once for each split. What they
guarantee is checked on all pairs that they were drawn from, and on a half that no label came from where the corpus is
split. Next to them stands the earlier way: as many labels by bands of the score, with weights.

Labelled pairs: a corpus is the population. As many labels as half of it are drawn from it, with replacement, and what
they guarantee is checked on all of it. A check on other pairs would count their sampling error as a broken promise. The
classifier's population is without the pairs that trained it.

Halves: `tune --pairs sick` with the halves of the choosing part divided in other ways. One half trains the classifier,
the other one guarantees a precision of 0.95, and the recall is that on TEST.

A guarantee is kept if the precision is reached. The share counts only the splits in which there was one.
"""

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from common import Report, arguments, need, talk
from numpy.typing import NDArray

from semsearch.dedup.alignment import Aligner, aligner_of
from semsearch.dedup.classifier import words_of
from semsearch.embedding import load_embedder
from semsearch.tuning.drawn import PILOT, DrawnLabels, Frame
from semsearch.tuning.guarantee import Guarantee, find_guarantee
from semsearch.tuning.pairs import PairSet, load_pairs, positives
from semsearch.tuning.sampling import DOUBT, labelling_order
from semsearch.tuning.scoring import score_pairs
from semsearch.tuning.split import split_pairs, text_ids
from semsearch.tuning.training import train_classifier
from semsearch.types import Draw

CONFIDENCE = 0.9
LABELS = (50, 100, 150)
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Found = dict[int, tuple[Guarantee | None, Guarantee | None]]


def odds(probability: Floats) -> Floats:
    """Return the log-odds of probabilities, as `label` bounds them."""
    likely = np.clip(probability, 0.002, 0.998)
    found: Floats = np.log(likely / (1 - likely))
    return found


def label(scores: Floats, guess: Floats, around: float, truth: Mask, target: float, seed: int) -> Found:
    """Label a corpus; return what 50, 100, ... labels guarantee: drawn ones, and ones by bands with weights."""
    rng = np.random.default_rng(seed)
    keys = rng.integers(2**64, size=len(scores), dtype=np.uint64)
    order, band, bands = labelling_order(keys, scores, float(np.floor(scores.min() * 20) / 20), around)
    frame, labels = Frame(scores, guess, DOUBT), DrawnLabels(target, CONFIDENCE)
    sizes = np.array([size for _, size in bands])
    found: Found = {}
    for number in range(max(LABELS)):
        draw = None
        if number < PILOT:
            at = int(order[number])
        else:
            cut, floor, free = labels.next_choice(frame)
            at = int(rng.choice(free))
            draw = Draw("score", float(scores[at]), cut, floor, 1 / len(free))
        labels.add(float(scores[at]), bool(truth[at]), draw)
        frame.label(at, bool(truth[at]))
        if (count := number + 1) in LABELS:
            drawn = order[:count]
            weights = (sizes / np.bincount(band[drawn], minlength=len(bands)).clip(1))[band[drawn]]
            before = find_guarantee(
                scores[drawn], truth[drawn], "precision", target, CONFIDENCE, weights=weights
            )
            found[count] = labels.guarantee(), before
    return found


class Judge:
    """Counts how often there is a guarantee, how often it is kept, and the recall."""

    def __init__(self) -> None:
        self.splits, self.made, self.kept, self.recall = 0, 0, 0, 0.0

    def add(self, found: Guarantee | None, scores: Floats, truth: Mask) -> None:
        flagged = scores >= found.threshold if found else np.zeros(len(scores), np.bool_)
        right = np.count_nonzero(flagged & truth)
        self.splits += 1
        self.made += found is not None
        self.kept += found is not None and right >= found.target * np.count_nonzero(flagged)
        self.recall += right / max(1, np.count_nonzero(truth))

    @property
    def broken(self) -> float:
        """The share of all splits, the silent ones too, with a guarantee that is not kept."""
        return (self.made - self.kept) / self.splits

    def figures(self) -> dict[str, float | None]:
        kept = self.kept / self.made if self.made else None
        return {"made": self.made / self.splits, "kept of made": kept, "recall": self.recall / self.splits}

    def row(self) -> tuple[str, str, str]:
        made, kept, recall = self.figures().values()
        return f"{made:.1%}", "-" if kept is None else f"{kept:.1%}", f"{recall:.3f}"


def planted(trust: float, seed: int) -> tuple[Floats, Floats, float, Mask]:
    """Return a corpus of 3,000 pairs, 400 or so of them duplicates; the log-odds are exaggerated 1 / `trust` times."""
    rng = np.random.default_rng(10_000 + seed)
    true = rng.normal(-4, 3.5, 3000)
    scores = 1 / (1 + np.exp(-(true / trust + rng.normal(0, 0.5, 3000))))
    return scores, odds(scores), 0.8, rng.random(3000) < 1 / (1 + np.exp(-true))


def classified(
    pairs: PairSet,
    scores: Floats,
    truth: Mask,
    known: Sequence[int],
    others: Sequence[int],
    aligner: Aligner | None,
) -> Floats:
    """Return the probabilities of the others by a classifier that is trained on the known ones."""
    made = train_classifier([pairs.pairs[at] for at in known], scores[known], truth[known], aligner)
    assert made is not None
    return made.probabilities(scores[others], *words_of([pairs.pairs[at] for at in others]), aligner)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--splits", type=int, default=200, metavar="N", help="random splits (default 200)")
    parser.add_argument(
        "--models", type=int, default=16, metavar="N", help="halves that train a classifier (default 16)"
    )
    parser.add_argument("--cache", type=Path, metavar="DIR", help="keep cosines and probabilities here")
    parser.add_argument(
        "--only", default="", metavar="NAME", help="the corpora whose name has this, or labelled, or halves"
    )
    options = parser.parse_args()
    report = Report("guarantee", options)
    sick = load_pairs(str(need(options.data / "sick" / "SICK.txt")))
    stsb = [
        load_pairs(str(need(options.data / "stsb" / f"stsb-en-{part}.csv"))) for part in ("train", "test")
    ]
    sts = PairSet("sts-b", stsb[0].pairs + stsb[1].pairs)

    def cached(name: str, make: Callable[[], Floats]) -> Floats:
        path = options.cache and options.cache / f"guarantee-{name}.npy"
        if path and path.exists():
            return np.asarray(np.load(path), np.float64)
        talk(name)
        values = make()
        if path:
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, values)
        return values

    cosines = {
        pairs.name: cached(
            f"cosines-{number}", lambda pairs=pairs: score_pairs(pairs, load_embedder()).scores
        )
        for number, pairs in enumerate((sick, sts))
    }
    if options.only not in ("labelled", "halves"):
        drawn(report, options, sick, sts, stsb[0], cosines, cached)
    if options.only in ("", "labelled", "halves"):
        models = halved(report, options.models, sick, cosines[sick.name], cached)
        if options.only != "halves":
            labelled(report, options.splits, sick, sts, cosines, models)
    report.close()


def drawn(
    report: Report,
    options: argparse.Namespace,
    sick: PairSet,
    sts: PairSet,
    train: PairSet,
    cosines: dict[str, Floats],
    cached: Callable[[str, Callable[[], Floats]], Floats],
) -> None:
    """Judge drawn labels on SICK TEST, STS-B's test part and planted corpora, whole and in random halves."""
    aligner = aligner_of(load_embedder())
    corpora: list[tuple[str, float, Callable[[int], tuple[Floats, Floats, float, Mask]]]] = []
    test = np.array([pair.split == "test" for pair in sick.pairs])
    first = np.arange(len(sts.pairs)) < len(train.pairs)
    for pairs, seen, rule in ((sick, ~test, "paraphrase"), (sts, first, "score>=4")):
        truth, cosine = positives(pairs.pairs, rule), cosines[pairs.name]
        known, others = np.flatnonzero(seen).tolist(), np.flatnonzero(~seen).tolist()
        chances = cached(
            f"chances-{rule}",
            lambda pairs=pairs, truth=truth, cosine=cosine, known=known, others=others: classified(
                pairs, cosine, truth, known, others, aligner
            ),
        )
        able, near = chances > 0, cosine[others] >= 0.6
        name = "SICK TEST" if pairs is sick else "STS-B test"
        for target in (0.9, 0.8):
            values = chances[able], odds(chances[able]), 0.8, truth[others][able]
            corpora.append((f"{name}, classifier", target, lambda _, values=values: values))
        values = cosine[others][near], (cosine[others][near] - 0.85) * 30, 0.85, truth[others][near]
        for target in (0.9, 0.7, 0.5):
            corpora.append((f"{name}, cosine", target, lambda _, values=values: values))
    for trust in (1.0, 0.5, 0.2):
        corpora.append((f"planted, log-odds exaggerated {1 / trust:g} times", 0.9, partial(planted, trust)))
    rows = []
    for name, target, corpus in corpora:
        if options.only not in f"{name}, {target}":
            continue
        talk(f"{name}, {target}")
        judges = {
            (count, way): Judge() for count in LABELS for way in ("drawn", "bands", "drawn, other half")
        }
        for seed in range(options.splits):
            scores, guess, around, truth = corpus(seed)
            for count, (ours, before) in label(scores, guess, around, truth, target, seed).items():
                judges[count, "drawn"].add(ours, scores, truth)
                judges[count, "bands"].add(before, scores, truth)
            half = np.random.default_rng(seed).permutation(len(scores))
            one, other = half[: len(half) // 2], half[len(half) // 2 :]
            for count, (ours, _) in label(scores[one], guess[one], around, truth[one], target, seed).items():
                judges[count, "drawn, other half"].add(ours, scores[other], truth[other])
        for (count, way), judge in judges.items():
            report.figures[f"{name}, {target}, {count} labels, {way}"] = judge.figures()
            if count == max(LABELS):
                rows.append((name, target, way, *judge.row()))
                if judge.made and way == "drawn":
                    report.bar(f"{name}, {target}: kept of made", judge.kept / judge.made, ">=", CONFIDENCE)
        if (name, target) == ("SICK TEST, classifier", 0.9):
            made = judges[max(LABELS), "drawn"].figures()["made"]
            report.bar(f"{name}, {target}: made with {max(LABELS)} labels", made or 0, ">=", 0.6)
    head = ("corpus and score", "promised precision", "labels", "guaranteed in", "kept of these", "recall")
    report.table(f"{options.splits} splits, {max(LABELS)} labels, {CONFIDENCE:.0%} confidence", head, rows)


def halved(
    report: Report,
    models: int,
    sick: PairSet,
    cosine: Floats,
    cached: Callable[[str, Callable[[], Floats]], Floats],
) -> list[tuple[Floats, NDArray[np.intp]]]:
    """Judge on TEST what halves of TRAIN and TRIAL guarantee.

    Return for each half its classifier's probabilities of all pairs, and the pairs that have not trained it.
    """
    truth, texts = positives(sick.pairs, "paraphrase"), text_ids(sick.pairs)
    test = np.array([pair.split == "test" for pair in sick.pairs])
    aligner = aligner_of(load_embedder())
    chosen, found, precisions, recalls = np.flatnonzero(~test), [], [], []
    for seed in range(models):
        parts = split_pairs(
            [sick.pairs[at] for at in chosen.tolist()], truth[chosen], ignore_marks=True, seed=seed
        )
        fit, cut = chosen[parts.choose].tolist(), chosen[parts.report]
        chances = cached(
            f"half-{seed}",
            lambda fit=fit: classified(sick, cosine, truth, fit, range(len(sick.pairs)), aligner),
        )
        made = find_guarantee(chances[cut], truth[cut], "precision", 0.95, CONFIDENCE, texts=texts[cut])
        flagged = test & (chances >= (made.threshold if made else np.inf))
        recalls.append(float(truth[flagged].sum() / truth[test].sum()))
        precisions.append(float(truth[flagged].mean()) if made else None)
        found.append((chances, np.setdiff1d(np.arange(len(truth)), fit)))
    head = ("half", "precision on TEST", "recall on TEST")
    rows = [
        (seed, "-" if precision is None else f"{precision:.3f}", f"{recall:.3f}")
        for seed, (precision, recall) in enumerate(zip(precisions, recalls, strict=True))
    ]
    mean = f"mean {np.mean(recalls):.3f}, from {min(recalls):.3f} to {max(recalls):.3f}"
    report.table("tune --pairs sick --min-precision 0.95, by halves", head, [*rows, ("", "", mean)])
    report.figures["halves"] = {"precision": precisions, "recall": recalls}
    return found


def labelled(
    report: Report,
    splits: int,
    sick: PairSet,
    sts: PairSet,
    cosines: dict[str, Floats],
    models: Sequence[tuple[Floats, NDArray[np.intp]]],
) -> None:
    """Judge on a whole population what labels that are drawn from it guarantee."""
    rows, names = [], {sick.name: "SICK", sts.name: "STS-B"}

    def judge(name: str, target: float, population: Callable[[int], tuple[Floats, Mask]]) -> None:
        judge = Judge()
        for seed in range(splits):
            scores, truth = population(seed)
            rng = np.random.default_rng(seed)
            labels = rng.integers(len(scores), size=len(scores) // 2)
            judge.add(
                find_guarantee(scores[labels], truth[labels], "precision", target, CONFIDENCE), scores, truth
            )
        report.figures[f"{name}, {target}"] = {**judge.figures(), "broken of all": judge.broken}
        rows.append((name, target, *judge.row(), f"{judge.broken:.1%}"))
        report.bar(f"{name}, {target}: broken of all", judge.broken, "<=", 1 - CONFIDENCE)
        if judge.made:
            report.bar(f"{name}, {target}: kept of made", judge.kept / judge.made, ">=", CONFIDENCE)

    for pairs, rule, targets in (
        (sick, "paraphrase", (0.95, 0.8)),
        (sick, "relatedness>=4", (0.95, 0.9)),
        (sick, "relatedness>=4.5", (0.8,)),
        (sts, "score>=4", (0.8, 0.7)),
    ):
        values = cosines[pairs.name], positives(pairs.pairs, rule)
        for target in targets:
            judge(f"{names[pairs.name]}, {rule}, cosine", target, lambda _, values=values: values)
    truth = positives(sick.pairs, "paraphrase")

    def classifier(seed: int) -> tuple[Floats, Mask]:
        chances, unseen = models[seed % len(models)]
        return chances[unseen], truth[unseen]

    for target in (0.95, 0.9, 0.8):
        judge("SICK, paraphrase, classifier", target, classifier)
    for trust in (1.0, 0.2):

        def made_up(seed: int, trust: float = trust) -> tuple[Floats, Mask]:
            scores, _, _, truth = planted(trust, seed)
            return scores, truth

        judge(f"planted, log-odds exaggerated {1 / trust:g} times", 0.9, made_up)
    head = (
        "corpus and score",
        "promised precision",
        "guaranteed in",
        "kept of these",
        "recall",
        "broken of all",
    )
    report.table(f"{splits} draws of half a population, {CONFIDENCE:.0%} confidence", head, rows)


if __name__ == "__main__":
    main()
