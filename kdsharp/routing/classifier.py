"""How a picture lost its quality: a tiny network tells from windows of it.

It gives each of `degradations` a share. `benchmarks/classifier` trains it, and measures what the
models that ship gain on each.
"""

import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kdsharp.color import luma
from kdsharp.errors import UserError
from kdsharp.runtime.card import Card
from kdsharp.runtime.catalog import shipped_cards, size_of
from kdsharp.runtime.tiles import CORNER, Origin

__all__ = [
    "COUNT",
    "DETAILED",
    "FILE",
    "GRAPH",
    "MEASURE",
    "SIDE",
    "degradation_shares",
    "degradations",
    "gains_by_degradation",
    "windows",
]

GRAPH = Path(__file__).parents[1] / "weights" / "degradation_classifier.onnx"
"""Windows (N, 1, `SIDE`, `SIDE`), levels of 255 -> shares of the degradations (degradations,)."""

FILE = GRAPH.with_suffix(".json")
"""{"degradations": [name, ...], "size": of the models measured, "gains": [one a model]}, each
{"degradation", "scale", "sha256" of the model's file, "gains": [dB for each degradation]}.
"""

MEASURE = "python -m benchmarks.classifier --photos FOLDER --gains"
"""The command that measures the gains again."""

SIDE = 64
"""Of a window, in pixels."""

DETAILED = 3 / 4
"""Of the windows that are looked at are the most detailed, and the rest the flattest."""

COUNT = 24
"""Windows that are looked at."""

_ACROSS = 8
_EVEN = 2  # windows begin on the grid of the enlarging


def degradation_shares(
    picture: npt.NDArray[Any], origin: Origin = CORNER
) -> npt.NDArray[np.float64]:
    """How likely each of `degradations` is, from 0 to 1; they sum up to 1.

    `picture` is RGB (H, W, 3) or grey (H, W), `uint8` or `uint16`; if it was enlarged and then
    cropped, its grid begins at `origin`, and so does what is looked at: 64 windows at most, so
    that a large picture costs no more than a small one. One that shows nothing counts as sharp.
    """
    found = windows(picture[origin[0] :, origin[1] :], _ACROSS, COUNT)
    if np.ptp(found) == 0:
        return np.array([float(degradation == "sharp") for degradation in degradations()])
    return _network()(found)


def degradations() -> list[str]:
    """Their names, in the order of the shares."""
    return list(_known()["degradations"])


def gains_by_degradation(cards: Mapping[str, Card]) -> Mapping[str, npt.NDArray[np.float64]]:
    """For each model what it gains on photos of each of `degradations`, in dB of Y-PSNR.

    Models of one size were measured; what others gain that undo the same at the same scale differs
    little. Raises `UserError` if the table is older than a model in it, or lacks one of `cards`.
    """
    known = {(row["degradation"], row["scale"]): row for row in _known()["gains"]}
    measured = {n: c for n, c in shipped_cards().items() if size_of(c) == _known()["size"]}
    for name, card in {**measured, **cards}.items():
        row = known.get((card.degradation, card.scale))
        if row is None:
            raise UserError(f"{FILE}: has nothing on {name}: measure the gains again: {MEASURE}")
        if name in measured and row["sha256"] != measured[name].sha256:
            raise UserError(f"{FILE}: is older than {name}: measure the gains again: {MEASURE}")
    return {
        name: np.array(known[card.degradation, card.scale]["gains"]) for name, card in cards.items()
    }


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
