"""Commands that are interrupted by a signal, or whose output nobody reads."""

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from semsearch.ingest import run
from semsearch.ingest.report import IngestProgress
from tests.soundness import assert_sound
from tests.tiny_embedder import create_index, open_index

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and pipes of POSIX")
ROOT = Path(__file__).parents[1]
SECONDS = 120
"""The longest wait for an expected event; only a failure takes that long."""
SLOW = """
import sys, time
from semsearch import index
from semsearch.cli import main
from semsearch.ingest import run
from tests.tiny_embedder import TinyEmbedder

class Slow(TinyEmbedder):
    def embed(self, texts, kind="passage", progress=None):
        for text in texts:
            time.sleep(float(sys.argv[1]))
        return super().embed(texts, kind, progress)

run._FIRST_SLICE, run._SLICE_SECONDS = 1_000, 0.1
index.load_embedder = lambda *given, **named: Slow()
main(sys.argv[2:], prog_name="semsearch")
"""
"""A command with a slow model."""


def start(folder: Path, seconds: float, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", SLOW, str(seconds), *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def vectors(folder: Path) -> int:
    with closing(sqlite3.connect(folder / ".semsearch" / "library.sqlite3")) as db:
        return int(db.execute("SELECT count(*) FROM vectors").fetchone()[0])


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_ingest_keeps_what_it_embedded(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    rows = (json.dumps({"text": f"row {row} says word{row * 7}"}) for row in range(400))
    (tmp_path / "rows.jsonl").write_text("\n".join(rows))
    create_index(tmp_path / ".semsearch").close()
    process = start(tmp_path, 0.01, "ingest", "rows.jsonl")
    until = time.monotonic() + SECONDS
    while vectors(tmp_path) == 0 and time.monotonic() < until:
        time.sleep(0.05)
    process.send_signal(number)
    out, err = process.communicate(timeout=SECONDS)
    assert (process.returncode, out) == (code, "")
    said = re.fullmatch(
        r"interrupted; the vectors of (\d+) passages are stored, about [\d.]+% of the text;"
        r" run the same command to continue\n",
        err,
    )
    assert said, err
    assert 0 < int(said[1]) < 400
    assert vectors(tmp_path) == int(said[1])
    process = start(tmp_path, 0, "ingest", "rows.jsonl")
    _, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 0
    assert f"embedded {400 - int(said[1])} new texts" in err
    with open_index(tmp_path / ".semsearch") as index:
        assert_sound(index)


def test_an_interruption_between_writes_leaves_a_sealed_graph(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "_BATCH_PASSAGES", 20)
    for name in "abcdef":
        rows = (json.dumps({"text": f"{name} {row} word{row * 7}"}) for row in range(20))
        (tmp_path / f"{name}.jsonl").write_text("\n".join(rows))
    with create_index(tmp_path / ".semsearch") as index:

        def interrupt(progress: IngestProgress) -> None:
            if progress.passages > 100:  # the first batches are written behind by then
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            index.ingest([tmp_path], progress=interrupt)
    with open_index(tmp_path / ".semsearch") as index:
        assert index._vectors.finalized
        assert 0 < len(index.sources()) < 6
        assert index.ingest([tmp_path]).embedded <= 20
        assert_sound(index)


FORK = """
import json, os, sys
from semsearch import index
from semsearch.cli import main
from semsearch.storage.vectors import chroma
from tests.tiny_embedder import TinyEmbedder

index.load_embedder = lambda *given, **named: TinyEmbedder()
with index.Index.open() as opened:  # the processes inherit what is imported
    opened.query("one")
    opened.duplicates(0.9)
chroma._import()
reads, writes = os.pipe()
os.close(reads)
for arguments in json.loads(sys.argv[1]):
    if not os.fork():
        os.dup2(writes, 2 if arguments[0] == "2" else 1)
        main(arguments[1:], prog_name="semsearch")
    print(json.dumps([arguments, os.waitstatus_to_exitcode(os.wait()[1])]), flush=True)
"""
"""Runs each command in a process that writes to a pipe without a reader: standard output or standard error."""


def test_a_pipe_that_nobody_reads_ends_silently(tmp_path: Path) -> None:
    for name, text in (("a.md", "one two three four"), ("b.md", "one two three four"), ("c.md", "five six")):
        (tmp_path / name).write_text(text)
    (tmp_path / "rows.jsonl").write_text('{"text": "one two"}\n{"text": "three four"}\n')
    (tmp_path / "new.md").write_text("seven eight")
    with create_index(tmp_path / ".semsearch") as index:
        index.ingest([tmp_path / name for name in ("a.md", "b.md", "c.md", "rows.jsonl")])
    work = [
        ["query", "one two"],
        ["query", "one two", "--json"],
        ["dedup", "--threshold", "0.9", "--csv"],
        ["dedup", "rows.jsonl", "--threshold", "0.9", "--json"],
        ["diff", "a.md", "c.md"],
        ["status"],
        ["check"],
        ["--help"],
    ]
    out = [["1", *arguments] for arguments in work]
    err = [["2", "ingest", "new.md"], ["2", "remove", "c.md"]]
    ran = subprocess.run(
        [sys.executable, "-c", FORK, json.dumps(out + err)],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Traceback" not in ran.stderr
    codes = [json.loads(line) for line in ran.stdout.splitlines()]
    assert len(codes) == len(out + err)
    assert [one for one in codes if one[1] != 141] == []
    with open_index(tmp_path / ".semsearch") as index:
        assert_sound(index)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is full")
def test_output_to_a_full_disk_is_one_line(tmp_path: Path) -> None:
    create_index(tmp_path / ".semsearch").close()
    with Path("/dev/full").open("w") as full:
        ran = subprocess.run(
            [sys.executable, "-m", "semsearch", "status"],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert (ran.returncode, ran.stderr) == (
        1,
        "Error: the output could not be written: no space left on the device\n",
    )
