"""Each number goes the way it should when a picture changes in one respect."""

import numpy as np
import pytest
from PIL import Image, ImageFilter
from skimage import data

from kdsharp.degrade import degrade
from kdsharp.observe.statistics import FEATURES, inputs, measure
from kdsharp.routing.classifier import degradations

PHOTO = Image.fromarray(data.astronaut()[:384, :384])


def of(image):
    return measure(np.asarray(image))


def toned(factor, channel=slice(None)):
    levels = np.array(PHOTO, np.float32)
    levels[..., channel] *= factor
    return np.clip(levels, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("worse", "feature", "more"),
    [
        (PHOTO.filter(ImageFilter.GaussianBlur(1.5)), "blur", True),
        (PHOTO.filter(ImageFilter.GaussianBlur(1.5)), "detail", False),
        (degrade(PHOTO, "native-noise", 2, 3), "noise", True),
        (degrade(PHOTO, "bicubic", 2), "grid", True),
        (degrade(PHOTO, "bicubic", 2), "enlarged", True),
        (toned(0.3), "light", False),
        (toned(0.3), "dark", True),
        (toned(0.5, 2), "warmth", True),
        (PHOTO.convert("L").convert("RGB"), "colour", False),
        (PHOTO.resize((96, 96)), "size", False),
    ],
)
def test_it_moves(worse, feature, more):
    before, after = of(PHOTO)[feature], of(worse)[feature]
    assert (after > before) if more else (after < before)


def test_blocks_are_those_of_jpeg():
    from kdsharp.degrade import known_recipe

    coarse = known_recipe("coarse", {"coarse": [{"jpeg": {"quality": 12}}]})
    assert of(degrade(PHOTO, coarse, 2))["blocks"] > of(PHOTO)["blocks"] + 0.3
    assert of(degrade(PHOTO, "bicubic", 2))["blocks"] < 0.3  # a grid of 2 is none


def test_names_and_shares():
    found = of(PHOTO)
    assert list(found) == [*FEATURES, *(f"as {name}" for name in degradations())]
    assert sum(v for n, v in found.items() if n.startswith("as ")) == pytest.approx(1, abs=0.01)
    assert len(inputs(found)) == len(found) - 1  # all but the size


def test_depth_and_grey_say_the_same():
    eight = np.asarray(PHOTO)
    assert measure(eight.astype(np.uint16) * 257) == pytest.approx(measure(eight), abs=0.02)
    assert measure(np.asarray(PHOTO.convert("L")))["colour"] == 0


@pytest.mark.parametrize("shape", [(1, 1, 3), (2, 40), (7, 9, 3)])
def test_tiny_and_flat_pictures_have_numbers(shape):
    assert all(np.isfinite(value) for value in measure(np.full(shape, 90, np.uint8)).values())
