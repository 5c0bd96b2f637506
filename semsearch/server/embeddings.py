"""Answer programs that ask OpenAI or Ollama for embeddings, in the form that they expect, with the index's model.

The vectors are those of `Index.embed`: of unit length, and no text is cut. What cannot be answered as asked, such as
another model or the tokens of another tokenizer, is refused in the form of the same interface.
"""

import base64
import hashlib
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import wraps
from http import HTTPStatus
from pathlib import Path
from typing import Any

import numpy as np

from semsearch.embedding import DEFAULT_MODEL, Embedder, Kind, Vectors, checked_dimensions
from semsearch.embedding.registry import known
from semsearch.errors import InvalidInput, SemsearchError, extra
from semsearch.readers.encoding import storable
from semsearch.server.batching import Embedded, Overloaded
from semsearch.server.context import Context
from semsearch.server.operations import unless_gone
from semsearch.server.problems import Refused, problem
from semsearch.strict_json import load_json

with extra("server", "the server"):
    import orjson
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

MOST_TEXTS = 8_192
LONGEST_TEXT = 100_000
"""Characters of a text. A longer one would keep the model from all others for half a minute."""
OLLAMA_VERSION = "0.12.6"
"""The release of Ollama whose interface this is. Clients ask for it to learn what a server can do."""
_ALIASES = {
    DEFAULT_MODEL: ("all-minilm", "all-minilm:22m", "all-minilm:l6-v2", "chroma/all-minilm-l6-v2-f32")
}
"""The names of models at Ollama, in lower case."""
_CODES = {HTTPStatus.NOT_FOUND: "model_not_found", HTTPStatus.SERVICE_UNAVAILABLE: "server_overloaded"}
_KINDS: Mapping[str, Kind] = {"query": "query", "passage": "passage", "document": "passage"}
_TOKENS_HINT = "send text; with LangChain, OpenAIEmbeddings(check_embedding_ctx_length=False) does"
_Handler = Callable[[Request], Awaitable[dict[str, Any]]]


def routes(context: Context) -> list[Route]:
    """Return the routes of both interfaces."""
    models = Models(context)
    openai, ollama = _OpenAI(models), _Ollama(models)
    told: tuple[tuple[str, str, _Handler, Callable[[SemsearchError], Any]], ...] = (
        ("POST", "/v1/embeddings", openai.embeddings, openai.error),
        ("GET", "/v1/models", openai.models, openai.error),
        ("GET", "/v1/models/{model:path}", openai.model, openai.error),
        ("POST", "/api/embed", ollama.embed, ollama.error),
        ("POST", "/api/embeddings", ollama.embeddings, ollama.error),
        ("POST", "/api/show", ollama.show, ollama.error),
        ("GET", "/api/tags", ollama.tags, ollama.error),
        ("GET", "/api/version", ollama.version, ollama.error),
    )
    return [
        Route(path, _answering(handler, error), methods=[method]) for method, path, handler, error in told
    ]


class Models:
    """The model of the index under the names that clients give it, and what embeds with it."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.started = datetime.now(UTC)

    async def embedder(self) -> Embedder:
        """Return the model, loaded."""
        return await self._context.call(lambda: self._context.index.embedder)

    async def require(self, name: Any) -> str:
        """Return the name that was asked for, if it is one of the model's. Raises `Refused`."""
        if not isinstance(name, str) or not name:
            raise InvalidInput(
                "model is missing", "name the model; GET /v1/models and /api/tags have its name"
            )
        text: str = storable(name)
        own = (await self.embedder()).fingerprint.model
        asked = text.lower().removesuffix(":latest")
        named = known(asked)
        if asked not in (public_name(own).lower(), *_ALIASES.get(own, ())) and (
            named is None or named.name != own
        ):
            raise Refused(
                HTTPStatus.NOT_FOUND,
                f'model "{text[:200]}" not found, this server has {public_name(own)}',
                "name that model, or serve an index of the other one",
            )
        return text

    async def embed(self, texts: Sequence[str], kind: Kind = "passage") -> Embedded:
        """Return the vectors of texts. Raises `InvalidInput` for too many or too long ones, and `Overloaded`."""
        require_sizes(texts)
        return await self._context.batcher.embed([storable(text) for text in texts], kind)


