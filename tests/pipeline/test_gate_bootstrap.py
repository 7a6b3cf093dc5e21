import itertools

import numpy as np
import pytest

from pipeline.gate.bootstrap import interval, photo_means

scipy_stats = pytest.importorskip("scipy.stats")


def test_every_photo_weighs_the_same():
    photo = np.array([0, 0, 0, 1, 2, 2])
    assert photo_means(np.array([1, 2, 3, 10, 4, 6.0]), photo).tolist() == [2, 10, 5]
    assert interval(np.array([3, 3, 3, 9.0]), np.array([0, 0, 0, 1]), 0.95, 100, 1).mean == 6


@pytest.mark.parametrize("confidence", [0.5, 0.8, 0.9])
def test_it_is_what_drawing_every_combination_gives(confidence):
    """Of four photos there are 256 equally likely draws."""
    means = np.array([-0.31, 0.04, 0.11, 0.2])
    exact = [np.mean(draw) for draw in itertools.product(means, repeat=4)]
    tails = [(1 - confidence) / 2, (1 + confidence) / 2]
    low, high = np.quantile(exact, tails, method="inverted_cdf")
    found = interval(np.repeat(means, 5), np.repeat(np.arange(4), 5), confidence, 200_000, 1)
    assert found.mean == pytest.approx(means.mean())
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.004)


def test_it_is_what_scipy_gives():
    random = np.random.default_rng(5)
    means = random.normal(0.02, 0.1, 30)
    photo = np.repeat(np.arange(30), 4)
    inside = random.normal(0, 0.2, (30, 4))
    differences = (means[:, None] + inside - inside.mean(1, keepdims=True)).ravel()
    found = interval(differences, photo, 0.95, 40_000, 1)
    theirs = scipy_stats.bootstrap(
        (means,), np.mean, confidence_level=0.95, n_resamples=40_000, method="percentile", rng=2
    ).confidence_interval
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), abs=0.001)


def test_crops_of_one_photo_are_no_independent_evidence():
    random = np.random.default_rng(0)
    photo = np.repeat(np.arange(6), 20)
    differences = random.normal(0, 0.1, 6)[photo] + random.normal(0, 0.01, 120)
    whole = interval(differences, photo, 0.95, 4000, 1)
    crops = interval(differences, np.arange(120), 0.95, 4000, 1)
    assert whole.high - whole.low > 3 * (crops.high - crops.low)


def test_the_same_seed_gives_the_same_interval_however_many_are_drawn_at_once(monkeypatch):
    differences, photo = np.random.default_rng(0).normal(size=60), np.repeat(np.arange(20), 3)
    once = interval(differences, photo, 0.95, 1000, 7)
    monkeypatch.setattr("pipeline.gate.bootstrap._AT_ONCE", 64)
    assert interval(differences, photo, 0.95, 1000, 7) == once
    assert interval(differences, photo, 0.95, 1000, 8) != once


def test_of_a_single_photo_its_crops_are_drawn():
    differences = np.random.default_rng(0).normal(0, 0.1, 100)
    found = interval(differences, np.zeros(100, int), 0.95, 4000, 1)
    assert found.low < found.mean < found.high
    assert found.high - found.low == pytest.approx(4 * 0.01, rel=0.2)
