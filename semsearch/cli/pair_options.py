"""What the commands on labelled pairs share: their options, loading pairs, and saying what to be wary of."""

import sys
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from semsearch.cli import render

if TYPE_CHECKING:
    from semsearch.tuning.pairs import PairSet
    from semsearch.tuning.public_datasets import Published

_COLUMNS = {"text-a": "first text", "text-b": "second text", "label": "0/1 label", "score": "grade"}


def pairs(names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """The options that say which pairs; the command gets a function `load` that loads them when it is called."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @wraps(command)
        def with_pairs(
            spec: str,
            download: bool,
            text_a: str | None,
            text_b: str | None,
            label: str | None,
            score: str | None,
            **rest: Any,
        ) -> None:
            named = _own(rest.get("folder")) if spec == "labels" else spec
            command(load=lambda: _load(named, download, text_a, text_b, label, score), **rest)

        for name, what in reversed(_COLUMNS.items()):
            with_pairs = click.option(
                f"--{name}", metavar="COLUMN", help=f"Column of the {what}, where its name is unusual."
            )(with_pairs)
        with_pairs = click.option(
            "--download",
            is_flag=True,
            help="Get a published set from its home without asking, where it is absent.",
        )(with_pairs)
        return click.option(
            "--pairs", "spec", required=True, metavar=names, help="Labelled pairs: a known set or a file."
        )(with_pairs)

    return decorate


def _load(
    spec: str, download: bool, text_a: str | None, text_b: str | None, label: str | None, score: str | None
) -> "PairSet":
    from semsearch.tuning.pairs import PairColumns, load_pairs
    from semsearch.tuning.public_datasets import PUBLISHED

    published = PUBLISHED.get(spec)
    if published is not None and published.find() is None and (download or _agrees(published)):
        with render.counting(f"download {published.url.rpartition('/')[2]}", "bytes") as tell:
            path = published.download(lambda done, total: tell(done, total or published.size))
        render.talk(f"downloaded {path}: {published.licence}")
    pairs = load_pairs(spec, columns=PairColumns(text_a, text_b, label, score))
    failed = [skipped for skipped in pairs.skipped if skipped.failed]
    for skipped in failed[:10]:
        render.talk(f"left out {skipped.path}: {skipped.reason}")
    if len(failed) > 10:
        render.talk(f"... and {len(failed) - 10:,} more rows")
    return pairs


def _own(folder: Path | None) -> str:
    """The file of the labels that were given in an index."""
    from semsearch.errors import IndexNotFound, InvalidInput
    from semsearch.index import locate
    from semsearch.tuning.labels import FILE

    if (found := locate(folder)) is None:
        raise IndexNotFound("no index here that has labels", "name the file of the labels, or --index DIR")
    if not (found / FILE).exists():
        raise InvalidInput(f"nothing is labelled in {found} yet", "give some labels: semsearch label")
    return render.relative(found / FILE)


def _agrees(published: "Published") -> bool:
    """Whether a person at a terminal wants the download; where there is nobody to ask, the answer is no."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    return click.confirm(f"{published.name} is not on this machine. Download {published.offer}?", err=True)


def warn_unknown(share: float, model: str) -> None:
    """Warn where a model does not know much of what it has compared."""
    if share >= render.WARN_OOV_RATE:
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
