"""`semsearch batch`: embed data sets, and find near-duplicates in them, on the machines of a Ray cluster."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from semsearch.cli import groups, leak, options, render
from semsearch.cli.language import tr, translated
from semsearch.cli.values import Share

if TYPE_CHECKING:
    from semsearch.distributed.batch import BatchDuplicates, BatchLeaks, Embedded, Progress
    from semsearch.readers import RowFields


@options.command(
    "batch",
    short_help="Embed data sets, and find near-duplicates in them, on a Ray cluster.",
    examples=(
        "semsearch batch dedup data/*.jsonl --output clean/",
        "semsearch batch embed s3://bucket/texts --text-field text --output s3://bucket/vectors",
        "semsearch batch dedup data/ --output clean/ --address ray://head:10001 --recall 99%",
        "semsearch batch leak test.jsonl --against train/ --output leaks/",
    ),
    codes=(0, 1, 2, 3),
    groups={
        "Reading": ("against", "text_field", "id_field", "table", "model"),
        "Which pairs": ("threshold", "recall", "remove_differing"),
        "Who stays": ("keep",),
        "Running": ("output", "address"),
    },
    settings=("lexical", "linkage", "memory", "base-url", "dtype", "device", "threads"),
)
@click.argument("action", type=click.Choice(["embed", "dedup", "leak"]), metavar="ACTION")
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@click.option("--against", multiple=True, metavar="TRAIN", help="Training data, for leak; repeatable.")
@click.option("--output", required=True, metavar="DIR", help="Folder or URL that all machines share.")
@options.rows
@options.model
@click.option("--threshold", type=Share(-1), help="Lowest similarity of a pair, such as 0.9 or 90%.")
@click.option(
    "--recall",
    type=Share(open="low"),
    default=1.0,
    metavar="SHARE",
    help="Compare less, and find this share with 95% confidence.",
)
@click.option("--remove-differing", is_flag=True, help="Also pairs that differ in a number, sign or role.")
@click.option("--keep", multiple=True, metavar="RULE", help="first, newest, oldest, longest or shortest.")
@click.option(
    "--address",
    default="local",
    show_default=True,
    metavar="ADDRESS",
    help="local, auto or ray://HOST:PORT.",
)
@options.as_json
def batch_(
    action: str,
    inputs: tuple[str, ...],
    against: tuple[str, ...],
    output: str,
    fields: "RowFields",
    model: str | None,
    base_url: str | None,
    dtype: str | None,
    device: str,
    recall: float,
    address: str,
    as_json: bool,
    **rules: Any,
) -> None:
    """Embed data sets, or find near-duplicates or leaks in them, on the machines of a Ray cluster.

    \b
    semsearch batch embed INPUT...   write names, digests and vectors as Parquet
    semsearch batch dedup INPUT...   also write each row with its group and keeper
    semsearch batch leak INPUT...    also write each row with its leak

    An INPUT is a file or folder as in `dedup-files`, or a URL such as s3://, gs:// or hdfs://. The answers are those of
    `dedup-files` and `leak`, found by more processors. A run that is interrupted goes on where it was, if you run it
    again.

    With --recall 99%, at least that share of the texts with near-duplicates has all of them found. A sample proves it,
    and the report says what was sampled. Needs semsearch[ray]. See docs/batch.md for what is written, and when one
    machine is enough.
    """
    from semsearch.dedup.decision import threshold_origin
    from semsearch.distributed.batch import Batch
    from semsearch.distributed.cluster import connected
    from semsearch.embedding import DEFAULT_MODEL, load_embedder
    from semsearch.errors import InvalidInput, SemsearchError
    from semsearch.requests import DedupRequest

    request = DedupRequest(**rules)
    if action == "embed" and (request.threshold is not None or request.keep or recall < 1):
        raise InvalidInput(
            "batch embed compares nothing", "leave out the options for pairs, or use batch dedup"
        )
    if action == "leak" and (request.keep or recall < 1):
        raise InvalidInput(
            "batch leak keeps nothing, and compares everything", "leave out --keep and --recall"
        )
    if action == "leak" and not against:
        raise InvalidInput("batch leak needs the training data", "name it with --against")
    if action != "leak" and against:
        raise InvalidInput(
            f"--against is for batch leak, and not for batch {action}", "semsearch batch --help"
        )
    if address not in ("local", "auto") and not address.startswith("ray://"):
        raise InvalidInput(f"--address {address!r} is not an address", "local, auto or ray://HOST:PORT")
    server = options.server_of(model, base_url)
    load = partial(load_embedder, model or DEFAULT_MODEL, dtype or "float32", base_url=server, device="cpu")
    gpu = partial(load, device="cuda") if device == "cuda" else None
    with _stages() as progress:
        parts = [inputs, *([against] if against else [])]
        batch = Batch(parts, output, load, fields=fields, progress=progress, gpu=gpu)
        with connected(address) as cluster:
            if cluster.dashboard:
                render.talk(tr("dashboard: {url}").format(url=cluster.dashboard))
            if cluster.in_use:
                render.talk(tr("others use all processors of the cluster: waiting for one"))
            found: BatchDuplicates | BatchLeaks | None = None
            if action == "dedup":
                found = batch.dedup(cluster, request, recall=recall)
            elif action == "leak":
                differing = request.remove_differing
                found = batch.leak(
                    cluster, request.threshold, count_differing=differing, memory=request.memory
                )
            embedded = found.embedded if found else batch.embed(cluster)
    render.tell_notes(embedded.notes)
    render.tell_skipped(embedded.skipped)
    render.warn_oov(embedded.oov)
    _tell_embedded(embedded)
    if action == "leak" and not all(embedded.sizes):
        raise SemsearchError(*leak.nothing(inputs, against, "TRAIN" if embedded.sizes[0] else "TEST"))
    if as_json:
        render.emit_json(asdict(found or embedded))
    if found:
        _tell_found(found)
        origin = translated(threshold_origin(found.threshold, given=request.threshold is not None))
        render.talk(tr("threshold {threshold:g} ({origin})").format(threshold=found.threshold, origin=origin))
    if embedded.failed:
        raise click.exceptions.Exit(3)


@contextmanager
def _stages() -> "Iterator[Progress]":
    """Yield a function that shows the progress of each stage, with the time left of it."""
    shown: dict[str, Any] = {}
    with ExitStack() as stack:

        def show(stage: str, done: int, total: int) -> None:
            if stage not in shown:
                embedding = stage == "embed"
                bar = render.counting("embed", "bytes") if embedding else render.counting("compare", "visits")
                shown[stage] = stack.enter_context(bar)
            shown[stage](done, total)

        yield show


def _tell_embedded(embedded: "Embedded") -> None:
    said = tr("{documents} in {folder}: {passages}, {new:,} of them embedded now").format(
        documents=render.plural(embedded.documents, "document"),
        folder=render.name(embedded.output),
        passages=render.plural(embedded.passages, "passage"),
        new=embedded.embedded,
    )
    render.talk(said)


def _tell_found(found: "BatchDuplicates | BatchLeaks") -> None:
    from semsearch.distributed.batch import BatchLeaks

    tiers = found.exact, found.lexical, found.semantic
    if isinstance(found, BatchLeaks):
        render.talk(leak.counts(*tiers, found.total, found.against))
        lines = groups.left_out(found.vetoed, "not counted", "--remove-differing takes them")
    else:
        total = found.embedded.documents
        share = sum(tiers) / total if total else 0
        render.talk(groups.counts(found.groups, *tiers, render.plural(total, "document"), share))
        lines = groups.remarks(found.undecided, found.vetoed, found.more_rejected)
    for line in lines:
        render.talk(line)
    visited = found.visited
    said = tr("visited {visited:,} of {pairs:,} pairs of partitions: {share:.0%} of all pairs were compared")
    share = visited.compared / visited.total if visited.total else 1
    render.talk(said.format(visited=visited.visited, pairs=visited.partition_pairs, share=share))
    if visited.recall < 1:
        said = tr(
            "of {sampled:,} texts drawn at random that have near-duplicates, {complete:,} have all of them found:"
            " at least {recall:.1%} of all such texts, with {confidence:.0%} confidence"
        )
        render.talk(
            said.format(
                sampled=visited.sampled,
                complete=visited.complete,
                recall=visited.recall,
                confidence=visited.confidence,
            )
        )
