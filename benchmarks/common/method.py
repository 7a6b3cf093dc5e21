"""What is compared: one way to bring back detail, in one engine and precision."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

__all__ = ["Enhance", "Group", "Load", "Method", "Pixels", "Prepare", "Sample"]

Pixels = npt.NDArray[np.uint8]
"""(H, W, 3), 8-bit RGB."""

Group = Literal["ours", "peer"]


@dataclass(frozen=True)
class Sample:
    """A photo in three forms, all 8-bit RGB.

    `small` is `truth` shrunk by the scale, `low` is `small` enlarged again: what a network that
    enlarges gets, and what one that sharpens gets.
    """

    name: str
    truth: Pixels
    low: Pixels
    small: Pixels


Enhance = Callable[[Sample], Pixels]
"""What the method makes of a photo, of the shape of `truth`."""

Load = Callable[[], Enhance]
"""Loads what the method needs; its model is gone with the function that it returns."""

Prepare = Callable[[int, int, int], Callable[[], object]]
"""(threads, height, width of the output) -> a call that handles one plane of that size."""


@dataclass(frozen=True)
class Method:
    """One row of the tables.

    `parameters`, `macs_per_pixel` (of the output) and `size` (bytes of the model file) are None
    without a network. `load` None: its weights are random, and so would be its quality. `single`:
    runs on one thread whatever number is asked for.
    """

    name: str
    group: Group
    scale: int
    engine: str
    precision: str
    load: Load | None
    prepare: Prepare
    parameters: int | None = None
    macs_per_pixel: float | None = None
    size: int | None = None
    single: bool = False
