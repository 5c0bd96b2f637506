"""`semsearch eval`: models judged on labelled pairs."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from semsearch.cli import labelled, options, render

if TYPE_CHECKING:
    from semsearch.tuning.pairs import PairSet


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
@labelled.pairs("FILE|sts-b|sick|sample")
@click.option("--model", "models", multiple=True, metavar="NAME|DIR", help="A model to judge; repeatable.")
@options.precision
@options.as_json
def eval_(
    load: "Callable[[], PairSet]",
    models: Sequence[str],
    precision: str | None,
    as_json: bool,
) -> None:
    """Say how well a model's cosine agrees with people's judgement of pairs: a row a model.

    Pearson and Spearman correlation with the graded scores, distinct texts embedded a second, size of the weights.
    sts-b is its test part; sts-b:train and sts-b:dev are the others. Data sets are found in SEMSEARCH_DATA.
    """
    from semsearch.embedding import DEFAULT_MODEL, load_embedder
    from semsearch.evaluation import evaluate

    pairs = load()
    rows = []
    for model in models or (DEFAULT_MODEL,):
        with render.progress(f"embed {model}", "texts") as bar:
            embedder = load_embedder(model, precision or "fp32")
            rows.append(evaluate(pairs, embedder, labelled.teller(bar, 2 * len(pairs.pairs))))
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
        labelled.warn_unknown(row.unknown, row.model)
    if pairs.skipped:
        raise click.exceptions.Exit(3)
