"""How often `--scale auto` finds the scale: python benchmarks/blur.py PHOTOS [--fit].

PHOTOS is a folder of sharp photos. Each is degraded by bicubic x1, x2, x3 and x4, plain and as a
JPEG of quality 90 and 75, and the scale is measured. `--fit` prints the numbers of
`kdsharp/blur.py` as these photos would have them; count errors on other photos than those.
"""

import argparse
import io
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

# The folder of this file comes first otherwise, and in it `pipeline` is a benchmark.
sys.path[0] = str(Path(__file__).parents[1])

import numpy as np
from PIL import Image

from kdsharp.blur import FLOOR, SCALES, band_powers, measured_scale
from kdsharp.degrade import crop_to_multiple
from kdsharp.images import SUFFIXES, read_rgb

QUALITIES = (None, 90, 75)
LARGEST = 1200  # pixels a side: of larger photos the middle
RIDGE = 0.01  # of the covariance, so that bands that move together do not cancel
BETWEEN = (1.5, 2.5, 3.5)


def main() -> None:
    """Print one table for each way to store the photos, or the numbers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--fit", action="store_true")
    options = parser.parse_args()
    files = sorted(p for p in options.photos.rglob("*") if p.suffix.lower() in SUFFIXES)
    if options.fit:
        fit(files)
    else:
        count(files)


def count(files: list[Path]) -> None:
    """How often each scale was taken for each."""
    for quality in QUALITIES:
        print(f"{f'JPEG {quality}' if quality else 'plain'}, {len(files)} photos", end="")
        table(degraded(files, SCALES, quality))
    print("scales between, for which no model is made", end="")
    table(degraded(files, BETWEEN, None))


def table(pictures: Iterable[tuple[float, np.ndarray]]) -> None:
    """One row for each scale that was made, one column for each that was measured."""
    found = Counter((made, measured_scale(pixels)) for made, pixels in pictures)
    made_here = sorted({made for made, _ in found})
    if set(made_here) == set(SCALES):
        print(f": {sum(found[s, s] for s in SCALES) / found.total():.1%} right", end="")
    print("\n  made  " + " ".join(f"{f'x{scale}':>5}" for scale in SCALES))
    for made in made_here:
        print(f"  x{made:<5}" + " ".join(f"{found[made, scale]:5}" for scale in SCALES), flush=True)


def fit(files: list[Path]) -> None:
    """Fisher's linear discriminant of the bands, equal weight to each scale."""
    seen: dict[float, list[np.ndarray]] = {scale: [] for scale in SCALES}
    for quality in QUALITIES:
        for made, pixels in degraded(files, SCALES, quality):
            power = np.log10(band_powers(pixels) + FLOOR)
            seen[made].append(power[1:] - power[0])
    means = np.array([np.mean(seen[scale], axis=0) for scale in SCALES])
    spread = np.mean([np.cov(np.array(seen[scale]).T) for scale in SCALES], axis=0)
    weights = means @ np.linalg.inv(spread + RIDGE * np.eye(len(spread)))
    offsets = -0.5 * np.sum(weights * means, axis=1)
    for row in np.column_stack([weights, offsets]):
        print("[" + ", ".join(f"{value:.2f}" for value in row) + "],")


def degraded(
    files: list[Path], scales: Sequence[float], quality: int | None
) -> Iterator[tuple[float, np.ndarray]]:
    """Each photo at each scale, and the scale: `kdsharp.degrade.bicubic`, for any number."""
    for photo in opened(files):
        for scale in scales:
            size = round(photo.width / scale), round(photo.height / scale)
            small = photo.resize(size, Image.Resampling.BICUBIC)
            yield scale, stored(small.resize(photo.size, Image.Resampling.BICUBIC), quality)


def opened(files: list[Path]) -> Iterator[Image.Image]:
    """The photos, the middle of those that are large."""
    for file in files:
        photo = read_rgb(file)
        left, top = (max(side - LARGEST, 0) // 2 for side in photo.size)
        middle = photo.crop((left, top, photo.width - left, photo.height - top))
        yield crop_to_multiple(middle, 12)


def stored(image: Image.Image, quality: int | None) -> np.ndarray:
    """The pixels after a JPEG of `quality`."""
    if quality is None:
        return np.asarray(image)
    kept = io.BytesIO()
    image.save(kept, "JPEG", quality=quality)
    return np.asarray(Image.open(kept).convert("RGB"))


if __name__ == "__main__":
    main()
