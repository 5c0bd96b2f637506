"""Speak JSON to one server over HTTP: with retries, limits on time and size, and a key that is never shown.

Nothing of the environment is read but the user's proxy for https. Redirects are not followed, TLS is verified, and an
answer is read up to a limit.
"""

import itertools
import random
import re
import ssl
import threading
import time
import weakref
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from queue import Empty, SimpleQueue
from typing import Any, TypeVar
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx

from semsearch.embedding import servers
from semsearch.errors import InvalidInput, ModelError
from semsearch.strict_json import load_json

_FIRST_WAIT, _LONGEST_WAIT, _LONGEST_ASKED = 0.5, 30.0, 300.0
"""Seconds between attempts: the first, the longest, and the longest that a server may ask for."""
_TEMPORARY = frozenset({408, 425, 429, 500, 502, 503, 504, 529})
_FOREVER = frozenset({"insufficient_quota", "billing_not_active"})
"""The codes of an OpenAI server that come with status 429 and that no waiting changes."""
_ERROR_BYTES = 64 * 1024
_SHOWN = 200
"""Characters of a server's own words in an error."""
_TOO_LONG = re.compile(
    r"(context|input|prompt|sequence|token|batch).{0,80}(length|exceed|longer|too (long|large|many)|maximum|less than)"
    r"|(maximum|exceed|too (long|large|many)|longer).{0,80}(context|input|prompt|sequence|token|batch)",
    re.IGNORECASE | re.DOTALL,
)
"""Matches what OpenAI, Ollama, vLLM, llama.cpp and TEI say of texts that are too long, or too many."""

_T = TypeVar("_T")
_R = TypeVar("_R")


@dataclass(frozen=True, slots=True)
class Patience:
    """The seconds to wait for a server: for a connection, the next bytes, and a whole answer.

    There are at most `attempts`, and none begins after `total` seconds. A server of models may first load a large one.
    """

    connect: float = 10.0
    silent: float = 120.0
    answer: float = 300.0
    attempts: int = 7
    total: float = 600.0


MODELS = Patience()
"""The patience with servers of models."""


class Rejection(ModelError):
    """An answer with an error that another attempt would not change. `status` is the HTTP status."""

    def __init__(self, message: str, hint: str, status: int, said: str) -> None:
        super().__init__(message, hint)
        self.status, self.said = status, said

    @property
    def too_long(self) -> bool:
        """True if shorter texts, or fewer of them, may help."""
        return self.status == 413 or bool(_TOO_LONG.search(self.said))


class Interrupted(ModelError):
    """A request that nobody waits for any more."""


class _Temporary(Exception):
    """A failure that may pass. `wait` is what the server asks for, in seconds."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


class _Key(httpx.Auth):
    """A key that goes into the header of each request, and into nothing that is shown."""

    def __init__(self, key: str, header: str = "") -> None:
        self._key, self._header = key, header

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Yield the request with the key."""
        if self._key and self._header:
            request.headers[self._header] = self._key
        elif self._key:
            request.headers["Authorization"] = f"Bearer {self._key}"
        yield request

    def hidden(self, content: bytes) -> bytes:
        """Return an answer without the key, which some servers repeat in an error."""
        return content.replace(self._key.encode(), b"***") if self._key else content

    def __bool__(self) -> bool:
        return bool(self._key)


