"""Training for a given CPU time: what the tables of teacher and student are made with."""

import json
import time
from functools import partial

import numpy as np
import pytest

from benchmarks.common.photos import samples, score_set
from benchmarks.common.training import psnr_on, train_for, with_changes
from kdsharp.train.config import LoopConfig, StudentConfig
from kdsharp.train.student.network import Student
from kdsharp.train.student.train import train_student
from pipeline.paths import PATCHES

LOOP = LoopConfig(batch_size=2, crop=32, warmup_steps=0, device="cpu")
CONFIG = StudentConfig(channels=4, teacher_weight=0.0, truth_weight=1.0, loop=LOOP)


@pytest.fixture
def patches(tmp_path, monkeypatch):
    """A working directory with data/patches, whose low quality is brighter."""
    monkeypatch.chdir(tmp_path)
    PATCHES.mkdir(parents=True)
    random = np.random.default_rng(1)
    for split in ("train", "val"):
        high = random.integers(0, 256, (4, 48, 48, 3), dtype=np.uint8)
        low = np.clip(high.astype(int) + 10, 0, 255).astype(np.uint8)
        np.save(PATCHES / f"{split}_lr.npy", low)
        np.save(PATCHES / f"{split}_hr.npy", high)
    (PATCHES / "patches.json").write_text(json.dumps({"scale": 2}))


def test_changes_go_to_the_network_and_to_its_loop():
    changed = with_changes(CONFIG, {"channels": 8, "lr": 0.5})
    assert (changed.channels, changed.loop.lr, changed.loop.crop) == (8, 0.5, 32)


def test_it_trains_for_about_the_time_that_is_given(patches):
    train = partial(train_student, CONFIG)
    began = time.process_time()
    student, steps = train_for(train, 1.0, None)
    took = time.process_time() - began
    assert steps > 1
    assert took > 0.5
    assert np.abs(student.last.weight.detach().numpy()).max() > 0


def test_it_trains_for_a_number_of_steps(patches):
    lessons = []
    train = lambda lesson: lessons.append(lesson) or train_student(CONFIG, lesson)  # noqa: E731
    _, steps = train_for(train, 0.001, 5)
    assert steps == 5
    assert [lesson.steps for lesson in lessons] == [5]


def test_an_untrained_student_scores_what_doing_nothing_scores(photo):
    nothing = score_set(samples([photo], 2), lambda sample: sample.low, 2)
    assert psnr_on({"one": [photo]}, Student(CONFIG), 2) == [pytest.approx(nothing.psnr, abs=1e-6)]
