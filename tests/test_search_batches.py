"""Searches that wait at the same time are one call of the index, and none of them feels the others."""

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from serving import served
from tiny_embedder import create_index

from semsearch import Index, SearchRequest
from semsearch.errors import InvalidInput
from semsearch.search.hits import Hits
from semsearch.server.batching import Searcher
from semsearch.storage.library import VectorTable

REQUESTS = [
    SearchRequest("the saw in the shed"),
    SearchRequest("deposit", k=1, highlight=False),
    SearchRequest("shed tags:tools", explain=True),
    SearchRequest("saw", mode="dense", collapse=False),
    SearchRequest("comes back", mode="lexical"),
    SearchRequest("tags:tools"),
    SearchRequest("saw", k=60),
    SearchRequest("shed", highlight=False),
]


class Held:
    """An index that waits in each search until it is let go, and notes what it was asked."""

    def __init__(self, index: Index) -> None:
        self.index = index
        self.asked: list[list[str]] = []
        self.go = threading.Semaphore(0)

    def search(self, requests: Sequence[SearchRequest]) -> list[Hits]:
        queries = [request.query for request in requests]
        self.asked.append(queries)
        assert self.go.acquire(timeout=20)
        if "poison" in queries:
            raise RuntimeError("nobody expected it")
        return self.index.search(list(requests))


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    text = "The saw is in the shed.\n\nThe deposit comes back.\n"
    records: list[dict[str, Any]] = [
        {
            "id": f"{number}",
            "text": f"{text}\n\nPart {number} of it.",
            "tags": ["tools", "home"][: number % 3],
        }
        for number in range(80)
    ]
    with create_index(tmp_path_factory.mktemp("i") / "index") as made:
        made.add(records)
        yield made


async def until(condition: Any) -> None:
    with anyio.fail_after(20):
        while not condition():
            await anyio.sleep(0.005)


def ask(held: Held, requests: Sequence[SearchRequest], leave: Sequence[int] = ()) -> list[Any]:
    """Search for all requests while one before them is worked on; return hits and errors. Some callers `leave`."""
    found: list[Any] = [None] * len(requests)
    searcher = Searcher(held)  # type: ignore[arg-type]

    async def one(at: int, scope: anyio.CancelScope) -> None:
        with scope:
            try:
                (found[at],) = await searcher.search([requests[at]], list)
            except Exception as error:
                found[at] = error

    async def main() -> None:
        scopes = [anyio.CancelScope() for _ in requests]
        async with anyio.create_task_group() as group:
            group.start_soon(searcher.search, [SearchRequest("first")], list)
            await until(lambda: held.asked)
            for at, scope in enumerate(scopes):
                group.start_soon(one, at, scope)
            await anyio.sleep(0.05)
            for at in leave:
                scopes[at].cancel()
            await anyio.sleep(0.05)
            held.go.release(1_000)

    anyio.run(main)
    return found


def test_searches_that_wait_are_one_call_with_the_same_answers(index: Index) -> None:
    held = Held(index)
    assert ask(held, REQUESTS) == [index.search(request) for request in REQUESTS]
    # The one for 60 hits is worked on next to the others, and so are those that want no best sentences.
    assert sorted(map(len, held.asked)) == [1, 1, 2, len(REQUESTS) - 3]


def test_searches_are_compared_with_all_vectors_at_once(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    together: list[int] = []
    products = VectorTable.products

    def counted(table: VectorTable, others: Any) -> Any:
        together.append(len(others))
        return products(table, others)

    requests = [
        SearchRequest(f"saw {number}", mode=("hybrid", "lexical")[number % 2]) for number in range(40)
    ]
    alone = [index.search(request) for request in requests]
    monkeypatch.setattr(VectorTable, "products", counted)
    assert index.search(requests) == alone
    assert together == [16, 4]


def test_search_that_fails_leaves_the_others(index: Index) -> None:
    queries = ["saw", "-saw", "poison", "deposit", "x" * 10_001]
    found = ask(Held(index), [SearchRequest(query) for query in queries])
    assert found[0] == index.query("saw") and found[3] == index.query("deposit")
    assert isinstance(found[1], InvalidInput) and "exclusions" in str(found[1])
    assert isinstance(found[2], RuntimeError) and isinstance(found[4], InvalidInput)


def test_answer_that_fails_leaves_the_others(index: Index) -> None:
    def fail(found: list[Hits]) -> Any:
        raise InvalidInput("no answer can be made")

    async def main() -> tuple[Any, Any]:
        searcher, found = Searcher(index), list[Any]()

        async def ask(answer: Any) -> None:
            try:
                found.append(await searcher.search([SearchRequest("saw")], answer))
            except InvalidInput as error:
                found.append(str(error))

        async with anyio.create_task_group() as group:
            for answer in (fail, len):
                group.start_soon(ask, answer)
        return found[0], found[1]

    assert set(anyio.run(main)) == {"no answer can be made", 1}


def test_caller_that_leaves_is_not_searched_for(index: Index) -> None:
    held = Held(index)
    found = ask(held, [SearchRequest("saw"), SearchRequest("shed"), SearchRequest("deposit")], leave=[1])
    assert found == [index.query("saw"), None, index.query("deposit")]
    assert held.asked == [["first"], ["saw", "deposit"]]


def test_caller_whose_turn_it_is_leaves_and_others_go_on(index: Index) -> None:
    held = Held(index)
    found: list[Any] = []

    async def main() -> None:
        searcher = Searcher(held)  # type: ignore[arg-type]

        async def other() -> None:
            found.extend(await searcher.search([SearchRequest("saw")], list))

        async with anyio.create_task_group() as group:
            with anyio.CancelScope() as first:

                async def leave() -> None:
                    await until(lambda: held.asked)
                    group.start_soon(other)
                    await anyio.sleep(0.05)
                    first.cancel()
                    held.go.release(1_000)

                group.start_soon(leave)
                await searcher.search([SearchRequest("first")], list)

    anyio.run(main)
    assert found == [index.query("saw")] and held.asked == [["first"], ["saw"]]


def test_batched_answers_of_the_api_equal_single_ones(tmp_path: Path, index: Index) -> None:
    queries = ["saw", "the deposit", "tags:tools", "part 7", "-only", "shed -deposit"] * 3
    with served(index) as url:
        alone = {query: httpx.get(f"{url}/api/v1/search", params={"q": query}) for query in queries}

        async def main() -> list[httpx.Response]:
            found: list[httpx.Response] = []
            async with httpx.AsyncClient() as client, anyio.create_task_group() as group:

                async def get(query: str) -> None:
                    answer = await client.get(f"{url}/api/v1/search", params={"q": query})
                    assert answer.json() == alone[query].json()
                    found.append(answer)

                for query in queries:
                    group.start_soon(get, query)
            return found

        statuses = [answer.status_code for answer in anyio.run(main)]
    assert sorted(set(statuses)) == [200, 400] and statuses.count(400) == 3
