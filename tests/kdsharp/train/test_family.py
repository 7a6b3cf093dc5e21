import pytest

from kdsharp.train.config import StudentConfig
from kdsharp.train.family import KERNELS, SCALES, WIDTHS, name_of, size_of
from kdsharp.train.student import Student


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("size", WIDTHS)
def test_a_member_is_known_by_channels_and_grid(size, scale):
    config = StudentConfig(channels=WIDTHS[size][scale], kernels=KERNELS, grid=scale)
    assert size_of(config, scale) == size
    assert name_of(config, scale) == f"{size}-x{scale}"
    assert size_of(StudentConfig(channels=config.channels, grid=scale), scale) == size
    assert size_of(StudentConfig(channels=config.channels, grid=1), scale) is None


def test_others_are_called_by_their_channels():
    config = StudentConfig(channels=24, grid=2, color="rgb")
    assert size_of(config, 2) is None
    assert name_of(config, 2) == "c24-x2-rgb"
    assert name_of(StudentConfig(channels=32, grid=2), 4) == "c32-x4"


@pytest.mark.parametrize("scale", SCALES)
def test_sizes_cost_what_they_may_and_grow(scale):
    students = [
        Student(StudentConfig(channels=widths[scale], kernels=KERNELS, grid=scale))
        for widths in WIDTHS.values()
    ]
    # Multiply-accumulates for a picture of 1280x720, and the weights' bytes.
    costs = [student.macs_per_pixel * 1280 * 720 for student in students]
    assert costs == sorted(costs)
    for cost, most in zip(costs, (1e9, 4e9, 12e9), strict=True):
        assert cost < most
    assert all(4 * student.parameter_count < 295_000 for student in students)
