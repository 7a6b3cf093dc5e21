import dataclasses
import re

import numpy as np
import pytest
from PIL import Image

from kdsharp import Sharpener
from kdsharp.card import read_card
from pipeline.model_card import PAGE, model_card, write_model_card
from tests.models import make_model

LICENCES = ["CC0", "CC BY 4.0, Ada", "CC BY 4.0, Ada", "CC BY 4.0, B, C", "a | b"]
PHOTOS = [
    {"split": split, "source": "folder", "licence": licence}
    for split, licence in zip(["train", "train", "train", "val", "test"], LICENCES, strict=True)
]
METRICS = {
    "val": {
        "input": {"psnr_y": 30.0, "ssim_y": 0.9},
        "student_onnx": {"psnr_y": 32.126, "ssim_y": 0.95},
        "student_int8": {"psnr_y": 32.11, "ssim_y": 0.94996},
    }
}
LINEAGE = {"data_hash": "0" * 32, "student": {"channels": 8, "loop": {"lr": 0.004, "ema": None}}}
SETTINGS = {"patches": {"size": 128}}


@pytest.fixture(params=["luma", "rgb"])
def model(request, tmp_path):
    folder = make_model(tmp_path / "model", color=request.param, int8=True)
    card = dataclasses.replace(read_card(folder), lineage=LINEAGE, metrics=METRICS)
    return folder, card


def test_it_tells_what_a_person_needs(model):
    folder, card = model
    write_model_card(folder, card, PHOTOS, SETTINGS)
    page = (folder / PAGE).read_text(encoding="utf-8")
    for line in (
        "# tiny",
        f"| `student.onnx` | the model, 32-bit floating point | {_size(folder, card.file):,} |",
        "Source `folder`: 3 train, 1 val, 1 test. ",
        "| CC0 | 1 |  |",
        "| CC BY 4.0 | 3 | Ada; B, C |",
        "| a \\| b | 1 |  |",
        "| `patches.size` | `128` |",
        "| `student.loop.lr` | `0.004` |",
        "| `student.loop.ema` | `null` |",
        "| val | input (doing nothing) | 30.00 | 0.9000 |  |  |  |",
        "| val | fp32 | 32.13 | 0.9500 |  |  | +2.13 |",
        "| val | int8 | 32.11 | 0.9500 |  |  | +2.11 |",
        "int8 loses 0.010 dB",
        "dvc repro export",
        "no multiple of 2",
    ):
        assert line in page
    outside = re.sub(r"```.*?```|^\|.*?$", "", page, flags=re.DOTALL | re.MULTILINE)
    assert max(map(len, outside.splitlines())) <= 100


def _size(folder, name):
    return (folder / name).stat().st_size


def test_the_same_bytes_each_time(model):
    folder, card = model
    write_model_card(folder, card, PHOTOS, SETTINGS)
    before = (folder / PAGE).read_bytes()
    write_model_card(folder, card, PHOTOS, SETTINGS)
    assert (folder / PAGE).read_bytes() == before


def test_its_python_by_hand_gives_what_the_library_gives(model, tmp_path, monkeypatch, picture):
    folder, card = model
    write_model_card(folder, card, PHOTOS)
    *_, code = re.findall(r"```python\n(.*?)```", (folder / PAGE).read_text(), re.DOTALL)
    monkeypatch.chdir(folder)
    Image.fromarray(picture).save("photo.jpg", format="PNG")  # to be read as it was
    exec(code, {})
    with Image.open("sharp.png") as made:
        expected = Sharpener(folder, engine="onnxruntime").array(picture)
        np.testing.assert_array_equal(np.asarray(made), expected)


def test_a_bare_card_makes_a_page(model):
    _, card = model
    bare = dataclasses.replace(card, lineage={}, metrics={}, int8=None)
    page = model_card(bare, [], {}, {card.file: 1})
    assert "Nothing was measured." in page
    assert "not recorded" in page
    assert "int8 loses" not in page
