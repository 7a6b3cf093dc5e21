import numpy as np
import pytest

from kdsharp.runtime.windows import COUNT, SIDE, looked_at, rounded, windows


def test_windows_of_any_depth_are_the_same():
    picture = np.random.default_rng(0).integers(0, 256, (200, 170), np.uint8)
    found = looked_at(picture)
    assert (found.shape, found.dtype) == ((COUNT, 1, 64, 64), np.float32)
    np.testing.assert_allclose(looked_at(picture.astype(np.uint16) * 257), found, atol=1e-6)
    np.testing.assert_allclose(looked_at(picture / np.float32(255)), found, atol=1e-6)


def test_shares_are_told_apart_by_hundredths():
    assert rounded(np.float32([0.123, 0.877])) == (0.12, 0.88)


def test_the_most_detailed_windows_come_first_and_then_the_flattest():
    random = np.random.default_rng(1)
    plane = np.full((4 * SIDE, 4 * SIDE), 100, np.uint8)
    plane[:SIDE, :SIDE] = random.integers(0, 256, (SIDE, SIDE))
    plane[SIDE : 2 * SIDE, :SIDE] += random.integers(0, 9, (SIDE, SIDE)).astype(np.uint8)
    found = windows(plane, 4, 4)
    assert found.shape == (4, SIDE, SIDE)
    np.testing.assert_array_equal(found[0], plane[:SIDE, :SIDE])
    np.testing.assert_array_equal(found[1], plane[SIDE : 2 * SIDE, :SIDE])
    assert found[3].std() == 0


def test_windows_lie_on_the_grid_of_the_enlarging():
    rows = np.arange(251, dtype=np.uint8)[:, None] * np.ones((1, 333), np.uint8)
    assert (windows(rows, 5, COUNT)[:, 0, 0] % 2 == 0).all()


@pytest.mark.parametrize("shape", [(1, 1), (2, 300), (63, 64), (64, 64)])
def test_a_small_picture_is_mirrored(shape):
    plane = np.random.default_rng(2).integers(0, 256, shape).astype(np.uint8)
    found = windows(plane, 8, COUNT)
    assert found.shape == (COUNT, SIDE, SIDE)
    height, width = (min(side, SIDE) for side in shape)
    assert found[0, :height, :width].tolist() in [
        plane[:, x : x + width].tolist() for x in range(shape[1] - width + 1)
    ]
