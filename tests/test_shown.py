"""Show the file: the text of a hit is the slice of the file that its place names."""

from contextlib import closing
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from click.testing import CliRunner
from test_versions import ORIGINAL
from tiny_embedder import TinyEmbedder, create_index, open_index

from semsearch import serialize
from semsearch.cli import groups, main
from semsearch.dedup.in_files import Dataset
from semsearch.errors import IndexDamaged
from semsearch.index import FOLDER, Index
from semsearch.ingest.chunk import chunk
from semsearch.readers import read
from semsearch.storage.check import salvage_damaged
from semsearch.storage.library.connection import connect
from semsearch.text import Original, clean
from semsearch.text.diff import as_written, difference
from semsearch.tuning.labels import FILE
from semsearch.tuning.pairs import load_pairs
from semsearch.types import Document, Hit

SAMPLES = Path(__file__).parents[1] / "sample_corpus"
CODE = "class Sessions:\n    def evict(self, now):\n\tfor key in self:\n            del self[key]\n"


def index_of(folder: Path, name: str, content: str | bytes) -> Index:
    """Return a new index of one file."""
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    index = create_index(folder / FOLDER)
    index.ingest([path])
    return index


def hits_of(folder: Path, name: str, content: str | bytes, query: str = "words") -> list[Hit]:
    """Return every passage of a file as a hit, in its order."""
    with index_of(folder, name, content) as index:
        return sorted(
            index.query(query, k=999, per_document=None, collapse=False), key=lambda hit: (hit.start, hit.end)
        )


def assert_is_the_file(document: Document, window: int = 64) -> int:
    """Assert that each passage is the slice of the file by its lines, or a part of it; return their number."""
    embedder = TinyEmbedder()
    embedder.fingerprint = replace(embedder.fingerprint, window=window)
    lines = (document.written or document.text).replace("\r\n", "\n").replace("\r", "\n").split("\n")
    passages = chunk(document, embedder).record.passages
    for before, passage, after in zip([None, *passages], passages, [*passages[1:], None], strict=False):
        whole = "\n".join(lines[passage.first - 1 : passage.last])
        shown = passage.original or passage.text
        if (before and before.last == passage.first) or (after and after.first == passage.last):
            assert shown in whole
        else:
            assert shown == whole
    return len(passages)


def test_every_passage_of_the_samples_is_its_file() -> None:
    count = 0
    for path in sorted(SAMPLES.rglob("*")):
        for document in read(path, str(path)) if path.is_file() else ():
            by_lines = isinstance(document, Document) and (document.numbers is None or document.written)
            if by_lines and document.unit == "line":
                count += assert_is_the_file(document)
    assert count > 200


@pytest.mark.parametrize("name", ["sessions.py", "sessions.txt", "sessions.md"])
def test_code_keeps_its_indentation_and_its_tabs(tmp_path: Path, name: str) -> None:
    (hit,) = hits_of(tmp_path, name, CODE)
    assert hit.text == CODE.rstrip("\n")


def test_full_width_signs_and_other_forms_are_shown(tmp_path: Path) -> None:
    written = "２０㎡，半径　５ｋｍ\nle cafe\u0301 ﬁn\u00ad\n\fpage  two\u200b words"
    (hit,) = hits_of(tmp_path, "a.txt", written)
    assert hit.text == written
    with open_index(tmp_path / FOLDER) as index:
        assert index.query('"20㎡"')[0].text == written


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_line_ends_are_lf(tmp_path: Path, end: str) -> None:
    (hit,) = hits_of(tmp_path, "a.txt", f"\ufeff  one{end}{end}\ttwo words{end}")
    assert (hit.text, hit.start, hit.end) == ("  one\n\n\ttwo words", 1, 3)


def test_a_null_and_half_a_pair_are_shown(tmp_path: Path) -> None:
    with create_index(tmp_path / FOLDER) as index:
        index.ingest([], standard_input="  a\0b words \ud800")
        (hit,) = index.query("words")
        assert hit.text == "  a\0b words \ufffd"
        assert index.check().sound


