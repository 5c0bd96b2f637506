"""The identity of an embedder whose weights cannot be hashed: what it makes of a few fixed texts, its canaries.

A remote model has no file to hash, and its vectors differ a little from call to call. So the identity is the canaries'
vectors themselves at a low resolution, not a hash of them: two identities match if each pair of vectors is close.
"""

import base64
import hashlib
from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from semsearch.errors import ModelError

PREFIX = "canary:"
_TEXTS = (
    "The cat sat on the mat.",
    "Always rebase before you merge.",
    "Die Rechnung ist am 31. März 2024 fällig.",
    "def area(radius): return 3.14159 * radius ** 2",
    "我昨天在图书馆借了三本书。",
    "Error 404: the page you asked for was not found",
)
_DIMENSIONS = 32
"""Dimensions that a vector is projected to. Vectors of two unrelated models then have a cosine of 0 +- 0.18."""
CLOSE = 0.995
"""The least cosine of two projected vectors of the same model. Eight bits a number cost 0.0001 of it."""


def canary_weights(embed: Callable[[Sequence[str]], NDArray[np.float32]], digest: str = "") -> str:
    """Return the identity of an embedder, for `Fingerprint.weights`: "canary:", 256 characters, and the digest if any.

    `embed` gives float32 [texts, dimension]. `digest` is what a server says of its model. Raises `ModelError` if a
    vector is not finite or has no direction.
    """
    vectors = np.asarray(embed(_TEXTS), np.float64)
    projected = vectors @ _projection(vectors.shape[1])
    peaks = np.abs(projected).max(axis=1, keepdims=True)
    if not np.all(np.isfinite(peaks)) or not np.all(peaks):
        raise ModelError("the model gives a vector without a direction", "use another model")
    levels = np.rint(projected / peaks * 127).astype(np.int8)
    return f"{PREFIX}{base64.b64encode(levels.tobytes()).decode()} {digest}".rstrip()


def same_weights(stored: object, loaded: object) -> bool:
    """Return whether two values of `Fingerprint.weights` stand for the same model.

    Digests must be equal; the vectors of canaries must be close, and their digests equal where both have one.
    """
    if stored == loaded:
        return True
    a, b = _vectors(stored), _vectors(loaded)
    if a is None or b is None:
        return False
    digests = {str(weights).partition(" ")[2] for weights in (stored, loaded)} - {""}
    if len(digests) > 1:
        return False
    cosines = np.sum(a * b, axis=1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))
    return bool(cosines.min() >= CLOSE)


def _vectors(weights: object) -> NDArray[np.float64] | None:
    """Return the projected canaries, float64 [texts, 32], or None for a digest and for anything malformed."""
    if not isinstance(weights, str) or not weights.startswith(PREFIX):
        return None
    try:
        content = base64.b64decode(weights.removeprefix(PREFIX).partition(" ")[0], validate=True)
        vectors = np.frombuffer(content, np.int8).reshape(len(_TEXTS), _DIMENSIONS).astype(np.float64)
    except ValueError:
        return None
    return vectors if np.all(np.any(vectors, axis=1)) else None


@cache
def _projection(dimension: int) -> NDArray[np.float64]:
    """Return a fixed matrix of 1 and -1, float64 [dimension, 32], the same on every machine."""
    content = hashlib.shake_256(b"semsearch canaries").digest(dimension * _DIMENSIONS // 8)
    bits = np.unpackbits(np.frombuffer(content, np.uint8))
    return bits.reshape(dimension, _DIMENSIONS).astype(np.float64) * 2 - 1
