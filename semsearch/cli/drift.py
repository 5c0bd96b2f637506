"""`semsearch drift`: what has changed in an index, or in a log of queries."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from semsearch import serialize
from semsearch.cli import options, render
from semsearch.cli.language import english, tr, translated
from semsearch.cli.outputs import require_apart
from semsearch.cli.values import Share

if TYPE_CHECKING:
    from semsearch.drift.find import Drift
    from semsearch.drift.scores import DriftScores
    from semsearch.drift.terms import DriftTerm
    from semsearch.drift.windows import DriftWindow
    from semsearch.readers import RowFields

_NAMES = {
    "terms": "terms",
    "vectors": "vectors",
    "length": "length",
    "pieces": "tokens a word",
    "unknown": "unknown tokens",
    "scores": "scores of pairs",
}
_FORMS = {"length": "{:,.0f}", "pieces": "{:.3f}", "unknown": "{:.2%}"}
_PAIRS = 3


@options.command(
    "drift",
    short_help="Say what has changed in an index over time, or in a log.",
    examples=(
        "semsearch drift --by date --since 2024-07",
        "semsearch drift --by modified --before 2023 --since 2024 --report drift.html",
        "semsearch drift --queries log.csv --by time --text-field query --max-drift 10%",
    ),
    codes=(0, 1, 2, 3, 10, 12, 13),
    groups={
        "Windows of time": ("by", "before", "since"),
        "A log of queries": ("queries", "text_field", "id_field", "table"),
        "A check for CI": ("max_drift",),
    },
)
@options.index
@click.option(
    "--by",
    metavar="FIELD",
    help="A field of dates; or ingested (default), modified.",
)
@click.option("--before", metavar="DATE", help="End of the earlier window (default: --since).")
@click.option("--since", metavar="DATE", help="Begin of the later one (default: the middle).")
@click.option(
    "--queries",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="Compare the queries of this file instead.",
)
@options.rows
@click.option(
    "--max-drift",
    type=Share(),
    metavar="SHARE",
    help="Exit with 1 if there is as much drift, as 10%.",
)
@click.option(
    "--top",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    metavar="N",
    help="Most terms to show; files have all.",
)
@click.option(
    "--report",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write an HTML page.",
)
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
@options.as_json
def drift_(
    folder: Path | None,
    by: str | None,
    before: str | None,
    since: str | None,
    queries: Path | None,
    fields: "RowFields",
    max_drift: float | None,
    top: int,
    report: Path | None,
    force: bool,
    as_json: bool,
) -> None:
    """Compare the texts of an earlier window of time with those of a later one.

    It tests terms, vectors, lengths and tokens, the scores of pairs if a threshold is saved, and whether the model
    still gives the stored vectors. All tests share one decision: where nothing has changed, at most 2% of runs find
    drift. Whole documents are compared, since passages of one document are alike.

    The amount of drift is about how well a classifier tells the windows apart: so many documents at least would have to
    be of a new kind, if it were a perfect one. Queries without --by are compared by their order in FILE, the first half
    with the second. Nothing is kept of them.
    """
    from semsearch.errors import InvalidInput, SemsearchError
    from semsearch.files import require_writable
    from semsearch.index import Index
    from semsearch.requests import DriftRequest

    request = DriftRequest(by, before, since)
    if queries is None and (fields.text or fields.id):
        raise InvalidInput("--text-field and --id-field are about --queries", "add --queries FILE")
    if report is not None:  # checked before a minute of work
        from semsearch.evaluation.plot import require_matplotlib

        require_matplotlib("a report with pictures")
        require_writable(report, force=force)
        if queries is not None and report.exists() and report.samefile(queries):
            raise InvalidInput(f"{report} is the file of the queries", "choose another name")
    failed = False
    with Index.open(folder) as index:
        require_apart((report,), index)
        if queries is None:
            with render.counting("reading", "passages") as progress:
                found = index.find_drift(request, progress=progress)
        else:
            from semsearch.drift.log import read_queries

            some, skipped, notes = read_queries(queries, fields, by)
            render.tell_skipped(skipped)
            render.tell_notes(notes)
            failed = any(one.failed for one in skipped)
            if not some:
                raise SemsearchError(f"{queries} has no queries", "name the column with --text-field")
            found = index.find_drift(request, queries=some)
    if as_json:
        render.emit_json(serialize.drift_json(found))
    else:
        for line in _lines(found, top):
            click.echo(line)
    if found.undated:
        said = tr("{texts} without such a date are in no window")
        render.tell_note(said.format(texts=render.plural(found.undated, "text")))
    render.tell_notes(found.notes)
    if report is not None:
        from semsearch.evaluation.drift_report import write_drift_report

        with english():
            write_drift_report(report, found)
        render.talk(tr("wrote {file}").format(file=render.relative(report)))
    if max_drift is not None:
        above = found.exceeds(max_drift)
        said = (
            tr("check failed: less than {share:.3g}% may change")
            if above
            else tr("check passed: less than {share:.3g}% may change")
        )
        render.talk(said.format(share=100 * max_drift))
        if above:
            raise click.exceptions.Exit(1)
    if failed:
        raise click.exceptions.Exit(3)


def _lines(found: "Drift", top: int) -> Iterator[str]:
    """Yield the lines of the answer."""
    for name, window in (("before", found.before), ("now", found.now)):
        yield _window(tr(name), window, found.by)
    amount = tr("amount {share}").format(share=render.ranged(found.amount, "{:.1%}"))
    verdict = tr("drift") if found.found else tr("no drift found")
    yield (
        click.style(f"{verdict}{tr('; ')}{amount}", bold=True)
        if render.coloured()
        else (f"{verdict}{tr('; ')}{amount}")
    )
    yield ""
    measures = {one.name: one for one in found.measures}
    rows = []
    for test in found.tests:
        one = measures.get(test.name)
        form = _FORMS.get(test.name, "")
        told = "" if one is None else f"{render.ranged(one.before, form)} → {render.ranged(one.now, form)}"
        rows.append(
            (
                tr(_NAMES[test.name]),
                tr("drift") if test.drift else tr("no sign"),
                f"{test.adjusted:.3f}",
                told,
            )
        )
    yield from render.table_lines((tr("test"), tr("result"), "p", tr("before and now")), rows)
    if found.model is not None:
        yield from map(render.folded, _model(found))
    if found.scores is not None:
        yield from _scores(found.scores)
    if found.terms:
        yield ""
        yield tr("terms, by their share of the texts before and now")
        for term in found.terms[:top]:
            yield from _term(term)
        if len(found.terms) > top:
            hint = tr("... and {terms} more (--top {number} shows all)")
            terms = render.plural(len(found.terms) - top, "term")
            yield hint.format(terms=terms, number=len(found.terms))
    yield ""
    yield tr("texts that are most unlike the other window")
    for document in found.documents:
        side = tr("now") if document.late else tr("before")
        yield f"  {side}{tr(': ')}{render.excerpt(document.text, width=66)}"
        yield f"      {render.excerpt(document.document, width=72)}"


def _window(name: str, window: "DriftWindow", by: str) -> str:
    said = tr("{name}: {documents}, {passages}, {by} {first} to {last}").format(
        name=name,
        documents=render.plural(window.documents, "text"),
        passages=render.plural(window.passages, "passage"),
        by=render.excerpt(by, width=40),
        first=window.first,
        last=window.last,
    )
    if window.drawn < window.documents:
        said += tr("; {drawn} of them drawn at random").format(drawn=render.plural(window.drawn, "text"))
    return render.folded(said)


def _model(found: "Drift") -> Iterator[str]:
    model = found.model
    if model is None or (model.reason and not model.changed):
        return
    if model.differing is None:
        yield tr("model: it has changed: {reason}").format(reason=translated(model.reason))
        return
    said = (
        tr("model: changed; of {texts} that were embedded again {share} differ")
        if model.changed
        else tr("model: no sign of a change; of {texts} that were embedded again {share} differ")
    )
    yield said.format(
        texts=render.plural(model.texts, "text"), share=render.ranged(model.differing, "{:.1%}")
    )


def _scores(scores: "DriftScores") -> Iterator[str]:
    yield ""
    counts = tr("{before} before, {now} now").format(
        before=render.plural(sum(scores.before), "pair"), now=render.plural(sum(scores.now), "pair")
    )
    if scores.covered is None:
        said = tr(
            "threshold {threshold:g}: too few pairs to say whether its guarantee covers new ones ({counts})"
        )
    elif scores.covered:
        said = tr("threshold {threshold:g}: no sign that its guarantee does not cover new pairs ({counts})")
    else:
        said = tr(
            "threshold {threshold:g}: new pairs score otherwise, so its guarantee may not cover them ({counts})"
        )
    yield render.folded(said.format(threshold=scores.threshold, counts=counts))
    if scores.covered is False and scores.pairs:
        hint = tr(
            "labels of such pairs settle it: semsearch label --above {threshold:g}, then semsearch tune"
        )
        yield render.folded(hint.format(threshold=scores.threshold))
        for pair in scores.pairs[:_PAIRS]:
            yield "  " + render.excerpt(f"{pair.left}  {pair.right}", width=76)


def _term(term: "DriftTerm") -> Iterator[str]:
    shares = " → ".join(render.ranged(share, "{:.1%}") for share in (term.share_before, term.share_now))
    yield f"  {render.excerpt(term.term, width=26)}  {shares}"
    for example in term.examples[:1]:
        yield f"      {render.excerpt(example, width=72)}"
