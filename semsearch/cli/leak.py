"""`semsearch leak`: list test records that occur in training data."""

import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from semsearch import serialize
from semsearch.cli import groups, options, render
from semsearch.cli.dedup import read_dataset
from semsearch.cli.language import english, tr, translated
from semsearch.cli.values import Share

if TYPE_CHECKING:
    from semsearch.dedup.in_files import Dataset
    from semsearch.dedup.leak import Leaks
    from semsearch.readers import RowFields
    from semsearch.types import Tier

_WIDTH, _LEAST = 80, 40
"""The columns of a line, and those that a text needs to stand next to the name of its record."""
_TEXTS = ("text", "train_text")
_TIERS: "dict[Tier, str]" = {
    "exact": "{count:,} exactly",
    "lexical": "{count:,} lexically",
    "semantic": "{count:,} semantically",
}
# Characters that XML 1.0 cannot hold (https://www.w3.org/TR/xml/#charsets) and `render.plain` leaves.
_NOT_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class _Rate(click.ParamType[Fraction]):
    """An exact share: 1%, 0.5%, 0.01. A bare 1 is ambiguous, so it is refused."""

    name = "rate"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Fraction:
        """Return the share as a fraction in [0, 1]."""
        match = re.fullmatch(r"\s*(\d+|\d*\.\d+)\s*(%?)\s*", str(value), re.ASCII)
        if match:
            rate = Fraction(match[1]) / (100 if match[2] else 1)
            if rate < 1 or (rate == 1 and match[2]):
                return rate
        self.fail(f"{value!r} is not a share such as 1% or 0.01", param, ctx)


@options.command(
    "leak",
    short_help="List test records that occur in training data.",
    examples=(
        "semsearch leak test.jsonl --against train.jsonl",
        "semsearch leak test.csv --against train.csv --against dev.csv --text-field question --csv",
        "semsearch leak test.jsonl --against train.jsonl --max-rate 1% --junit leak.xml",
    ),
    codes=(0, 1, 2, 3),
    groups={
        "Reading": ("against", "text_field", "id_field", "table", "model"),
        "Which pairs": ("threshold", "contained", "count_differing"),
        "A check for CI": ("max_rate", "allow_unread", "junit"),
    },
    settings=("base-url", "dtype", "vector-cache", "threads"),
)
@click.argument(
    "test", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True), metavar="TEST..."
)
@click.option(
    "--against",
    required=True,
    multiple=True,
    type=click.Path(path_type=Path, exists=True),
    metavar="TRAIN",
    help="Training data, a file or folder; repeatable.",
)
@options.rows
@click.option(
    "--threshold",
    type=Share(-1),
    help="Lowest similarity of a near-copy. Default: 0.85, mapped for other models.",
)
@options.contained
@click.option(
    "--count-differing",
    is_flag=True,
    help="Also those that differ in a number, sign or role.",
)
@options.model
@click.option(
    "--max-rate",
    type=_Rate(),
    metavar="RATE",
    help="Exit with 1 if more is leaked, such as 1%.",
)
@click.option(
    "--allow-unread",
    is_flag=True,
    help="Pass although some rows were not read.",
)
@click.option(
    "--junit",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the check as JUnit XML.",
)
@options.as_json
@options.as_jsonl
@click.option(
    "--csv", "as_csv", is_flag=True, help="Print a CSV table with a row for each leaked test record."
)
def leak_(
    test: tuple[Path, ...],
    against: tuple[Path, ...],
    fields: "RowFields",
    threshold: float | None,
    contained: float | None,
    count_differing: bool,
    model: str | None,
    base_url: str | None,
    dtype: str | None,
    vector_cache: int,
    max_rate: Fraction | None,
    allow_unread: bool,
    junit: Path | None,
    as_json: bool,
    as_jsonl: bool,
    as_csv: bool,
) -> None:
    """List the records of TEST that occur in TRAIN, exactly or nearly.

    A record is a row of a CSV, TSV, JSON, JSON Lines or Parquet file, a line of a text with --lines, or the whole of
    any other file. Every test record is listed with the most similar training record: exact (equal after cleaning),
    lexical (at least 0.8 of the word triples are shared) or semantic.

    A record that differs in a number, a date, a sign or another fact has another answer, so it is listed as alike and
    not counted. A check passes on what it has read only: the exit code is 3 if something was not (docs/data-sets.md).
    """
    from semsearch.dedup.decision import threshold_origin
    from semsearch.errors import InvalidInput, SemsearchError
    from semsearch.files import require_writable

    if (junit or allow_unread) and max_rate is None:
        name = "--junit" if junit else "--allow-unread"
        raise InvalidInput(f"{name} needs --max-rate", "add --max-rate, such as --max-rate 1%")
    if junit:
        require_writable(junit)
    with read_dataset(
        test, against, fields=fields, model=model, base_url=base_url, dtype=dtype, most=vector_cache
    ) as data:
        with render.counting("compare", "pairs") as progress:
            found = data.leaks(
                threshold,
                contained=contained,
                count_differing=count_differing,
                progress=progress,
            )
        if not (found.total and found.against):
            render.tell_skipped(data.skipped)
            raise SemsearchError(*nothing(test, against, "TRAIN" if found.total else "TEST"))
        if as_json:
            rate = None if max_rate is None else float(max_rate)
            render.emit_json(serialize.leaks_json(found, data, rate))
        elif as_jsonl:
            render.emit_jsonl(serialize.leak_rows(found, data))
        elif as_csv:
            columns = _columns(found)
            render.emit_csv(columns, (_cells(row, columns) for row in serialize.leak_rows(found, data)))
        else:
            _show_leaks(found, data)
        render.tell_skipped(data.skipped)
        render.warn_oov(data.oov)
        render.talk(_summary(found))
        for line in groups.left_out(found.vetoed, "not counted", "--count-differing counts them"):
            render.talk(line)
        origin = translated(threshold_origin(found.threshold, given=threshold is not None))
        render.talk(tr("threshold {threshold:g} ({origin})").format(threshold=found.threshold, origin=origin))
        above = max_rate is not None and Fraction(found.leaked, found.total or 1) > max_rate
        if max_rate is not None:
            unread = "" if allow_unread or not data.unread else _unread(data)
            if above or not unread:
                said = (
                    tr("check failed: at most {rate} may occur")
                    if above
                    else tr("check passed: at most {rate} may occur")
                )
                render.talk(said.format(rate=_percent(max_rate)))
            else:
                render.talk(tr("check failed: {reason}").format(reason=unread))
                hint = tr("repair or remove them, or accept this with --allow-unread")
                render.talk(tr("hint: {hint}").format(hint=hint))
            if junit:
                with english():  # for a server
                    _write_junit(junit, found, data, max_rate, above, unread and _unread(data))
            if unread and not above:
                raise click.exceptions.Exit(3)
            if allow_unread and not above:
                return
    if above or data.failed:
        raise click.exceptions.Exit(1 if above else 3)


