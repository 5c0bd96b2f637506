"""Time and CPU of `semsearch --help`, of `import semsearch`, and of what they cannot go below: Python and click.

    python benchmarks/startup.py --repeats 20

Each run is a new process. The result is a line of JSON, in seconds: the least and the median of the wall time, and of
the CPU time, which a busy machine disturbs less. On a quiet machine `--help` is to take at most 0.15 s.
"""

import json
import resource
import statistics
import subprocess
import sys
import time

from common import arguments

COMMANDS = {
    "python": ["-c", "pass"],
    "click": ["-c", "import click"],
    "import semsearch": ["-c", "import semsearch"],
    "semsearch --help": ["-m", "semsearch", "--help"],
    "semsearch query --help": ["-m", "semsearch", "query", "--help"],
}
BAR = 0.15
"""Seconds of the least wall time of `--help`."""


def measured(command: list[str], repeats: int) -> dict[str, float]:
    """Return the least and the median wall time and CPU time of a command of Python."""
    walls, processor = [], []
    for _ in range(repeats):
        before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run([sys.executable, *command], stdout=subprocess.DEVNULL, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        walls.append(time.perf_counter() - begun)
        processor.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    numbers = {"wall": walls, "cpu": processor}
    return {
        f"{what}_{name}": round(value(some), 3)
        for what, some in numbers.items()
        for name, value in (("least", min), ("median", statistics.median))
    }


if __name__ == "__main__":
    options = arguments(__doc__, repeats=20).parse_args()
    found = {name: measured(command, options.repeats) for name, command in COMMANDS.items()}
    print(json.dumps({"seconds": found, "met": found["semsearch --help"]["wall_least"] <= BAR}))
