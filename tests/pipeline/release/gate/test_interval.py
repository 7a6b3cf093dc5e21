import itertools

import numpy as np
import pytest

from pipeline.release.gate.interval import bootstrap, interval, photo_means, student_t

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
    found = bootstrap(means, confidence, 200_000, 1)
    assert found == pytest.approx((low, high), abs=0.004)


def test_the_bootstrap_is_what_scipy_gives():
    random = np.random.default_rng(5)
    means = random.normal(0.02, 0.1, 30)
    found = bootstrap(means, 0.95, 40_000, 1)
    theirs = scipy_stats.bootstrap(
        (means,), np.mean, confidence_level=0.95, n_resamples=40_000, method="percentile", rng=2
    ).confidence_interval
    assert found == pytest.approx((theirs.low, theirs.high), abs=0.001)


@pytest.mark.parametrize("count", [2, 3, 4, 5, 6, 10, 21, 100])
@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.95, 0.999])
def test_students_t_is_what_scipy_gives(count, confidence):
    values = np.random.default_rng(count).normal(0.1, 0.2, count)
    error = values.std(ddof=1) / np.sqrt(count)
    low, high = scipy_stats.t.interval(confidence, count - 1, values.mean(), error)
    assert student_t(values, confidence) == pytest.approx((high - low) / 2, rel=1e-9)
    assert student_t(values[:1], confidence) == 0


def test_the_wider_of_both_counts():
    values = np.random.default_rng(3).exponential(1, 12)
    photo = np.arange(12)
    found = interval(values, photo, 0.95, 4000, 1)
    (low, high), half = bootstrap(values, 0.95, 4000, 1), student_t(values, 0.95)
    assert found.low == min(low, values.mean() - half)
    assert found.high == max(high, values.mean() + half)


@pytest.mark.parametrize("photos", [3, 5, 10, 20])
def test_of_few_photos_it_holds_the_truth_as_often_as_it_says(photos):
    random, held, photo = np.random.default_rng(photos), 0, np.arange(photos)
    for seed in range(600):
        found = interval(random.normal(0, 0.05, photos), photo, 0.95, 200, seed)
        held += found.low <= 0 <= found.high
    assert held / 600 >= 0.93


def test_crops_of_one_photo_are_no_independent_evidence():
    random = np.random.default_rng(0)
    photo = np.repeat(np.arange(6), 20)
    differences = random.normal(0, 0.1, 6)[photo] + random.normal(0, 0.01, 120)
    whole = interval(differences, photo, 0.95, 4000, 1)
    crops = interval(differences, np.arange(120), 0.95, 4000, 1)
    assert whole.high - whole.low > 3 * (crops.high - crops.low)


def test_the_same_seed_gives_the_same_interval_however_many_are_drawn_at_once(monkeypatch):
    values = np.random.default_rng(0).normal(size=20)
    once = bootstrap(values, 0.95, 1000, 7)
    monkeypatch.setattr("pipeline.release.gate.interval._AT_ONCE", 64)
    assert bootstrap(values, 0.95, 1000, 7) == once
    assert bootstrap(values, 0.95, 1000, 8) != once


def test_of_a_single_photo_its_crops_are_drawn():
    differences = np.random.default_rng(0).normal(0, 0.1, 100)
    found = interval(differences, np.zeros(100, int), 0.95, 4000, 1)
    assert found.low < found.mean < found.high
    assert found.high - found.low == pytest.approx(4 * 0.01, rel=0.2)