@pytest.mark.parametrize(
    "sentence",
    [
        "Every  word of\tthe long line is a word.  ",
        "每一句话都是一句话，半径５ｋｍ。",
        "Le cafe\u0301 est ﬁni\u00ad. ",
        "👩\u200d💻 works, see https://example.com/" + "a/b?c=" * 40 + "  here. ",
    ],
)
def test_parts_of_a_long_line_are_parts_of_it(sentence: str) -> None:
    line = "".join(f"{number} {sentence}" for number in range(200)).rstrip()
    document = Document("a.txt", f"  {line}\n\n\tlast words")
    passages = chunk(document, TinyEmbedder()).record.passages
    shown = [passage.original or passage.text for passage in passages]
    at = 0
    for one, passage in zip(shown, passages, strict=True):
        assert clean(one).strip() == passage.text
        at = document.text.index(one, at) + len(one)
    gaps = document.text
    for one in shown:
        gaps = gaps.replace(one, "", 1)
    assert len(passages) > 1 and not clean(gaps).strip()


def test_parts_after_several_blanks_are_found() -> None:
    original = Original("the  room and a ｇａｔｅ to it", "the room and a gate to it")
    assert [original.part(*span).strip() for span in ((0, 14), (15, 19))] == ["the  room and a", "ｇａｔｅ"]


def test_a_part_that_cannot_be_found_is_the_cleaned_one() -> None:
    cleaned = "one two three four"
    original = Original("five  six seven eight", cleaned)
    assert [original.part(*span) for span in ((0, 7), (8, 18))] == ["one two", "three four"]
    assert original.part(0, 18) == "five  six seven eight"


def test_a_very_long_line_is_found_part_by_part() -> None:
    written = "a  word " * 30_000
    cleaned = clean(written)
    original = Original(written, cleaned)
    edges = [*range(0, len(cleaned), 7 * 12), len(cleaned)]
    for start, end in pairwise(edges):
        body = cleaned[start:end].strip()
        begin = start + len(cleaned[start:end]) - len(cleaned[start:end].lstrip())
        assert clean(original.part(begin, begin + len(body))).strip() == body


def test_markdown_shows_its_lines_and_not_its_front_matter(tmp_path: Path) -> None:
    text = "---\ntitle: Boilers\ntags: [a]\n---\n\n- see [[heating|the words]]\n    - %% not me %% two\n"
    (hit,) = hits_of(tmp_path, "a.md", text)
    assert hit.text == "- see [[heating|the words]]\n    - %% not me %% two"
    assert (hit.start, hit.end) == (6, 7)
    assert hit.metadata["title"] == "Boilers"


def test_a_title_without_a_text_is_shown_at_its_line(tmp_path: Path) -> None:
    (hit,) = hits_of(tmp_path, "a.md", "---\ntags: [a]\ntitle: Boilers\n---", "boilers")
    assert (hit.text, hit.start) == ("title: Boilers", 3)


def test_a_cell_is_shown_as_it_is(tmp_path: Path) -> None:
    hits = hits_of(tmp_path, "a.csv", 'text,id\n"  two\n\twords，",7\n')
    assert [hit.text for hit in hits] == ["  two\n\twords，"]


def test_the_best_sentence_is_a_part_of_the_file(tmp_path: Path) -> None:
    text = "Nothing  to see here.\n\n\tThe  boiler's pressure，in bar, is １.５.\n\nNor here."
    (hit,) = hits_of(tmp_path, "a.txt", text, "boiler pressure")
    start, end = hit.highlight
    assert hit.text == text and hit.text[start:end] == "The  boiler's pressure，in bar, is １.５."


def test_an_older_index_shows_cleaned_text_until_read_again(tmp_path: Path) -> None:
    index_of(tmp_path, "a.py", CODE).close()
    with closing(connect(tmp_path / FOLDER / "library.sqlite3")) as library:
        library.executescript(ORIGINAL)
        library.execute("UPDATE sources SET reading = 'an older release'")
    with open_index(tmp_path / FOLDER) as index:
        assert index.query("evict")[0].text == clean(CODE).strip()
        assert index.check().sound
        report = index.ingest([tmp_path / "a.py"])
        assert (report.updated, report.embedded) == (1, 0)
        assert index.query("evict")[0].text == CODE.rstrip("\n")
        assert index.check().sound


