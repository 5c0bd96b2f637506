"""`semsearch dedup`."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from semsearch import serialize
from semsearch.cli import groups, options, render
from semsearch.cli.pair_options import guarantee_text

if TYPE_CHECKING:
    from semsearch.dedup import Duplicates, Plan
    from semsearch.dedup.in_files import Dataset
    from semsearch.index import Index
    from semsearch.types import Level, Linkage, Tier


@click.command(
    "dedup",
    epilog=options.closing(
        (
            "semsearch dedup --threshold 0.85",
            "semsearch dedup --keep newest --protect 'archive/*' --plan plan.json",
            "semsearch dedup --precision 0.95 --explain",
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
    help="Least similarity of duplicates. Default: the one that `tune` saved, else 0.85.",
)
@click.option(
    "--level",
    type=click.Choice(["document", "passage"]),
    default="document",
    show_default=True,
    help="Compare whole documents, or their passages.",
)
@click.option(
    "--linkage",
    type=click.Choice(["keeper", "complete", "single"]),
    default="keeper",
    show_default=True,
    help="What holds a group together: each member is like the keeper; all are like each other; a chain of pairs.",
)
@click.option(
    "--lexical",
    type=click.FloatRange(0, 1, min_open=True),
    metavar="JACCARD",
    help="Also pair documents that share this much of their word triples, such as 0.8, whatever their similarity.",
)
@click.option(
    "--keep",
    multiple=True,
    metavar="RULE",
    help="Who stays: first (by name), newest, oldest, longest, shortest or path:GLOB. Repeat it to settle ties.",
)
@click.option("--protect", multiple=True, metavar="GLOB", help="Sources that are never to go; repeatable.")
@click.option("--explain", is_flag=True, help="Show what differs between each member and its keeper.")
@click.option(
    "--plan",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write what would go and what would stay, for `semsearch apply`. Changes nothing else.",
)
@click.option(
    "--remove",
    "tiers",
    multiple=True,
    type=click.Choice(["exact", "lexical", "semantic"]),
    help="Which members go, with --plan or --output; repeatable. Default: all.",
)
@click.option(
    "--from-run",
    is_flag=True,
    help="Compare nothing: answer from earlier runs, or fail where these do not cover all that is asked.",
)
@click.option(
    "--memory",
    type=options.Size(),
    metavar="SIZE",
    help="Most to use beside the vectors and the result, such as 2GB. Default: 512MiB.",
)
@options.text_field
@options.id_field
@options.model
@options.dtype
@click.option(
    "--precision",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    metavar="SHARE",
    help="A share such as 0.95, in place of --threshold: what `tune --precision` promised.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="With one CSV, TSV or JSONL file as PATH: write it without the duplicates, in the same order.",
)
@click.option(
    "--group-field", metavar="NAME", help="Add a column to --output: the number of each row's group."
)
@click.option("--keep-all", is_flag=True, help="Leave no row out of --output.")
@click.option("--force", is_flag=True, help="Overwrite what is there of --output and --plan.")
@options.as_json
@options.as_jsonl
@click.option(
    "--csv", "as_csv", is_flag=True, help="Print a table with a row a document: group, role, scores."
)
def dedup_(
    paths: tuple[Path, ...],
    folder: Path | None,
    threshold: float | None,
    level: "Level",
    linkage: "Linkage",
    lexical: float | None,
    keep: tuple[str, ...],
    protect: tuple[str, ...],
    explain: bool,
    plan: Path | None,
    tiers: "tuple[Tier, ...]",
    from_run: bool,
    memory: int | None,
    text_field: tuple[str, ...],
    id_field: str,
    model: str | None,
    dtype: str | None,
    precision: float | None,
    output: Path | None,
    group_field: str | None,
    keep_all: bool,
    force: bool,
    as_json: bool,
    as_jsonl: bool,
    as_csv: bool,
) -> None:
    """Find groups of near-duplicates, in the index or in PATHs. It only reports: no file is changed.

    Each group has a keeper, and by default every other member is within the threshold of that keeper itself. Every
    pair is compared, exactly: there is no limit on neighbours. A member is exact if its text equals the keeper's after
    cleaning, lexical if the two share at least 0.8 of their word triples (Jaccard), and else semantic: the model
    finds them alike. `weakest` is the least similarity of a member to the keeper, `lowest` that of any two members.

    Documents of several passages are compared both ways: each passage of one with its best match in the other,
    weighted by length; the smaller of the two means counts, so a part is no duplicate of the whole.

    With PATHs the index is left alone: files, folders or data sets are read, embedded and compared for this once.

    With --precision 0.95 a pair counts if the verifier that `tune --precision` has trained and saved says so, which
    looks at the words of both: negations, numbers, opposites, who does what. It decides on documents of one passage;
    longer ones count from the threshold that was promised, or not at all. --explain shows who was turned down, and why.

    To act on it: `semsearch dedup --plan plan.json`, read the plan, `semsearch apply plan.json`, and if you were wrong
    `semsearch undo`.
    """
    from semsearch.errors import InvalidInput
    from semsearch.index import Index
    from semsearch.readers.rewrite import require_copyable
    from semsearch.types import TIERS

    for_files: dict[str, Any] = {"--output": output, "--text-field": text_field, "--id-field": id_field}
    for_files |= {"--model": model, "--dtype": dtype}
    for_index = {
        "--index": folder,
        "--level passage": level == "passage",
        "--plan": plan,
        "--from-run": from_run,
        "--precision": precision,
    }
    if wrong := [name for name, value in (for_index if paths else for_files).items() if value]:
        raise InvalidInput(
            f"{wrong[0]} is for {'the index, not for PATHs' if paths else 'PATHs, not for the index'}"
        )
    if (group_field or keep_all) and not output:
        raise InvalidInput("--group-field and --keep-all say what to write", "where to: --output FILE")
    if tiers and not (plan or output):
        raise InvalidInput(
            "--remove says what goes, but nothing is to go", "give --plan FILE or --output FILE"
        )
    if plan and level == "passage":
        raise InvalidInput("passages cannot go by themselves", "leave --level passage out")
    if plan and plan.exists() and not force:
        raise InvalidInput(f"{plan} is there already", "choose another name, or overwrite it with --force")
    if output:
        if len(paths) > 1:
            raise InvalidInput("--output writes one file of rows", "name only that file")
        require_copyable(paths[0], output, force=force)
    tiers = tiers or TIERS
    grouping: dict[str, Any] = {"linkage": linkage, "keep": keep, "protect": protect, "lexical": lexical}
    grouping |= {"memory": memory} if memory else {}
    said: list[str] = []
    failed = False
    with ExitStack() as stack:
        if paths:
            dataset = stack.enter_context(
                read_dataset(paths, text_field=text_field, id_field=id_field, model=model, dtype=dtype)
            )
            found, origin = _in_files(dataset, threshold, grouping)
            failed = bool(dataset.failed)
            if output:
                column = group_field or ""
                rows = dataset.write(
                    found, output, group_field=column, keep_all=keep_all, tiers=tiers, force=force
                )
                said.append(f"wrote {render.plural(rows, 'row')} to {render.relative(output)}")
        else:
            index = stack.enter_context(Index.open(folder))
            grouping |= {"level": level, "from_run": from_run, "min_precision": precision}
            found, origin = _in_index(index, threshold, grouping)
            if plan:
                steps = index.plan(found, keep, tiers)
                steps.save(plan)
                said += _planned(steps, plan)
        difference = groups.difference if explain else None
        if as_json:
            render.emit_json(serialize.duplicates_json(found, origin, difference))
        elif as_jsonl:
            render.emit_jsonl(serialize.group_rows(found, difference))
        elif as_csv:
            groups.table(found)
        else:
            groups.show(found, explain)
    groups.tell(found, origin, explain)
    for line in said:
        render.talk(line)
    if failed:
        raise click.exceptions.Exit(3)


@contextmanager
def read_dataset(
    *parts: Sequence[Path],
    text_field: tuple[str, ...],
    id_field: str,
    model: str | None,
    dtype: str | None,
) -> "Iterator[Dataset]":
    """The data set that some files and folders are, read with a progress bar; closed in the end."""
    from semsearch.dedup.in_files import Dataset
    from semsearch.embedding import DEFAULT_MODEL, load_embedder
    from semsearch.readers import RowFields

    embedder = load_embedder(model or DEFAULT_MODEL, dtype or "float32")
    fields = RowFields(text_field, id_field)
    with render.counting("read", "passages") as progress:
        dataset = Dataset.read(*parts, embedder=embedder, fields=fields, progress=progress)
    with dataset:
        yield dataset


def _in_files(
    dataset: "Dataset", threshold: float | None, grouping: Mapping[str, Any]
) -> "tuple[Duplicates, str]":
    """The groups in a data set, and where the threshold comes from; what could not be read is told."""
    from semsearch.dedup.decision import DEFAULT_THRESHOLD

    origin = "a default, not tuned" if threshold is None else "given"
    threshold = DEFAULT_THRESHOLD if threshold is None else threshold
    with render.counting("compare", "pairs") as progress:
        found = dataset.duplicates(threshold, progress=progress, **grouping)
    render.tell_skipped(dataset.skipped)
    render.warn_oov(dataset.unknown)
    return found, origin


def _in_index(
    index: "Index", threshold: float | None, grouping: Mapping[str, Any]
) -> "tuple[Duplicates, str]":
    """The groups in the index, and where the threshold comes from."""
    with render.counting("compare", "pairs") as progress:
        found = index.duplicates(threshold, progress=progress, **grouping)
    if grouping["min_precision"] is not None:
        return found, _promise(grouping["min_precision"], index)
    if threshold is not None:
        return found, "given"
    saved = index.threshold
    return found, f"tuned on {saved['pairs']}" if saved else "a default, not tuned: see `semsearch tune`"


def _promise(share: float, index: "Index") -> str:
    """What a precision that was asked for rests on."""
    saved = index.classifier
    if saved and saved["guarantee"] and saved["guarantee"]["least"] >= share:
        return f"and a chance of {saved['probability']:g}: {guarantee_text(saved['guarantee'])}, promised on {saved['pairs']}"
    threshold = index.threshold or {}
    return f"{guarantee_text(threshold['guarantee'])}, promised on {threshold['pairs']}"


def _planned(steps: "Plan", path: Path) -> Iterator[str]:
    """What to say of a plan that was written."""
    yield f"wrote a plan to remove {render.plural(len(steps.steps), 'document')} to {render.relative(path)}"
    if steps.left_out:
        yield f"left out {len(steps.left_out):,}, whose source is no file or could be read in part only"
    yield f"nothing is changed yet: read it, then `semsearch apply {render.relative(path)}`"
