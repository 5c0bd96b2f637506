"""Threads: from the processors that the process may use, its container's quota, and what the user asks for."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from threadpoolctl import ThreadpoolController
from tiny_embedder import create_index

from semsearch import threads
from semsearch.cli import main

PINNED = """
import os
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
from semsearch import threads
from semsearch.embedding import onnx
print(threads.cpus(), threads.cores(), onnx._options().intra_op_num_threads)
"""


@pytest.fixture(autouse=True)
def nothing_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in threads._VARIABLES:
        monkeypatch.delenv(name, raising=False)


def groups(root: Path, cgroup: str, **files: str) -> Path:
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(cgroup)
    for name, content in files.items():
        path = root / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


@pytest.mark.parametrize(
    ("cgroup", "files", "expected"),
    [
        ("0::/app\n", {"app/cpu.max": "150000 100000\n"}, 2),
        ("0::/app\n", {"app/cpu.max": "max 100000\n"}, None),
        ("0::/a/b\n", {"a/b/cpu.max": "max 100000\n", "a/cpu.max": "50000 100000\n"}, 1),
        ("0::/outside/of/it\n", {"cpu.max": "300000 100000\n"}, 3),
        ("0::/\n", {}, None),
        ("0::/app\n", {"app/cpu.max": "\n"}, None),
        ("0::/app\n", {"app/cpu.max": "100000 0\n"}, None),
        (
            "4:cpu,cpuacct:/app\n1:name=systemd:/\n",
            {"cpu,cpuacct/app/cpu.cfs_quota_us": "250000\n", "cpu,cpuacct/app/cpu.cfs_period_us": "100000\n"},
            3,
        ),
        ("1:cpu:/app\n", {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
        ("1:cpuset:/app\n", {"cpuset/cpu.cfs_quota_us": "100000\n"}, None),
    ],
)
def test_quota_is_that_of_the_control_groups(
    tmp_path: Path, cgroup: str, files: dict[str, str], expected: int | None
) -> None:
    assert threads.quota(groups(tmp_path, cgroup, **files)) == expected


def test_quota_without_control_groups_is_none(tmp_path: Path) -> None:
    assert threads.quota(tmp_path) is None


def test_quota_limits_cpus_and_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "_allowed", lambda: set(range(8)))
    monkeypatch.setattr(threads, "_siblings", lambda cpu: str(cpu // 2))
    monkeypatch.setattr(threads, "_own_quota", lambda: None)
    assert (threads.cpus(), threads.cores()) == (8, 4)
    monkeypatch.setattr(threads, "_own_quota", lambda: 3)
    assert (threads.cpus(), threads.cores()) == (3, 3)
    with threads.limited(None):
        assert os.environ["OMP_NUM_THREADS"] == "3"
    assert "OMP_NUM_THREADS" not in os.environ


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="processes cannot be pinned here")
def test_pinned_process_computes_with_one_thread() -> None:
    ended = subprocess.run([sys.executable, "-c", PINNED], capture_output=True, text=True, check=True)
    assert ended.stdout.split() == ["1", "1", "1"]


def test_variables_ask_for_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    pools = [{"num_threads": 8}]
    monkeypatch.setattr(threads, "_allowed", lambda: set(range(4)))
    assert threads.workers(pools) == 4 and threads.workers([{"num_threads": 2}]) == 2
    monkeypatch.setenv("OMP_NUM_THREADS", "6,3")
    assert threads.cpus() == threads.cores() == threads.workers(pools) == 6
    monkeypatch.setenv("SEMSEARCH_THREADS", "7")
    assert threads.cpus() == 7
    monkeypatch.setenv("SEMSEARCH_THREADS", "many")
    assert threads.cpus() == 6


def test_threads_option_holds_during_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with create_index(tmp_path / "index") as index:
        index.add(["always rebase first", "always rebase first now", "a recipe for soup"])
    seen: list[int | None] = []
    info = ThreadpoolController.info
    monkeypatch.setattr(
        ThreadpoolController, "info", lambda self: [seen.append(threads.asked()), info(self)][1]
    )
    dedup = ["dedup", "--threshold", "0.9", "--index", str(tmp_path / "index")]
    runner = CliRunner()
    for args, expected in (
        (["--threads", "3"], 3),
        (["--set", "threads=5"], 5),
        ([], None),
    ):
        result = runner.invoke(main, [*dedup, *args])
        assert result.exit_code == 0, result.output
        assert threads.asked() is None
        assert set(seen) == {expected}
        seen.clear()
    wrong = runner.invoke(main, [*dedup, "--threads", "0"])
    assert wrong.exit_code == 2 and "threads: 0 is not in the range x>=1" in wrong.output
