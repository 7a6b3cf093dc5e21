import numpy as np
import pytest

from kdsharp.kinds import COUNT, SIDE, gains_by_kind, kind_shares, kinds, windows


def test_the_shares_are_of_all_kinds(picture):
    shares = kind_shares(picture)
    assert len(shares) == len(kinds()) == len(set(kinds()))
    assert shares.sum() == pytest.approx(1)
    assert (shares >= 0).all()
    assert all(len(gains) == len(shares) for gains in gains_by_kind().values())


def test_grey_and_16_bit_are_the_same_picture(picture):
    grey = picture[..., 1]
    same = np.repeat(grey[..., None], 3, axis=2)
    for other in (same, grey.astype(np.uint16) * 257):
        np.testing.assert_allclose(kind_shares(other), kind_shares(grey), atol=1e-3)


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
