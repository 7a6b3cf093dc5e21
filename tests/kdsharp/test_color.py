import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.color import rgb2ycbcr

from kdsharp.color import BT601, luma, luma_studio

BYTE = st.integers(0, 255)


def test_the_weights_add_up_so_that_grey_is_its_own_luma():
    assert sum(BT601) == pytest.approx(1)
    grey = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    np.testing.assert_allclose(luma(grey), np.arange(256), atol=1e-4)


@given(st.tuples(BYTE, BYTE, BYTE))
def test_studio_luma_is_that_of_scikit_image(rgb):
    pixel = np.array([[rgb]], dtype=np.uint8)
    np.testing.assert_allclose(luma_studio(pixel), rgb2ycbcr(pixel)[..., 0], atol=1e-9)


@given(st.tuples(BYTE, BYTE, BYTE), st.integers(-50, 50))
def test_equal_steps_on_each_channel_step_the_luma(rgb, step):
    pixel = np.array([rgb], dtype=np.float32)
    np.testing.assert_allclose(luma(pixel + step), luma(pixel) + step, atol=1e-3)


def test_shapes_and_ranges():
    assert luma(np.ones((2, 3, 4, 3), np.float32)).shape == (2, 3, 4)
    black, white = np.zeros((1, 3), np.uint8), np.full((1, 3), 255, np.uint8)
    assert (luma_studio(black)[0], luma_studio(white)[0]) == pytest.approx((16, 235), abs=1e-2)