class JsonServer:
    """A server that is asked for JSON. Several threads may use it. `on_wait` is told of long waits.

    `header` is the name of the header that takes the key, if it is not `Authorization`.
    """

    def __init__(
        self,
        base_url: str,
        on_wait: Callable[[str], None] = lambda text: None,
        *,
        patience: Patience | None = None,
        header: str = "",
    ) -> None:
        self.host = servers.host_of(base_url)
        self._patience, self._header = patience or MODELS, header
        self._base_url, self._on_wait = base_url, on_wait
        self._key = _Key(servers.key_from_environment(base_url), header)
        self._answered = False
        """True once the server has answered. Until then a failed connection means that there is no server."""
        try:
            self._client = httpx.Client(
                timeout=httpx.Timeout(self._patience.silent, connect=self._patience.connect),
                verify=_tls(base_url),
                proxy=_proxy(base_url),
                trust_env=False,
                follow_redirects=False,
                headers={"Accept": "application/json", "Accept-Encoding": "identity"},
            )
        except (ValueError, ImportError, httpx.InvalidURL) as error:  # a proxy that httpx cannot use
            raise ModelError(
                f"cannot use the proxy for {self.host}", "see HTTPS_PROXY and NO_PROXY"
            ) from error
        weakref.finalize(self, self._client.close)

    def get(self, path: str, most: int) -> dict[str, Any]:
        """Return the object at a path, of at most `most` bytes. Raises `ModelError`."""
        return self._object(self.ask("GET", path, None, most))

    def post(
        self, path: str, body: dict[str, Any], most: int, stop: threading.Event | None = None
    ) -> dict[str, Any]:
        """Return the object that the server answers to `body`, of at most `most` bytes.

        Once `stop` is set, no more is attempted. Raises `Rejection` for an error that stays, and `ModelError`.
        """
        return self._object(self.ask("POST", path, body, most, stop))

    def ask(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None,
        most: int,
        stop: threading.Event | None = None,
    ) -> Any:
        """Return any JSON that the server answers, or None for an empty answer. Raises what `post` does."""
        stop = stop or threading.Event()
        began = time.monotonic()
        for attempt in itertools.count(1):
            if stop.is_set():
                raise Interrupted(f"{self.host} was not asked again")
            try:
                return self._attempt(method, path, body, most)
            except _Temporary as error:
                wait = error.wait
                if wait is None:
                    wait = min(_LONGEST_WAIT, _FIRST_WAIT * 2 ** (attempt - 1)) * random.uniform(0.5, 1)
                if not self._answered:
                    raise ModelError(f"{self.host} {error}", "is the server running?") from error.__cause__
                late = time.monotonic() - began + wait > self._patience.total
                if attempt == self._patience.attempts or wait > _LONGEST_ASKED or late:
                    asks = f", and asks to wait {wait:,.0f} seconds" if wait > _LONGEST_ASKED else ""
                    times = f" (attempt {attempt})" if attempt > 1 else ""
                    raise ModelError(
                        f"{self.host} {error}{asks}{times}", "try again later"
                    ) from error.__cause__
                if wait >= 5:
                    self._on_wait(f"{self.host} {error}; waiting {wait:,.0f} seconds")
            stop.wait(wait)
        raise AssertionError

    def _attempt(self, method: str, path: str, body: dict[str, Any] | None, most: int) -> Any:
        """Ask once, and once more with the key of the keyring where the server wants a key."""
        status, headers, content = self._exchange(method, path, body, most)
        if status in (401, 403) and not self._key:
            self._key = _Key(servers.key_from_keyring(self._base_url), self._header)
            if self._key:
                status, headers, content = self._exchange(method, path, body, most)
        if 200 <= status < 300:
            return self._parsed(content) if content else None
        if 300 <= status < 400:
            to = servers.host_of(headers.get("location", "")) or "another path"
            raise ModelError(
                f"{self.host} redirects to {_line(to)}, and no text is sent there",
                "give its URL by --base-url",
            )
        raise self._failure(status, headers, content)

    def _exchange(
        self, method: str, path: str, body: dict[str, Any] | None, most: int
    ) -> tuple[int, httpx.Headers, bytes]:
        """Send a request, and return the status, the headers and the content of the answer."""
        try:
            with self._client.stream(
                method, f"{self._base_url}{path}", json=body, auth=self._key
            ) as response:
                self._answered = True
                most = most if response.is_success else _ERROR_BYTES
                return response.status_code, response.headers, self._content(response, most)
        except httpx.TimeoutException as error:
            raise _Temporary("does not answer in time") from error
        except httpx.ConnectError as error:
            reason = "cannot be verified" if "CERTIFICATE" in str(error) else "cannot be reached"
            if reason == "cannot be verified":
                raise ModelError(f"{self.host} {reason}: {_line(str(error))}") from error
            raise _Temporary(f"{reason}: {_line(str(error))}") from error
        except httpx.TransportError as error:
            raise _Temporary(f"broke the connection: {_line(str(error))}") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ModelError(f"{self.host} cannot be asked: {_line(str(error))}") from error

    def _content(self, response: httpx.Response, most: int) -> bytes:
        """Read an answer up to a limit of bytes and of time. Raises `ModelError` for a larger one."""
        deadline, content = time.monotonic() + self._patience.answer, bytearray()
        if response.headers.get("content-encoding", "identity") != "identity":
            raise ModelError(f"{self.host} sends compressed answers, which were not asked for")
        for chunk in response.iter_raw():
            content += chunk
            if len(content) > most:
                if not response.is_success:
                    break
                raise ModelError(f"{self.host} sends more than {most:,} bytes for one answer")
            if time.monotonic() > deadline:
                raise httpx.ReadTimeout("the answer takes too long")
        return bytes(content) if response.is_success else self._key.hidden(bytes(content))

    def _parsed(self, content: bytes) -> Any:
        try:
            return load_json(content)
        except InvalidInput as error:
            raise ModelError(
                f"{self.host} gives an answer that cannot be used: {_line(str(error))}", _IS_URL
            ) from None

    def _object(self, answer: Any) -> dict[str, Any]:
        if not isinstance(answer, dict):
            raise ModelError(f"{self.host} gives an answer that is not an object", _IS_URL)
        return answer

    def _failure(self, status: int, headers: httpx.Headers, content: bytes) -> Exception:
        """Return the error for an answer with an error."""
        said, code = _said(content)
        said = _line(said, most=None)
        answered = f"answers {status}" + (f": {said[:_SHOWN]}" if said else "")
        rejection = Rejection(f"{self.host} {answered}", "", status, said)
        if status in _TEMPORARY and not rejection.too_long and code not in _FOREVER:
            return _Temporary(answered, _seconds(headers.get("retry-after", "")))
        if status in (401, 403):
            variable = servers.key_variable(self._base_url)
            rejection.hint = (
                f"put your key into {variable}, or into the keyring: keyring set semsearch {self.host}"
            )
        elif status in (404, 405) and not rejection.hint:
            rejection.hint = _IS_URL
        return rejection


