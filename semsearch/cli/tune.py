"""`semsearch tune` and `semsearch eval`: labelled pairs."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from semsearch.cli import options, render

if TYPE_CHECKING:
    from semsearch.tuning.pairs import PairSet
    from semsearch.tuning.threshold import Estimate, Tuning

_UNKNOWN_SHARE = 0.05


def _pairs(names: str, required: bool = True) -> Callable[[Any], Any]:
    return click.option(
        "--pairs", "spec", required=required, metavar=names, help="Labelled pairs: a known set or a file."
    )


def _columns(command: Any) -> Any:
    for name, what in (
        ("score", "grade"),
        ("label", "0/1 label"),
        ("text-b", "second text"),
        ("text-a", "first text"),
    ):
        command = click.option(
            f"--{name}", metavar="COLUMN", help=f"Column of the {what}, where its name is unusual."
        )(command)
    return command


def _load(
    spec: str, text_a: str | None, text_b: str | None, label: str | None, score: str | None
) -> "PairSet":
    from semsearch.tuning.pairs import PairColumns, load_pairs

    pairs = load_pairs(spec, columns=PairColumns(text_a, text_b, label, score))
    for skipped in pairs.skipped[:10]:
        render.talk(f"left out {skipped.path}: {skipped.reason}")
    if len(pairs.skipped) > 10:
        render.talk(f"... and {len(pairs.skipped) - 10:,} more rows")
    return pairs


def _warn_unknown(share: float, model: str) -> None:
    if share >= _UNKNOWN_SHARE:
        render.talk(f"warning: {share:.0%} of the tokens are unknown to {model}: its scores here mean little")
        render.talk("hint: try a multilingual model, such as --model paraphrase-multilingual-MiniLM-L12-v2")


@click.command(
    "tune",
    short_help="Choose the threshold of `dedup` on labelled pairs.",
    epilog=options.closing(
        (
            "semsearch tune --pairs sample",
            "semsearch tune --pairs sick --positive 'relatedness>=4.5' --plot curve.png",
            "semsearch tune --pairs labels.csv --text-a left --text-b right --label same",
        ),
        codes=(0, 1, 2, 3, 11, 12, 13),
    ),
)
@_pairs("FILE|sick|sample")
@options.index
@click.option(
    "--positive",
    "rule",
    metavar="RULE",
    help="What counts as a duplicate: 'paraphrase' (SICK: both directions entail; else the label), or a cut such as"
    " 'relatedness>=4.5' or 'score>=4'. Default: paraphrase where there are labels.",
)
@_columns
@click.option(
    "--plot", type=click.Path(path_type=Path, dir_okay=False), help="Save the picture as a .png or .svg file."
)
@click.option("--seed", default=0, show_default=True, help="Of the random split, where the pairs bring none.")
@options.wait
@options.as_json
def tune_(
    spec: str,
    folder: Path | None,
    rule: str | None,
    text_a: str | None,
    text_b: str | None,
    label: str | None,
    score: str | None,
    plot: Path | None,
    seed: int,
    wait: float,
    as_json: bool,
) -> None:
    """Choose the threshold of `dedup` on labelled pairs, and say what it is worth.

    The threshold of best F1 is chosen on one part of the pairs; precision, recall and F1 are reported on the other,
    which the choice has not seen, with 95% confidence intervals. It is saved in the index, where `dedup` finds it.
    Without an index the default model is tuned and nothing is saved.

    FILE is CSV, TSV or JSONL with two texts and a label or a score. sick is the SICK data set, from SEMSEARCH_DATA;
    sample is a small set that comes with semsearch, to try it.
    """
    from semsearch.embedding import load_embedder
    from semsearch.errors import InvalidInput
    from semsearch.evaluation import tune_pairs
    from semsearch.index import Index, locate
    from semsearch.tuning.plot import SUFFIXES, save_plot

    if plot is not None and plot.suffix.lower() not in SUFFIXES:  # before minutes of work, not after
        raise InvalidInput(f"cannot draw {plot}", f"the name must end in {' or '.join(SUFFIXES)}")
    pairs = _load(spec, text_a, text_b, label, score)
    with ExitStack() as stack:
        index = stack.enter_context(Index.open(folder, wait=wait)) if folder or locate() else None
        bar = stack.enter_context(render.progress("embed", "texts"))
        tell = _teller(bar, 2 * len(pairs.pairs))
        if index is None:
            embedder = load_embedder()
            tuning, found = tune_pairs(pairs, embedder, rule=rule, seed=seed, progress=tell)
            model = embedder.fingerprint.model
        else:
            tuning, found = index.tune(pairs, rule=rule, seed=seed, progress=tell)
            model = index.embedder.fingerprint.model
    if plot is not None:
        save_plot(tuning.curve, tuning.threshold, plot, f"{pairs.name}: {tuning.rule}, {model}")
    if as_json:
        render.emit_json(
            tuning.to_dict() | {"model": model, "saved_in": str(index.folder) if index else None}
        )
    else:
        _show(tuning)
    _warn_unknown(found.unknown, model)
    if plot is not None:
        render.talk(f"wrote {plot}")
    where = f"saved in {render.relative(index.folder)}" if index else "not saved: there is no index here"
    render.talk(f"threshold {tuning.threshold:g} {where}")
    if pairs.skipped:
        raise click.exceptions.Exit(3)


def _teller(bar: Any, total: int) -> Callable[[int], None]:
    """A callback that moves the bar; `total` is an upper bound, since equal texts are embedded once."""
    done = 0

    def tell(count: int) -> None:
        nonlocal done
        done += count
        if bar is not None:
            bar.update(bar.task_ids[0], completed=done, total=total, count=done)

    return tell


def _show(tuning: "Tuning") -> None:
    """A tuning for people: the choice, what it is worth, the trade-off, the curve."""
    import shutil

    from semsearch.tuning.plot import precision_recall_text

    quality = tuning.reported
    click.echo(
        f"threshold {tuning.threshold:g}: best F1 on {tuning.chosen_on.pairs:,} pairs of {tuning.name}"
    )
    click.echo(f"a duplicate is: {tuning.rule}; {render.plain(tuning.notes[0])}\n")
    click.echo(f"on the other {quality.pairs:,} pairs, {quality.positives:,} of them duplicates:")
    for label, estimate in (("precision", quality.precision), ("recall", quality.recall), ("F1", quality.f1)):
        click.echo(f"  {label:<10} {_estimate(estimate)}")
    click.echo(
        f"  {quality.flagged:,} flagged: {quality.tp:,} rightly, {quality.fp:,} wrongly; {quality.fn:,} missed\n"
    )
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


def _estimate(estimate: "Estimate | None") -> str:
    if estimate is None:
        return "none: nothing to divide by"
    return f"{estimate.value:.3f}  (95% confidence {estimate.low:.3f} to {estimate.high:.3f})"


@click.command(
    "eval",
    short_help="Compare models with people's judgement of pairs.",
    epilog=options.closing(
        (
            "semsearch eval --pairs sts-b",
            "semsearch eval --pairs sick --model all-MiniLM-L6-v2 --model ./my-model",
        ),
        codes=(0, 1, 2, 3),
    ),
)
@_pairs("FILE|sts-b|sick|sample")
@click.option("--model", "models", multiple=True, metavar="NAME|DIR", help="A model to judge; repeatable.")
@options.precision
@_columns
@options.as_json
def eval_(
    spec: str,
    models: Sequence[str],
    precision: str | None,
    text_a: str | None,
    text_b: str | None,
    label: str | None,
    score: str | None,
    as_json: bool,
) -> None:
    """Say how well a model's cosine agrees with people's judgement of pairs: a row a model.

    Pearson and Spearman correlation with the graded scores, distinct texts embedded a second, size of the weights.
    sts-b is its test part; sts-b:train and sts-b:dev are the others. Data sets are found in SEMSEARCH_DATA.
    """
    from semsearch.embedding import DEFAULT_MODEL, load_embedder
    from semsearch.evaluation import evaluate

    pairs = _load(spec, text_a, text_b, label, score)
    rows = []
    for model in models or (DEFAULT_MODEL,):
        with render.progress(f"embed {model}", "texts") as bar:
            embedder = load_embedder(model, precision or "fp32")
            rows.append(evaluate(pairs, embedder, _teller(bar, 2 * len(pairs.pairs))))
    if as_json:
        render.emit_json({"pairs": pairs.name, "models": [asdict(row) for row in rows]})
    else:
        render.table(
            ("model", "precision", "pairs", "Pearson", "Spearman", "texts/s", "size"),
            [
                (
                    row.model,
                    row.precision,
                    f"{row.pairs:,}",
                    f"{row.pearson:.3f}",
                    f"{row.spearman:.3f}",
                    f"{row.texts_per_second:,.0f}",
                    render.size(row.size),
                )
                for row in rows
            ],
            right=range(2, 7),
        )
    for row in rows:
        _warn_unknown(row.unknown, row.model)
    if pairs.skipped:
        raise click.exceptions.Exit(3)
