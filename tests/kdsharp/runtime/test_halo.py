"""Bounds by what lies around: no halo beside an edge, and thin detail may still gain contrast."""

import numpy as np
import pytest
from PIL import Image, ImageFilter

from benchmarks.crisp import edges
from kdsharp.runtime.catalog import SHIPPED
from kdsharp.runtime.crisp import CRISP, CrispModel
from kdsharp.runtime.engine import load_engine
from kdsharp.runtime.halo import REACH, without_halos
from kdsharp.runtime.model import LoadedModel


def sharpened(rgb):
    """A mask that overshoots much, bounded."""
    after = np.asarray(Image.fromarray(rgb).filter(ImageFilter.UnsharpMask(2, 300, 0)))
    return np.stack([without_halos(rgb[..., c], after[..., c].copy()) for c in range(3)], axis=2)


def test_nothing_overshoots_at_edges_of_any_angle_and_softness():
    assert edges(sharpened, 150, seed=3).max() == 0


def test_edges_get_steeper_and_lines_stronger():
    step = np.tile(np.repeat([60, 80, 140, 160], [8, 1, 1, 8]).astype(np.uint8), (20, 1))
    line = np.full((20, 20), 100, np.uint8)
    line[:, 10] = 120
    for plane, place, most in ((step, 9, 160), (line, 10, 140)):
        raised = np.full(plane.shape, 255, np.uint8)
        assert without_halos(plane, raised)[10, place] == most
    for plane, place, least in ((step, 8, 60), (255 - line, 10, 115)):
        assert without_halos(plane, np.zeros_like(plane))[10, place] == least


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_what_is_within_the_bounds_stays_and_they_look_no_further_than_they_say(dtype):
    random = np.random.default_rng(1)
    before = random.integers(0, 255, (30, 30)).astype(dtype)
    np.testing.assert_array_equal(without_halos(before, before.copy()), before)
    after = random.integers(0, 255, (30, 30)).astype(dtype)
    whole = without_halos(before, after.copy())
    part = np.s_[10 - REACH : 20 + REACH, 10 - REACH : 20 + REACH]
    inner = without_halos(before[part], after[part].copy())[REACH:-REACH, REACH:-REACH]
    np.testing.assert_array_equal(inner, whole[10:20, 10:20])


def test_the_network_that_ships_needs_it_and_keeps_to_it():
    engine = load_engine(SHIPPED / CRISP)
    assert engine.card.receptive_radius >= REACH
    found = {}
    for kind in (LoadedModel, CrispModel):
        single = kind(engine)

        def run(rgb, single=single):
            out = np.empty_like(rgb)
            single.array(rgb, out)
            return out

        found[kind] = edges(run, 60, seed=4)
    assert found[LoadedModel].mean() > 4
    assert found[CrispModel].max() < 2