class _OpenAI:
    """https://platform.openai.com/docs/api-reference/embeddings."""

    def __init__(self, models: Models) -> None:
        self._models = models

    async def embeddings(self, request: Request) -> dict[str, Any]:
        body = await _body(request)
        name = await self._models.require(body.get("model"))
        texts = _texts(body.get("input"))
        form = body.get("encoding_format") or "float"
        if form not in ("float", "base64"):
            raise InvalidInput(f"encoding_format is {form!r:.80}, but must be float or base64")
        kind = body.get("input_type") or "passage"
        if not isinstance(kind, str) or kind not in _KINDS:
            raise InvalidInput(f"input_type is {kind!r:.80}, but must be one of {', '.join(_KINDS)}")
        found = await self._models.embed(texts, _KINDS[kind])
        rows: Sequence[Any] = list(_cut(found.vectors, body.get("dimensions"), name))
        if form == "base64":
            rows = [base64.b64encode(row.astype("<f4").tobytes()).decode() for row in rows]
        tokens = int(found.tokens.sum())
        return {
            "object": "list",
            "data": [{"object": "embedding", "index": at, "embedding": row} for at, row in enumerate(rows)],
            "model": name,
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        }

    async def models(self, request: Request) -> dict[str, Any]:
        own = public_name((await self._models.embedder()).fingerprint.model)
        return {"object": "list", "data": [self._described(own)]}

    async def model(self, request: Request) -> dict[str, Any]:
        return self._described(await self._models.require(request.path_params["model"]))

    def _described(self, name: str) -> dict[str, Any]:
        created = int(self._models.started.timestamp())
        return {"id": name, "object": "model", "created": created, "owned_by": "semsearch"}

    @staticmethod
    def error(error: SemsearchError) -> dict[str, Any]:
        status = HTTPStatus(problem(error)["status"])
        return {
            "error": {
                "message": _sentence(error),
                "type": "invalid_request_error" if status < 500 else "server_error",
                "param": None,
                "code": _CODES.get(status),
            }
        }


class _Ollama:
    """https://github.com/ollama/ollama/blob/main/docs/api.md."""

    def __init__(self, models: Models) -> None:
        self._models = models

    async def embed(self, request: Request) -> dict[str, Any]:
        begun = time.perf_counter_ns()
        body = await _body(request)
        name = await self._models.require(body.get("model"))
        texts = _texts(body.get("input"), empty=True)
        loaded = time.perf_counter_ns()
        found = await self._models.embed(texts)
        window = (await self._models.embedder()).fingerprint.window
        if body.get("truncate") is False and window and (found.tokens > window).any():
            raise InvalidInput("the input length exceeds the context length", f"it is {window:,} tokens")
        return {
            "model": name,
            "embeddings": list(_cut(found.vectors, body.get("dimensions"), name)),
            "total_duration": time.perf_counter_ns() - begun,
            "load_duration": loaded - begun,
            "prompt_eval_count": int(found.tokens.sum()),
        }

    async def embeddings(self, request: Request) -> dict[str, Any]:
        body = await _body(request)
        await self._models.require(body.get("model"))
        found = await self._models.embed(_texts(body.get("prompt"), empty=True))
        return {"embedding": next(iter(found.vectors), ())}

    async def tags(self, request: Request) -> dict[str, Any]:
        embedder = await self._models.embedder()
        name = f"{public_name(embedder.fingerprint.model)}:latest"
        entry = {"name": name, "model": name, "size": embedder.size, "digest": _digest(embedder)}
        return {"models": [entry | self._details(embedder)]}

    async def show(self, request: Request) -> dict[str, Any]:
        body = await _body(request)
        await self._models.require(body.get("model") or body.get("name"))
        embedder = await self._models.embedder()
        return {
            "capabilities": ["embedding"],
            "model_info": {
                "general.architecture": "semsearch",
                "semsearch.context_length": embedder.fingerprint.window,
                "semsearch.embedding_length": embedder.fingerprint.dimension,
            },
            **self._details(embedder),
        }

    async def version(self, request: Request) -> dict[str, Any]:
        return {"version": OLLAMA_VERSION}

    def _details(self, embedder: Embedder) -> dict[str, Any]:
        dtype = {"float32": "F32", "bfloat16": "BF16", "int8": "Q8_0"}.get(embedder.fingerprint.dtype, "")
        details = {"parent_model": "", "format": "onnx", "family": "semsearch", "families": ["semsearch"]}
        return {
            "modified_at": self._models.started.isoformat(),
            "details": details | {"parameter_size": "", "quantization_level": dtype},
        }

    @staticmethod
    def error(error: SemsearchError) -> dict[str, Any]:
        return {"error": _sentence(error)}


