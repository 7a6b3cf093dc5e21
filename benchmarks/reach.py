"""How far from the sides of a patch a teacher's answer is that of the whole photo.

    python -m benchmarks.reach                       # models/teacher.safetensors, data/raw/val
    python -m benchmarks.reach --photos DIR --size 96

Prints, by the distance from the nearest side of the patch, the root mean square difference of both
answers in levels of luma (0..255).
"""

import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.common.command import parser_of
from benchmarks.common.photos import samples
from kdsharp.color import luma
from kdsharp.errors import UserError, run
from kdsharp.imageio.decode import SUFFIXES
from kdsharp.sharpening.sharpener import Sharpener
from kdsharp.train.engine import torch_engine
from kdsharp.train.teacher.network import load_teacher
from pipeline.params import load_params
from pipeline.paths import RAW, TEACHER

__all__ = ["DISTANCES", "by_distance", "main", "places"]

DISTANCES = (0, 2, 4, 8, 12, 16, 24, 32)


def main() -> None:
    """Compare the answers and print the table."""
    parser = parser_of("reach", __doc__)
    parser.add_argument("--teacher", type=Path, default=TEACHER)
    parser.add_argument("--photos", type=Path, default=RAW / "val", help="a folder of photos")
    parser.add_argument("--size", type=int, default=128, help="of the patches, in pixels")
    chosen = parser.parse_args()
    photos = sorted(p for p in chosen.photos.glob("*") if p.suffix.lower() in SUFFIXES)
    if not photos:
        raise UserError(f"{chosen.photos}: holds no photos")
    answer = Sharpener(engine=torch_engine(load_teacher(chosen.teacher))).array
    squares = np.zeros((len(DISTANCES), 2))
    for sample in samples(photos, load_params().degradation.scale):
        whole = luma(answer(sample.low))
        for top, left in places(whole.shape, chosen.size):
            window = np.s_[top : top + chosen.size, left : left + chosen.size]
            squares += by_distance(luma(answer(sample.low[window])) - whole[window])
    if not squares.any():
        raise UserError(f"{chosen.photos}: no photo has room for a patch of {chosen.size}")
    print("| pixels from the side | difference, levels |\n| --- | --- |")
    for distance, (total, count) in zip(DISTANCES, squares, strict=True):
        if count:  # a small patch has no pixels that far inside
            print(f"| {distance} | {np.sqrt(total / count):.3f} |")


def places(shape: tuple[int, ...], size: int) -> list[tuple[int, int]]:
    """Corners of patches beside each other, well inside the photo, on the teacher's grid."""
    inside = max(DISTANCES)
    tops, lefts = (range(inside, side - size - inside + 1, size) for side in shape)
    return [(top, left) for top in tops for left in lefts]


def by_distance(difference_HW: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """The sum of squares at each of `DISTANCES` from the nearest side, and how many pixels."""
    rows, columns = (np.minimum(np.arange(n), np.arange(n)[::-1]) for n in difference_HW.shape)
    nearest = np.minimum.outer(rows, columns)
    return np.array(
        [[np.square(difference_HW[nearest == d]).sum(), (nearest == d).sum()] for d in DISTANCES]
    )


if __name__ == "__main__":
    sys.exit(run(main, program="reach"))
