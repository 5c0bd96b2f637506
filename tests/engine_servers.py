"""Servers of vectors on loopback: a real Chroma server, and doubles of Qdrant's and Weaviate's interfaces.

The double of Qdrant reads and writes the models of Qdrant's own client, and that client's local mode answers for it.
The double of Weaviate accepts only what its documentation describes, reads GraphQL with graphql-core, and compares all
vectors. No Qdrant and no Weaviate server takes part: what a real one does differently is not seen here.
"""

import json
import re
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import graphql
import httpx
import numpy as np
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


class Double:
    """A double of a server. `key` is wanted if it is given; `fails` makes a request fail by its path."""

    key_header, key_prefix = "authorization", "Bearer "
    writes = exists = counts = ""
    """The paths of requests that write vectors, ask for a collection, and count."""

    def __init__(self, key: str = "") -> None:
        self.key = key
        self.fails: dict[str, int] = {}
        """The status of every request whose path matches a pattern."""
        self.slow = 0.0
        self.requests: list[str] = []
        self.lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.double = self  # type: ignore[attr-defined]
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def collections(self) -> list[str]:
        """Return the names of the collections."""
        raise NotImplementedError

    def remove(self, name: str) -> None:
        """Remove a collection behind the back of its owner."""
        raise NotImplementedError

    def stored(self, name: str) -> list[str]:
        """Return what is stored with each vector of a collection, as text."""
        raise NotImplementedError

    def answer(self, method: str, path: str, body: bytes, failed: int) -> tuple[int, str]:
        """Return the status and the content of an answer, of an error if `failed` is its status."""
        raise NotImplementedError


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: Any) -> None:
        pass

    def _answer(self) -> None:
        double: Double = self.server.double  # type: ignore[attr-defined]
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        path = urlsplit(self.path).path
        double.requests.append(f"{self.command} {path}")
        time.sleep(double.slow)
        status = next((one for pattern, one in double.fails.items() if re.search(pattern, path)), 0)
        if double.key and self.headers.get(double.key_header) != double.key_prefix + double.key:
            status = 401
        if status == -1:  # it dies
            self.close_connection = True
            return
        with double.lock:
            status, content = double.answer(self.command, path, body, status)
        self.send_response(status)
        self.send_header("Content-Length", str(len(content.encode())))
        self.end_headers()
        self.wfile.write(content.encode())

    do_GET = do_PUT = do_POST = do_DELETE = _answer


class QdrantDouble(Double):
    """A double of a Qdrant server."""

    key_header, key_prefix = "api-key", ""
    writes, exists, counts = "/points$", "/exists", "/count"

    def __init__(self, key: str = "") -> None:
        self.client = QdrantClient(":memory:")
        super().__init__(key)

    def collections(self) -> list[str]:
        return [one.name for one in self.client.get_collections().collections]

    def remove(self, name: str) -> None:
        self.client.delete_collection(name)

    def stored(self, name: str) -> list[str]:
        points, _ = self.client.scroll(name, limit=10_000, with_payload=True)
        return [json.dumps(point.payload) for point in points]

    def answer(self, method: str, path: str, body: bytes, failed: int) -> tuple[int, str]:
        result: Any = None
        status = failed
        if not failed:
            try:
                result, status = _result(self.client, method, path, body), 200
            except LookupError as error:
                result, status = f"Not found: Collection `{error.args[0]}` doesn't exist!", 404
            except ValueError as error:
                result, status = str(error), 400
        envelope = {"result": result, "status": "ok"} if status == 200 else {"status": {"error": str(result)}}
        return status, json.dumps(
            envelope | {"time": 0.0}, default=lambda model: model.model_dump(mode="json")
        )


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


