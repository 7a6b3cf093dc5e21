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

from kdsharp.errors import UserError
from kdsharp.routing.evidence import LEAST_NOISE, is_drawn, noise_floor
from kdsharp.runtime.card import Card
from kdsharp.runtime.catalog import SHIPPED, members
from kdsharp.runtime.modelset import is_set, read_set
from kdsharp.runtime.tiles import CORNER, Origin
from kdsharp.runtime.windows import windows

__all__ = [
    "COUNT",
    "FILE",
    "GRAPH",
    "MEASURE",
    "degradation_shares",
    "degradations",
    "gains_by_degradation",
]

GRAPH = Path(__file__).parents[1] / "weights" / "degradation_classifier.onnx"
"""Windows (N, 1, 64, 64), levels of 255 -> shares of the degradations (degradations,)."""

FILE = GRAPH.with_suffix(".json")
"""{"degradations": [name, ...], "size": of the models measured, "gains": [one a model]}, each
{"degradation", "scale", "sha256" of the model's file, "gains": [dB for each degradation]}.
"""

MEASURE = "python -m benchmarks.classifier --photos FOLDER --gains"
"""The command that measures the gains again."""

COUNT = 24
"""Windows that are looked at."""

_ACROSS, _SHARP = 8, "sharp"


def degradation_shares(
    picture: npt.NDArray[Any], origin: Origin = CORNER
) -> npt.NDArray[np.float64]:
    """How likely each of `degradations` is, from 0 to 1; they sum up to 1.

    `picture` is RGB (H, W, 3) or grey (H, W), `uint8` or `uint16`; if it was enlarged and then
    cropped, its grid begins at `origin`, and so does what is looked at: 64 windows at most, so
    that a large picture costs no more than a small one. One that shows nothing counts as sharp, and
    so does what `kdsharp.routing.evidence` rules out.
    """
    found = windows(picture[origin[0] :, origin[1] :], _ACROSS, COUNT)
    names = degradations()
    sharp = np.array([float(name == _SHARP) for name in names])
    if np.ptp(found) == 0 or is_drawn(found):
        return sharp
    shares, floor = _network()(found), noise_floor(found)
    possible = np.array([LEAST_NOISE.get(name, 0.0) <= floor for name in names])
    return np.asarray(shares * possible + sharp * shares[~possible].sum(), np.float64)


def degradations() -> list[str]:
    """Their names, in the order of the shares."""
    return list(_known()["degradations"])


def gains_by_degradation(
    cards: Mapping[str, Card], folder: Path = SHIPPED
) -> Mapping[str, npt.NDArray[np.float64]]:
    """For each model what it gains on photos of each of `degradations`, in dB of Y-PSNR.

    A `folder` with a set has its own table. Of the models that ship those of one size were
    measured; what others gain that undo the same at the same scale differs little. Raises
    `UserError` if the table is older than a model in it, or lacks one of `cards`.
    """
    if is_set(folder):
        made = read_set(folder)
        made.checked(folder, cards, degradations())
        return {name: np.array(made.gains[name]) for name in cards}
    known = {(row["degradation"], row["scale"]): row for row in _known()["gains"]}
    measured = members(_known()["size"])
    for name, card in {**measured, **cards}.items():
        row = known.get((card.degradation, card.scale))
        if row is None:
            raise UserError(f"{FILE}: has nothing on {name}: measure the gains again: {MEASURE}")
        if name in measured and row["sha256"] != measured[name].sha256:
            raise UserError(f"{FILE}: is older than {name}: measure the gains again: {MEASURE}")
    return {
        name: np.array(known[card.degradation, card.scale]["gains"]) for name, card in cards.items()
    }


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
