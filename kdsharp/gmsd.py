"""A perceptual distance that needs no weights: gradient magnitude similarity deviation.

Source: Xue et al., "Gradient magnitude similarity deviation", IEEE TIP 2014.
"""

import numpy as np
import numpy.typing as npt

__all__ = ["gmsd"]

_C = 170.0  # the authors' constant, for planes in 0..255

Array = npt.NDArray[np.float64]


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
