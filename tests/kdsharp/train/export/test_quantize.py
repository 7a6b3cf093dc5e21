import dataclasses

import numpy as np
import pytest
import torch

from kdsharp.errors import UserError
from kdsharp.train.export.quantize import WEIGHT_LIMIT, quantize
from tests.kdsharp.train.networks import TINY, blurred, student


@pytest.fixture
def pixels():
    """(16, 1, 16, 16) with edges, as a luma student reads them."""
    return blurred().inputs.array_NHWC.transpose(0, 3, 1, 2).copy()


def error(made, reference, pixels):
    """Root mean square of the difference, in grey levels."""
    x_NCHW = torch.from_numpy(pixels).float() / 255
    with torch.no_grad():
        return 255 * float((made(x_NCHW) - reference(x_NCHW)).square().mean().sqrt())


@pytest.mark.parametrize("grid", [1, 2, 3, 4])
@pytest.mark.parametrize("color", ["luma", "rgb"])
@pytest.mark.parametrize("convs", [3, 6])
def test_it_is_close_to_the_student(grid, color, convs):
    config = dataclasses.replace(TINY, unshuffle_factor=grid, color=color, convs=convs)
    made = student(config, trained=True)
    pixels = blurred(planes=made.planes).inputs.array_NHWC.transpose(0, 3, 1, 2).copy()
    quantized = quantize(made, pixels)
    x_NCHW = torch.from_numpy(pixels).float() / 255
    with torch.no_grad():
        change = 255 * float((made(x_NCHW) - x_NCHW).square().mean().sqrt())
    # Each further layer rounds once more.
    assert error(quantized, made, pixels) < 0.02 * (convs / 3) * change


def test_no_channel_is_brighter_or_darker_on_average(pixels):
    made = student(trained=True)
    x_NCHW = torch.from_numpy(pixels).float() / 255
    with torch.no_grad():
        off = 255 * (quantize(made, pixels)(x_NCHW) - made(x_NCHW))
    cells = off.reshape(-1, 8, 2, 8, 2).mean((0, 1, 3))
    assert cells.abs().max() < 0.01


def test_channels_of_other_ranges_cost_nothing(pixels):
    """Scaling a channel, and its weights in the next layer back, leaves a student as it is."""
    made = student(trained=True)
    before = error(quantize(made, pixels), made, pixels)
    with torch.no_grad():
        for layer, following in ((made.first, made.second), (made.second, made.last)):
            layer.weight[0] *= 15
            layer.bias[0] *= 15
            following.weight[:, 0] /= 15
    assert error(quantize(made, pixels), made, pixels) < 1.5 * before


def test_weights_and_biases_are_whole_numbers_that_fit(pixels):
    quantized = quantize(student(trained=True), pixels).double()
    for index in range(3):
        for values, limit in zip(quantized.whole(index), (WEIGHT_LIMIT, 2**31 - 1), strict=True):
            assert (values == values.round()).all()
            assert values.abs().max() <= limit
        assert quantized.whole(index)[0].abs().amax((1, 2, 3)).tolist() == [WEIGHT_LIMIT] * 4


def test_an_untrained_student_stays_the_identity(pixels):
    quantized = quantize(student(), pixels)
    x_NCHW = torch.from_numpy(pixels).double() / 255
    assert (255 * quantized.double()(x_NCHW)).round().equal(255 * x_NCHW)


def test_it_can_be_trained_further(pixels):
    quantized = quantize(student(trained=True), pixels).train()
    x_NCHW = torch.from_numpy(pixels).float() / 255
    target_NCHW = 0.9 * x_NCHW
    before = (quantized(x_NCHW) - target_NCHW).square().mean()
    before.backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in quantized.parameters())
    optimizer = torch.optim.Adam(quantized.parameters(), 1e-3)
    for _ in range(30):
        loss = (quantized(x_NCHW) - target_NCHW).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert (quantized(x_NCHW) - target_NCHW).square().mean() < before / 2


def test_the_same_pictures_give_the_same_numbers(pixels):
    first, second = (quantize(student(trained=True), pixels) for _ in range(2))
    for one, other in zip(first.parameters(), second.parameters(), strict=True):
        assert one.equal(other)


def test_nothing_to_calibrate_on_is_one_line():
    with pytest.raises(UserError, match="there are none: make patches"):
        quantize(student(), np.zeros((0, 1, 16, 16), np.uint8))
