"""Measure `adapt`: the gain on SICK with the guard, settings that harm, and whether the way back is exact.

labels   1,000 pairs of SICK's train part: what `adapt` chooses and reports, seconds, and with --test the average
         precision on SICK's test part, which nothing was chosen on
harmful  tries with rates of 1e-3 and more, labels by chance, and labels that are turned round: how many are refused
structure  headings of the Rust book and of the PEPs: what `adapt` chooses and reports, and the mean reciprocal rank
         of questions on held-out documents before and after, by meaning and by meaning and words together
undo     an index of sentences that moves to an adapted model and back: whether all answers are the same
"""

import os
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import common
import numpy as np

SIZE, HARMFUL = 1_000, 400
SETS = ("Rust book", "PEPs")
QUESTIONS = (
    "a man is playing a guitar",
    "two dogs run on the beach",
    "a woman cuts onions",
    "nobody is outside",
)


def drawn(part: str, count: int, seed: int) -> Any:
    """Return pairs of a part of SICK at random, as a user's file would have them."""
    from semsearch.tuning.pairs import PairSet, load_pairs

    pairs = [replace(pair, split="") for pair in load_pairs("sick").pairs if pair.split == part]
    order = np.random.default_rng(seed).permutation(len(pairs))[:count]
    return PairSet("sick", tuple(pairs[at] for at in order))


def of_test(embedder: Any) -> float:
    """Return the average precision of paraphrases in SICK's test part."""
    from semsearch.tuning.metrics import average_precision, precision_recall_curve
    from semsearch.tuning.scoring import score_pairs

    pairs = drawn("test", 10**6, 0)
    scores = score_pairs(pairs, embedder).scores
    return average_precision(precision_recall_curve(scores, [bool(pair.duplicate) for pair in pairs.pairs]))


def labels(report: common.Report, options: Any) -> dict[str, Any]:
    """Adapt the default model to labels."""
    from semsearch.embedding import load_embedder
    from semsearch.embedding.adapter import save_adapter
    from semsearch.tuning.adapt import adapt

    embedder = load_embedder()
    wall, cpu = time.perf_counter(), time.process_time()
    found, factors = adapt(drawn("train", options.size, options.seed), embedder, rule="paraphrase")
    result = asdict(found) | {
        "seconds": round(time.perf_counter() - wall, 1),
        "cpu_seconds": round(time.process_time() - cpu, 1),
    }
    report.table(
        f"{found.reason or 'adopted'}: rate {found.rate:g}, epochs {found.epochs}, strength {found.strength:g};"
        f" {result['seconds']} s, {result['cpu_seconds']} s of processor time",
        ("pairs", "measure", "pairs", "before", "after", "gain", "95% interval"),
        [
            (
                one.name,
                one.measure,
                one.pairs,
                f"{one.before.value:.4f}",
                f"{one.after.value:.4f}",
                f"{one.gain.value:+.4f}",
                f"{one.gain.low:+.4f} to {one.gain.high:+.4f}",
            )
            for one in (found.held_out, *found.guards)
        ],
    )
    if options.size == SIZE:
        report.bar("seconds for 1,000 pairs", result["seconds"], "<=", 120)
    if options.test:
        with tempfile.TemporaryDirectory() as folder:
            saved = save_adapter(Path(folder) / "adapter.safetensors", factors)
            before, after = of_test(embedder), of_test(load_embedder(adapter=saved))
        result["test"] = [before, after]
        print(f"SICK's test part, average precision: {before:.4f} -> {after:.4f}")
        report.bar("gain on SICK's test part", after - before, ">=", 0.03)
    return result


def harmful(report: common.Report, options: Any) -> dict[str, Any]:
    """Count the harmful tries that are refused."""
    from semsearch.embedding import load_embedder
    from semsearch.errors import ModelError
    from semsearch.tuning.adapt import adapt

    embedder = load_embedder()
    refused = []
    first, _, last = options.tries.partition(":")
    for seed in range(int(first), int(last)):
        pairs = drawn("train", HARMFUL, seed)
        random = np.random.default_rng(seed)
        truth = np.array([bool(pair.duplicate) for pair in pairs.pairs])
        kind = ("rate", "chance", "turned")[seed % 3]
        given = {"rate": truth, "chance": random.permutation(truth), "turned": ~truth}[kind]
        rates = [float(10 ** random.uniform(-2.5, -1))] if kind == "rate" else [3e-4]
        judged = replace(
            pairs,
            pairs=tuple(
                replace(pair, duplicate=bool(label)) for pair, label in zip(pairs.pairs, given, strict=True)
            ),
        )
        try:
            found, _ = adapt(judged, embedder, rule="paraphrase", seed=seed, rates=rates, epochs=2)
            reason = found.reason
        except ModelError as error:  # the rate has ruined the model
            reason = str(error)
        refused.append(bool(reason))
        print(f"{seed:3} {kind:7} {rates[0]:.2g}  {reason or 'ADOPTED'}", flush=True)
    report.bar("share of harmful tries refused", sum(refused) / len(refused), "==", 1)
    return {"tries": len(refused), "refused": sum(refused)}


