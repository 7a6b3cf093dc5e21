import numpy as np
import pytest
import skimage.data
from PIL import Image

from benchmarks.everyday.__main__ import measured
from benchmarks.everyday.rows import ROWS, degraded
from benchmarks.everyday.table import BEST, GROUND, INPUT, goals, rows_table
from benchmarks.everyday.ways import INSTALLED, RIVALS, load_ways


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "photo.png"
    Image.fromarray(skimage.data.astronaut()).crop((180, 60, 276, 156)).save(file)
    return file


def test_what_a_row_draws_follows_from_seed_and_photo(path):
    first, again, other = (degraded(path, "noise 4-6", seed)[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_an_enlarged_picture_begins_anywhere(path):
    shapes = {degraded(path, "x2", seed)[0].shape for seed in range(8)}
    assert len(shapes) > 2
    for seed in range(3):
        low, high = degraded(path, "x2", seed)
        assert low.shape == high.shape


def test_a_screenshot_is_a_drawing(path):
    low, high = degraded(path, "screenshot, sharp", 1)
    np.testing.assert_array_equal(low, high)


def test_a_sharp_photo_has_nothing_to_regret(path):
    ways, router = load_ways("fp32", [])
    low, high = degraded(path, "sharp", 1)
    numbers = measured(low, high, ways, router, drawing=False)
    assert numbers[INPUT] == 60
    assert numbers[BEST] == 0
    assert numbers["unsharp 1, 80 %"] < -10


def made(installed, **others):
    zeros = dict.fromkeys([INPUT, BEST, GROUND, *RIVALS], 0.0)
    return {**zeros, INPUT: 30.0, BEST: 1.0, INSTALLED: installed, **others}


def test_goals_say_what_is_missed_and_by_which_row():
    found = {"noise 4-6": [made(1.6), made(1.6)], "x2": [made(-0.2, cas=0.3), made(0.1, cas=0.3)]}
    said = goals(found)
    assert "| noise 4-6: +1.50 dB | yes | +1.60 dB |" in said
    assert "| each row not below the input | **no** | 1 of 2 rows; x2: -0.05 dB |" in said
    assert "x2: -0.35 dB" in said
    assert "1 of 2 rows; x2: 50%" in said


def test_the_rows_have_the_worst_picture_and_regret():
    line = rows_table({"x2": [made(-0.2), made(0.6)]}).splitlines()[-1]
    assert line.startswith("| x2 | 30.00 | +0.20 | -0.20 | 50% |")
    assert line.endswith("| +1.00 | 0.80 |")


def test_every_row_can_be_drawn(path):
    for row in ROWS:
        if not row.startswith("call"):
            low, high = degraded(path, row, 1)
            assert low.shape == high.shape
