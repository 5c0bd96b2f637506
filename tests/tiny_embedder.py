"""An embedder for tests where meaning does not matter: hashed bag of words, 32 dimensions, no model to load."""

import hashlib
import shutil
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semsearch.embedding import Embedder, Fingerprint, Kind, ProgressCallback, Vectors
from semsearch.index import Index

DIMENSION, WINDOW = 32, 64


@cache
def word_vector(word: str) -> Vectors:
    """Return a direction for a word, the same in every process and never zero."""
    return np.frombuffer(
        hashlib.blake2b(word.encode(), digest_size=DIMENSION).digest(), np.uint8
    ) - np.float32(127.5)


class TinyEmbedder:
    """Words are tokens, a text is the sum of its words' directions. `texts` counts what was embedded."""

    def __init__(self) -> None:
        self.texts = 0
        self.size = 0
        self.fingerprint = Fingerprint("tiny", "0" * 64, "float32", "sum", DIMENSION, WINDOW)

    def count_tokens(self, texts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        words = [text.split() for text in texts]
        unknown = [sum(word.startswith("?") for word in row) for row in words]
        return np.array([len(row) for row in words], np.int64), np.array(unknown, np.int64)

    def embed(
        self, texts: Sequence[str], kind: Kind = "passage", progress: ProgressCallback | None = None
    ) -> Vectors:
        self.texts += len(texts)
        vectors = np.empty((len(texts), DIMENSION), np.float32)
        for row, text in enumerate(texts):
            vectors[row] = sum(word_vector(word) for word in text.lower().split() or [""])
        if progress is not None:
            progress(len(texts))
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@cache
def _empty_index() -> "TemporaryDirectory[str]":
    folder: TemporaryDirectory[str] = TemporaryDirectory()
    Index.create(Path(folder.name) / "index", embedder=TinyEmbedder()).close()
    return folder


def create_index(folder: Path, embedder: Embedder | None = None) -> Index:
    """Make a new index in `folder`, as `Index.create` does; the empty index is made once and then copied."""
    shutil.copytree(Path(_empty_index().name) / "index", folder)
    return open_index(folder, embedder)


def open_index(folder: Path, embedder: Embedder | None = None, **options: Any) -> Index:
    """Open an index with a tiny embedder."""
    return Index.open(folder, embedder=embedder or TinyEmbedder(), **options)
