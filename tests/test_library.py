"""The Library: versions, the outbox, threads, errors, and that a reader never sees half a write."""

import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from tiny_embedder import word_vector

from semsearch.embedding import Vectors
from semsearch.errors import FingerprintMismatch, IndexDamaged, IndexLocked, SemsearchError
from semsearch.storage.library import DocumentRecord, Library, PassageRecord, SourceState
from semsearch.text import text_digest as digest

REPOSITORY = Path(__file__).parent.parent
STATE = SourceState(1, 2, "digest", "")
Texts = list[list[str]]
"""A source as its documents' passages."""


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    with closing(Library(tmp_path / "library.sqlite3", create=True)) as library:
        yield library


def document(key: str, number: int, texts: list[str], first: int = 1) -> DocumentRecord:
    passages = [
        PassageRecord(f"{key}/{number}/{ordinal}/{text}", text, digest(text), "line", first, first)
        for ordinal, text in enumerate(texts)
    ]
    return DocumentRecord(f"{key}#{number}", digest("".join(texts)), {"number": number}, passages)


def stage(library: Library, key: str, source: Texts, first: int = 1) -> int:
    """Store a new version of a source, a document at a time, without publishing it."""
    version = library.begin_source(key, STATE)
    for number, texts in enumerate(source):
        new: dict[bytes, Vectors] = {d: word_vector(d.hex()) for d in library.missing(map(digest, texts))}
        library.add([(version, document(key, number, texts, first))], new)
    return version


def publish(library: Library, key: str, source: Texts, first: int = 1) -> bool | None:
    (outcome,) = library.publish([(stage(library, key, source, first), "published")])
    return outcome


def ids(key: str, source: Texts) -> set[str]:
    return {
        passage.id for number, texts in enumerate(source) for passage in document(key, number, texts).passages
    }


def drain(library: Library) -> set[str]:
    """Take everything off the outbox."""
    taken: set[str] = set()
    while page := library.outbox(3):
        library.mark_applied(page)
        taken.update(page)
    return taken


def test_a_version_is_seen_when_it_is_published_and_not_before(library: Library) -> None:
    publish(library, "a", [["old", "both"]])
    drain(library)
    version = stage(library, "a", [["new", "both"]])
    with closing(Library(library.path)) as reader:
        assert {
            p.text for p in reader.passages([*ids("a", [["old", "both"], []]), "a/0/0/new"]).values()
        } == {"old", "both"}
        assert reader.counts() | {"vectors": 0} == {"sources": 1, "documents": 1, "passages": 2, "vectors": 0}
        library.publish([(version, "second")])
        assert set(reader.passages(["a/0/0/old", "a/0/0/new", "a/0/1/both"])) == {"a/0/0/new", "a/0/1/both"}
        assert reader.states() == {"a": SourceState(1, 2, "second", "")}


def test_publish_tells_what_changed(library: Library) -> None:
    assert publish(library, "a", [["one"], ["two"]]) is None
    assert drain(library) == {"a/0/0/one", "a/1/0/two"}
    assert publish(library, "a", [["one"], ["two"]]) is False
    assert drain(library) == set()
    assert publish(library, "a", [["one"], ["three"]]) is True
    assert drain(library) == {"a/1/0/two", "a/1/0/three"}
    # Moved: the same passages, other lines.
    assert publish(library, "a", [["one"], ["three"]], first=7) is True
    assert drain(library) == {"a/0/0/one", "a/1/0/three"}
    assert publish(library, "a", [["one"]], first=7) is True
    assert drain(library) == {"a/1/0/three"}


def test_equal_text_has_one_vector(library: Library) -> None:
    assert library.missing([digest("same"), digest("same")]) == {digest("same")}
    publish(library, "a", [["same", "same"], ["same"]])
    publish(library, "b", [["same", "other"]])
    assert library.counts()["vectors"] == 2
    assert library.missing([digest("same"), digest("unheard")]) == {digest("unheard")}
    vectors = library.vectors_of(["a/0/0/same", "b/0/0/same", "gone"])
    assert vectors.keys() == {"a/0/0/same", "b/0/0/same"}
    for vector in vectors.values():
        np.testing.assert_array_equal(vector, word_vector(digest("same").hex()))


def test_missing_takes_more_digests_than_a_statement_can_bind(library: Library) -> None:
    texts = [str(number) for number in range(2_500)]
    publish(library, "a", [texts])
    assert library.missing(digest(text) for text in [*texts, "one more"]) == {digest("one more")}
    assert (
        len(library.passages([*ids("a", [texts])])) == len(library.vectors_of([*ids("a", [texts])])) == 2_500
    )


