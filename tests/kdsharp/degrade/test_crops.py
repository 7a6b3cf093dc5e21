import numpy as np
import pytest
from PIL import Image

from kdsharp.degrade import degrade, known_recipe
from kdsharp.degrade.crops import degraded_crops

PLACES = [(0, 0), (40, 60), (152, 252), (80, 2)]


@pytest.fixture(scope="module")
def image():
    """300x200, smooth waves with finer ones on top."""
    y, x = np.mgrid[0:200, 0:300]
    waves = [127 + 60 * np.sin(x / (9 + c)) * np.cos(y / 7) + 40 * np.sin(x + c) for c in range(3)]
    return Image.fromarray(np.stack(waves, axis=2).astype(np.uint8))


def test_what_draws_nothing_is_cut_from_the_whole(image):
    low, high = degraded_crops(image, PLACES, 48, known_recipe("jpeg60"), 2, [1])
    whole = np.asarray(degrade(image, "jpeg60", 2))
    for crop, truth, (y, x) in zip(low, high, PLACES, strict=True):
        np.testing.assert_array_equal(crop, whole[y : y + 48, x : x + 48])
        np.testing.assert_array_equal(truth, np.asarray(image)[y : y + 48, x : x + 48])


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("name", ["pil-bicubic", "area", "cubic", "lanczos"])
def test_a_window_gives_what_the_whole_gives(image, scale, name):
    """The recipe has something to draw, and yet it always draws the same."""
    size = tuple(side - side % scale for side in image.size)
    image = image.crop((0, 0, *size))
    always = known_recipe("mine", {"mine": {name: 1, "sharp": 1e-12}})
    assert always.random
    places = [(y - y % scale, x - x % scale) for y, x in PLACES]
    places[2] = tuple(side - 48 - (side - 48) % scale for side in size[::-1])
    for pair in zip(
        degraded_crops(image, places, 48, always, scale, [1]),
        degraded_crops(image, places, 48, known_recipe(name), scale, [1]),
        strict=True,
    ):
        np.testing.assert_array_equal(*pair)


def test_each_place_has_a_draw_of_its_own_that_the_others_do_not_change(image):
    recipe = known_recipe("robust")
    low, high = degraded_crops(image, [(40, 60)] * 6, 48, recipe, 2, [1])
    assert low.shape == high.shape == (6, 48, 48, 3)
    assert len({crop.tobytes() for crop in low}) > 3
    fewer, _ = degraded_crops(image, [(40, 60)] * 3, 48, recipe, 2, [1])
    np.testing.assert_array_equal(fewer, low[:3])
    other, _ = degraded_crops(image, [(40, 60)] * 6, 48, recipe, 2, [2])
    assert not np.array_equal(other, low)


def test_blocks_lie_anywhere(image):
    """JPEG's grid of 8 small pixels begins elsewhere for each crop of the same place."""
    recipe = known_recipe("mine", {"mine": {"jpeg30": 1, "sharp": 1e-12}})
    low, _ = degraded_crops(image, [(80, 120)] * 12, 48, recipe, 2, [1])
    assert len({crop.tobytes() for crop in low}) > 8


def test_the_grid_begins_anywhere_by_the_share_that_is_shifted(image):
    blocks = [
        {"blur": {"chance": 1e-9}},
        {"shrink": {"kernel": "area"}},
        {"enlarge": {"kernel": "area"}},
    ]
    recipe, places = known_recipe("blocks", {"blocks": blocks}), [(80, 100)] * 24

    def origins(crops):
        """Where blocks of 2x2 pixels begin."""
        steps = [[np.abs(np.diff(c.astype(int), axis=axis)) for axis in (0, 1)] for c in crops]
        return {(int(rows[::2].any()), int(columns[:, ::2].any())) for rows, columns in steps}

    steady, high = degraded_crops(image, places, 32, recipe, 2, [1])
    shifted, again = degraded_crops(image, places, 32, recipe, 2, [1], 1.0)
    np.testing.assert_array_equal(high, again)
    assert origins(steady) == {(0, 0)}
    assert origins(shifted) == {(0, 0), (0, 1), (1, 0), (1, 1)}
