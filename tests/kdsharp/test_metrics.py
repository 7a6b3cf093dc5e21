import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from kdsharp.color import luma_studio
from kdsharp.metrics import METRICS, compare, psnr, ssim


def reference(output, truth, border):
    """The same four numbers by scikit-image."""
    inner = (slice(border, -border or None),) * 2
    gauss = {
        "gaussian_weights": True,
        "sigma": 1.5,
        "use_sample_covariance": False,
        "data_range": 255,
    }
    a, b = luma_studio(output)[inner], luma_studio(truth)[inner]
    return {
        "psnr_y": peak_signal_noise_ratio(b, a, data_range=255),
        "ssim_y": structural_similarity(a, b, **gauss),
        "psnr_rgb": peak_signal_noise_ratio(truth, output, data_range=255),
        "ssim_rgb": structural_similarity(output, truth, channel_axis=2, **gauss),
    }


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    height=st.integers(19, 40),
    width=st.integers(19, 40),
    border=st.integers(0, 4),
    noise=st.integers(1, 255),
)
def test_random_pictures_score_as_in_scikit_image(seed, height, width, border, noise):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    off = rng.integers(-noise, noise + 1, truth.shape)
    output = np.clip(truth + off, 0, 255).astype(np.uint8)
    output[border, border] = truth[border, border] ^ 128  # for identical ones it has no number
    expected = reference(output, truth, border)
    assert compare(output, truth, border) == pytest.approx(expected, abs=1e-4)


def test_real_pictures_score_as_in_scikit_image(shared_data):
    for path in sorted((shared_data / "benchmarks" / "Set5").iterdir())[:3]:
        truth = Image.open(path).convert("RGB")
        small = truth.resize((truth.width // 2, truth.height // 2))
        output = np.asarray(small.resize(truth.size, Image.Resampling.BICUBIC))
        expected = reference(output, np.asarray(truth), 2)
        assert compare(output, np.asarray(truth), 2) == pytest.approx(expected, abs=1e-4)


def test_identical_pictures_have_finite_scores(picture):
    assert tuple(compare(picture, picture, 2)) == METRICS
    assert compare(picture, picture, 2) == {
        "psnr_y": 100,
        "ssim_y": pytest.approx(1),
        "psnr_rgb": 100,
        "ssim_rgb": pytest.approx(1),
    }


def test_known_psnr():
    assert psnr(np.zeros((4, 4)), np.full((4, 4), 255.0)) == 0
    assert psnr(np.zeros((4, 4)), np.ones((4, 4))) == pytest.approx(48.1308, abs=1e-4)


def test_bad_shapes_are_refused(picture):
    with pytest.raises(ValueError, match="one shape"):
        compare(picture, picture[:-1], 2)
    with pytest.raises(ValueError, match="one shape"):
        compare(picture[..., 0], picture[..., 0], 2)
    with pytest.raises(ValueError, match="11 pixels"):
        ssim(np.zeros((10, 20)), np.zeros((10, 20)))
