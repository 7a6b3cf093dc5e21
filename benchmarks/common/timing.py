"""Milliseconds, taken in rounds: every cell has its turn in every round.

So a machine that grows slower or busier hits all cells alike, and their ratios stay true.
"""

import statistics
import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Cell", "Timing", "run_rounds", "summary"]

_CALLS = 5
_TURN_S = 0.1


@dataclass(frozen=True)
class Cell:
    """Something timed, by a key of its own; `prepare` loads it and gives one run of it."""

    key: Hashable
    prepare: Callable[[], Callable[[], object]]


@dataclass(frozen=True)
class Timing:
    """Of one cell, in milliseconds: median, quickest, and the quartiles around the median."""

    median: float
    least: float
    low: float
    high: float
    calls: int


def run_rounds(
    cells: Sequence[Cell], rounds: int, done: Callable[[int], None] = lambda _: None
) -> dict[Any, Timing]:
    """Time `cells` in `rounds` turns; each round begins one cell later than the last.

    A turn loads the model, calls it once without counting, because engines finish their work at the
    first call of a size, then once or more, up to five times, until a tenth of a second has passed,
    and drops it: only one model is in memory at a time, and no other one's threads are waiting.
    `done` hears how many rounds are done.
    """
    taken: dict[Hashable, list[float]] = {cell.key: [] for cell in cells}
    for number in range(rounds):
        start = number % max(len(cells), 1)
        for cell in (*cells[start:], *cells[:start]):
            taken[cell.key] += _turn(cell.prepare())
        done(number + 1)
    return {key: summary(seconds) for key, seconds in taken.items() if seconds}


def summary(seconds: Sequence[float]) -> Timing:
    """Median, least and quartiles of `seconds`, in milliseconds."""
    ms = [1000 * second for second in seconds]
    low, median, high = statistics.quantiles(ms, n=4, method="inclusive") if len(ms) > 1 else ms * 3
    return Timing(median, min(ms), low, high, len(ms))


def _turn(call: Callable[[], object]) -> list[float]:
    call()
    seconds = [_once(call)]
    while len(seconds) < _CALLS and sum(seconds) < _TURN_S:
        seconds.append(_once(call))
    return seconds


def _once(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began
