import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from kdsharp.degrade import DEGRADATIONS, crop_to_multiple, degrade
from kdsharp.errors import UserError


@settings(max_examples=25, deadline=None)
@given(
    st.integers(4, 40), st.integers(4, 40), st.integers(1, 4), st.sampled_from(sorted(DEGRADATIONS))
)
def test_every_recipe_keeps_the_size(width, height, scale, name):
    noise = np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)
    image = crop_to_multiple(Image.fromarray(noise), scale)
    assert all(side % scale == 0 for side in image.size)
    result = degrade(image, name, scale)
    assert (result.size, result.mode) == (image.size, "RGB")
    assert result.tobytes() == degrade(image, name, scale).tobytes()


def test_cropping_cuts_right_and_below(picture):
    image = crop_to_multiple(Image.fromarray(picture), 4)
    np.testing.assert_array_equal(np.asarray(image), picture[:36, :52])
    assert crop_to_multiple(image, 4) is image


def test_a_flat_picture_stays_flat():
    flat = Image.new("RGB", (12, 8), (10, 200, 90))
    assert degrade(flat, "bicubic", 4).tobytes() == flat.tobytes()


def test_errors_name_what_is_wrong():
    image = Image.new("RGB", (12, 9))
    with pytest.raises(UserError, match=r"'sepia' is unknown: choose one of bicubic"):
        degrade(image, "sepia", 2)
    with pytest.raises(UserError, match="crop first"):
        degrade(image, "bicubic", 2)
    with pytest.raises(UserError, match="crop first"):
        degrade(image.resize((2, 2)), "bicubic", 3)
