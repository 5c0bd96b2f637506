"""The command `semsearch batch`: on a cluster that it starts, with wrong arguments, and where ray is not installed."""

import importlib.util
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

needs_ray = pytest.mark.skipif(not importlib.util.find_spec("ray"), reason="needs semsearch[ray]")
TEXTS = [
    "The refund takes five days.",
    "The refund takes  five days.",
    "The refund takes six days.",
    "退款，需要五天。",
    "The refund takes seven days.",
    "The refund takes eight days.",
]


def batch(*arguments: str, cwd: Path, before: str = "") -> "subprocess.CompletedProcess[str]":
    """Run the command in a new process, after some Python code."""
    code = f"{before}\nfrom semsearch.cli import main\nmain(['batch', *{list(arguments)!r}])"
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8", cwd=cwd, timeout=300
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = "".join(f"{json.dumps({'id': f'r{at}', 'text': text})}\n" for at, text in enumerate(TEXTS))
    (tmp_path / "in.jsonl").write_text(rows, "utf-8")
    (tmp_path / "empty").mkdir()
    return tmp_path


def test_batch_without_ray_is_one_clear_line(folder: Path) -> None:
    done = batch(
        "embed", "in.jsonl", "--output", "out", cwd=folder, before="import sys; sys.modules['ray'] = None"
    )
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "Error: `semsearch batch` needs ray",
        "hint: pip install 'semsearch[ray]'",
    ]
    assert not (folder / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("dedupe", "in.jsonl", "--output", "out"), "'dedupe' is not one of 'embed', 'dedup', 'leak'"),
        (("dedup", "in.jsonl"), "Missing option '--output'"),
        (("dedup", "in.jsonl", "--output", "out", "--recall", "0"), "0 is not above 0"),
        (("leak", "in.jsonl", "--output", "out"), "batch leak needs the training data"),
        (("dedup", "in.jsonl", "--output", "out", "--against", "empty"), "--against is for batch leak"),
        (("dedup", "in.jsonl", "--output", "out", "--address", "head:1"), "'head:1' is not an address"),
        (("embed", "in.jsonl", "--output", "out", "--threshold", "90%"), "batch embed compares nothing"),
        (("dedup", "in.jsonl", "--output", "out", "--keep", "latest"), "'latest' is not a --keep rule"),
    ],
)
def test_wrong_arguments_end_before_a_cluster_starts(
    folder: Path, arguments: tuple[str, ...], said: str
) -> None:
    done = batch(*arguments, cwd=folder, before="import sys; sys.modules['ray'] = None")
    assert done.returncode == 2, done.stderr
    assert said in done.stderr


@needs_ray
def test_batch_dedup_writes_groups_and_says_what_it_did(folder: Path) -> None:
    import pyarrow.parquet as pq

    done = batch("dedup", "in.jsonl", "--output", "out", "--id-field", "id", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["groups"], report["exact"], report["vetoed"]) == (1, 1, {"number": 3})
    assert report["more_rejected"] == 3
    assert "1 group: 1 of 6 documents (16.7%) repeat another" in done.stderr
    assert "3 more pairs of these texts differ too" in done.stderr
    (file,) = (folder / "out" / "result").iterdir()
    rows = pq.read_table(file).to_pylist()
    assert [(row["name"], row["tier"], row["kept"]) for row in rows] == [
        ("in.jsonl#r0", "keeper", True),
        ("in.jsonl#r1", "exact", False),
        ("in.jsonl#r2", None, True),
        ("in.jsonl#r3", None, True),
        ("in.jsonl#r4", None, True),
        ("in.jsonl#r5", None, True),
    ]
    assert rows[1]["reason"] == "equal after light cleaning"
    assert [row["text"] for row in rows][3] == TEXTS[3]


