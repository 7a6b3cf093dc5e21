from dataclasses import replace

import pytest

from kdsharp.runtime.catalog import DEPTHS, SCALES, WIDTHS
from kdsharp.train.config import KERNELS, StudentConfig, student_name, student_size
from kdsharp.train.student.network import Student


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("size", WIDTHS)
def test_a_member_is_known_by_channels_and_grid(size, scale):
    convs, channels = DEPTHS[size], WIDTHS[size][scale]
    config = StudentConfig(channels, convs, KERNELS, unshuffle_factor=scale)
    assert student_size(config, scale) == size
    assert student_name(config, scale) == f"{size}-x{scale}"
    assert student_size(replace(config, unshuffle_factor=1), scale) is None
    assert student_size(replace(config, convs=5), scale) is None


def test_others_are_called_by_their_channels():
    config = StudentConfig(channels=24, unshuffle_factor=2, color="rgb")
    assert student_size(config, 2) is None
    assert student_name(config, 2) == "c24-x2-rgb"
    assert student_name(StudentConfig(channels=32, unshuffle_factor=2), 4) == "c32-x4"
    assert student_name(StudentConfig(convs=5, channels=32), 2) == "c32d5-x2"


@pytest.mark.parametrize("scale", SCALES)
def test_sizes_cost_what_they_may_and_grow(scale):
    students = {
        size: Student(StudentConfig(widths[scale], DEPTHS[size], KERNELS, unshuffle_factor=scale))
        for size, widths in WIDTHS.items()
    }
    # Multiply-accumulates for a picture of 1280x720, and the weights' bytes.
    costs = {size: one.macs_per_pixel * 1280 * 720 for size, one in students.items()}
    for size, most in {"nano": 1e9, "small": 4e9, "large": 12e9}.items():
        assert costs[size] < most
    assert costs["nano"] < costs["deep-small"] < costs["small"] < costs["deep-large"]
    assert costs["deep-large"] < costs["large"]
    assert all(4 * student.parameter_count < 295_000 for student in students.values())
