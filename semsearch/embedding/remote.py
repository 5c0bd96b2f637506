"""Models on a server: `ollama:NAME`, and `openai:NAME` for any server with OpenAI's interface.

Texts leave this machine only for a server that the user has named on it (`servers`). The two dialects are a table. The
identity of a model is what it makes of fixed texts, embedded again whenever it is loaded (`canary`), and the digest
that the server tells.
"""

import base64
import itertools
import logging
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semsearch.embedding import (
    BYTES_PER_TOKEN,
    Fingerprint,
    Kind,
    ProgressCallback,
    Vectors,
    checked_dimensions,
    pooling_of,
    servers,
)
from semsearch.embedding.canary import canary_weights, same_weights
from semsearch.embedding.http import JsonServer, Rejection, in_flight
from semsearch.embedding.registry import prompts_by_name
from semsearch.errors import InvalidInput, ModelError

WINDOW = 320
"""Estimated tokens of a passage. English is about 230 tokens then; text of two bytes a token still fits 512."""
_TEXTS_PER_REQUEST, _IN_FLIGHT = 32, 4
"""32 texts are the most that TEI takes by default."""
_LEAST_BYTES, _BYTES_PER_TEXT = 1 << 20, 400_000
"""The most bytes of an answer: 400,000 hold 16,384 numbers in decimal."""
_MOST_DIMENSIONS = 16_384
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:@+-]{0,199}")
_EMPTY = "."
"""Sent in place of a text without letters, which some servers refuse."""
_PLAIN, _INPUT_TYPE = "server", "server with input_type"
_ANOTHER_TYPE = 0.998
"""Two vectors of a text below this cosine were made with different prompts. A service's own noise is 0.9999."""
_EQUAL = 1e-6
_FILLER = "Item 7 of 1984: a naïve clerk, 数据, 0x3F; "
_ENDS = ("The cat sat on the mat.", "Invoices are due in March.")
_MOST_TAGS = 8 << 20
_LOG = logging.getLogger("semsearch")


@dataclass(frozen=True, slots=True)
class _Dialect:
    """Ways to ask a kind of server. `base_url` is where it is if nothing else is said, `path` what its URL ends in."""

    base_url: str
    example: str
    path: str
    embed: str
    body: Mapping[str, Any]
    vectors: Callable[[Mapping[str, Any]], list[Any]]
    identity: Callable[[JsonServer, str], tuple[str, int]]
    """Returns the digest of the model and its size in bytes, as far as the server tells them."""
    options: tuple[Mapping[str, Any], ...]
    """Members of a request that not every server knows, in the order in which they are tried."""
    needs_key: bool
    """True if the server at `base_url` answers only those who have a key."""
    varied: bool
    """True if servers of this kind differ: some have prompts for `input_type`, and some cut texts silently."""


def full_url(model: str, base_url: str) -> str:
    """Return the base URL of a model in its one form. Raises `InvalidInput` for what is not one."""
    return servers.checked_url(base_url, _dialect(model)[0].path)


def _dialect(model: str) -> tuple[_Dialect, str]:
    """Return the dialect and the server's own name of a model. Raises `InvalidInput` for a malformed name."""
    kind, _, name = model.partition(":")
    if not _NAME.fullmatch(name):
        raise InvalidInput(
            f"{model!r} is not the name of a model on a server", f"such as {kind}:nomic-embed-text"
        )
    return _DIALECTS[kind], name


