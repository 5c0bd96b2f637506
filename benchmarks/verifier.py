"""The pair classifier on SICK, trained on TRAIN and TRIAL and judged on TEST, next to cosine and to the rules alone.

Then on other text: trained on SICK, and on labels of STS-B's training part, both judged on STS-B's test part.

The figures are average precision and recall at 95% precision, for paraphrases (both directions entail) and for a
relatedness of 4.5 and more. On STS-B a duplicate has a grade of 4 or better, and where no classifier is kept the cosine
decides. For the rules alone: the share of contradictions with a cosine of at least 0.85 that they
reject, and the paraphrases that they lose.

The time is processor time, with that by the clock next to it, for the --candidates most similar pairs among real
sentences. Those below the classifier's floor cost less, so they run as if above it. `dedup` decides from the
probability on that was tuned, and reads nothing for a pair that cannot reach it. The time is compared with the time to
embed the texts of these pairs, by a sample of them: they are shorter than the others.
"""

import argparse
import gzip
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from common import Report, arguments, need, talk

from semsearch.dedup import join
from semsearch.dedup.alignment import Aligner, aligner_of
from semsearch.dedup.classifier import PairClassifier, words_of
from semsearch.dedup.features import TextWords
from semsearch.embedding import Embedder, load_embedder
from semsearch.evaluation.pairs import recall_at
from semsearch.text.facts import Facts, differences
from semsearch.tuning.cross_encoder import CrossEncoderTrainer
from semsearch.tuning.metrics import average_precision
from semsearch.tuning.pairs import load_pairs, positives
from semsearch.tuning.scoring import score_pairs
from semsearch.tuning.threshold import precision_recall_curve
from semsearch.tuning.training import NotBetter, train_classifier
from semsearch.types import LabelledPair

RULES = {"paraphrase": (0.90, 0.66), "relatedness>=4.5": (0.88, None)}
WITH_CROSS_ENCODER = {"paraphrase": (0.92, 0.72)}
DRAWS = (100, 200, 400, 1000, 2000)
LEAST = (0.86, 0.7, 0.5, 0.0)
"""Probabilities from which on a pair is a duplicate; with 0 the probability of each pair is computed. `tune` takes 0.86
for a precision of 0.95 on SICK."""
EMBEDDED = 3_000


