import numpy as np
import pytest

from pipeline.data import near
from pipeline.data.near import near_groups, near_pairs


def some_hashes(count: int, seed: int = 1) -> list[int | None]:
    """Random ones, some near others, some equal, and one that is missing."""
    random = np.random.default_rng(seed)
    bits = [int(b) for b in random.integers(0, 2**63, count, dtype=np.uint64)]
    near_by = [b ^ 1 << int(random.integers(64)) ^ 1 << int(random.integers(64)) for b in bits[::3]]
    return [*bits, *near_by, None, *bits[:5]]


def compared_with_each_other(hashes: list[int | None], distance: int) -> list[list[int]]:
    known = [(i, bits) for i, bits in enumerate(hashes) if bits is not None]
    return [[i, j] for i, a in known for j, b in known if i < j and (a ^ b).bit_count() <= distance]


@pytest.mark.parametrize("distance", [0, 1, 4, 16])
@pytest.mark.parametrize("at_once", [1, 100, 10**6])
def test_the_pairs_are_those_of_comparing_each_with_each(distance, at_once, monkeypatch):
    monkeypatch.setattr(near, "_AT_ONCE", at_once)
    hashes = some_hashes(60)
    pairs = near_pairs(hashes, distance).tolist()
    assert pairs == compared_with_each_other(hashes, distance)
    assert len(pairs) >= 5


@pytest.mark.parametrize("hashes", [[], [None], [7], [7, None]])
def test_one_picture_is_near_to_none(hashes):
    assert near_pairs(hashes, 4).shape == (0, 2)
    assert near_groups(hashes, 4) == [[i] for i in range(len(hashes))]


def test_groups_are_joined_by_way_of_others():
    hashes = [0b0, 0xFFFF << 20, 0b111, None, 0b111111, 0xFFFF << 20]
    assert near_groups(hashes, 3) == [[0, 2, 4], [1, 5], [3]]
    assert near_groups(hashes, 2) == [[0], [1, 5], [2], [3], [4]]


def test_many_equal_pictures_are_no_many_pairs():
    assert near_groups([1] * 20_000 + [3], 4) == [list(range(20_001))]


def test_a_hundred_thousand_take_seconds():
    hashes = some_hashes(80_000)
    groups = near_groups(hashes, 4)
    assert len(groups) == 80_001
