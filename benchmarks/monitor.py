"""How often the monitor alarms when production has changed, and when it has not.

    python -m benchmarks.monitor --photos DIR
    python -m benchmarks.monitor --photos DIR --trials 20 --draws 1    # a quick look

Parts of the photos go through what a source of pictures does to them. In each trial half of the
photos are the week before, from the usual source, and others are now, from a source that may be
another one: no photo is on both sides. The truth is known here, so the gain that is expected
stands beside the one that is measured. The photos must not be those that the gain was fitted on.
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from benchmarks.common.command import log, parser_of
from kdsharp.degrade import degrade, known_recipe
from kdsharp.imageio.decode import read_rgb
from kdsharp.observe.expect import shipped_expects
from kdsharp.observe.record import Observation
from kdsharp.observe.statistics import measure
from kdsharp.runtime.hardware import cores
from kdsharp.sharpening.sharpener import Sharpener
from kdsharp.tables import markdown
from pipeline.monitoring.measured import gain_of, part_of, photos_in
from pipeline.monitoring.verdict import FEWEST, Evidence, Verdict, compared, judge

__all__ = ["SOURCES", "Pool", "Source", "main", "pool_of", "trial"]

_SIDE = 384  # of the parts
_STEP = 10  # pictures between two looks, for the delay


@dataclass(frozen=True)
class Source:
    """What makes a sharp part of a photo the truth of this source, and what is lost of it then."""

    recipe: list[dict[str, object]]
    truth: Callable[[Image.Image], Image.Image] = lambda part: part


@dataclass(frozen=True)
class Pool:
    """Pictures of one source: what was observed, the gain that was measured, and of which photo."""

    seen: Sequence[Observation]
    measured: np.ndarray
    photo: np.ndarray


def _small(*stored: dict[str, object]) -> list[dict[str, object]]:
    return [{"shrink": {"kernel": "bicubic"}}, *stored, {"enlarge": {"kernel": "bicubic"}}]


def _toned(light: float, gamma: float, warm: float = 1.0) -> Callable[[Image.Image], Image.Image]:
    def change(part: Image.Image) -> Image.Image:
        levels = (np.asarray(part, np.float32) / 255) ** gamma * light
        levels *= np.array([warm, 1.0, 1 / warm], np.float32)
        return Image.fromarray(np.clip(levels * 255 + 0.5, 0, 255).astype(np.uint8))

    return change


def _scanned(part: Image.Image) -> Image.Image:
    """A print on yellowed paper: soft, pale, its black grey, its white cream."""
    grey = np.asarray(part.convert("L").filter(ImageFilter.GaussianBlur(0.7)), np.float32) / 255
    paper = np.array([0.93, 0.89, 0.80], np.float32) - np.array([0.18, 0.16, 0.14], np.float32)
    levels = grey[..., None] * paper + np.array([0.18, 0.16, 0.14], np.float32)
    return Image.fromarray((levels * 255 + 0.5).astype(np.uint8))


def _jpeg(low: int, high: int) -> dict[str, object]:
    return {"jpeg": {"quality": [low, high]}}


SOURCES = {
    "the same source": Source(_small(_jpeg(78, 95))),
    "slightly stronger compression": Source(_small(_jpeg(65, 85))),
    "stronger compression": Source(_small(_jpeg(25, 50))),
    "another camera": Source(
        [{"blur": {"sigma": [0.8, 1.4]}}, {"noise": {"sigma": [3, 7]}}, _jpeg(80, 95)],
        _toned(1.0, 0.9, 1.08),
    ),
    "night": Source(
        [{"poisson": {"photons": [150, 500]}}, *_small(_jpeg(70, 90))], _toned(0.55, 1.6)
    ),
    "scans": Source([{"noise": {"sigma": [1, 3]}}, _jpeg(60, 80)], _scanned),
    "never enlarged": Source([_jpeg(85, 97)]),
    "all qualities of JPEG": Source(_small(_jpeg(25, 95))),
}
"""The first is the usual one; alarms about it are false."""


def pool_of(
    source: Source, photos: Sequence[Path], draws: int, sharpener: Sharpener, seed: int
) -> Pool:
    """`draws` parts of every photo, as `source` gives them; takes about 0.1 s each."""
    recipe, expects = known_recipe("source", {"source": source.recipe}), shipped_expects()

    def one(job: tuple[int, Path, int]) -> tuple[Observation, float, int]:
        number, path, draw = job
        random = np.random.default_rng([seed, number, draw])
        truth = source.truth(part_of(read_rgb(path), _SIDE, random))
        low = degrade(truth, recipe, 2, int(random.integers(2**31)))
        model, gain = gain_of(sharpener, low, truth)
        statistics = measure(np.asarray(low))
        version = sharpener.router.cards[model].sha256[:12] if model else ""
        expected = expects.of(statistics, model, version) if expects else None
        size = (low.width, low.height)
        seen = Observation(0, "folder", *size, "PNG", 0, model, version, "", statistics, expected)
        return seen, gain, number

    jobs = [(number, path, draw) for number, path in enumerate(photos) for draw in range(draws)]
    with ThreadPoolExecutor(cores()) as threads:
        seen, gains, numbers = zip(*threads.map(one, jobs), strict=True)
    return Pool(seen, np.array(gains), np.array(numbers))


def trial(usual: Pool, other: Pool, random: np.random.Generator) -> tuple[Verdict, int | None]:
    """The verdict on all of them, and after how many pictures there was an alarm; None: never."""
    photos = random.permutation(np.unique(usual.photo))
    half = len(photos) // 2
    before = _of(usual, photos[:half], random)
    now = _of(other, photos[half : 2 * half], random)
    verdict, first = _judged(now, before), None
    if verdict.alarms:
        sizes = [*range(FEWEST, len(now), _STEP), len(now)]
        first = next(count for count in sizes if _judged(now[:count], before).alarms)
    return verdict, first


def _of(pool: Pool, photos: np.ndarray, random: np.random.Generator) -> list[Observation]:
    return [pool.seen[i] for i in random.permutation(np.flatnonzero(np.isin(pool.photo, photos)))]


def _judged(now: Sequence[Observation], before: Sequence[Observation]) -> Verdict:
    drift, change = compared(now, before)
    return judge(Evidence(len(now), len(before), "the week before", change, None, drift))


def _row(name: str, usual: Pool, other: Pool, trials: int) -> list[str]:
    random = np.random.default_rng(1)
    found = [trial(usual, other, random) for _ in range(trials)]
    alarms = [first for _, first in found if first is not None]
    falling = np.mean([verdict.verdict == "falling" for verdict, _ in found])
    watch = np.mean([verdict.verdict == "watch" for verdict, _ in found])
    expected = np.mean([one.expected.gain for one in other.seen if one.expected])
    return [
        name,
        f"{len(alarms) / trials:.1%}",
        f"{falling:.1%}",
        f"{watch:.1%}",
        f"{np.median(alarms):.0f}" if alarms else "never",
        f"{expected:+.2f}",
        f"{other.measured.mean():+.2f}",
    ]


def _cost(photos: Sequence[Path]) -> str:
    pictures = [np.asarray(read_rgb(path)) for path in photos[:20]]
    measure(pictures[0])
    times = []
    for picture in pictures:
        start = time.perf_counter()
        measure(picture)
        times.append(time.perf_counter() - start)
    pixels = np.median([p.shape[0] * p.shape[1] for p in pictures]) / 1e6
    return f"A picture of {pixels:.2f} megapixels costs {1e3 * np.median(times):.0f} ms of one core"


def main() -> None:
    """Print a table: a row for each source."""
    parser = parser_of("monitor", __doc__)
    parser.add_argument("--photos", type=Path, required=True, help="a folder of sharp photos")
    parser.add_argument("--trials", type=int, default=200, help="for each row")
    parser.add_argument("--draws", type=int, default=2, help="parts of each photo")
    chosen = parser.parse_args()
    photos = photos_in(chosen.photos)
    sharpener = Sharpener(engine="onnxruntime", threads=1, precision="fp32")
    pools = dict[str, Pool]()
    for name, source in SOURCES.items():
        log(f"making the pictures of: {name}")
        pools[name] = pool_of(source, photos, chosen.draws, sharpener, len(pools))
    usual = next(iter(pools.values()))
    rows = [_row(name, usual, pool, chosen.trials) for name, pool in pools.items()]
    count = len(photos) // 2 * chosen.draws
    heads = ["now", "alarms", "falling", "watch", "pictures until", "expected dB", "measured dB"]
    print(markdown(heads, rows))
    print(f"\n{count} pictures on each side, {chosen.trials} trials a row.", _cost(photos), sep=" ")


if __name__ == "__main__":
    main()
