"""Servers of vectors on loopback: a real Chroma server, and a double of Qdrant's REST interface.

The double reads and writes the models of Qdrant's own client, and that client's local mode answers for it. No Qdrant
server takes part: what a real one does differently from its client's description is not seen here.
"""

import json
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from qdrant_client import QdrantClient
from qdrant_client.http import models

KEY = "a-key"


@contextmanager
def chroma_server(folder: Path) -> Iterator[str]:
    """Run `chroma run` on a folder, and yield its URL."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    chroma = "import sys; from chromadb.cli.cli import app; sys.argv[0] = 'chroma'; app()"
    options = ["run", "--path", str(folder), "--host", "127.0.0.1", "--port", str(port)]
    command = [sys.executable, "-c", chroma, *options]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            try:
                if httpx.get(f"{url}/api/v2/heartbeat", trust_env=False).is_success:
                    break
            except httpx.TransportError:
                time.sleep(0.1)
        yield url
    finally:
        process.kill()
        process.wait()


class _Server(ThreadingHTTPServer):
    request_queue_size = 64


class QdrantDouble:
    """A double of a Qdrant server. `key` is wanted if it is given; `fails` makes a request fail by its path."""

    def __init__(self, key: str = "") -> None:
        self.key = key
        self.fails: dict[str, int] = {}
        """The status of every request whose path matches a pattern."""
        self.slow = 0.0
        self.client = QdrantClient(":memory:")
        self.requests: list[str] = []
        self.lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.double = self  # type: ignore[attr-defined]
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: Any) -> None:
        pass

    def _answer(self) -> None:
        double: QdrantDouble = self.server.double  # type: ignore[attr-defined]
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        path = urlsplit(self.path).path
        double.requests.append(f"{self.command} {path}")
        time.sleep(double.slow)
        status = next((one for pattern, one in double.fails.items() if re.search(pattern, path)), 0)
        if double.key and self.headers.get("api-key") != double.key:
            status = 401
        if status == -1:  # it dies
            self.close_connection = True
            return
        result: Any = None
        if not status:
            try:
                with double.lock:
                    result, status = _result(double.client, self.command, path, body), 200
            except LookupError as error:
                result, status = f"Not found: Collection `{error.args[0]}` doesn't exist!", 404
            except ValueError as error:
                result, status = str(error), 400
        envelope = {"result": result, "status": "ok"} if status == 200 else {"status": {"error": str(result)}}
        content = json.dumps(envelope | {"time": 0.0}, default=lambda model: model.model_dump(mode="json"))
        self.send_response(status)
        self.send_header("Content-Length", str(len(content.encode())))
        self.end_headers()
        self.wfile.write(content.encode())

    do_GET = do_PUT = do_POST = do_DELETE = _answer


def _result(client: QdrantClient, method: str, path: str, body: bytes) -> Any:
    found = re.fullmatch(r"/collections/([\w-]+)(/.*)?", path)
    assert found is not None, path
    name, action = found[1], f"{method} {found[2] or ''}"
    exists = client.collection_exists(name)
    match action:
        case "GET /exists":
            return models.CollectionExistence(exists=exists)
        case "DELETE ":
            return client.delete_collection(name) if exists else False
        case "PUT ":
            params = models.CreateCollection.model_validate_json(body)
            return client.create_collection(name, vectors_config=params.vectors)
    if not exists:
        raise LookupError(name)
    match action:
        case "GET ":
            return client.get_collection(name)
        case "PUT /points":
            return client.upsert(name, models.PointsList.model_validate_json(body).points)
        case "POST /points/delete":
            return client.delete(name, models.PointIdsList.model_validate_json(body))
        case "POST /points/count":
            exact = models.CountRequest.model_validate_json(body)
            return client.count(name, exact.filter, exact=bool(exact.exact))
        case "POST /points/query/batch":
            searches = models.QueryRequestBatch.model_validate_json(body).searches
            for search in searches:
                search.params = None  # local mode compares all vectors
            return client.query_batch_points(name, searches)
        case "POST /points":
            asked = models.PointRequest.model_validate_json(body)
            return client.retrieve(name, asked.ids, asked.with_payload or False, asked.with_vector or False)
    raise AssertionError(f"{action} is not in the double")
