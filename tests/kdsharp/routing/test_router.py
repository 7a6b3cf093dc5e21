import dataclasses

import numpy as np
import pytest
from PIL import Image
from skimage import data

from kdsharp import Sharpener
from kdsharp.degrade import crop_to_multiple, degrade
from kdsharp.degrade.builtin import ROWS
from kdsharp.metrics import psnr
from kdsharp.routing.router import Choice, Router
from kdsharp.runtime.catalog import shipped_cards
from kdsharp.runtime.model import LoadedModel

HARM = 0.1  # dB


@pytest.fixture(scope="module")
def family():
    """The small models that ship."""
    return Sharpener(precision="fp32").router


@pytest.fixture(scope="module")
def photos():
    """Photos that scikit-image holds; of half the size, so that they are surely sharp."""
    found = [Image.fromarray(getattr(data, name)()) for name in ("astronaut", "coffee", "chelsea")]
    return [crop_to_multiple(p.reduce(2).convert("RGB"), 12) for p in found]


@pytest.fixture
def cards():
    """Of a model for each of three scales."""
    plain = shipped_cards()["nano-x2"]
    return {f"my {n}": dataclasses.replace(plain, scale=n) for n in (2, 3, 4)}


def test_each_is_loaded_when_it_is_needed_and_once(cards, luma_model):
    loaded, engine = [], Sharpener(luma_model).engine

    def load(name):
        loaded.append(name)
        return LoadedModel(engine)

    router = Router(cards, load)
    assert (list(router.cards), len(router), loaded) == (["my 2", "my 3", "my 4"], 3, [])
    assert router["my 3"] is router["my 3"]
    assert loaded == ["my 3"]
    assert router.first is router["my 2"]


def test_the_most_promising_is_taken(cards):
    router = Router(cards, lambda _: None)
    assert router.best({"my 2": 0.5, "my 3": 0.7, "other": 2.0}) == "my 3"
    assert router.best({"my 2": 0.5, "my 3": -1.0}) == "my 2"
    assert router.best({"my 2": 0.5, "my 3": 0.5}) == "my 2"
    assert router.best({"my 2": 0.04, "my 3": -1.0}) is None
    assert router.best({}) is None


def test_of_a_single_one_there_is_nothing_to_choose(cards, picture, monkeypatch):
    monkeypatch.setattr("kdsharp.routing.router.degradation_shares", None)
    router = Router({"my 2": cards["my 2"]}, lambda _: None)
    assert router.gains(picture) == {}
    assert router.choose(picture) == Choice(router.best({})) == Choice("my 2")


def test_what_is_sharp_is_left(family, photos):
    for photo in photos:
        pixels = np.asarray(photo)
        assert family.choose(pixels) is None
        assert family.choose(pixels.astype(np.uint16) * 257) is None
        assert family.choose(pixels[..., 1]) is None


def _done(single, low):
    out = np.empty_like(low)
    single.array(low, out)
    return out


@pytest.mark.parametrize("row", [row for row in ROWS if row != "sharp" and "video" not in row])
def test_what_is_chosen_does_good(family, photos, row):
    for photo in photos:
        low, high = np.asarray(degrade(photo, row, 2)), np.asarray(photo)
        choice = family.choose(low)
        done = _done(family.fitted(choice), low) if choice else low
        assert psnr(done, high) > psnr(low, high) - HARM


@pytest.mark.parametrize("shape", [(1, 1), (3, 5, 3), (31, 400, 3), (40, 40, 3), (65, 2000)])
def test_any_size_and_what_tells_nothing(family, shape):
    assert family.choose(np.full(shape, 128, np.uint8)) is None


def test_only_some_places_count(family, photos):
    """A photo that goes on plainly on all sides, as a sky or a wall would."""
    low = np.asarray(degrade(photos[0], "bicubic", 2))
    framed = np.pad(low, ((600, 600), (600, 600), (0, 0)), mode="edge")
    assert max(family.gains(framed).values()) > 0.3
