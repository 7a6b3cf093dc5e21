"""How long it takes to find the near duplicates among many photos, by their perceptual hashes.

    python -m benchmarks.near
    python -m benchmarks.near --photos 1000    # a quick look

Hashes are made: each of the lowest 16 frequencies is above the median in three of four, as they are
in photos, which are more alike there. One in fifty is 2 bits from another.
"""

import time

import numpy as np

from benchmarks.common.command import parser_of
from kdsharp.tables import markdown
from pipeline.data.near import near_groups

__all__ = ["made_hashes", "main"]

_ALIKE = 0xF0F0F0F000000000  # 4x4 of 8x8, row by row
_TWINS = 50


def made_hashes(count: int) -> list[int]:
    """Of `count` pictures, one in fifty of which is near another."""
    random = np.random.default_rng(1)
    draw = (random.integers(0, 2**64, count, np.uint64, endpoint=False) for _ in range(2))
    one, other = draw
    bits = [int(b) for b in one | other & np.uint64(_ALIKE)]
    for twin in range(0, count - 1, _TWINS):
        bits[twin] = bits[twin + 1] ^ 0b11 << int(random.integers(62))
    return bits


def main() -> None:
    """Print a table with a row for each number of photos."""
    parser = parser_of("near", __doc__)
    parser.add_argument("--photos", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--distance", type=int, default=4, help="data.duplicate_distance")
    chosen = parser.parse_args()
    rows = []
    for photos in chosen.photos:
        hashes = made_hashes(photos)
        began, used = time.monotonic(), time.process_time()
        groups = near_groups(hashes, chosen.distance)
        took = f"{time.monotonic() - began:.1f} s", f"{time.process_time() - used:.1f} s"
        rows.append([f"{photos:,}", f"{photos - len(groups):,}", *took])
    print(markdown(["photos", "near duplicates", "time", "CPU"], rows))


if __name__ == "__main__":
    main()
