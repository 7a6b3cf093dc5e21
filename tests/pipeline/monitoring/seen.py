"""Made-up observations."""

import numpy as np

from kdsharp.observe.expect import Expected
from kdsharp.observe.record import Observation
from kdsharp.observe.statistics import FEATURES

NOW = 1_700_000_000.0


def make_seen(count, seed=0, when=NOW, gain=1.0, **shifted):
    """`count` of them, all features normal; `shifted` ones move by so many deviations."""
    random = np.random.default_rng(seed)
    return [
        Observation(
            when + i, "serve", 64, 48, "JPEG", 900, "small-x2", "0" * 12, "routed",
            {name: float(random.normal(shifted.get(name, 0))) for name in FEATURES},
            Expected(*(gain + float(random.normal(0, 0.3)) + edge for edge in (0, -1, 1))),
        )
        for i in range(count)
    ]  # fmt: skip