def nothing(test: Sequence[Path | str], against: Sequence[Path | str], side: str) -> tuple[str, str]:
    """Return what to say, and to do, where a side has no records. An input may be a URL."""

    def same(*both: Path | str) -> bool:
        one, other = map(Path, both)
        return one == other or (one.exists() and other.exists() and one.samefile(other))

    if all(any(same(train, path) for path in test) for train in against):
        return (
            "TEST and TRAIN are the same, so there is nothing to compare",
            "`semsearch dedup` finds repeats in it",
        )
    return f"there is nothing to check: {side} has no records", "see what was skipped, and name other files"


def _unread(data: "Dataset") -> str:
    """Return what of the data was not read, in one line."""
    first = data.unread[0]
    count = len(data.unread)
    said = (
        tr("{count:,} file or row not read, such as {path} ({reason})")
        if count == 1
        else tr("{count:,} files or rows not read, such as {path} ({reason})")
    )
    return said.format(count=count, path=render.name(first.path), reason=translated(first.reason))


def _cells(row: Mapping[str, Any], columns: Sequence[str]) -> tuple[str, ...]:
    """Return the CSV cells of a row."""
    names = (render.name(row[name]) for name in ("test", "train"))
    scores = (row.get(name) for name in columns[3 : -len(_TEXTS)])
    cells = ("" if score is None else f"{score:.6f}" for score in scores)
    return (*names, row["tier"], *cells, *(render.plain(row[name]) for name in _TEXTS))


def _columns(found: "Leaks") -> tuple[str, ...]:
    """Return the columns of the CSV table."""
    scores = ("similarity", "jaccard") if found.containment is None else ("similarity", "jaccard", "share")
    return ("test", "train", "tier", *scores, *_TEXTS)