_IS_URL = "see whether --base-url and the name of the model are right"


def in_flight(
    work: Callable[[_T, threading.Event], _R], items: Sequence[_T], workers: int
) -> Iterator[tuple[int, _R]]:
    """Yield each item's number and result as soon as it is there, with at most `workers` at a time.

    The first error is raised, and nothing more is begun then. The threads are daemons: neither an interruption nor the
    end of the process waits for a server. `work` gets an event that is set once nobody waits for its result.
    """
    stop = threading.Event()
    if len(items) == 1:
        yield 0, work(items[0], stop)
        return
    waiting: SimpleQueue[tuple[int, _T]] = SimpleQueue()
    done: SimpleQueue[tuple[int, _R] | BaseException] = SimpleQueue()
    for numbered in enumerate(items):
        waiting.put(numbered)

    def run() -> None:
        while not stop.is_set():
            try:
                at, item = waiting.get_nowait()
            except Empty:
                return
            try:
                done.put((at, work(item, stop)))
            except BaseException as error:
                done.put(error)
                return

    try:
        for _ in range(min(workers, len(items))):
            threading.Thread(target=run, name="semsearch-server", daemon=True).start()
        for _ in items:
            result = done.get()
            if isinstance(result, BaseException):
                raise result
            yield result
    finally:
        stop.set()


def _tls(base_url: str) -> ssl.SSLContext:
    """Return what verifies a server: the authorities of certifi and of this machine. Without https, none are read."""
    if not base_url.startswith("https:"):
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # redirects are not followed, so it is never used
    context = httpx.create_ssl_context(trust_env=False)
    context.load_default_certs()
    return context


def _proxy(base_url: str) -> str | None:
    """Return the user's proxy for a server. It sees only encrypted bytes, since none is used without https."""
    if not base_url.startswith("https:") or proxy_bypass(urlsplit(base_url).hostname or ""):
        return None
    return getproxies().get("https")


def _seconds(retry_after: str) -> float | None:
    """Return the seconds that a header `Retry-After` asks for, as a number or an HTTP date (RFC 9110, 10.2.3)."""
    if re.fullmatch(r"\d{1,9}(\.\d+)?", retry_after.strip()):
        return float(retry_after)
    try:
        until = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return max(0.0, (until - datetime.now(UTC)).total_seconds())


def _said(content: bytes) -> tuple[str, str]:
    """Return the message of an error in any of the forms that servers use, and its code."""
    text = content.decode("utf-8", "replace")
    try:
        answer: Any = load_json(text)
    except InvalidInput:
        return ("" if text.lstrip().startswith("<") else text), ""
    if isinstance(answer, dict) and isinstance(answer.get("status"), dict):
        answer = answer["status"]  # Qdrant
    error = answer.get("error", answer) if isinstance(answer, dict) else answer
    if isinstance(error, str) and isinstance(answer, dict) and isinstance(answer.get("message"), str):
        error = f"{error}: {answer['message']}"  # Chroma
    if isinstance(error, list) and error and isinstance(error[0], dict):
        error = error[0]  # Weaviate
    if isinstance(error, dict):
        message = error.get("message") or error.get("detail") or ""
        return message if isinstance(message, str) else str(message), str(error.get("code"))
    return str(error), ""


def _line(text: str, most: int | None = _SHOWN) -> str:
    """Return a server's words as one line without control characters."""
    return re.sub(r"[\x00-\x20\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]+", " ", text).strip()[
        :most
    ]
