"""Measure how long work takes, in a way that a busy machine does not upset."""

import time
from collections.abc import Callable


def seconds_of(work: Callable[[], object], bound: float) -> float:
    """Return the processor seconds that some work takes in this thread: of three tries the first below a bound.

    What other threads do does not count. Where no try stays below the bound, the least is returned.
    """
    least = float("inf")
    for _ in range(3):
        began = time.thread_time()
        work()
        least = min(least, time.thread_time() - began)
        if least < bound:
            break
    return least


def is_linear(work: Callable[[str], object], unit: str, size: int, floor: float) -> bool:
    """Tell if work on four times as long a text takes less than eight times as long, with a floor in seconds."""

    def seconds(characters: int, bound: float) -> float:
        text = unit * (characters // len(unit))
        return seconds_of(lambda: work(text), bound)

    bound = 8 * max(seconds(size // 4, floor), floor)
    return seconds(size, bound) < bound
