"""Ctrl-C and other signals that ask a process to end."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any

from semsearch.cli.language import tr


class Interruption(KeyboardInterrupt):
    """Ctrl-C, or another signal that asks the process to end. Its notes say what is stored (`add_note`)."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


@contextlib.contextmanager
def interruptible(*signals: signal.Signals) -> Iterator[threading.Event]:
    """Raise an `Interruption` for the signals, even where a library turns it into another exception.

    SQLite does, if the signal comes while it runs a function of ours: the index would be called damaged. Ray makes a
    plain KeyboardInterrupt of it, which does not know the signal. The event that is yielded is set by a signal, for a
    block that would go on if a library dropped the exception.
    """
    came = threading.Event()
    numbers: list[int] = []

    def handle(number: int, frame: Any) -> None:
        numbers.append(number)
        came.set()
        raise Interruption(number)

    if threading.current_thread() is not threading.main_thread():
        yield came
        return
    before = {number: signal.signal(number, handle) for number in signals}
    try:
        yield came
    except BaseException as error:
        if came.is_set() and not isinstance(error, Interruption):
            raise Interruption(numbers[0]) from error
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def ended_by_signals() -> Iterator[threading.Event]:
    """Let Ctrl-C and SIGTERM end the block, and report that. A write in progress is completed or undone as a whole."""
    from semsearch.cli import render

    with contextlib.suppress(KeyboardInterrupt), interruptible(signal.SIGINT, signal.SIGTERM) as came:
        yield came
    render.talk(tr("ended"))
