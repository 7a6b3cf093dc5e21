"""Which folders are sets, and which photos they hold."""

import pytest
from mlflow.utils.validation import _validate_metric_name

from kdsharp.errors import UserError
from pipeline.data.datasets import find_datasets, how_many


def touch(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def found(folder):
    return {
        name: [path.relative_to(folder).as_posix() for path in paths]
        for name, paths in find_datasets(folder).items()
    }


def test_folders_are_sets_in_the_order_of_the_field_and_loose_photos_one_more(tmp_path):
    root = tmp_path / "photos"
    touch(root, "Urban100/b.png", "Urban100/deep/a.JPG", "mine/1.webp", "Set5/x.png", "z.tiff")
    touch(root, "notes/read.txt", ".hidden/1.png", "mine/.2.png", "a.txt")
    assert found(root) == {
        "Set5": ["Set5/x.png"],
        "Urban100": ["Urban100/b.png", "Urban100/deep/a.JPG"],
        "mine": ["mine/1.webp"],
        "photos": ["z.tiff"],
    }
    assert found(root / "mine") == {"mine": ["1.webp"]}
    assert found(root / "notes") == {}


def test_low_quality_copies_are_left_out(tmp_path):
    root = tmp_path / "sets"
    touch(root, "Set5/HR/a.png", "Set5/LR_bicubic/X2/a.png")
    touch(root, "Set14/img_SRF_2_HR.png", "Set14/img_SRF_2_LR.png", "shared/chr.png")
    assert found(root) == {
        "Set5": ["Set5/HR/a.png"],
        "Set14": ["Set14/img_SRF_2_HR.png"],
        "shared": ["shared/chr.png"],
    }
    assert found(root / "Set5") == {"Set5": ["HR/a.png"]}


def test_names_are_those_that_mlflow_takes(tmp_path):
    touch(tmp_path, "Urlaub (Süd) #2/a.png", f"{'x' * 200}/a.png")
    names = list(find_datasets(tmp_path))
    assert "Urlaub -Süd- -2" in names
    for name in names:
        _validate_metric_name(f"held_out/{name}.student_onnx.gap_percent")
        assert len(name) <= 100


def test_a_folder_that_is_none_is_one_line(tmp_path):
    touch(tmp_path, "a.png")
    with pytest.raises(UserError, match="nowhere: no such folder: name a folder of photos"):
        find_datasets(tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"a\.png: not a folder"):
        find_datasets(tmp_path / "a.png")


def test_a_part_of_a_known_set_is_called_so():
    assert how_many("Urban100", 20) == "20 of 100"
    assert how_many("Set5", 5) == "5"
    assert how_many("mine", 7) == "7"
