import dataclasses

import numpy as np
import pytest
import torch

from kdsharp.color import luma
from kdsharp.train.distill import FINE, planes_of, student_examples, teacher_planes
from kdsharp.train.patches import PatchSet
from tests.kdsharp.train.networks import TINY


@pytest.fixture
def patches():
    random = np.random.default_rng(0)
    lr, hr = (random.integers(0, 256, (20, 8, 8, 3), np.uint8) for _ in range(2))
    return PatchSet(lr, hr, 2)


class Inverter(torch.nn.Module):
    """A teacher whose answers are known: 1 - x, and it counts how often it is asked."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(()))
        self.asked = 0

    def forward(self, x):
        self.asked += len(x)
        return self.weight - x


def values(planes):
    return planes.array_NHWC / planes.peak


def test_luma_planes_are_finer_than_8_bit(patches):
    planes = planes_of(patches.lr_NHWC, "luma")
    expected = luma(patches.lr_NHWC)[..., None] / 255
    assert np.abs(values(planes) - expected).max() <= 0.51 / FINE


def test_rgb_planes_are_the_patches_themselves(patches):
    assert planes_of(patches.lr_NHWC, "rgb").array_NHWC is patches.lr_NHWC


@pytest.mark.parametrize("color", ["luma", "rgb"])
def test_the_teacher_answers_each_patch(patches, tmp_path, color):
    planes = teacher_planes(Inverter(), patches.lr_NHWC, color, tmp_path / "cache.npy")
    expected = 1 - patches.lr_NHWC / 255
    if color == "luma":
        expected = luma(expected)[..., None]
    assert np.abs(values(planes) - expected).max() <= 0.51 / FINE


def test_it_is_asked_once(patches, tmp_path):
    cache = tmp_path / "cache.npy"
    teacher = Inverter()
    first = teacher_planes(teacher, patches.lr_NHWC, "luma", cache)
    second = teacher_planes(teacher, patches.lr_NHWC, "luma", cache)
    assert teacher.asked == 20
    assert np.array_equal(first.array_NHWC, second.array_NHWC)


def test_an_interrupted_teacher_leaves_no_answers(patches, tmp_path):
    class Broken(Inverter):
        def forward(self, x):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        teacher_planes(Broken(), patches.lr_NHWC, "luma", tmp_path / "cache.npy")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("teacher_weight", "truth_weight", "targets"),
    [(1.0, 0.0, ["teacher"]), (0.0, 1.0, ["truth"]), (0.7, 0.3, ["teacher", "truth"])],
)
def test_the_mixture_is_a_parameter(patches, tmp_path, teacher_weight, truth_weight, targets):
    config = dataclasses.replace(TINY, teacher_weight=teacher_weight, truth_weight=truth_weight)
    teacher = Inverter()
    made = student_examples(patches, teacher, config, tmp_path / "cache.npy")
    known = {
        "teacher": values(teacher_planes(teacher, patches.lr_NHWC, "luma", tmp_path / "c.npy")),
        "truth": values(planes_of(patches.hr_NHWC, "luma")),
    }
    weights = {"teacher": teacher_weight, "truth": truth_weight}
    assert [w for w, _ in made.targets] == [weights[name] for name in targets]
    for name, (_, planes) in zip(targets, made.targets, strict=True):
        assert np.array_equal(values(planes), known[name])


def test_without_the_teacher_nobody_asks_it(patches, tmp_path):
    config = dataclasses.replace(TINY, teacher_weight=0.0, truth_weight=1.0)
    student_examples(patches, None, config, tmp_path / "cache.npy")
    assert not (tmp_path / "cache.npy").exists()