class WeaviateDouble(Double):
    """A double of a Weaviate server: classes with their objects by UUID."""

    writes, exists, counts = "/batch/objects", "/schema", "/graphql"

    def __init__(self, key: str = "") -> None:
        self.classes: dict[str, dict[str, Any]] = {}
        self.objects: dict[str, dict[str, tuple[dict[str, str], np.ndarray]]] = {}
        super().__init__(key)

    def collections(self) -> list[str]:
        return list(self.classes)

    def remove(self, name: str) -> None:
        del self.classes[name], self.objects[name]

    def stored(self, name: str) -> list[str]:
        return [" ".join(properties.values()) for properties, _ in self.objects[name].values()]

    def answer(self, method: str, path: str, body: bytes, failed: int) -> tuple[int, str]:
        if failed:
            return failed, json.dumps({"error": [{"message": "it failed"}]})
        sent = json.loads(body) if body else {}
        match method, path:
            case "GET", "/v1/schema":
                return 200, json.dumps({"classes": list(self.classes.values())})
            case "POST", "/v1/schema":
                return self._create(sent)
            case "DELETE", str() if path.startswith("/v1/schema/"):
                self.remove(path.removeprefix("/v1/schema/"))
                return 200, ""
            case "POST", "/v1/batch/objects":
                return 200, json.dumps([self._store(one) for one in sent["objects"]])
            case "DELETE", "/v1/batch/objects":
                objects = self.objects[sent["match"]["class"]]
                found = self._wanted(sent["match"]["where"], "valueTextArray") & objects.keys()
                for id_ in found:
                    del objects[id_]
                counts = {"matches": len(found), "successful": len(found), "failed": 0, "limit": 10_000}
                return 200, json.dumps(sent | {"results": counts | {"objects": None}})
            case "POST", "/v1/graphql":
                try:
                    return 200, json.dumps({"data": self._query(sent["query"])})
                except (LookupError, graphql.GraphQLError) as error:
                    return 200, json.dumps({"data": None, "errors": [{"message": str(error)}]})
        raise AssertionError(f"{method} {path} is not in the double")

    def _create(self, sent: dict[str, Any]) -> tuple[int, str]:
        name = sent["class"]
        problem = "" if re.fullmatch(r"[A-Z][_0-9A-Za-z]{0,255}", name) else "is not a valid class name"
        problem = f"class name {name} already exists" if name in self.classes else problem
        assert sent["vectorizer"] == "none" and sent["vectorIndexConfig"]["distance"] == "dot"
        assert all(one["dataType"] == ["text"] and one["name"] != "id" for one in sent["properties"])
        if problem:
            return 422, json.dumps({"error": [{"message": problem}]})
        self.classes[name], self.objects[name] = sent, {}
        return 200, json.dumps(sent)

    def _store(self, sent: dict[str, Any]) -> dict[str, Any]:
        objects = self.objects[sent["class"]]
        assert str(uuid.UUID(sent["id"])) == sent["id"]
        assert sent["properties"].keys() == {one["name"] for one in self.classes[sent["class"]]["properties"]}
        vector = np.array(sent["vector"], np.float32)
        if any(len(stored) != len(vector) for _, stored in list(objects.values())[:1]):
            errors = {"error": [{"message": "new node has a vector with another length"}]}
            return sent | {"result": {"status": "FAILED", "errors": errors}}
        objects[sent["id"]] = sent["properties"], vector
        return sent | {"result": {"status": "SUCCESS"}}

    @staticmethod
    def _wanted(where: dict[str, Any], values: str) -> set[str]:
        assert where["path"] == ["id"] and where["operator"] == "ContainsAny"
        return set(where[values])

    def _query(self, query: str) -> Any:
        vectors: list[Any] = []

        def taken(match: re.Match[str]) -> str:
            vectors.append(json.loads(match[1]))
            return f"vector: {len(vectors) - 1}"

        # graphql-core takes a second for thousands of numbers.
        (operation,) = graphql.parse(re.sub(r"vector: (\[[^\]]*\])", taken, query)).definitions
        assert isinstance(operation, graphql.OperationDefinitionNode)
        (root,) = (one for one in operation.selection_set.selections if isinstance(one, graphql.FieldNode))
        answers = {}
        for field in root.selection_set.selections if root.selection_set else ():
            assert isinstance(field, graphql.FieldNode)
            name = field.name.value
            if name not in self.objects:
                raise LookupError(f'Cannot query field "{name}" on type "{root.name.value}ObjectsObj".')
            given = {
                one.name.value: graphql.value_from_ast_untyped(one.value) for one in field.arguments or ()
            }
            asked = set(re.findall(r"\w+", graphql.print_ast(field.selection_set or field)))
            answers[field.alias.value if field.alias else name] = (
                [{"meta": {"count": len(self.objects[name])}}]
                if root.name.value == "Aggregate"
                else self._get(self.objects[name], given, asked, vectors)
            )
        return {root.name.value: answers}

    def _get(
        self,
        objects: dict[str, tuple[dict[str, str], np.ndarray]],
        given: dict[str, Any],
        asked: set[str],
        vectors: list[Any],
    ) -> list[dict[str, Any]]:
        assert given["limit"] <= 10_000
        ids = list(objects)
        if near := given.get("nearVector"):
            query = np.array(vectors[int(near["vector"])], np.float32)
            ids.sort(key=lambda id_: -float(objects[id_][1] @ query))
        if where := given.get("where"):
            ids = [id_ for id_ in ids if id_ in self._wanted(where, "valueText")]
        return [
            {name: value for name, value in objects[id_][0].items() if name in asked}
            | ({"_additional": {"vector": objects[id_][1].tolist()}} if "_additional" in asked else {})
            for id_ in ids[: given["limit"]]
        ]
