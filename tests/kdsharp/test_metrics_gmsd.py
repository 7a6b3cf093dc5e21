import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import convolve2d

from kdsharp.metrics import gmsd


def gmsd_step_by_step(output, truth):
    """As the authors' program in MATLAB, whose conv2(..., 'same') begins at floor(k/2) + 1."""

    def conv2_same(plane, kernel):
        rows, columns = (side // 2 for side in kernel.shape)
        whole = convolve2d(plane, kernel)
        return whole[rows : rows + plane.shape[0], columns : columns + plane.shape[1]]

    dx = np.array([[1, 0, -1]] * 3) / 3
    maps = []
    for plane in (truth, output):
        small = conv2_same(plane, np.full((2, 2), 1 / 4))[::2, ::2]
        maps.append(np.sqrt(conv2_same(small, dx) ** 2 + conv2_same(small, dx.T) ** 2))
    quality = (2 * maps[0] * maps[1] + 170) / (maps[0] ** 2 + maps[1] ** 2 + 170)
    return np.std(quality, ddof=1)


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    height=st.integers(3, 40),
    width=st.integers(3, 40),
    noise=st.integers(1, 255),
)
def test_gmsd_is_that_of_its_authors_program(seed, height, width, noise):
    rng = np.random.default_rng(seed)
    truth = rng.uniform(0, 255, (height, width))
    output = np.clip(truth + rng.uniform(-noise, noise, truth.shape), 0, 255)
    assert gmsd(output, truth) == pytest.approx(gmsd_step_by_step(output, truth), abs=1e-12)


def test_gmsd_is_that_of_another_library():
    """piq 0.8.0 gives 0.0731533 here; its deviation divides by N where the authors' has N - 1."""
    y, x = np.mgrid[0:36, 0:52]
    truth = 127 + 100 * np.sin(x / 3) * np.cos(y / 4)
    output = 127 + 90 * np.sin(x / 3 + 0.3) * np.cos(y / 4)
    count = 18 * 26
    expected = 0.07315332248756669 * (count / (count - 1)) ** 0.5
    assert gmsd(output, truth) == pytest.approx(expected, rel=1e-9)


def test_gmsd_grows_with_the_damage_and_is_the_same_both_ways(picture):
    truth = picture[..., 1].astype(np.float64)
    worse = [truth + np.random.default_rng(1).normal(0, sigma, truth.shape) for sigma in (0, 5, 20)]
    scores = [gmsd(plane, truth) for plane in worse]
    assert scores[0] == 0
    assert 0.001 < scores[1] < scores[2] < 0.5
    assert gmsd(truth, worse[2]) == pytest.approx(scores[2])


def test_gmsd_does_not_mind_brightness_within_the_picture():
    """Only at the border, where the picture ends in black: one ring of the half-size plane."""
    truth = np.random.default_rng(2).uniform(50, 150, (400, 400))
    assert gmsd(truth + 50, truth) < 0.05


def test_bad_shapes_are_refused():
    with pytest.raises(ValueError, match="3x3"):
        gmsd(np.zeros((2, 20)), np.zeros((2, 20)))
    with pytest.raises(ValueError, match="3x3"):
        gmsd(np.zeros((5, 20)), np.zeros((5, 21)))
