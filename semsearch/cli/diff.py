"""`semsearch diff`, and the display of the difference of two texts."""

import re
from collections.abc import Collection, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import click

from semsearch import serialize
from semsearch.cli import options, render
from semsearch.cli.language import tr, translated
from semsearch.cli.wide import padded
from semsearch.types import FieldValue, several

if TYPE_CHECKING:
    from rich.text import Text

    from semsearch.dedup.comparison import Comparison, Coverage
    from semsearch.ingest.lookup import DocumentVectors
    from semsearch.text.diff import Difference, Segment
    from semsearch.types import Tier

_SIDE_BY_SIDE = 100
"""Columns from which a terminal has room for two texts side by side."""
_CONTEXT = 80
"""Characters of equal text shown next to a change, where a long equal stretch is left out."""
_PASSAGES = 20
_LABEL = 13
"""The columns of a label."""
_WARNED = 3
_INDENTED = 10
"""Lines that are shown where the indentation differs."""
_WARNING = {"negation": frozenset(("negation", "opposite")), "number": frozenset(("number", "date"))}
"""The rules by which `dedup` keeps both texts, and which a warning on words tells in full."""
_STYLES = {
    "word": ("red", "green"),
    "number": ("bold reverse red", "bold reverse green"),
    "negation": ("bold reverse red", "bold reverse green"),
    "moved": ("cyan", "cyan"),
}
"""The style of each kind of difference, deleted and inserted."""
_TIERS: "dict[Tier | None, str]" = {
    "exact": "exact: the same text",
    "lexical": "lexical: most word triples are the same",
    "semantic": "semantic: the model finds them similar (threshold {:g})",
    None: "none: not near-duplicates (threshold {:g})",
}


@options.command(
    "diff",
    short_help="Show how similar two documents are, and how they differ.",
    examples=(
        "semsearch diff faq/refunds.md notes/refunds.md",
        'semsearch diff "data.jsonl#3" "data.jsonl#8" --json',
        "semsearch diff draft.md final.docx --full",
    ),
    codes=(0, 1, 2, 3, 10, 12, 13),
)
@click.argument("a")
@click.argument("b")
@options.index
@click.option("--full", is_flag=True, help="Show all equal text and all passages too.")
@options.as_json
def diff_(a: str, b: str, folder: Path | None, full: bool, as_json: bool) -> None:
    """Show how similar A and B are, and how they differ word by word.

    Each is a document in the index, as it was ingested, or else a file. One row of a file of rows is named file#row.
    Without an index, two files are compared with the default model. In an index, the model is loaded only for files
    and for words beyond ASCII that it may not know.

    Warnings point out numbers and negations that differ. Without colour, [-this-] is only in A and {+that+} only in B.
    """
    from semsearch.dedup.decision import DEFAULT_THRESHOLD
    from semsearch.index import Index, locate

    if locate(folder):
        with Index.open(folder) as index:
            comparison = index.compare(a, b)
    else:
        from semsearch.dedup.comparison import compare_documents
        from semsearch.embedding import load_embedder

        comparison = compare_documents(a, b, load_embedder, threshold=DEFAULT_THRESHOLD)
    if as_json:
        render.emit_json(serialize.comparison_json(comparison))
    else:
        _show_comparison(comparison, full)


def doubts(a: str, b: str) -> list[str]:
    """Return the warnings on numbers and negations in which two texts differ."""
    from semsearch.text.diff import difference

    found = difference(a, b)
    return warnings(found) if found.numbers or found.negations else []


def explain(
    a: str,
    b: str,
    names: tuple[str, str] = ("A", "B"),
    changes: int = 3,
    originals: tuple[str, str] | None = None,
) -> "Text":
    """Return how two texts differ, in a few lines: warnings, containment, and the first changes in context.

    `names` are the names of the two in these lines. With `originals`, from which the two were made, words are shown as
    they were written.
    """
    from rich.text import Text

    from semsearch.text.diff import as_written, difference

    found = difference(a, b)
    if originals:
        found = as_written(found, (a, originals[0]), (b, originals[1]))
    lines = [_warning(text) for text in warnings(found)]
    lines.append(Text(_containment(found, names)))
    groups = _changes(found.segments)
    for number, (start, end) in enumerate(groups[:changes]):
        said = _CONTEXT // 2 if number and groups[number - 1][1] == start - 1 else 0
        lines.append(_inline(_in_context(found.segments, start, end, said)))
    if len(groups) > changes:
        more = render.plural(len(groups) - changes, "more change")
        lines.append(Text(f"… {more}", "dim"))
    return Text("\n").join(lines)


