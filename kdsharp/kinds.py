"""How a picture lost its quality, told by a tiny network from windows of it.

It gives each of `KINDS`, ways to lose quality, a share. `benchmarks/kinds.py` trains it, and
measures what the models that ship gain on each kind.
"""

import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kdsharp.color import luma

__all__ = [
    "COUNT",
    "DETAILED",
    "FILE",
    "GRAPH",
    "SIDE",
    "gains_by_kind",
    "kind_shares",
    "kinds",
    "windows",
]

GRAPH = Path(__file__).parent / "weights" / "kinds.onnx"
"""Windows (N, 1, `SIDE`, `SIDE`), levels of 255 -> shares of the kinds (kinds,)."""

FILE = GRAPH.with_suffix(".json")
"""{"kinds": [name, ...], "gains": {model: [dB for each kind]}}."""

SIDE = 64
"""Of a window, in pixels."""

DETAILED = 3 / 4
"""Of the windows that are looked at are the most detailed, and the rest the flattest."""

COUNT = 24
"""Windows that are looked at."""

_ACROSS = 8
_EVEN = 2  # windows begin on the grid of the enlarging


def kind_shares(picture: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """How likely each of `kinds` is, from 0 to 1; they sum up to 1.

    `picture` is RGB (H, W, 3) or grey (H, W), `uint8` or `uint16`. Looks at 64 windows at most, so
    that a large picture costs no more than a small one. One that shows nothing counts as sharp.
    """
    found = windows(picture, _ACROSS, COUNT)
    if np.ptp(found) == 0:
        return np.array([float(kind == "sharp") for kind in kinds()])
    return _network()(found)


def kinds() -> list[str]:
    """Their names, in the order of the shares."""
    return list(_known()["kinds"])


def gains_by_kind() -> Mapping[str, npt.NDArray[np.float64]]:
    """For each model what it gains on photos of each of `kinds`, in dB of Y-PSNR.

    Models are named without their size: `x2-blocky`. They were measured at size `small`.
    """
    return {name: np.array(gains) for name, gains in _known()["gains"].items()}


def windows(picture: npt.NDArray[Any], across: int, count: int) -> npt.NDArray[np.float32]:
    """(`count`, `SIDE`, `SIDE`), levels of 255: of a grid of windows those that tell most.

    `across` by `across` of them lie evenly over the luma of `picture`, a smaller one being
    mirrored. The most detailed come first, then the flattest; of a small picture some come twice.
    """
    height, width = picture.shape[:2]
    tops, lefts = (
        np.unique(np.linspace(0, max(side - SIDE, 0), across).astype(int) // _EVEN * _EVEN)
        for side in (height, width)
    )
    cut = [_levels(picture[y : y + SIDE, x : x + SIDE]) for y in tops for x in lefts]
    found = np.stack([_whole(window) for window in cut])
    steps = [np.abs(np.diff(found, axis=axis)).mean(axis=(1, 2)) for axis in (1, 2)]
    order = np.argsort(np.sum(steps, axis=0), kind="stable")
    most = round(count * DETAILED)
    return found[
        [*np.resize(order[::-1][:most], most), *np.resize(order[: count - most], count - most)]
    ]


def _levels(window: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    plane = luma(window) if window.ndim == 3 else window.astype(np.float32)
    return plane / np.float32(np.iinfo(window.dtype).max / 255)


def _whole(window: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    missing = [(0, SIDE - side) for side in window.shape]
    return np.pad(window, missing, mode="symmetric") if any(map(any, missing)) else window


@cache
def _network() -> Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float64]]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # other threads are at work on other photos
    session = onnxruntime.InferenceSession(GRAPH, options, providers=["CPUExecutionProvider"])

    def run(windows_NHW: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        (shares,) = session.run(None, {"windows": windows_NHW[:, None]})
        return np.asarray(shares, np.float64)

    return run


@cache
def _known() -> Mapping[str, Any]:
    known: Mapping[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return known
