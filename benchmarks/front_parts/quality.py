"""PSNR and SSIM on Y of a method, averaged over the photos of each set."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.front_parts.method import Enhance, Pixels, Sample
from kdsharp.color import luma_studio
from kdsharp.metrics import psnr, ssim

__all__ = ["Quality", "score_set"]


@dataclass(frozen=True)
class Quality:
    """Means over the photos of a set: PSNR in dB and SSIM, both on studio-range Y."""

    psnr: float
    ssim: float


def score_set(photos: Sequence[Sample], enhance: Enhance, scale: int) -> Quality:
    """The quality of `enhance`, averaged over `photos`.

    `scale` pixels at each border are left out, as the field does; `kdsharp.metrics.compare` gives
    the same two numbers, and takes five times as long because of those on RGB.
    """
    pairs = [(_inner(enhance(photo), scale), _inner(photo.truth, scale)) for photo in photos]
    scores = [(psnr(*pair), ssim(*pair)) for pair in pairs]
    return Quality(*map(float, np.mean(scores, axis=0)))


def _inner(picture: Pixels, border: int) -> npt.NDArray[np.float64]:
    return luma_studio(picture)[border:-border, border:-border]
