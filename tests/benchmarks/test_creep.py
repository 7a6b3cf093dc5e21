"""A year of small losses, played through the gate's own statistics."""

import numpy as np
import pytest

from benchmarks.creep import now, once, play
from tests.pipeline.release.gated import POLICY

QUICK = POLICY.model_copy(update={"resamples": 200})


def years(judge, loss, photos=20):
    return [play(judge, loss, photos, QUICK, seed) for seed in range(3)]


def test_small_losses_added_up():
    """What was wrong: each of them within the margin, half a decibel in a year."""
    found = years(once, 0.015)
    assert np.mean([year.promoted for year in found]) > 40
    assert np.mean([year.gained for year in found]) < -0.5


@pytest.mark.parametrize("loss", [0.015, 0.005])
def test_they_no_longer_do(loss):
    assert min(year.gained for year in years(now, loss)) > -0.05


def test_what_is_better_or_equal_still_gets_in():
    assert np.mean([year.gained for year in years(now, -0.02)]) > 0.9
    assert np.mean([year.promoted for year in years(now, 0.0)]) > 35
