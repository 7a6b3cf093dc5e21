import dataclasses

import numpy as np
import pytest
import torch

from kdsharp.runtime.windows import looked_at
from kdsharp.train.config import StudentConfig
from kdsharp.train.dataset.examples import planes_of
from kdsharp.train.dataset.patches import PatchSet
from kdsharp.train.loop.weights import save_weights
from kdsharp.train.student.mixture import MixedStudent, plain_of
from kdsharp.train.student.network import Student, inner_pixels, load_student
from kdsharp.train.student.train import train_student
from kdsharp.train.training import Lesson, psnr_y
from tests.kdsharp.train.networks import LOOP, blurred
from tests.mixed import CONFIG, make_student


def test_untrained_it_is_the_identity():
    x = torch.rand(2, 1, 9, 12)
    torch.testing.assert_close(MixedStudent(CONFIG).eval()(x), x, atol=0, rtol=0)


@pytest.mark.parametrize("convs", [3, 5])
def test_in_training_each_picture_of_a_batch_has_its_own_kernels(convs):
    student = make_student(dataclasses.replace(CONFIG, convs=convs)).train()
    x = torch.rand(3, 1, 40, 40) * torch.tensor([0.1, 0.5, 1.0]).view(3, 1, 1, 1)
    together = student(x)
    margin = student.margin
    assert together.shape == (3, 1, 40 - 2 * margin, 40 - 2 * margin)
    for one, made in zip(x, together, strict=True):
        shares = student.mixer.shares(student.mixer.features(one[None]))[0]
        layers = [(conv.weight, conv.bias) for conv in student.folded(shares).convs]
        torch.testing.assert_close(
            made, inner_pixels(one[None], layers, 2)[0][0], atol=1e-6, rtol=0
        )


def test_shares_follow_from_the_picture_and_sum_up_to_one():
    student = make_student()
    noise = np.random.default_rng(0).random((100, 90), dtype=np.float32)
    flat = np.full((100, 90), 0.5, np.float32)
    one, other = (student.shares_by(looked_at(picture)) for picture in (noise, flat))
    assert len(one) == CONFIG.mixture
    assert one != other
    assert sum(one) == pytest.approx(1, abs=0.02)  # each is rounded


def test_a_whole_picture_is_what_the_plain_student_of_its_shares_makes():
    student, x = make_student(), torch.rand(1, 1, 70, 81)
    shares = student.shares_by(looked_at(x[0, 0].numpy()))
    plain = student.folded(torch.tensor(shares))
    assert type(plain) is Student
    torch.testing.assert_close(student(x), plain(x), atol=0, rtol=0)
    assert plain_of(plain) is plain
    assert type(plain_of(student)) is Student


def test_it_costs_what_a_plain_student_costs_and_counts_all_its_kernels():
    student, plain = MixedStudent(CONFIG), Student(dataclasses.replace(CONFIG, mixture=0))
    assert student.macs_per_pixel == plain.macs_per_pixel
    assert (student.margin, student.receptive_radius) == (plain.margin, plain.receptive_radius)
    assert student.parameter_count > 3 * plain.parameter_count


def test_it_is_read_from_a_file_as_it_was(tmp_path):
    student, path = make_student(), tmp_path / "student.safetensors"
    save_weights(path, "student", CONFIG, student.state_dict())
    again, x = load_student(path), torch.rand(1, 1, 30, 30)
    assert isinstance(again, MixedStudent)
    torch.testing.assert_close(again(x), student(x), atol=0, rtol=0)


def test_delivered_kernels_are_of_half_precision():
    student = make_student()
    for name, stacked in student.kernels().items():
        exact = student.stacked()[name].detach().numpy()
        np.testing.assert_array_equal(stacked.astype(np.float32), exact)


def test_it_learns_as_a_plain_student_does(tmp_path):
    made = blurred(64, 48)
    soft, sharp = (p.array_NHWC.repeat(3, 3) for p in (made.inputs, made.targets[0][1]))
    late = {"mse_share": 0.3, "late_loss": "psnr"}
    loop = dataclasses.replace(LOOP, epochs=1, crop=40, batch_size=8, optimizer="soap", **late)
    config = dataclasses.replace(CONFIG, loop=loop, harm_weight=1.0)
    patches = PatchSet(soft, sharp, 2)
    student = train_student(
        config, Lesson(patches, patches, tmp_path / "a.pt", "", steps=60)
    ).network
    assert isinstance(student, MixedStudent)
    low, truth = (planes_of(pixels, "luma") for pixels in (soft, sharp))
    before, after = (psnr_y(one, low, truth, 2) for one in (torch.nn.Identity(), student))
    assert after > before + 0.5


def test_a_mixture_needs_luma_and_plain_kernels():
    with pytest.raises(ValueError, match="mixture needs color luma"):
        StudentConfig(mixture=2, color="rgb")
    with pytest.raises(ValueError, match="expansion 0"):
        StudentConfig(mixture=2, expansion=16)
