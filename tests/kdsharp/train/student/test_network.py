import dataclasses

import pytest
import torch

from kdsharp.train.config import LoopConfig, StudentConfig
from kdsharp.train.student.network import Student
from tests.kdsharp.train.networks import TINY, student

SIZES = [(1, 1), (1, 2), (5, 4), (8, 8), (13, 17)]


@pytest.mark.parametrize("convs", [3, 4, 8])
def test_it_has_as_many_convolutions_as_asked_for(convs):
    made = Student(StudentConfig(channels=8, convs=convs, kernels=(5, 3, 1)))
    assert [conv.kernel_size[0] for conv in made.convs] == [5, *[3] * (convs - 2), 1]
    assert made.margin == 2 * (2 + convs - 2)
    names = [name for name, _ in made.named_children()]
    assert (names[0], names[-1], len(set(names))) == ("first", "last", convs)
    with pytest.raises(ValueError, match=r"loop\.crop 44 leaves nothing to learn: kernels"):
        StudentConfig(convs=8, kernels=(7, 7, 7), loop=LoopConfig(crop=44))


@pytest.mark.parametrize("color", ["luma", "rgb"])
@pytest.mark.parametrize("size", SIZES)
def test_an_untrained_student_is_the_identity(color, size):
    made = student(dataclasses.replace(TINY, color=color))
    x = torch.rand(2, made.planes, *size)
    assert torch.equal(made(x), x)


def test_it_has_three_convolutions_and_says_its_size():
    made = Student(StudentConfig(channels=32, kernels=(5, 3, 3)))
    assert [type(m) for m in made.children()] == [torch.nn.Conv2d] * 3
    assert made.parameter_count == 4 * 32 * 25 + 32 + 32 * 32 * 9 + 32 + 32 * 4 * 9 + 4
    assert made.macs_per_pixel == (4 * 32 * 25 + 32 * 32 * 9 + 32 * 4 * 9) / 4


@pytest.mark.parametrize("kernels", [(3, 3, 3), (5, 3, 3), (1, 1, 1)])
@pytest.mark.parametrize("convs", [3, 6])
@pytest.mark.parametrize("position", [40, 41])
def test_the_receptive_radius_is_exact_on_one_side(kernels, convs, position):
    made = student(dataclasses.replace(TINY, kernels=kernels, convs=convs), trained=True)
    x = torch.rand(1, 1, 80, 80, requires_grad=True)
    (gradient,) = torch.autograd.grad(made(x)[0, 0, position, position], x)
    reach = (gradient[0, 0].nonzero() - position).abs().max()
    assert reach == made.receptive_radius


def test_an_odd_side_is_continued_by_its_last_column():
    made = student(trained=True)
    x = torch.rand(1, 1, 8, 7)
    wide = torch.cat([x, x[..., -1:]], -1)
    torch.testing.assert_close(made(x), made(wide)[..., :7])


@pytest.mark.parametrize("grid", [1, 2, 3, 4])
def test_beyond_the_sides_lie_their_last_pixels(grid):
    """Zeros there would be unknown to a student that has seen inner pixels alone."""
    made = student(dataclasses.replace(TINY, unshuffle_factor=grid), trained=True).double()
    x_NCHW = torch.rand(1, 1, 4 * grid, 5 * grid, dtype=torch.float64)
    around = made.margin + grid
    with torch.no_grad():
        larger = made(torch.nn.functional.pad(x_NCHW, (around,) * 4, mode="replicate"))
        inner = larger[..., around:-around, around:-around]
        torch.testing.assert_close(made(x_NCHW), inner)
