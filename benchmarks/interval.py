"""How often the interval of the gate holds the truth, and how often the bootstrap alone does.

    python -m benchmarks.interval
    python -m benchmarks.interval --comparisons 100 --photos 3 20   # a quick look

Equal models are simulated: the mean differences of photos spread by 0.05 dB, those of a photo's
crops by 0.05 dB more. The interval should hold 0 as often as its confidence says. Photos differ as
a normal distribution does, and then as a skewed one, the exponential.
"""

from collections.abc import Callable

import numpy as np

from benchmarks.common.command import parser_of
from kdsharp.tables import markdown
from pipeline.release.gate.interval import bootstrap, interval, photo_means

__all__ = ["held", "main"]

_CONFIDENCE, _RESAMPLES, _CROPS, _SPREAD = 0.95, 1000, 120, 0.05

Draw = Callable[[np.random.Generator, int], np.ndarray]
_SHAPES: tuple[Draw, ...] = (
    lambda random, count: random.normal(0, _SPREAD, count),
    lambda random, count: random.exponential(_SPREAD, count) - _SPREAD,
)


def held(draw: Draw, photos: int, comparisons: int) -> tuple[float, float]:
    """The shares of the comparisons in which the bootstrap, and the gate's interval, hold 0."""
    random, photo = np.random.default_rng(1), np.repeat(np.arange(photos), -(-_CROPS // photos))
    alone = both = 0
    for seed in range(comparisons):
        differences = draw(random, photos)[photo] + random.normal(0, _SPREAD, len(photo))
        means = photo_means(differences, photo)
        low, high = bootstrap(means, _CONFIDENCE, _RESAMPLES, seed)
        found = interval(differences, photo, _CONFIDENCE, _RESAMPLES, seed)
        alone += low <= 0 <= high
        both += found.low <= 0 <= found.high
    return alone / comparisons, both / comparisons


def main() -> None:
    """Print a table with a row for each number of photos."""
    parser = parser_of("interval", __doc__)
    parser.add_argument("--comparisons", type=int, default=2000, help="for each number of photos")
    parser.add_argument("--photos", type=int, nargs="+", default=[3, 5, 10, 20, 50, 100])
    chosen = parser.parse_args()
    rows = [
        [str(photos), *(f"{s:.1%}" for d in _SHAPES for s in held(d, photos, chosen.comparisons))]
        for photos in chosen.photos
    ]
    heads = ["photos", "bootstrap", "the gate's", "skewed: bootstrap", "the gate's"]
    print(markdown(heads, rows))


if __name__ == "__main__":
    main()
