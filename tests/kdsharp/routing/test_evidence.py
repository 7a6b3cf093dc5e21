import numpy as np
import pytest
import skimage.data
from PIL import Image

from kdsharp.routing.classifier import COUNT, degradation_shares, degradations
from kdsharp.routing.evidence import LEAST_NOISE, is_drawn, noise_floor
from kdsharp.runtime.windows import windows
from kdsharp.train.dataset.drawings import draw


def seen(picture):
    return windows(picture, 8, COUNT)


def noisy(picture, sigma):
    drawn = np.random.default_rng(1).normal(0, sigma, picture.shape)
    return np.clip(np.rint(picture + drawn), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def cat():
    return skimage.data.chelsea()[..., 1]


@pytest.mark.parametrize("sigma", [4, 8, 16])
def test_the_floor_of_even_ground_is_its_noise(sigma):
    ground = np.full((256, 256), 128, np.uint8)
    assert noise_floor(seen(noisy(ground, sigma))) == pytest.approx(sigma, rel=0.25)


def test_noise_lifts_the_floor_of_a_photo(cat):
    clean, little, much = (noise_floor(seen(noisy(cat, sigma))) for sigma in (0, 5, 15))
    assert clean < 1.5 < little < LEAST_NOISE["native-noise-15"] < much


def test_black_and_white_say_nothing_of_noise():
    for level in (0, 255):
        assert noise_floor(seen(np.full((128, 128), level, np.uint8))) == float("inf")


def test_what_is_drawn_is_told_from_photos_and_from_what_was_stored(cat, tmp_path):
    drawings = [draw(np.random.default_rng(seed), 256) for seed in range(40)]
    assert np.mean([is_drawn(seen(np.asarray(one))) for one in drawings]) > 0.8
    assert not is_drawn(seen(cat))
    for one in drawings:
        one.save(tmp_path / "stored.jpg", quality=80)
        with Image.open(tmp_path / "stored.jpg") as stored:
            assert not is_drawn(seen(np.asarray(stored)))


def test_a_drawing_is_sharp_and_a_calm_photo_not_noisy(cat):
    names = degradations()
    drawing = np.asarray(draw(np.random.default_rng(3), 256))
    assert dict(zip(names, degradation_shares(drawing), strict=True))["sharp"] == 1
    shares = dict(zip(names, degradation_shares(cat), strict=True))
    assert not any(shares[name] for name in LEAST_NOISE)
    assert sum(shares.values()) == pytest.approx(1)