class RemoteEmbedder:
    """A model on a server, see `Embedder`. Its name is `ollama:NAME` or `openai:NAME`.

    The server is `base_url`, else the one that was named for this model before, else, if `named`, the usual one of its
    kind. `named` says that the user names the model, not an index; what they name is remembered. `dimensions` cuts
    vectors to their first numbers. `stored` are the settings of an index, which has chosen the prompts. Says on
    standard error, through `logging`, which host gets texts. Raises `ModelError` where no server is known, or none
    answers as it should.
    """

    size: int

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        named: bool = True,
        dimensions: int | None = None,
        stored: Mapping[str, object] | None = None,
    ) -> None:
        self._dialect, self._name = _dialect(model)
        known = servers.find(model)
        url = full_url(model, base_url) if base_url else known.base_url if known else ""
        if not url and named:
            url = full_url(model, self._dialect.base_url)
        if not url:
            raise ModelError(
                f"{model} is a model on a server, and you have not said on this machine which server may see your text",
                f"say where it is: semsearch config set {model} URL, such as {self._dialect.example}",
            )
        if self._dialect.needs_key and url == self._dialect.base_url and not servers.has_key(url):
            raise ModelError(
                f"{model} is at {servers.host_of(url)} unless you say otherwise, and there is no key for that",
                f"give --base-url URL, such as {self._dialect.example}, or set {servers.key_variable(url)}",
            )
        self._server = JsonServer(url, _LOG.warning)
        open_text = "" if servers.is_local(url) or url.startswith("https:") else ", without encryption"
        _LOG.warning("text goes to %s (%s)%s", self._server.host, model, open_text)
        digest, self.size = self._dialect.identity(self._server, self._name)
        self._options: Mapping[str, Any] = {}
        pooling = stored.get("pooling") if stored else None
        self._types = pooling == _INPUT_TYPE or (pooling is None and self._dialect.varied)
        """True if the server gives queries and passages their prompts itself, by `input_type`."""
        self._prompts = {} if pooling in (_PLAIN, _INPUT_TYPE) else prompts_by_name(self._name)
        self._dimension = 0
        self._asked = dimensions
        """The dimensions that vectors are cut to."""
        weights = canary_weights(
            lambda texts: self._canaries(list(texts), settled=pooling is not None), digest
        )
        if known is not None and same_weights(known.weights, weights):
            weights = known.weights  # vectors of a service differ a little; caches find them by one name
        own = self._dimension
        self._asked = None if dimensions is None or (stored and own < dimensions) else dimensions
        self.fingerprint = Fingerprint(
            model=model,
            weights=weights,
            dtype="float32",
            pooling=_INPUT_TYPE if self._types else pooling_of(_PLAIN, self._prompts),
            dimension=checked_dimensions(model, own, self._asked),
            window=WINDOW,
        )
        if named and self._dialect.varied:
            self._require_whole_texts()
        server = servers.Server(model, url, weights)
        if server != known and (named or known is not None):
            servers.remember(server)

    def embed(
        self, texts: Sequence[str], kind: Kind = "passage", progress: ProgressCallback | None = None
    ) -> Vectors:
        """Return unit vectors, float32 [len(texts), dimension]; see `Embedder.embed`.

        A text that is longer than the window, or too long for the server, is cut in halves until they fit. Raises
        `ModelError` if the server fails for good, or gives anything but one finite vector a text.
        """
        pieces = [
            (at, piece) for at, text in enumerate(texts) for piece in _pieces(text, WINDOW * BYTES_PER_TOKEN)
        ]
        left = np.bincount(np.array([at for at, _ in pieces], np.int64), minlength=len(texts))
        batches = [
            pieces[start : start + _TEXTS_PER_REQUEST] for start in range(0, len(pieces), _TEXTS_PER_REQUEST)
        ]
        total = np.zeros((len(texts), self.fingerprint.dimension), np.float64)

        def work(batch: list[tuple[int, str]], stop: threading.Event) -> NDArray[np.float64]:
            return self._sums([piece for _, piece in batch], kind, stop)

        with closing(in_flight(work, batches, _IN_FLIGHT)) as results:  # type: ignore[type-var]
            for number, sums in results:
                owners = np.array([at for at, _ in batches[number]])
                np.add.at(total, owners, sums)
                np.subtract.at(left, owners, 1)
                if progress is not None:
                    progress(int(np.sum(left[np.unique(owners)] == 0)))
        return _unit(total, self._name).astype(np.float32)

    def _sums(self, texts: list[str], kind: Kind, stop: threading.Event | None = None) -> NDArray[np.float64]:
        """Return a vector for each text, float64 [len(texts), dimension]: its unit vector times its length.

        A text that is too long for the server is halved, and has the sum of its halves.
        """
        prompt = self._prompts.get(kind, "")
        try:
            found = self._ask([prompt + (text if text.strip() else _EMPTY) for text in texts], kind, stop)
            sums: NDArray[np.float64] = found * np.array([[max(1, len(text))] for text in texts])
            return sums
        except Rejection as rejection:
            if not rejection.too_long or (len(texts) == 1 and len(texts[0]) < 2):
                raise
        if len(texts) == 1:
            both: NDArray[np.float64] = self._sums(_halves(texts[0]), kind, stop).sum(axis=0, keepdims=True)
            return both
        middle = len(texts) // 2
        return np.vstack([self._sums(half, kind, stop) for half in (texts[:middle], texts[middle:])])

    def _ask(self, texts: list[str], kind: Kind, stop: threading.Event | None = None) -> NDArray[np.float64]:
        """Return the unit vectors of texts in one request. Raises `Rejection`, and `ModelError` for a bad answer."""
        whole = [text.encode("utf-8", "replace").decode() for text in texts]  # without halves of characters
        body = {"model": self._name, "input": whole, **self._dialect.body, **self._options}
        if self._types:
            body["input_type"] = kind
        answer = self._server.post(
            self._dialect.embed, body, _LEAST_BYTES + _BYTES_PER_TEXT * len(texts), stop
        )
        try:
            rows = [_numbers(row) for row in self._dialect.vectors(answer)]
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(
                f"{self._server.host} gives an answer without vectors, or with wrong ones: {error}"
            ) from error
        if len(rows) != len(texts):
            raise ModelError(f"{self._server.host} gives {len(rows):,} vectors for {len(texts):,} texts")
        dimension = self._dimension or len(rows[0])
        if other := next((len(row) for row in rows if len(row) != dimension), None):
            raise ModelError(
                f"{self._server.host} gives a vector of {other:,} dimensions in place of {dimension:,}"
            )
        self._dimension = dimension
        return _unit(np.vstack(rows)[:, : self._asked], self._name)

    def _canaries(self, texts: list[str], settled: bool) -> NDArray[np.float32]:
        """Return the vectors of the canaries, and find out which members of a request the server knows.

        Unless that is `settled` for an index, ask too whether the server has prompts for queries and passages itself.
        """
        refused: list[Rejection] = []
        types = (True, False) if self._types and not settled else (self._types,)
        for options, typed in itertools.product(self._dialect.options, types):
            self._options, self._types = options, typed
            try:
                vectors = self._ask(texts, "passage")
                break
            except Rejection as rejection:
                if rejection.status not in (400, 422):
                    raise
                refused.append(rejection)
        else:
            raise refused[-1]
        if self._types and not settled:
            queries = self._ask(texts, "query")
            self._types = bool(np.min(np.sum(vectors * queries, axis=1)) < _ANOTHER_TYPE)
        if self._types:
            self._prompts = {}
        return vectors.astype(np.float32)

    def _require_whole_texts(self) -> None:
        """Raise `ModelError` where the end of a text as long as the window has no say: the server cuts it off."""
        filler = (_FILLER * WINDOW)[: WINDOW * BYTES_PER_TOKEN - 60]
        first, second = _unit(self._sums([f"{filler} {end}" for end in _ENDS], "passage"), self._name)
        if first @ second > 1 - _EQUAL:
            raise ModelError(
                f"{self._server.host} cuts off the end of a text of {WINDOW * BYTES_PER_TOKEN} bytes without an error",
                "start the server with a larger window, or so that it refuses what is too long",
            )


