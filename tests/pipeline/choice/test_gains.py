"""What models gain, in dB."""

import numpy as np
import pytest

from pipeline.choice.gains import psnr


def test_psnr_is_that_of_studio_range():
    one = np.full((20, 20), 100, np.uint8)
    other = one + np.uint8(10)
    assert psnr(one, other) == pytest.approx(20 * np.log10(255 / (10 * 219 / 255)))
    assert psnr(one, one) == 60
    framed = one.copy()
    framed[:2] = framed[-2:] = 0
    assert psnr(framed, one) == 60
