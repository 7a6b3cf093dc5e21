"""The small copies of frames, and where scenes begin."""

import numpy as np
import pytest
from PIL import Image
from skimage import data

from kdsharp.video.scenes import CELL, SUM, Cuts, luma_of, small_of

av = pytest.importorskip("av")


def photo(name, size=(320, 240)):
    levels = getattr(data, name)()
    image = Image.fromarray(levels).convert("L")
    return np.asarray(image.resize(size), np.uint8)


@pytest.mark.parametrize("depth", [8, 10, 12])
def test_a_small_copy_holds_the_sums_of_cells(depth):
    rng = np.random.default_rng(0)
    levels = rng.integers(0, 1 << depth, (43, 62)).astype(np.uint8 if depth == 8 else np.uint16)
    small = small_of(levels, depth)
    assert small.shape == (10, 15)
    cells = levels[:40, :60].astype(int).reshape(10, CELL, 15, CELL).sum(axis=(1, 3))
    np.testing.assert_array_equal(small, cells >> (depth - 8))
    assert small_of(np.full_like(levels, (1 << depth) - 1), depth).max() >= 255 * SUM


def test_frames_too_small_for_a_cell_have_no_copy_and_no_scenes():
    small = small_of(np.zeros((2, 3), np.uint8), 8)
    assert small.size == 0
    cuts = Cuts()
    assert not any(cuts(small) for _ in range(3))


def test_the_luma_of_any_format_is_the_same():
    levels = photo("astronaut", (64, 48))
    grey = av.VideoFrame.from_ndarray(levels, "gray")
    for form, depth in (("yuv420p", 8), ("yuyv422", 8), ("rgb24", 8), ("yuv420p10le", 10)):
        frame = grey.reformat(format=form, src_color_range=2, dst_color_range=2)
        frame.color_range = 2
        found, bits = luma_of(frame)
        assert bits == depth
        assert np.abs((found >> (bits - 8)).astype(int) - levels).max() <= 2


def found(frames):
    cuts = Cuts()
    return [index for index, levels in enumerate(frames) if cuts(small_of(levels, 8))]


def test_each_cut_is_found_and_nothing_else():
    names = ("astronaut", "coffee", "chelsea", "rocket", "camera", "coins")
    shots = [photo(name) for name in names]
    assert found([shot for shot in shots for _ in range(8)]) == [8, 16, 24, 32, 40]


def test_noise_motion_flashes_and_fades_are_no_cuts():
    wide, rng = photo("coffee", (640, 320)), np.random.default_rng(1)
    still = wide[:240, :320]
    noisy = [np.clip(still + rng.normal(0, 12, still.shape), 0, 255) for _ in range(20)]
    pan = [wide[k : 240 + k, 5 * k : 320 + 5 * k] for k in range(40)]
    flash = [np.clip(still * (1.8 if k in (7, 8) else 1.0), 0, 255) for k in range(20)]
    fade = [still * min(k / 20, 1) for k in range(25)]
    for frames in (noisy, pan, flash, fade):
        assert found([frame.astype(np.uint8) for frame in frames]) == []


def test_a_dissolve_is_left_to_lasting_change():
    one, two = photo("astronaut").astype(float), photo("coffee")
    frames = [one + (two - one) * min(max((k - 5) / 20, 0), 1) for k in range(35)]
    assert found([frame.astype(np.uint8) for frame in frames]) == []