def _pieces(text: str, most: int) -> list[str]:
    """Cut a text into pieces of at most `most` bytes of UTF-8, of similar length."""
    if len(text.encode("utf-8", "surrogatepass")) <= most or len(text) < 2:
        return [text]
    return [piece for half in _halves(text) for piece in _pieces(half, most)]


def _halves(text: str) -> list[str]:
    """Cut a text of two letters or more at the last blank of its second quarter, else in the middle."""
    middle = len(text) // 2
    at = text.rfind(" ", middle // 2, middle) + 1 or middle
    return [text[:at], text[at:]]


def _numbers(row: Any) -> NDArray[np.float64]:
    """Return one vector of an answer, written as numbers or as base64 of float32. Raises `ValueError`."""
    if isinstance(row, str):
        vector = np.frombuffer(base64.b64decode(row, validate=True), "<f4")
    elif isinstance(row, list):
        vector = np.asarray(row)
    else:
        raise ValueError("a vector is neither a list nor base64")
    if vector.ndim != 1 or vector.dtype.kind not in "fi" or not 0 < len(vector) <= _MOST_DIMENSIONS:
        raise ValueError("a vector is not a list of numbers")
    return vector.astype(np.float64)


def _unit(vectors: NDArray[np.float64], name: str) -> NDArray[np.float64]:
    """Return vectors at unit length. Raises `ModelError` for one that is not finite, or has no direction."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not np.all(np.isfinite(norms)):
        raise ModelError(f"{name} gives a vector with a number that is not finite")
    if not np.all(norms):
        raise ModelError(f"{name} gives a vector without a direction")
    units: NDArray[np.float64] = vectors / norms
    return units


def _by_index(answer: Mapping[str, Any]) -> list[Any]:
    """Return the vectors of an OpenAI server in the order of the texts. Raises `ValueError` for a wrong index."""
    data = answer["data"]
    rows = {item["index"]: item["embedding"] for item in data}
    if not all(isinstance(at, int) for at in rows) or sorted(rows) != list(range(len(data))):
        raise ValueError("an index is missing, or occurs twice")
    return [rows[at] for at in range(len(data))]


def _ollama_digest(server: JsonServer, name: str) -> tuple[str, int]:
    """Return the digest and the size of a model that an Ollama server has. Raises `ModelError` if it has not."""
    names = {name, f"{name}:latest"}
    models = server.get("/api/tags", _MOST_TAGS).get("models")
    for model in models if isinstance(models, list) else ():
        if isinstance(model, dict) and (model.get("name") in names or model.get("model") in names):
            digest, size = str(model.get("digest")).removeprefix("sha256:"), model.get("size")
            return (
                digest if re.fullmatch(r"[0-9a-f]{12,64}", digest) else "",
                size if isinstance(size, int) and size >= 0 else 0,
            )
    raise ModelError(f"{server.host} has no model {name}", f"ollama pull {name}")


def _untold(server: JsonServer, name: str) -> tuple[str, int]:
    return "", 0


_DIALECTS = {
    "ollama": _Dialect(
        base_url="http://127.0.0.1:11434",
        example="http://127.0.0.1:11434",
        path="",
        embed="/api/embed",
        body={"truncate": False},  # or it cuts texts silently
        vectors=lambda answer: list(answer["embeddings"]),
        identity=_ollama_digest,
        options=({},),
        needs_key=False,
        varied=False,
    ),
    "openai": _Dialect(
        base_url="https://api.openai.com/v1",
        example="http://127.0.0.1:8080/v1",
        path="/v1",
        embed="/embeddings",
        body={},
        vectors=_by_index,
        identity=_untold,
        options=({"encoding_format": "base64"}, {}),
        needs_key=True,
        varied=True,
    ),
}
