import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kdsharp import Sharpener
from kdsharp.errors import UserError
from kdsharp.runtime.card import read_card
from pipeline.evaluation.report.model_card import PAGE, model_card, write_model_card
from tests.models import make_model

ROOT = Path(__file__).parents[4]
WEIGHTS = ROOT / "kdsharp" / "weights"
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
    assert "\n- **Photos**: 3 train, 1 val, 1 test, source `folder`; " in page
    text = " ".join(page.split())
    for words in (
        "# tiny",
        f"`student.onnx`, 32-bit floating point, has {_size(folder, card.file):,} bytes; ",
        f"whole numbers of 8 bit, has {_size(folder, card.int8.file):,}.",
        "Licences: CC BY 4.0 (3: Ada; B, C), CC0 (1), a | b (1).",
        "under `lineage`, but for those of its patches: patches (size 128).",
        "int8 loses 0.010 dB",
        "enlarge a small picture 2 times by bicubic first",
        "[docs/model-format.md](/docs/model-format.md)",
    ):
        assert words in text
    for row in (
        "| val | input (doing nothing) | 30.00 | 0.9000 |  |  |  |",
        "| val | fp32 | 32.13 | 0.9500 |  |  | +2.13 |",
        "| val | int8 | 32.11 | 0.9500 |  |  | +2.11 |",
    ):
        assert f"\n{row}\n" in page
    assert page.count("\n") < 45
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


def test_its_command_and_its_python_are_whole(model):
    folder, card = model
    write_model_card(folder, card, PHOTOS)
    page = (folder / PAGE).read_text(encoding="utf-8")
    shell, python = re.findall(r"^- \*\*\w+\*\*: `(.*)`$", page, re.MULTILINE)
    assert shell == "kdsharp sharpen photo.jpg -o sharp.jpg --model MODEL"
    with pytest.raises(UserError, match=r"^MODEL: "):
        exec(python, {})


def test_the_python_of_the_page_it_refers_to_gives_what_the_library_gives(
    model, monkeypatch, picture
):
    folder, _ = model
    text = (ROOT / "docs" / "model-format.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    monkeypatch.chdir(folder)
    Image.fromarray(picture).save("photo.jpg", format="PNG")  # to be read as it was
    exec(code, {})
    with Image.open("sharp.png") as made:
        expected = Sharpener(folder, engine="onnxruntime").array(picture)
        np.testing.assert_array_equal(np.asarray(made), expected)


@pytest.mark.parametrize(
    ("learned", "student"),
    [
        ("it learned from the truth alone: no teacher took part", {"teacher_weight": 0.0}),
        (
            "it was distilled: it learned from a teacher alone",
            {"teacher_weight": 0.5, "truth_weight": 0.0},
        ),
        (
            "it was distilled: it learned from a teacher and from the truth",
            {"teacher_weight": 0.0, "feature_weight": 0.1, "truth_weight": 1.0},
        ),
        (None, {}),
    ],
)
def test_it_tells_what_the_model_learned_from(model, learned, student):
    folder, card = model
    lineage = {"student": student, "teacher": {"width": 9}}
    write_model_card(folder, dataclasses.replace(card, lineage=lineage), PHOTOS)
    page = (folder / PAGE).read_text(encoding="utf-8")
    said = f"{learned}. " if learned else ""
    text = " ".join(page.split())
    assert f"- **Training**: {said}`card.json` has all parameters under `lineage`. - " in text


def test_a_bare_card_makes_a_page(model):
    _, card = model
    bare = dataclasses.replace(card, lineage={}, metrics={}, int8=None)
    page = model_card(bare, [], {}, {card.file: 1})
    assert "**Measured**: nothing." in page
    assert "**Photos**: none are listed; MD5 of their list `not recorded`. Licences: none." in page
    assert "int8" not in page


@pytest.mark.parametrize("folder", sorted(path.parent for path in WEIGHTS.glob("*/card.json")))
def test_what_ships_has_such_a_page(folder):
    """All that follows from its card: the photos and the patches are known to the page alone."""
    card, page = read_card(folder), (folder / PAGE).read_text(encoding="utf-8")
    sizes = {path.name: path.stat().st_size for path in folder.glob("*.onnx")}
    title, what, items, *rest = model_card(card, [], {}, sizes).strip().split("\n\n")
    for block in (title, what, *rest):
        assert f"{block}\n" in page
    *_, measured = items.splitlines()
    assert f"{measured}\n" in page


def test_a_teacher_of_others_is_named_with_its_licence(model):
    folder, card = model
    teacher = {
        "arch": "spandrel",
        "architecture": "SPAN 48nf",
        "weights": "span.pth",
        "weights_sha256": "ab" * 32,
        "weights_licence": "Apache-2.0",
    }
    write_model_card(folder, dataclasses.replace(card, lineage={**LINEAGE, "teacher": teacher}), [])
    text = " ".join((folder / PAGE).read_text(encoding="utf-8").split())
    said = "Its teacher is SPAN 48nf, trained elsewhere: `span.pth`, SHA-256 "
    assert f"{said}`{'ab' * 32}`, licence Apache-2.0." in text
    ours = {**teacher, "arch": "resnet18"}
    write_model_card(folder, dataclasses.replace(card, lineage={**LINEAGE, "teacher": ours}), [])
    assert "trained elsewhere" not in (folder / PAGE).read_text(encoding="utf-8")
