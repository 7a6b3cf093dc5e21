"""Parts of photos, each after a draw of one of the degradations."""

import numpy as np
import pytest
from PIL import Image
from skimage import data

from pipeline.choice.parts import DEGRADATIONS, draw_parts


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    Image.fromarray(data.astronaut()).save(folder / "a.jpg")
    Image.fromarray(data.chelsea()).save(folder / "b.png")
    return sorted(folder.iterdir())


def drawn(photos, count, seed, workers=1):
    return draw_parts(photos, count, seed, workers, lambda: None)


def test_the_parts_follow_from_the_seed_on_any_number_of_workers(photos):
    one, two, other = (drawn(photos, 10, s, w) for s, w in ((1, 1), (1, 3), (2, 1)))
    for a, b in zip(one, two, strict=True):
        assert a.label == b.label
        np.testing.assert_array_equal(a.low, b.low)
        np.testing.assert_array_equal(a.high, b.high)
    assert [p.label for p in one] != [p.label for p in other]


def test_a_part_is_degraded_by_its_kind(photos):
    parts = drawn(photos, 12, 3)
    assert {part.low.shape == part.high.shape for part in parts} == {True}
    sharp = list(DEGRADATIONS).index("sharp")
    assert {(part.label == sharp) == (part.low == part.high).all() for part in parts} == {True}
