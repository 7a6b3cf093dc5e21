"""Plain bicubic must score what the field reports: then our numbers compare to published ones."""

import numpy as np
import pytest
from PIL import Image

from kdsharp.color import luma_studio
from kdsharp.degrade import crop_to_multiple, degrade
from kdsharp.imageio.decode import read_rgb
from kdsharp.metrics import psnr, ssim

FIELD = [
    ("Set5", 2, 33.67, 0.9303),
    ("Set5", 3, 30.40, 0.8689),
    ("Set5", 4, 28.43, 0.8111),
    ("Set14", 2, 30.32, None),
    ("B100", 2, 29.56, None),
    ("Urban100", 2, 26.59, None),
]


@pytest.mark.parametrize(("name", "scale", "field_psnr", "field_ssim"), FIELD)
def test_bicubic_scores_what_the_field_reports(shared_data, name, scale, field_psnr, field_ssim):
    paths = sorted((shared_data / "benchmarks" / name).glob("*.png"))
    if name == "Urban100":
        paths = paths[:20]
    pairs = [_luma_pair(crop_to_multiple(read_rgb(path), scale), scale) for path in paths]
    assert np.mean([psnr(*pair) for pair in pairs]) == pytest.approx(field_psnr, abs=0.05)
    if field_ssim:
        assert np.mean([ssim(*pair) for pair in pairs]) == pytest.approx(field_ssim, abs=0.001)


def _luma_pair(truth: Image.Image, scale: int) -> tuple[np.ndarray, np.ndarray]:
    inner = (slice(scale, -scale),) * 2
    output = degrade(truth, "bicubic", scale)
    return luma_studio(np.asarray(output))[inner], luma_studio(np.asarray(truth))[inner]
