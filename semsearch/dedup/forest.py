"""Keep a forest of decision trees as plain arrays, and evaluate it with NumPy alone.

Trees are written to a file as compressed arrays with a digest, and read back as data of a stranger: nothing in them is
run, no node leads back, and sizes are limited.
"""

import base64
import binascii
import hashlib
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

LEAF = -1
_ROWS = 256
"""Rows evaluated at a time: their data stays in the processor's cache."""
_STEPS = 4
"""Levels that all paths go down before those that have ended are left out."""
_MOST_NODES, _MOST_TREES, _MOST_LEVELS = 2_000_000, 2_000, 200
_NODE = np.dtype([("feature", "<i2"), ("most", "<f4"), ("right", "<u4")])
"""A node on disk: `most` is the value of a leaf, and `right` is how far behind the node its right child is."""


@dataclass(frozen=True, slots=True, eq=False)
class Forest:
    """Trees one after another; each node stands before its children, and its left child follows it.

    Each node has the number of its `feature` (int16, -1 in a leaf), the highest value with which a row goes left
    (`most`, float32; the value of a leaf), and the place of its `right` child. `roots` are the first nodes.
    """

    roots: NDArray[np.int64]
    feature: NDArray[np.int16]
    most: NDArray[np.float32]
    right: NDArray[np.int64]

    def predict(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the mean of the trees' values for each row of features, float64 [n]."""
        # All trees at once, for some rows. A leaf leads to itself, so paths may differ in length.
        leaf, every = self.feature == LEAF, np.arange(len(self.feature))
        feature, most = np.where(leaf, 0, self.feature), np.where(leaf, np.float32(np.inf), self.most)
        children = np.column_stack(
            [np.where(leaf, every, every + 1), np.where(leaf, every, self.right)]
        ).ravel()
        found = np.zeros(len(rows))
        for start in range(0, len(rows), _ROWS):
            values = np.ascontiguousarray(rows[start : start + _ROWS])
            node = np.tile(self.roots, len(values))
            begin = np.repeat(np.arange(len(values)) * values.shape[1], len(self.roots))
            open_ = np.arange(len(node))
            while len(open_):
                at, row = node[open_], begin[open_]
                for _ in range(_STEPS):
                    goes_right = values.take(row + feature.take(at)) > most.take(at)
                    at = children.take(2 * at + goes_right)
                node[open_] = at
                open_ = open_[~leaf.take(at)]
            found[start : start + _ROWS] = (
                self.most.take(node).reshape(len(values), -1).mean(axis=1, dtype=np.float64)
            )
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return values for JSON."""
        nodes = np.zeros(len(self.feature), _NODE)
        nodes["feature"], nodes["most"] = self.feature, self.most
        nodes["right"] = np.where(self.feature == LEAF, 0, self.right - np.arange(len(nodes)))
        # The bytes of a column lie together: they compress twice as well.
        content = b"".join(np.ascontiguousarray(nodes[name]).tobytes() for name in _NODE.names or ())
        return {
            "roots": self.roots.tolist(),
            "nodes": len(nodes),
            "sha256": hashlib.sha256(content).hexdigest(),
            "data": base64.b64encode(zlib.compress(content, 6)).decode("ascii"),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], features: int) -> "Forest":
        """Return the forest that `to_dict` wrote, for rows of some number of `features`.

        Raises `ValueError`, `TypeError` or `KeyError` for any other value.
        """
        count, roots = values["nodes"], np.array(values["roots"], np.int64)
        if not (isinstance(count, int) and 0 < count <= _MOST_NODES and roots.ndim == 1):
            raise ValueError("a forest of another size")
        size = count * _NODE.itemsize
        try:
            reader = zlib.decompressobj()
            content = reader.decompress(base64.b64decode(values["data"], validate=True), size + 1)
        except (zlib.error, binascii.Error) as error:
            raise ValueError("damaged trees") from error
        if len(content) != size or hashlib.sha256(content).hexdigest() != values["sha256"]:
            raise ValueError("damaged trees")
        columns, start = {}, 0
        for name in _NODE.names or ():
            kind = _NODE[name]
            columns[name] = np.frombuffer(content, kind, count, start)
            start += count * kind.itemsize
        every = np.arange(count)
        forest = cls(
            roots,
            columns["feature"].astype(np.int16),
            columns["most"].astype(np.float32),
            every + columns["right"].astype(np.int64),
        )
        inner = np.flatnonzero(forest.feature != LEAF)
        possible = (
            0 < len(roots) <= _MOST_TREES
            and (roots >= 0).all()
            and (roots < count).all()
            and np.isfinite(forest.most).all()
            and (forest.feature >= LEAF).all()
            and (forest.feature < features).all()
            and (forest.right[inner] > inner + 1).all()
            and (forest.right[inner] < count).all()
        )
        if not possible or forest._levels() > _MOST_LEVELS:
            raise ValueError("impossible trees")
        return forest

    def _levels(self) -> int:
        """Return the levels of the deepest tree, or one more than the most."""
        level, count = self.roots, 0
        while len(level) and count <= _MOST_LEVELS:
            inner = level[self.feature[level] != LEAF]
            level, count = np.unique(np.concatenate([inner + 1, self.right[inner]])), count + 1
        return count
