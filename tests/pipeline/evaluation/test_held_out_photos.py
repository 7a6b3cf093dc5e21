"""Which photos count as held_out."""

import logging
import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from kdsharp.errors import UserError
from pipeline.evaluation.held_out import asked_for, configured, held_out_photos
from pipeline.params import Params, load_params
from pipeline.paths import PARAMS
from tests.pipeline.release.gated import photo

SHIPPED = load_params(PARAMS.resolve())


@pytest.fixture(autouse=True)
def manifest(tmp_path, monkeypatch, caplog):
    """data/raw with four photos, and held_out/ with a set of two."""
    monkeypatch.chdir(tmp_path)
    caplog.set_level(logging.INFO)
    rows = []
    for seed, split in enumerate(["train", "val", "unlabelled", "test"]):
        made = photo(tmp_path / "data/raw" / split / f"{seed}.png", seed)
        rows.append((made.name, split, made.sha256))
    for seed in (10, 11):
        photo(tmp_path / "held_out" / "Set5" / f"{seed}.png", seed)
    return pd.DataFrame(rows, columns=["name", "split", "sha256"])


def params(folder):
    values = SHIPPED.model_dump()
    values["evaluate"]["held_out"] = str(folder)
    return Params.model_validate(values)


def names(photos):
    return [(photo.split, photo.name) for photo in photos]


def test_every_photo_of_every_set_with_its_file(tmp_path, manifest):
    photo(tmp_path / "mine" / "loose.png", 12)
    found = held_out_photos([tmp_path / "held_out", tmp_path / "mine"], SHIPPED, manifest)
    assert names(found) == [
        ("held_out/Set5", "10.png"), ("held_out/Set5", "11.png"), ("held_out/mine", "loose.png")
    ]  # fmt: skip
    assert all(photo.path.is_file() for photo in found)
    # A set named by itself is the same set: what a recipe draws follows from split and name.
    assert (
        names(held_out_photos([tmp_path / "held_out/Set5"], SHIPPED, manifest)) == names(found)[:2]
    )


@pytest.mark.parametrize(("split", "seed"), [("train", 0), ("val", 1), ("unlabelled", 2)])
def test_training_photos_and_near_duplicates_are_left_out(tmp_path, manifest, caplog, split, seed):
    original, folder = tmp_path / f"data/raw/{split}/{seed}.png", tmp_path / "held_out"
    shutil.copy(original, folder / "same.png")
    with Image.open(original) as image:
        image.resize((75, 70)).save(folder / "smaller.jpg", quality=50)
    assert [name for _, name in names(held_out_photos([folder], SHIPPED, manifest))] == [
        "10.png", "11.png"
    ]  # fmt: skip
    said = caplog.text
    assert f"held_out/same.png: is not held out: it is {split}/{seed}.png (the same file)" in said
    assert f"held_out/smaller.jpg: is not held out: it is {split}/{seed}.png (distance" in said


def test_a_test_photo_is_no_training_photo(tmp_path, manifest):
    assert names(held_out_photos([tmp_path / "data/raw/test"], SHIPPED, manifest)) == [
        ("held_out/test", "3.png")
    ]


def test_unusable_photos_are_left_out_with_a_line(tmp_path, manifest, caplog):
    Image.fromarray(np.zeros((15, 40, 3), np.uint8)).save(tmp_path / "held_out/Set5/small.png")
    (tmp_path / "held_out/Set5/torn.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    assert len(held_out_photos([tmp_path / "held_out"], SHIPPED, manifest)) == 2
    assert "Set5/small.png: is 40x15 pixels, 16 a side are needed" in caplog.text
    assert "Set5/torn.png: not a picture in JPEG, PNG" in caplog.text


def test_mistakes_are_one_line(tmp_path, manifest):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="empty: holds no photos, nor folders of photos"):
        held_out_photos([tmp_path / "empty"], SHIPPED, manifest)
    with pytest.raises(UserError, match="nowhere: no such folder"):
        held_out_photos([tmp_path / "nowhere"], SHIPPED, manifest)
    with pytest.raises(UserError, match="two sets are called Set5: rename the folder of one"):
        held_out_photos([tmp_path / "held_out", tmp_path / "held_out/Set5"], SHIPPED, manifest)
    with pytest.raises(
        UserError, match=r"raw/train: none of 1 photos can be used; train/0\.png is"
    ):
        held_out_photos([tmp_path / "data/raw/train"], SHIPPED, manifest)


def test_the_default_folder_asks_for_nothing_until_it_holds_photos(tmp_path, manifest, caplog):
    folder = tmp_path / "data/held_out"
    assert not asked_for(SHIPPED)
    folder.mkdir()
    (folder / "README.md").write_text("photos go here")
    assert not asked_for(SHIPPED)
    assert configured(SHIPPED, manifest) == []
    assert "data/held_out holds no photos" in caplog.text
    photo(folder / "a.png", 20)
    assert asked_for(SHIPPED)
    assert names(configured(SHIPPED, manifest)) == [("held_out/held_out", "a.png")]


def test_a_folder_of_one_s_own_must_hold_photos(tmp_path, manifest):
    assert len(configured(params(tmp_path / "held_out"), manifest)) == 2
    assert asked_for(params("elsewhere"))
    with pytest.raises(UserError, match="elsewhere: no such folder"):
        configured(params("elsewhere"), manifest)


def test_how_models_are_judged_does_not_change_their_hash():
    assert params("elsewhere").digest() == SHIPPED.digest()
