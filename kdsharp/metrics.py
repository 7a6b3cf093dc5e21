"""PSNR and SSIM as the field reports them, equal to scikit-image to 1e-4, and GMSD.

On Y: studio-range BT.601 luma, `border` pixels left out on each side. On RGB: the whole frame.
Source of SSIM: Wang et al., "Image quality assessment", IEEE TIP 2004 (Gaussian window).
"""

import math

import numpy as np
import numpy.typing as npt

from kdsharp.color import luma_studio

__all__ = ["METRICS", "compare", "gmsd", "psnr", "ssim"]

METRICS = ("psnr_y", "ssim_y", "psnr_rgb", "ssim_rgb")
"""The keys of a row of results, in the order of the tables."""

_SIGMA, _RADIUS = 1.5, 5
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
# Rows at a time: what they need stays in the cache, and memory does not grow with the picture.
_STRIP = 32
# An identical pair has no finite PSNR; JSON has no infinity, and a mean must stay finite.
_PSNR_CAP = 100.0

Array = npt.NDArray[np.float64]

_C = 170.0  # the authors' constant, for planes in 0..255


def compare(
    output: npt.NDArray[np.uint8], truth: npt.NDArray[np.uint8], border: int
) -> dict[str, float]:
    """All four metrics of an 8-bit RGB `output` (H, W, 3) against `truth`.

    `border` pixels (by convention the scale) are left out on Y. Raises `ValueError` when the
    shapes differ or fewer than 11 pixels remain on a side.
    """
    if output.shape != truth.shape or output.ndim != 3 or output.shape[2] != 3:
        raise ValueError(f"need two (H, W, 3) pictures of one shape: {output.shape}, {truth.shape}")
    inner = (slice(border, -border or None),) * 2
    y_output, y_truth = luma_studio(output)[inner], luma_studio(truth)[inner]
    rgb_output, rgb_truth = output.astype(np.float64), truth.astype(np.float64)
    return {
        "psnr_y": psnr(y_output, y_truth),
        "ssim_y": ssim(y_output, y_truth),
        "psnr_rgb": psnr(rgb_output, rgb_truth),
        "ssim_rgb": float(np.mean([ssim(rgb_output[..., c], rgb_truth[..., c]) for c in range(3)])),
    }


def psnr(output: Array, truth: Array) -> float:
    """Peak signal-to-noise ratio in dB for values in 0..255, at most 100."""
    mse = float(np.mean((output - truth) ** 2))
    return min(_PSNR_CAP, 10 * math.log10(255**2 / mse)) if mse > 0 else _PSNR_CAP


def ssim(output: Array, truth: Array) -> float:
    """Mean structural similarity of two planes (H, W) in 0..255, Gaussian window 11x11.

    The mean is over the positions where the window lies within the picture.
    """
    if min(output.shape) <= 2 * _RADIUS:
        raise ValueError(f"SSIM needs at least 11 pixels on a side, not {output.shape}")
    rows = output.shape[0] - 2 * _RADIUS
    strips = [slice(top, top + _STRIP + 2 * _RADIUS) for top in range(0, rows, _STRIP)]
    total = math.fsum(_ssim_sum(output[strip], truth[strip]) for strip in strips)
    return float(total / (rows * (output.shape[1] - 2 * _RADIUS)))


def _ssim_sum(output: Array, truth: Array) -> float:
    """The sum of SSIM over the positions of a strip where the window fits."""
    mean_o, mean_t = _blur(output), _blur(truth)
    var_o = _blur(output * output) - mean_o * mean_o
    var_t = _blur(truth * truth) - mean_t * mean_t
    cov = _blur(output * truth) - mean_o * mean_t
    luminance = (2 * mean_o * mean_t + _C1) / (mean_o**2 + mean_t**2 + _C1)
    return float(np.sum(luminance * (2 * cov + _C2) / (var_o + var_t + _C2)))


def _blur(plane: Array) -> Array:
    """Gaussian-weighted mean at every position where the window fits: (H, W) -> (H-10, W-10)."""
    offsets = np.arange(-_RADIUS, _RADIUS + 1)
    weights = np.exp(-0.5 * (offsets / _SIGMA) ** 2)
    weights /= weights.sum()
    rows = plane.shape[0] - 2 * _RADIUS
    columns = plane.shape[1] - 2 * _RADIUS
    down = np.zeros((rows, plane.shape[1]))
    across = np.zeros((rows, columns))
    term = np.empty_like(down)
    for i, weight in enumerate(weights):
        down += np.multiply(plane[i : i + rows], weight, out=term)
    for i, weight in enumerate(weights):
        across += np.multiply(down[:, i : i + columns], weight, out=term[:, :columns])
    return across


def gmsd(output: Array, truth: Array) -> float:
    """Gradient magnitude similarity deviation of two planes (H, W) in 0..255: 0 is the same.

    How unevenly edges are weaker or stronger than in `truth`; full-range luma is meant. At half the
    size, with zeros beyond the border, as in the authors' program. Raises `ValueError` when the
    shapes differ or a side has fewer than 3 pixels.
    """
    if output.shape != truth.shape or min(output.shape) < 3:
        raise ValueError(f"GMSD needs two planes of 3x3 or more: {output.shape}, {truth.shape}")
    edges_o, edges_t = _edges(_halved(output)), _edges(_halved(truth))
    similar = (2 * edges_o * edges_t + _C) / (edges_o**2 + edges_t**2 + _C)
    return float(similar.std(ddof=1))


def _halved(plane: Array) -> Array:
    """Means of 2x2 pixels: (H, W) -> (ceil(H/2), ceil(W/2)), with zeros beyond the border."""
    even = np.pad(plane, [(0, side % 2) for side in plane.shape])
    return np.asarray(even[::2, ::2] + even[::2, 1::2] + even[1::2, ::2] + even[1::2, 1::2]) / 4


def _edges(plane: Array) -> Array:
    """The length of the gradient, by Prewitt's filters: (H, W) -> (H, W)."""
    wide = np.pad(plane, 1)
    across = wide[:, 2:] - wide[:, :-2]
    down = wide[2:] - wide[:-2]
    across = (across[:-2] + across[1:-1] + across[2:]) / 3
    down = (down[:, :-2] + down[:, 1:-1] + down[:, 2:]) / 3
    return np.hypot(across, down)
