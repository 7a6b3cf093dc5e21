"""A model with several sets of kernels, which are mixed for each picture into one.

A small network looks at windows of the picture and gives each set its share. The kernels are summed
by their shares, and what then runs is one plain model. `kdsharp/train/student/mixture.py` is the
same in training.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kdsharp.runtime.card import Mixture
from kdsharp.runtime.hardware import Fill, Infer, Kernels
from kdsharp.runtime.windows import Shares, looked_at, rounded

__all__ = ["Mixing", "load_mixing"]

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
    mixer, kernels = (_session(folder / part.file) for part in (mixture.mixer, mixture.kernels))
    names = [output.name for output in kernels.get_outputs()]

    def look(picture: npt.NDArray[Any]) -> Shares:
        return rounded(mixer.run(None, {"windows": looked_at(picture)})[0])

    @lru_cache(_KEPT)
    def fold(shares: Shares) -> Infer:
        summed = kernels.run(names, {"shares": np.array(shares, np.float32)})
        folded: Kernels = dict(zip(names, summed, strict=True))
        return fill(folded)

    return Mixing(look, fold)


def _session(path: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1  # other threads are at work on other photos
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
