"""What a retraining sees more of: what has risen in production, and never so much that all else is
forgotten."""

import dataclasses

import pytest

from kdsharp.degrade import known_recipe
from pipeline.monitoring.lost import lost, weighted_up
from pipeline.monitoring.pseudo import RECIPES
from tests.pipeline.monitoring.seen import make_seen


def seen(**shares):
    """Ten pictures with these shares of degradations; `_` in names stands for `-`."""
    named = {f"as {name.replace('_', '-')}": share for name, share in shares.items()}
    return [dataclasses.replace(one, statistics=one.statistics | named) for one in make_seen(10)]


def test_shares_are_by_recipe_and_the_largest_rise_comes_first():
    before = seen(bicubic=0.9, jpeg_40=0.1)
    found = lost(seen(bicubic=0.2, jpeg_40=0.3, jpeg_65=0.4, x3=0.1), before)
    assert next(iter(found)) == "jpeg-coarse"
    assert found["jpeg-coarse"] == pytest.approx((0.1, 0.7))
    assert found["enlarged-any"] == pytest.approx((0, 0.1))
    assert found["bicubic"] == pytest.approx((0.9, 0.2))
    assert "streamed" not in found


def test_every_recipe_can_be_trained_with():
    found = lost(seen(**{name.replace("-", "_"): 1 / len(RECIPES) for name in RECIPES}), seen())
    assert len(found) > 15
    assert all(known_recipe(name) for name in found)


def test_what_rose_is_weighted_up():
    found = {"noisy": (0.05, 0.25), "bicubic": (0.9, 0.7), "jpeg": (0.05, 0.08)}
    assert weighted_up(found, "bicubic", {}, 0.6) == {"noisy": 0.37}  # half as much again
    assert weighted_up(found, "noisy", {}, 0.6) == {}  # that is what it is for


def test_nothing_new_leaves_things_as_they_are():
    assert weighted_up({"noisy": (0.3, 0.32)}, "bicubic", {"jpeg": 0.2}, 0.6) == {"jpeg": 0.2}


def test_what_is_known_stays_and_the_sum_has_its_limit():
    found = {"noisy": (0.0, 0.6), "jpeg": (0.1, 0.2)}
    made = weighted_up(found, "bicubic", {"jpeg": 0.5, "webp": 0.1}, 0.6)
    assert set(made) == {"noisy", "jpeg", "webp"}
    assert made["noisy"] > made["jpeg"] > made["webp"] > 0
    assert 0.55 < sum(made.values()) <= 0.6
