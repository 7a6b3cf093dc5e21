import dataclasses
import hashlib
import json
import logging
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import pipeline.stages.training as module
from benchmarks.common.training import train_for
from kdsharp.color import luma
from kdsharp.errors import UserError
from kdsharp.train.config import LoopConfig, StudentConfig, TeacherConfig
from kdsharp.train.loop.fit import fit
from kdsharp.train.student.network import load_student
from kdsharp.train.student.train import train_student
from kdsharp.train.teacher.network import find_teacher, load_teacher
from kdsharp.train.teacher.train import train_teacher
from pipeline.environment import read_environment
from pipeline.params import load_params
from pipeline.paths import CHECKPOINTS, ENVIRONMENT, MANIFEST, NEEDS, PATCHES, STUDENT, TEACHER
from pipeline.stages import needs, student, teacher
from pipeline.stages.training import Training, fingerprint, on_several_processes
from pipeline.tracking.runs import TrackedRun

LOOP = LoopConfig(epochs=2, batch_size=4, checkpoint_minutes=0, device="cpu")
CONFIG = StudentConfig(
    channels=4, kernels=(3, 3, 3), teacher_weight=0.0, truth_weight=1.0, loop=LOOP
)
ROOT = Path(__file__).parents[3]


class Recorder(TrackedRun):
    """Keeps what would go to MLflow; the real store is tried in the integration tests."""

    def __init__(self):
        super().__init__()
        self.run_id, self.logged = "run-1", []

    def metrics(self, values, step=None):
        self.logged.append((step, dict(values)))

    def tags(self, values):
        self.logged.append(("tags", dict(values)))

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

    def start(stage, lineage, *, resume=None, tags=None, params=None):
        started.append((resume, Recorder()))
        return started[-1][1]

    monkeypatch.setattr(module, "start", start)
    return started


def train(params, config=CONFIG):
    training = Training("student", params, config, STUDENT)
    training.run(partial(train_student, config), {"kind": "test"})
    return training


def test_it_writes_weights_a_curve_and_epochs(params, runs):
    train(params)
    assert load_student(STUDENT).config == CONFIG
    curve = pd.read_csv("reports/curves/student.csv")
    assert list(curve.columns) == ["epoch", "loss", "lr", "val_psnr_y"]
    assert list(curve["epoch"]) == [1, 2]
    ((_, run),) = runs
    epochs = {step: values for step, values in run.logged if isinstance(step, int)}
    assert set(epochs) == {1, 2}
    assert epochs[2]["curve/val_psnr_y"] == curve["val_psnr_y"][1]
    assert epochs[1]["pace/patches_per_second"] > 0


def test_what_it_ran_with_stands_on_the_run_and_beside_the_weights(params, runs):
    Path("requirements.lock").write_text("torch==1.0 \\\n    --hash=sha256:00\n")
    loop = dataclasses.replace(LOOP, threads=1)
    train(params, dataclasses.replace(CONFIG, loop=loop))
    written = read_environment("student")
    expected = {"device": "cpu", "precision": "fp32", "threads": 1, "processes": 1}
    assert {key: written[key] for key in expected} == expected
    assert (
        written["lock_sha256"] == hashlib.sha256(Path("requirements.lock").read_bytes()).hexdigest()
    )
    assert torch.__version__.startswith(written["torch"].partition("+")[0])
    ((_, run),) = runs
    tags = {
        key: value for step, values in run.logged if step == "tags" for key, value in values.items()
    }
    assert {key: tags[f"kdsharp.{key}"] for key in written} == {
        key: str(value) for key, value in written.items()
    }


def test_other_packages_than_noted_train_nothing(params, runs):
    ENVIRONMENT.write_text('{"numpy": "1.0", "torch": "1.0"}')
    with pytest.raises(UserError, match=r"numpy .* is installed, but data/environment.json says 1"):
        train(params)
    train(params.model_copy(update={"environment": "ignore"}))
    assert STUDENT.exists()


def test_a_run_that_was_cut_off_goes_on_under_its_own_id(params, runs):
    train(params)
    STUDENT.unlink()
    train(params)
    assert [resume for resume, _ in runs] == [None, "run-1"]
    assert not [step for step, _ in runs[1][1].logged if isinstance(step, int)]


def test_a_new_store_gets_the_epochs_of_before(params, runs, monkeypatch):
    train(params)
    (note,) = CHECKPOINTS.glob("student-*/run.json")
    note.write_text(json.dumps({"run_id": "of another store"}))
    train(params)
    assert [step for step, _ in runs[1][1].logged if isinstance(step, int)] == [1, 2]


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
    first = fingerprint("student", CONFIG, (path,))
    assert first != fingerprint("student", CONFIG, (f"{path.name} elsewhere",))
    assert first == fingerprint("student", CONFIG, (path,))
    assert first != fingerprint("student", dataclasses.replace(CONFIG, channels=5), (path,))
    path.write_text("two")
    assert first != fingerprint("student", CONFIG, (path,))


TEACHING = TeacherConfig(
    depth=1, width=8, num_blocks=1, color="luma", margin=2, loop=dataclasses.replace(LOOP, crop=14)
)


def configured(params, **changes):
    return params.model_copy(update={"student": CONFIG, "teacher": TEACHING, **changes})


@pytest.fixture
def no_store(monkeypatch, runs):
    for stage in (student,):
        monkeypatch.setattr(stage, "find_run", lambda *_: None)


