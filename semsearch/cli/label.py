"""`semsearch label`: ask a person which pairs of texts are duplicates."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from semsearch.cli import options, render
from semsearch.cli.language import tr
from semsearch.cli.values import Share

if TYPE_CHECKING:
    from semsearch.text.diff import Difference
    from semsearch.tuning.labels import Label, LabelFile
    from semsearch.tuning.sampling import PairSample, SampledPair
    from semsearch.types import Level

_ANSWERS = {"y": "1", "n": "0", "s": "skip"}
_PROMPT = "duplicates? y yes, n no, s skip, u undo, q quit: "
_MAX_CHARACTERS = 2_000
"""The highest number of characters of a text to show."""


@options.command(
    "label",
    short_help="Label pairs of your own texts, for `tune`.",
    examples=(
        "semsearch label",
        "semsearch label --count 200 --around 0.8",
        "semsearch label --level passage --output labels.csv",
    ),
    codes=(0, 1, 2, 10, 11, 12, 13),
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
    help="Stop at N labels in total.",
)
@click.option(
    "--above",
    type=Share(open="high"),
    metavar="T",
    help="The lowest similarity of a pair to show. Default: 0.6, mapped for multilingual-e5-small.",
)
@click.option(
    "--around",
    type=Share(),
    metavar="T",
    help="Show pairs near this similarity most often. Default: the threshold of `dedup`.",
)
@click.option(
    "--level",
    type=click.Choice(["document", "passage"]),
    default="document",
    show_default=True,
    help="Pair whole documents, or passages.",
)
def label_(
    folder: Path | None,
    output: Path | None,
    count: int,
    above: float | None,
    around: float | None,
    level: "Level",
) -> None:
    """Label pairs of texts in the index as duplicates or not.

    Both texts are shown with their differences marked. Press y, n, s to skip, u to undo, or q to quit. If standard
    input is not a terminal, each answer is a line. Each answer is on the disk before the next pair is shown, and the
    next run continues where this one stopped.

    Pairs are drawn at random from bands of similarity, more often from bands near the threshold. The file records the
    size of each band, so the results of `tune --pairs labels` hold for the whole index. The similarity is hidden, so
    that it does not influence you. Exact copies are left out.

    Columns: text_a, text_b, label (1, 0 or skip), cosine, model, band, band_pairs, left, right, labelled (a time).
    """
    from semsearch.index import Index
    from semsearch.tuning.labels import FILE, SKIP, open_labels

    with Index.open(folder) as index, open_labels(output or index.folder / FILE) as labels:
        labels.require_model(index.model)
        with render.counting("compare", "pairs") as report:
            found = index.sample_pairs(above, around=around, level=level, progress=report)
        render.tell_notes([index.unread_vocabulary] if index.unread_vocabulary else [])
        if found.raised:
            said = tr("memory does not suffice for all pairs from {above:g} up: they start at {lowest:g}")
            render.talk(said.format(above=found.asked, lowest=found.lowest))
        if not len(found):
            said = tr("only exact copies have a similarity of {lowest:g} or more")
            render.talk(said.format(lowest=found.lowest))
            return
        left = _ask(found, labels, count, index.model)
        yes, no, skipped = labels.count("1"), labels.count("0"), labels.count(SKIP)
    where = render.relative(labels.path)
    said = tr("{count:,} labelled: {duplicates}, {others:,} not; {skipped:,} skipped; in {file}")
    duplicates = render.plural(yes, "duplicate")
    render.talk(said.format(count=yes + no, duplicates=duplicates, others=no, skipped=skipped, file=where))
    if not left:
        render.talk(tr("no pairs are left to label"))
    named = "labels" if output is None else where
    render.talk(tr("next: {command}").format(command=f"semsearch tune --pairs {named}"))


def _ask(found: "PairSample", labels: "LabelFile", count: int, model: str) -> bool:
    """Show pairs until there are `count` labels or the person quits; return False if no pair is left."""
    from semsearch.tuning.labels import Label

    seen = {row.texts: _pair(row) for row in labels.rows}
    fresh = (pair for pair in found if pair.texts not in seen)
    again: list[SampledPair] = []
    while labels.count("0", "1") < count:
        pair = again.pop() if again else next(fresh, None)
        if pair is None:
            return False
        number = labels.count("0", "1") + 1
        _show_pair(pair, tr("{number:,} of {count:,}").format(number=number, count=count))
        answer = _answer()
        if answer == "q":
            break
        if answer in _ANSWERS:
            labels.add(Label.of(pair, _ANSWERS[answer], model))
            seen[pair.texts] = pair
            continue
        again.append(pair)
        if (last := labels.undo()) is None:
            click.echo(tr("there is nothing to undo"))
        else:
            again.append(seen[last.texts])
    return True


def _pair(row: "Label") -> "SampledPair":
    """Return the pair of a label of an earlier run, of which no originals are known."""
    from semsearch.tuning.sampling import SampledPair

    sides = (row.left, row.right, row.text_a, row.text_b)
    return SampledPair(*sides, row.cosine, row.band, row.band_pairs, row.text_a, row.text_b)


def _answer() -> str:
    """Ask until the answer is valid; return its letter. It is a key at a terminal, else the first letter of a line."""
    terminal = sys.stdin.isatty()
    while True:
        click.echo(tr(_PROMPT), nl=False)
        try:
            # Keys pressed early are discarded, so nobody answers for a pair before it is shown. At a terminal, the end
            # of input raises an exception; if the terminal is gone, getchar returns an empty string.
            said = click.getchar() if terminal else sys.stdin.readline()
        except (EOFError, KeyboardInterrupt):
            said = ""
        answer = said.strip()[:1].lower() if said else "q"
        click.echo(render.name(answer) if terminal else "")
        if answer and answer in "ynsuq":
            return answer


def _show_pair(pair: "SampledPair", place: str) -> None:
    """Print two texts with their differences marked; of long texts only the beginning."""
    from semsearch.cli.diff import show_text, warnings
    from semsearch.text.diff import as_written, difference

    def written(difference: "Difference") -> "Difference":
        return as_written(difference, (pair.text_a, pair.original_a), (pair.text_b, pair.original_b))

    console = render.console()
    click.echo(f"\n{f' {place} '.center(min(console.width, 80), '-')}")
    click.echo(f"A  {render.name(pair.left)}\nB  {render.name(pair.right)}\n")
    found = written(difference(pair.text_a, pair.text_b))
    a, b = (text[:_MAX_CHARACTERS] for text in (pair.text_a, pair.text_b))
    long = (a, b) != (pair.text_a, pair.text_b)
    shown = written(difference(a, b)) if long else found
    show_text(shown, console.width if render.coloured() else 0, full=True)
    if long:
        said = tr("(the first {count:,} characters of each; `semsearch diff` shows everything)")
        click.echo(said.format(count=_MAX_CHARACTERS))
    for warning in warnings(found):
        click.echo(tr("note: {note}").format(note=warning))
    click.echo()