def test_damage_of_an_older_index_stays_visible(tmp_path: Path) -> None:
    index_of(tmp_path, "a.py", CODE).close()
    with closing(connect(tmp_path / FOLDER / "library.sqlite3")) as library:
        library.executescript(ORIGINAL)
        library.execute("UPDATE passages SET heading = 'Another'")
    with open_index(tmp_path / FOLDER) as index, pytest.raises(IndexDamaged):
        index.query("evict")


def test_an_original_that_has_rotted_is_not_shown(tmp_path: Path) -> None:
    index_of(tmp_path, "a.py", CODE).close()
    with closing(connect(tmp_path / FOLDER / "library.sqlite3")) as library:
        library.execute("UPDATE passages SET original = 'Another'")
    with open_index(tmp_path / FOLDER) as index:
        assert not index.check().sound
        with pytest.raises(IndexDamaged):
            index.query("evict")


@pytest.mark.parametrize("version", [5, 6])
def test_a_repair_keeps_the_originals_it_can_read(tmp_path: Path, version: int) -> None:
    (tmp_path / "a.py").write_text(CODE)
    (tmp_path / "b.py").write_text(CODE.replace("evict", "expel"))
    with create_index(tmp_path / FOLDER) as index:
        index.ingest([tmp_path / "a.py", tmp_path / "b.py"])
    with closing(connect(tmp_path / FOLDER / "library.sqlite3")) as library:
        if version == 5:
            library.executescript(ORIGINAL)
        library.execute("UPDATE passages SET heading = 'Another' WHERE text LIKE '%expel%'")
    saved = salvage_damaged(tmp_path / FOLDER, wait=0)
    assert saved is not None and saved.lost == ("b.py",)
    with open_index(tmp_path / FOLDER) as index:
        (hit,) = index.query("evict")
        assert hit.text == (CODE.rstrip("\n") if version == 6 else clean(CODE).strip())


def test_forgetting_finds_what_was_shown(tmp_path: Path) -> None:
    secret = "the　passphrase　is　ｈｅｒｏｎ　ｔｅａｐｏｔ　ｎｉｎｅｔｅｅｎ"
    with index_of(tmp_path, "a.txt", secret) as index:
        assert secret.encode() in b"".join(path.read_bytes() for path in (tmp_path / FOLDER).glob("library*"))
        (tmp_path / FOLDER / "copy.txt").write_text(secret)
        found = index.forget("a.txt", verify=True)
        assert found.left == ("copy.txt",)


WIDE = "    in short\n\tthe  room has ２０㎡， a window and a door to the garden"
EDITED = WIDE.replace("garden", "ｃｏｕｒｔ")


@pytest.fixture
def rooms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a working directory with a text in wide letters, an edit of it, and a copy in plain letters."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SEMSEARCH_INDEX", raising=False)
    (tmp_path / "rooms").mkdir()
    for name, text in (("a.md", WIDE), ("b.md", EDITED), ("c.md", clean(WIDE))):
        (tmp_path / "rooms" / name).write_text(text, encoding="utf-8")
    return tmp_path


