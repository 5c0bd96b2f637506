"""The value of 100 labels on text of another kind than SICK: STS-B, with a grade of 4 of 5 or more as a duplicate.

The frame is the pairs of the training part with a cosine of at least 0.6. The script draws labels from it many times,
as `semsearch label` does, and runs `tune` on each draw. The test part judges the thresholds by their F1, SICK's
threshold among them. The reported precision, with its 95% interval, is compared with the precision on the whole
frame, which is known here. The same holds for the guarantees from all labels. (`tune` reports on half of them and
guarantees on the other.)
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
from claims import FILES, Vectors, light, sides
from common import Report, arguments, need, talk
from numpy.typing import NDArray

from semsearch.errors import InvalidInput
from semsearch.tuning.guarantee import find_guarantee
from semsearch.tuning.pairs import PairSet, load_pairs, positives
from semsearch.tuning.sampling import labelling_order
from semsearch.tuning.threshold import threshold_metrics, tune_threshold

RULE = "score>=4"
AROUND = 0.85
PROMISES = (0.5, 0.6, 0.7, 0.8)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--cache", type=Path, metavar="DIR", help="keep the vectors here for another run")
    parser.add_argument("--seeds", type=int, default=200, metavar="N", help="draws of labels (default 200)")
    parser.add_argument(
        "--labels", type=int, default=100, metavar="N", help="labels of each draw (default 100)"
    )
    parser.add_argument(
        "--every", type=int, default=1, metavar="N", help="use every Nth pair of the training part only"
    )
    parser.add_argument(
        "--lowest", type=float, default=0.6, metavar="T", help="the frame's lowest cosine (default 0.6)"
    )
    options = parser.parse_args()
    report = Report("labels", options)
    vectors = Vectors(options.cache and options.cache / "claims.npz")
    sets, cosines = {}, {}
    for name in ("sts-b:train", "sts-b", "sick"):
        step = options.every if name == "sts-b:train" else 1
        sets[name] = PairSet(name, load_pairs(str(need(options.data / FILES[name]))).pairs[::step])
        cosines[name] = vectors.cosines(sides(sets[name], light))

    sick = tune_threshold(sets["sick"].pairs, cosines["sick"], "paraphrase").threshold
    inside = np.flatnonzero(cosines["sts-b:train"] >= options.lowest)
    frame = [sets["sts-b:train"].pairs[at] for at in inside.tolist()]
    scores, truth = cosines["sts-b:train"][inside], positives(frame, RULE)
    test = cosines["sts-b"], positives(sets["sts-b"].pairs, RULE)

    def f1(threshold: float) -> float:
        quality = threshold_metrics(*test, threshold)
        return quality.f1.value if quality.f1 else 0.0

    def precision(threshold: float, at: tuple[NDArray[np.float64], NDArray[np.bool_]]) -> float:
        return float(at[1][at[0] >= threshold].mean())

    best = max(f1(threshold) for threshold in np.unique(test[0]).tolist())
    found, covered, above_frame, above_test, refused = [], 0, 0, 0, 0
    made = {least: [0, 0, 0] for least in PROMISES}
    for seed in range(options.seeds):
        if seed % 50 == 0:
            talk(f"draw {seed:,} of {options.seeds:,}")
        keys = np.random.default_rng(seed).integers(2**64, size=len(frame), dtype=np.uint64)
        order, band, bands = labelling_order(keys, scores, options.lowest, AROUND)
        drawn = order[: options.labels]
        sizes = np.array([size for _, size in bands])
        weights = (sizes / np.bincount(band[drawn], minlength=len(bands)).clip(1))[band[drawn]]
        labelled = [
            replace(frame[at], weight=weight)
            for at, weight in zip(drawn.tolist(), weights.tolist(), strict=True)
        ]
        try:
            tuning = tune_threshold(labelled, scores[drawn], RULE, seed=seed)
        except InvalidInput:
            refused += 1
            continue
        found.append(f1(tuning.threshold))
        if (said := tuning.reported.precision) is not None:
            true = precision(tuning.threshold, (scores, truth))
            covered += said.low <= true <= said.high
            above_frame += said.low > true
            above_test += said.low > precision(tuning.threshold, test)
        for least in PROMISES:
            held = find_guarantee(scores[drawn], truth[drawn], "precision", least, weights=weights)
            if held is not None:
                made[least][0] += 1
                made[least][1] += precision(held.threshold, (scores, truth)) >= least
                made[least][2] += precision(held.threshold, test) >= least

    n = len(found)
    figures = report.figures = {
        "SICK's threshold": sick,
        "F1 with SICK's": f1(sick),
        "F1 with 0.85": f1(0.85),
        "F1 tuned": float(np.mean(found)),
        "F1 tuned, worst tenth": float(np.quantile(found, 0.1)),
        "F1 of the best threshold": best,
        "share better than SICK's": float(np.mean(np.array(found) > f1(sick))),
        "intervals that hold the frame's precision": covered / n,
        "reports above the frame's precision": above_frame / n,
        "reports above the test part's precision": above_test / n,
        "refused": refused,
        "promises": {
            str(least): {
                "made": count / n,
                "held on the frame": frame_ / max(1, count),
                "on test": test_ / max(1, count),
            }
            for least, (count, frame_, test_) in made.items()
        },
    }
    rows = [(name, f"{value:.3f}") for name, value in figures.items() if isinstance(value, float)]
    report.table(f"{n:,} draws of {options.labels:,} labels of {len(frame):,} pairs", ("", ""), rows)
    report.table(
        "precision promised with 90% confidence",
        ("at least", "made in", "held on the frame", "on the test part"),
        [
            (f"{least:g}", f"{count / n:.1%}", *(f"{held / count:.1%}" if count else "-" for held in rest))
            for least, (count, *rest) in made.items()
        ],
    )
    report.bar(
        "F1 tuned on 100 labels, less F1 with SICK's threshold",
        figures["F1 tuned"] - figures["F1 with SICK's"],
        ">=",
        0,
    )
    report.bar(
        "reports of a precision above the true one",
        figures["reports above the frame's precision"],
        "<=",
        0.05,
    )
    for least, (count, held, _) in made.items():
        if count:
            report.bar(f"promises of {least:g} that hold", held / count, ">=", 0.9)
    report.close()


if __name__ == "__main__":
    main()
