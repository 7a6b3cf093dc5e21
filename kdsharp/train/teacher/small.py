"""The small picture that an enlarged one was made from, back from its pixels.

Enlarging by bicubic, as Pillow does it, is one matrix for the columns and one for the rows, with a
rounding to 8 bit after each. It makes two to four values of one, so it can be undone: by least
squares, last axis first. The small picture had 8 bits as well, so rounding corrects most of what
the roundings did. What is left, and what it costs: docs/distil-your-upscaler.md.
"""

from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch

__all__ = ["enlarging", "small_picture"]

_A = -0.5  # of Keys' cubic convolution, as in Pillow
_REACH = 2


def small_picture(x_NCHW: torch.Tensor, scale: int) -> torch.Tensor:
    """(N, C, H, W) in [0, 1], enlarged `scale` times by bicubic -> (N, C, H / scale, W / scale).

    H and W are multiples of `scale`. RGB is taken to be of 8 bit, and comes back so; luma is a
    mixture of such and is not rounded. Near the sides of a crop, where enlarging saw more than the
    crop holds, a few pixels are less exact.
    """
    shrunk = x_NCHW
    for axis in (-2, -1):
        back = torch.from_numpy(_shrinking(x_NCHW.shape[axis] // scale, scale)).to(x_NCHW)
        shrunk = back @ shrunk if axis == -2 else shrunk @ back.T
        if x_NCHW.shape[1] == 3:
            shrunk = torch.round(shrunk * 255) / 255
        shrunk = shrunk.clamp(0, 1)
    return shrunk


def enlarging(count: int, scale: int) -> npt.NDArray[np.float64]:
    """The matrix (count * scale, count) that enlarges `count` pixels as Pillow's bicubic does."""
    centers = (np.arange(count * scale)[:, None] + 0.5) / scale
    places = np.arange(count) + 0.5
    weights = _cubic(np.abs(places - centers))
    # Beyond the borders there is nothing, and the rest counts more.
    return np.asarray(weights / weights.sum(1, keepdims=True))


def _cubic(distance: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    near = ((_A + 2) * distance - (_A + 3)) * distance**2 + 1
    far = _A * (((distance - 5) * distance + 8) * distance - 4)
    return np.where(distance < 1, near, np.where(distance < _REACH, far, 0.0))


@lru_cache(maxsize=64)
def _shrinking(count: int, scale: int) -> npt.NDArray[np.float32]:
    """What undoes `enlarging` with the least error."""
    return np.linalg.pinv(enlarging(count, scale)).astype(np.float32)
