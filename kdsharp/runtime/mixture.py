"""A model with several sets of kernels, which are mixed for each picture into one.

A small network looks at windows of the picture and gives each set its share. The kernels are summed
by their shares, and what then runs is one plain model. `kdsharp/train/student/mixture.py` is the
same in training. In whole numbers mixtures are made beforehand, a code book of them, and a picture
gets the nearest.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kdsharp.runtime.card import Code, Mixture
from kdsharp.runtime.hardware import Fill, Infer, Kernels
from kdsharp.runtime.windows import Shares, looked_at, rounded

__all__ = ["Mixing", "load_code_book", "load_mixing", "nearest"]

_KEPT = 8  # mixtures that stay compiled


@dataclass(frozen=True)
class Mixing:
    """How a picture gets its mixture: `look` gives the shares, `fold` what runs with them.

    A picture is RGB (H, W, 3) or grey (H, W), `uint8` or `uint16`, or luma in [0, 1], `float32`.
    Both may be called from several threads at once.
    """

    look: Callable[[npt.NDArray[Any]], Shares]
    fold: Callable[[Shares], Infer]

    def whole(self, planes_NCHW: Any) -> Any:
        """Each picture of a batch (N, 1, H, W) by its own mixture; same shape and type."""
        runs = [self.fold(self.look(planes_CHW[0])) for planes_CHW in planes_NCHW]
        done = [run(p[None]) for run, p in zip(runs, planes_NCHW, strict=True)]
        return np.concatenate(done)


def load_mixing(folder: Path, mixture: Mixture, fill: Fill) -> Mixing:
    """The mixing of the model in `folder`; `fill` runs the model with other kernels."""
    kernels = _session(folder / mixture.kernels.file)
    names = [output.name for output in kernels.get_outputs()]

    @lru_cache(_KEPT)
    def fold(shares: Shares) -> Infer:
        summed = kernels.run(names, {"shares": np.array(shares, np.float32)})
        folded: Kernels = dict(zip(names, summed, strict=True))
        return fill(folded)

    return Mixing(_looking(folder, mixture), fold)


def load_code_book(folder: Path, mixture: Mixture, load: Callable[[Code], Infer]) -> Mixing:
    """The same in whole numbers: what runs is the nearest of the codes.

    `load` makes a code ready, which takes as long as a large photo: that is done when the first
    picture needs it, and the last few stay ready.
    """
    points = np.array([code.shares for code in mixture.codes])
    ready = lru_cache(_KEPT)(load)

    def fold(shares: Shares) -> Infer:
        return ready(mixture.codes[nearest(points, shares)])

    return Mixing(_looking(folder, mixture), fold)


def nearest(points: npt.NDArray[np.float64], shares: Shares) -> int:
    """Which row of `points` (codes, sets) is nearest to `shares`; of equals the first."""
    return int(np.argmin(np.sum((points - np.array(shares)) ** 2, axis=1)))


def _looking(folder: Path, mixture: Mixture) -> Callable[[npt.NDArray[Any]], Shares]:
    mixer = _session(folder / mixture.mixer.file)

    def look(picture: npt.NDArray[Any]) -> Shares:
        shares = mixer.run(None, {"windows": looked_at(picture)})[0]
        if shares.shape != (mixture.sets,):
            raise ValueError(f"it gives shares {shares.shape}, not those of {mixture.sets} sets")
        return rounded(shares)

    return look


def _session(path: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1  # other threads are at work on other photos
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
