"""`semsearch eval`: compare models on labelled pairs."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from semsearch import serialize
from semsearch.cli import options, pair_options, render
from semsearch.cli.language import tr

if TYPE_CHECKING:
    from semsearch.evaluation.pairs import ModelReport, Slice
    from semsearch.tuning.pairs import PairSet

_COLUMNS = ("Pearson", "Spearman", "AP", "R@P90", "R@P95", "texts/s", "size")


@options.command(
    "eval",
    short_help="Compare models on labelled pairs.",
    examples=(
        "semsearch eval --pairs sts-b",
        "semsearch eval --pairs sick --dtype float32 --dtype int8 --repeats 3",
        "semsearch eval --pairs sick --model all-MiniLM-L6-v2 --model ./my-model --report report.html",
    ),
    codes=(0, 1, 2, 3),
    settings=("base-url",),
    groups={
        "Pairs": ("spec", "download", "text_a", "text_b", "label", "score", "table"),
        "What to measure": ("models", "dtypes", "rule", "repeats", "worst", "report"),
    },
)
@pair_options.pairs("FILE|NAME")
@click.option("--model", "models", multiple=True, metavar="NAME|DIR", help="Model to evaluate; repeatable.")
@click.option(
    "--dtype",
    "dtypes",
    multiple=True,
    type=click.Choice(["float32", "bfloat16", "int8", "auto"]),
    help="Its arithmetic; repeatable.",
)
@click.option(
    "--positive",
    "rule",
    metavar="RULE",
    help="Duplicates: paraphrase (the label), or 'score>=4'.",
)
@click.option(
    "--repeats",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="N",
    help="Embed N times, for the range of the speed.",
)
@click.option(
    "--worst",
    type=click.IntRange(min=0),
    default=5,
    show_default=True,
    metavar="N",
    help="Pairs with the largest errors to list.",
)
@click.option(
    "--report",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write one HTML file with pictures.",
)
@options.as_json
def eval_(
    load: "Callable[[], PairSet]",
    models: Sequence[str],
    base_url: str | None,
    dtypes: Sequence[str],
    rule: str | None,
    repeats: int,
    worst: int,
    report: Path | None,
    as_json: bool,
) -> None:
    """Measure how well a model's cosine agrees with people's grades, how fast the model is, and where it errs.

    NAME is sts-b (its test part; also sts-b:train, sts-b:dev), sick, sample, or labels (those of `label`). Data sets
    are found in SEMSEARCH_DATA or in the user's cache, where --download saves them.

    A table has for each model the Pearson and Spearman correlation with the grades, the average precision (AP), the
    highest recall with 90% and 95% precision, the texts a second, and the size. Parts of the pairs and the largest
    errors follow (docs/tuning.md).
    """
    from semsearch.embedding import DEFAULT_MODEL, REMOTE, load_embedder
    from semsearch.evaluation.pairs import evaluate_model
    from semsearch.evaluation.plot import require_matplotlib
    from semsearch.evaluation.report import write_report
    from semsearch.files import require_writable

    if report is not None:  # checked before minutes of work
        require_writable(report)
        require_matplotlib("--report")
    pairs = load()
    wanted = [
        (model, dtype)
        for model in dict.fromkeys(models or (DEFAULT_MODEL,))
        for dtype in dict.fromkeys(dtypes or ("float32",))
    ]
    found: list[ModelReport] = []
    for model, dtype in wanted:
        with render.progress(f"embed {model}", "texts") as bar:
            server = base_url if model.startswith(REMOTE) else None
            embedder = load_embedder(model, dtype, base_url=server)
            report_progress = pair_options.bar_updater(bar, 2 * len(pairs.pairs) * repeats)
            found.append(
                evaluate_model(
                    pairs, embedder, rule=rule, repeats=repeats, worst=worst, progress=report_progress
                )
            )
    if report is not None:
        write_report(report, pairs.name, found)
    if as_json:
        render.emit_json(serialize.evaluation_json(pairs.name, [one.to_dict() for one in found]))
    else:
        _show_reports(pairs.name, found)
    for one in found:
        pair_options.warn_oov_of_model(one.oov_rate, one.model)
    if report is not None:
        render.talk(tr("wrote {file}").format(file=render.relative(report)))
    if any(skipped.failed for skipped in pairs.skipped):
        raise click.exceptions.Exit(3)


def _show_reports(name: str, found: "Sequence[ModelReport]") -> None:
    rows = [
        (
            one.label,
            *map(
                _number,
                (one.pearson, one.spearman, one.average_precision, one.recall_at_90, one.recall_at_95),
            ),
            f"{one.rate:,.0f}",
            render.size(one.size),
        )
        for one in found
    ]
    render.table((tr("model"), *map(tr, _COLUMNS)), rows, right=range(1, 8))
    first = found[0]
    what = (
        tr("duplicates: {rule}, {positives:,} of them").format(rule=first.rule, positives=first.positives)
        if first.rule
        else tr("no rule says which are duplicates")
    )
    said = tr("{pairs:,} pairs of {name}; {what}")
    click.echo(f"\n{said.format(pairs=first.pairs, name=render.name(name), what=what)}")
    for one in found:
        if len(one.rates) > 1:
            low, high = min(one.rates), max(one.rates)
            said = tr("{model}: {low:,.0f} to {high:,.0f} texts/s in {rounds} rounds")
            click.echo(said.format(model=one.label, low=low, high=high, rounds=len(one.rates)))
    for one in found:
        click.echo("\n" + tr("where {model} errs").format(model=render.name(one.label)))
        render.table(
            ("", "", tr("pairs"), "Pearson", tr("bias"), tr("error")),
            _slice_rows(one.slices),
            right=range(2, 6),
        )
        if one.worst:
            said = tr(
                "largest errors: cosine, mean grade of pairs with that cosine, grade of the pair (0 to 1)"
            )
            click.echo(f"\n{said}")
        for miss in one.worst:
            kind = f"  {render.name(miss.kind)}" if miss.kind else ""
            click.echo(f"  {miss.cosine:.3f}  {miss.expected:.2f}  {miss.grade:.2f}{kind}")
            click.echo(f"    {_line(miss.text_a)}\n    {_line(miss.text_b)}")


def _slice_rows(slices: "Sequence[Slice]") -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    last = ""
    for part in slices:
        rows.append(
            (
                part.by if part.by != last else "",
                part.name,
                f"{part.pairs:,}",
                _number(part.pearson),
                f"{part.bias:+.3f}",
                f"{part.error:.3f}",
            )
        )
        last = part.by
    return rows


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _line(text: str) -> str:
    """Return a text on one line, cut if it is very long."""
    text = render.name(" ".join(text.split()))
    return text if len(text) <= 400 else f"{text[:400]}…"
