"""`semsearch triage`: label texts by examples."""

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

from semsearch import serialize
from semsearch.cli import options, render
from semsearch.cli.dedup import read_dataset
from semsearch.cli.language import tr, translated
from semsearch.cli.signals import ended_by_signals
from semsearch.cli.values import Share

if TYPE_CHECKING:
    from semsearch.classification.triage import Triage, TriageAnswer
    from semsearch.dedup.in_files import Dataset
    from semsearch.readers import RowFields


@options.command(
    "triage",
    short_help="Label texts by examples, and say of which labels to be sure.",
    examples=(
        "semsearch triage examples.csv --on inbox.jsonl",
        "semsearch triage examples.csv --on inbox.jsonl --output labelled.jsonl",
        "semsearch triage examples.csv --on inbox.csv --rules rules.toml --promise 90%",
        "semsearch triage examples.csv --on inbox.jsonl --output labelled.jsonl --watch",
    ),
    codes=(0, 1, 2, 3),
    groups={
        "Reading": ("on", "text_field", "id_field", "label_field", "table", "model"),
        "Deciding": ("promise", "rules"),
        "Writing": ("output", "column", "force", "watch"),
    },
    settings=("base-url", "dtype", "vector-cache", "threads"),
)
@click.argument("examples", type=click.Path(path_type=Path, exists=True), metavar="EXAMPLES")
@click.option(
    "--on",
    required=True,
    type=click.Path(path_type=Path, exists=True),
    metavar="TEXTS",
    help="The texts to label: a file or folder.",
)
@options.rows
@click.option(
    "--label-field",
    default="label",
    show_default=True,
    metavar="NAME",
    help="Column of the label in EXAMPLES.",
)
@options.model
@click.option(
    "--promise",
    type=Share(open="both"),
    default=0.95,
    show_default=True,
    metavar="SHARE",
    help="This share of the labels shall be right.",
)
@click.option(
    "--rules",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="Rules that decide first (docs/triage.md).",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write TEXTS with columns for the labels.",
)
@click.option(
    "--column",
    metavar="NAME",
    help="Name of these columns (default: the label field).",
)
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
@click.option("--watch", is_flag=True, help="Keep running, and label again what changes.")
@options.as_json
@options.as_jsonl
def triage_(
    examples: Path,
    on: Path,
    fields: "RowFields",
    label_field: str,
    model: str | None,
    base_url: str | None,
    dtype: str | None,
    vector_cache: int,
    promise: float,
    rules: Path | None,
    output: Path | None,
    column: str | None,
    force: bool,
    watch: bool,
    as_json: bool,
    as_jsonl: bool,
) -> None:
    """Label each text of TEXTS as the most similar of EXAMPLES are labelled.

    EXAMPLES are rows with a text and a label, ten a label or more. Rules decide first, then a model that is trained on
    the examples. Its label counts where it is sure: then at least the promised share is right, for texts like the
    examples. Other texts stay without a label. They are unsure, or unknown where no example is like them; unknown texts
    are listed in clusters, for you to name.

    --output adds columns to a copy of TEXTS: `label`, `label_by`, `label_guess` and `label_probability`. With --watch
    it is written again whenever TEXTS, EXAMPLES or the rules change, until Ctrl-C or SIGTERM.
    """
    from semsearch.classification.classifier import require_trainable
    from semsearch.classification.rules import read_rules
    from semsearch.classification.triage import read_labels, triaged
    from semsearch.errors import InvalidInput, SemsearchError
    from semsearch.readers.rewrite import require_copyable

    columns = _columns(label_field if column is None else column)
    if not all(name.strip() for name in columns):
        raise InvalidInput("--column is empty", "name the column of the label")
    if examples.samefile(on):
        raise InvalidInput("EXAMPLES and TEXTS are the same", "name the texts that have no labels yet")
    if not output and (column is not None or force or watch):
        option = "--force" if force else "--column" if column is not None else "--watch"
        raise InvalidInput(f"{option} is for --output", "add --output FILE")
    if watch and (as_json or as_jsonl):
        raise click.UsageError("--watch cannot be used with --json or --jsonl")

    def label(*, again: bool = False) -> bool:
        """Label all texts; return whether all could be read. `again`, less is said, and the output is our own."""
        if output:
            require_copyable(on, output, fields=fields, columns=columns, force=force or again)
        asked = read_rules(rules) if rules else []
        labels = read_labels([examples], fields, label_field)
        require_trainable([label for label in labels.values() if label], promise)
        with read_dataset(
            (examples,), (on,), fields=fields, model=model, base_url=base_url, dtype=dtype, most=vector_cache
        ) as data:
            if not data.sizes[1]:
                render.tell_skipped(data.skipped)
                raise SemsearchError("there is nothing to label: TEXTS has no texts", "see what was skipped")
            found = triaged(data, labels, asked, promise)
            if not again:
                _tell_examples(sum(not labels.get(name) for name in data.names[: data.sizes[0]]), found)
                render.warn_oov(data.oov)
            render.tell_skipped(data.skipped)
            if output:
                _write(found, data, on, output, columns, force or again)
            if as_json:
                render.emit_json(serialize.triage_json(found))
            elif as_jsonl:
                render.emit_jsonl(found.to_dicts())
            else:
                _show(found, whole=not output)
            for line in islice(_summary(found), 1 if again else None):
                render.talk(line)
            if output and not again:
                render.talk(tr("wrote {file}").format(file=render.relative(output)))
            return not data.failed

    if output and output.exists() and any(output.samefile(path) for path in (examples, rules) if path):
        raise InvalidInput(f"{output} is one of the files to read", "choose another name for --output")
    if watch and output:
        _keep_labelled(label, [path for path in (examples, on, rules) if path], output)
    elif not label():
        raise click.exceptions.Exit(3)


