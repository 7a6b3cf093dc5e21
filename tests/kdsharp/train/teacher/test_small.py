import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data

from kdsharp.train.teacher.small import enlarging, small_picture

PHOTO = Image.fromarray(data.astronaut()[:150, 60:246])


def planes(image):
    return torch.from_numpy(np.asarray(image) / np.float32(255)).permute(2, 0, 1)[None]


def pair(scale):
    small = PHOTO.resize((62, 50), Image.Resampling.BICUBIC)
    return planes(small), small.resize((62 * scale, 50 * scale), Image.Resampling.BICUBIC)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_the_matrix_is_pillow_s_enlargement(scale):
    row = np.random.default_rng(0).random((1, 17)).astype(np.float32)
    expected = Image.fromarray(row, "F").resize((17 * scale, 1), Image.Resampling.BICUBIC)
    np.testing.assert_allclose(enlarging(17, scale) @ row[0], np.asarray(expected)[0], atol=1e-6)


@pytest.mark.parametrize(("scale", "wrong"), [(2, 0.06), (3, 0.01), (4, 0.01)])
def test_the_small_picture_comes_back(scale, wrong):
    small, large = pair(scale)
    levels = (small_picture(planes(large), scale) - small).abs() * 255
    assert (levels > 0.5).float().mean() < wrong
    assert levels.square().mean() < 2 * wrong
    # Shrinking it again is no way back.
    again = planes(large.resize((62, 50), Image.Resampling.BICUBIC))
    assert ((again - small).abs() * 255).square().mean() > 10 * levels.square().mean()


def test_the_middle_of_a_crop_comes_back_as_well():
    small, large = pair(2)
    crop = small_picture(planes(large)[..., 20:84, 20:84], 2)
    levels = (crop - small[..., 10:42, 10:42]).abs() * 255
    assert (levels[..., 3:-3, 3:-3] > 0.5).float().mean() < 0.06


def test_luma_is_not_rounded():
    x = torch.rand(1, 1, 12, 16)
    once = small_picture(x, 2)
    assert once.shape == (1, 1, 6, 8)
    assert (torch.round(once * 255) / 255 - once).abs().max() > 1e-4
