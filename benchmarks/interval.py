"""How often the interval of the gate holds the truth: python benchmarks/interval.py.

Equal models are simulated: the mean differences of photos spread by 0.05 dB, those of a photo's
crops by 0.05 dB more. The interval should hold 0 as often as its confidence says.
"""

import sys
from pathlib import Path

# The folder of this file comes first otherwise, and in it `pipeline` is a benchmark.
sys.path[0] = str(Path(__file__).parents[1])

import numpy as np

from pipeline.gate.bootstrap import interval

CONFIDENCE, RESAMPLES, COMPARISONS, CROPS = 0.95, 1000, 2000, 120


def main() -> None:
    """Print one line for each number of photos."""
    random = np.random.default_rng(1)
    for photos in (3, 5, 10, 20, 50, 100):
        photo = np.repeat(np.arange(photos), -(-CROPS // photos))
        held = 0
        for seed in range(COMPARISONS):
            differences = random.normal(0, 0.05, photos)[photo] + random.normal(0, 0.05, len(photo))
            found = interval(differences, photo, CONFIDENCE, RESAMPLES, seed)
            held += found.low <= 0 <= found.high
        print(f"{photos:3} photos: {held / COMPARISONS:.0%}", flush=True)


if __name__ == "__main__":
    main()
