"""The share of guarantees that hold: SICK split at random, tuned on one part, checked on the other.

Each split draws pairs, seeks a threshold with a guaranteed precision, and counts the precision on all other pairs. A
guarantee holds if the precision is reached, or if none was given. The classifier is trained on half of the drawn
pairs, as in `tune`, once for each of the --models splits. Each split seeks its guarantee on pairs outside the
training half.
"""

from collections.abc import Callable

import numpy as np
from common import Report, arguments, need, talk

from semsearch.dedup.classifier import words_of
from semsearch.embedding import load_embedder
from semsearch.text import clean
from semsearch.tuning.guarantee import find_guarantee
from semsearch.tuning.pairs import load_pairs, positives
from semsearch.tuning.scoring import score_pairs
from semsearch.tuning.training import train_classifier

CONFIDENCE = 0.9


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--splits", type=int, default=200, metavar="N", help="random splits (default 200)")
    parser.add_argument("--models", type=int, default=10, metavar="N", help="verifiers trained (default 10)")
    options = parser.parse_args()
    sick = load_pairs(str(need(options.data / "sick" / "SICK.txt")))
    report = Report("guarantee", options)
    talk("embed SICK")
    scores = score_pairs(sick, load_embedder()).scores
    numbers: dict[str, int] = {}
    texts = np.array(
        [[numbers.setdefault(clean(t), len(numbers)) for t in (p.text_a, p.text_b)] for p in sick.pairs]
    )
    words = words_of(sick.pairs)
    rows = []

    def judge(
        name: str, rule: str, least: float, sample: Callable[[int], tuple[np.ndarray, np.ndarray, np.ndarray]]
    ) -> None:
        """Seek a guarantee on each sample and check it on the rest."""
        truth = positives(sick.pairs, rule)
        made, kept, recall = 0, 0, []
        for seed in range(options.splits):
            values, ours, rest = sample(seed)
            found = find_guarantee(
                values[ours], truth[ours], "precision", least, CONFIDENCE, texts=texts[ours]
            )
            flagged = values[rest] >= found.threshold if found else np.zeros(len(rest), np.bool_)
            right = np.count_nonzero(flagged & truth[rest])
            made += found is not None
            kept += found is None or right >= least * np.count_nonzero(flagged)
            recall.append(right / np.count_nonzero(truth[rest]))
        figures = {"promised": made, "kept": kept / options.splits, "recall": float(np.mean(recall))}
        figures["kept of promised"] = 1 - (options.splits - kept) / made if made else None
        report.figures[f"{name}, {rule}, {least}"] = figures
        rows.append(
            (
                name,
                rule,
                least,
                f"{made} of {options.splits}",
                f"{figures['kept']:.1%}",
                f"{figures['recall']:.3f}",
            )
        )
        report.bar(f"{name}, {rule}, {least}: kept", figures["kept"], ">=", CONFIDENCE)

    def cosine(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        order = np.random.default_rng(seed).permutation(len(scores))
        return scores, order[: len(order) // 2], order[len(order) // 2 :]

    for rule, least in (
        ("paraphrase", 0.95),
        ("paraphrase", 0.8),
        ("relatedness>=4", 0.95),
        ("relatedness>=4.5", 0.8),
    ):
        talk(f"cosine: {rule}, {least}")
        judge("cosine", rule, least, cosine)
    for rule in ("paraphrase", "relatedness>=4"):
        truth, models = positives(sick.pairs, rule), []
        for seed in range(options.models):
            talk(f"verifier {seed + 1} of {options.models}: {rule}")
            order = np.random.default_rng(seed).permutation(len(scores))
            fit = order[: len(order) // 4]
            verifier = train_classifier([sick.pairs[at] for at in fit.tolist()], scores[fit], truth[fit])
            assert verifier is not None
            models.append((order[len(order) // 4 :], verifier.probabilities(scores, *words)))

        def verified(
            seed: int, models: list[tuple[np.ndarray, np.ndarray]] = models
        ) -> tuple[np.ndarray, ...]:
            rest, chances = models[seed % len(models)]
            order = np.random.default_rng(seed).permutation(rest)
            return chances, order[: len(scores) // 4], order[len(scores) // 4 :]

        judge("verifier", rule, 0.95, verified)
    head = (
        "by",
        "a duplicate is",
        "promised precision",
        "splits with a promise",
        "kept",
        "recall on the rest",
    )
    report.table(
        f"{options.splits} random splits of SICK, promises with {CONFIDENCE:.0%} confidence", head, rows
    )
    report.close()


if __name__ == "__main__":
    main()
