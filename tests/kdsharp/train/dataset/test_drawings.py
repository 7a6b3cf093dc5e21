import numpy as np
import pytest

from kdsharp.train.dataset.drawings import draw


def drawing(seed, side=96):
    return np.asarray(draw(np.random.default_rng(seed), side))


@pytest.mark.parametrize("seed", range(12))
def test_a_drawing_has_its_size_and_something_on_it(seed):
    pixels = drawing(seed)
    assert (pixels.shape, pixels.dtype) == ((96, 96, 3), np.uint8)
    assert pixels.std() > 1


def test_it_follows_from_the_random_state():
    np.testing.assert_array_equal(drawing(3), drawing(3))
    assert (drawing(3) != drawing(4)).any()


def test_much_of_it_is_flat():
    flat = [np.mean(np.diff(drawing(seed).astype(int), axis=1) == 0) for seed in range(24)]
    assert np.mean(flat) > 0.5
