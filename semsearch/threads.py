"""Decide how many threads to compute with: what this process may use of the machine, not what the machine has."""

import math
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

_VARIABLES = ("SEMSEARCH_THREADS", "OMP_NUM_THREADS")
"""The variables that ask for a number of threads, the more special one first. OpenBLAS and PyTorch read the second."""
_ROOT = Path("/")
_M_ARENA_MAX = -8
"""The parameter of glibc's mallopt, from its malloc.h."""


def cpus() -> int:
    """Return how many processors this process may use: those that a variable asks for, else those at hand.

    At hand are the processors that the process may run on, and no more than the quota of its container gives.
    """
    return asked() or min(len(_allowed()), _own_quota() or len(_allowed()))


def workers(pools: Iterable[Mapping[str, Any]] | None = None) -> int:
    """Return how many threads should take the place of BLAS's own, see `in_place_of_blas`.

    There are fewer than `cpus` where BLAS was told to use fewer. `pools` are its own as threadpoolctl tells of them, by
    default those of this process.
    """
    own = max(
        (int(pool["num_threads"]) for pool in (_blas().info() if pools is None else pools)), default=cpus()
    )
    return asked() or min(own, cpus())


@contextmanager
def in_place_of_blas(count: int) -> Iterator["ThreadPoolExecutor"]:
    """Yield a pool of `count` threads, in each of which BLAS computes with one within the block.

    At the end of the block, also by an exception, what has not begun is cancelled.
    """
    from concurrent.futures import ThreadPoolExecutor

    pool = ThreadPoolExecutor(count)
    try:
        with _blas().limit(limits=1):
            yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def cores() -> int:
    """Return how many cores this process may use. Two threads of one core do not multiply matrices faster than one.

    The result is 0, which leaves the choice to a library, where the system does not tell and no variable asks.
    """
    if number := asked():
        return number
    if not hasattr(os, "sched_getaffinity"):
        return 0
    siblings = {_siblings(cpu) for cpu in _allowed()}
    return min(len(siblings), _own_quota() or len(siblings))


def asked() -> int | None:
    """Return the number of threads that a variable of the environment asks for, or None."""
    for name in _VARIABLES:
        value = os.environ.get(name, "").partition(",")[0].strip()
        if value.isascii() and value.isdigit() and int(value):
            return int(value)
    return None


@contextmanager
def limited(count: int | None) -> Iterator[None]:
    """Compute with `count` threads within the block, in libraries that are loaded there as well.

    Without a count, libraries are told the quota of the container, which they do not look for.
    """
    before = {name: os.environ.get(name) for name in _VARIABLES}
    if count is None and asked() is None and _own_quota() is not None:
        count = cpus()
    if count is not None:
        os.environ |= dict.fromkeys(_VARIABLES, str(count))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def share_arenas() -> None:
    """Let all threads share two arenas of glibc's malloc, in a process that runs for long. Call it before they start.

    By default there are eight for each core, and what threads that come and go leave behind adds up in each: an ingest
    of a few files added 1.2 MB, and with two arenas 0.04 MB. Other libraries have no arenas like these.
    """
    import ctypes  # only servers need it

    with suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 2)


def quota(root: Path = _ROOT) -> int | None:
    """Return how many processors the control groups of this process pay for, rounded up, or None without a quota.

    The limits of version 2 (`cpu.max`) and of version 1 (`cpu.cfs_quota_us`) count, and those of the groups above.
    """
    found = []
    for line in _text(root / "proc/self/cgroup").splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number != "0" and "cpu" not in controllers.split(","):
            continue
        mounts = [root / "sys/fs/cgroup"]
        if number != "0":
            mounts = [mounts[0] / controllers, mounts[0] / "cpu"]
        for mount in mounts:
            group = mount / path.strip("/")
            # In a container the path may be the one outside of it, and the group is mounted as the root.
            for folder in dict.fromkeys([group, *group.parents, mount]):
                if folder.is_relative_to(mount) and (share := _share(folder)):
                    found.append(share)
    return max(1, math.ceil(min(found))) if found else None


def _blas() -> Any:
    """Return threadpoolctl's control of the libraries of linear algebra that are loaded."""
    from threadpoolctl import ThreadpoolController  # what only starts a command needs none

    return ThreadpoolController().select(user_api="blas")


@cache
def _own_quota() -> int | None:
    """Return the quota when it was first asked for. Reading it takes longer than a query may wait."""
    return quota()


def _share(group: Path) -> float | None:
    """Return the processors that one control group may use, or None without a limit."""
    most, _, period = _text(group / "cpu.max").partition(" ")
    if not most:
        most, period = _text(group / "cpu.cfs_quota_us"), _text(group / "cpu.cfs_period_us")
    try:
        share = int(most) / int(period or 100_000)
    except (ValueError, ZeroDivisionError):  # without a limit it says "max", and the file may be missing
        return None
    return share if share > 0 else None


def _allowed() -> set[int]:
    """Return the processors that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))


def _siblings(cpu: int, root: Path = _ROOT) -> str:
    """Return a name of the core that a processor is a thread of."""
    path = root / f"sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list"
    return _text(path) or str(cpu)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""