def _keep_labelled(label: Callable[..., bool], read: list[Path], output: Path) -> None:
    """Label all texts now, and again whenever what is read changes, until Ctrl-C or SIGTERM."""
    from semsearch.errors import SemsearchError
    from semsearch.readers.watch import changes

    with ended_by_signals() as ended:
        for burst, _ in enumerate(changes(read, ignoring=output, stop=ended)):
            try:
                label(again=burst > 0)
            except SemsearchError as error:
                if not burst:
                    raise
                # A file is being edited, or is replaced at this moment.
                render.talk(tr("{error}; the labels stay as they are").format(error=translated(str(error))))
            if not burst:
                watched = tr(", ").join(map(render.relative, read))
                render.talk(tr("watching {paths}; Ctrl-C ends it").format(paths=watched))


def _tell_examples(bare: int, found: "Triage") -> None:
    """Say which examples teach nothing: `bare` of them have no label, and others have two."""
    if bare:
        said = tr("{examples} without a label left out").format(examples=render.plural(bare, "example"))
        render.tell_note(said)
    if found.report.ambiguous:
        said = tr("{texts} with two labels or more, which count as wrong for one of them")
        render.tell_note(said.format(texts=render.plural(found.report.ambiguous, "example")))


def _columns(name: str) -> "dict[str, Callable[[TriageAnswer], str]]":
    """Return the columns to write, each with what it has of an answer."""
    return {
        name: lambda answer: answer.label,
        f"{name}_by": lambda answer: answer.why,
        f"{name}_guess": lambda answer: answer.guess,
        f"{name}_probability": lambda answer: f"{answer.probability:.4f}",
    }


def _write(
    found: "Triage",
    data: "Dataset",
    on: Path,
    output: Path,
    columns: "dict[str, Callable[[TriageAnswer], str]]",
    force: bool,
) -> None:
    rows = dict(zip(data.rows[data.sizes[0] :].tolist(), found.answers, strict=True))
    data.copy(
        on,
        output,
        keep=lambda row: True,
        columns={
            name: lambda row, value=value: value(rows[row]) if row in rows else ""  # type: ignore[misc]
            for name, value in columns.items()
        },
        force=force,
    )


def _show(found: "Triage", *, whole: bool) -> None:
    """Print the texts with their labels, and the clusters of unknown ones."""
    if whole:
        lines = (
            (
                _shown(one),
                "" if one.by in ("rule", "unknown") else f"{one.probability:.2f}",
                one.name,
                render.excerpt(text, width=40),
            )
            for one, text in zip(found.answers, found.texts, strict=True)
        )
        render.table((tr("label"), "p", tr("text"), ""), lines, right=(1,))
    shown = dict(zip((one.name for one in found.answers), found.texts, strict=True))
    for cluster in found.clusters:
        said = tr("unknown {number}: {texts}, such as {name}").format(
            number=cluster.number,
            texts=render.plural(cluster.size, "text"),
            name=render.name(cluster.central),
        )
        click.echo(said)
        click.echo(f"    {render.excerpt(shown[cluster.central], width=72)}")


def _shown(answer: "TriageAnswer") -> str:
    """Return a label for people; the guess of an unsure text has a question mark."""
    if answer.by == "unknown":
        return tr("(unknown {number})").format(number=answer.cluster)
    return answer.label or f"{answer.guess}?"


def _summary(found: "Triage") -> Iterator[str]:
    """Yield what was decided, and what it is worth."""
    report, counts = found.report, found.counts
    labelled = counts.get("rule", 0) + counts.get("model", 0)
    yield tr(
        "labelled {labelled:,} of {texts}: {rule:,} by rules, {model:,} by the model; {unsure:,} unsure, {unknown:,}"
        " unknown"
    ).format(
        labelled=labelled,
        texts=render.plural(len(found), "text"),
        **{by: counts.get(by, 0) for by in ("rule", "model", "unsure", "unknown")},
    )
    yield tr(
        "trained on {examples} of {labels}; in cross-validation {right} of all guesses are right"
    ).format(
        examples=render.plural(report.examples, "example"),
        labels=render.plural(len(report.labels), "label"),
        right=render.ranged(report.accuracy, "{:.1%}"),
    )
    if report.guarantee:
        yield tr(
            "for texts like the examples at least {promise:.3g}% of the model's labels are right (confidence 90%); it"
            " labels {sure} of them"
        ).format(promise=100 * report.promise, sure=render.ranged(report.sure, "{:.0%}"))
    else:
        yield tr(
            "these examples are too few, or too alike, to promise that {promise:.3g}% are right, so the model labels"
            " nothing"
        ).format(promise=100 * report.promise)
        if report.possible:
            yield tr("hint: add examples, or ask for what they allow: --promise {possible:.3g}%").format(
                possible=100 * report.possible
            )
        else:
            yield tr("hint: add examples, ten a label or more")