def test_gc_drops_what_nothing_published_needs(library: Library) -> None:
    publish(library, "a", [["kept", "dropped"]])
    stage(library, "b", [["cut off"]])
    publish(library, "a", [["kept"]])
    library.discard_unpublished()
    assert library.counts()["vectors"] == 3  # an ingest that is cut off leaves its vectors to the next
    library.gc()
    assert library.missing(map(digest, ["kept", "dropped", "cut off"])) == {
        digest("dropped"),
        digest("cut off"),
    }


def test_add_without_a_vector_stores_nothing_of_the_batch(library: Library) -> None:
    version = library.begin_source("a", STATE)
    batch = [(version, document("a", 0, ["good"])), (version, document("a", 1, ["bad"]))]
    with pytest.raises(SemsearchError, match="no vector"):
        library.add(batch, {digest("good"): word_vector("good")})
    library.publish([(version, "")])
    assert library.counts() == {"sources": 1, "documents": 0, "passages": 0, "vectors": 0}


def test_remove(library: Library) -> None:
    publish(library, "a", [["one"]])
    publish(library, "b", [["one"]])
    drain(library)
    library.remove(["a", "never there"])
    assert drain(library) == {"a/0/0/one"}
    assert library.states().keys() == {"b"}


def test_touch_changes_size_and_time_only(library: Library) -> None:
    publish(library, "a", [["one"]])
    library.touch({"a": SourceState(10, 20, "ignored", "ignored"), "never there": STATE})
    assert library.states() == {"a": SourceState(10, 20, "published", "")}


def test_settings_are_json(library: Library) -> None:
    assert library.setting("anything") is None
    library.save_setting("anything", {"value": 0.85, "名": ["x"]})
    library.save_setting("anything", {"value": 0.9, "名": ["x"]})
    assert library.setting("anything") == {"value": 0.9, "名": ["x"]}


def test_passages_where(library: Library) -> None:
    publish(library, "a", [["one", "two"]])
    publish(library, "b", [["one"]])
    found, matrix = library.passages_where(lambda key: key == "a")
    assert sorted(found) == ["a/0/0/one", "a/0/1/two"]
    for id_, vector in zip(found, matrix, strict=True):
        np.testing.assert_array_equal(vector, word_vector(digest(id_.rsplit("/")[-1]).hex()))
    nothing, empty = library.passages_where(lambda key: False)
    assert nothing == []
    assert len(empty) == 0


def test_passage_matrix_by_hand(library: Library) -> None:
    publish(library, "b", [["same", "längere"], ["x"]], first=5)
    publish(library, "a", [["same"]])
    stage(library, "c", [["unseen"]])
    layout, matrix = library.passage_matrix()
    assert layout.names == ["a#0", "b#0", "b#1"]
    assert layout.places == [("line", 1, 1), ("line", 5, 5), ("line", 5, 5), ("line", 5, 5)]
    assert layout.document.tolist() == [0, 1, 1, 2]
    assert layout.length.tolist() == [4, 4, 7, 1]  # characters, not bytes
    assert layout.digests == [digest("same"), digest("samelängere"), digest("x")]
    assert len(matrix) == 3
    expected = [word_vector(digest(text).hex()) for text in ["same", "same", "längere", "x"]]
    np.testing.assert_array_equal(matrix[layout.row], expected)


def test_an_empty_library(library: Library) -> None:
    layout, matrix = library.passage_matrix()
    assert layout.names == layout.places == []
    assert matrix.size == len(layout.document) == 0
    assert library.publish([]) == []
    assert library.missing([]) == set()
    assert library.passages([]) == {}


# -- files that are not what they should be -----------------------------------------------------------------


def test_a_library_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(SemsearchError):
        Library(tmp_path / "library.sqlite3")
    assert not any(tmp_path.iterdir())


def test_a_file_that_is_not_a_database_is_damaged(tmp_path: Path) -> None:
    (tmp_path / "library.sqlite3").write_bytes(b"not a database at all" * 100)
    with pytest.raises(IndexDamaged, match=r"library\.sqlite3"):
        Library(tmp_path / "library.sqlite3")


def test_a_library_of_another_version_is_refused(library: Library) -> None:
    with closing(sqlite3.connect(library.path)) as other:
        other.execute("PRAGMA user_version = 99")
    with pytest.raises(FingerprintMismatch, match="99"):
        Library(library.path)


