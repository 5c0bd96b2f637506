"""Settings: which file, variable or option wins, what an index may set, and how they are shown and changed."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from tiny_embedder import create_index

from semsearch.cli import main, settings
from semsearch.errors import InvalidInput


def run(*arguments: object, code: int = 0) -> Result:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments], prog_name="semsearch")
    assert result.exit_code == code, result.output
    return result


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a working directory with an empty index, and an empty configuration folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SEMSEARCH_INDEX", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    with create_index(tmp_path / ".semsearch"):
        pass
    return tmp_path


def shown() -> dict[str, Any]:
    """Return what `config` says of each setting."""
    found: dict[str, Any] = json.loads(run("config", "--json").stdout)
    return found


def test_command_line_beats_environment_index_and_user(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def k(*given: str) -> tuple[Any, str]:
        one = settings.effective(["k"], given=given)["k"]
        return one.value, one.origin

    assert k() == (5, "default")
    run("config", "set", "--user", "k", "6")
    assert k() == (6, str(settings.user_file()))
    run("config", "set", "k", "7")
    assert k() == (7, str(here / ".semsearch" / "semsearch.toml"))
    monkeypatch.setenv("SEMSEARCH_K", "8")
    assert k() == (8, "environment")
    assert k("k=9") == (9, "command line")


def test_an_option_beats_every_setting(here: Path) -> None:
    run("config", "set", "k", "7")
    from semsearch.cli.query import query_

    assert query_.make_context("query", ["x"]).params["k"] == 7
    assert query_.make_context("query", ["x", "--set", "k=9"]).params["k"] == 9
    assert query_.make_context("query", ["x", "--set", "k=9", "-k", "2"]).params["k"] == 2


def test_set_and_unset_keep_other_lines(here: Path) -> None:
    file = here / ".semsearch" / "semsearch.toml"
    file.write_text("# mine\nk = 3\nmode = 'lexical' # words\n")
    run("config", "set", "k", "4")
    run("config", "set", "min_score", "20%")
    assert file.read_text() == "# mine\nk = 4\nmode = 'lexical' # words\nmin-score = \"20%\"\n"
    assert (shown()["min-score"]["value"], shown()["mode"]["value"]) == (0.2, "lexical")
    run("config", "unset", "k")
    assert shown()["k"] == {"value": 5, "origin": "default"}


def test_the_files_are_named(here: Path) -> None:
    paths = json.loads(run("config", "path", "--json").stdout)
    assert paths == {
        "index": str(here / ".semsearch" / "semsearch.toml"),
        "user": str(here / "config" / "semsearch" / "semsearch.toml"),
    }


def test_nothing_is_read_from_the_working_directory(here: Path) -> None:
    (here / "semsearch.toml").write_text("k = 99\n")
    assert shown()["k"]["value"] == 5


@pytest.mark.parametrize("key", ["model", "dtype", "max-size", "memory", "wait"])
def test_an_index_may_not_set_what_reaches_beyond_it(here: Path, key: str) -> None:
    value = {"max-size": "1GB", "memory": "1GB", "wait": "9", "dtype": "int8"}.get(key, "evil")
    (here / ".semsearch" / "semsearch.toml").write_text(f'{key} = "{value}"\n')
    said = run("status", "--set", f"{key}={value}", code=2) if key == "wait" else run("dedup", code=2)
    assert "semsearch.toml" in said.stderr or "does not use" in said.stderr or "--set" in said.stderr
    run("config", code=2)
    (here / ".semsearch" / "semsearch.toml").unlink()
    run("config", "set", key, value)  # goes to the user's file
    assert shown()[key]["origin"] == str(settings.user_file())


def test_settings_name_no_file_to_write_or_program() -> None:
    of_index = {key for key, one in settings.SETTINGS.items() if "index" in one.files}
    assert of_index == {
        "k", "mode", "min-score", "min-relevance", "per-document", "collapse", "show", "rerank-top", "threshold",
        "lexical", "linkage",
    }  # fmt: skip


def test_a_threshold_belongs_to_an_index(here: Path) -> None:
    assert "belongs to an index" in run("config", "set", "--user", "threshold", "0.9", code=2).stderr
    run("config", "set", "threshold", "90%")
    assert "threshold 0.9 (" in run("dedup").stderr
    assert "threshold 0.8 (given)" in run("dedup", "--threshold", "80%").stderr


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("mdoe = 'dense'", "did you mean mode?"),
        ("k = 0", "x>=1"),
        ("k = 2.5", "not a valid integer"),
        ("k = true", "not a valid integer"),
        ("k = [1]", "not a valid integer"),
        ("[query]\nk = 1", "no setting 'query'"),
        ("k = ", "is not a file of settings"),
        ("k" * 70_000, "more than 65,536 bytes"),
    ],
)
def test_a_wrong_file_is_named_with_what_is_wrong(here: Path, content: str, said: str) -> None:
    (here / ".semsearch" / "semsearch.toml").write_text(content)
    error = run("config", code=2).stderr
    assert said in error and "semsearch.toml" in error


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("set", "mdoe", "dense"), "did you mean mode?"),
        (("set", "mode", "fast"), "hybrid"),
        (("set", "k"), "a VALUE"),
        (("unset",), "a KEY"),
        (("frobnicate",), "set, unset"),
        (("show", "k"), "no KEY"),
    ],
)
def test_wrong_arguments_of_config(here: Path, arguments: tuple[str, ...], said: str) -> None:
    error = run("config", *arguments, code=2).stderr
    assert said in error
    assert not (here / ".semsearch" / "semsearch.toml").exists()


def test_a_setting_that_a_command_does_not_use_is_refused(here: Path) -> None:
    assert "does not use the setting mode" in run("dedup", "--set", "mode=dense", code=2).stderr
    assert "KEY=VALUE" in run("dedup", "--set", "memory", code=2).stderr


@pytest.mark.skipif(os.name != "posix", reason="no FIFO")
def test_a_fifo_or_link_in_an_index_is_neither_read_nor_written(here: Path) -> None:
    file = here / ".semsearch" / "semsearch.toml"
    os.mkfifo(file)
    assert "semsearch.toml" in run("config", code=2).stderr
    file.unlink()
    (here / "victim").write_text("mine")
    file.symlink_to(here / "victim")
    with pytest.raises(InvalidInput):
        settings.write(file, "k", 3)
    assert (here / "victim").read_text() == "mine"


def test_config_works_without_an_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SEMSEARCH_INDEX", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    run("config", "set", "mode", "lexical")
    assert shown()["mode"] == {"value": "lexical", "origin": str(settings.user_file())}
