"""How often it is seen where the grid of an enlarged picture begins, and what that is worth.

    python -m benchmarks.phase --photos DIR
    python -m benchmarks.phase --photos DIR DIR2 --count 10 --gains

Each photo is shrunk with Pillow's bicubic, enlarged again and cropped so that its grid begins at
each place there is; then it is stored, or not. `--gains` adds what `kdsharp sharpen` gains on
photos enlarged by 2, by the grid that it finds and from the corner; first stored small, then last.
"""

import io
import itertools
import time
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.common.command import log, parser_of
from benchmarks.common.method import Pixels
from benchmarks.common.photos import photos_in
from kdsharp.color import luma_studio
from kdsharp.degrade import crop_to_multiple, degrade
from kdsharp.errors import UserError, run
from kdsharp.imageio.decode import read_rgb
from kdsharp.metrics import psnr
from kdsharp.routing.phase import FACTORS, NO_STEPS, enlarged_from, squared_steps
from kdsharp.routing.router import Look, Router
from kdsharp.runtime.tiles import CORNER, Origin
from kdsharp.sharpening.sharpener import Sharpener
from kdsharp.tables import markdown

__all__ = ["gains", "main", "seen", "unenlarged"]

STORED: dict[str, int | None] = {"not": None, "JPEG 90": 90, "JPEG 60": 60}
"""How the enlarged picture is stored at the end, and the quality."""

_ROWS = {None: "pil-bicubic", 90: "jpeg90", 60: "jpeg60"}
_VERDICTS = ("told right", "from the corner, as if not looked at", "told wrong")
_LARGE = (3000, 4000, 3)  # 12 megapixels


def main() -> None:
    """Print the tables."""
    parser = parser_of("phase", __doc__)
    parser.add_argument("--photos", type=Path, nargs="+", required=True, help="folders")
    parser.add_argument("--count", type=int, help="of the photos of each folder, the first so many")
    parser.add_argument("--gains", action="store_true", help="measure what it is worth, too")
    parser.add_argument("--precision", choices=("fp32", "int8", "auto"), default="fp32")
    chosen = parser.parse_args()
    paths = [path for folder in chosen.photos for path in photos_in(folder)[: chosen.count]]
    if not paths:
        raise UserError(f"{chosen.photos[0]}: holds no photos")
    print(f"{len(paths)} photos.\n")
    print(seen(paths), unenlarged(paths), _speed(), sep="\n\n")
    if chosen.gains:
        print("\n" + gains(paths, Sharpener(precision=chosen.precision).router))


def seen(paths: Sequence[Path]) -> str:
    """How often the place where the grid begins is told, or kept in the corner, or told wrong."""
    rows = []
    for factor, (name, quality) in itertools.product(FACTORS, STORED.items()):
        log(f"enlarged by {factor}, stored: {name}")
        found = [
            _verdict(
                _stored(_cropped(_enlarged(path, factor, None)[0], origin, factor), quality),
                origin,
                factor,
            )
            for path in paths
            for origin in _places(factor)
        ]
        shares = [f"{found.count(what) / len(found):.1%}" for what in _VERDICTS]
        rows.append([str(factor), name, str(len(found)), *shares])
    return markdown(["enlarged by", "stored", "pictures", *_VERDICTS], rows)


def _verdict(picture: Pixels, origin: Origin, factor: int) -> str:
    told = enlarged_from(squared_steps(picture), factor)
    if told == origin:
        return _VERDICTS[0]
    return _VERDICTS[1 if told in (None, CORNER) else 2]


def unenlarged(paths: Sequence[Path]) -> str:
    """How often photos to which nothing was done look enlarged."""
    rows = []
    for name, quality in STORED.items():
        steps = [squared_steps(_stored(np.asarray(read_rgb(path)), quality)) for path in paths]
        told = [sum(enlarged_from(one, factor) is not None for one in steps) for factor in FACTORS]
        rows.append([name, str(len(paths)), *map(str, told)])
    return markdown(["not enlarged, stored", "photos", *(f"by {f}" for f in FACTORS)], rows)


def gains(paths: Sequence[Path], router: Router) -> str:
    """Y-PSNR (dB) over the input by where the grid begins, means over the photos."""
    rows = []
    for when, (name, quality) in itertools.product(("small", "last"), STORED.items()):
        if quality is None and when == "last":
            continue
        for origin in _places(2):
            log(f"stored {when}: {name}, the grid at {origin}")
            found = np.array([_gains(path, origin, quality, when, router) for path in paths])
            cells = [f"{gain:+.2f}" for gain in found.mean(axis=0)]
            stored = name if quality is None else f"{name} {when}"
            rows.append([stored, str(origin), *cells, f"{found.min(axis=0)[1]:+.2f}"])
    return markdown(["stored", "grid at", "from the corner", "as found", "the worst photo"], rows)


def _gains(
    path: Path, origin: Origin, quality: int | None, when: str, router: Router
) -> tuple[float, float]:
    low, high = _enlarged(path, 2, quality if when == "small" else None)
    low, high = (_cropped(one, origin, 2) for one in (low, high))
    low = _stored(low, quality if when == "last" else None)
    before = _psnr(low, high)
    corner = Look(router.gains(low, CORNER), NO_STEPS)
    done = [_sharp(router, low, look) for look in (corner, router.look(low))]
    return _psnr(done[0], high) - before, _psnr(done[1], high) - before


def _sharp(router: Router, low: Pixels, look: Look) -> Pixels:
    choice, done = router.choice(look), low.copy()
    if choice:
        router.fitted(choice).array(low, done)
    return done


@lru_cache(4)
def _enlarged(path: Path, factor: int, quality: int | None) -> tuple[Pixels, Pixels]:
    """The photo shrunk, stored and enlarged, and as it was."""
    high = crop_to_multiple(read_rgb(path), factor)
    return np.asarray(degrade(high, _ROWS[quality], factor)), np.asarray(high)


def _places(factor: int) -> Iterator[Origin]:
    return ((top, left) for top in range(factor) for left in range(factor))


def _cropped(picture: Pixels, origin: Origin, factor: int) -> Pixels:
    """So that the first whole cell begins at `origin`."""
    top, left = (-at % factor for at in origin)
    return picture[top:, left:]


def _stored(picture: Pixels, quality: int | None) -> Pixels:
    if quality is None:
        return picture
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=quality, subsampling="4:2:0")
    with Image.open(file) as opened:
        return np.asarray(opened.convert("RGB"))


def _psnr(output: Pixels, truth: Pixels) -> float:
    inner = (slice(2, -2),) * 2
    return psnr(luma_studio(output)[inner], luma_studio(truth)[inner])


def _speed() -> str:
    picture = np.random.default_rng(1).integers(0, 256, _LARGE, np.uint8)
    seconds = []
    for _ in range(20):
        start = time.perf_counter()
        squared_steps(picture)
        seconds.append(time.perf_counter() - start)
    return f"A look at 12 megapixels takes {np.median(seconds) * 1000:.1f} ms of one core."


if __name__ == "__main__":
    raise SystemExit(run(main, program="phase"))
