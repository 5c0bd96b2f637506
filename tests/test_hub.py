"""A model that is not the default one comes from a hub: one download, of what is needed, or a clear error."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from loopback import http_server
from tiny_models import make_model

NAME = "some-owner/tiny"
REVISION = "0123456789abcdef0123456789abcdef01234567"
ELSEWHERE = ("pytorch_model.bin", "onnx/model.onnx", "openvino/openvino_model.xml", "README.md")
"""Files that a model on the hub often has, and that are not needed."""


@dataclass
class Hub:
    """A hub with the model of a folder. It notes what was asked, by which program."""

    folder: Path
    asked: list[str] = field(default_factory=list)
    agents: set[str] = field(default_factory=set)
    url: str = ""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_model(tmp_path_factory.mktemp("models") / "tiny")
    for name in ELSEWHERE:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"not needed")
    return folder


@pytest.fixture
def hub(model: Path) -> Iterator[Hub]:
    state = Hub(model)

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def answer(self, *, body: bool) -> None:
            path = self.path.partition("?")[0]
            state.asked.append(path)
            state.agents.add(self.headers["User-Agent"])
            start = f"/{NAME}/resolve/{REVISION}/"
            files = [file for file in model.rglob("*") if file.is_file()]
            names = [file.relative_to(model).as_posix() for file in files]
            if path == f"/api/models/{NAME}/revision/main":
                content = json.dumps({"id": NAME, "sha": REVISION}).encode()
            elif path == f"/api/models/{NAME}/tree/{REVISION}":
                sizes = [file.stat().st_size for file in files]
                entries = zip(names, sizes, strict=True)
                tree = [{"type": "file", "path": name, "size": size, "oid": "0"} for name, size in entries]
                content = json.dumps(tree).encode()
            elif path.startswith(start) and (model / path.removeprefix(start)).is_file():
                content = (model / path.removeprefix(start)).read_bytes()
            else:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
            self.send_header("X-Repo-Commit", REVISION)
            self.end_headers()
            if body:
                self.wfile.write(content)

        def do_HEAD(self) -> None:
            self.answer(body=False)

        def do_GET(self) -> None:
            self.answer(body=True)

    with http_server(Handler) as state.url:
        yield state


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "note.md").write_text("the cat sat on a mat\n", encoding="utf-8")
    return tmp_path


def semsearch(home: Path, url: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run a command in a folder with empty caches, whose hub is at `url`."""
    settings = {
        "HF_HOME": str(home / "hf"),
        "HF_ENDPOINT": url,
        "HF_HUB_OFFLINE": "0",
        "HF_HUB_DISABLE_XET": "1",
        "SEMSEARCH_CACHE": str(home / "cache"),
        "NO_PROXY": "127.0.0.1",
        "AI_AGENT": "some-assistant",
    }
    return subprocess.run(
        [sys.executable, "-m", "semsearch", *arguments],
        cwd=home,
        env=os.environ | settings,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def test_a_model_is_downloaded_once_and_only_what_it_needs(hub: Hub, home: Path) -> None:
    first = semsearch(home, hub.url, "ingest", "--model", NAME, "note.md")
    assert first.returncode == 0, first.stderr
    assert f"Downloading {NAME} from {hub.url}, once" in first.stderr
    sent = {path.partition(f"/{REVISION}/")[2] for path in hub.asked} - {""}
    needed = {
        file.relative_to(hub.folder).as_posix()
        for file in hub.folder.rglob("*")
        if file.suffix in (".json", ".safetensors")
    }
    assert sent == needed
    assert {path for path in hub.asked if "/resolve/" not in path} == {
        f"/api/models/{NAME}/revision/main",
        f"/api/models/{NAME}/tree/{REVISION}",
    }
    assert not [agent for agent in hub.agents if "torch" in agent or "agent/" in agent]
    hub.asked.clear()
    again = semsearch(home, hub.url, "query", "a cat", "--json")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["hits"][0]["source"] == "note.md"
    assert not hub.asked


def test_a_failed_download_makes_no_index(hub: Hub, home: Path) -> None:
    failed = semsearch(home, hub.url, "ingest", "--model", "some-owner/absent", "note.md")
    assert failed.returncode == 1
    assert "Error: the model some-owner/absent is not on this machine" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert not (home / ".semsearch").exists()
