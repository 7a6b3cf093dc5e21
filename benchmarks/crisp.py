"""What `--crisp` does to edges, flat areas and photos, beside UnsharpMask and FFmpeg's cas.

    python -m benchmarks.crisp
    python -m benchmarks.crisp --photos DIR --seed 2 --crop 1   # others, cropped by a pixel

Edges are steps of any angle, height and softness (a Gaussian of 0 to 0.8 pixels), and flat areas
are grey with Gaussian noise of 1 to 6 levels, all drawn by the seed. A photo is as it is, for its
sharpness, and blurred by Gaussians of 0.5 and 0.7 pixels, for Y-PSNR. `--model FOLDER` measures a
network that is not shipped yet.
"""

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from benchmarks.common.command import log, parser_of
from benchmarks.common.photos import find_datasets, photos_in
from kdsharp.color import luma, luma_studio
from kdsharp.degrade.kernels import gaussian_blur
from kdsharp.errors import UserError, run
from kdsharp.imageio.decode import read_rgb
from kdsharp.metrics import psnr
from kdsharp.runtime.catalog import SHIPPED
from kdsharp.runtime.crisp import CRISP, CrispModel
from kdsharp.runtime.engine import load_engine
from kdsharp.runtime.model import LoadedModel
from kdsharp.tables import markdown

__all__ = ["edges", "flat_noise", "main", "photo_scores"]

Pixels = npt.NDArray[np.uint8]
"""RGB (H, W, 3)."""

Way = Callable[[Pixels], Pixels]

_SIDE, _FINE = 96, 4  # pixels a side of an edge's picture, and subpixels a side of each
_BORDER = 12  # pixels that are left out: what is beyond them is up to each way
_BLOCK, _SHARE = 16, 0.05  # of a photo's blocks so many are its flat areas: the smoothest
_BLURS = (0.5, 0.7)
_DRAWS = 120
_TICK = Fraction(1, 25)  # of the one frame that cas sees


def main() -> None:
    """Print a table of edges and flat areas, and one of photos."""
    parser = parser_of("crisp", __doc__)
    parser.add_argument("--photos", type=Path, help="a folder; by default Set14 of the shared data")
    parser.add_argument("--count", type=int, help="of the photos, the first so many")
    parser.add_argument("--crop", type=int, default=0, help="pixels, at the top and the left")
    parser.add_argument("--draws", type=int, default=_DRAWS, help="edges, and flat areas")
    parser.add_argument("--seed", type=int, default=1, help="of edges and flat areas")
    parser.add_argument("--model", type=Path, default=SHIPPED / CRISP, help="a model folder")
    parser.add_argument("--precision", choices=("fp32", "int8", "auto"), default="fp32")
    chosen = parser.parse_args()
    paths = _photos(chosen.photos)[: chosen.count]
    ways = _ways(chosen.model, chosen.precision)
    drawn = {name: _drawn(way, chosen.draws, chosen.seed) for name, way in ways.items()}
    print(f"{chosen.draws} edges and {chosen.draws} flat areas by seed {chosen.seed}.\n")
    print(markdown(["", "overshoot, mean", "overshoot, worst", "flat noise"], _rows(drawn)))
    photos = [read_rgb(path) for path in paths]
    crop = chosen.crop
    pixels = [np.ascontiguousarray(np.asarray(photo)[crop:, crop:]) for photo in photos]
    rows = {}
    for name, way in ways.items():
        log(f"photos: {name}")
        scores = np.array([photo_scores(way, rgb) for rgb in pixels])
        means, worst = scores.mean(axis=0), scores.min(axis=0)
        gains = [f"{means[i]:+.2f} ({worst[i]:+.2f})" for i in range(2, 2 + len(_BLURS))]
        rows[name] = [f"x{means[0]:.2f}", f"x{means[1]:.2f}", *gains]
    blurred = [f"gain at {sigma}, dB (worst)" for sigma in _BLURS]
    print(f"\n{len(paths)} photos, cropped by {crop}.\n")
    print(markdown(["", "sharpness", "noise of flat areas", *blurred], _rows(rows)))


def edges(way: Way, count: int, seed: int) -> npt.NDArray[Any]:
    """The overshoot at each of `count` steps, in percent of the step's height; never below 0."""
    random = np.random.default_rng(seed)
    return np.array([_overshoot(way, random) for _ in range(count)])


def flat_noise(way: Way, count: int, seed: int) -> float:
    """How many times the noise of flat areas is what it was: the mean over `count` of them."""
    random = np.random.default_rng(seed)
    ratios = []
    for _ in range(count):
        base, sigma = random.uniform(40, 215), random.uniform(1, 6)
        shape = (_SIDE, _SIDE, 3) if random.random() < 0.5 else (_SIDE, _SIDE, 1)
        noisy = np.clip(np.rint(random.normal(base, sigma, shape)), 0, 255).astype(np.uint8)
        noisy = np.ascontiguousarray(np.broadcast_to(noisy, (_SIDE, _SIDE, 3)))
        before, after = (luma(_inner(rgb)).std() for rgb in (noisy, way(noisy)))
        ratios.append(after / before)
    return float(np.mean(ratios))