def ranked(scores: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """Return average precision (a step for each distinct score) and the best recall at a precision of at least 0.95."""
    curve = precision_recall_curve(scores, truth)
    return average_precision(curve), recall_at(curve, 0.95)


def trained(
    pairs: Sequence[LabelledPair], cosines: np.ndarray, truth: np.ndarray, aligner: Aligner | None
) -> PairClassifier | None:
    """Return the classifier that `tune` would keep, or None."""
    try:
        return train_classifier(pairs, cosines, truth, aligner)
    except NotBetter:
        return None


def transfer(
    report: Report,
    data: Path,
    verifier: PairClassifier,
    embedder: Embedder,
    aligner: Aligner | None,
    draws: int,
) -> None:
    """Judge on STS-B's test part what was trained on SICK, and what is trained on draws of its training part."""
    folder = data / "stsb"
    train, test = (load_pairs(str(need(folder / f"stsb-en-{part}.csv"))) for part in ("train", "test"))
    known, cosines = (score_pairs(one, embedder).scores for one in (train, test))
    labels, truth = (positives(one.pairs, "score>=4") for one in (train, test))
    words = words_of(test.pairs)
    plain = ranked(cosines, truth)[0]
    other = ranked(verifier.probabilities(cosines, *words, aligner), truth)[0]
    rows = [("SICK", "", f"{plain:.3f}", f"{other:.3f}", f"{other - plain:+.4f}", "")]
    report.bar("STS-B, trained on SICK: gain over the cosine", other - plain, ">=", 0)
    gains = []
    for size in DRAWS:
        found, kept = [], 0
        for seed in range(max(1, draws // len(DRAWS))):
            drawn = np.random.default_rng((size, seed)).choice(len(train.pairs), size, replace=False)
            made = trained([train.pairs[at] for at in drawn.tolist()], known[drawn], labels[drawn], aligner)
            kept += made is not None
            scores = cosines if made is None else made.probabilities(cosines, *words, aligner)
            found.append(ranked(scores, truth)[0] - plain)
        gains += found
        mean, least = float(np.mean(found)), float(np.min(found))
        rows.append(
            (
                f"{size:,} labels",
                f"{kept} of {len(found)}",
                f"{plain:.3f}",
                f"{plain + mean:.3f}",
                f"{mean:+.4f}",
                f"{least:+.4f}",
            )
        )
        if size == 400:
            report.bar("STS-B, 400 labels: mean gain over the cosine", mean, ">=", 0.02)
    head = ("trained on", "kept", "cosine", "with the classifier", "gain", "least gain")
    report.table("STS-B test, average precision", head, rows)
    report.bar("STS-B, least gain of all draws", min(gains), ">=", -0.003)
    report.figures["transfer"] = {"cosine": plain, "sick": other, "gains": gains}


def time_deciding(
    report: Report, options: argparse.Namespace, verifier: PairClassifier, embedder: Embedder
) -> None:
    """Report the time to decide on candidates among real sentences, as a share of that to embed their texts."""
    path = need(options.data / "sentences" / "sentences-400k.txt.gz")
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        texts = list(
            dict.fromkeys(line.strip() for _, line in zip(range(options.sentences), lines, strict=False))
        )
    kept = options.cache and options.cache / f"verifier-{options.sentences}.npy"
    if kept and kept.exists():
        vectors = np.load(kept)
    else:
        talk(f"embed {len(texts):,} sentences")
        vectors = embedder.embed(texts)
        if kept:
            kept.parent.mkdir(parents=True, exist_ok=True)
            np.save(kept, vectors)
    found = join(vectors, verifier.floor)
    if len(found) < options.candidates:
        found = join(vectors, verifier.floor - 0.15)
    found = found[np.argsort(-found.similarity, kind="stable")[: options.candidates]]
    above = int(np.count_nonzero(found.similarity >= verifier.floor))
    cosines = np.maximum(found.similarity, verifier.floor)
    used = np.unique(np.concatenate([found.left, found.right]))
    sample = np.random.default_rng(0).permutation(used)[:EMBEDDED].tolist()
    times, rows = {}, []

    def timed(run: Callable[[], object]) -> tuple[float, float]:
        started = time.process_time(), time.perf_counter()
        run()
        return time.process_time() - started[0], time.perf_counter() - started[1]

    def decide(least: float) -> None:
        words = {at: TextWords(texts[at]) for at in used.tolist()}
        sides = ([words[at] for at in side.tolist()] for side in (found.left, found.right))
        verifier.probabilities(cosines, *sides, aligner_of(embedder), at_least=least)

    decide(1.0)  # what is loaded once
    embedding = [
        part * len(used) / len(sample) for part in timed(lambda: embedder.embed([texts[at] for at in sample]))
    ]
    for least in LEAST:
        talk(f"decide on {len(found):,} pairs, from {least:g} on")
        times[least] = timed(lambda least=least: decide(least))
        shares = [one / whole for one, whole in zip(times[least], embedding, strict=True)]
        rows.append(
            (f"{least:g}", *(f"{one:.1f} s" for one in times[least]), *(f"{share:.1%}" for share in shares))
        )
    report.table(
        f"{len(found):,} candidates, {above:,} of them above the floor, of {len(used):,} real sentences, embedded in"
        f" {embedding[0]:.1f} s of processor time and {embedding[1]:.1f} s by the clock",
        ("a duplicate from", "processor time", "by the clock", "share of embedding", "the same by the clock"),
        rows,
    )
    report.figures["time"] = {"pairs": len(found), "above the floor": above, "texts": len(used)}
    report.figures["time"] |= {"embed": embedding, "decide": times}
    for least in LEAST[:-1]:
        share = times[least][0] / embedding[0]
        report.bar(f"deciding from {least:g} on, share of embedding", share, "<=", 0.15)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--draws", type=int, default=20, metavar="N", help="draws of labels of STS-B")
    parser.add_argument("--sentences", type=int, default=60_000, metavar="N", help="real sentences to embed")
    parser.add_argument(
        "--candidates", type=int, default=100_000, metavar="N", help="pairs of them to verify"
    )
    parser.add_argument("--cross-encoder", action="store_true", help="train one too, for paraphrases only")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="keep the vectors of real sentences here")
    parser.add_argument("--only", choices=["time", "transfer"], help="measure the time alone, or other text")
    options = parser.parse_args()
    sick = load_pairs(str(need(options.data / "sick" / "SICK.txt")))
    report = Report("verifier", options)
    embedder = load_embedder()
    aligner = aligner_of(embedder)
    talk("embed SICK")
    scores = score_pairs(sick, embedder).scores
    test = np.array([pair.split == "test" for pair in sick.pairs])
    known, unseen = (np.flatnonzero(part).tolist() for part in (~test, test))
    words = words_of([sick.pairs[at] for at in unseen])

    if options.only:
        talk("train")
        truth = positives(sick.pairs, "paraphrase")[known]
        made = trained([sick.pairs[at] for at in known], scores[known], truth, aligner)
        assert made is not None
        if options.only == "time":
            time_deciding(report, options, made, embedder)
        else:
            transfer(report, options.data, made, embedder, aligner, options.draws)
        report.close()
        return
    rows, verifier = [], None
    for rule, (least_average, least_recall) in (
        WITH_CROSS_ENCODER if options.cross_encoder else RULES
    ).items():
        talk(f"train: {rule}")
        truth = positives(sick.pairs, rule)
        trainer = CrossEncoderTrainer(embedder) if options.cross_encoder else None
        made = train_classifier(
            [sick.pairs[at] for at in known], scores[known], truth[known], aligner, trainer
        )
        assert made is not None
        verifier = verifier or made
        chances = made.probabilities(scores[unseen], *words, aligner)
        plain, ours = ranked(scores[unseen], truth[unseen]), ranked(chances, truth[unseen])
        brier = float(np.mean((chances - truth[unseen]) ** 2))
        rows += [(rule, "cosine", *(f"{value:.3f}" for value in plain), "")]
        rows += [("", "verifier", *(f"{value:.3f}" for value in ours), f"{brier:.3f}")]
        report.figures[rule] = {"cosine": plain, "verifier": ours, "brier": brier}
        if trainer is not None:
            report.figures[rule] |= {"held out": trainer.compared, "kept": made.together is not None}
        report.bar(f"{rule}: average precision", ours[0], ">=", least_average)
        if least_recall:
            report.bar(f"{rule}: recall at 95% precision", ours[1], ">=", least_recall)
    head = ("SICK TEST, a duplicate is", "by", "average precision", "recall at 95% precision", "Brier score")
    report.table("trained on TRAIN and TRIAL", head, rows)
    assert verifier is not None

    talk("other text")
    transfer(report, options.data, verifier, embedder, aligner, options.draws)

    said = [bool(list(differences(Facts(a.text), Facts(b.text)))) for a, b in zip(*words, strict=True)]
    kind = np.array([sick.pairs[at].kind for at in unseen])
    contradict = (kind == "CONTRADICTION") & (scores[unseen] >= 0.85)
    paraphrase = positives(sick.pairs, "paraphrase")[unseen]
    down, lost = np.count_nonzero(contradict & said), np.count_nonzero(paraphrase & said)
    report.table(
        "the rules alone, on SICK TEST",
        ("pairs", "rejected", "of"),
        [("contradictions, cosine >= 0.85", down, contradict.sum()), ("paraphrases", lost, paraphrase.sum())],
    )
    report.figures["rules"] = {
        "rejected": [int(down), int(contradict.sum())],
        "lost": [int(lost), int(paraphrase.sum())],
    }
    report.bar("contradictions rejected by the rules", down / contradict.sum(), ">=", 0.85)
    report.bar("paraphrases lost to rules", lost / paraphrase.sum(), "<=", 0.02)

    time_deciding(report, options, verifier, embedder)
    report.close()


if __name__ == "__main__":
    main()
