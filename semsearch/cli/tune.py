"""`semsearch tune`: a threshold, and what it is worth."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from semsearch import serialize
from semsearch.cli import options, render
from semsearch.cli import pair_options as labelled

if TYPE_CHECKING:
    from semsearch.tuning.pairs import PairSet
    from semsearch.tuning.quality import Estimate, Quality
    from semsearch.tuning.threshold import Tuning

_SHARE = click.FloatRange(0, 1, min_open=True, max_open=True)


@click.command(
    "tune",
    short_help="Choose the threshold of `dedup` on labelled pairs.",
    epilog=options.closing(
        (
            "semsearch tune --pairs sample",
            "semsearch tune --pairs sick --precision 0.95",
            "semsearch tune --pairs sick --positive 'relatedness>=4.5' --plot curve.png",
            "semsearch tune --pairs labels.csv --text-a left --text-b right --label same",
        ),
        codes=(0, 1, 2, 3, 11, 12, 13),
    ),
)
@labelled.pairs("FILE|labels|sick|sample")
@options.index
@click.option(
    "--positive",
    "rule",
    metavar="RULE",
    help="What counts as a duplicate: 'paraphrase' (SICK: both directions entail; else the label), or a cut such as"
    " 'relatedness>=4.5' or 'score>=4'. Default: paraphrase where there are labels.",
)
@click.option(
    "--precision",
    type=_SHARE,
    metavar="SHARE",
    help="Find the threshold of most recall that is sure to be right so often, such as 0.95.",
)
@click.option(
    "--recall",
    type=_SHARE,
    metavar="SHARE",
    help="Find the strictest threshold that is sure to find so many.",
)
@click.option("--f1", is_flag=True, help="Find the threshold of best F1, as by default.")
@click.option(
    "--confidence",
    type=_SHARE,
    default=0.9,
    show_default=True,
    metavar="SHARE",
    help="How sure, for --precision and --recall.",
)
@click.option(
    "--plot", type=click.Path(path_type=Path, dir_okay=False), help="Save the picture as a .png or .svg file."
)
@click.option("--seed", default=0, show_default=True, help="Of the random split, where the pairs bring none.")
@options.wait
@options.as_json
def tune_(
    load: "Callable[[], PairSet]",
    folder: Path | None,
    rule: str | None,
    precision: float | None,
    recall: float | None,
    f1: bool,
    confidence: float,
    plot: Path | None,
    seed: int,
    wait: float,
    as_json: bool,
) -> None:
    """Choose the threshold of `dedup` on labelled pairs, and say what it is worth.

    The threshold of best F1 is chosen on one part of the pairs; precision, recall and F1 are reported on the other,
    which the choice has not seen, with 95% confidence intervals. It is saved in the index, where `dedup` finds it.
    Without an index the default model is tuned and nothing is saved.

    With --precision (or --recall) it is the threshold that is sure to have it: for pairs like these, with that
    confidence, however many thresholds were tried (docs/thresholds.md says how). Where none can be promised, this is
    said, with exit code 1, and nothing is saved. Where there are some hundreds of pairs, a verifier is trained too,
    which decides on the words of two texts beside their cosine; `semsearch dedup --precision` uses it.

    FILE is CSV, TSV or JSONL with two texts and a label or a score. sick is the SICK data set, from SEMSEARCH_DATA;
    sample is a small set that comes with semsearch, to try it.
    """
    from semsearch.embedding import load_embedder
    from semsearch.errors import InvalidInput
    from semsearch.evaluation.plot import SUFFIXES, require_matplotlib, save_plot
    from semsearch.index import Index, locate
    from semsearch.tuning.scoring import tune_pairs
    from semsearch.tuning.threshold import F1, Aim

    if plot is not None and plot.suffix.lower() not in SUFFIXES:  # before minutes of work, not after
        raise InvalidInput(f"cannot draw {plot}", f"the name must end in {' or '.join(SUFFIXES)}")
    if plot is not None:
        require_matplotlib("--plot")
    if (precision is not None) + (recall is not None) + f1 > 1:
        raise InvalidInput("--precision, --recall and --f1 exclude each other", "give one")
    aim = F1
    if precision is not None:
        aim = Aim("precision", precision, confidence)
    elif recall is not None:
        aim = Aim("recall", recall, confidence)
    pairs = load()
    with ExitStack() as stack:
        index = stack.enter_context(Index.open(folder, wait=wait)) if folder or locate() else None
        bar = stack.enter_context(render.progress("embed", "texts"))
        tell = labelled.teller(bar, 2 * len(pairs.pairs))
        if index is None:
            embedder = load_embedder()
            tuning, found = tune_pairs(pairs, embedder, rule=rule, aim=aim, seed=seed, progress=tell)
            model = embedder.fingerprint.model
        else:
            tuning, found = index.tune(pairs, rule=rule, aim=aim, seed=seed, progress=tell)
            model = index.embedder.fingerprint.model
    if plot is not None:
        save_plot(tuning.curve, tuning.threshold, plot, f"{pairs.name}: {tuning.rule}, {model}")
    if as_json:
        render.emit_json(serialize.tuning_json(tuning, model, index.folder if index else None))
    else:
        _show(tuning)
    labelled.warn_unknown(found.unknown, model)
    if plot is not None:
        render.talk(f"wrote {plot}")
    where = f"saved in {render.relative(index.folder)}" if index else "not saved: there is no index here"
    render.talk(f"threshold {tuning.threshold:g} {where}")
    if index and (made := tuning.verified) and made.promise and made.promise.measure == "precision":
        render.talk(f"the verifier, too: `semsearch dedup --precision {made.promise.least:g}` goes by it")
    if any(skipped.failed for skipped in pairs.skipped):
        raise click.exceptions.Exit(3)


def _show(tuning: "Tuning") -> None:
    """A tuning for people: the choice, what it is worth, the trade-off, the curve."""
    import shutil

    from semsearch.evaluation.plot import precision_recall_text

    quality = tuning.reported
    what = tuning.aim if tuning.promise else "best F1"
    click.echo(f"threshold {tuning.threshold:g}: {what} on {tuning.chosen_on.pairs:,} pairs of {tuning.name}")
    if tuning.aim.measure != "f1" and not tuning.promise:
        click.echo(f"no threshold of the cosine alone can promise {tuning.aim}")
    click.echo(f"a duplicate is: {tuning.rule}; {render.plain(tuning.notes[0])}\n")
    click.echo(f"on the other {quality.pairs:,} pairs, {quality.positives:,} of them duplicates:")
    _show_quality(quality)
    if made := tuning.verified:
        what = tuning.aim if made.promise else "best F1"
        click.echo(f"verifier, duplicates from a chance of {made.chance:g}: {what}; on the same pairs:")
        _show_quality(made.reported)
    render.table(
        ("threshold", "flagged", "precision", "recall", "F1", ""),
        [
            (
                f"{row.threshold:.3f}",
                f"{row.flagged:.1%}",
                *(
                    f"{value:.3f}" if value is not None else "-"
                    for value in (row.precision, row.recall, row.f1)
                ),
                "<- chosen" if row.threshold == tuning.threshold else "",
            )
            for row in tuning.table
        ],
        right=range(5),
    )
    click.echo()
    width = min(shutil.get_terminal_size().columns, 100)
    click.echo(precision_recall_text(tuning.curve, tuning.threshold, width))
    for note in tuning.notes[1:]:
        render.talk(f"note: {note}")


def _show_quality(quality: "Quality") -> None:
    for label, estimate in (("precision", quality.precision), ("recall", quality.recall), ("F1", quality.f1)):
        click.echo(f"  {label:<10} {_estimate(estimate)}")
    click.echo(
        f"  {quality.flagged:,} flagged: {quality.tp:,} rightly, {quality.fp:,} wrongly; {quality.fn:,} missed\n"
    )


def _estimate(estimate: "Estimate | None") -> str:
    if estimate is None:
        return "none: nothing to divide by"
    return f"{estimate.value:.3f}  (95% confidence {estimate.low:.3f} to {estimate.high:.3f})"
