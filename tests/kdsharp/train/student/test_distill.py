import dataclasses

import numpy as np
import pytest
import torch
from torch.nn.functional import mse_loss

from kdsharp.color import luma
from kdsharp.errors import UserError
from kdsharp.train.config import TeacherConfig
from kdsharp.train.dataset.examples import FINE, make_dataset, planes_of
from kdsharp.train.dataset.patches import PatchSet
from kdsharp.train.loop.loss import affinity_loss
from kdsharp.train.student.distill import answers_of, cache_teacher_outputs
from kdsharp.train.teacher.network import Teacher
from tests.kdsharp.train.networks import TINY


@pytest.fixture
def patches():
    random = np.random.default_rng(0)
    lr, hr = (random.integers(0, 256, (20, 8, 8, 3), np.uint8) for _ in range(2))
    return PatchSet(lr, hr, 2)


def examples(patches, teacher, config, cache, unlabelled=None):
    """What a student of `config` learns from, as `train_student` makes it."""
    said = answers_of(teacher, patches, config, cache, unlabelled, 0) if teacher else None
    return make_dataset(patches, config.color, config.truth_weight, said)


class Inverter(torch.nn.Module):
    """A teacher whose answers are known: 1 - x, features too, and it counts what it is asked."""

    def __init__(self):
        super().__init__()
        self.config = TeacherConfig(width=8)
        self.features = 8
        self.weight = torch.nn.Parameter(torch.ones(()))
        self.asked = 0

    def with_features(self, x):
        self.asked += len(x)
        ramp = torch.linspace(-1, 1, x.shape[-1] // 2).expand(len(x), 8, x.shape[-2] // 2, -1)
        return self.weight - x, ramp * torch.arange(1, 9).view(1, 8, 1, 1)


def values(planes):
    return planes.array_NHWC[:] / planes.peak


@pytest.mark.parametrize("ensemble", [False, True])
@pytest.mark.parametrize("color", ["luma", "rgb"])
def test_the_teacher_answers_each_patch(patches, tmp_path, color, ensemble):
    config = dataclasses.replace(TINY, color=color, ensemble=ensemble)
    planes, features = cache_teacher_outputs(Inverter(), patches.lr_NHWC, config, tmp_path)
    expected = 1 - patches.lr_NHWC / 255
    if color == "luma":
        expected = luma(expected)[..., None]
    assert np.abs(values(planes) - expected).max() <= 0.51 / FINE
    assert features is None


def test_features_have_one_scale_and_turn_with_the_picture(patches, tmp_path):
    config = dataclasses.replace(TINY, feature_weight=0.5)
    _, plain = cache_teacher_outputs(Inverter(), patches.lr_NHWC, config, tmp_path / "plain")
    assert plain.array_NHWC.shape == (20, 4, 4, 8)
    np.testing.assert_allclose(plain.array_NHWC.astype(float).std((0, 1, 2)), 1, atol=0.01)
    config = dataclasses.replace(config, ensemble=True)
    _, turned = cache_teacher_outputs(Inverter(), patches.lr_NHWC, config, tmp_path / "ensemble")
    # The ramp always goes to the right, however the picture lies: on average it goes nowhere.
    assert np.abs(turned.array_NHWC.astype(float)).max() < 0.1


def test_it_is_asked_once(patches, tmp_path):
    teacher = Inverter()
    first, _ = cache_teacher_outputs(teacher, patches.lr_NHWC, TINY, tmp_path)
    second, _ = cache_teacher_outputs(teacher, patches.lr_NHWC, TINY, tmp_path)
    assert teacher.asked == 20
    assert np.array_equal(first.array_NHWC, second.array_NHWC)


def test_a_self_ensemble_asks_eight_times(patches, tmp_path):
    teacher = Inverter()
    cache_teacher_outputs(
        teacher, patches.lr_NHWC, dataclasses.replace(TINY, ensemble=True), tmp_path
    )
    assert teacher.asked == 8 * 20


def test_a_self_ensemble_is_the_mean_over_all_eight_turns(patches, tmp_path):
    torch.manual_seed(0)
    teacher = Teacher(TeacherConfig(depth=1, width=8, num_blocks=1)).eval()
    torch.nn.init.normal_(teacher.last.weight, std=0.1)
    config = dataclasses.replace(TINY, color="rgb", ensemble=True)
    planes, _ = cache_teacher_outputs(teacher, patches.lr_NHWC, config, tmp_path)
    x = torch.from_numpy(patches.lr_NHWC / np.float32(255)).permute(0, 3, 1, 2)
    answers = []
    with torch.no_grad():
        for mirrored in (False, True):
            for quarters in range(4):
                turned = torch.rot90(x.flip(3) if mirrored else x, quarters, (2, 3))
                back = torch.rot90(teacher(turned), -quarters, (2, 3))
                answers.append(back.flip(3) if mirrored else back)
    expected = torch.stack(answers).mean(0).clamp(0, 1).permute(0, 2, 3, 1).numpy()
    assert np.abs(expected - teacher_alone(teacher, x)).max() > 0.01
    assert np.abs(values(planes) - expected).max() <= 1.01 / FINE


@torch.no_grad()
def teacher_alone(teacher, x):
    return teacher(x).clamp(0, 1).permute(0, 2, 3, 1).numpy()


def test_an_interrupted_teacher_leaves_no_answers(patches, tmp_path):
    class Broken(Inverter):
        def with_features(self, x):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache_teacher_outputs(Broken(), patches.lr_NHWC, TINY, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("teacher_weight", "truth_weight", "targets"),
    [(1.0, 0.0, ["teacher"]), (0.0, 1.0, ["truth"]), (0.7, 0.3, ["teacher", "truth"])],
)
def test_the_mixture_is_a_parameter(patches, tmp_path, teacher_weight, truth_weight, targets):
    config = dataclasses.replace(TINY, teacher_weight=teacher_weight, truth_weight=truth_weight)
    teacher = Inverter()
    made = examples(patches, teacher, config, tmp_path)
    known = {
        "teacher": values(cache_teacher_outputs(teacher, patches.lr_NHWC, config, tmp_path)[0]),
        "truth": values(planes_of(patches.hr_NHWC, "luma")),
    }
    weights = {"teacher": teacher_weight, "truth": truth_weight}
    assert [w for w, _ in made.targets] == [weights[name] for name in targets]
    for name, (_, planes) in zip(targets, made.targets, strict=True):
        assert np.array_equal(values(planes), known[name])


def test_without_the_teacher_nobody_asks_it(patches, tmp_path):
    config = dataclasses.replace(TINY, teacher_weight=0.0, truth_weight=1.0)
    made = examples(patches, None, config, tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert made.align == patches.scale


def test_features_come_with_their_weight(patches, tmp_path):
    config = dataclasses.replace(TINY, teacher_weight=0.0, truth_weight=1.0, feature_weight=0.25)
    made = examples(patches, Inverter(), config, tmp_path)
    weight, features = made.features
    assert (weight, features.array_NHWC.shape) == (0.25, (20, 4, 4, 8))
    assert [w for w, _ in made.targets] == [1.0]


MATCHES = {"projection": mse_loss, "affinity": affinity_loss}


@pytest.mark.parametrize("match", MATCHES)
def test_how_features_are_compared_is_a_parameter(patches, tmp_path, match):
    config = dataclasses.replace(TINY, feature_weight=0.25, feature_match=match)
    assert examples(patches, Inverter(), config, tmp_path).match is MATCHES[match]


@pytest.mark.parametrize("color", ["luma", "rgb"])
def test_the_teacher_is_the_truth_of_what_has_none(patches, tmp_path, color):
    config = dataclasses.replace(TINY, color=color, teacher_weight=0.5, truth_weight=0.5)
    extra = np.random.default_rng(5).integers(0, 256, (3, 8, 8, 3), np.uint8)
    made = examples(patches, Inverter(), config, tmp_path, extra)
    (_, answers), (_, truth) = made.targets
    assert len(made) == len(values(truth)) == len(values(answers)) == 23
    known = planes_of(patches.hr_NHWC, color)
    assert np.abs(values(truth)[:20] - values(known)).max() < 1e-6
    assert np.array_equal(values(truth)[20:], values(answers)[20:])
    assert np.array_equal(values(made.inputs)[20:], values(planes_of(extra, color)))


def test_without_a_teacher_they_are_left_out(patches, tmp_path):
    config = dataclasses.replace(TINY, teacher_weight=0.0, truth_weight=1.0)
    extra = np.zeros((3, 8, 8, 3), np.uint8)
    assert len(examples(patches, None, config, tmp_path, extra)) == 20


def test_a_teacher_of_luma_answers_what_it_was_trained_on(patches, tmp_path):
    """The luma of the patch goes in, and comes out as the student is to give it."""
    torch.manual_seed(0)
    teacher = Teacher(TeacherConfig(depth=1, width=8, num_blocks=1, color="luma")).eval()
    torch.nn.init.normal_(teacher.last.weight, std=0.1)
    planes, _ = cache_teacher_outputs(teacher, patches.lr_NHWC, TINY, tmp_path)
    x = torch.from_numpy(luma(patches.lr_NHWC)[:, None].astype(np.float32) / 255)
    assert np.abs(values(planes) - teacher_alone(teacher, x)).max() <= 2.01 / FINE


def test_a_teacher_of_luma_cannot_teach_a_student_of_rgb(patches, tmp_path):
    teacher = Teacher(TeacherConfig(depth=1, width=8, num_blocks=1, color="luma"))
    with pytest.raises(UserError, match=r"student\.color is rgb, but the teacher knows only luma"):
        cache_teacher_outputs(
            teacher, patches.lr_NHWC, dataclasses.replace(TINY, color="rgb"), tmp_path
        )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("margin", "own", "border"), [(0, 6, 0), (4, 6, 0), (7, 4, 4), (8, 0, 8)])
def test_answers_near_the_sides_of_a_patch_are_left_out(patches, tmp_path, margin, own, border):
    """As far as that reaches beyond what the student does not answer about anyway."""
    config = dataclasses.replace(TINY, answer_margin=margin)
    said = answers_of(Inverter(), patches, config, tmp_path, None, own)
    assert make_dataset(patches, "luma", 0.0, said).border == border
