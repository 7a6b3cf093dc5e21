import io
import itertools
import time

import numpy as np
import pytest
from PIL import Image
from skimage import data

from kdsharp.degrade import crop_to_multiple, degrade
from kdsharp.routing.phase import FACTORS, NO_STEPS, enlarged_from, squared_steps


@pytest.fixture(scope="module")
def photos():
    """Of half the size, so that they are surely sharp."""
    found = [Image.fromarray(getattr(data, name)()) for name in ("astronaut", "coffee", "chelsea")]
    return [crop_to_multiple(photo.reduce(2).convert("RGB"), 12) for photo in found]


def cropped(picture, origin, factor):
    top, left = (-at % factor for at in origin)
    return picture[top:, left:]


def stored(picture, quality):
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file).convert("RGB"))


@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize("row", ["pil-bicubic", "jpeg60"])
def test_it_is_told_wherever_the_grid_begins(photos, factor, row):
    for photo in photos:
        low = np.asarray(degrade(photo, row, factor))
        for origin in itertools.product(range(factor), repeat=2):
            steps = squared_steps(cropped(low, origin, factor))
            assert enlarged_from(steps, factor) == origin
            assert {enlarged_from(steps, other) for other in FACTORS if other != factor} == {None}


@pytest.mark.parametrize("quality", [95, 80])
def test_a_jpeg_of_the_enlarged_tells_it_too_or_nothing(photos, quality):
    told = [
        (enlarged_from(squared_steps(stored(cropped(low, origin, 2), quality)), 2), origin)
        for low in (np.asarray(degrade(photo, "bicubic", 2)) for photo in photos)
        for origin in itertools.product(range(2), repeat=2)
    ]
    assert all(found in (None, origin) for found, origin in told)
    assert sum(found == origin for found, origin in told) > 0.6 * len(told)


@pytest.mark.parametrize("quality", [None, 90, 60])
def test_what_was_not_enlarged_is_not_mistaken(photos, quality):
    for photo in photos:
        picture = np.asarray(photo)
        if quality:
            picture = stored(picture, quality)
        for top, left in ((0, 0), (3, 6)):  # the blocks of the JPEG somewhere else
            steps = squared_steps(picture[top:, left:])
            assert {enlarged_from(steps, factor) for factor in FACTORS} == {None}


def test_what_shows_nothing_has_no_answer():
    assert enlarged_from(NO_STEPS, 2) is None
    for shape in ((1, 1), (40, 300, 3), (97, 2000)):
        assert enlarged_from(squared_steps(np.full(shape, 7, np.uint8)), 2) is None
    columns = np.broadcast_to(np.repeat(np.arange(64) % 5 * 50, 2), (128, 128))
    assert enlarged_from(squared_steps(columns.astype(np.uint8)), 2) is None  # nothing in the rows


def test_grey_and_16_bits_tell_the_same(photos):
    low = np.asarray(degrade(photos[0], "bicubic", 2))[1:]
    steps = squared_steps(low)
    np.testing.assert_allclose(squared_steps(low.astype(np.uint16) * 257), steps, rtol=1e-4)
    grey = np.asarray(Image.fromarray(low).convert("L"))
    np.testing.assert_allclose(squared_steps(grey), steps, rtol=0.02)


def test_frames_add_up(photos):
    steps = [squared_steps(np.asarray(degrade(p, "bicubic", 2))[1:, 1:]) for p in photos]
    assert enlarged_from(np.sum(steps, axis=0), 2) == (1, 1)


def test_a_large_picture_costs_no_more(photos):
    low = np.asarray(degrade(photos[0], "bicubic", 4))[3:, 2:]
    large = np.pad(low, ((1400, 1400), (1900, 1900), (0, 0)), mode="wrap")[1:, 1:]
    start = time.process_time()
    steps = squared_steps(large)
    assert time.process_time() - start < 0.1  # all of it takes several times as long
    large = np.tile(low[1:241, 2:242], (12, 16, 1))
    assert enlarged_from(squared_steps(large), 4) == (0, 0)
    assert steps.all()