def test_names_are_not_read_as_addresses(tmp_path: Path) -> None:
    """A path with the characters that mean something in a URI."""
    folder = tmp_path / "50% off? #1"
    folder.mkdir()
    Library(folder / "library.sqlite3", create=True).close()
    Library(folder / "library.sqlite3").close()
    assert (folder / "library.sqlite3").stat().st_size


# -- what an error of the database means --------------------------------------------------------------------


def lock_out(library: Library) -> None:
    with closing(sqlite3.connect(library.path)) as other, library._writing() as db:
        db.execute("PRAGMA busy_timeout = 0")
        other.execute("BEGIN IMMEDIATE")
        library.save_setting("x", 1)


def fill_up(library: Library) -> None:
    with library._writing() as db:
        db.execute("PRAGMA max_page_count = 1")
        library.save_setting("x", "y" * 1_000_000)


def forbid_writing(library: Library) -> None:
    with library._writing() as db:
        db.execute("PRAGMA query_only = 1")
        library.save_setting("x", 1)


def interrupt(library: Library) -> None:
    with library._reading() as db:
        db.set_progress_handler(lambda: 1, 1)
        db.execute("SELECT count(*) FROM passages, passages").fetchall()


def bind_too_many(library: Library) -> None:
    with library._reading() as db:
        db.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 2)
        db.execute("SELECT 1 IN (?, ?, ?)", (1, 2, 3))


def run(statement: str, *values: object) -> Callable[[Library], None]:
    def use(library: Library) -> None:
        with library._writing() as db:
            db.execute(statement, values)

    return use


def begin_twice(library: Library) -> None:
    run("BEGIN")(library)
    run("BEGIN")(library)


@pytest.mark.parametrize(
    ("fail", "kind", "hint"),
    [
        (lock_out, IndexLocked, "try again later"),
        (fill_up, SemsearchError, "is the disk full"),
        (forbid_writing, SemsearchError, "read-only"),
        (interrupt, SemsearchError, "run it again"),
        (begin_twice, SemsearchError, "please report it"),
        (run("SELECT * FROM nothing"), SemsearchError, "please report it"),
        (run("SELEKT"), SemsearchError, "please report it"),
        (bind_too_many, SemsearchError, "please report it"),
        (run("INSERT INTO outbox VALUES (NULL)"), SemsearchError, "please report it"),
        (run("INSERT INTO sources (key) VALUES (1)"), SemsearchError, "please report it"),
        (run("SELECT ?"), SemsearchError, "open the index again"),
        (run("SELECT zeroblob(2000000000)"), SemsearchError, "please report it"),
    ],
)
def test_an_error_that_is_not_damage_is_not_called_damage(
    library: Library, fail: Callable[[Library], None], kind: type[SemsearchError], hint: str
) -> None:
    publish(library, "a", [["one"]])
    with pytest.raises(SemsearchError) as caught:
        fail(library)
    assert type(caught.value) is kind, caught.value
    assert hint in caught.value.hint
    assert "damaged" not in str(caught.value)


def corrupt_pages(library: Library) -> None:
    library.close()
    content = bytearray(library.path.read_bytes())
    content[5_000:] = bytes(len(content) - 5_000)
    library.path.write_bytes(content)


def spoil(statement: str) -> Callable[[Library], None]:
    """Change a Library with a statement, with no regard for its rules."""

    def act(library: Library) -> None:
        library.close()
        with closing(sqlite3.connect(library.path)) as db, db:
            db.execute("PRAGMA writable_schema = 1")
            db.execute("PRAGMA ignore_check_constraints = 1")
            db.execute(statement)

    return act


@pytest.mark.parametrize(
    "damage",
    [
        corrupt_pages,
        spoil("DROP TABLE postings"),
        spoil("ALTER TABLE passages RENAME COLUMN heading TO other"),
        spoil("UPDATE passages SET text = CAST(x'ff41' AS TEXT)"),
        spoil("UPDATE passages SET text = 'something else'"),
        spoil("UPDATE documents SET metadata = '{'"),
        spoil("UPDATE vectors SET vector = x'00'"),
    ],
)
def test_damage_is_called_damage(library: Library, damage: Callable[[Library], None]) -> None:
    publish(library, "a", [["one", "two"], ["three"]])
    damage(library)
    with pytest.raises(IndexDamaged), closing(Library(library.path)) as damaged:
        damaged.passages(["a/0/0/one", "a/1/0/three"])
        damaged.fields()
        damaged.having("one", damaged.passage_table(), exact=False)
        damaged.vectors()


