import numpy as np
import pytest
from PIL import Image
from skimage import data

from kdsharp.blur import BANDS, SCALES, band_powers, measured_scale
from kdsharp.degrade import crop_to_multiple, degrade


@pytest.fixture(scope="module")
def photos():
    """Sharp photos that scikit-image holds; of half the size, so that they are surely sharp."""
    found = [Image.fromarray(getattr(data, name)()) for name in ("astronaut", "coffee", "chelsea")]
    return [crop_to_multiple(p.reduce(2).convert("RGB"), 12) for p in found]


@pytest.mark.parametrize("scale", SCALES)
def test_each_scale_is_found_again(photos, scale):
    for photo in photos:
        pixels = np.asarray(degrade(photo, "bicubic", scale))
        assert measured_scale(pixels) == scale
        assert measured_scale(pixels.astype(np.uint16) * 257) == scale
        assert measured_scale(pixels[..., 1]) == scale


def test_white_noise_has_its_variance_in_every_band():
    noise = np.random.default_rng(1).normal(128, 10, (512, 512))
    powers = band_powers(np.rint(noise).astype(np.uint8))
    assert len(powers) == len(BANDS) - 1
    np.testing.assert_allclose(powers, 100, rtol=0.05)


@pytest.mark.parametrize("shape", [(1, 1), (31, 400, 3), (40, 40, 3), (33, 1000)])
def test_what_tells_nothing_counts_as_sharp(shape):
    assert measured_scale(np.full(shape, 128, np.uint8)) == 1


def test_only_the_detailed_places_count(photos):
    """A photo that goes on plainly on all sides, as a sky or a wall would."""
    pixels = np.asarray(degrade(photos[0], "bicubic", 2))
    framed = np.pad(pixels, ((600, 600), (600, 600), (0, 0)), mode="edge")
    assert measured_scale(framed) == 2
