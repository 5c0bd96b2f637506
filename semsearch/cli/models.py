"""Define the command `semsearch models`."""

from pathlib import Path

import click

from semsearch import serialize
from semsearch.cli import options, render
from semsearch.cli.language import tr


@options.command(
    "models",
    short_help="List the models, and which are on this machine.",
    examples=(
        "semsearch models",
        "semsearch models --here",
        "semsearch ingest --model multilingual-e5-small notes",
    ),
    codes=(0, 1, 2, 10, 12, 13),
)
@click.option("--here", is_flag=True, help="Only those on this machine.")
@options.index
@options.as_json
def models_(here: bool, folder: Path | None, as_json: bool) -> None:
    """List the models that have a short name, and others on this machine.

    The columns are the languages or their number, the numbers of a vector, the tokens that are embedded at once, the
    megabytes to download, and the licence. The line below a model says where its weights are on this machine, and for
    which dtypes its graph is ready. The model of the index has a star.

    Every other sentence-transformers model runs too, by its name on the Hugging Face hub or its folder. int8 is faster
    and less exact: the worst cosine to the vector in float32 was 0.977 on short sentences, and the cosine of a pair
    moved by up to 0.047. bfloat16, for processors that have it, is faster and nearly exact: 0.9998 and 0.0042.
    docs/models.md says how to choose.
    """
    from semsearch.embedding.inventory import list_models
    from semsearch.index import Index, locate

    settings = None
    if locate(folder) is not None or folder is not None:
        with Index.open(folder) as index:
            settings = index.status().settings
    found = [
        model for model in list_models(settings) if not here or model.places or model.graphs or model.of_index
    ]
    if as_json:
        render.emit_json([serialize.model_json(model) for model in found])
        return
    rows = []
    for model in found:
        about, star = model.about, "*" if model.of_index else " "
        numbers = (about.dimension, about.window, about.megabytes) if about else ()
        rows.append(
            (
                f"{star} {render.relative(Path(model.name)) if Path(model.name).is_absolute() else model.name}",
                about.languages if about else "?",
                *([f"{number:,}" if number else "-" for number in numbers] or ["?"] * 3),
                about.licence if about else "?",
            )
        )
    columns = (f"  {tr('model')}", tr("lang"), tr("dim"), tr("window"), "MB", tr("licence"))
    lines = render.table_lines(columns, rows, right=(2, 3, 4))
    click.echo(next(lines))
    for model, line in zip(found, lines, strict=True):
        click.echo(line)
        ready = [tr("graph: {dtypes}").format(dtypes=tr(", ").join(model.graphs))] if model.graphs else []
        used = [tr("used by this index ({dtype})").format(dtype=model.of_index)] if model.of_index else []
        if at := [*(tr(place) for place in model.places), *ready, *used]:
            click.echo(f"    {tr('; ').join(at)}")
