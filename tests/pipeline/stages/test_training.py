import dataclasses
import hashlib
import json
import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import pipeline.stages.training as module
from kdsharp.errors import UserError
from kdsharp.train.batches import Examples, Planes
from kdsharp.train.config import LoopConfig, StudentConfig
from kdsharp.train.distill import planes_of
from kdsharp.train.student import Student, load_student
from kdsharp.train.validate import psnr_y
from pipeline.params import load_params
from pipeline.paths import CHECKPOINTS, MANIFEST, PATCHES, STUDENT
from pipeline.stages.training import Training, fingerprint, on_several_processes
from pipeline.tracking import TrackedRun

LOOP = LoopConfig(epochs=2, batch_size=4, checkpoint_minutes=0, device="cpu")
CONFIG = StudentConfig(channels=4, kernels=(3, 3, 3), loop=LOOP)
ROOT = Path(__file__).parents[3]


class Recorder(TrackedRun):
    """Keeps what would go to MLflow; the real store is tried in the integration tests."""

    def __init__(self):
        super().__init__()
        self.run_id, self.logged = "run-1", []

    def metrics(self, values, step=None):
        self.logged.append((step, dict(values)))

    def _send(self, what, call):
        pass


@pytest.fixture
def params(tmp_path, monkeypatch):
    """A working directory with patches, and the repository's params."""
    params = load_params(ROOT / "params.yaml")
    monkeypatch.chdir(tmp_path)
    torch.set_num_threads(1)
    MANIFEST.parent.mkdir(parents=True)
    MANIFEST.write_text("name,split\n")
    PATCHES.mkdir(parents=True)
    random = np.random.default_rng(0)
    for split, count in (("train", 16), ("val", 4)):
        for kind in ("lr", "hr"):
            values = random.integers(0, 256, (count, 16, 16, 3), np.uint8)
            np.save(PATCHES / f"{split}_{kind}.npy", values)
    (PATCHES / "patches.json").write_text(json.dumps({"scale": 2}))
    return params


@pytest.fixture
def runs(monkeypatch):
    """The runs that were started, with the id that each was asked to resume."""
    started = []

    def start(stage, lineage, *, resume=None, tags=None):
        started.append((resume, Recorder()))
        return started[-1][1]

    monkeypatch.setattr(module, "start", start)
    return started


def train(params, config=CONFIG):
    training = Training("student", params, config.loop, config, STUDENT)
    low, high = (planes_of(p, "luma") for p in (training.train.lr_NHWC, training.train.hr_NHWC))
    val = Planes(training.val.lr_NHWC[..., :1], 255), Planes(training.val.hr_NHWC[..., :1], 255)
    score = lambda n: psnr_y(n, *val, border=2)  # noqa: E731
    training.run(Student(config), Examples(low, [(1.0, high)]), score, {"kind": "test"})
    return training


def test_it_writes_weights_a_curve_and_epochs(params, runs):
    train(params)
    assert load_student(STUDENT).config == CONFIG
    curve = pd.read_csv("reports/curves/student.csv")
    assert list(curve.columns) == ["epoch", "loss", "lr", "val_psnr_y"]
    assert list(curve["epoch"]) == [1, 2]
    ((_, run),) = runs
    epochs = {step: values for step, values in run.logged if step}
    assert set(epochs) == {1, 2}
    assert epochs[2]["val_psnr_y"] == curve["val_psnr_y"][1]
    assert epochs[1]["patches_per_second"] > 0


def test_a_run_that_was_cut_off_goes_on_under_its_own_id(params, runs):
    train(params)
    STUDENT.unlink()
    train(params)
    assert [resume for resume, _ in runs] == [None, "run-1"]
    assert not [step for step, _ in runs[1][1].logged if step]


def test_a_new_store_gets_the_epochs_of_before(params, runs, monkeypatch):
    train(params)
    (note,) = CHECKPOINTS.glob("student-*/run.json")
    note.write_text(json.dumps({"run_id": "of another store"}))
    train(params)
    assert [step for step, _ in runs[1][1].logged if step] == [1, 2]


def test_what_dvc_already_has_is_trained_anew(params, runs, caplog):
    caplog.set_level(logging.INFO)
    train(params)
    digest = hashlib.md5(STUDENT.read_bytes()).hexdigest()
    Path("dvc.lock").write_text(f"  md5: {digest}\n")
    caplog.clear()
    train(params)
    assert "epoch  1/2" in caplog.text


def test_what_dvc_has_not_noted_yet_is_not_trained_again(params, runs, caplog):
    caplog.set_level(logging.INFO)
    train(params)
    Path("dvc.lock").write_text("  md5: of something else\n")
    caplog.clear()
    train(params)
    assert "epoch  1/2" not in caplog.text


def test_finished_checkpoints_do_not_pile_up(params, runs):
    for seed in (1, 2, 3):
        loop = dataclasses.replace(LOOP, seed=seed)
        train(params, dataclasses.replace(CONFIG, loop=loop))
    assert len(list(CHECKPOINTS.iterdir())) == 1


def test_the_fingerprint_is_of_config_and_files(tmp_path):
    path = tmp_path / "a"
    path.write_text("one")
    first = fingerprint(CONFIG, (path,))
    assert first == fingerprint(CONFIG, (path,))
    assert first != fingerprint(dataclasses.replace(CONFIG, channels=5), (path,))
    path.write_text("two")
    assert first != fingerprint(CONFIG, (path,))


def test_one_process_is_this_one():
    assert not on_several_processes("student", LOOP)


def test_a_batch_that_cannot_be_shared_is_told():
    loop = dataclasses.replace(LOOP, processes=3)
    with pytest.raises(UserError, match=r"student\.loop\.batch_size 4 is no multiple"):
        on_several_processes("student", loop)
