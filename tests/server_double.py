"""Servers of embeddings on loopback that speak the interfaces of Ollama and OpenAI, and fail when told to.

The model is a hashed bag of words, of any length but one. Its window is counted in words, and each kind of server does
with longer texts what its documentation says.
"""

import base64
import hashlib
import json
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
from numpy.typing import NDArray

DIMENSION = 48
NAME = "nomic-embed-text"
DIGEST = hashlib.sha256(b"a manifest").hexdigest()


@cache
def _direction(word: str, salt: str) -> NDArray[np.float64]:
    content = hashlib.blake2b(f"{salt}{word}".encode(), digest_size=DIMENSION).digest()
    return np.frombuffer(content, np.uint8) - 127.5


def vector(text: str, salt: str = "") -> NDArray[np.float64]:
    """Return the vector of a text, not of unit length; `salt` names another model."""
    words = text.split()
    if not words:
        raise ValueError("no words")
    total: NDArray[np.float64] = np.sum([_direction(word, salt) for word in words], axis=0)
    return total * 3


class Handler(BaseHTTPRequestHandler):
    """One request. `server` is the `Double`."""

    protocol_version = "HTTP/1.1"
    server: "Double"
    body: Any

    def log_message(self, *args: Any) -> None:
        pass

    def answer(self, status: int, content: Any, **headers: str) -> None:
        """Send JSON, or bytes as they are."""
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self) -> None:
        self.server.seen(self)
        if self.path == "/api/version":
            self.answer(200, {"version": "0.12.6"})
        elif self.path == "/api/tags":
            model = {"name": f"{NAME}:latest", "model": f"{NAME}:latest", "size": 274302450}
            details = {"format": "gguf", "family": "nomic-bert", "parameter_size": "137M"}
            when = "2026-01-02T03:04:05.678Z"
            self.answer(
                200,
                {"models": [model | {"digest": self.server.digest, "modified_at": when, "details": details}]},
            )
        else:
            self.answer(404, b"404 page not found")

    def do_POST(self) -> None:
        self.server.seen(self)
        content = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            self.body = json.loads(content)
        except ValueError:
            self.answer(400, {"error": "invalid character in the request"})
            return
        if self.server.key and self.headers.get("Authorization") != f"Bearer {self.server.key}":
            shown = self.headers.get("Authorization", "")
            self.answer(
                401, {"error": {"message": f"Incorrect API key provided: {shown}", "code": "invalid_api_key"}}
            )
            return
        if self.path in ("/api/embed", "/v1/embeddings"):
            self.server.bodies.append(self.body)
            given = self.body["input"]
            texts = [given] if isinstance(given, str) else given
            with self.server.lock:
                fault = self.server.faults.popleft() if self.server.faults else None
            if fault is not None:
                fault(self)
                return
            time.sleep(self.server.delay)
            (self.ollama if self.path == "/api/embed" else self.openai)(texts)
        elif self.path == "/api/show":
            self.answer(
                200, {"details": {"family": "nomic-bert"}, "model_info": {"nomic-bert.context_length": 2048}}
            )
        else:
            self.answer(404, b"404 page not found")

    def ollama(self, texts: Sequence[str]) -> None:
        if self.body["model"] not in (NAME, f"{NAME}:latest"):
            self.answer(404, {"error": f'model "{self.body["model"]}" not found, try pulling it first'})
        elif self.body.get("truncate") is False and any(map(self.server.too_long, texts)):
            self.answer(400, {"error": "the input length exceeds the context length"})
        else:
            vectors = self.server.vectors([self.server.cut(text) for text in texts])
            counts = {"total_duration": 14143917, "load_duration": 1019500, "prompt_eval_count": len(texts)}
            self.answer(200, {"model": self.body["model"], "embeddings": vectors.tolist()} | counts)

    def openai(self, texts: Sequence[str]) -> None:
        server, body = self.server, self.body
        known = {"model", "input", "encoding_format", "user"} | (
            {"input_type"} if server.input_type else set()
        )
        if server.strict and (unknown := body.keys() - known):
            error = {
                "message": f"Unrecognized request argument supplied: {unknown}",
                "type": "invalid_request_error",
            }
            self.answer(400, {"error": error | {"param": None, "code": None}})
        elif not server.silent and any(map(server.too_long, texts)):
            message = (
                f"This model's maximum context length is {server.window} tokens, however you requested more."
            )
            self.answer(400, {"error": {"message": message, "type": "invalid_request_error", "code": None}})
        else:
            prompt = f"{body.get('input_type', 'query')}: " if server.input_type else ""
            vectors = server.vectors([server.cut(prompt + text) for text in texts]).astype("<f4")
            forms: dict[str, Callable[[Any], Any]] = {
                "base64": lambda one: base64.b64encode(one.tobytes()).decode(),
                "float": lambda one: one.tolist(),
            }
            form = forms[body.get("encoding_format", "float") if server.base64 else "float"]
            data = [
                {"object": "embedding", "index": at, "embedding": form(one)} for at, one in enumerate(vectors)
            ]
            usage = {"prompt_tokens": 1, "total_tokens": 1}
            self.answer(200, {"object": "list", "data": data[::-1], "model": body["model"], "usage": usage})


Fault = Callable[[Handler], None]


class Double(ThreadingHTTPServer):
    """A server on a free port of loopback; use it in a `with` block.

    `texts` has every text that it was sent, `requests` the method, the path and the headers of each request, and
    `faults` what to do in place of an answer, once each.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.lock = threading.Lock()
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.host = self.url.removeprefix("http://")
        self.texts: list[str] = []
        self.bodies: list[Any] = []
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.faults: deque[Fault] = deque()
        self.digest, self.salt, self.key = DIGEST, "", ""
        self.window, self.delay, self.noise = 2048, 0.0, 0.0
        self.strict = self.silent = self.input_type = False
        self.base64 = True

    def __enter__(self) -> "Double":
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self.shutdown()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client may be gone."""

    def seen(self, handler: Handler) -> None:
        with self.lock:
            self.requests.append((handler.command, handler.path, dict(handler.headers)))

    def too_long(self, text: str) -> bool:
        return len(text.split()) > self.window

    def cut(self, text: str) -> str:
        return " ".join(text.split()[: self.window])

    def vectors(self, texts: Sequence[str]) -> NDArray[np.float64]:
        with self.lock:
            self.texts += texts
        found = np.array([vector(text, self.salt) for text in texts])
        size = np.linalg.norm(found, axis=1, keepdims=True)
        noise: NDArray[np.float64] = np.random.default_rng().standard_normal(found.shape)
        return found + self.noise * size * noise / DIMENSION**0.5


def fails(status: int, message: str = "no", **headers: str) -> Fault:
    """Return a fault that answers with an error."""
    return lambda handler: handler.answer(status, {"error": {"message": message}}, **headers)


def says(content: Any) -> Fault:
    """Return a fault that answers 200 with other content; a function makes it from the texts."""

    def fault(handler: Handler) -> None:
        handler.answer(200, content(handler.body["input"]) if callable(content) else content)

    return fault


def cuts(handler: Handler) -> None:
    """Break the connection in the middle of an answer."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"data": [')
    handler.wfile.flush()
    handler.close_connection = True
    handler.connection.close()


def hangs(seconds: float) -> Fault:
    """Return a fault that does not answer for some time."""

    def fault(handler: Handler) -> None:
        time.sleep(seconds)
        handler.close_connection = True

    return fault
