"""`semsearch adapt`: train the model of the index on pairs or headings, and move the index to it where it is better."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click
from click.core import ParameterSource

from semsearch import serialize
from semsearch.cli import options, pair_options, render
from semsearch.cli.language import tr, translated
from semsearch.errors import InvalidInput

if TYPE_CHECKING:
    from semsearch.tuning.adapt import Adaptation
    from semsearch.tuning.pairs import PairSet


_OF_PAIRS = ("spec", "download", "text_a", "text_b", "label", "score", "table", "rule")
_NOT_WITH_UNDO = (*_OF_PAIRS, "structure", "dry_run", "no_guard")


@options.command(
    "adapt",
    short_help="Train the model of the index on your pairs or headings.",
    examples=(
        "semsearch adapt --pairs labels",
        "semsearch adapt --structure --dry-run",
        "semsearch adapt --pairs pairs.csv --dry-run",
        "semsearch adapt --undo",
    ),
    codes=(0, 1, 2, 3, 10, 11, 12, 13),
    groups={
        "Pairs": _OF_PAIRS,
        "What to do": ("structure", "dry_run", "no_guard", "undo"),
    },
    settings=("wait", "threads"),
)
@pair_options.pairs("FILE|NAME", required=False)
@options.index
@click.option(
    "--positive",
    "rule",
    metavar="RULE",
    help="Duplicates: paraphrase (the label), or 'score>=4'.",
)
@click.option("--structure", is_flag=True, help="Train on headings and titles, without --pairs.")
@click.option("--dry-run", is_flag=True, help="Train and judge, and leave the index as it is.")
@click.option("--no-guard", is_flag=True, help="Judge without a public data set.")
@click.option("--undo", is_flag=True, help="Go back to the model before.")
@options.as_json
def adapt_(
    load: "Callable[[], PairSet]",
    folder: Path | None,
    rule: str | None,
    structure: bool,
    dry_run: bool,
    no_guard: bool,
    undo: bool,
    wait: float,
    as_json: bool,
) -> None:
    """Train an adapter of the index's model on labelled pairs, and move the index to it if it is better.

    FILE and NAME are those of `tune`; `labels` are those of `label`. With --structure it is trained to find the texts
    below the titles and headings in the index. A third of the pairs, or of the documents, is held out to judge. The
    index moves only where the interval of the gain is above 0, and where a public data set (STS-B, SICK) loses less
    than 0.005: that guards what the model knew. All texts are embedded again. Otherwise the exit code is 1.

    A threshold belongs to its model, so run `tune` again afterwards. --undo restores the model before, with its
    vectors and its threshold. Training needs semsearch[models]; using the adapted model does not (docs/adapt.md).
    """
    from semsearch.index import Index

    def given(names: Sequence[str]) -> bool:
        source = click.get_current_context().get_parameter_source
        return any(source(name) is ParameterSource.COMMANDLINE for name in names)

    if undo and given(_NOT_WITH_UNDO):
        raise InvalidInput("--undo goes alone", "leave out the other options")
    if structure and given(_OF_PAIRS):
        raise InvalidInput("--structure takes no pairs", "leave out --pairs and its options")
    with ExitStack() as stack:
        index = stack.enter_context(Index.open(folder, wait=wait))
        if undo:
            with render.counting("embed", "texts") as show:
                model = index.undo_adapt(lambda what, done, total: show(done, total))
            if as_json:
                render.emit_json(serialize.undone_adaptation_json(model))
            render.talk(tr("back to {model}").format(model=render.name(model)))
            return
        pairs: PairSet | Literal["structure"] = "structure" if structure else load()
        bars = {
            what: stack.enter_context(render.counting(what, unit))
            for what, unit in (("train", "pairs"), ("embed", "texts"))
        }
        tuned = index.threshold is not None or index.classifier is not None
        found = index.adapt(
            pairs,
            rule=rule,
            guard=not no_guard,
            dry_run=dry_run,
            progress=lambda what, done, total: bars[what](done, total),
        )
    if as_json:
        render.emit_json(serialize.adaptation_json(found))
    else:
        _show(found)
    if not found.adopted:
        render.talk(tr("not adopted: {reason}").format(reason=translated(found.reason)))
        raise click.exceptions.Exit(1)
    if dry_run:
        render.talk(tr("it would be adopted; the index stays as it is"))
        return
    render.talk(
        tr("the index now uses {model}; to go back: {command}").format(
            model=render.name(found.model), command="semsearch adapt --undo"
        )
    )
    if tuned:
        names = "labels" if isinstance(pairs, str) else render.name(pairs.name)
        render.talk(
            tr("the threshold of the old model does not hold for this one; choose another: {command}").format(
                command=f"semsearch tune --pairs {names}"
            )
        )


def _show(found: "Adaptation") -> None:
    """Print what was compared, with intervals, and what was chosen."""
    rows = []
    for one in (found.held_out, *found.guards):
        name = tr("held out") if one is found.held_out else tr("guard {name}").format(name=one.name)
        figures = ((one.before, "{:.3f}"), (one.after, "{:.3f}"), (one.gain, "{:+.3f}"))
        rows.append((name, f"{one.pairs:,}", *(form.format(value.value) for value, form in figures)))
        between = tr("{low} to {high}")
        rows.append(
            (
                f"  {translated(one.measure)}",
                "",
                *(between.format(low=form.format(v.low), high=form.format(v.high)) for v, form in figures),
            )
        )
    render.table(("", tr("pairs"), tr("before"), tr("after"), tr("gain")), rows, right=range(1, 5))
    click.echo(tr("below each figure: its interval of 95% confidence"))
    click.echo()
    said = tr("trained on {pairs:,} pairs: rate {rate:g}, epochs {epochs}, strength {strength:g}")
    click.echo(
        said.format(pairs=found.trained_on, rate=found.rate, epochs=found.epochs, strength=found.strength)
    )
