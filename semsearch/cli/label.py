"""`semsearch label`: ask a person which pairs of texts are duplicates."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from semsearch.cli import options, render
from semsearch.cli.language import tr, translated
from semsearch.cli.values import Share

if TYPE_CHECKING:
    from semsearch.text.diff import Difference
    from semsearch.tuning.labels import Label, LabelFile, SampledPair
    from semsearch.tuning.sampling import NextPair, PairSample
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
    default=150,
    show_default=True,
    metavar="N",
    help="Stop at N labels in total.",
)
@click.option(
    "--min-precision",
    type=Share(open="both"),
    default=0.9,
    show_default=True,
    metavar="SHARE",
    help="The precision that the labels shall guarantee.",
)
@click.option(
    "--by",
    type=click.Choice(["cosine", "classifier"]),
    help="Draw pairs by the cosine, or by the saved classifier. Default: the classifier, if there is one.",
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
    min_precision: float,
    by: 'Literal["cosine", "classifier"] | None',
) -> None:
    """Label pairs of texts in the index as duplicates or not.

    Both texts are shown with their differences marked. Press y, n, s to skip, u to undo, or q to quit. If standard
    input is not a terminal, each answer is a line. Each answer is on the disk before the next pair is shown, and the
    next run continues where this one stopped.

    The first 20 pairs come from all similarities. The others are drawn where --min-precision needs them, with a known
    probability, and you may stop at any time. At the end you are told what is guaranteed, and about how many labels
    more it may take; `tune --pairs labels --min-precision` uses it (docs/thresholds.md). The similarity is hidden, so
    that it does not influence you. Exact copies are left out.

    Columns: text_a, text_b, label (1, 0 or skip), cosine, model, band, band_pairs, left, right, labelled (a time),
    and how the pair was drawn: scorer, score, cut, floor, probability.
    """
    from semsearch.index import Index
    from semsearch.tuning.labels import FILE, SKIP, open_labels
    from semsearch.tuning.threshold import Objective

    with Index.open(folder) as index, open_labels(output or index.folder / FILE) as labels:
        labels.require_model(index.model)
        with render.counting("compare", "pairs") as report:
            found = index.sample_pairs(above, around=around, level=level, by=by, progress=report)
        render.tell_notes([index.unread_vocabulary] if index.unread_vocabulary else [])
        if found.raised:
            said = tr("memory does not suffice for all pairs from {above:g} up: they start at {lowest:g}")
            render.talk(said.format(above=found.asked, lowest=found.lowest))
        if not len(found):
            said = tr("only exact copies have a similarity of {lowest:g} or more")
            render.talk(said.format(lowest=found.lowest))
            return
        after = _ask(found, labels, count, index.model, min_precision)
        yes, no, skipped = labels.count("1"), labels.count("0"), labels.count(SKIP)
    where = render.relative(labels.path)
    said = tr("{count:,} labelled: {duplicates}, {others:,} not; {skipped:,} skipped; in {file}")
    duplicates = render.plural(yes, "duplicate")
    render.talk(said.format(count=yes + no, duplicates=duplicates, others=no, skipped=skipped, file=where))
    if not after.pair:
        render.talk(tr("no pairs are left to label"))
    named = "labels" if output is None else where
    command = f"semsearch tune --pairs {named}"
    if held := after.guarantee:
        said = tr("guaranteed from {score} {threshold:g}: {guarantee}").format(
            score=translated(found.scorer.split()[0]),
            threshold=held.threshold,
            guarantee=translated(str(Objective("precision", held.target, held.confidence))),
        )
        render.talk(said)
        command += f" --min-precision {held.target:g}"
    else:
        render.talk(tr("a precision of {target:g} is not guaranteed yet").format(target=min_precision))
    if after.needed and after.pair:
        render.talk(tr("about {count:,} more labels may guarantee more").format(count=after.needed))
    render.talk(tr("next: {command}").format(command=command))


def _ask(
    found: "PairSample", labels: "LabelFile", count: int, model: str, min_precision: float
) -> "NextPair":
    """Show pairs until there are `count` labels or the person quits; return what would come next."""
    from semsearch.tuning.labels import Label

    seen = {row.texts: _pair(row) for row in labels.rows}
    again: list[SampledPair] = []
    while True:
        following = found.next(labels.rows, min_precision)
        pair = again.pop() if again else following.pair
        if pair is None or labels.count("0", "1") >= count:
            return following
        number = labels.count("0", "1") + 1
        _show_pair(pair, tr("{number:,} of {count:,}").format(number=number, count=count))
        answer = _answer()
        if answer == "q":
            return following
        if answer in _ANSWERS:
            labels.add(Label.of(pair, _ANSWERS[answer], model))
            seen[pair.texts] = pair
        elif (last := labels.undo()) is None:
            click.echo(tr("there is nothing to undo"))
        else:
            again = [seen[last.texts]]


def _pair(row: "Label") -> "SampledPair":
    """Return the pair of a label of an earlier run, of which no originals are known."""
    from semsearch.tuning.labels import SampledPair

    sides = (row.left, row.right, row.text_a, row.text_b)
    return SampledPair(*sides, row.cosine, row.band, row.band_pairs, row.text_a, row.text_b, row.draw)


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