# -- several threads ----------------------------------------------------------------------------------------


def in_threads(count: int, work: Callable[[int], object]) -> None:
    """Run `work` in some threads at once, and raise the first exception of any."""
    together = threading.Barrier(count)

    def begin(number: int) -> None:
        together.wait(20)
        work(number)

    with ThreadPoolExecutor(count) as pool:
        for future in [pool.submit(begin, number) for number in range(count)]:
            future.result(60)


def versions(library: Library) -> set[str]:
    """Return the first word of every published text."""
    ids, _ = library.passages_where(lambda key: True)
    return {passage.text.split()[0] for passage in library.passages(ids).values()}


def test_threads_read_while_others_write(library: Library) -> None:
    """Each source is always at one version: a reader never sees half a write, nor an error."""
    publish(library, "a", [["0 one", "0 two"], ["0 three"]])
    done = threading.Event()

    def work(number: int) -> None:
        if number < 2:
            for version in range(1, 15):
                key = "ab"[number]
                publish(library, key, [[f"{version} one", f"{version} two"], [f"{version} three"]])
                library.save_setting(key, version)
            if number == 0:
                done.set()
            return
        while not done.is_set():
            with library.snapshot():
                texts = library.passages([*library.vectors_of(every_id)])
                by_source: dict[str, list[str]] = {}
                for passage in texts.values():
                    by_source.setdefault(passage.source, []).append(passage.text.split()[0])
                assert all(len(some) == 3 and len(set(some)) == 1 for some in by_source.values())
                assert library.counts()["passages"] == 3 * len(by_source)
                assert len(library.having("one", library.passage_table(), exact=False)) == len(by_source)

    every_id = [
        id_
        for key in "ab"
        for version in range(15)
        for id_ in ids(key, [[f"{version} one", f"{version} two"], [f"{version} three"]])
    ]
    in_threads(8, work)
    assert versions(library) == {"14"}
    assert library.setting("a") == library.setting("b") == 14


def test_a_thread_reads_what_it_writes_in_its_transaction(library: Library) -> None:
    seen: list[set[bytes]] = []

    def documents() -> Iterator[tuple[int, DocumentRecord]]:
        seen.append(library.missing([digest("new")]))
        yield version, document("a", 0, ["new"])

    version = library.begin_source("a", STATE)
    library.add(documents(), {digest("new"): word_vector("new")})
    assert seen == [set()]


def test_snapshots_keep_their_state_and_nest(library: Library) -> None:
    publish(library, "a", [["old"]])
    with library.snapshot() as outer:
        in_threads(1, lambda _: publish(library, "a", [["new"]]))
        assert versions(library) == {"old"}
        with library.snapshot() as inner:
            assert inner == outer == library.state()
            assert versions(library) == {"old"}
        assert versions(library) == {"old"}
        others: list[set[str]] = []
        in_threads(1, lambda _: others.append(versions(library)))
        assert others == [{"new"}]
    assert versions(library) == {"new"}
    assert library.state() != outer


def test_the_state_is_the_same_in_all_threads(library: Library) -> None:
    publish(library, "a", [["one"]])
    states = set()

    def work(number: int) -> None:
        with library.snapshot() as state:
            states.update((state, library.state()))
        states.add(library.state())

    in_threads(8, work)
    assert states == {library.state()}


@pytest.mark.parametrize("writer", ["itself", "thread", "library", "process"])
def test_any_write_changes_the_state(library: Library, writer: str) -> None:
    before = library.state()
    if writer == "itself":
        library.save_setting("x", 1)
    elif writer == "thread":
        in_threads(1, lambda _: library.save_setting("x", 1))
    elif writer == "library":
        with closing(Library(library.path)) as other:
            other.save_setting("x", 1)
    else:
        code = (
            "import sys; from pathlib import Path; from semsearch.storage.library import Library;"
            "library = Library(Path(sys.argv[1])); library.save_setting('x', 1); library.close()"
        )
        subprocess.run([sys.executable, "-c", code, library.path], check=True, cwd=REPOSITORY)
    assert library.state() != before
    assert library.state() == library.state()
    assert library.setting("x") == 1