def require_sizes(texts: Sequence[str]) -> None:
    """Raise `InvalidInput` for too many or too long texts."""
    if len(texts) > MOST_TEXTS:
        raise InvalidInput(f"there are {len(texts):,} texts, of at most {MOST_TEXTS:,}", "send fewer")
    if (longest := max(map(len, texts), default=0)) > LONGEST_TEXT:
        raise InvalidInput(
            f"a text has {longest:,} characters, of at most {LONGEST_TEXT:,}", "send it in parts"
        )


def public_name(model: str) -> str:
    """Return the name of a model for others: of one in a folder, the name of the folder without its path."""
    return Path(model).name if Path(model).is_absolute() else model


def json_of_vectors(
    value: Any, status: HTTPStatus = HTTPStatus.OK, headers: Mapping[str, str] | None = None
) -> Response:
    """Return an answer in which any list of numbers may be an array. A float32 has its shortest form."""
    return Response(
        orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY), status, headers, "application/json"
    )


def _answering(
    handler: _Handler, told: Callable[[SemsearchError], Any]
) -> Callable[[Request], Awaitable[Response]]:
    """Return the endpoint of a handler. Its work ends where the client leaves, and its errors are `told`."""

    @wraps(handler)
    async def endpoint(request: Request) -> Response:
        status, headers = HTTPStatus.OK, dict[str, str]()
        try:
            answer = await unless_gone(request, handler)
        except SemsearchError as error:
            answer, status = told(error), HTTPStatus(problem(error)["status"])
            headers = {"Retry-After": "5"} if isinstance(error, Overloaded) else {}
        return json_of_vectors(answer, status, headers)

    return endpoint


async def _body(request: Request) -> dict[str, Any]:
    body = load_json(await request.body())
    if not isinstance(body, dict):
        raise InvalidInput("the body is not a JSON object")
    return body


def _texts(value: Any, *, empty: bool = False) -> list[str]:
    """Return the texts of an input: one, or a list. With `empty`, an input may lack them, as at Ollama."""
    if empty and value in (None, "", []):
        return []
    texts = value if isinstance(value, list) else [value]
    if texts and all(isinstance(text, str) for text in texts):
        return texts
    if texts and all(isinstance(one, int | list) for one in texts):
        raise InvalidInput("input has tokens, which belong to another tokenizer", _TOKENS_HINT)
    raise InvalidInput("input is missing, or is neither a text nor a list of texts", "send text")


def _cut(vectors: Vectors, asked: Any, model: str) -> Vectors:
    """Return the first numbers of each vector at unit length, see `load_embedder`. Raises `InvalidInput`."""
    if asked is None or not len(vectors):
        return vectors
    if not isinstance(asked, int) or isinstance(asked, bool):
        raise InvalidInput(f"dimensions is {asked!r:.80}, but must be a whole number")
    if (dimension := checked_dimensions(model, vectors.shape[1], asked)) == vectors.shape[1]:
        return vectors
    first = vectors[:, :dimension]
    cut: Vectors = first / np.maximum(np.linalg.norm(first, axis=1, keepdims=True), np.float32(1e-30))
    return cut


def _digest(embedder: Embedder) -> str:
    return hashlib.sha256(repr(embedder.fingerprint).encode()).hexdigest()


def _sentence(error: SemsearchError) -> str:
    return f"{error}: {error.hint}" if error.hint else str(error)