def photo_scores(way: Way, rgb: Pixels) -> list[float]:
    """Sharpness and flat areas' noise, each as a ratio, and the gain in dB after each blur.

    Sharpness is the mean step between neighbouring pixels of luma.
    """
    before, after = luma(rgb), luma(way(rgb))
    scores = [_steps(after) / _steps(before), _flat_ratio(before, after)]
    truth = luma_studio(rgb)
    for sigma in _BLURS:
        blurred = np.asarray(gaussian_blur(Image.fromarray(rgb), sigma))
        scores.append(psnr(luma_studio(way(blurred)), truth) - psnr(luma_studio(blurred), truth))
    return scores


def _drawn(way: Way, count: int, seed: int) -> list[str]:
    found = edges(way, count, seed)
    noise = flat_noise(way, count, seed)
    return [f"{found.mean():.1f} %", f"{found.max():.1f} %", f"x{noise:.2f}"]


def _overshoot(way: Way, random: np.random.Generator) -> float:
    low, height = random.uniform(10, 90), random.uniform(60, 150)
    angle, shift = random.uniform(0, 2 * np.pi), random.uniform(-2, 2)
    places = (np.arange(_SIDE * _FINE) + 0.5) / _FINE - _SIDE / 2
    across = places[None] * np.cos(angle) + places[:, None] * np.sin(angle) - shift
    share = (across > 0).reshape(_SIDE, _FINE, _SIDE, _FINE).mean(axis=(1, 3))
    plane = np.rint(low + height * share).astype(np.uint8)
    image = Image.fromarray(np.repeat(plane[..., None], 3, axis=2))
    if (sigma := random.uniform(-0.2, 0.8)) > 0.1:
        image = gaussian_blur(image, sigma)
    before, after = (_inner(np.asarray(rgb)).astype(int) for rgb in (image, way(np.asarray(image))))
    beyond = max(after.max() - before.max(), before.min() - after.min(), 0)
    return float(100 * beyond / (int(before.max()) - int(before.min())))


def _inner(rgb: Pixels) -> Pixels:
    return rgb[_BORDER:-_BORDER, _BORDER:-_BORDER]


def _steps(plane: npt.NDArray[Any]) -> float:
    return float(sum(np.abs(np.diff(plane.astype(float), axis=axis)).mean() for axis in (0, 1)))


def _flat_ratio(before: npt.NDArray[Any], after: npt.NDArray[Any]) -> float:
    """The noise of the smoothest blocks that have any, after and before, as steps of pixels."""
    pairs = []
    height, width = (side // _BLOCK * _BLOCK for side in before.shape)
    for top in range(0, height, _BLOCK):
        for left in range(0, width, _BLOCK):
            place = np.s_[top : top + _BLOCK, left : left + _BLOCK]
            pairs.append((_steps(before[place]), _steps(after[place])))
    pairs = sorted(pair for pair in pairs if pair[0] > 0.5)[: max(int(_SHARE * len(pairs)), 1)]
    return float(np.mean([after / before for before, after in pairs])) if pairs else 1.0


def _ways(folder: Path, precision: str) -> Mapping[str, Way]:
    engine = load_engine(folder, precision=precision)

    def crisp(amount: float, bounded: bool = True) -> Way:
        single = (CrispModel if bounded else LoadedModel)(engine, amount)

        def run_it(rgb: Pixels) -> Pixels:
            out = np.empty_like(rgb)
            single.array(rgb, out)
            return out

        return run_it

    ways = {f"crisp {amount}": crisp(amount) for amount in (0.5, 1.0)}
    ways["the network alone, 1.0"] = crisp(1.0, bounded=False)
    for radius, percent in ((1, 80), (0.6, 80)):
        mask = ImageFilter.UnsharpMask(radius, percent, 0)
        ways[f"UnsharpMask({radius}, {percent})"] = _pillow(mask)
    return {**ways, **{f"cas {strength}": _cas(strength) for strength in (0.5, 1.0)}}


def _pillow(mask: ImageFilter.UnsharpMask) -> Way:
    return lambda rgb: np.asarray(Image.fromarray(rgb).filter(mask))


def _cas(strength: float) -> Way:
    import av

    def run_it(rgb: Pixels) -> Pixels:
        graph = av.filter.Graph()
        height, width = rgb.shape[:2]
        frame = av.VideoFrame.from_ndarray(rgb, "rgb24").reformat(format="gbrp")
        ends = (
            graph.add_buffer(width=width, height=height, format=frame.format, time_base=_TICK),
            graph.add("cas", f"strength={strength}"),
            graph.add("buffersink"),
        )
        graph.link_nodes(*ends).configure()
        ends[0].push(frame)
        pulled: Any = ends[-1].pull()
        return np.asarray(pulled.to_ndarray(format="rgb24"))

    return run_it


def _rows(found: Mapping[str, Sequence[str]]) -> list[list[str]]:
    return [[name, *cells] for name, cells in found.items()]


def _photos(folder: Path | None) -> Sequence[Path]:
    if folder is not None:
        if not (found := photos_in(folder)):
            raise UserError(f"{folder}: holds no photos")
        return found
    sets, _ = find_datasets(None)
    return sets.get("Set14") or next(iter(sets.values()))


if __name__ == "__main__":
    raise SystemExit(run(main, program="crisp"))
