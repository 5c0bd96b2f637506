"""`semsearch ingest --watch` and `triage --watch` as processes, and the changes that `changes` reports."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from queue import Queue

import pytest
from soundness import assert_sound

from semsearch import Index
from semsearch.readers import changes

SECONDS = 120
"""The longest wait for an expected event; only a failure takes that long."""


class Watching:
    """A process that watches, and the lines it says."""

    def __init__(self, folder: Path, *arguments: str, command: str = "ingest") -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "semsearch", command, "--watch", *arguments],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        self.said: list[str] = []
        self._lines: Queue[str] = Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def __enter__(self) -> "Watching":
        return self

    def __exit__(self, *error: object) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join()

    def _read(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as lines:
            for line in lines:
                self._lines.put(line.rstrip())

    def wait_for(self, line: str) -> None:
        while not self.said or line not in self.said[-1]:
            self.said.append(self._lines.get(timeout=SECONDS))

    def end(self, by: signal.Signals) -> int:
        os.kill(self.process.pid, by)
        return self.process.wait(SECONDS)


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_an_index_follows_its_files_until_a_signal(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "bread.md").write_text("Knead the dough for ten minutes.\n")
    (docs / ".gitignore").write_text("*.log\n")
    with Watching(tmp_path, "docs") as watching:
        watching.wait_for("watching docs")
        (docs / "noise.log").write_text("left out\n")
        (docs / "soup.md").write_text("Simmer the soup for an hour.\n")
        watching.wait_for("added docs/soup.md")
        with Index.open(tmp_path / ".semsearch") as index:  # nobody is in the way of others
            assert index.remove("docs/bread.md") == 1
        (docs / "soup.md").write_text("Simmer the soup for two hours.\n")
        watching.wait_for("added docs/bread.md")
        watching.wait_for("updated docs/soup.md")
        (docs / ".gitignore").write_text("")
        watching.wait_for("added docs/noise.log")
        (docs / "soup.md").unlink()
        watching.wait_for("removed docs/soup.md")
        assert watching.end(signal.SIGINT) == 0
    assert not any("noise" in line for line in watching.said[: watching.said.index("updated docs/soup.md")])
    with Index.open(tmp_path / ".semsearch") as index:
        assert index.sources() == ["docs/bread.md", "docs/noise.log"]
        assert_sound(index)


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_sigterm_ends_it_too(tmp_path: Path) -> None:
    (tmp_path / "note.md").write_text("Knead the dough for ten minutes.\n")
    with Watching(tmp_path, "note.md") as watching:
        watching.wait_for("watching note.md")
        assert watching.end(signal.SIGTERM) == 0


def test_what_counts_as_a_change(tmp_path: Path) -> None:
    for folder in ("docs/.hidden", "docs/index/chroma", "docs/part"):
        (tmp_path / folder).mkdir(parents=True)
    single = tmp_path / "single.md"
    single.write_text("one")
    bursts: Queue[None] = Queue()

    def follow(waiting: Iterator[None]) -> None:
        for burst in waiting:
            bursts.put(burst)

    waiting = changes([tmp_path / "docs", single], tmp_path / "docs" / "index")
    threading.Thread(target=follow, args=(waiting,), daemon=True).start()
    bursts.get(timeout=SECONDS)  # it has begun
    for nothing in (".hidden/a.md", "index/chroma/b.bin", ".c.swp", "part/.d"):
        (tmp_path / "docs" / nothing).write_text("x")
    other = tmp_path / "other.md"
    other.write_text("two, by way of another file")
    (tmp_path / "docs" / "part" / "e.md").write_text("x")
    bursts.get(timeout=SECONDS)
    other.replace(single)
    bursts.get(timeout=SECONDS)
    (tmp_path / "docs" / ".gitignore").write_text("x")
    bursts.get(timeout=SECONDS)
    assert bursts.empty()


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_ctrl_c_inside_sqlite_is_not_damage(tmp_path: Path) -> None:
    (tmp_path / "note.md").write_text("Knead the dough for ten minutes.\n")
    interrupted = (
        "import os, signal\n"
        "from semsearch.storage.library import connection\n"
        "connection.checksum = lambda *values: os.kill(os.getpid(), signal.SIGINT)\n"
        "from semsearch.cli import main\n"
        "main(['ingest', 'note.md'])\n"
    )
    run = subprocess.run([sys.executable, "-c", interrupted], cwd=tmp_path, capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (130, "interrupted; run the same command to continue\n")


@pytest.mark.long
@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_an_inbox_is_labelled_as_it_grows(tmp_path: Path) -> None:
    (tmp_path / "examples.csv").write_text(
        "text,label\n"
        + "".join(
            f"The {fish} swims in the sea.,sea\nBake the {loaf} in the oven.,bread\n"
            for fish, loaf in (("cod", "roll"), ("herring", "loaf"), ("whale", "baguette"))
        )
    )
    inbox, output = tmp_path / "inbox.jsonl", tmp_path / "out.jsonl"
    inbox.write_text('{"text": "The shark swims in the sea."}\n')
    arguments = ("examples.csv", "--on", "inbox.jsonl", "--output", "out.jsonl", "--promise", "50%")

    def labels() -> list[str]:
        return [json.loads(line)["label"] for line in output.read_text().splitlines()]

    with Watching(tmp_path, *arguments, command="triage") as watching:
        watching.wait_for("watching examples.csv, inbox.jsonl")
        assert labels() == ["sea"]
        with inbox.open("a") as file:
            file.write('{"text": "Bake the bun in the oven."}\n')
        watching.wait_for("labelled 2 of 2 texts")
        assert labels() == ["sea", "bread"]
        inbox.rename(tmp_path / "away.jsonl")
        watching.wait_for("the labels stay as they are")
        assert labels() == ["sea", "bread"]
        (tmp_path / "away.jsonl").rename(inbox)
        watching.wait_for("labelled 2 of 2 texts")
        assert watching.end(signal.SIGTERM) == 0


def test_a_watch_ends_when_it_is_told_to(tmp_path: Path) -> None:
    stop = threading.Event()
    watched = changes([tmp_path], ignoring=tmp_path / "index", stop=stop)
    next(watched)
    stop.set()
    assert list(watched) == []
