"""The stage `teacher` with a network that is ready; tests/integration has it within `dvc repro`."""

import dataclasses
import json
import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from skimage import data

import pipeline.stages.teacher as stage
from kdsharp.degrade import degrade
from kdsharp.errors import UserError
from kdsharp.files import sha256_file
from kdsharp.train.config import TeacherConfig
from kdsharp.train.loop.weights import read_about, save_weights
from kdsharp.train.teacher.network import Teacher, load_teacher
from pipeline.params import load_params
from pipeline.paths import CURVES, MANIFEST, PATCHES, TEACHER
from pipeline.stages import needs
from pipeline.tracking.runs import TrackedRun
from tests.kdsharp.train.teacher.foreign import compact, config_of, write

ROOT = Path(__file__).parents[3]
PHOTO = Image.fromarray(data.chelsea()[:96, :288])


@pytest.fixture
def params(patches, tmp_path):
    """params.yaml with a teacher that enlarges twice."""
    pytest.importorskip("spandrel", reason="needs the extra spandrel")
    path = write(tmp_path / "net.pth", compact().state_dict())
    config = config_of(path, loop=load_params(ROOT / "params.yaml").teacher.loop)
    return load_params(ROOT / "params.yaml").model_copy(update={"teacher": config})


@pytest.fixture
def patches(tmp_path, monkeypatch):
    """A working directory with patches to validate on."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(stage, "start", lambda *_, **__: TrackedRun())
    MANIFEST.parent.mkdir(parents=True)
    MANIFEST.write_text("name,split\n")
    PATCHES.mkdir(parents=True)
    for kind, image in (("lr", degrade(PHOTO, "bicubic", 2)), ("hr", PHOTO)):
        pixels = np.asarray(image).reshape(96, 3, 96, 3).transpose(1, 0, 2, 3)
        np.save(PATCHES / f"val_{kind}.npy", pixels)
    (PATCHES / "patches.json").write_text(json.dumps({"scale": 2}))


def degraded(params, **changes):
    made = params.degradation.model_copy(update=changes)
    return params.model_copy(update={"degradation": made})


def test_it_is_taken_over_and_measured(params, caplog):
    caplog.set_level(logging.INFO)
    needs.main(params)
    stage.main(params)
    teacher, about = load_teacher(TEACHER), read_about(TEACHER)
    assert teacher.foreign
    assert about["weights"] == "net.pth"
    assert list(pd.read_csv(CURVES / "teacher.csv").columns) == list(stage.CURVE)
    assert f"val Y-PSNR {about['val_psnr_y']:.3f} dB" in caplog.text
    # Untrained, it is little more than pixels repeated.
    assert 20 < about["val_psnr_y"] < 40
    assert "it makes the patches worse: was it made for bicubic x2?" in caplog.text


def test_what_does_not_undo_the_degradation_is_one_line(params, tmp_path):
    needs.main(params)
    with pytest.raises(UserError, match=r"enlarges 2 times, but degradation\.scale is 3: set it"):
        stage.main(degraded(params, scale=3))
    with pytest.raises(
        UserError, match=r"the recipe soft does not end .* \(it shrinks by 1 to 4\)"
    ):
        stage.main(degraded(params, name="soft"))
    assert not TEACHER.exists()
    # One that restores takes any degradation.
    restoring = write(tmp_path / "one.pth", compact(1).state_dict())
    one = params.model_copy(update={"teacher": config_of(restoring)})
    stage.main(degraded(one, name="soft"))
    assert load_teacher(TEACHER)(torch.rand(1, 3, 8, 8)).shape == (1, 3, 8, 8)


def test_its_features_are_asked_for_in_vain(params):
    student = params.student.__class__(feature_weight=0.1)
    with pytest.raises(UserError, match=r"student\.feature_weight is above 0"):
        needs.main(params.model_copy(update={"student": student}))


def test_a_teacher_of_this_project_is_taken_as_it_is(patches, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    given = tmp_path / "given.safetensors"
    made = TeacherConfig(arch="none", width=8, num_blocks=1, color="luma", margin=4)
    save_weights(given, "teacher", made, Teacher(made).state_dict(), {"best_epoch": 3})
    params = load_params(ROOT / "params.yaml")
    config = dataclasses.replace(
        params.teacher, arch="file", weights=str(given), weights_sha256=sha256_file(given)[:8]
    )
    params = params.model_copy(update={"teacher": config})
    needs.main(params)
    stage.main(params)
    assert TEACHER.read_bytes() == given.read_bytes()
    # Untrained, it does nothing.
    assert "+0.000 dB over doing nothing" in caplog.text
    other = params.model_copy(update={"teacher": dataclasses.replace(config, color="rgb")})
    with pytest.raises(UserError, match=r"color luma, but teacher\.color is rgb"):
        stage.main(other)


def test_a_teacher_that_is_ready_needs_a_file():
    with pytest.raises(ValueError, match="arch is file, but weights names no file to open"):
        TeacherConfig(arch="file")
