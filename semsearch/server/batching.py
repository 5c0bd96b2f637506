"""Work on requests that wait at the same time together, so that many small requests cost what one does.

While one batch is worked on, requests wait, and together they are the next one: there is no delay to tune. Of texts to
embed, a batch takes a fair share of each request, so a request of one text does not wait for another one's thousand.
docs/decisions/0123-batches-of-what-waits.md and 0129-searches-in-batches.md have the reasons.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from semsearch.embedding import Embedder, Kind, Vectors, count_tokens, embed_checked
from semsearch.errors import extra
from semsearch.index import Index
from semsearch.requests import SearchRequest
from semsearch.search.hits import Hits
from semsearch.server.problems import Refused

with extra("server", "the server"):
    import anyio
    import anyio.lowlevel
    import anyio.to_thread

_BATCH = 32_768
"""Characters of a batch: half a second of work for MiniLM on two cores, and enough that a larger one is not faster."""
_WAITING = 8_000_000
"""Characters that may wait. A request beyond them is refused, unless it is the only one."""
_TEXT = 20
"""Characters that a text counts in addition to its own."""
_SEARCHES = 16
"""Searches of a batch. All of them have their answers at its end."""
_FEW = 50
"""The most hits of a search that belongs to a batch. Searches for more take turns next to the batches, and so do those
that a cross-encoder reranks."""


class Waiting(Protocol):
    """A request that waits. It has ended when it has an answer or an `error`."""

    error: Exception | None

    @property
    def ended(self) -> bool:
        """Return whether it has ended."""


_W = TypeVar("_W", bound=Waiting)
_P = TypeVar("_P")
_A = TypeVar("_A")


class Turns(Generic[_W]):
    """The requests that wait. `work` does some of what waits, in a thread, one batch at a time.

    All of it is for one event loop, and there is no task in the background.
    """

    def __init__(self, work: Callable[[list[_W]], None]) -> None:
        self.waiting: list[_W] = []
        self._work = work
        self._working = anyio.Lock()

    async def until_ended(self, request: _W) -> None:
        """Return when a request has ended, or raise its error. Cancelled, it leaves what was not yet begun."""
        self.waiting.append(request)
        try:
            while not request.ended:
                async with self._working:  # whose turn it is works for all that wait
                    await anyio.lowlevel.checkpoint()  # so that requests which have come too are in it
                    if not request.ended:
                        unfinished = [one for one in self.waiting if not one.ended]
                        await anyio.to_thread.run_sync(self._work, unfinished)
        finally:
            self.waiting.remove(request)
        if request.error is not None:
            raise request.error


def _together(
    work: Callable[[Sequence[_P]], None], parts: Sequence[_P], failed: Callable[[_P, Exception], None]
) -> None:
    """Work on some parts at once. Where that fails, each is tried alone, so one that fails does not fail others."""
    try:
        work(parts)
    except Exception:
        for part in parts:
            try:
                work([part])
            except Exception as error:
                failed(part, error)


# -- texts ----------------------------------------------------------------------------------------------


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


class _Texts:
    """A request to embed texts, and how far it has come. `begun` of its texts are in a batch or embedded."""

    def __init__(self, texts: Sequence[str], kind: Kind, dimension: int) -> None:
        self.texts, self.kind = texts, kind
        self.sizes = [len(text) + _TEXT for text in texts]
        self.left = sum(self.sizes)
        self.done = 0
        self.found = Embedded(np.empty((len(texts), dimension), np.float32), np.empty(len(texts), np.int64))
        self.error: Exception | None = None

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


_Part = tuple[_Texts, slice]


class Batcher:
    """Embed texts for many requests at once, as `Index.embed` does for one. `embedder` loads the model when needed."""

    def __init__(self, embedder: Callable[[], Embedder]) -> None:
        self._load = embedder
        self._embedder: Embedder | None = None
        self._turns = Turns(self._work)

    async def embed(self, texts: Sequence[str], kind: Kind = "passage") -> Embedded:
        """Return the vectors of texts and their numbers of tokens. Cancelled, it leaves what was not yet begun.

        Raises `Overloaded`, and what the embedder raises.
        """
        if self._embedder is None:
            self._embedder = await anyio.to_thread.run_sync(self._load)
        embedder = self._embedder
        request, waiting = _Texts(texts, kind, embedder.fingerprint.dimension), self._turns.waiting
        if waiting and request.left + sum(one.left for one in waiting) > _WAITING:
            raise Overloaded
        await self._turns.until_ended(request)
        return request.found

    def _work(self, waiting: Sequence[_Texts]) -> None:
        """Embed a batch and hand out what was found."""
        assert self._embedder is not None
        embedder, parts = self._embedder, _batch(waiting)

        def failed(part: _Part, error: Exception) -> None:
            part[0].error = error

        for kind in dict.fromkeys(one.kind for one, _ in parts):
            same = [(one, part) for one, part in parts if one.kind == kind]
            _together(lambda some, kind=kind: _embed(embedder, some, kind), same, failed)  # type: ignore[misc]


def _batch(waiting: Sequence[_Texts]) -> list[_Part]:
    """Return the texts to embed next: equal shares of a batch, and what small requests leave goes to larger ones."""
    unfinished = sorted(waiting, key=lambda one: one.left)
    parts, room = [], float(_BATCH)
    for at, one in enumerate(unfinished):
        part = one.first(room / (len(unfinished) - at))
        room = max(0.0, room - sum(one.sizes[part]))
        parts.append((one, part))
    return parts


def _embed(embedder: Embedder, parts: Sequence[_Part], kind: Kind) -> None:
    texts = [text for one, part in parts for text in one.texts[part]]
    vectors, (tokens, _) = embed_checked(embedder, texts, kind), count_tokens(embedder, texts)
    start = 0
    for one, part in parts:
        end = start + part.stop - part.start
        one.take(part, vectors[start:end], tokens[start:end])
        start = end


# -- searches -------------------------------------------------------------------------------------------


class _Searches:
    """Some searches of one caller, what they `found`, and the answer that is made of it."""

    def __init__(self, requests: Sequence[SearchRequest], answer: Callable[[list[Hits]], Any]) -> None:
        self.requests, self._answer = requests, answer
        self.found: list[Hits] | None = None
        self.answer: Any = None
        self.error: Exception | None = None
        self.ended = False

    def end(self) -> None:
        """Make the answer, unless there is an error."""
        try:
            if self.found is not None:
                self.answer = self._answer(self.found)
        except Exception as error:
            self.error = error
        self.ended = True


class Searcher:
    """Search for many callers at once, as `Index.search` does for one."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._quick, self._reading = (
            Turns[_Searches](lambda waiting: self._work(waiting[:_SEARCHES])) for _ in range(2)
        )
        self._long = Turns[_Searches](lambda waiting: self._work(waiting[:1]))

    async def search(self, requests: Sequence[SearchRequest], answer: Callable[[list[Hits]], _A]) -> _A:
        """Return what `answer` makes of the hits of each request, best first, in the thread that has found them.

        Raises what `Index.search` raises for these requests, and what `answer` raises.
        """
        searches = _Searches(requests, answer)
        await self._turns(requests).until_ended(searches)
        found: _A = searches.answer
        return found

    def _turns(self, requests: Sequence[SearchRequest]) -> Turns[_Searches]:
        """Return the turns for some requests. To find best sentences takes ten times as long as to find passages."""
        if len(requests) != 1 or requests[0].k > _FEW or requests[0].rerank is not None:
            return self._long
        return self._reading if requests[0].highlight else self._quick

    def _work(self, waiting: Sequence[_Searches]) -> None:
        def failed(one: _Searches, error: Exception) -> None:
            one.error = error

        _together(self._search, waiting, failed)
        for one in waiting:
            one.end()

    def _search(self, several: Sequence[_Searches]) -> None:
        found = iter(self._index.search([request for one in several for request in one.requests]))
        for one in several:
            one.found = [next(found) for _ in one.requests]
