"""What production sends, week by week: the usual source, and four drifts, one after another."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from benchmarks.monitor import SOURCES, Source
from kdsharp.degrade import degrade, known_recipe
from kdsharp.imageio.decode import read_rgb
from kdsharp.observe.statistics import measure
from kdsharp.runtime.hardware import cores
from pipeline.monitoring.measured import part_of

__all__ = ["REGIMES", "USUAL", "WEEKS", "Picture", "Regime", "pictures_of", "regime_of"]

WEEKS = 52
USUAL = SOURCES["the same source"]
_SHARE = 0.7  # of a drift's pictures; the others still come from the usual source
_SIDE = 256

_SOFT = Source(
    [
        {"blur": {"sigma": [0.8, 1.6]}},
        {"shrink": {"kernel": "bicubic"}},
        {"jpeg": {"quality": [78, 95]}},
        {"enlarge": {"kernel": "bicubic"}},
    ]
)


@dataclass(frozen=True)
class Regime:
    """From the week `begins` on, most pictures come from `source`."""

    name: str
    begins: int
    source: Source


REGIMES = (
    Regime("usual", 0, USUAL),
    Regime("stronger compression", 9, SOURCES["stronger compression"]),
    Regime("softer camera", 20, _SOFT),
    Regime("night", 31, SOURCES["night"]),
    Regime("scans", 42, SOURCES["scans"]),
)
"""In their order."""


@dataclass(frozen=True)
class Picture:
    """What was sent, its statistics, and the truth that only the benchmark knows."""

    low: Image.Image
    truth: Image.Image
    statistics: dict[str, float]

    @property
    def pixels(self) -> npt.NDArray[np.uint8]:
        """`low` as an array."""
        return np.asarray(self.low)


def regime_of(week: int) -> Regime:
    """The one of that week."""
    return [one for one in REGIMES if one.begins <= week][-1]


def pictures_of(week: int, photos: Sequence[Path], count: int) -> list[Picture]:
    """`count` parts of photos that are drawn anew each week, as production sends them."""
    random = np.random.default_rng([7, week])
    source = regime_of(week).source
    drawn = random.choice(len(photos), count, replace=len(photos) < count)
    new = random.random(count) < _SHARE
    seeds = random.integers(2**31, size=count)

    def one(index: int) -> Picture:
        own = np.random.default_rng(seeds[index])
        came = source if new[index] else USUAL
        truth = came.truth(part_of(read_rgb(photos[drawn[index]]), _SIDE, own))
        recipe = known_recipe("source", {"source": came.recipe})
        low = degrade(truth, recipe, 2, int(own.integers(2**31)))
        return Picture(low, truth, measure(np.asarray(low)))

    with ThreadPoolExecutor(cores()) as pool:
        return list(pool.map(one, range(count)))
