"""Parsing in a process of its own, which a hostile file can exhaust, crash or hang without harm to this one.

One child serves file after file and is started when the first needs it. It is given bytes and answers in JSON, holds no
file or lock of its parent, and is replaced when it has died or had to be ended.
"""

import atexit
import contextlib
import json
import os
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import astuple
from pathlib import Path
from typing import Any, NamedTuple

from semsearch.errors import UnreadableSource
from semsearch.readers.parsing import Parsed, parse

SECONDS, SECONDS_A_MEGABYTE = 60, 10
"""How long a file may take: 70 s for one of a megabyte."""
MEMORY = 2**30
"""Address space of the child in bytes, where the system keeps to it: Linux does, macOS and Windows do not."""
MOST_TEXT = 50_000_000
"""Bytes of text that may come of a file, in UTF-8 with the places of its lines."""

_SIZE = struct.Struct(">Q")
_SERVE = "import sys; sys.path[:] = sys.argv[1:]; from semsearch.readers.sandbox import serve; serve()"


def parse_in_sandbox(suffix: str, content: bytes) -> Parsed:
    """`parse` within limits; UnreadableSource also where a file takes too long or too much, or kills the parser."""
    with _lock:
        return _child.parse(suffix, content)


class _Request(NamedTuple):
    """What the child is sent as a line of JSON before the `size` bytes of a file."""

    suffix: str
    size: int
    seconds: int
    memory: int
    most_text: int


class _Child:
    """The process, while there is one."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def parse(self, suffix: str, content: bytes) -> Parsed:
        seconds = SECONDS + SECONDS_A_MEGABYTE * len(content) // 10**6
        request = _Request(suffix, len(content), seconds, MEMORY, MOST_TEXT)
        process = self._running()
        done = False
        try:
            with _ending(process, seconds) as late:
                answer = _ask(process, json.dumps(request).encode() + b"\n" + content)
            done = answer is not None and not late.is_set() and not answer.get("spent")
            if answer is None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(1)  # so that it is not our own kill that is reported
        finally:
            if not done:  # interrupted, too
                self.stop()
        if answer is None:
            raise UnreadableSource(
                f"it takes more than {seconds} s to parse" if late.is_set() else _death(process.returncode)
            )
        if "error" in answer:
            raise UnreadableSource(answer["error"])
        text, unit, numbers, title, without = answer["parsed"]
        return Parsed(text, unit, tuple(numbers), title, tuple(map(tuple, without)))

    def _running(self) -> "subprocess.Popen[bytes]":
        if self._process is None or self._process.poll() is not None:
            self.stop()
            home = str(Path(__file__).parents[2])
            # -I and -S: neither the working directory nor the environment nor a sitecustomize has a say
            command = [sys.executable, "-I", "-S", "-c", _SERVE, *filter(None, sys.path), home]
            try:
                self._process = subprocess.Popen(
                    command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
                )
            except OSError as error:
                raise UnreadableSource(f"no process to parse it in: {error.strerror or error}") from error
        return self._process

    def stop(self) -> None:
        """End the process, if there is one."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                with contextlib.suppress(OSError):  # what it was not told any more
                    assert pipe is not None
                    pipe.close()


@contextlib.contextmanager
def _ending(process: "subprocess.Popen[bytes]", seconds: float) -> Iterator[threading.Event]:
    """Kill a process that is at work for longer than some seconds; the event tells."""
    late = threading.Event()

    def end() -> None:
        late.set()
        process.kill()

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield late
    finally:
        timer.cancel()
        timer.join()  # so that it does not fire into the next file


def _ask(process: "subprocess.Popen[bytes]", request: bytes) -> dict[str, Any] | None:
    """What the child answers; None where it dies instead, or says what it never should."""
    assert process.stdin is not None
    assert process.stdout is not None
    with contextlib.suppress(OSError, ValueError):
        process.stdin.write(request)
        process.stdin.flush()
        (size,) = _SIZE.unpack(process.stdout.read(_SIZE.size).rjust(_SIZE.size, b"\xff"))
        body = process.stdout.read(size) if size <= MOST_TEXT + 1000 else b""
        answer = json.loads(body)
        return answer if isinstance(answer, dict) else None
    return None


def _death(code: int) -> str:
    try:
        return f"it crashes the parser ({signal.Signals(-code).name})"
    except ValueError:
        return f"it crashes the parser (exit {code})"


_child, _lock = _Child(), threading.Lock()
atexit.register(lambda: _child.stop())


def _forked() -> None:
    """A process that was forked has a lock and a child of its own; the parent's goes on serving the parent."""
    global _child, _lock
    _child, _lock = _Child(), threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


# -- the child -----------------------------------------------------------------------------------------------------


def serve() -> None:
    """Answer requests on standard input until it ends. What a library prints goes nowhere."""
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent's business
    while line := requests.readline():
        request = _Request(*json.loads(line))
        _limit(request)
        answer = _answer(request, requests.read(request.size))
        answers.write(_SIZE.pack(len(answer)) + answer)
        answers.flush()


def _answer(request: _Request, content: bytes) -> bytes:
    """A line of JSON: what was `parsed`, or an `error`; after some the child is `spent`, since it holds too much."""
    try:
        answer = _json({"parsed": astuple(parse(request.suffix, content))})
    except UnreadableSource as error:
        return _json({"error": str(error)})
    except UnicodeError as error:
        return _json({"error": f"malformed text: {error}"})
    except MemoryError:
        return _json({"error": f"it takes more than {request.memory >> 20} MB to parse", "spent": True})
    if len(answer) > request.most_text:
        return _json({"error": f"it holds more than {request.most_text / 1e6:g} MB of text", "spent": True})
    return answer


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _limit(request: _Request) -> None:
    """Have the system stop this process, where it can: also when the parent is gone."""
    try:
        import resource
    except ImportError:  # Windows
        return
    spent = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
    limits = (
        (resource.RLIMIT_AS, request.memory),
        (resource.RLIMIT_CPU, int(spent) + request.seconds + 2),
        (resource.RLIMIT_CORE, 0),
    )
    for limit, value in limits:
        with contextlib.suppress(OSError, ValueError):  # a harder limit is there already
            resource.setrlimit(limit, (value, resource.getrlimit(limit)[1]))