# -- warnings and excerpts ----------------------------------------------------------------------------------


def _containment(found: "Difference", names: tuple[str, str] = ("A", "B")) -> str:
    if not found.changed:
        return tr("the two have the same words")
    a, b = names
    said = tr("{a} is {a_in_b} inside {b}, {b} is {b_in_a} inside {a}")
    return said.format(a=a, b=b, a_in_b=_percent(found.containment_a), b_in_a=_percent(found.containment_b))


def _percent(share: float) -> str:
    """Return a share in percent; 0% and 100% only if they are exact."""
    return f"{min(99, max(1, round(share * 100))) if 0 < share < 1 else share * 100:.0f}%"


def warnings(found: "Difference", nouns: Collection[str] = ("negation", "number")) -> list[str]:
    """Return a line for each warning: `nouns` that differ in the words, and sentences that moved."""
    said = []
    for noun, segments in (("negation", found.negations), ("number", found.numbers)):
        if not segments or noun not in nouns:
            continue
        sides = dict.fromkeys(f"{_short(segment.a)} / {_short(segment.b)}" for segment in segments)
        some = tr(", ").join(list(sides)[:_WARNED])
        more = tr(" and {count:,} more").format(count=len(sides) - _WARNED) if len(sides) > _WARNED else ""
        differs = tr(f"a {noun} differs") if len(sides) == 1 else tr(f"{noun}s differ")
        said.append(tr("{differs}: {words}").format(differs=differs, words=some + more))
    if moved := sum(segment.kind == "moved" and segment.op == "delete" for segment in found.segments):
        said.append(tr("{sentences} in another place").format(sentences=render.plural(moved, "sentence")))
    return said


def _short(text: str) -> str:
    text = render.plain(" ".join(text.split())) or "–"
    return text if len(text) <= 40 else f"{text[:40]}…"


def _changes(segments: "Sequence[Segment]") -> list[tuple[int, int]]:
    """Return the [start, end) of each run of changed segments."""
    runs = groupby(range(len(segments)), lambda at: segments[at].op == "equal")
    numbers = [list(run) for equal, run in runs if not equal]
    return [(run[0], run[-1] + 1) for run in numbers]