def test_stage_and_benchmark_train_the_same_teacher_and_student(params, runs, no_store):
    """Through the stages, and through what the tables are made with: the same bytes."""
    learner = dataclasses.replace(CONFIG, teacher_weight=0.5, truth_weight=0.5)
    params = configured(params, student=learner)
    needs.main(params)
    teacher.main(params)
    student.main(params)
    staged = load_teacher(TEACHER)
    ours, steps = train_for(partial(train_teacher, TEACHING), 0, 8)
    assert steps == 8
    for name, weight in staged.state_dict().items():
        assert torch.equal(ours.state_dict()[name], weight), name
    taught = partial(train_student, learner, teacher=staged)
    pupil, _ = train_for(taught, 0, 8)
    for name, weight in load_student(STUDENT).state_dict().items():
        assert torch.equal(pupil.state_dict()[name], weight), name


def test_teacher_student_and_benchmark_see_the_same_crops(params, runs, no_store, monkeypatch):
    """Every crop, of whichever network, begins on the grid of the degradation."""
    seen = []

    def spy(network, examples, *rest):
        loop = dataclasses.replace(LOOP, crop=14)
        seen.append([b.inputs_NCHW for b in examples.batches(loop, 0, 8, (0, 1), ahead=False)])
        return fit(network, examples, *rest)

    monkeypatch.setattr("kdsharp.train.training.fit", spy)
    cropped = dataclasses.replace(CONFIG, loop=dataclasses.replace(LOOP, crop=14))
    params = configured(params, student=dataclasses.replace(cropped, teacher_weight=1.0))
    needs.main(params)
    teacher.main(params)
    student.main(params)
    train_for(partial(train_teacher, TEACHING), 0, 1)
    train_for(partial(train_student, cropped), 0, 1)
    first, *others = seen
    assert len(others) == 3
    for other in others:
        assert all(torch.equal(a, b) for a, b in zip(first, other, strict=True))
    # Off the grid, pixels of the inputs lie at other places of it.
    lows = np.load(PATCHES / "train_lr.npy")
    on_grid = {values(low[y : y + 14, x : x + 14]) for low in lows for y, x in GRID}
    for batch in first:
        assert {values(crop) for crop in upright(batch)} <= on_grid


GRID = [(y, x) for y in (0, 2) for x in (0, 2)]


def values(rgb_HWC):
    """What tells a crop from all others, however it is turned: its sorted levels of luma."""
    return tuple(sorted(np.rint(luma(rgb_HWC) * 256).astype(int).ravel().tolist()))


def upright(batch):
    """Luma planes as RGB of equal channels, which have the same luma."""
    planes = batch.permute(0, 2, 3, 1).numpy() * 255
    return [np.repeat(plane, 3, axis=-1) for plane in planes]


def test_who_learns_from_the_truth_alone_trains_no_teacher(params, runs):
    params = configured(params)
    needs.main(params)
    teacher.main(params)
    assert find_teacher(TEACHER) is None
    assert list(pd.read_csv("reports/curves/teacher.csv").columns) == list(module.CURVE)
    assert runs == []
    with pytest.raises(UserError, match="holds no network, not a teacher"):
        load_teacher(TEACHER)
    student.main(params)
    assert load_student(STUDENT).config == CONFIG
    assert len(runs) == 1


def test_whether_a_teacher_is_needed_does_not_follow_its_weight(params):
    """DVC compares the answer: another weight alone must not train the teacher anew."""
    answers = []
    for weight in (1.0, 0.25, 0.0):
        learner = dataclasses.replace(CONFIG, teacher_weight=weight, truth_weight=1.0)
        needs.main(configured(params, student=learner))
        answers.append(NEEDS.read_bytes())
    assert answers[0] == answers[1] != answers[2]


def test_students_of_several_sizes_ask_the_teacher_once(params, runs, caplog):
    caplog.set_level(logging.INFO)
    learner = dataclasses.replace(CONFIG, teacher_weight=1.0)

    def asked(**changes):
        caplog.clear()
        config = dataclasses.replace(learner, **changes)
        student.main(configured(params, student=config))
        return caplog.text.count("asking the teacher")

    first = configured(params, student=learner)
    needs.main(first)
    teacher.main(first)
    assert [asked(), asked(channels=8), asked(truth_weight=0.5)] == [1, 0, 0]
    assert asked(ensemble=True) == 1
    # Those that nobody needs any more are not kept.
    assert len(list(CHECKPOINTS.glob("answers-*"))) == 1
    assert asked() == 1


def test_colours_that_do_not_go_together_are_told_at_once(params):
    learner = dataclasses.replace(CONFIG, teacher_weight=1.0, color="rgb")
    with pytest.raises(UserError, match=r"student\.color is rgb.*set teacher\.color to rgb"):
        needs.main(configured(params, student=learner))
    needs.main(
        configured(
            params, student=dataclasses.replace(learner, teacher_weight=0.0, truth_weight=1.0)
        )
    )


def test_one_process_is_this_one():
    assert not on_several_processes("student", LOOP)


def test_a_batch_that_cannot_be_shared_is_told():
    loop = dataclasses.replace(LOOP, processes=3)
    with pytest.raises(UserError, match=r"student\.loop\.batch_size 4 is not a multiple"):
        on_several_processes("student", loop)
