"""Programs that use OpenAI or Ollama get the index's vectors, through the clients that they really use."""

import asyncio
import base64
import dataclasses
import gc
import json
import shutil
import subprocess
import threading
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import anyio
import httpx
import numpy as np
import ollama
import openai
import pytest
from pydantic import SecretStr
from serving import served
from tiny_embedder import TinyEmbedder, create_index

from semsearch import Index
from semsearch.embedding import Kind, ProgressCallback, Vectors
from semsearch.errors import ModelError
from semsearch.server import batching
from semsearch.server.batching import Batcher, Overloaded
from semsearch.server.context import Settings

# The clients of others leave their connections open.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
TEXTS = ["the saw is in the shed", "锯子在棚子里", "an 🙂 emoji", ""]


@pytest.fixture(scope="module", autouse=True)
def connections_left_open() -> Iterator[None]:
    yield
    with warnings.catch_warnings(action="ignore"):
        gc.collect()


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    with create_index(tmp_path_factory.mktemp("index") / ".semsearch") as made:
        yield made


@pytest.fixture(scope="module")
def url(index: Index) -> Iterator[str]:
    with served(index) as address:
        yield address


@pytest.fixture(scope="module")
def client(url: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0)


def close(found: Any, index: Index, texts: Sequence[str]) -> bool:
    return np.allclose(np.array(found, np.float32), index.embed(texts), atol=1e-6)


# -- OpenAI's form ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["float", "base64", None])
def test_openai_client_gets_the_vectors_of_the_index(client: openai.OpenAI, index: Index, form: Any) -> None:
    given = {"encoding_format": form} if form else {}
    found = client.embeddings.create(model="tiny", input=TEXTS, **given)
    rows = [one.embedding for one in found.data]
    if form == "base64":
        rows = [np.frombuffer(base64.b64decode(str(row)), "<f4").tolist() for row in rows]
    assert close(rows, index, TEXTS) and [one.index for one in found.data] == [0, 1, 2, 3]
    assert found.usage.prompt_tokens == found.usage.total_tokens == 10 and found.model == "tiny"


def test_openai_form_of_one_text_and_fewer_dimensions(client: openai.OpenAI, index: Index) -> None:
    found = client.embeddings.create(model="tiny", input="red saw", dimensions=5).data[0].embedding
    first = index.embed("red saw")[0, :5]
    assert np.allclose(found, first / np.linalg.norm(first), atol=1e-6)


def test_openai_form_lists_the_model(client: openai.OpenAI) -> None:
    assert [one.id for one in client.models.list()] == ["tiny"]
    assert client.models.retrieve("tiny").owned_by == "semsearch"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("org/other")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"input": [1, 2, 3]}, "check_embedding_ctx_length"),
        ({"input": [[1, 2], [3]]}, "tokens"),
        ({"input": []}, "input is missing"),
        ({"input": None}, "input is missing"),
        ({"input": ["a", 1]}, "neither a text"),
        ({"input": {"a": 1}}, "neither a text"),
        ({"input": "a", "model": ""}, "model is missing"),
        ({"input": "a", "model": 5}, "model is missing"),
        ({"input": "a", "dimensions": 33}, "32 dimensions, not 33"),
        ({"input": "a", "dimensions": 0}, "32 dimensions, not 0"),
        ({"input": "a", "dimensions": "5"}, "whole number"),
        ({"input": "a", "encoding_format": "hex"}, "float or base64"),
        ({"input": "a", "input_type": ["query"]}, "input_type"),
        ({"input": "a" * 100_001}, "100,001 characters"),
        ({"input": ["a"] * 8_193}, "8,193 texts"),
    ],
)
def test_openai_form_of_what_is_refused(url: str, body: Any, says: str) -> None:
    answer = httpx.post(f"{url}/v1/embeddings", json={"model": "tiny", **body})
    error = answer.json()["error"]
    assert answer.status_code == 400 and error["type"] == "invalid_request_error" and says in error["message"]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"nul", b'{"input": NaN}', b"\xff", b"[" * 10_000])