def _in_context(segments: "Sequence[Segment]", start: int, end: int, said: int = 0) -> "list[Segment]":
    """Return a run of changes with a few words on either side, shortened if it is long.

    The first `said` characters before it are left out: the change before has shown them.
    """
    from semsearch.text.diff import Segment

    def equal(text: str) -> Segment:
        return Segment("equal", text, text)

    untold = segments[start - 1].a[said:] if start else ""
    before = [equal(_tail(untold, _CONTEXT // 2))] if untold.strip() else []
    after = [equal(_head(segments[end].a, _CONTEXT // 2))] if end < len(segments) else []
    changed = [
        Segment(s.op, _head(s.a, 2 * _CONTEXT), _head(s.b, 2 * _CONTEXT), s.kind) for s in segments[start:end]
    ]
    shown = changed[:4] + ([equal("…")] if len(changed) > 4 else [])
    return [*before, *shown, *after]


def _head(text: str, size: int) -> str:
    """Return the beginning of a text, up to the end of a word if it has blanks."""
    return text if len(text) <= size else text[:size].rsplit(" ", 1)[0] + " … "


def _tail(text: str, size: int) -> str:
    return text if len(text) <= size else " … " + text[-size:].split(" ", 1)[-1]


# -- for people ---------------------------------------------------------------------------------------------


def _show_comparison(found: "Comparison", full: bool) -> None:
    """Print the similarity, the aligned texts, and the passages that match."""
    console = render.console()
    for letter, side in (("A", found.a), ("B", found.b)):
        passages = tr(" ({detail})").format(detail=render.plural(len(side.texts), "passage"))
        click.echo(f"{letter}  {render.name(side.name)} {passages}")
    click.echo()
    there, back = found.coverage_a.similarity, found.coverage_b.similarity
    several = len(found.a.texts) > 1 or len(found.b.texts) > 1
    both = tr("{similarity:.4f}, the smaller of {there:.4f} for A in B and {back:.4f} for B in A")
    similarity = both.format(similarity=found.similarity, there=there, back=back)
    rows = {
        "similarity": similarity if several else f"{found.similarity:.4f}",
        "word triples": tr("{share:.4f} of all are in both (Jaccard)").format(share=found.jaccard),
        "tier": tr(_TIERS[found.tier]).format(found.threshold),
        "dedup": _outcome(found),
        "containment": _containment(found.difference),
    }
    for label, value in rows.items():
        click.echo(f"{padded(tr(label), _LABEL)}{value}")
    for text in warnings(found.difference, [noun for noun, rules in _WARNING.items() if rules & found.rules]):
        console.print(_warning(text))
    for name, values in found.fields.items():
        click.echo(f"{padded(tr('field'), _LABEL)}{render.name(name)}: {' / '.join(map(_value, values))}")
    click.echo()
    show_text(found.difference, console.width if render.coloured() else 0, full)
    if "indentation" in found.rules:
        _show_indentation(found, full)
    if several:
        _show_coverage("A", found.a, "B", found.b, found.coverage_a, full)
        _show_coverage("B", found.b, "A", found.a, found.coverage_b, full)


def _show_indentation(found: "Comparison", full: bool) -> None:
    """Print the lines that are indented otherwise, each as both texts have it."""
    from rich.text import Text

    from semsearch.text.indentation import reindented

    lines = reindented(found.a.original, found.b.original)
    console = render.console()
    for both in lines if full else lines[:_INDENTED]:
        for mark, style, line in zip("-+", _STYLES["word"], both, strict=True):
            console.print(Text(f"{mark} ").append(render.plain(line.expandtabs()), style), soft_wrap=True)
    if len(lines) > _INDENTED and not full:
        click.echo(tr("… and {count:,} more (--full)").format(count=len(lines) - _INDENTED))


def _outcome(found: "Comparison") -> str:
    """Return what `dedup` does with the two."""
    if found.differs:
        return tr("keeps both: {reason}").format(reason=render.plain(translated(found.differs)))
    return tr("keeps both") if found.tier is None else tr("keeps one of them")


def _value(value: FieldValue | None) -> str:
    return "–" if value is None else _short(", ".join(map(str, several(value))))


def _warning(text: str) -> "Text":
    from rich.text import Text

    label = tr("warning")
    return Text.assemble((label, "bold yellow"), padded(label, _LABEL).removeprefix(label), text)


def _show_coverage(
    letter: str,
    own: "DocumentVectors",
    other_letter: str,
    other: "DocumentVectors",
    coverage: "Coverage",
    full: bool,
) -> None:
    from semsearch.types import place

    def where(passages: "DocumentVectors", row: int) -> str:
        return place(*passages.places[row]).lstrip(":, ")

    rows = [
        (f"{cosine:.4f}", where(own, row), where(other, int(best)))
        for row, (best, cosine) in enumerate(zip(coverage.row, coverage.cosine, strict=True))
    ]
    shown = rows if full else rows[:_PASSAGES]
    click.echo()
    columns = (
        tr("cosine"),
        tr("passage of {document}").format(document=letter),
        tr("most like it in {document}").format(document=other_letter),
    )
    render.table(columns, shown)
    if len(rows) > len(shown):
        click.echo(tr("… and {count:,} more (--full)").format(count=len(rows) - len(shown)))


def show_text(found: "Difference", width: int, full: bool) -> None:
    """Print two texts aligned: side by side, a line each if `width` is small, or in one line if it is 0."""
    from rich.table import Table
    from rich.text import Text

    console = render.console()
    table = Table.grid(padding=(0, 2), expand=True)
    table.add_column(ratio=1, overflow="fold")
    table.add_column(ratio=1, overflow="fold")
    for row in _aligned_lines(found.segments, full):
        sides = [Text(row, "dim")] * 2 if isinstance(row, str) else [_side(row, 0), _side(row, 1)]
        if width >= _SIDE_BY_SIDE:
            table.add_row(*sides)
        elif isinstance(row, str) or not width:
            console.print(sides[0] if isinstance(row, str) else _inline(row), soft_wrap=not width)
        else:
            same = all(segment.op == "equal" for segment in row)
            for mark, side in zip("  " if same else "-+", sides[: 1 if same else 2], strict=False):
                if side.plain:
                    console.print(Text(f"{mark} ").append(side), soft_wrap=False)
    if table.rows:
        console.print(table, soft_wrap=False)


def _aligned_lines(segments: "Sequence[Segment]", full: bool) -> "Iterator[list[Segment] | str]":
    """Yield aligned lines by sentences; unless `full`, a word count replaces a long equal stretch."""
    from semsearch.text.diff import count_words

    for equal, rows in groupby(_sentences(segments), lambda row: all(s.op == "equal" for s in row)):
        if full:
            yield from rows
        elif not equal:
            yield from map(_shortened, rows)
        else:
            run = list(rows)
            text = "".join(segment.a for row in run for segment in row)
            if len(text) <= _CONTEXT:
                yield from run
            else:
                yield f"… {render.plural(count_words(text), 'equal word')} …"


def _sentences(segments: "Sequence[Segment]") -> "Iterator[list[Segment]]":
    """Yield the lines that segments make; equal segments are cut at the ends of sentences."""
    from semsearch.text import sentences
    from semsearch.text.diff import Segment

    def cut(text: str) -> list[str]:
        starts = [start for start, _ in sentences(text)]
        return [text[a:b] for a, b in zip([0, *starts[1:]], [*starts[1:], len(text)], strict=True)]

    def ends(text: str) -> bool:
        return len(sentences(text + "x")) > len(sentences(text))

    row: list[Segment] = []
    for segment in segments:
        pieces = [segment]
        if segment.op == "equal":
            sides = cut(segment.a), cut(segment.b)
            if len(sides[0]) == len(sides[1]):  # else their blanks differ, and with them what a sentence is
                pieces = [Segment("equal", a, b) for a, b in zip(*sides, strict=True)]
        for piece in pieces:
            row.append(piece)
            if all(ends(side) for side in (piece.a, piece.b) if side):
                yield row
                row = []
    if row:
        yield row


def _shortened(row: "list[Segment]") -> "list[Segment]":
    """Return a changed line without the middle of long equal stretches."""
    from semsearch.text.diff import Segment, count_words

    def short(text: str) -> str:
        if len(text) <= 3 * _CONTEXT:
            return text
        head, tail = _head(text, _CONTEXT), _tail(text, _CONTEXT)
        left_out = count_words(text) - count_words(head) - count_words(tail)
        return (
            f"{head.removesuffix('… ')}… {render.plural(left_out, 'equal word')} …{tail.removeprefix(' …')}"
        )

    return [Segment("equal", short(s.a), short(s.b)) if s.op == "equal" else s for s in row]


def _side(row: "Sequence[Segment]", side: int) -> "Text":
    """Return a line of one of the texts, with differences coloured."""
    from rich.text import Text

    line = Text()
    for segment in row:
        style = _STYLES[segment.kind][side] if segment.kind else ""
        body, blank = _parts((segment.a, segment.b)[side])
        line.append(body, style).append(blank)
    line.rstrip()
    return line


def _inline(row: "Sequence[Segment]") -> "Text":
    """Return one line for both texts, with differences coloured, or marked without colour."""
    from rich.text import Text

    line = Text()
    groups = [(equal, list(run)) for equal, run in groupby(row, lambda segment: segment.op == "equal")]
    for number, (equal, run) in enumerate(groups):
        sides = _side(run, 0), _side(run, 1)
        blanks = [_parts("".join(side))[1] for side in zip(*((s.a, s.b) for s in run), strict=True)]
        if equal:
            line.append(sides[0])
            following = groups[number + 1][1] if number + 1 < len(groups) else []
            line.append(blanks[0] if any(segment.a for segment in following) else blanks[1])
            continue
        for side, (start, end) in zip(sides, (("[-", "-]"), ("{+", "+}")), strict=True):
            if side.plain and render.coloured():
                line.append(side).append(" " if side is sides[0] and sides[1].plain else "")
            elif side.plain:
                line.append(f"{start}{side.plain}{end}")
        line.append(blanks[0] or blanks[1])
    line.rstrip()
    return line


def _parts(text: str) -> tuple[str, str]:
    """Return a text on one line, safe for a terminal, and the blank after it or nothing."""
    body = re.sub(r"\s+", " ", render.plain(text))
    return body.rstrip(), " " if body[-1:] == " " else ""
