"""Luma: the one definition that training, the engine and the metrics share.

Two conventions are in use and they must not be mixed:

- `luma` is full range (JPEG's Y'CbCr, BT.601): what a luma network reads and writes.
- `luma_studio` is studio range, 16..235 of 255 (MATLAB's `rgb2ycbcr`): what the field's PSNR and
  SSIM on Y are computed on.
"""

import numpy as np
import numpy.typing as npt

__all__ = ["BT601", "luma", "luma_studio"]

BT601 = (0.299, 0.587, 0.114)
"""Weights of R, G and B in full-range luma, ITU-R BT.601."""


def luma(rgb: npt.NDArray[np.generic]) -> npt.NDArray[np.float32]:
    """Full-range BT.601 luma of `rgb` (..., 3), in the range of the input; shape (...)."""
    weights = np.asarray(BT601, dtype=np.float32)
    return np.asarray(rgb.astype(np.float32, copy=False) @ weights, dtype=np.float32)


def luma_studio(rgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """Studio-range BT.601 luma (16..235, not rounded) of 8-bit `rgb` (..., 3); shape (...)."""
    weights = np.asarray((65.481, 128.553, 24.966)) / 255.0
    return 16.0 + np.asarray(rgb, dtype=np.float64) @ weights