def _show_leaks(found: "Leaks", data: "Dataset") -> None:
    """Print each leaked record, and the training record below it, with the beginning of both texts."""
    from rich.cells import cell_len

    for row in serialize.leak_rows(found, data):
        scores = ((name, row.get(name)) for name in ("similarity", "jaccard", "share"))
        told = tr(", ").join(f"{tr(name)} {score:.4f}" for name, score in scores if score is not None)
        click.echo(f"{tr(row['tier'])}{tr(', ')}{told}")
        names = [render.name(row[side]) for side in ("test", "train")]
        column = max(map(cell_len, names))
        text, train_text = (row[name] for name in _TEXTS)
        _show_record("test", names[0], column, text, train_text)
        _show_record("train", names[1], column, train_text, text)
    click.echo(tr("no leaks") if not found.leaked else "")
    groups.show_alike(found.alike, texts=data.originals)


def _show_record(side: str, name: str, column: int, text: str, other: str) -> None:
    """Print the name of a record in a column of this width, and its text next to it, or below a wide column."""
    from rich.cells import cell_len

    start = f"  {side:<5}  "
    room = _WIDTH - len(start) - column - 2
    if room < _LEAST:
        click.echo(start + name)
        click.echo(" " * len(start) + render.excerpt(text, other, _WIDTH - len(start)))
    else:
        click.echo(f"{start}{name}{' ' * (column - cell_len(name))}  {render.excerpt(text, other, room)}")


def _percent(share: Fraction | float) -> str:
    return f"{float(100 * share):.3g}%"


def _summary(found: "Leaks") -> str:
    """Return a summary in one line."""
    inside = None if found.containment is None else len(found.contained)
    tiers = found.count("exact"), found.count("lexical"), found.count("semantic")
    return counts(*tiers, found.total, found.against, inside)


def counts(
    exact: int, lexical: int, semantic: int, total: int, against: int, contained: int | None = None
) -> str:
    """Return a line with how many of `total` test records occur in `against` training records, by tier."""
    leaked = exact + lexical + semantic + (contained or 0)
    tiers = [
        tr(said).format(count=count)
        for said, count in zip(_TIERS.values(), (exact, lexical, semantic), strict=True)
    ]
    if contained is not None:
        tiers.append(tr("{count:,} contained in a longer one").format(count=contained))
    return tr("{leaked:,} of {tests} ({rate}) occur in {trains}: {tiers}").format(
        leaked=leaked,
        tests=render.plural(total, "test record"),
        rate=_percent(leaked / total if total else 0),
        trains=render.plural(against, "train record"),
        tiers=tr(", ").join(tiers),
    )


def _write_junit(
    path: Path, found: "Leaks", data: "Dataset", max_rate: Fraction, above: bool, unread: str
) -> None:
    """Write the check as one JUnit test case. It fails if the rate is above `max_rate`, and is an error if `unread`.

    The form follows https://github.com/testmoapp/junitxml; Jenkins and GitLab show a failure's message and text.
    """
    from xml.etree import ElementTree

    from semsearch.errors import InvalidInput, SemsearchError

    if path.resolve() in {Path(source).resolve() for source in data.files}:
        raise InvalidInput(f"{path} is one of the files to compare", "choose another name for --junit")
    suite = ElementTree.Element(
        "testsuite",
        name="semsearch leak",
        tests="1",
        failures=str(int(above)),
        errors=str(int(bool(unread) and not above)),
        skipped="0",
    )
    name = f"at most {_percent(max_rate)} of the test records occur in train"
    case = ElementTree.SubElement(suite, "testcase", classname="semsearch.leak", name=name)
    listed = "\n".join(
        f"{row['test']} is in {row['train']} ({row['tier']}, {row.get('share', row['similarity']):.4f}): "
        f"{serialize.excerpt(row['text'], width=60)}"
        for row in serialize.leak_rows(found, data)
    )
    details: tuple[str, dict[str, str]] = ("system-out", {})
    if above:
        details = "failure", {"message": _summary(found)}
    elif unread:
        details = "error", {"message": render.plain(unread)}
    part = ElementTree.SubElement(case, *details)
    part.text = _NOT_XML.sub(lambda match: f"\\u{ord(match[0]):04x}", render.plain(listed))
    tree = ElementTree.ElementTree(suite)
    ElementTree.indent(tree)
    try:
        tree.write(path, encoding="utf-8", xml_declaration=True)
    except OSError as error:
        raise SemsearchError(f"cannot write {path}: {error.strerror or error}") from error
