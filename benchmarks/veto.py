"""Measure what the vetoes on facts do to labelled pairs: precision and recall at some thresholds, before and after.

.venv/bin/python benchmarks/veto.py sick --threshold 0.85 --threshold 0.9
"""

import argparse
from collections import Counter

import numpy as np

from semsearch.dedup.veto import RULES, Veto
from semsearch.embedding import load_embedder
from semsearch.tuning.pairs import load_pairs, positives
from semsearch.tuning.scoring import score_pairs


def main() -> None:
    """Print a line for each threshold, and below it the pairs that each rule takes away."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pairs", help="sick, sts-b:test, or a file of labelled pairs")
    parser.add_argument("--threshold", type=float, action="append")
    arguments = parser.parse_args()
    found = load_pairs(arguments.pairs)
    positive = positives(found.pairs, found.default_rule)
    cosine = score_pairs(found, load_embedder(), recompute=True).scores
    texts = [text for pair in found.pairs for text in (pair.text_a, pair.text_b)]
    left = np.arange(0, len(texts), 2)
    codes = Veto(lambda numbers: [texts[number] for number in numbers], len(texts)).codes(left, left + 1)
    for threshold in arguments.threshold or [0.85]:
        above = cosine >= threshold
        for name, flagged in (("all", above), ("with vetoes", above & (codes == 0))):
            print(
                f"{threshold:g} {name:12} pairs {flagged.sum():5} precision {positive[flagged].mean():.3f}"
                f" recall {positive[flagged].sum() / positive.sum():.3f}"
            )
        for code, count in sorted(Counter(codes[above & (codes > 0)].tolist()).items()):
            lost = int(positive[above & (codes == code)].sum())
            print(f"    {RULES[code]}: {count} pairs, of which {lost} are duplicates")


if __name__ == "__main__":
    main()
