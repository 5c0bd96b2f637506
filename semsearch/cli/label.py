"""`semsearch label`: a person says of pairs of their own texts whether they are duplicates."""

import sys
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from semsearch.cli import options, render

if TYPE_CHECKING:
    from semsearch.tuning.labels import Labels
    from semsearch.tuning.sampling import Candidate, Candidates
    from semsearch.types import Level

_ANSWERS = {"y": "1", "n": "0", "s": "skip"}
_PROMPT = "duplicates? y, n, s skip, u undo, q quit: "
_MOST = 2_000
"""Characters of a text that are shown."""


@click.command(
    "label",
    short_help="Label pairs of your own texts, for `tune`.",
    epilog=options.closing(
        (
            "semsearch label",
            "semsearch label --count 200 --around 0.8",
            "semsearch label --level passage --output labels.csv",
        ),
        codes=(0, 1, 2, 10, 11, 12, 13),
    ),
)
@options.index
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="The CSV file of the labels. Default: labels.csv in the index's folder, which `tune --pairs labels` reads.",
)
@click.option(
    "--count",
    type=click.IntRange(min=1),
    default=100,
    show_default=True,
    metavar="N",
    help="End at N labels in all.",
)
@click.option(
    "--above",
    type=click.FloatRange(0, 1, max_open=True),
    default=0.6,
    show_default=True,
    metavar="T",
    help="Pairs of a lower similarity are never shown.",
)
@click.option(
    "--around",
    type=click.FloatRange(0, 1),
    metavar="T",
    help="Show most of the pairs near this similarity. Default: the threshold of `dedup`.",
)
@click.option(
    "--level",
    type=click.Choice(["document", "passage"]),
    default="document",
    show_default=True,
    help="What is paired.",
)
def label_(
    folder: Path | None, output: Path | None, count: int, above: float, around: float | None, level: "Level"
) -> None:
    """Say of pairs of texts in the index whether they are duplicates.

    Both texts are shown with what differs marked; press y, n, s to skip, u to undo, q to quit. (Where standard input is
    no terminal, an answer is a line.) Each answer is on the disk before the next pair is shown, and another run goes on
    where this one stopped. Pairs come at random from bands of similarity, more often from those near the threshold; the
    file says how many pairs each band has, so what `tune --pairs labels` says holds for the whole index.
    The similarity is not shown, so as not to sway you. Exact copies are not asked about.

    Columns: text_a, text_b, label (1, 0 or skip), cosine, model, band, band_pairs, left, right, labelled (a time).
    """
    from semsearch.errors import InvalidInput
    from semsearch.index import Index
    from semsearch.tuning.labels import FILE, SKIP, open_labels

    with Index.open(folder) as index, open_labels(output or index.folder / FILE) as labels:
        if others := {row.model for row in labels.rows} - {index.model}:
            raise InvalidInput(
                f"{labels.path} has labels of pairs that {min(others)} drew, not {index.model}",
                "name another file with --output",
            )
        with render.counting("compare", "pairs") as tell:
            found = index.sample_pairs(above, around=around, level=level, progress=tell)
        if found.raised:
            render.talk(f"there are too many pairs from {above:g} up: they start at {found.lowest:g}")
        if not len(found):
            render.talk(f"no two texts have a similarity of {found.lowest:g} or more, but for exact copies")
            return
        left = _ask(found, labels, count, index.model)
        yes, no, skipped = labels.count("1"), labels.count("0"), labels.count(SKIP)
    where = render.relative(labels.path)
    counts = f"{render.plural(yes, 'duplicate')}, {no:,} not; {skipped:,} skipped"
    render.talk(f"{yes + no:,} labelled: {counts}; in {where}")
    if not left:
        render.talk("no pair is left to label")
    render.talk(f"next: semsearch tune --pairs {'labels' if output is None else where}")


def _ask(found: "Candidates", labels: "Labels", count: int, model: str) -> bool:
    """Show pairs until there are `count` labels or the person quits; False where no pair is left."""
    from semsearch.tuning.labels import Label
    from semsearch.tuning.sampling import Candidate

    seen = {frozenset((row.text_a, row.text_b)) for row in labels.rows}
    fresh = (pair for pair in found if frozenset((pair.text_a, pair.text_b)) not in seen)
    again: list[Candidate] = []
    while labels.count("0", "1") < count:
        pair = again.pop() if again else next(fresh, None)
        if pair is None:
            return False
        _show(pair, f"{labels.count('0', '1') + 1:,} of {count:,}")
        answer = _answer()
        if answer == "q":
            break
        if answer in _ANSWERS:
            now = datetime.now(UTC).isoformat(timespec="seconds")
            values = {field.name: getattr(pair, field.name) for field in fields(pair)}
            labels.add(Label(**values, label=_ANSWERS[answer], model=model, labelled=now))
            seen.add(frozenset((pair.text_a, pair.text_b)))
            continue
        again.append(pair)
        if (last := labels.undo()) is None:
            click.echo("there is nothing to undo")
        else:
            again.append(Candidate(**{field.name: getattr(last, field.name) for field in fields(Candidate)}))
    return True


def _answer() -> str:
    """The person's answer: a key at a terminal, else the first letter of a line; asked anew until it is one."""
    terminal = sys.stdin.isatty()
    while True:
        click.echo(_PROMPT, nl=False)
        try:
            # Keys pressed ahead are thrown away: nobody answers for a pair before it is shown. At a terminal the end
            # of input comes as an exception, and as nothing where the terminal is gone.
            said = click.getchar() if terminal else sys.stdin.readline()
        except (EOFError, KeyboardInterrupt):
            said = ""
        answer = said.strip()[:1].lower() if said else "q"
        click.echo(render.name(answer) if terminal else "")
        if answer and answer in "ynsuq":
            return answer


def _show(pair: "Candidate", place: str) -> None:
    """Two texts, what differs marked; of long ones the beginning."""
    from semsearch.cli.diff import show_text, warnings
    from semsearch.text.diff import difference

    console = render.console()
    click.echo(f"\n{f' {place} '.center(min(console.width, 80), '-')}")
    click.echo(f"A  {render.name(pair.left)}\nB  {render.name(pair.right)}\n")
    found = difference(pair.text_a, pair.text_b)
    a, b = (text[:_MOST] for text in (pair.text_a, pair.text_b))
    long = (a, b) != (pair.text_a, pair.text_b)
    show_text(difference(a, b) if long else found, console.width if render.coloured() else 0, full=True)
    if long:
        click.echo(f"(the first {_MOST:,} characters of each; `semsearch diff` shows all)")
    for warning in warnings(found):
        click.echo(f"note: {warning}")
    click.echo()
