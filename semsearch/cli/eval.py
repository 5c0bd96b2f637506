"""`semsearch eval`: models judged on labelled pairs."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from semsearch import serialize
from semsearch.cli import options, render
from semsearch.cli import pair_options as labelled

if TYPE_CHECKING:
    from semsearch.evaluation.pairs import ModelReport, Slice
    from semsearch.tuning.pairs import PairSet

_COLUMNS = ("Pearson", "Spearman", "AP", "R@P90", "R@P95", "texts/s", "size")


@click.command(
    "eval",
    short_help="Compare models with people's judgement of pairs.",
    epilog=options.closing(
        (
            "semsearch eval --pairs sts-b",
            "semsearch eval --pairs sick --dtype float32 --dtype int8 --repeats 3",
            "semsearch eval --pairs sick --model all-MiniLM-L6-v2 --model ./my-model --report report.html",
        ),
        codes=(0, 1, 2, 3),
    ),
)
@labelled.pairs("FILE|sts-b|sick|sample|labels")
@click.option("--model", "models", multiple=True, metavar="NAME|DIR", help="A model to judge; repeatable.")
@click.option(
    "--dtype",
    "dtypes",
    multiple=True,
    type=click.Choice(["float32", "int8"]),
    help="Arithmetic of the default model; repeatable. Default: float32.",
)
@click.option(
    "--positive",
    "rule",
    metavar="RULE",
    help="What counts as a duplicate, as in `tune`. Default: paraphrase where there are labels, else score>=4 of 5.",
)
@click.option(
    "--repeats",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="N",
    help="Embed everything N times, and give the median and the range of the speed.",
)
@click.option(
    "--worst",
    type=click.IntRange(min=0),
    default=5,
    show_default=True,
    metavar="N",
    help="List the N pairs that each model gets most wrong.",
)
@click.option(
    "--report",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write it all as one HTML file with pictures, which needs no network.",
)
@options.as_json
def eval_(
    load: "Callable[[], PairSet]",
    models: Sequence[str],
    dtypes: Sequence[str],
    rule: str | None,
    repeats: int,
    worst: int,
    report: Path | None,
    as_json: bool,
) -> None:
    """Say how well a model's cosine agrees with people's judgement of pairs, how fast it is, and where it goes wrong.

    A row a model: Pearson and Spearman correlation with the grades; average precision (AP), and the largest recall with
    90% and 95% precision, for telling duplicates; distinct texts embedded a second; size of the weights. Then the
    correlation, and by how much pairs are scored too high, by length, negations and numbers that differ, and the
    data's own labels, and the pairs that are furthest off.

    sts-b is its test part; sts-b:train and sts-b:dev are the others. Data sets are found in SEMSEARCH_DATA, or in the
    user's cache, where --download puts them.
    """
    from semsearch.embedding import DEFAULT_MODEL, load_embedder
    from semsearch.errors import InvalidInput
    from semsearch.evaluation.pairs import judge
    from semsearch.evaluation.plot import require_matplotlib
    from semsearch.evaluation.report import write_report

    if report is not None and not report.parent.is_dir():  # before minutes of work, not after
        raise InvalidInput(f"cannot write {report}: there is no folder {report.parent}", "make it first")
    if report is not None:
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
            embedder = load_embedder(model, dtype)
            tell = labelled.teller(bar, 2 * len(pairs.pairs) * repeats)
            found.append(judge(pairs, embedder, rule=rule, repeats=repeats, worst=worst, progress=tell))
    if report is not None:
        write_report(report, pairs.name, found)
    if as_json:
        render.emit_json(serialize.evaluation_json(pairs.name, [one.to_dict() for one in found]))
    else:
        _show(pairs.name, found)
    for one in found:
        labelled.warn_unknown(one.unknown, one.model)
    if report is not None:
        render.talk(f"wrote {render.relative(report)}")
    if any(skipped.failed for skipped in pairs.skipped):
        raise click.exceptions.Exit(3)


def _show(name: str, found: "Sequence[ModelReport]") -> None:
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
    render.table(("model", *_COLUMNS), rows, right=range(1, 8))
    first = found[0]
    what = (
        f"a duplicate is: {first.rule}, {first.positives:,} of them"
        if first.rule
        else "no rule for duplicates"
    )
    click.echo(f"\n{first.pairs:,} pairs of {render.name(name)}; {what}")
    for one in found:
        if len(one.rates) > 1:
            low, high = min(one.rates), max(one.rates)
            click.echo(f"{one.label}: {low:,.0f} to {high:,.0f} texts/s in {len(one.rates)} rounds")
    for one in found:
        click.echo(f"\nwhere {render.name(one.label)} goes wrong")
        render.table(
            ("", "", "pairs", "Pearson", "too high by", "off by"), _rows(one.slices), right=range(2, 6)
        )
        if one.worst:
            click.echo(
                "\nfurthest off: cosine, the mean grade of such a cosine, and the pair's own, as 0 to 1"
            )
        for miss in one.worst:
            kind = f"  {render.name(miss.kind)}" if miss.kind else ""
            click.echo(f"  {miss.cosine:.3f}  {miss.expected:.2f}  {miss.grade:.2f}{kind}")
            click.echo(f"    {_line(miss.text_a)}\n    {_line(miss.text_b)}")


def _rows(slices: "Sequence[Slice]") -> list[tuple[str, ...]]:
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
    """A text on one line, cut where it is very long."""
    text = render.name(" ".join(text.split()))
    return text if len(text) <= 400 else f"{text[:400]}…"