@needs_ray
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("dedup", "empty", "--output", "other"), "there is nothing to read"),
        (("dedup", "in.jsonl", "--output", "in.jsonl"), "in.jsonl is not a folder"),
        (("dedup", ".", "--output", "out"), "is in the input"),
        (("dedup", "in.jsonl", "--output", "."), "has an input in it"),
    ],
)
def test_an_output_that_cannot_be_is_refused_at_once(
    folder: Path, arguments: tuple[str, ...], said: str
) -> None:
    done = batch(*arguments, cwd=folder)
    assert done.returncode == 2 and said in done.stderr, done.stderr
    assert not (folder / "out").exists()


@pytest.mark.long
@needs_ray
def test_what_compares_nothing_ends_as_without_a_cluster(folder: Path) -> None:
    (folder / "lines.txt").write_text("One line.\nAnother line.\n", "utf-8")
    for at, (*arguments, said) in enumerate(
        [
            ("leak", "in.jsonl", "--against", "in.jsonl", "TEST and TRAIN are the same"),
            ("leak", "lines.txt", "--against", "in.jsonl", "lines.txt is read as one record"),
            ("leak", "in.jsonl", "--against", "lines.txt", "lines.txt is read as one record"),
            ("dedup", "lines.txt", "lines.txt is read as one record"),
            ("leak", "in.jsonl", "--against", "lines.txt", "--text-field", "nope", "nope"),
        ]
    ):
        done = batch(*arguments, "--output", f"out{at}", "--json", cwd=folder)
        one = subprocess.run(
            [sys.executable, "-m", "semsearch", *arguments], capture_output=True, text=True, cwd=folder
        )
        assert (done.returncode, done.stdout) == (one.returncode, ""), done.stderr
        assert said in done.stderr and said in one.stderr, done.stderr


@pytest.mark.long
@needs_ray
def test_settings_with_which_nothing_was_done_hold_nobody_up(folder: Path) -> None:
    wrong = batch("embed", "in.jsonl", "--output", "out", "--text-field", "nope", cwd=folder)
    assert wrong.returncode == 2, wrong.stderr
    right = batch("embed", "in.jsonl", "--output", "out", "--text-field", "text", cwd=folder)
    assert right.returncode == 0, right.stderr


@pytest.mark.long
@needs_ray
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_batch_as_it_ends_other_commands(
    folder: Path, number: signal.Signals, code: int
) -> None:
    (folder / "in.jsonl").write_text(
        "".join(f'{{"text": "Text {at} of many that take a while."}}\n' for at in range(50_000)), "utf-8"
    )
    with subprocess.Popen(
        [sys.executable, "-m", "semsearch", "batch", "dedup", "in.jsonl", "--output", "out"],
        stderr=subprocess.PIPE, text=True, cwd=folder,
    ) as running:  # fmt: skip
        for _ in range(600):
            if list((folder / "out").glob("embeddings/*.parquet")):
                break
            time.sleep(0.2)
        running.send_signal(number)
        said = running.communicate(timeout=120)[1]
    assert running.returncode == code, said
    assert said.splitlines()[-1].startswith("interrupted") and "***" not in said
    assert not list((folder / "out").glob("result/*"))


SOCKETS = """
import os
from pathlib import Path
from semsearch.distributed.cluster import LOCAL, connected
with connected(LOCAL) as cluster:
    parents = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(path.name)] = int((path / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            pass
    family = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= more
    sockets = set()
    for pid in family:
        for link in Path(f"/proc/{pid}/fd").iterdir():
            try:
                sockets.add(os.readlink(link))
            except OSError:
                pass
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in sockets:
                print(fields[1].rpartition(":")[0])
    print("usage", os.environ["RAY_USAGE_STATS_ENABLED"])
"""


@needs_ray
@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="reads /proc")
def test_local_cluster_listens_on_loopback_only() -> None:
    done = subprocess.run([sys.executable, "-c", SOCKETS], capture_output=True, text=True, timeout=300)
    *addresses, usage = done.stdout.splitlines()
    assert usage == "usage 0", done.stderr
    assert len(addresses) >= 3  # the servers of ray
    assert set(addresses) <= {
        "0100007F",
        "0000000000000000FFFF00000100007F",
        "00000000000000000000000001000000",
    }
