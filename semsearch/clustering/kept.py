"""Keep the names of clusters in a file, so that a cluster has the same name when the index grows.

A cluster takes the name of the most similar one of the last run with the same level and granularity, by the Jaccard
similarity among the texts that both runs have. A name is taken once. A text is known by a digest of its vector. Names
are words of the texts, so `forget` deletes the file. What cannot be read only costs the old names.
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from semsearch.clustering.communities import Ints, overlaps
from semsearch.embedding import Vectors
from semsearch.errors import InvalidInput
from semsearch.files import mode_within, read_bounded, replacing
from semsearch.requests import ClusterRequest
from semsearch.strict_json import load_json, storable, take

_SAME = 1 / 3
"""The Jaccard similarity of two clusters of equal size that have half of their texts in common."""
_MOST_BYTES = 256_000_000
_MOST_RUNS = 8
_LONGEST_NAME = 400
Digests = NDArray[np.uint64]


@dataclass(frozen=True, slots=True, eq=False)
class KeptRun:
    """The `names` of the clusters of a run, and for each text (`digests`, [n]) its cluster (`of`, int64 [n])."""

    level: str
    granularity: float
    names: Sequence[str]
    digests: Digests
    of: Ints

    def answers(self, request: ClusterRequest) -> bool:
        """Return whether a run was asked for the same."""
        return (self.level, self.granularity) == (request.level, request.granularity)


def digests_of(vectors: Vectors) -> Digests:
    """Return a digest of each vector, uint64 [n]."""
    digests = b"".join(blake2b(row.tobytes(), digest_size=8).digest() for row in vectors)
    return np.frombuffer(digests, "<u8")


def carried(before: KeptRun, digests: Digests, of: Ints) -> dict[int, str]:
    """Return the names that clusters take over from an earlier run."""
    _, old, new = np.intersect1d(before.digests, digests, return_indices=True)
    first, second, jaccard, _ = overlaps(before.of[old], of[new])
    found: dict[int, str] = {}
    taken: set[str] = set()
    for at in np.argsort(-jaccard, kind="stable").tolist():
        name = before.names[first[at]]
        if jaccard[at] >= _SAME and second[at] not in found and name not in taken:
            found[int(second[at])] = name
            taken.add(name)
    return found


def load_runs(path: Path) -> list[KeptRun]:
    """Return the runs in a file, the latest first, or none where `save_run` has not written it like that."""
    with suppress(OSError, InvalidInput, ValueError):
        return [_run(load_json(line)) for line in read_bounded(path, _MOST_BYTES).splitlines()]
    return []


def save_run(path: Path, run: KeptRun, before: Sequence[KeptRun]) -> None:
    """Write a run to a file, and the last others with another level or granularity. Raises `OSError`."""
    others = (one for one in before if (one.level, one.granularity) != (run.level, run.granularity))
    runs = [run, *others][:_MOST_RUNS]
    with replacing(path, mode=mode_within(path.parent)) as file:
        for one in runs:
            line = {
                "level": one.level,
                "granularity": one.granularity,
                "names": list(one.names),
                "digests": b64encode(one.digests.astype("<u8").tobytes()).decode(),
                "clusters": b64encode(one.of.astype("<i4").tobytes()).decode(),
            }
            file.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")


def _run(value: object) -> KeptRun:
    """Return a run as a line has it. Raises `InvalidInput` or `ValueError` for anything else."""
    at = "a run"
    kinds = {"level": str, "granularity": float, "names": list, "digests": str, "clusters": str}
    line = take(value, at, kinds)
    names = [
        storable(name, at) for name in line["names"] if isinstance(name, str) and len(name) <= _LONGEST_NAME
    ]
    digests = np.frombuffer(b64decode(line["digests"], validate=True), "<u8")
    of = np.frombuffer(b64decode(line["clusters"], validate=True), "<i4").astype(np.int64)
    sound = len(names) == len(line["names"]) == len(set(names)) and len(of) == len(digests)
    if not sound or (len(of) and not 0 <= of.min() <= of.max() < len(names)):
        raise InvalidInput(f"{at}: its parts do not fit")
    return KeptRun(line["level"], float(line["granularity"]), names, digests, of)
