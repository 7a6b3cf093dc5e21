"""Training for a given CPU time: what the tables of teacher and student are made with."""

import numpy as np
import pytest

from benchmarks.front_parts.photos import samples
from benchmarks.front_parts.quality import score_set
from benchmarks.timed import psnr_on, train_for, with_changes
from kdsharp.train.batches import Examples, Planes
from kdsharp.train.config import LoopConfig, StudentConfig
from kdsharp.train.student import Student

CONFIG = StudentConfig(channels=4, loop=LoopConfig(batch_size=2, crop=32, warmup_steps=0))


@pytest.fixture
def examples():
    random = np.random.default_rng(1)
    high_NHWC = random.integers(0, 256, (4, 48, 48, 1), dtype=np.uint8)
    low_NHWC = np.clip(high_NHWC.astype(int) + 10, 0, 255).astype(np.uint8)
    return Examples(Planes(low_NHWC, 255), [(1.0, Planes(high_NHWC, 255))], align=2)


def test_changes_go_to_the_network_and_to_its_loop():
    changed = with_changes(CONFIG, {"channels": 8, "lr": 0.5})
    assert (changed.channels, changed.loop.lr, changed.loop.crop) == (8, 0.5, 32)


def test_it_trains_until_the_time_is_over(examples):
    student = Student(CONFIG)
    before = student.convs[2].weight.detach().clone()
    averaged, steps = train_for(student, examples, CONFIG.loop, 0.3)
    assert steps > 0
    assert not averaged.training
    assert not np.allclose(before, averaged.convs[2].weight.detach())


def test_it_trains_for_a_number_of_steps(examples):
    _, steps = train_for(Student(CONFIG), examples, CONFIG.loop, 0.001, 5)
    assert steps == 5


def test_an_untrained_student_scores_what_doing_nothing_scores(photo):
    nothing = score_set(samples([photo], 2), lambda sample: sample.low, 2)
    assert psnr_on({"one": [photo]}, Student(CONFIG), 2) == [pytest.approx(nothing.psnr, abs=1e-6)]
