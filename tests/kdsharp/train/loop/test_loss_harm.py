import math

import pytest
import torch

from kdsharp.train.dataset.batches import Batch, PatchDataset, Planes
from kdsharp.train.loop.loss import LOSSES, harm, log_mse

TRUTH = torch.full((2, 1, 4, 4), 0.5)


def test_ten_decibels_count_the_same_whatever_the_picture():
    coarse, fine = TRUTH + 0.2, TRUTH + 0.2 / math.sqrt(10)
    step = (log_mse(coarse, TRUTH) - log_mse(fine, TRUTH))[0]
    assert float(step) == pytest.approx(math.log(10), abs=0.01)
    assert float(log_mse(TRUTH, TRUTH)[0]) == pytest.approx(math.log(1e-5))


def test_a_gain_on_one_picture_makes_up_for_nothing_on_another():
    before = TRUTH + 0.1
    ours = before.clone()
    ours[0] -= 0.09  # far better
    assert float(harm(ours, before, TRUTH)) == 0
    ours[1] += 0.1
    assert float(harm(ours, before, TRUTH)) == pytest.approx(math.log(4) / 2, abs=0.01)


@pytest.mark.parametrize(("loss", "counts"), [("psnr", True), ("l1", False)])
def test_harm_counts_where_the_loss_is_of_decibels(loss, counts):
    examples = PatchDataset(Planes(TRUTH.numpy(), 1), [], 1, harm_weight=1.0)
    batch = Batch(TRUTH, [(1.0, TRUTH)])

    def worse(x):
        return x + 0.1

    measure, device = LOSSES[loss], torch.device("cpu")
    plain = float(measure(worse(TRUTH), TRUTH))
    found = float(examples.loss(worse, batch, measure, device))
    assert (found > plain + 1) == counts
