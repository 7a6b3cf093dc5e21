"""A photo's fingerprint, which survives resizing and recompression: the DCT perceptual hash.

Source: C. Zauner, "Implementation and benchmarking of perceptual image hash functions", 2010.
Measured on 445 photos of BSDS, Set5, Set14, B100, Urban100, Wikimedia Commons and scikit-image:
of 98,790 pairs none but the same scenes are closer than 14 of 64 bits. Of copies of 149 of
them at half size and JPEG quality 30 all are within 4 bits, of copies cropped by 1 % on each side
97 %, cropped by 3 % only 43 %.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["distances", "fingerprint"]

_SIDE = 32
_KEPT = 8
# Below this deviation (in levels of 0..255) the low frequencies of a picture are rounding noise.
# The plainest of the 445 photos has 2.0.
_PLAIN = 1.0


def _dct(kept: int, side: int) -> NDArray[np.float64]:
    """The first `kept` rows of the orthonormal DCT-II of length `side`."""
    angles = np.pi / side * np.outer(np.arange(kept), np.arange(side) + 0.5)
    rows: NDArray[np.float64] = np.cos(angles) * np.sqrt(2 / side)
    rows[0] /= np.sqrt(2)
    return rows


_ROWS = _dct(_KEPT, _SIDE)


def fingerprint(image: Image.Image) -> int | None:
    """64 bits: which of the 8x8 lowest frequencies of the luma are above their median.

    None for a plain picture (one colour, or noise alone): it has no structure to go by, and the
    fingerprints of all plain pictures would be alike.
    """
    # Floating point keeps what 8 bits would round away: smooth pictures would collide.
    small = image.convert("L").convert("F").resize((_SIDE, _SIDE), Image.Resampling.BOX)
    frequencies = _ROWS @ np.asarray(small, dtype=np.float64) @ _ROWS.T
    energy = float((frequencies**2).sum() - frequencies[0, 0] ** 2)
    if energy < (_PLAIN * _SIDE) ** 2:
        return None
    bits = (frequencies > np.median(frequencies)).ravel()
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def distances(one: int, others: Sequence[int]) -> NDArray[np.uint8]:
    """In how many of the 64 bits each of `others` differs from `one`."""
    different = np.asarray(others, dtype=np.uint64) ^ np.uint64(one)
    count: NDArray[np.uint8] = np.bitwise_count(different)
    return count
