"""`semsearch tune`: choose a threshold on labelled pairs and show how good it is."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from semsearch import serialize
from semsearch.cli import options, pair_options, render
from semsearch.cli.language import tr, translated
from semsearch.cli.values import Share
from semsearch.cli.wide import padded

if TYPE_CHECKING:
    from semsearch.tuning.metrics import Estimate, ThresholdMetrics
    from semsearch.tuning.pairs import PairSet
    from semsearch.tuning.threshold import TuningResult

_SHARE = Share(open="both")


@options.command(
    "tune",
    short_help="Choose the threshold of `dedup` on labelled pairs.",
    examples=(
        "semsearch tune --pairs sample",
        "semsearch tune --pairs sick --min-precision 0.95",
        "semsearch tune --pairs labels.csv --text-a left --text-b right --label same",
    ),
    codes=(0, 1, 2, 3, 11, 12, 13),
    groups={
        "Pairs": ("spec", "download", "text_a", "text_b", "label", "score", "table"),
        "What to choose": ("rule", "min_precision", "min_recall", "confidence", "cross_encoder"),
    },
    settings=("wait", "threads"),
)
@pair_options.pairs("FILE|NAME")
@options.index
@click.option(
    "--positive",
    "rule",
    metavar="RULE",
    help="Duplicates: paraphrase (the label), or 'score>=4'.",
)
@click.option(
    "--min-precision",
    type=_SHARE,
    metavar="SHARE",
    help="Guarantee this precision, such as 0.95.",
)
@click.option(
    "--min-recall",
    type=_SHARE,
    metavar="SHARE",
    help="Guarantee this recall.",
)
@click.option(
    "--confidence",
    type=_SHARE,
    default=0.9,
    show_default=True,
    metavar="SHARE",
    help="Confidence of a guarantee.",
)
@click.option(
    "--cross-encoder",
    is_flag=True,
    help="Train a cross-encoder too, in minutes.",
)
@click.option(
    "--plot",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Save the curve as .png or .svg.",
)
@click.option(
    "--seed",
    default=0,
    show_default=True,
    help="Seed of a random split.",
)
@options.as_json
def tune_(
    load: "Callable[[], PairSet]",
    folder: Path | None,
    rule: str | None,
    min_precision: float | None,
    min_recall: float | None,
    confidence: float,
    cross_encoder: bool,
    plot: Path | None,
    seed: int,
    wait: float,
    as_json: bool,
) -> None:
    """Choose the threshold of `dedup` on labelled pairs, and measure it on held-out pairs.

    FILE is CSV, TSV or JSONL with two texts and a label or a score. NAME is labels (those of `label`), sample (a small
    set that comes with semsearch), or sick, which is found in SEMSEARCH_DATA. The threshold is saved in the index, and
    `dedup` uses it; without an index nothing is saved.

    A guarantee holds for pairs like these, with that confidence. Where none is possible, the exit code is 1. With
    hundreds of pairs a classifier is trained too, for `dedup --min-precision` (docs/thresholds.md).
    """
    from semsearch.embedding import load_embedder
    from semsearch.errors import InvalidInput
    from semsearch.evaluation.plot import require_picture, save_plot
    from semsearch.files import require_writable
    from semsearch.index import Index, locate
    from semsearch.tuning.scoring import tune_pairs
    from semsearch.tuning.threshold import BEST_F1, Objective

    if plot is not None:  # checked before minutes of work
        require_picture(plot)
        require_writable(plot)
    if min_precision is not None and min_recall is not None:
        raise InvalidInput("--min-precision and --min-recall exclude each other", "give one of them")
    objective = BEST_F1
    if min_precision is not None:
        objective = Objective("precision", min_precision, confidence)
    elif min_recall is not None:
        objective = Objective("recall", min_recall, confidence)
    pairs = load()
    had_classifier = False
    with ExitStack() as stack:
        index = stack.enter_context(Index.open(folder, wait=wait)) if folder or locate() else None
        bar = stack.enter_context(render.progress("embed", "texts"))
        report = pair_options.bar_updater(bar, 2 * len(pairs.pairs))
        training = stack.enter_context(render.counting("train", "pairs")) if cross_encoder else None
        how: dict[str, Any] = {
            "rule": rule,
            "objective": objective,
            "seed": seed,
            "cross_encoder": cross_encoder,
            "progress": report,
            "training": training,
        }
        if index is None:
            embedder = load_embedder()
            tuning, found = tune_pairs(pairs, embedder, **how)
            model = embedder.fingerprint.model
        else:
            had_classifier = index.classifier is not None
            tuning, found = index.tune(pairs, **how)
            model = index.embedder.fingerprint.model
    if plot is not None:
        save_plot(tuning.curve, tuning.threshold, plot, f"{pairs.name}: {tuning.rule}, {model}")
    if as_json:
        render.emit_json(serialize.tuning_json(tuning, model, index.folder if index else None))
    else:
        _show_tuning(tuning)
    pair_options.warn_oov_of_model(found.oov_rate, model, options.multilingual_index())
    if plot is not None:
        render.talk(tr("wrote {file}").format(file=plot))
    if index:
        said = tr("threshold {threshold:g} saved in {folder}")
        render.talk(said.format(threshold=tuning.threshold, folder=render.relative(index.folder)))
    else:
        said = tr("threshold {threshold:g} not saved: there is no index here")
        render.talk(said.format(threshold=tuning.threshold))
    if index and (tuned := tuning.classifier) and (held := tuned.guarantee) and held.measure == "precision":
        said = tr("classifier saved too; to use it: {command}")
        render.talk(said.format(command=f"semsearch dedup --min-precision {held.target:g}"))
    if had_classifier and not tuning.classifier:
        render.talk(tr("the classifier that was saved before is gone: these pairs give none"))
    if any(skipped.failed for skipped in pairs.skipped):
        raise click.exceptions.Exit(3)


def _show_tuning(tuning: "TuningResult") -> None:
    """Print the choice, its metrics on held-out pairs, the table of thresholds and the curve."""
    import shutil

    from semsearch.evaluation.plot import precision_recall_text

    metrics = tuning.reported
    objective = translated(str(tuning.objective))
    chosen = tr("threshold {threshold:g}: {objective} on {pairs:,} pairs of {name}").format(
        threshold=tuning.threshold,
        objective=objective if tuning.guarantee else tr("best F1"),
        pairs=tuning.chosen_on.pairs,
        name=tuning.name,
    )
    click.echo(chosen)
    if tuning.objective.measure != "f1" and not tuning.guarantee:
        click.echo(tr("no threshold of the cosine alone guarantees {objective}").format(objective=objective))
    split = render.plain(translated(tuning.notes[0]))
    click.echo(tr("duplicates: {rule}; {split}").format(rule=tuning.rule, split=split) + "\n")
    held_out = tr("on the {pairs:,} held-out pairs, {positives:,} of them duplicates:")
    click.echo(held_out.format(pairs=metrics.pairs, positives=metrics.positives))
    _show_metrics(metrics)
    if tuned := tuning.classifier:
        said = tr(
            "classifier, duplicates from a probability of {probability:g}: {objective}; on the same pairs:"
        )
        aim = objective if tuned.guarantee else tr("best F1")
        click.echo(said.format(probability=tuned.probability_threshold, objective=aim))
        _show_metrics(tuned.reported)
    render.table(
        (tr("threshold"), tr("flagged"), tr("precision"), tr("recall"), "F1", ""),
        [
            (
                f"{row.threshold:.3f}",
                f"{row.flagged:.1%}",
                *(
                    f"{value:.3f}" if value is not None else "-"
                    for value in (row.precision, row.recall, row.f1)
                ),
                tr("<- chosen") if row.threshold == tuning.threshold else "",
            )
            for row in tuning.table
        ],
        right=range(5),
    )
    click.echo()
    width = min(shutil.get_terminal_size().columns, 100)
    click.echo(precision_recall_text(tuning.curve, tuning.threshold, width))
    for note in tuning.notes[1:]:
        render.tell_note(note)


def _show_metrics(metrics: "ThresholdMetrics") -> None:
    for label, estimate in (("precision", metrics.precision), ("recall", metrics.recall), ("F1", metrics.f1)):
        click.echo(f"  {padded(tr(label), 10)} {_interval(estimate)}")
    said = tr("  {flagged:,} flagged: {correct:,} correct, {wrong:,} wrong; {missed:,} missed")
    counts = {"flagged": metrics.flagged, "correct": metrics.tp, "wrong": metrics.fp, "missed": metrics.fn}
    click.echo(said.format_map(counts) + "\n")


def _interval(estimate: "Estimate | None") -> str:
    if estimate is None:
        return tr("not defined: nothing to divide by")
    said = tr("{value:.3f}  (95% confidence {low:.3f} to {high:.3f})")
    return said.format(value=estimate.value, low=estimate.low, high=estimate.high)
