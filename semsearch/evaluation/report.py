"""Write the results of `eval` as one HTML file: with pictures, without scripts, for light and dark screens."""

import io
import re
import warnings
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from semsearch import __version__
from semsearch.errors import InvalidInput
from semsearch.evaluation.pairs import ModelReport
from semsearch.evaluation.plot import drawable, require_matplotlib
from semsearch.files import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_INK = "#010203"
"""A placeholder colour, replaced in the SVG by the page's text colour, which follows light and dark."""
GREY = "#888888"
COLOURS = ("#3b82c4", "#d9662b", "#3f9b58", "#b05bb5", "#c9a227", "#5aa7a7")
_BINS = [step / 20 for step in range(-4, 21)]
# Characters that XML and HTML forbid, and those that reorder text. File names and texts come from anywhere.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)

_STYLE = """
:root { color-scheme: light dark; --line: #8886; --soft: #8882; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.2rem; margin-top: 2.5rem; } h3 { font-size: 1rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem; }
th, td { padding: .25rem .6rem; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
th:first-child, td:first-child, td.text, th.text { text-align: left; }
td.text { white-space: normal; min-width: 14rem; }
figure { margin: 1rem 0; } figcaption { font-size: .85rem; opacity: .8; }
svg { width: 100%; height: auto; max-width: 46rem; }
.pair { border-left: .2rem solid var(--line); background: var(--soft); margin: .6rem 0; padding: .4rem .8rem; }
.pair p { margin: .1rem 0; overflow-wrap: anywhere; } .pair small { opacity: .8; }
"""


def write_report(path: Path, name: str, found: Sequence[ModelReport]) -> None:
    """Write a page on the results of one or more models on the pairs called `name`, atomically.

    The same results give the same bytes. Raises `InvalidInput` if the file cannot be written, and `MissingExtra`
    without matplotlib.
    """
    require_matplotlib("a report with pictures")
    save_page(path, _page(name, found))


def save_page(path: Path, page: str) -> None:
    """Write a page, atomically. Raises `InvalidInput` if the file cannot be written."""
    try:
        with replacing(path) as file:
            file.write(page.encode())
    except OSError as error:
        raise InvalidInput(f"cannot write {path}: {error.strerror}") from error


