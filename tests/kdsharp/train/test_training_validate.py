import numpy as np
import pytest
import torch

from kdsharp.metrics import compare
from kdsharp.train.dataset.batches import Planes
from kdsharp.train.student.distill import planes_of
from kdsharp.train.training import luma_of, psnr_y


class Identity(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(()))

    def forward(self, x):
        return x * self.weight


@pytest.mark.parametrize("color", ["luma", "rgb"])
@pytest.mark.parametrize("border", [0, 2])
def test_it_follows_the_protocol_of_the_tables(color, border):
    random = np.random.default_rng(0)
    truth = random.integers(0, 256, (20, 32, 32, 3), np.uint8)
    noisy = np.clip(truth + random.integers(-20, 21, truth.shape), 0, 255).astype(np.uint8)
    expected = np.mean([compare(a, b, border)["psnr_y"] for a, b in zip(noisy, truth, strict=True)])
    planes = [planes_of(p, color) for p in (noisy, truth)]
    assert psnr_y(Identity(), *planes, border=border) == pytest.approx(expected, abs=1e-3)


def test_the_batch_size_does_not_matter():
    values = Planes(np.random.default_rng(0).integers(0, 256, (7, 16, 16, 1), np.uint8), 255)
    other = Planes(values.array_NHWC[::-1], 255)
    scores = [psnr_y(Identity(), values, other, 2, batch) for batch in (1, 3, 7)]
    assert scores == pytest.approx([scores[0]] * 3)


def test_luma_of_luma_is_itself():
    x = torch.rand(1, 1, 4, 4)
    assert luma_of(x) is x
