"""Parse files in a separate process, so a hostile file that exhausts, crashes or hangs it does no harm to this one.

One child serves file after file, and is started for the first. It receives bytes and answers in JSON, and has no file
or lock of its parent. It is replaced if it dies or has to be killed.
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
from collections.abc import Iterator, Sequence
from dataclasses import astuple
from itertools import starmap
from pathlib import Path
from typing import Any, NamedTuple

from semsearch.errors import MissingExtra, UnreadableSource
from semsearch.readers.parsed import Parsed
from semsearch.readers.parsing import parse
from semsearch.types import Definition, Unit

SECONDS, SECONDS_A_MEGABYTE = 60, 10
"""The time limit of a file: 70 s for a file of one megabyte."""
MEMORY = 2**30
"""The child's limit of address space in bytes. Linux enforces it; macOS and Windows do not."""
MOST_TEXT = 50_000_000
"""The most bytes of text that a file may have, in UTF-8 and with the places of its lines."""

_SIZE = struct.Struct(">Q")
_SERVE = "import sys; sys.path[:] = sys.argv[1:]; from semsearch.readers.sandbox import serve; serve()"


def parse_in_sandbox(suffix: str, content: bytes, columns: Sequence[str] = ()) -> list[Parsed]:
    """Return all that `parse` yields, within limits.

    Raises `UnreadableSource` also if a file exceeds the time or memory limit, or crashes the parser.
    """
    with _lock:
        return _child.parse(suffix, content, columns)


class _Request(NamedTuple):
    """The line of JSON that the child receives before the `size` bytes of a file."""

    suffix: str
    columns: Sequence[str]
    size: int
    seconds: int
    memory: int
    most_text: int


class _Child:
    """The child process, which is started when it is needed."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def parse(self, suffix: str, content: bytes, columns: Sequence[str]) -> list[Parsed]:
        seconds = SECONDS + SECONDS_A_MEGABYTE * len(content) // 10**6
        request = _Request(suffix, columns, len(content), seconds, MEMORY, MOST_TEXT)
        process = self._running()
        done = False
        try:
            with _ending(process, seconds) as late:
                answer = _ask(process, json.dumps(request).encode() + b"\n" + content)
            done = answer is not None and not late.is_set() and not answer.get("spent")
            if answer is None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(1)  # to report how the child died, and not our kill
        finally:
            if not done:  # also after an interrupt
                self.stop()
        if answer is None:
            raise UnreadableSource(
                f"it takes more than {seconds} s to parse" if late.is_set() else _death(process.returncode)
            )
        if "missing" in answer:
            raise MissingExtra(*answer["missing"])
        if "error" in answer:
            raise UnreadableSource(answer["error"])
        return list(starmap(_parsed, answer["parsed"]))

    def _running(self) -> "subprocess.Popen[bytes]":
        if self._process is None or self._process.poll() is not None:
            self.stop()
            home = str(Path(__file__).parents[2])
            # -I and -S: the working directory, the environment and sitecustomize have no effect
            command = [sys.executable, "-I", "-S", "-c", _SERVE, *filter(None, sys.path), home]
            try:
                self._process = subprocess.Popen(
                    command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
                )
            except OSError as error:
                raise UnreadableSource(f"no process to parse it in: {error.strerror or error}") from error
        return self._process

    def stop(self) -> None:
        """Kill the process, if there is one."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                with contextlib.suppress(OSError):  # bytes that were not sent
                    assert pipe is not None
                    pipe.close()


@contextlib.contextmanager
def _ending(process: "subprocess.Popen[bytes]", seconds: float) -> Iterator[threading.Event]:
    """Kill a process if the block takes longer than some seconds, and set the event that is yielded."""
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
        timer.join()  # so it cannot kill the child during the next file


def _ask(process: "subprocess.Popen[bytes]", request: bytes) -> dict[str, Any] | None:
    """Return the child's answer, or None if it dies or sends anything else."""
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


def _parsed(
    text: str,
    unit: Unit,
    numbers: list[int],
    title: str,
    without: Any,
    part: str,
    metadata: dict[str, Any],
    values: dict[str, Any] | None,
    outline: Any,
) -> Parsed:
    """Return a text as the child had it: JSON has lists where it had tuples."""
    fields = {name: tuple(value) if isinstance(value, list) else value for name, value in metadata.items()}
    definitions = tuple(Definition(first, last, tuple(path), whole) for first, last, path, whole in outline)
    places = tuple(map(tuple, without))
    return Parsed(text, unit, tuple(numbers), title, places, part, fields, values, definitions)


def _death(code: int) -> str:
    try:
        return f"it crashes the parser ({signal.Signals(-code).name})"
    except ValueError:
        return f"it crashes the parser (exit {code})"


_child, _lock = _Child(), threading.Lock()
atexit.register(lambda: _child.stop())


def _forked() -> None:
    """Give a forked process a new lock and child; the old child continues to serve the parent."""
    global _child, _lock
    _child, _lock = _Child(), threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


# -- the child -----------------------------------------------------------------------------------------------------


def serve() -> None:
    """Answer requests from standard input until it ends. The output of libraries is discarded."""
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles it
    while line := requests.readline():
        request = _Request(*json.loads(line))
        _limit(request)
        answer = _answer(request, requests.read(request.size))
        answers.write(_SIZE.pack(len(answer)) + answer)
        answers.flush()


def _answer(request: _Request, content: bytes) -> bytes:
    """Return a line of JSON: what was `parsed`, or an `error`. A `spent` child uses too much memory to continue."""
    try:
        texts, size = [], 0
        for one in parse(request.suffix, content, request.columns):
            size += len(one.text)
            if size > request.most_text:
                break
            texts.append(astuple(one))
        answer = _json({"parsed": texts}) if size <= request.most_text else b""
    except MissingExtra as error:
        return _json({"missing": [str(error), error.hint]})
    except UnreadableSource as error:
        return _json({"error": str(error)})
    except UnicodeError as error:
        return _json({"error": f"malformed text: {error}"})
    except MemoryError:
        return _json({"error": f"it takes more than {request.memory >> 20} MB to parse", "spent": True})
    if not 0 < len(answer) <= request.most_text:
        return _json({"error": f"it holds more than {request.most_text / 1e6:g} MB of text", "spent": True})
    return answer


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _limit(request: _Request) -> None:
    """Let the system limit this process, where it can, even after the parent has died."""
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
        with contextlib.suppress(OSError, ValueError):  # a stricter limit is set already
            resource.setrlimit(limit, (value, resource.getrlimit(limit)[1]))
