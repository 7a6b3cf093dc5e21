import numpy as np
import pytest
from PIL import Image
from skimage import data

from kdsharp import AutoSharpener, Sharpener
from kdsharp.auto import expected_gains
from kdsharp.degrade import crop_to_multiple, degrade
from kdsharp.degrade.builtin import ROWS
from kdsharp.kinds import gains_by_kind
from kdsharp.metrics import psnr

HARM = 0.1  # dB


@pytest.fixture(scope="module")
def family():
    """The small models that ship."""
    return AutoSharpener.of(precision="fp32")


@pytest.fixture(scope="module")
def photos():
    """Photos that scikit-image holds; of half the size, so that they are surely sharp."""
    found = [Image.fromarray(getattr(data, name)()) for name in ("astronaut", "coffee", "chelsea")]
    return [crop_to_multiple(p.reduce(2).convert("RGB"), 12) for p in found]


def test_each_is_loaded_when_it_is_needed_and_once(luma_model):
    loaded = []

    def load(name):
        loaded.append(name)
        return Sharpener(luma_model)

    auto = AutoSharpener({name: lambda name=name: load(name) for name in ("a-x2", "a-x3")})
    assert (list(auto), len(auto), loaded) == (["a-x2", "a-x3"], 2, [])
    assert auto["a-x3"] is auto["a-x3"]
    assert loaded == ["a-x3"]
    assert auto.first is auto["a-x2"]


def test_the_most_promising_is_taken():
    auto = AutoSharpener({"nano-x2": None, "nano-x2-blocky": None, "nano-x3": None})
    assert auto.best({"x2": 0.5, "x2-blocky": 0.7, "x4": 2.0}) == "nano-x2-blocky"
    assert auto.best({"x2": 0.5, "x3": -1.0}) == "nano-x2"
    assert auto.best({"x2": 0.04, "x3": -1.0}) is None
    assert auto.best({}) is None


def test_the_only_one_is_what_was_asked_for(luma_model, picture):
    sharpener = Sharpener(luma_model)
    auto = AutoSharpener.only(sharpener)
    assert auto[auto.choose(picture)] is sharpener
    assert auto[auto.best({})] is sharpener


def test_the_gains_of_all_that_ship_are_known(family):
    assert set(gains_by_kind()) == {name.removeprefix("small-") for name in family}


def test_what_is_sharp_is_left(family, photos):
    for photo in photos:
        pixels = np.asarray(photo)
        assert family.choose(pixels) is None
        assert family.choose(pixels.astype(np.uint16) * 257) is None
        assert family.choose(pixels[..., 1]) is None


@pytest.mark.parametrize("row", [row for row in ROWS if row != "sharp" and "video" not in row])
def test_what_is_chosen_does_good(family, photos, row):
    for photo in photos:
        low, high = np.asarray(degrade(photo, row, 2)), np.asarray(photo)
        name = family.choose(low)
        done = family[name].array(low) if name else low
        assert psnr(done, high) > psnr(low, high) - HARM


@pytest.mark.parametrize("shape", [(1, 1), (3, 5, 3), (31, 400, 3), (40, 40, 3), (65, 2000)])
def test_any_size_and_what_tells_nothing(family, shape):
    assert family.choose(np.full(shape, 128, np.uint8)) is None


def test_only_some_places_count(photos):
    """A photo that goes on plainly on all sides, as a sky or a wall would."""
    low = np.asarray(degrade(photos[0], "bicubic", 2))
    framed = np.pad(low, ((600, 600), (600, 600), (0, 0)), mode="edge")
    assert max(expected_gains(framed).values()) > 0.3
