"""Draw a precision-recall curve, as text for a terminal or into a picture file."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from semsearch.errors import InvalidInput, extra
from semsearch.tuning.metrics import PrecisionRecallCurve

SUFFIXES = (".png", ".svg")
"""The suffixes of files that `save_plot` can write."""

_LONGEST_TITLE = 100
_CHINESE = (
    "Noto Sans CJK SC",
    "Source Han Sans SC",
    "PingFang SC",
    "Microsoft YaHei",
    "WenQuanYi Zen Hei",
    "SimHei",
)
"""Fonts with Chinese characters, of which a machine may have one."""
_TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)
_BRAILLE = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])
"""The value that each dot of a braille character adds to U+2800, by row and column (the Unicode standard, 21.1)."""


def precision_recall_text(
    curve: PrecisionRecallCurve, threshold: float, width: int, height: int = 16, *, ascii: bool = False
) -> str:
    """Return the curve as text without colour, `width` columns (at least 50) and `height` rows plus the axis.

    At each recall it shows the precision of the strictest threshold that reaches that recall. A mark shows the point of
    `threshold`. With `ascii` the text is pure ASCII.
    """
    mark, side, notch, floor = "@|+-" if ascii else "●│┼─"
    bits = np.ones((1, 1), int) if ascii else _BRAILLE
    down, across = (1, 1) if ascii else (4, 2)
    columns = max(width, 50) - 6
    bottom = height * down - 1

    dot = np.arange(columns * across)
    precision = curve.precision[np.searchsorted(curve.recall, (dot + 0.5) / len(dot))]
    level = np.rint((1 - precision) * bottom)
    left = np.append(level[0], level[:-1])  # each column of dots extends to the level of its left neighbour
    row = np.arange(bottom + 1)[:, None]
    dots = (row >= np.minimum(level, left)) & (row <= np.maximum(level, left))
    codes = (dots.reshape(height, down, columns, across) * bits[:, None]).sum(axis=(1, 3))
    cells = [[" " if not code else "*" if ascii else chr(0x2800 + code) for code in line] for line in codes]

    def column(recall: float) -> int:
        return min(int(recall * columns), columns - 1)

    def line(precision: float) -> int:
        return round((1 - precision) * bottom) // down

    caption = f"no pair reaches the threshold {threshold:g}"
    if (index := curve.at(threshold)) is not None:
        chosen = float(curve.precision[index]), float(curve.recall[index])
        cells[line(chosen[0])][column(chosen[1])] = mark
        caption = f"{mark} threshold {threshold:g}: precision {chosen[0]:.3f}, recall {chosen[1]:.3f}"

    marks = {line(tick): f"{tick:4g} {notch}" for tick in _TICKS}
    drawn = [marks.get(i, f"{side:>6}") + "".join(cells[i]) for i in range(height)]
    axis, numbers = [floor] * (columns + 1), [" "] * (columns + 3)
    for tick, text in [*((tick, f"{tick:g}") for tick in _TICKS), (0.88, "recall")]:
        at = round(tick * columns)
        axis[at] = notch if tick in _TICKS else floor
        start = max(at - len(text) // 2, 0)
        numbers[start : start + len(text)] = text
    lines = ["precision", *drawn, " " * 5 + "".join(axis), " " * 5 + "".join(numbers), caption]
    return "\n".join(text.rstrip() for text in lines)


def require_matplotlib(purpose: str) -> None:
    """Raise `MissingExtra`, which names `purpose`, where matplotlib is not installed."""
    with extra("tune", purpose):
        import matplotlib  # noqa: F401 - only its presence counts here


def drawable(text: str) -> str:
    """Return a text for a picture: on one line, at most 100 characters, without what SVG and fonts do not take."""
    shown = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
    return shown if len(shown) <= _LONGEST_TITLE else f"{shown[:_LONGEST_TITLE]}..."


def require_picture(path: Path) -> None:
    """Raise `InvalidInput` for a file name that `picture` cannot write, and `MissingExtra` without matplotlib."""
    if path.suffix.lower() not in SUFFIXES:
        raise InvalidInput(f"cannot draw {path}: it must end in {' or '.join(SUFFIXES)}")
    require_matplotlib("--plot")


@contextmanager
def picture(path: Path, size: tuple[float, float]) -> Iterator[Any]:
    """Yield a figure of a size in inches, and write it into a .png or .svg file. The same input gives the same bytes.

    Raises `InvalidInput` for another suffix, or if the file cannot be written, and `MissingExtra` without matplotlib.
    """
    require_picture(path)
    import matplotlib
    from matplotlib.figure import Figure  # not pyplot, which keeps every figure and may look for a display
    from matplotlib.font_manager import get_font_names

    image = io.BytesIO()
    suffix = path.suffix.lower()
    with matplotlib.rc_context(), warnings.catch_warnings():
        # Where no font has a character, a box stands for it.
        warnings.filterwarnings("ignore", "Glyph", UserWarning)
        matplotlib.rcdefaults()  # ignore a matplotlibrc in the working directory
        matplotlib.rcParams["text.parse_math"] = False  # a file's name may hold a formula, or half of one
        matplotlib.rcParams["svg.hashsalt"] = "semsearch"  # otherwise the ids in an SVG are random
        known = set(get_font_names())
        matplotlib.rcParams["font.family"] = ["DejaVu Sans", *(font for font in _CHINESE if font in known)]
        figure = Figure(figsize=size, layout="constrained")
        yield figure
        date = {"Date": None} if suffix == ".svg" else None
        figure.savefig(image, format=suffix[1:], dpi=150, metadata=date)
    try:
        path.write_bytes(image.getvalue())
    except OSError as error:
        raise InvalidInput(f"cannot write {path}: {error.strerror}") from error


def save_plot(curve: PrecisionRecallCurve, threshold: float, path: Path, title: str) -> None:
    """Draw the curve with its chosen point into a .png or .svg file. The same input gives the same bytes.

    Raises `InvalidInput` for another suffix, or if the file cannot be written, and `MissingExtra` without matplotlib.
    """
    with picture(path, (7, 5)) as figure:
        axes = figure.subplots()
        axes.set(xlim=(0, 1), ylim=(0, 1.01), title=drawable(title))
        axes.set_xlabel("recall: share of the duplicates that are flagged")
        axes.set_ylabel("precision: share of the flagged pairs that are duplicates")
        for f1 in (0.2, 0.4, 0.6, 0.8):
            recall = np.linspace(f1 / (2 - f1), 1, 100)
            axes.plot(recall, f1 * recall / (2 * recall - f1), color="0.85", linewidth=1, zorder=1)
            axes.annotate(f" F1 {f1}", (1, f1 / (2 - f1)), color="0.5", va="center", fontsize=8)
        recall, precision = np.append(0, curve.recall), np.append(curve.precision[0], curve.precision)
        axes.step(recall, precision, where="pre", color="tab:blue", linewidth=1.8, clip_on=False)
        if (index := curve.at(threshold)) is not None:
            chosen = float(curve.recall[index]), float(curve.precision[index])
            label = f"threshold {threshold:g}: precision {chosen[1]:.3f}, recall {chosen[0]:.3f}"
            axes.plot(*chosen, "o", color="tab:red", markersize=8, clip_on=False, label=label)
            axes.legend(loc="lower left", frameon=False)
        axes.spines[["top", "right"]].set_visible(False)
