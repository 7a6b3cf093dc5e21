"""What models gain on each of the degradations that routing tells apart."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from kdsharp.errors import UserError
from kdsharp.progress import Progress
from kdsharp.sharpening.sharpener import Sharpener
from pipeline.choice.parts import DEGRADATIONS, Part

__all__ = ["LARGEST", "WORST", "mean_gains", "measured", "psnr"]

LARGEST, WORST = 10.0, -9.0  # dB: gains count no more, and no less, so that no kind outweighs all
_BORDER = 2  # pixels at each edge that PSNR leaves out


def mean_gains(
    parts: Sequence[Part], models: Sequence[Sharpener], workers: int
) -> npt.NDArray[np.float64]:
    """(models, degradations): the mean gain in dB of Y-PSNR, each from `WORST` to `LARGEST`.

    Raises `UserError` if there is a degradation that no part has been through.
    """
    labels = np.array([part.label for part in parts])
    if missing := set(range(len(DEGRADATIONS))) - set(labels):
        raise UserError(
            f"no part is {list(DEGRADATIONS)[min(missing)]}: raise --parts from {len(parts)}"
        )
    gains = measured(parts, models, workers).clip(WORST, LARGEST)
    return np.array([gains[labels == label].mean(axis=0) for label in range(len(DEGRADATIONS))]).T


def measured(
    parts: Sequence[Part], models: Sequence[Sharpener], workers: int
) -> npt.NDArray[np.float64]:
    """(parts, models): gains in dB of Y-PSNR."""
    with Progress(len(parts), "Sharpening") as progress, ThreadPoolExecutor(workers) as pool:

        def gains(part: Part) -> list[float]:
            base = psnr(part.low, part.high)
            found = [psnr(one.array(part.low), part.high) - base for one in models]
            progress.step()
            return found

        return np.array(list(pool.map(gains, parts)))


def psnr(one: npt.NDArray[np.uint8], other: npt.NDArray[np.uint8]) -> float:
    """Of luma in studio range, in dB; at most 60, as of pictures that are the same."""
    inside = np.s_[_BORDER:-_BORDER, _BORDER:-_BORDER]
    step = (one[inside].astype(np.float64) - other[inside]) * 219 / 255
    return min(float(10 * np.log10(255**2 / max(float(np.mean(step**2)), 1e-9))), 60.0)