def html_page(title: str, parts: Sequence[str]) -> str:
    """Return a page of some parts, which are HTML."""
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{html_text(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style></head><body>\n" + "\n".join(parts) + "\n</body></html>\n"
    )


def _page(name: str, found: Sequence[ModelReport]) -> str:
    first = found[0]
    about = f"{first.pairs:,} pairs of {html_text(name)}"
    if first.rule:
        about += f", {first.positives:,} of them duplicates by the rule <code>{html_text(first.rule)}</code>"
    parts = [
        f"<h1>semsearch eval: {html_text(name)}</h1><p>{about}. semsearch {__version__}.</p>",
        _summary(found),
        *(
            [html_figure(partial(_curves, found=found), 4, "Precision and recall of every threshold.")]
            if first.curve
            else []
        ),
        *(_model(one, _colour(number)) for number, one in enumerate(found)),
    ]
    return html_page(f"semsearch eval: {name}", parts)


def _summary(found: Sequence[ModelReport]) -> str:
    rows = []
    for one in found:
        low, high = min(one.rates), max(one.rates)
        spread = f" ({low:,.0f} to {high:,.0f})" if len(one.rates) > 1 else ""
        shares = (one.pearson, one.spearman, one.average_precision, one.recall_at_90, one.recall_at_95)
        rows.append(
            (
                one.label,
                *map(_number, shares),
                f"{one.rate:,.0f}{spread}",
                f"{one.size / 1e6:,.0f} MB",
                f"{one.oov_rate:.1%}",
            )
        )
    head = (
        "model", "Pearson", "Spearman", "average precision", "recall at 90% precision", "recall at 95% precision",
        "texts a second", "size", "out-of-vocabulary tokens",
    )  # fmt: skip
    return html_table(head, rows)


def _model(one: ModelReport, colour: str) -> str:
    rows = [
        (
            f"{part.by}: {part.name}",
            f"{part.pairs:,}",
            "-" if part.positives is None else f"{part.positives:,}",
            _number(part.pearson),
            f"{part.bias:+.3f}",
            f"{part.error:.3f}",
        )
        for part in one.slices
    ]
    head = ("pairs by", "pairs", "duplicates", "Pearson", "bias", "mean error")
    misses = "".join(
        f'<div class="pair"><small>cosine {miss.cosine:.3f}; mean grade of pairs with that cosine {miss.expected:.2f}, '
        f"grade of this pair {miss.grade:.2f}{f'; {html_text(miss.kind)}' if miss.kind else ''}</small>"
        f"<p><bdi>{html_text(miss.text_a)}</bdi></p><p><bdi>{html_text(miss.text_b)}</bdi></p></div>"
        for miss in one.worst
    )
    return "\n".join(
        [
            f"<h2>{html_text(one.label)}</h2>",
            html_figure(partial(_histogram, one=one, colour=colour), 3, "Number of pairs by cosine."),
            html_figure(
                partial(_calibration, one=one, colour=colour),
                3,
                "Grade (0 to 1) by cosine: the mean and the middle 80% of each tenth of the pairs, and the isotonic "
                "regression of all pairs.",
            ),
            "<h3>Errors by part</h3><p>The error of a pair is the mean grade of all pairs with its cosine, less its "
            "own grade, on a scale of 0 to 1. “Bias” is the mean error of a part: above 0, its pairs are scored too "
            "high. “Mean error” is the mean absolute error.</p>",
            html_figure(
                partial(_errors, one=one, colour=colour),
                0.6 + 0.3 * len(one.slices),
                "Bias of each part: scored too high (right) or too low (left).",
            ),
            html_table(head, rows),
            "<h3>Largest errors</h3>" if misses else "",
            misses,
        ]
    )


# -- pictures -----------------------------------------------------------------------------------------------


def _curves(axes: "Axes", found: Sequence[ModelReport]) -> None:
    axes.set(xlim=(0, 1), ylim=(0, 1.01), xlabel="recall", ylabel="precision")
    for number, one in enumerate(found):
        if one.curve is not None:
            recall = np.append(0, one.curve.recall)
            precision = np.append(one.curve.precision[0], one.curve.precision)
            axes.step(recall, precision, where="pre", color=_colour(number), label=drawable(one.label))
    axes.legend(frameon=False)


def _histogram(axes: "Axes", one: ModelReport, colour: str) -> None:
    axes.set(xlabel="cosine", ylabel="pairs", xlim=(_BINS[0], 1))
    scores = np.clip(one.scores, _BINS[0], 1)
    if one.positive is None:
        axes.hist(scores, _BINS, color=colour)
        return
    for positive, paint, label in ((False, GREY, "not duplicates"), (True, colour, "duplicates")):
        axes.hist(scores[one.positive == positive], _BINS, color=paint, alpha=0.65, label=label)
    axes.legend(frameon=False)


def _calibration(axes: "Axes", one: ModelReport, colour: str) -> None:
    axes.set(xlabel="cosine", ylabel="grade", ylim=(-0.02, 1.02))
    order = np.argsort(one.scores, kind="stable")
    for part in np.array_split(order, min(10, len(order))):
        at = one.scores[part].mean()
        axes.plot([at, at], np.quantile(one.grades[part], (0.1, 0.9)), color=GREY, linewidth=1.5)
        axes.plot(at, one.grades[part].mean(), "o", color=colour, markersize=5)
    axes.plot(one.scores[order], one.expected[order], color=colour, linewidth=1.2)


def _errors(axes: "Axes", one: ModelReport, colour: str) -> None:
    names = [drawable(f"{part.by}: {part.name} ({part.pairs:,})") for part in one.slices]
    axes.barh(names[::-1], [part.bias for part in one.slices][::-1], color=colour)
    axes.axvline(0, color=_INK, linewidth=0.8)
    axes.set(xlabel="bias")


def _colour(number: int) -> str:
    return COLOURS[number % len(COLOURS)]


def html_figure(draw: Callable[["Axes"], None], height: float, caption: str) -> str:
    """Return an SVG figure that `draw` draws, 7 by `height` inches, in the page's fonts and colours."""
    import matplotlib
    from matplotlib.figure import Figure

    image = io.StringIO()
    # Keep text as text, and derive ids from the caption: they are reproducible and differ between the figures.
    with (
        warnings.catch_warnings(),
        matplotlib.rc_context(
            {
                "svg.fonttype": "none",
                "svg.hashsalt": f"semsearch {caption}",
                "text.parse_math": False,
                "text.color": _INK,
                "axes.labelcolor": _INK,
                "axes.edgecolor": _INK,
                "xtick.color": _INK,
                "ytick.color": _INK,
                "axes.spines.top": False,
                "axes.spines.right": False,
            }
        ),
    ):
        warnings.filterwarnings("ignore", "Glyph", UserWarning)  # the page's fonts draw the text
        figure = Figure(figsize=(7, height), layout="constrained")
        draw(figure.subplots())
        figure.savefig(image, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    svg = image.getvalue().partition("<svg ")[2].replace(_INK, "currentColor")
    label = escape(caption)
    return f'<figure><svg role="img" aria-label="{label}" {svg}<figcaption>{label}</figcaption></figure>'


# -- text ---------------------------------------------------------------------------------------------------


def html_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; everything in it is escaped."""
    cells = "".join(f"<th>{html_text(cell)}</th>" for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{html_text(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table></div>'


def _safe(text: str) -> str:
    return _UNSAFE.sub("�", text)


def html_text(text: str) -> str:
    """Return a text as HTML, without characters that HTML forbids and those that reorder text."""
    return escape(_safe(text))


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
