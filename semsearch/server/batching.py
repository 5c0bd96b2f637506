"""Embed the texts of requests that wait at the same time together, so that many small requests cost what one does.

While the model works on one batch, requests wait, and together they are the next one: there is no delay to tune. A
batch takes a fair share of each request, so a request of one text does not wait for another one's thousand.
docs/decisions/0123-batches-of-what-waits.md has the reasons.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus

import numpy as np
from numpy.typing import NDArray

from semsearch.embedding import Embedder, Kind, Vectors, count_tokens, embed_checked
from semsearch.errors import SemsearchError, extra
from semsearch.server.problems import Refused

with extra("server", "the server"):
    import anyio
    import anyio.to_thread

_BATCH = 32_768
"""Characters of a batch: half a second of work for MiniLM on two cores, and enough that a larger one is not faster."""
_WAITING = 8_000_000
"""Characters that may wait. A request beyond them is refused, unless it is the only one."""
_TEXT = 20
"""Characters that a text counts in addition to its own."""


class Overloaded(Refused):
    """A request that was not taken, since so much text waits already."""

    def __init__(self) -> None:
        super().__init__(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "too much text waits to be embedded",
            "ask again in a few seconds, or with fewer texts",
        )


@dataclass(frozen=True, slots=True, eq=False)
class Embedded:
    """The unit `vectors` of some texts, float32 [n, dimension], and the `tokens` of each, int64 [n]."""

    vectors: Vectors
    tokens: NDArray[np.int64]


class _Request:
    """A request and how far it has come. `begun` of its texts are in a batch or embedded."""

    def __init__(self, texts: Sequence[str], kind: Kind, dimension: int) -> None:
        self.texts, self.kind = texts, kind
        self.sizes = [len(text) + _TEXT for text in texts]
        self.left = sum(self.sizes)
        self.done = 0
        self.found = Embedded(np.empty((len(texts), dimension), np.float32), np.empty(len(texts), np.int64))
        self.error: SemsearchError | None = None

    @property
    def ended(self) -> bool:
        return self.error is not None or self.done == len(self.texts)

    def first(self, share: float) -> slice:
        """Return the next texts, about as many characters as `share`, and at least one text."""
        end, size = self.done, 0
        while end < len(self.texts) and (size + self.sizes[end] <= share or end == self.done):
            size += self.sizes[end]
            end += 1
        return slice(self.done, end)

    def take(self, part: slice, vectors: Vectors, tokens: NDArray[np.int64]) -> None:
        self.found.vectors[part], self.found.tokens[part] = vectors, tokens
        self.left -= sum(self.sizes[part])
        self.done = part.stop


_Part = tuple[_Request, slice]


class Batcher:
    """Embed texts for many requests at once, as `Index.embed` does for one. `embedder` loads the model when needed.

    All of it is for one event loop. The model works in a thread, one batch at a time.
    """

    def __init__(self, embedder: Callable[[], Embedder]) -> None:
        self._load = embedder
        self._embedder: Embedder | None = None
        self._working = anyio.Lock()
        self._waiting: list[_Request] = []

    async def embed(self, texts: Sequence[str], kind: Kind = "passage") -> Embedded:
        """Return the vectors of texts and their numbers of tokens. Cancelled, it leaves what was not yet begun.

        Raises `Overloaded`, and what the embedder raises.
        """
        if self._embedder is None:
            self._embedder = await anyio.to_thread.run_sync(self._load)
        embedder = self._embedder
        request = _Request(texts, kind, embedder.fingerprint.dimension)
        if self._waiting and request.left + sum(one.left for one in self._waiting) > _WAITING:
            raise Overloaded
        self._waiting.append(request)
        try:
            while not request.ended:
                async with self._working:  # whose turn it is works for all that wait
                    if not request.ended:
                        await anyio.to_thread.run_sync(_work, embedder, _batch(self._waiting))
        finally:
            self._waiting.remove(request)
        if request.error is not None:
            raise request.error
        return request.found


def _batch(waiting: Sequence[_Request]) -> list[_Part]:
    """Return the texts to embed next: equal shares of a batch, and what small requests leave goes to larger ones."""
    unfinished = sorted((one for one in waiting if not one.ended), key=lambda one: one.left)
    parts, room = [], float(_BATCH)
    for at, one in enumerate(unfinished):
        part = one.first(room / (len(unfinished) - at))
        room = max(0.0, room - sum(one.sizes[part]))
        parts.append((one, part))
    return parts


def _work(embedder: Embedder, parts: Sequence[_Part]) -> None:
    """Embed a batch and hand out what was found. Where it fails, the requests are tried one by one."""
    for kind in dict.fromkeys(one.kind for one, _ in parts):
        same = [(one, part) for one, part in parts if one.kind == kind]
        try:
            _embed(embedder, same, kind)
        except SemsearchError:
            for one, part in same:
                try:
                    _embed(embedder, [(one, part)], kind)
                except SemsearchError as error:
                    one.error = error


def _embed(embedder: Embedder, parts: Sequence[_Part], kind: Kind) -> None:
    texts = [text for one, part in parts for text in one.texts[part]]
    vectors, (tokens, _) = embed_checked(embedder, texts, kind), count_tokens(embedder, texts)
    start = 0
    for one, part in parts:
        end = start + part.stop - part.start
        one.take(part, vectors[start:end], tokens[start:end])
        start = end
