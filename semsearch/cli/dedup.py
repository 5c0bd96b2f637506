"""`semsearch dedup`, `plan` and `dedup-files`: find near-duplicates in the index or in files, and plan a removal."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click

from semsearch import serialize
from semsearch.cli import groups, options, render
from semsearch.cli.language import tr, translated
from semsearch.cli.plan import show_step
from semsearch.cli.values import Share

if TYPE_CHECKING:
    from semsearch.dedup import Duplicates, Plan
    from semsearch.dedup.in_files import Dataset
    from semsearch.index import Index
    from semsearch.readers import RowFields
    from semsearch.requests import DedupRequest
    from semsearch.types import Tier

_Decorated = TypeVar("_Decorated", bound=Callable[..., Any])

_threshold = click.option(
    "--threshold", type=Share(-1), help="Lowest similarity of a pair, such as 0.9 or 90%."
)
_min_precision = click.option(
    "--min-precision",
    type=Share(open="both"),
    metavar="SHARE",
    help="Instead: the precision that `tune` guaranteed.",
)
_keep = click.option(
    "--keep",
    multiple=True,
    metavar="RULE",
    help="first, newest, oldest, longest, shortest or path:GLOB.",
)
_protect = click.option(
    "--protect",
    multiple=True,
    metavar="PATTERN",
    help="Never remove this file, folder or glob.",
)
_remove_differing = click.option(
    "--remove-differing",
    is_flag=True,
    help="Also pairs that differ in a number, sign or role.",
)
_explain = click.option("--explain", is_flag=True, help="Show how members differ, and all rejected pairs.")
_from_run = click.option("--from-run", is_flag=True, help="Compare nothing; answer from earlier runs.")
_force = click.option("--force", is_flag=True, help="Overwrite an existing file.")


def _remove(*more: str) -> Callable[[_Decorated], _Decorated]:
    """Return the option that says which members go, for `tiers`."""
    return click.option(
        "--remove",
        "tiers",
        multiple=True,
        type=click.Choice(["exact", "lexical", "semantic", *more]),
        metavar="TIER",
        help=f"Only exact, lexical, semantic{' or none' if more else ''}; repeatable.",
    )


_PAIRS = ("threshold", "min_precision", "contained", "level", "remove_differing", "from_run")
_GROUPS = ("keep", "protect", "tiers")


@options.command(
    "dedup",
    short_help="Find near-duplicates in the index.",
    examples=(
        "semsearch dedup",
        "semsearch dedup --threshold 90% --explain",
        "semsearch dedup --min-precision 95% --keep newest",
        "semsearch dedup data.jsonl        files, without an index: dedup-files --help",
        "semsearch dedup --plan plan.json  prepare a removal: plan --help",
    ),
    codes=(0, 1, 2, 10, 12, 13),
    groups={"Which pairs": _PAIRS, "Who stays": _GROUPS},
    settings=("lexical", "linkage", "memory", "threads"),
)
@options.index
@_threshold
@_min_precision
@options.contained
@click.option(
    "--level",
    type=click.Choice(["document", "passage"]),
    default="document",
    show_default=True,
    help="Compare documents or passages.",
)
@_keep
@_protect
@_remove_differing
@_explain
@_from_run
@options.as_json
@options.as_jsonl
@options.as_csv
def dedup_(
    folder: Path | None, explain: bool, as_json: bool, as_jsonl: bool, as_csv: bool, **rules: Any
) -> None:
    """Find groups of near-duplicates in the index. No file is changed.

    Every pair is compared exactly. Each group has a keeper. A member is exact if its text equals the keeper's,
    lexical if it shares 0.8 of its word triples with it, and else semantic. Texts that are alike but differ in a
    number, a date, a negation, a role, a sign or the indentation of code are kept, and listed with the difference.

    The threshold is the one that `tune` saved, else 0.85, mapped for other models than the default one. To remove
    members: `semsearch plan`, `apply`, `undo`.
    """
    from semsearch.index import Index
    from semsearch.requests import DedupRequest

    request = DedupRequest(**rules)
    with Index.open(folder) as index:
        found = _find_in(index, request)
        _print(found, _threshold_origin(index, request, found.threshold), explain, as_json, as_jsonl, as_csv)


@options.command(
    "plan",
    short_help="Write a plan that removes near-duplicates from the index's folders.",
    examples=(
        "semsearch plan plan.json --remove exact",
        "semsearch plan plan.json --keep newest --protect 'archive/*'",
        "semsearch apply plan.json",
    ),
    codes=(0, 1, 2, 10, 12, 13),
    groups={"Which pairs": _PAIRS, "Who stays": _GROUPS},
    settings=("lexical", "linkage", "memory", "threads"),
)
@click.argument("plan", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE")
@options.index
@_threshold
@_min_precision
@options.contained
@_keep
@_protect
@_remove()
@_remove_differing
@_explain
@_from_run
@_force
@options.as_json
@options.as_jsonl
@options.as_csv
def plan_(
    plan: Path,
    folder: Path | None,
    tiers: "tuple[Tier, ...]",
    explain: bool,
    force: bool,
    as_json: bool,
    as_jsonl: bool,
    as_csv: bool,
    **rules: Any,
) -> None:
    """Write a plan to FILE that removes near-duplicates. No other file is changed.

    The plan is JSON for you to read and cut down. It removes every member of the groups that `semsearch dedup` finds
    with the same options, except protected ones, and prints what it removes. --explain prints the groups too.
    `semsearch apply FILE` moves the documents to a quarantine, and `semsearch undo` takes that back.
    """
    from semsearch.files import require_writable
    from semsearch.index import Index
    from semsearch.requests import DedupRequest
    from semsearch.types import TIERS

    require_writable(plan, force=force)
    request = DedupRequest(**rules)
    with Index.open(folder) as index:
        found = _find_in(index, request)
        steps = index.plan(found, request.keep_rules, tiers or TIERS)
        steps.save(plan)
        origin = _threshold_origin(index, request, found.threshold)
        _print(found, origin, explain, as_json, as_jsonl, as_csv, steps)
    for line in _plan_messages(steps, found, plan):
        render.talk(line)


@options.command(
    "dedup-files",
    short_help="Find near-duplicates in files of rows or texts, without an index.",
    examples=(
        "semsearch dedup-files data.jsonl --text-field text --output clean.jsonl",
        "semsearch dedup-files data.csv --remove none --output marked.csv --group-field group",
        "semsearch dedup-files notes/ --threshold 90%",
    ),
    codes=(0, 1, 2, 3),
    groups={
        "Reading": ("text_field", "id_field", "table", "model"),
        "Which pairs": _PAIRS,
        "Who stays": _GROUPS,
        "Writing": ("output", "group_field", "force"),
    },
    settings=("lexical", "linkage", "memory", "base-url", "dtype", "vector-cache", "threads"),
)
@click.argument(
    "paths", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True), metavar="PATH..."
)
@options.rows
@options.model
@_threshold
@options.contained
@_keep
@_protect
@_remove("none")
@_remove_differing
@_explain
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write PATH without its duplicates.",
)
@click.option("--group-field", metavar="NAME", help="Add a column with each row's group to --output.")
@_force
@options.as_json
@options.as_jsonl
@options.as_csv
def dedup_files_(
    paths: tuple[Path, ...],
    fields: "RowFields",
    model: str | None,
    base_url: str | None,
    dtype: str | None,
    vector_cache: int,
    tiers: "tuple[Tier | Literal['none'], ...]",
    explain: bool,
    output: Path | None,
    group_field: str | None,
    force: bool,
    as_json: bool,
    as_jsonl: bool,
    as_csv: bool,
    **rules: Any,
) -> None:
    """Find groups of near-duplicates in files and folders, without an index. No PATH is changed.

    Each row of a CSV, TSV, JSON, JSON Lines or Parquet file is a document, and so is any other file. With --output,
    PATH is one file of rows, and every row is written except the members of groups. --remove none writes all rows.
    The groups are those of `semsearch dedup`; the threshold is 0.85 if you give none, mapped for other models.
    """
    from semsearch.dedup.decision import threshold_origin
    from semsearch.errors import InvalidInput
    from semsearch.readers.rewrite import read_otherwise, require_copyable
    from semsearch.requests import DedupRequest
    from semsearch.types import TIERS

    if not output and (group_field or tiers):
        raise InvalidInput(
            f"{'--group-field' if group_field else '--remove'} is for --output", "add --output FILE"
        )
    if output:
        if len(paths) > 1:
            raise InvalidInput("--output writes one file of rows", "name only that file")
        require_copyable(
            paths[0], output, fields=fields, columns=(group_field,) if group_field else (), force=force
        )
    removed = tuple(tier for tier in tiers or TIERS if tier != "none")
    request = DedupRequest(**rules)
    with read_dataset(
        paths, fields=fields, model=model, base_url=base_url, dtype=dtype, most=vector_cache
    ) as dataset:
        with render.counting("compare", "pairs") as progress:
            found = dataset.find_duplicates(request, progress=progress)
        render.tell_skipped(dataset.skipped)
        render.warn_oov(dataset.oov)
        said: list[str] = []
        if output:
            rows = dataset.write(
                found,
                output,
                group_field=group_field or "",
                keep_all=not removed,
                tiers=removed or TIERS,
                force=force,
            )
            wrote = tr("wrote {rows} to {file}")
            said.append(wrote.format(rows=render.plural(rows, "row"), file=render.relative(output)))
            if note := read_otherwise(output, paths[0], fields):
                said.append(f"{render.relative(output)}: {translated(note)}")
        origin = threshold_origin(found.threshold, given=request.threshold is not None)
        _print(found, origin, explain, as_json, as_jsonl, as_csv)
        for line in said:
            render.talk(line)
        if dataset.failed:
            raise click.exceptions.Exit(3)


def _find_in(index: "Index", request: "DedupRequest") -> "Duplicates":
    """Return the duplicates in an index, with a progress bar."""
    with render.counting("compare", "pairs") as progress:
        found = index.find_duplicates(request, progress=progress)
    render.tell_notes([index.unread_vocabulary] if index.unread_vocabulary else [])
    if found.shift and not found.guarantee_carries_over:
        said = tr(
            "the guarantee does not hold here: a test tells these pairs from the labelled ones ({area:.2f}; 0.5 is"
            " chance). Label pairs of your own text, and tune again"
        )
        render.tell_note(said.format(area=found.shift[0]))
    return found


def _print(
    found: "Duplicates",
    origin: str,
    explain: bool,
    as_json: bool,
    as_jsonl: bool,
    as_csv: bool,
    steps: "Plan | None" = None,
) -> None:
    """Print groups on standard output, and their counts on standard error.

    With the `steps` of a plan, people see these, and the groups only if they want to have them explained.
    """
    difference = groups.difference if explain else None
    doubtful = 0 if steps is None or explain else groups.doubtful(found)
    if as_json:
        render.emit_json(serialize.duplicates_json(found, origin, difference))
    elif as_jsonl:
        render.emit_jsonl(serialize.group_rows(found, difference))
        render.emit_jsonl(map(asdict, found.contained))
    elif as_csv:
        groups.table(found)
    else:
        if steps is None or explain:
            doubtful = groups.show(found, explain)
        if steps is not None:
            _show_steps(steps)
    groups.tell(found, translated(origin), explain, doubtful)


@contextmanager
def read_dataset(
    *parts: Sequence[Path],
    fields: "RowFields",
    model: str | None,
    base_url: str | None,
    dtype: str | None,
    most: int,
) -> "Iterator[Dataset]":
    """Read the data set in some files and folders, with a progress bar; close it at the end of the block.

    `most` is the limit of the user's cache of vectors in bytes; 0 for no cache.
    """
    from semsearch.dedup.in_files import Dataset
    from semsearch.embedding import DEFAULT_MODEL, load_embedder
    from semsearch.storage.vector_cache import vector_cache

    embedder = load_embedder(
        model or DEFAULT_MODEL, dtype or "float32", base_url=options.server_of(model, base_url)
    )
    with vector_cache(most) as cache, render.counting("read", "passages") as progress:
        dataset = Dataset.read(*parts, embedder=embedder, fields=fields, progress=progress, cache=cache)
    render.tell_notes(dataset.notes)
    with dataset:
        yield dataset


def _threshold_origin(index: "Index", request: "DedupRequest", threshold: float) -> str:
    """Return an English phrase that says where the threshold comes from."""
    from semsearch.dedup.decision import origin_in_index

    return origin_in_index(threshold, request, index.threshold, index.classifier)


def _show_steps(steps: "Plan") -> None:
    """Print what a plan removes, each document with its keeper."""
    for step in steps.steps:
        show_step("remove", step.document, step.copy_of)
    if not steps.steps:
        click.echo(tr("nothing to remove"))


def _plan_messages(steps: "Plan", found: "Duplicates", path: Path) -> Iterator[str]:
    """Yield what to say of a plan that was written."""
    from semsearch.types import TIERS

    file = render.relative(path)
    planned = {step.document for step in steps.steps}.union(steps.left_out)
    stay = [member for group in found.groups for member in group.members if member.name not in planned]
    tiers = Counter("protected" if member.protected else member.tier for member in stay)
    if stay:
        listed = tr(", ").join(f"{tr(why)} {tiers[why]:,}" for why in (*TIERS, "protected") if why in tiers)
        yield tr("{documents} of these stay: {listed}").format(
            documents=render.plural(len(stay), "document"), listed=listed
        )
    removed = render.plural(len(steps.steps), "document")
    yield tr("wrote a plan to remove {documents} to {file}").format(documents=removed, file=file)
    if steps.left_out:
        left_out = tr("left out {count:,}: not a whole file, or a file that was read only in part")
        yield left_out.format(count=len(steps.left_out))
    if steps.steps:
        yield tr("no file has changed; read the plan, then run `semsearch apply {file}`").format(file=file)