def test_body_that_is_no_object_is_refused_in_either_form(url: str, content: bytes) -> None:
    for path in ("/v1/embeddings", "/api/embed", "/api/embeddings", "/api/show"):
        answer = httpx.post(f"{url}{path}", content=content)
        assert answer.status_code == 400 and "error" in answer.json()


def test_another_model_is_not_found(client: openai.OpenAI, url: str) -> None:
    with pytest.raises(openai.NotFoundError, match="this server has tiny") as caught:
        client.embeddings.create(model="text-embedding-3-small", input="a")
    assert caught.value.code == "model_not_found"
    with pytest.raises(ollama.ResponseError, match="not found") as missing:
        ollama.Client(url).embed("nomic-embed-text", "a")
    assert missing.value.status_code == 404


# -- Ollama's form ----------------------------------------------------------------------------------------


def test_ollama_client_gets_the_vectors_of_the_index(url: str, index: Index) -> None:
    client = ollama.Client(url)
    found = client.embed("tiny", TEXTS)
    assert close(found.embeddings, index, TEXTS) and found.prompt_eval_count == 10
    assert found.total_duration and found.load_duration is not None
    assert close([client.embeddings("tiny:latest", "red saw").embedding], index, ["red saw"])
    assert len(client.embed("tiny", "red saw", dimensions=5).embeddings[0]) == 5
    assert client.embed("tiny", "").embeddings == [] == client.embed("tiny", []).embeddings
    (listed,) = client.list().models
    assert listed.model == "tiny:latest" and listed.digest and len(listed.digest) == 64
    assert client.show("tiny").capabilities == ["embedding"]
    assert httpx.get(f"{url}/api/version").json().keys() == {"version"}


def test_ollama_form_embeds_a_long_text_whole_or_refuses_it(url: str, index: Index) -> None:
    client, long = ollama.Client(url), "word " * 63 + "end more"
    assert close(client.embed("tiny", long).embeddings, index, [long])
    with pytest.raises(ollama.ResponseError, match="exceeds the context length"):
        client.embed("tiny", ["short", long], truncate=False)


def test_names_of_the_default_model_at_ollama_and_on_the_hub(tmp_path: Path) -> None:
    embedder = TinyEmbedder()
    embedder.fingerprint = dataclasses.replace(embedder.fingerprint, model="all-MiniLM-L6-v2")
    with Index.create(tmp_path / "index", embedder=embedder) as index, served(index) as url:
        client = ollama.Client(url)
        for name in ("all-minilm", "all-minilm:latest", "chroma/all-minilm-l6-v2-f32",
                     "sentence-transformers/all-MiniLM-L6-v2"):  # fmt: skip
            assert close(client.embed(name, "a").embeddings, index, ["a"])


# -- other programs ---------------------------------------------------------------------------------------