def test_a_snapshot_shows_what_its_state_names(library: Library) -> None:
    """While a thread writes on and on, equal states show equal contents."""
    contents: dict[int, set[object]] = {}
    done = threading.Event()

    def work(number: int) -> None:
        if number == 0:
            for value in range(150):
                library.save_setting("x", value)
            done.set()
        while not done.is_set():
            with library.snapshot() as state:
                contents.setdefault(state, set()).add(library.setting("x"))

    in_threads(4, work)
    assert len(contents) > 1
    assert all(len(values) == 1 for values in contents.values())


def test_ended_threads_and_errors_leave_no_connection_open(library: Library) -> None:
    opened: list[sqlite3.Connection] = []
    connect = sqlite3.connect

    def counted(*arguments: Any, **options: Any) -> sqlite3.Connection:
        opened.append(connect(*arguments, **options))
        return opened[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sqlite3, "connect", counted)
        for _ in range(5):
            in_threads(20, lambda _: library.counts())
        with pytest.raises(ZeroDivisionError), library.snapshot():
            raise ZeroDivisionError
        library.state()
        library.save_setting("x", 1)
    library.close()
    assert opened
    for connection in opened:
        with pytest.raises(sqlite3.ProgrammingError, match="closed"):
            connection.execute("SELECT 1")


def test_a_closed_library_says_so(library: Library) -> None:
    with library.snapshot():
        in_threads(1, lambda _: library.close())
        assert library.counts()["passages"] == 0, "who reads at that time may end"
    library.close()
    for use in (library.counts, library.state, library.rebuild_full_text, lambda: library.setting("x")):
        with pytest.raises(SemsearchError, match=r"library\.sqlite3 is closed") as caught:
            use()
        assert not isinstance(caught.value, IndexDamaged)
        assert caught.value.hint == "open the index again"
    with pytest.raises(SemsearchError, match="is closed"), library.snapshot():
        pass


# -- against a model ----------------------------------------------------------------------------------------

KEYS = st.sampled_from(["a", "b", "c"])
SOURCES = st.lists(st.lists(st.sampled_from(["p", "q", "r", "s"]), max_size=3), max_size=3)


class Versions(RuleBasedStateMachine):
    """Any run of writes: the Library publishes what a dictionary holds, and whoever follows the outbox does too."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.library = Library(Path(self.folder.name) / "library.sqlite3", create=True)
        self.model: dict[str, tuple[Texts, int]] = {}
        self.follower: dict[str, int] = {}
        self.used: set[str] = set()

    def teardown(self) -> None:
        self.library.close()
        self.folder.cleanup()

    @rule(key=KEYS, source=SOURCES, first=st.integers(1, 2))
    def publish(self, key: str, source: Texts, first: int) -> None:
        old = self.model.get(key)
        outcome = publish(self.library, key, source, first)
        if old is None:
            assert outcome is None
        elif old == (source, first):
            assert outcome is False
        elif old[0] != source:
            assert outcome is True
        self.model[key] = source, first
        self.used |= ids(key, source)

    @rule(key=KEYS, source=SOURCES)
    def cut_off(self, key: str, source: Texts) -> None:
        stage(self.library, key, source)
        self.used |= ids(key, source)

    @rule(key=KEYS)
    def remove(self, key: str) -> None:
        self.library.remove([key])
        self.model.pop(key, None)

    @rule(method=st.sampled_from([Library.gc, Library.sweep]))
    def gc(self, method: Callable[[Library], None]) -> None:
        method(self.library)
        texts = {text for source, _ in self.model.values() for document in source for text in document}
        assert self.library.counts()["vectors"] == len(texts)

    @rule()
    def reopen(self) -> None:
        self.library.close()
        self.library = Library(Path(self.folder.name) / "library.sqlite3")

    @rule(limit=st.integers(1, 4))
    def follow(self, limit: int) -> None:
        page = self.library.outbox(limit)
        for id_ in page:
            self.follower.pop(id_, None)
        self.follower |= {id_: p.first for id_, p in self.library.passages(page).items()}
        self.library.mark_applied(page)

    @invariant()
    def agrees(self) -> None:
        published = {id_: first for key, (source, first) in self.model.items() for id_ in ids(key, source)}
        assert {id_: p.first for id_, p in self.library.passages([*self.used]).items()} == published
        assert self.library.states().keys() == self.model.keys()
        told = set(self.library.outbox(1_000))
        differing = {id_ for id_, _ in self.follower.items() ^ published.items()}
        assert differing <= told  # what is not in the outbox is right already


Versions.TestCase.settings = settings(max_examples=40, stateful_step_count=20, deadline=None)
TestVersions = Versions.TestCase
