"""Answer other processes of the index's owner by the socket in the folder of the index; see `semsearch.server.wire`."""

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

from semsearch.embedding import count_tokens
from semsearch.errors import IndexNotFound, InvalidInput, SemsearchError
from semsearch.requests import SearchRequest, SimilarRequest
from semsearch.search.hits import Hits
from semsearch.server.context import Context
from semsearch.server.problems import internal
from semsearch.server.reach import similar
from semsearch.server.wire import (
    LONGEST_LINE,
    address,
    connect,
    counts_to,
    greeting,
    hit_to,
    similar_to,
    supported,
)
from semsearch.storage.location import SOCKET


@asynccontextmanager
async def listening(context: Context) -> AsyncIterator[None]:
    """Listen within the block, unless another server of the index does, or the folder cannot be written."""
    on = await context.call(_bound, context)
    if on is None:
        yield
        return
    answerer, open_ = _Answers(context), set[asyncio.Task[None]]()
    path = context.index.folder / SOCKET
    inode = path.lstat().st_ino

    def end() -> None:
        server.close()
        with suppress(OSError):
            if path.lstat().st_ino == inode:  # and not one that another server made since
                path.unlink()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        open_.add(task)
        try:
            await answerer.serve(reader, writer)
        except IndexNotFound:  # it was replaced or removed
            end()
        finally:
            open_.discard(task)
            writer.close()

    server = await asyncio.start_unix_server(serve, sock=on, limit=LONGEST_LINE)
    try:
        yield
    finally:
        end()
        for task in open_:
            task.cancel()


def _bound(context: Context) -> socket.socket | None:
    """Return a socket that listens in the folder of the index, or None. One that a dead process left is replaced."""
    folder = context.index.folder
    if not supported():
        return None
    if running := connect(folder):
        running.close()
        return None
    on, name = socket.socket(socket.AF_UNIX), f"{SOCKET}-{os.getpid()}"
    try:
        with address(folder, name) as at:
            on.bind(at)
        try:
            (folder / name).chmod(0o600)
            on.listen()
            (folder / name).replace(folder / SOCKET)  # so nobody meets a socket that does not listen
        except OSError:
            (folder / name).unlink(missing_ok=True)
            raise
    except OSError:
        on.close()
        return None
    on.setblocking(False)
    return on


class _Answers:
    """Answer questions. What fails is not answered: the other process then opens the index, and fails as usual."""

    def __init__(self, context: Context) -> None:
        self._context, self._index = context, context.index
        self._calls: Mapping[str, Callable[[Mapping[str, Any]], Any]] = {
            "notes": self._notes,
            "similar": self._similar,
            "notes of similar": self._notes_of_similar,
            "contains": lambda asked: asked["name"] in self._index,
            "unchanged": lambda asked: self._index.is_unchanged(asked["source"]),
            "tokens": lambda asked: int(count_tokens(self._index.embedder, [asked["text"]])[0][0]),
            "facets": self._facets,
            "counts": self._counts,
        }

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection until it ends. Raises `IndexNotFound` once the index is not in its folder any more."""
        with suppress(OSError, ValueError):  # the latter for a line that is too long
            line = await self._context.call(self._greet)
            while True:
                writer.write(line + b"\n")
                await writer.drain()
                if not (question := await reader.readline()):
                    return
                line = await self._answer(question)

    def _greet(self) -> bytes:
        self._context.require_index()
        return json.dumps(greeting(self._index.folder)).encode()

    async def _answer(self, line: bytes) -> bytes:
        call = self._context.call
        await call(self._context.require_index)
        try:
            asked = await call(json.loads, line)
            if asked["call"] == "search":
                requests = [SearchRequest(**request) for request in asked["requests"]]
                return await self._context.searcher.search(
                    requests, lambda found: _line([[hit_to(hit) for hit in hits] for hits in found])
                )
            return await call(lambda: _line(self._calls[asked["call"]](asked)))
        except SemsearchError:
            return b"{}"
        except Exception as error:  # a question can be anything
            internal(error)
            return b"{}"

    def _notes(self, asked: Mapping[str, Any]) -> Any:
        return self._index.notes(SearchRequest(**asked["request"]))

    def _similar(self, asked: Mapping[str, Any]) -> Any:
        request = SimilarRequest(**asked["request"])
        stored = next((key for key in asked["keys"] if self._index.passages(key)), None)
        if stored is None:
            raise InvalidInput("the index has no such document", "the caller reads the file")
        return similar_to(similar(self._index, replace(request, document=stored)))

    def _notes_of_similar(self, asked: Mapping[str, Any]) -> Any:
        return self._index.notes(SimilarRequest(**asked["request"]), Hits(left_out=asked["left_out"]))

    def _facets(self, asked: Mapping[str, Any]) -> Any:
        names = ("fields", "query", "source", "literal")
        fields, query, source, literal = (asked[name] for name in names)
        return counts_to(self._index.facets(fields, query, source=source, literal=literal))

    def _counts(self, asked: Mapping[str, Any]) -> Any:
        return self._index.status().counts


def _line(found: Any) -> bytes:
    return json.dumps({"found": found}).encode()
