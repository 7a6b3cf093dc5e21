"""Whether frames are done as quickly as they come, and what is taken where they are not."""

from collections.abc import Callable
from dataclasses import dataclass

from kdsharp.routing.router import Routed

__all__ = ["Pace", "Slower"]

_FIRST = 5  # frames that are not counted: models are loaded and compiled for them
_FRAMES, _SECONDS = 24, 2.0  # after so many, and so much work, it is decided


@dataclass(frozen=True)
class Slower:
    """What to do where the processor is the limit.

    `quicker` loads smaller models, None where a model was named; `tell` is given one line.
    """

    quicker: Callable[[], Routed] | None
    tell: Callable[[str], object]


class Pace:
    """Watches the first seconds, and decides once.

    The decision depends on time, and so on the machine: it is for live video, and for files only
    where that is asked for.
    """

    def __init__(self, rate: float, slower: Slower) -> None:
        """`rate`: frames a second that there are to be."""
        self._rate, self._slower = rate, slower
        self._frames, self._seconds, self._decided = -_FIRST, 0.0, False

    def __call__(self, seconds: float) -> Routed | None:
        """Note how long a frame took; returns smaller models when it is time to take them."""
        if self._decided:
            return None
        self._frames += 1
        self._seconds += seconds if self._frames > 0 else 0.0
        if self._frames < _FRAMES or self._seconds < _SECONDS:
            return None
        self._decided = True
        reached = self._frames / self._seconds
        if reached >= self._rate:
            return None
        found = f"{reached:.0f} of {self._rate:.0f} frames a second can be sharpened here"
        if self._slower.quicker is None:
            self._slower.tell(f"{found}: a smaller model is quicker, such as --model nano-x2")
            return None
        quicker = self._slower.quicker()
        self._slower.tell(f"{found}: nano models are taken from now on")
        return quicker