def test_chromadb_embedding_functions(url: str, index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    from chromadb.utils.embedding_functions import OllamaEmbeddingFunction, OpenAIEmbeddingFunction

    monkeypatch.setenv("CHROMA_OPENAI_API_KEY", "any")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    assert close(OllamaEmbeddingFunction(url, "tiny")(TEXTS), index, TEXTS)
    assert close(OpenAIEmbeddingFunction(model_name="tiny", api_base=f"{url}/v1")(TEXTS), index, TEXTS)


def test_langchain_embeddings(url: str, index: Index) -> None:
    from langchain_ollama import OllamaEmbeddings
    from langchain_openai import OpenAIEmbeddings

    # Without this setting it sends the token ids of OpenAI's models, which no other model understands.
    of_openai = OpenAIEmbeddings(
        model="tiny", base_url=f"{url}/v1", api_key=SecretStr("any"), check_embedding_ctx_length=False
    )
    for embeddings in (of_openai, OllamaEmbeddings(model="tiny", base_url=url)):
        assert close(embeddings.embed_documents(TEXTS[:3]), index, TEXTS[:3])
        assert close([embeddings.embed_query("red saw")], index, ["red saw"])
        assert close(asyncio.run(embeddings.aembed_documents(TEXTS[:3])), index, TEXTS[:3])


def test_llama_index_embeddings(url: str, index: Index) -> None:
    from llama_index.embeddings.ollama import OllamaEmbedding
    from llama_index.embeddings.openai_like import OpenAILikeEmbedding

    for model in (
        OpenAILikeEmbedding(model_name="tiny", api_base=f"{url}/v1", api_key="any"),
        OllamaEmbedding("tiny", base_url=url),
    ):
        assert close(model.get_text_embedding_batch(TEXTS[:3]), index, TEXTS[:3])
        assert close([model.get_query_embedding("red saw")], index, ["red saw"])


def test_curl(url: str, index: Index) -> None:
    if not (curl := shutil.which("curl")):
        pytest.skip("curl is not installed")
    body = json.dumps({"model": "tiny", "input": ["red saw"]})
    found = subprocess.run([curl, "-sf", f"{url}/v1/embeddings", "-d", body], capture_output=True, check=True)
    assert close([json.loads(found.stdout)["data"][0]["embedding"]], index, ["red saw"])


def test_semsearch_itself_uses_the_server(url: str, index: Index, tmp_path: Path) -> None:
    for model, base in (("openai:tiny", f"{url}/v1"), ("ollama:tiny", url)):
        with Index.create(tmp_path / model[:6], model=model, base_url=base) as other:
            assert np.allclose(other.embed(TEXTS[:3]), index.embed(TEXTS[:3]), atol=1e-6)


def test_private_server_takes_its_token_as_the_key(index: Index) -> None:
    with served(index, Settings(token="secret", private=True)) as url:
        ours = openai.OpenAI(base_url=f"{url}/v1", api_key="secret", max_retries=0)
        assert close([ours.embeddings.create(model="tiny", input="a").data[0].embedding], index, ["a"])
        with pytest.raises(openai.AuthenticationError):
            openai.OpenAI(base_url=f"{url}/v1", api_key="other", max_retries=0).models.list()


def test_page_of_another_site_gets_no_vectors(url: str) -> None:
    content, headers = '{"model": "tiny", "input": "a"}', {"Origin": "https://evil.example"}
    for path in ("/v1/embeddings", "/api/embed"):
        assert httpx.post(f"{url}{path}", content=content, headers=headers).status_code == 403
        assert (
            httpx.post(f"{url}{path}", content=content, headers={"Host": "evil.example"}).status_code == 421
        )


# -- texts that are not in the index ----------------------------------------------------------------------


def test_embed_shows_tokens_and_marks_unknown_ones(url: str, index: Index) -> None:
    answer = httpx.post(f"{url}/api/v1/embed", json={"texts": ["red ?saw", ""]}).json()
    assert answer["model"] == "tiny" and answer["dimensions"] == 32
    assert close(answer["vectors"], index, ["red ?saw", ""])
    assert answer["tokens"] == [[{"text": "red", "known": True}, {"text": "?saw", "known": False}], []]
    assert "tokens" not in httpx.post(f"{url}/api/v1/embed", json={"texts": ["a"], "tokens": False}).json()
    assert httpx.post(f"{url}/api/v1/embed", json={"texts": "red"}).status_code == 400


def test_tokens_of_the_default_model_stand_in_the_text(tmp_path: Path) -> None:
    from semsearch.embedding import load_embedder, tokens_of

    found = tokens_of(load_embedder(), "The Déposit: 修理 🙂 untokenizable")
    assert [one.text for one in found][:3] == ["The", "Dé", "posit"] or found[0].text == "The"
    assert [one.text for one in found if not one.known] == ["🙂"] or "修" in {
        one.text for one in found if not one.known
    }
    assert "".join(one.text for one in found) == "TheDéposit:修理🙂untokenizable"


def test_matrix_has_the_cosine_of_each_text_with_each(url: str, index: Index) -> None:
    texts = ["red saw", "red cat", "a dog"]
    vectors = index.embed(texts)
    found = httpx.post(f"{url}/api/v1/matrix", json={"texts": texts}).json()["similarities"]
    assert np.allclose(found, vectors @ vectors.T, atol=1e-6) and np.max(found) <= 1
    assert httpx.post(f"{url}/api/v1/matrix", json={"texts": []}).json() == {"similarities": []}
    assert httpx.post(f"{url}/api/v1/matrix", json={"texts": ["a"] * 51}).status_code == 400


def test_compare_of_texts_is_that_of_files(url: str, index: Index, tmp_path: Path) -> None:
    from semsearch.serialize import comparison_json

    a, b = "The saw is in the shed.\n", "The saw is not in the shed.\n"
    for name, text in (("a", a), ("b", b)):
        (tmp_path / name).write_text(text)
    found = httpx.post(f"{url}/api/v1/compare", json={"a_text": a, "b_text": b}).json()
    files = comparison_json(index.compare(str(tmp_path / "a"), str(tmp_path / "b")))
    for side in "ab":
        for one in (found, files):
            del one[side]["name"], one[side]["passages"]
    assert found == files and found["negations"] == [{"a": "", "b": "not"}] and "negation" in found["differs"]
    assert httpx.post(f"{url}/api/v1/compare", json={"a_text": " ", "b_text": b}).status_code == 422


# -- batches ----------------------------------------------------------------------------------------------


class Slow(TinyEmbedder):
    """Waits in each batch until it is let go, and notes what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[list[str]] = []
        self.go = threading.Semaphore(0)

    def embed(
        self, texts: Sequence[str], kind: Kind = "passage", progress: ProgressCallback | None = None
    ) -> Vectors:
        if kind == "query":  # of the server as it starts
            return super().embed(texts, kind, progress)
        self.batches.append(list(texts))
        assert self.go.acquire(timeout=20)
        if any("poison" in text for text in texts):
            raise ModelError("cannot embed poison")
        return super().embed(texts, kind, progress)


async def until(condition: Any) -> None:
    with anyio.fail_after(20):
        while not condition():
            await anyio.sleep(0.005)


def test_requests_that_wait_are_one_batch_and_small_overtake() -> None:
    slow = Slow()
    ended: list[str] = []

    async def main() -> None:
        batcher = Batcher(lambda: slow)

        async def ask(name: str, texts: list[str]) -> None:
            found = await batcher.embed(texts)
            assert np.array_equal(found.vectors, TinyEmbedder().embed(texts))
            ended.append(name)

        async with anyio.create_task_group() as group:
            group.start_soon(ask, "first", ["begin"])
            await until(lambda: slow.batches)
            group.start_soon(ask, "large", ["word " * 1_000] * 40)
            for number in range(5):
                group.start_soon(ask, f"small {number}", [f"text {number}"])
            await anyio.sleep(0.05)
            slow.go.release(1_000)

    anyio.run(main)
    assert slow.batches[0] == ["begin"] and ended[-1] == "large" and len(ended) == 7
    assert {f"text {number}" for number in range(5)} < set(slow.batches[1])
    assert len(slow.batches) > 6 and sum(map(len, slow.batches)) == 46


def test_a_text_that_fails_fails_its_request_only() -> None:
    slow = Slow()
    slow.go.release(1_000)

    async def main() -> None:
        batcher = Batcher(lambda: slow)

        async def bad() -> None:
            with pytest.raises(ModelError, match="poison"):
                await batcher.embed(["poison"])

        async def good() -> None:
            assert len((await batcher.embed(["a", "b"])).vectors) == 2

        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(bad)
                group.start_soon(good)

    anyio.run(main)


def test_too_much_waiting_text_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "_WAITING", 100)
    slow = Slow()

    async def main() -> None:
        batcher = Batcher(lambda: slow)
        async with anyio.create_task_group() as group:
            group.start_soon(batcher.embed, ["x" * 1_000])
            await until(lambda: slow.batches)
            with pytest.raises(Overloaded):
                await batcher.embed(["x"])
            slow.go.release(10)
        assert len((await batcher.embed(["x"])).vectors) == 1

    anyio.run(main)


def test_client_that_leaves_takes_its_texts_with_it(tmp_path: Path) -> None:
    slow = Slow()
    with create_index(tmp_path / "index", slow) as index, served(index) as url:
        body = {"model": "tiny", "input": ["word " * 1_000] * 100}
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{url}/v1/embeddings", json=body, timeout=httpx.Timeout(5, read=0.2))
        slow.go.release(1_000)
        answer = httpx.post(f"{url}/v1/embeddings", json={"model": "tiny", "input": "after"})
        assert answer.status_code == 200
        assert sum(map(len, slow.batches)) < 60
