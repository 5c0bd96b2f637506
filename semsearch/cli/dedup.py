"""`semsearch dedup`: find groups of near-duplicates in the index or in files."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from semsearch import serialize
from semsearch.cli import groups, options, render
from semsearch.cli.pair_options import guarantee_text

if TYPE_CHECKING:
    from semsearch.dedup import Plan
    from semsearch.dedup.in_files import Dataset
    from semsearch.index import Index
    from semsearch.readers import RowFields
    from semsearch.requests import DedupRequest
    from semsearch.types import Level, Linkage, Tier


@click.command(
    "dedup",
    epilog=options.closing(
        (
            "semsearch dedup --threshold 0.85",
            "semsearch dedup --keep newest --protect 'archive/*' --plan plan.json",
            "semsearch dedup --min-precision 0.95 --explain",
            "semsearch dedup data.jsonl --text-field text --output clean.jsonl",
        ),
        codes=(0, 1, 2, 3, 10, 12, 13),
    ),
)
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path, exists=True), metavar="[PATH]...")
@options.index
@click.option(
    "--threshold",
    type=click.FloatRange(-1, 1),
    help="Lowest similarity of a pair. Default: the one that `tune` saved, else 0.85.",
)
@click.option(
    "--min-precision",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    metavar="SHARE",
    help="In place of a threshold: accept the pairs for which `tune` guaranteed this precision, such as 0.95.",
)
@click.option(
    "--lexical",
    type=click.FloatRange(0, 1, min_open=True),
    metavar="JACCARD",
    help="Also pair documents that share this much of their word triples, such as 0.8.",
)
@options.contained
@click.option(
    "--level",
    type=click.Choice(["document", "passage"]),
    default="document",
    show_default=True,
    help="Compare documents or passages.",
)
@click.option(
    "--linkage",
    type=click.Choice(["keeper", "complete", "single"]),
    default="keeper",
    show_default=True,
    help="In a group, pair each member with the keeper, with all others, or with any one.",
)
@click.option(
    "--keep",
    multiple=True,
    metavar="RULE",
    help="Choose keepers: first (by name), newest, oldest, longest, shortest or path:PATTERN. Repeat to break ties.",
)
@click.option(
    "--protect",
    multiple=True,
    metavar="PATTERN",
    help="Never remove these sources: a file, folder or glob; repeatable.",
)
@click.option("--explain", is_flag=True, help="Show how each member differs, and which pairs were rejected.")
@click.option(
    "--plan",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write a plan of the removal for `semsearch apply`.",
)
@click.option(
    "--remove",
    "tiers",
    multiple=True,
    type=click.Choice(["exact", "lexical", "semantic"]),
    help="Remove only these members, with --plan or --output; repeatable. Default: all.",
)
@click.option(
    "--remove-differing",
    is_flag=True,
    help="Take texts as duplicates though they differ in a number, a date, a negation or a role.",
)
@click.option("--from-run", is_flag=True, help="Compare nothing; answer from earlier runs, or fail.")
@click.option(
    "--memory", type=options.Size(), metavar="SIZE", help="Working memory, such as 2GB. Default: 512MiB."
)
@options.rows
@options.model
@options.dtype
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the file of rows PATH without duplicates, in the same format and order.",
)
@click.option("--group-field", metavar="NAME", help="Add a column with each row's group to --output.")
@click.option("--keep-all", is_flag=True, help="Keep every row in --output.")
@click.option("--force", is_flag=True, help="Overwrite existing --output and --plan files.")
@options.as_json
@options.as_jsonl
@click.option("--csv", "as_csv", is_flag=True, help="Print a CSV table with a row for each document.")
def dedup_(
    paths: tuple[Path, ...],
    folder: Path | None,
    threshold: float | None,
    min_precision: float | None,
    lexical: float | None,
    contained: float | None,
    level: "Level",
    linkage: "Linkage",
    keep: tuple[str, ...],
    protect: tuple[str, ...],
    explain: bool,
    plan: Path | None,
    tiers: "tuple[Tier, ...]",
    remove_differing: bool,
    from_run: bool,
    memory: int | None,
    fields: "RowFields",
    model: str | None,
    dtype: str | None,
    output: Path | None,
    group_field: str | None,
    keep_all: bool,
    force: bool,
    as_json: bool,
    as_jsonl: bool,
    as_csv: bool,
) -> None:
    """Find groups of near-duplicates in the index, or in files and folders (PATH). No file is changed.

    Every pair is compared exactly. Each group has a keeper. A member is exact if its text equals the keeper's,
    lexical if it shares 0.8 of its word triples with it, and else semantic. Texts that are alike but differ in a
    number, a date, a negation or a role are kept, and listed with the difference. To remove members, write a
    --plan, read it and run `semsearch apply`; `semsearch undo` takes that back.
    """
    from semsearch.errors import InvalidInput
    from semsearch.files import require_writable
    from semsearch.index import Index
    from semsearch.readers.rewrite import read_otherwise, require_copyable
    from semsearch.requests import DEFAULT_MEMORY, DedupRequest
    from semsearch.types import TIERS

    for_files = {"--output": output, "--text-field": fields.text, "--id-field": fields.id}
    for_files |= {f"--{name.replace('_', '-')}": value for name, value in asdict(fields.format).items()}
    for_files |= {"--model": model, "--dtype": dtype}
    for_index = {
        "--index": folder,
        "--level passage": level == "passage",
        "--plan": plan,
        "--from-run": from_run,
        "--min-precision": min_precision,
    }
    if wrong := [name for name, value in (for_index if paths else for_files).items() if value]:
        raise InvalidInput(
            f"{wrong[0]} is for {'the index, not for PATHs' if paths else 'PATHs, not for the index'}"
        )
    if (group_field or keep_all) and not output:
        raise InvalidInput("--group-field and --keep-all need --output", "add --output FILE")
    if tiers and not (plan or output):
        raise InvalidInput("--remove needs --plan or --output", "add --plan FILE or --output FILE")
    if plan and level == "passage":
        raise InvalidInput("a plan cannot remove passages", "leave out --level passage")
    if plan:
        require_writable(plan, force=force)
    if output:
        if len(paths) > 1:
            raise InvalidInput("--output writes one file of rows", "name only that file")
        require_copyable(paths[0], output, fields=fields, group=bool(group_field), force=force)
    tiers = tiers or TIERS
    request = DedupRequest(
        threshold,
        min_precision,
        level,
        linkage,
        keep,
        protect,
        lexical,
        from_run,
        memory or DEFAULT_MEMORY,
        contained,
        remove_differing,
    )
    said: list[str] = []
    failed = False
    with ExitStack() as stack:
        if paths:
            dataset = stack.enter_context(read_dataset(paths, fields=fields, model=model, dtype=dtype))
            with render.counting("compare", "pairs") as progress:
                found = dataset.find_duplicates(request, progress=progress)
            render.tell_skipped(dataset.skipped)
            render.warn_oov(dataset.oov)
            origin = "a default, not tuned" if threshold is None else "given"
            failed = bool(dataset.failed)
            if output:
                column = group_field or ""
                rows = dataset.write(
                    found, output, group_field=column, keep_all=keep_all, tiers=tiers, force=force
                )
                said.append(f"wrote {render.plural(rows, 'row')} to {render.relative(output)}")
                if note := read_otherwise(output, paths[0], fields):
                    said.append(f"{render.relative(output)}: {note}")
        else:
            index = stack.enter_context(Index.open(folder))
            with render.counting("compare", "pairs") as progress:
                found = index.find_duplicates(request, progress=progress)
            render.tell_notes([index.unread_vocabulary] if index.unread_vocabulary else [])
            origin = _threshold_origin(index, request)
            if plan:
                steps = index.plan(found, request.keep_rules, tiers)
                steps.save(plan)
                said += _plan_messages(steps, plan)
        difference = groups.difference if explain else None
        if as_json:
            render.emit_json(serialize.duplicates_json(found, origin, difference))
        elif as_jsonl:
            render.emit_jsonl(serialize.group_rows(found, difference))
            render.emit_jsonl(map(asdict, found.contained))
        elif as_csv:
            groups.table(found)
        else:
            groups.show(found, explain, texts=bool(paths))
    groups.tell(found, origin, explain)
    for line in said:
        render.talk(line)
    if failed:
        raise click.exceptions.Exit(3)


@contextmanager
def read_dataset(
    *parts: Sequence[Path],
    fields: "RowFields",
    model: str | None,
    dtype: str | None,
) -> "Iterator[Dataset]":
    """Read the data set in some files and folders, with a progress bar; close it at the end of the block."""
    from semsearch.dedup.in_files import Dataset
    from semsearch.embedding import DEFAULT_MODEL, load_embedder

    embedder = load_embedder(model or DEFAULT_MODEL, dtype or "float32")
    with render.counting("read", "passages") as progress:
        dataset = Dataset.read(*parts, embedder=embedder, fields=fields, progress=progress)
    render.tell_notes(dataset.notes)
    with dataset:
        yield dataset


def _threshold_origin(index: "Index", request: "DedupRequest") -> str:
    """Return a phrase that says where the threshold comes from."""
    saved = index.threshold
    if request.min_precision is not None:
        rule = index.classifier
        if rule and rule["guarantee"] and rule["guarantee"]["least"] >= request.min_precision:
            guarantee = guarantee_text(rule["guarantee"])
            return f"and a probability of {rule['probability']:g}: {guarantee}, guaranteed on {rule['pairs']}"
        if saved and saved["guarantee"]:
            return f"{guarantee_text(saved['guarantee'])}, guaranteed on {saved['pairs']}"
    if request.threshold is not None:
        return "given"
    return f"tuned on {saved['pairs']}" if saved else "a default, not tuned: see `semsearch tune`"


def _plan_messages(steps: "Plan", path: Path) -> Iterator[str]:
    """Yield what to say of a plan that was written."""
    yield f"wrote a plan to remove {render.plural(len(steps.steps), 'document')} to {render.relative(path)}"
    if steps.left_out:
        yield f"left out {len(steps.left_out):,}: not a whole file, or a file that was read only in part"
    yield f"no file has changed; read the plan, then run `semsearch apply {render.relative(path)}`"
