"""Documents and passages similar to one, against brute force and by hand."""

import json
import random
from pathlib import Path

import pytest
from click.testing import CliRunner
from soundness import assert_sound
from tiny_embedder import TinyEmbedder, create_index

from semsearch import Index, InvalidInput
from semsearch.cli import main


@pytest.fixture
def index(tmp_path: Path) -> Index:
    """Documents of one to eight passages of words drawn from a few, some passages in several documents."""
    draw = random.Random(1)
    (tmp_path / "docs").mkdir()
    shared = [" ".join(draw.choices("abcdefgh", k=40)) for _ in range(6)]
    for number in range(14):
        parts = [
            draw.choice(shared) if draw.random() < 0.4 else " ".join(draw.choices("abcdefghijklmnop", k=40))
            for _ in range(draw.randrange(1, 9))
        ]
        (tmp_path / "docs" / f"{number}.txt").write_text("\n\n".join(parts))
    index = create_index(tmp_path / ".semsearch", TinyEmbedder())
    index.ingest([tmp_path / "docs"])
    return index


def test_documents_are_as_similar_as_a_comparison_has_them(index: Index) -> None:
    """The same figures, and so the same order, as comparing with each document in turn."""
    name = "docs/3.txt"
    found = index.similar(name, k=100)
    expected = {other: index.compare(name, other).similarity for other in index.sources() if other != name}
    assert {hit.document: pytest.approx(hit.score, abs=1e-5) for hit in found} == expected
    assert [hit.score for hit in found] == sorted((hit.score for hit in found), reverse=True)
    assert [hit.document for hit in index.similar(name, k=3)] == [hit.document for hit in found[:3]]
    for hit in found:  # what is shown of it is what is most like any passage of the document
        comparison = index.compare(hit.document, name)
        best = comparison.coverage_a.cosine.max()
        assert comparison.coverage_a.cosine[comparison.a.texts.index(hit.text)] == pytest.approx(
            best, abs=1e-5
        )
    assert_sound(index)


def test_a_document_of_the_index_needs_no_model(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("the old mill has a roof that leaks")
    (tmp_path / "b.txt").write_text("A bird sings. The roof of the mill leaks. We eat soup.")
    create_index(tmp_path / ".semsearch", TinyEmbedder()).ingest(tmp_path)
    # Whose model cannot be loaded: there is none of this name.
    with Index.open(tmp_path / ".semsearch") as index:
        (hit,) = index.similar("a.txt")
        assert hit.highlight and hit.text[slice(*hit.highlight)] == "The roof of the mill leaks."


def test_passages_are_those_nearest_to_the_one_at_a_line(index: Index) -> None:
    name = "docs/5.txt"
    document = index.compare(name, name).a
    embedder = TinyEmbedder()
    others = [other for other in index.sources() if other != name]
    texts = [text for other in others for text in index.compare(other, name).a.texts]
    cosines = embedder.embed(document.texts) @ embedder.embed(texts).T
    for row, (_, _, last) in enumerate(document.places):
        found = index.similar(name, last, k=5)
        best = sorted(cosines[row], reverse=True)[:5]
        assert [hit.score for hit in found] == pytest.approx(best, abs=1e-5)
        assert not any(hit.document == name for hit in found)
    with pytest.raises(InvalidInput, match="no text at line 999"):
        index.similar(name, 999)
    assert_sound(index)
    index.close()


def test_a_file_that_is_not_indexed_is_read_for_it_and_not_kept(index: Index, tmp_path: Path) -> None:
    copy = tmp_path / "copy.txt"
    copy.write_bytes((tmp_path / "docs" / "7.txt").read_bytes())
    before = index.sources()
    first, *_ = index.similar(copy)
    assert first.document == "docs/7.txt" and first.score == pytest.approx(1, abs=1e-6)
    assert index.sources() == before
    index.ingest([copy])
    assert index.similar("docs/7.txt", k=1)[0].document == "copy.txt"  # a copy is not the document itself
    assert index.similar("docs/7.txt", k=100, source="docs/1*")[0].source.startswith("docs/1")
    assert index.similar("docs/7.txt", k=100, min_score=0.999) == index.similar("docs/7.txt", k=1)
    assert_sound(index)
    index.close()


def test_the_command_takes_a_file_from_where_it_is_and_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "bread.md").write_text("# Bread\n\nKnead the dough.\n\n## Oven\n\nBake it hot.\n")
    (tmp_path / "notes" / "loaf.md").write_text("Knead dough for a loaf of bread, and bake it.\n")
    (tmp_path / "notes" / "bike.md").write_text("Mend the flat tyre of a bicycle.\n")
    (tmp_path / "notes" / "bike.md:2").write_text("A file with such a name.\n")
    monkeypatch.chdir(tmp_path)
    run = CliRunner()
    assert run.invoke(main, ["ingest", "notes"]).exit_code == 0
    monkeypatch.chdir(tmp_path / "notes")
    shown = run.invoke(main, ["similar", "bread.md", "-k", "1"])
    assert shown.exit_code == 0 and "loaf.md:1" in shown.stdout
    answer = json.loads(run.invoke(main, ["similar", "loaf.md:1", "--json"]).stdout)
    assert (answer["file"], answer["line"]) == ("loaf.md", 1)
    assert answer["hits"][0]["source"] == "notes/bread.md"
    assert answer["hits"][0]["heading"] == "Bread"
    rows = run.invoke(main, ["similar", "bike.md:2", "--jsonl"]).stdout.splitlines()
    assert {json.loads(row)["source"] for row in rows} == {f"notes/{n}.md" for n in ("bread", "loaf", "bike")}
    missing = run.invoke(main, ["similar", "braed.md"])
    assert missing.exit_code == 2 and "bread.md" in missing.stderr
    with Index.open() as index:
        assert_sound(index)
