"""Which photos quality is measured on, and how they are made low."""

import numpy as np
import pytest
from PIL import Image

from benchmarks.common.photos import VARIABLE, find_datasets, samples, score_set
from kdsharp.errors import UserError
from kdsharp.metrics import compare


@pytest.fixture
def sets(tmp_path, picture):
    for name in ("Urban100", "mine", "Set5"):
        (tmp_path / name).mkdir()
    for name in ("Urban100/1.png", "mine/1.png", *(f"Set5/{i}.png" for i in range(5))):
        Image.fromarray(picture).save(tmp_path / name)
    (tmp_path / "mine" / "notes.txt").write_text("not a photo")
    return tmp_path


def test_sets_come_in_the_order_of_the_field_and_say_when_they_are_not_whole(sets):
    found, _ = find_datasets(sets)
    assert list(found) == ["Set5", "Urban100 (1 of 100)", "mine"]
    assert len(found["mine"]) == 1


def test_the_shared_folder_is_used_when_none_is_named(sets, monkeypatch):
    (sets.parent / "benchmarks").symlink_to(sets)
    monkeypatch.setenv(VARIABLE, str(sets.parent))
    assert "Set5" in find_datasets(None)[0]


def test_a_folder_without_sets_is_a_clear_error(tmp_path):
    with pytest.raises(UserError, match="holds no folders of photos"):
        find_datasets(tmp_path)
    with pytest.raises(UserError, match="no such folder"):
        find_datasets(tmp_path / "nowhere")


def test_without_any_photos_quality_is_left_empty(tmp_path, monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    found, line = find_datasets(None)
    assert (found, "quality is left empty" in line) == ({}, True)


def test_a_sample_has_both_low_forms(sets):
    (sample,) = samples([sets / "mine" / "1.png"], 3)
    assert sample.truth.shape == sample.low.shape == (36, 51, 3)
    assert sample.small.shape == (12, 17, 3)


def test_scores_are_those_of_the_metrics_of_the_project(sets):
    (sample,) = samples([sets / "mine" / "1.png"], 2)
    nothing = score_set([sample], lambda photo: photo.low, 2)
    expected = compare(sample.low, sample.truth, 2)
    assert nothing.psnr == pytest.approx(expected["psnr_y"])
    assert nothing.ssim == pytest.approx(expected["ssim_y"])
    assert not np.array_equal(sample.low, sample.truth)
