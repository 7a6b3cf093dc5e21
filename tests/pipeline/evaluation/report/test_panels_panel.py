import numpy as np
import pytest
from PIL import Image

from pipeline.evaluation.report.panels import CELL, TITLES, Shown, mark, panel, shrink
from pipeline.evaluation.scoring import EvalPhoto

YELLOW = (250, 204, 21)


def make_shown(size=(300, 200), name="a.png", box=(40, 30, 100, 75), gain=0.5):
    colors = {"input": "red", "teacher": "green", "student": "blue", "truth": "white"}
    scores = {
        key: {"psnr_y": 30.0, "ssim_y": 0.9, "psnr_rgb": 29.0, "ssim_rgb": 0.8, "gain_y": gain}
        for key in colors
        if key != "truth"
    }
    pictures = {key: Image.new("RGB", size, color) for key, color in colors.items()}
    return Shown(EvalPhoto("test", name), pictures, scores, box)


@pytest.mark.parametrize("size", [(300, 200), (200, 300), (2040, 1356), (101, 77), (1000, 80)])
def test_four_columns_whole_and_detail(size):
    box = (0, 0, min(100, size[0]), min(75, size[1]))
    made = panel(make_shown(size, box=box), "bicubic x2")
    assert made.mode == "RGB"
    assert made.width == 4 * CELL + 5 * 20
    whole = shrink(Image.new("RGB", size), CELL)
    assert made.height == 76 + 68 + whole.height + 20 + 4 * box[3] + 20
    middles = [20 + column * (CELL + 20) + CELL // 2 for column in range(4)]
    colors = [made.getpixel((x, made.height - 30)) for x in middles]
    assert colors == [(255, 0, 0), (0, 128, 0), (0, 0, 255), (255, 255, 255)]


def test_detail_is_enlarged_without_interpolation():
    shown = make_shown()
    random = np.random.default_rng(0).integers(0, 256, (200, 300, 3), dtype=np.uint8)
    shown.pictures["input"].paste(Image.fromarray(random))
    made = np.asarray(panel(shown, ""))
    cut = made[-20 - 300 : -20, 20 : 20 + 400]
    assert np.array_equal(cut[::4, ::4], random[30:105, 40:140])
    assert np.array_equal(cut[3::4, 2::4], random[30:105, 40:140])


def test_a_loss_looks_unlike_a_gain():
    gain, loss = panel(make_shown(gain=0.5), ""), panel(make_shown(gain=-0.5), "")
    assert (248, 113, 113) in set(loss.get_flattened_data())
    assert (248, 113, 113) not in set(gain.get_flattened_data())


@pytest.mark.parametrize("name", ["写真.png", "x" * 300, "<b>&\n.png"])
def test_any_name_can_be_drawn(name):
    assert panel(make_shown(name=name), "bicubic x2").size == panel(make_shown(), "").size


def test_same_bytes_twice():
    assert panel(make_shown(), "x").tobytes() == panel(make_shown(), "x").tobytes()


def test_frame_surrounds_the_box_and_stays_inside():
    marked = mark(Image.new("RGB", (100, 50)), (200, 100), (0, 0, 200, 100))
    assert marked.getpixel((0, 0)) == marked.getpixel((99, 49)) == YELLOW
    inner = mark(Image.new("RGB", (100, 50)), (200, 100), (40, 40, 40, 40))
    assert inner.getpixel((30, 30)) == (0, 0, 0)
    assert inner.getpixel((18, 30)) == YELLOW


def test_shrink_keeps_small_pictures_sharp():
    assert shrink(Image.new("RGB", (800, 400)), 400).size == (400, 200)
    assert shrink(Image.new("RGB", (300, 200)), 400).size == (300, 200)
    assert shrink(Image.new("RGB", (90, 60)), 400).size == (360, 240)


def test_every_title_is_known():
    assert list(TITLES) == ["input", "teacher", "student", "truth"]
