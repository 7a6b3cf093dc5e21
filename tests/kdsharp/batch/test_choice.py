"""`kdsharp sharpen` with the models that ship: the picture chooses."""

import re
from pathlib import Path

import pytest
from PIL import Image
from skimage import data

from kdsharp.degrade import crop_to_multiple, degrade
from kdsharp.model import family_of


@pytest.fixture
def sharpen(kdsharp, monkeypatch):
    monkeypatch.delenv("KDSHARP_MODEL")
    photo = crop_to_multiple(Image.fromarray(data.astronaut()).reduce(2), 2)
    photo.save("sharp.png")
    for row in ("jpeg60", "gaussian"):
        degrade(photo, row, 2).save(f"{row}.png")
    return lambda *arguments: kdsharp("sharpen", *arguments)


def test_each_picture_gets_the_model_that_it_needs(sharpen):
    code, out, err = sharpen("jpeg60.png", "-o", "out.png")
    assert code == 0
    assert re.fullmatch(r"out\.png: written, \d+\.\d s, small-x2-blocky\n", out)
    others = len(family_of(None)) - 1
    assert err.startswith(f"kdsharp: small-x2 or one of {others} others, by the picture: ")
    assert "small-x2-blurred" in sharpen("gaussian.png", "-o", "out.png")[1]


def test_a_sharp_one_is_left_and_the_next_step_is_told(sharpen):
    code, out, _ = sharpen("sharp.png", "-o", "out.png")
    assert code == 0
    assert out.endswith(": left as it is, --scale 2 sharpens it anyway\n")
    assert Path("out.png").read_bytes() == Path("sharp.png").read_bytes()


def test_a_scale_leaves_no_choice(sharpen):
    code, out, err = sharpen("sharp.png", "-o", "out.png", "--scale", "2")
    assert (code, err.count("small-x2: ")) == (0, 1)
    assert re.fullmatch(r"out\.png: written, \d+\.\d s\n", out)
    assert Path("out.png").read_bytes() != Path("sharp.png").read_bytes()


def test_a_folder_has_the_models_in_its_table(sharpen):
    code, out, _ = sharpen("*.png", "-o", "all/", "--csv", "table.csv")
    assert code == 0
    rows = sorted(line.split(",") for line in Path("table.csv").read_text().splitlines()[1:])
    assert [row[-2:] for row in rows] == [
        ["written", "small-x2-blurred"],
        ["written", "small-x2-blocky"],
        ["sharp already", ""],
    ]
    assert "sharp already" in out