def structure(report: common.Report, options: Any) -> dict[str, Any]:
    """Adapt to the headings of the Rust book and of PEPs, and ask questions before and after, adopted or not."""
    from long_texts import collections, gain, opened

    from semsearch.evaluation.retrieval import reciprocal_rank
    from semsearch.storage.change_model import adopt
    from semsearch.tuning.adapt import adapt
    from semsearch.tuning.structure import read_sections

    def ranks(index: Any, judged: Any, mode: Any) -> np.ndarray:
        found = index.query_many(
            list(judged), k=10, mode=mode, collapse=False, per_document=1, literal=True, highlight=False
        )
        documents = ([hit.document for hit in hits] for hits in found)
        return np.array([reciprocal_rank(*one) for one in zip(documents, judged.values(), strict=True)])

    figures: dict[str, Any] = {}
    for name in options.sets:
        with tempfile.TemporaryDirectory() as made:
            cache, folder = (options.cache or Path(made)).absolute(), Path(made) / "index"
            one = collections(options.data, cache)[name]
            with opened(cache / one.folder, one) as index:
                shutil.copytree(index.folder, folder)
            with opened(folder, one) as index:
                ((_, judged),) = one.judged(index).items()
                before = {mode: ranks(index, judged, mode) for mode in ("dense", "hybrid")}
                cpu = time.process_time()
                sections = read_sections(
                    index._library, index.embedder, index._default_threshold(), seed=options.seed
                )
                found, factors = adapt(sections, index.embedder, seed=options.seed)
                seconds = time.process_time() - cpu
                with index._changing_model():
                    adopt(index.folder, index._library, factors, partial(index._load, index._settings))
                after = {mode: ranks(index, judged, mode) for mode in before}
        gains = {mode: gain(before[mode], after[mode]) for mode in before}
        figures[name] = asdict(found) | {"cpu_seconds": round(seconds, 1), "questions": gains}
        rows = [
            (
                f"{each.name}: {each.measure}",
                each.pairs,
                f"{each.before.value:.4f}",
                f"{each.after.value:.4f}",
                f"{each.gain.value:+.4f}",
                f"{each.gain.low:+.4f} to {each.gain.high:+.4f}",
            )
            for each in (found.held_out, *found.guards)
        ]
        rows += [
            (
                f"questions, {mode}: MRR@10",
                len(judged),
                f"{before[mode].mean():.4f}",
                f"{after[mode].mean():.4f}",
                f"{each['value']:+.4f}",
                f"{each['low']:+.4f} to {each['high']:+.4f}",
            )
            for mode, each in gains.items()
        ]
        report.table(
            f"{name}, {found.reason or 'adopted'}: trained on {found.trained_on} headings, rate {found.rate:g},"
            f" epochs {found.epochs}, strength {found.strength:g}; {seconds:.0f} s of processor time",
            ("", "number", "before", "after", "gain", "95% interval"),
            rows,
        )
        if found.adopted:
            report.bar(f"{name}: gain of questions by meaning", gains["dense"]["value"], ">=", 0)
    return figures


def undo(report: common.Report, options: Any) -> dict[str, Any]:
    """Move an index to a model that was trained for a moment, whether or not it is better, and back."""
    from semsearch import Index
    from semsearch.storage.change_model import adopt
    from semsearch.tuning.adapt import files_of
    from semsearch.tuning.adapt_tasks import examples_of
    from semsearch.tuning.lora import Trainer

    pairs = drawn("train", 64, options.seed).pairs
    texts = list(dict.fromkeys(pair.text_a for pair in drawn("train", options.size, 1).pairs))

    def answers(index: Index) -> str:
        found = index.query_many(QUESTIONS, k=20)
        duplicates = index.duplicates(threshold=0.8)
        return repr([list(hits) for hits in found]) + repr(duplicates.groups)

    with tempfile.TemporaryDirectory() as folder, Index.create(Path(folder) / "index") as index:
        index.add(texts)
        before, settings = answers(index), index._settings
        examples = examples_of(pairs, np.array([bool(pair.duplicate) for pair in pairs]))
        factors = Trainer(files_of(index.embedder)).train(examples, 1e-3, 1)
        with index._changing_model():
            adopt(index.folder, index._library, factors, lambda adapter: index._load(settings, adapter))
        moved = answers(index)
        index.undo_adapt()
        after = answers(index)
        sound = index.check().sound
    print(f"{len(texts):,} texts; the move changes the answers: {moved != before}")
    report.bar("same answers after undo", after == before, "==", 1)
    return {
        "texts": len(texts),
        "changed": moved != before,
        "same_after_undo": after == before,
        "sound": sound,
    }


PARTS: dict[str, Callable[[common.Report, Any], dict[str, Any]]] = {
    "labels": labels,
    "structure": structure,
    "harmful": harmful,
    "undo": undo,
}


def main() -> None:
    parser = common.arguments(__doc__)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART")
    parser.add_argument("--size", type=int, default=SIZE, help="pairs of `labels`, texts of `undo`")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--tries", default="0:20", metavar="FIRST:LAST", help="seeds of `harmful` (default 0:20)"
    )
    parser.add_argument("--sets", nargs="+", choices=SETS, default=SETS, help="the sets of `structure`")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="keep the indexes of `structure` here")
    parser.add_argument("--test", action="store_true", help="also judge on SICK's test part")
    options = parser.parse_args()
    os.environ["SEMSEARCH_DATA"] = str(common.need(options.data))
    report = common.Report("adapt", options)
    for part in options.only:
        report.figures[part] = PARTS[part](report, options)
    report.close()


if __name__ == "__main__":
    main()