def test_groups_show_what_was_written(rooms: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with create_index(rooms / FOLDER) as index:
        index.ingest(["rooms"])
        found = index.duplicates(0.8)
        (group,) = serialize.group_rows(found, groups.difference)
        assert found.originals(["rooms/c.md", "rooms/a.md"]) == [clean(WIDE), WIDE]
        assert found.texts(["rooms/a.md"]) == [clean(WIDE).strip()]
        groups.show(found, explain=True)
        groups.table(found)
    assert group["keeper_text"] == "in short the room has ２０㎡， a window and a door to the garden"
    text = {member["name"]: member["text"] for member in group["members"]}
    assert "20㎡, a window" in text["rooms/c.md"] and "２０㎡， a window" in text["rooms/b.md"]
    said = {member["name"]: member["difference"] for member in group["members"]}
    assert "[-garden-]{+ｃｏｕｒｔ+}" in said["rooms/b.md"] and not said["rooms/c.md"]
    shown = capsys.readouterr().out
    assert shown.count("２０㎡， a window") >= 4 and "[-garden-]{+ｃｏｕｒｔ+}" in shown


def test_groups_of_files_show_what_was_written(rooms: Path) -> None:
    with Dataset.read([rooms / "rooms"], embedder=TinyEmbedder()) as data:
        (group,) = serialize.group_rows(data.duplicates(0.8))
        assert data.originals(data.names[:1]) == [WIDE.strip()] and data.texts([0]) == [clean(WIDE).strip()]
    assert "２０㎡， a window" in group["keeper_text"]
    assert sum("２０㎡， a window" in member["text"] for member in group["members"]) == 1


def test_an_excerpt_begins_at_a_difference_in_meaning() -> None:
    wide, plain = (
        f"{sign} {'same words ' * 40}{end}" for sign, end in (("２０，", "left over"), ("20,", "right"))
    )
    assert "left" in serialize.excerpt(wide, plain)


def test_labels_show_what_was_written_and_keep_the_rest(rooms: Path) -> None:
    (rooms / "rooms" / "d.md").write_text(WIDE.replace("door", "ｇａｔｅ"), encoding="utf-8")
    with create_index(rooms / FOLDER) as index:
        index.ingest(["rooms"])
    result = CliRunner().invoke(main, ["label"], input="y\nu\ny\nq\n")
    assert result.exit_code == 0, result.output
    one, other, again, last = (
        part.split("\nA ")[1].split("\nduplicates?")[0] for part in result.stdout.split("of 150 -")[1:]
    )
    assert (one, other) == (again, last) and one != other
    assert all("２０㎡， a window" in part for part in (one, other))
    assert "ｃｏｕｒｔ" in result.stdout and "ｇａｔｅ" in result.stdout
    (pair,) = load_pairs(str(rooms / FOLDER / FILE)).pairs
    texts = [clean((rooms / "rooms" / f"{name}.md").read_text(encoding="utf-8")).strip() for name in "abd"]
    assert {pair.text_a, pair.text_b} < set(texts), "the file has what is compared"
    result = CliRunner().invoke(main, ["label"], input="y\ny\n")
    assert "3 labelled" in result.output and "no pairs are left" in result.output


def test_diff_shows_what_was_written(rooms: Path) -> None:
    with create_index(rooms / FOLDER) as index:
        index.ingest(["rooms"])
        found = index.compare("rooms/a.md", "rooms/b.md").difference
        (copy,) = index.compare("rooms/a.md", "rooms/c.md").difference.segments
    assert [(s.a, s.b) for s in found.changed] == [("garden", "ｃｏｕｒｔ")]
    assert copy.op == "equal" and "２０㎡， a window" in copy.a and "20㎡, a window" in copy.b


def test_parts_of_a_difference_are_those_compared() -> None:
    a = "  Ｏｎｅ  ｔｗｏ, three.\n\n\t４ ﬁve\u00ad six.\u3000Seven  eight nine ten.\n"
    b = "Seven eight nine ten.  One two, ３.\n ４，five\tsix. End"
    x, y = clean(a).strip(), clean(b).strip()
    compared = difference(x, y)
    shown = as_written(compared, (x, a), (y, b))
    for before, after in zip(compared.segments, shown.segments, strict=True):
        assert (clean(after.a).strip(), clean(after.b).strip()) == (before.a.strip(), before.b.strip())
    assert "ｔｗｏ" in "".join(s.a for s in shown.segments) and "４，" in "".join(s.b for s in shown.segments)
    assert shown.segments != compared.segments and "Ｏｎｅ" in shown.segments[0].a
    lost = as_written(compared, (x, f"other\n{a}"), (y, "nothing of it"))
    assert [(s.a.strip(), s.b.strip()) for s in lost.segments] == [
        (s.a.strip(), s.b.strip()) for s in compared.segments
    ]


def test_a_line_without_its_comment_is_shown_as_it_is() -> None:
    written = "The pump is old [see below][pump]<!-- keep -->. It leaks at night.\nThe end."
    cleaned = "The pump is old [see below][pump]. It leaks at night.\nThe end."
    original, cut = Original(written, cleaned), cleaned.index(" It leaks")
    assert original.part(0, cut) == "The pump is old [see below][pump]<!-- keep -->."
    assert original.part(cut + 1, len(cleaned)) == "It leaks at night.\nThe end."
