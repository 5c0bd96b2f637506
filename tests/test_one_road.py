"""Every command cuts a file into the same passages and gives two files the same similarity, whatever their suffix."""

import csv
import io
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import docx
import numpy as np
import pytest
from fpdf import FPDF
from tiny_embedder import TinyEmbedder, create_index

from semsearch.dedup.comparison import Comparison, compare_documents
from semsearch.dedup.in_files import Dataset
from semsearch.embedding import Embedder
from semsearch.errors import UnreadableSource
from semsearch.index import Index
from semsearch.ingest.chunk import PROSE_SUFFIXES
from semsearch.ingest.inputs import skipping
from semsearch.readers import read
from semsearch.readers.parsing import FORMATS
from semsearch.types import Group, Skipped

HEAD = "\n\n---\ntitle: Tools\n{0}\n# a comment\n{0}\n---\n".format(
    "note: " + " ".join(f"item{at}" for at in range(36))
)
"""Metadata only where the blank lines above it are dropped."""
TITLES = ("Hammer", "Saw", "Chisel", "Rasp", "Gouge")
ROWS = {".csv", ".tsv", ".jsonl", ".ndjson"}
CODE = (".c", ".py", ".sh", ".toml", ".yaml")


def table(delimiter: str) -> Callable[[str], bytes]:
    def write(text: str) -> bytes:
        file = io.StringIO(newline="")
        cell = text if delimiter == "," else " ".join(text.split())
        csv.writer(file, delimiter=delimiter).writerows([["text", "n"], [cell, "1"]])
        return file.getvalue().encode()

    return write


def json_line(text: str) -> bytes:
    return json.dumps({"text": text, "n": 1}).encode()


def page(text: str) -> bytes:
    parts = text.replace("<", "&lt;").split("\n\n")
    return "<html><body>{}</body></html>".format("\n".join(f"<p>{part}</p>" for part in parts)).encode()


def pdf(text: str) -> bytes:
    document = FPDF()
    document.set_font("helvetica", size=9)
    document.add_page()
    document.multi_cell(0, text=text)
    return bytes(document.output())


def word(text: str) -> bytes:
    document, content = docx.Document(), io.BytesIO()
    for part in text.split("\n\n"):
        document.add_paragraph(part)
    document.save(content)
    return content.getvalue()


WRITERS: dict[str, Callable[[str], bytes]] = {
    ".csv": table(","),
    ".tsv": table("\t"),
    ".pdf": pdf,
    ".docx": word,
    **dict.fromkeys((".jsonl", ".ndjson"), json_line),
    **dict.fromkeys((".htm", ".html", ".xhtml"), page),
}
SUFFIXES = sorted({*(PROSE_SUFFIXES - FORMATS.keys() - {".mbox", ".mbx"}), *WRITERS, *CODE, ".md"})


def text_of(titles: Sequence[str], number: int) -> str:
    """Return a text of some sections, in words that no text of another number has."""
    sections = []
    for title in titles:
        words = [f"{title.lower()}{at % 7} needs{at} care oil{at % 3}" for at in range(7)]
        code = [f"run{at}" for at in range(9)]
        prose, listing = (re.sub(r"(\w+)", rf"\1x{number}", " ".join(some)) for some in (words, code))
        sections.append(f"# {title}x{number} parts\n\n{prose}\n\n```\n# not a heading\n{listing}\n```\n")
    return HEAD.replace("item", f"item{number}x") + "\n".join(sections)


@dataclass(frozen=True)
class Corpus:
    """For each suffix two files that have most of their text in common: all in one index, the second also alone."""

    folder: Path
    index: Index
    index_of_second: Index

    def files(self, suffix: str) -> tuple[Path, Path]:
        number = SUFFIXES.index(suffix)
        return self.folder / f"first/{number}{suffix}", self.folder / f"second/{number}{suffix}"

    def in_index(self, path: Path) -> str:
        return name_of(path.relative_to(self.folder))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Corpus]:
    folder = tmp_path_factory.mktemp("one_road")
    (folder / "first").mkdir()
    (folder / "second").mkdir()
    for number, suffix in enumerate(SUFFIXES):
        write = WRITERS.get(suffix, str.encode)
        (folder / f"first/{number}{suffix}").write_bytes(write(text_of(TITLES[:4], number)))
        (folder / f"second/{number}{suffix}").write_bytes(write(text_of(TITLES[1:], number)))
    with create_index(folder / ".all") as index, create_index(folder / ".second") as index_of_second:
        assert not index.ingest([folder / "first", folder / "second"]).skipped
        index_of_second.ingest([folder / "second"])
        yield Corpus(folder, index, index_of_second)


