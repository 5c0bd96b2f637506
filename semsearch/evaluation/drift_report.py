"""Write what `drift` found as one HTML file: with a picture, without scripts, for light and dark screens."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from semsearch import __version__
from semsearch.drift.find import Drift
from semsearch.drift.terms import DriftTerm
from semsearch.evaluation.plot import drawable, require_matplotlib
from semsearch.evaluation.report import COLOURS, html_figure, html_page, html_table, html_text, save_page
from semsearch.tuning.metrics import Estimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_DRAWN = 20
_FORMS = {"length": "{:,.0f}", "pieces": "{:.3f}", "unknown": "{:.2%}"}


def write_drift_report(path: Path, found: Drift) -> None:
    """Write a page on the drift that was found, atomically. The same result gives the same bytes.

    Raises `InvalidInput` if the file cannot be written, and `MissingExtra` without matplotlib.
    """
    require_matplotlib("a report with pictures")
    save_page(path, html_page("semsearch drift", _parts(found)))


def _parts(found: Drift) -> list[str]:
    verdict = "Drift was found" if found.found else "No drift was found"
    parts = [
        f"<h1>semsearch drift</h1><p>{verdict}. Amount: {_range(found.amount, '{:.1%}')}, the share of the documents "
        "that would have to be of a new kind for a classifier to tell the windows apart as well as it does. All "
        f"intervals are at 95%. semsearch {__version__}.</p>",
        html_table(
            ("window", "first", "last", "documents", "passages", "compared"),
            [
                (name, one.first, one.last, f"{one.documents:,}", f"{one.passages:,}", f"{one.drawn:,}")
                for name, one in (("before", found.before), ("now", found.now))
            ],
        ),
        f"<p>By {html_text(found.by)}; {found.undated:,} documents have no such date.</p><h2>Tests</h2>",
        html_table(
            ("test", "p", "p over all tests", "drift"),
            [
                (one.name, f"{one.p:.3f}", f"{one.adjusted:.3f}", "yes" if one.drift else "no sign")
                for one in found.tests
            ],
        ),
        html_table(
            ("figure", "before", "now"),
            [
                (one.name, *(_range(side, _FORMS[one.name]) for side in (one.before, one.now)))
                for one in found.measures
            ],
        ),
    ]
    if found.model is not None and found.model.differing is not None:
        differing = _range(found.model.differing, "{:.1%}")
        parts.append(f"<p>Of {found.model.texts} passages that were embedded again, {differing} differ.</p>")
    elif found.model is not None:
        parts.append(f"<p>{html_text(found.model.reason)}</p>")
    if scores := found.scores:
        ends = zip(scores.edges, scores.edges[1:], scores.before, scores.now, strict=False)
        parts += [
            f"<h2>Pairs from the threshold {scores.threshold:g} up</h2>",
            html_table(
                ("cosine", "pairs before", "pairs now"),
                [(f"{low:.3f} to {high:.3f}", f"{before:,}", f"{now:,}") for low, high, before, now in ends],
            ),
            html_table(
                ("pairs whose labels would settle it", "", "cosine"),
                [(pair.left, pair.right, f"{pair.similarity:.3f}") for pair in scores.pairs],
            ),
        ]
    if found.terms:
        drawn = found.terms[:_DRAWN]
        parts += [
            "<h2>Terms</h2>",
            html_figure(
                partial(_odds, terms=drawn),
                0.8 + 0.3 * len(drawn),
                "Ratio of the odds of a term, now to before, with 95% intervals; the prior draws it towards 1.",
            ),
            html_table(
                ("term", "before", "now", "p", "example"),
                [
                    (one.term, *(f"{count:,}: {_range(share, '{:.1%}')}" for count, share in (
                        (one.before, one.share_before), (one.now, one.share_now))), f"{one.p:.3f}",
                     next(iter(one.examples), "")[:200])
                    for one in found.terms
                ],
            ),
        ]  # fmt: skip
    parts.append("<h2>Texts that are most unlike the other window</h2>")
    parts += [
        f'<div class="pair"><small>{"now" if one.late else "before"}: {html_text(one.document)}</small>'
        f"<p><bdi>{html_text(one.text[:1_000])}</bdi></p></div>"
        for one in found.documents
    ]
    return parts


def _odds(axes: "Axes", terms: tuple[DriftTerm, ...]) -> None:
    for at, one in enumerate(reversed(terms)):
        axes.plot([one.odds.low, one.odds.high], [at, at], color=COLOURS[0], linewidth=1.5)
        axes.plot(one.odds.value, at, "o", color=COLOURS[0], markersize=5)
    axes.axvline(1, color="#888888", linewidth=0.8)
    axes.set(xscale="log", xlabel="ratio of the odds")
    axes.set_yticks(range(len(terms)), [drawable(one.term) for one in reversed(terms)])


def _range(value: Estimate, form: str) -> str:
    return "{} ({} to {})".format(*(form.format(one) for one in (value.value, value.low, value.high)))
