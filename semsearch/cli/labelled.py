"""What the commands on labelled pairs share: their options, loading pairs, and saying what to be wary of."""

from collections.abc import Callable, Mapping
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from semsearch.cli import render

if TYPE_CHECKING:
    from semsearch.tuning.pairs import PairSet

_UNKNOWN_SHARE = 0.05
_COLUMNS = {"text-a": "first text", "text-b": "second text", "label": "0/1 label", "score": "grade"}


def pairs(names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """The options that say which pairs; the command gets a function `load` that loads them when it is called."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @wraps(command)
        def with_pairs(
            spec: str,
            text_a: str | None,
            text_b: str | None,
            label: str | None,
            score: str | None,
            **rest: Any,
        ) -> None:
            command(load=lambda: _load(spec, text_a, text_b, label, score), **rest)

        for name, what in reversed(_COLUMNS.items()):
            with_pairs = click.option(
                f"--{name}", metavar="COLUMN", help=f"Column of the {what}, where its name is unusual."
            )(with_pairs)
        return click.option(
            "--pairs", "spec", required=True, metavar=names, help="Labelled pairs: a known set or a file."
        )(with_pairs)

    return decorate


def _load(
    spec: str, text_a: str | None, text_b: str | None, label: str | None, score: str | None
) -> "PairSet":
    from semsearch.tuning.pairs import PairColumns, load_pairs

    pairs = load_pairs(spec, columns=PairColumns(text_a, text_b, label, score))
    for skipped in pairs.skipped[:10]:
        render.talk(f"left out {skipped.path}: {skipped.reason}")
    if len(pairs.skipped) > 10:
        render.talk(f"... and {len(pairs.skipped) - 10:,} more rows")
    return pairs


def warn_unknown(share: float, model: str) -> None:
    """Warn where a model does not know much of what it has compared."""
    if share >= _UNKNOWN_SHARE:
        render.talk(f"warning: {share:.0%} of the tokens are unknown to {model}: its scores here mean little")
        render.talk("hint: try a multilingual model, such as --model paraphrase-multilingual-MiniLM-L12-v2")


def teller(bar: Any, total: int) -> Callable[[int], None]:
    """A callback that moves the bar; `total` is an upper bound, since equal texts are embedded once."""
    done = 0

    def tell(count: int) -> None:
        nonlocal done
        done += count
        if bar is not None:
            bar.update(bar.task_ids[0], completed=done, total=total, count=done)

    return tell


def promised(promise: Mapping[str, Any]) -> str:
    """A promise in words."""
    return f"{promise['measure']} at least {promise['least']:g} with {promise['confidence']:.0%} confidence"