def name_of(path: Path) -> str:
    """Return the name of a file's one document."""
    return f"{path.as_posix()}#1" if path.suffix in ROWS else path.as_posix()


def diff(files: Sequence[Path], embedder: Embedder) -> Comparison:
    a, b = map(name_of, files)
    return compare_documents(a, b, lambda: embedder, threshold=0.5)


@pytest.fixture(scope="module")
def duplicates(corpus: Corpus) -> dict[str, Group]:
    """Return the groups that `ingest` and `dedup` find, by keeper."""
    return {group.keeper: group for group in corpus.index.duplicates(0.5, remove_differing=True).groups}


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_passages_of_a_file_are_the_same_everywhere(corpus: Corpus, suffix: str) -> None:
    files = corpus.files(suffix)
    stored = corpus.index.compare(*map(corpus.in_index, files))
    compared = diff(files, TinyEmbedder())
    assert len(compared.a.texts) > 2
    for ours, theirs in ((stored.a, compared.a), (stored.b, compared.b)):
        assert (ours.texts, ours.places) == (theirs.texts, theirs.places)
    with Dataset.read(files, embedder=TinyEmbedder()) as data:
        assert list(data.names) == list(map(name_of, files))
        for document, side in zip(data.documents, (compared.a, compared.b), strict=True):
            assert document.weights.tolist() == [len(text) for text in side.texts]
            np.testing.assert_allclose(data.vectors[document.rows], side.vectors, atol=1e-6)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_similarity_of_two_files_is_the_same_everywhere(
    corpus: Corpus, duplicates: dict[str, Group], suffix: str
) -> None:
    files = corpus.files(suffix)
    expected = diff(files, TinyEmbedder()).similarity
    assert 0.5 < expected < 0.999
    with Dataset.read(files, embedder=TinyEmbedder()) as data:
        (group,) = data.duplicates(0.5, remove_differing=True).groups
        assert group.lowest == pytest.approx(expected, abs=1e-6)
    first, second = map(corpus.in_index, files)
    (member,) = duplicates[first].members
    assert (member.name, member.similarity) == (second, pytest.approx(expected, abs=1e-6))
    hit = corpus.index_of_second.similar(name_of(files[0]))[0]
    assert (hit.document, hit.score) == (second, pytest.approx(expected, abs=1e-5))


@pytest.mark.parametrize("suffix", [".py", ".md"])
def test_similarity_by_the_real_model_is_the_same(corpus: Corpus, tmp_path: Path, suffix: str) -> None:
    files = corpus.files(suffix)
    with Index.create(tmp_path / ".semsearch") as index:
        expected = diff(files, index.embedder).similarity
        with Dataset.read(files, embedder=index.embedder) as data:
            (group,) = data.duplicates(0.5, remove_differing=True).groups
            assert group.lowest == pytest.approx(expected, abs=1e-6)
        index.ingest(files)
        (group,) = index.duplicates(0.5, remove_differing=True).groups
        assert group.lowest == pytest.approx(expected, abs=1e-6)


def test_file_without_text_is_an_error_to_compare(tmp_path: Path) -> None:
    """A file of two byte order marks is text, of which cleaning leaves nothing."""
    blank, other = tmp_path / "blank.txt", tmp_path / "other.txt"
    blank.write_text("\ufeff\ufeff", encoding="utf-8")
    other.write_text("some words")
    with pytest.raises(UnreadableSource, match="no text"):
        diff((blank, other), TinyEmbedder())
    with Dataset.read([blank, other], embedder=TinyEmbedder()) as data:
        assert list(data.names) == [name_of(other)]
        assert data.skipped == (Skipped(name_of(blank), "no text"),)


def test_unreadable_file_is_named_once(tmp_path: Path) -> None:
    skipped: list[Skipped] = []
    with skipping(tmp_path / "gone.txt", skipped, alone=True):
        list(read(tmp_path / "gone.txt", "gone.txt"))
    assert skipped == [Skipped(str(tmp_path / "gone.txt"), "no such file or directory", failed=True)]
