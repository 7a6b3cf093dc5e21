"""Small networks and data that several tests share."""

import numpy as np
import torch

from kdsharp.train.config import LoopConfig, StudentConfig
from kdsharp.train.dataset.batches import PatchDataset, Planes
from kdsharp.train.student.network import Student

LOOP = LoopConfig(
    epochs=2, batch_size=4, lr=1e-2, warmup_steps=2, ema=0.9, checkpoint_minutes=0, device="cpu"
)
TINY = StudentConfig(channels=4, kernels=(3, 3, 3), loop=LOOP)
DEEP = StudentConfig(channels=4, convs=6, kernels=(5, 3, 1), loop=LOOP)
"""Six convolutions, and sides that tell the first, the hidden and the last apart."""


def student(config=TINY, trained=False):
    """A student, the identity unless `trained` gives its last layer random weights."""
    torch.manual_seed(0)
    made = Student(config)
    if trained:
        torch.nn.init.normal_(made.last.weight, std=0.05)
        torch.nn.init.normal_(made.last.bias, std=0.05)
    return made


def blurred(count=16, side=16, planes=1):
    """Random blocks with sharp edges, and what a small blur leaves of them."""
    blocks = np.random.default_rng(1).integers(0, 256, (count, side // 4, side // 4, planes))
    sharp = blocks.repeat(4, 1).repeat(4, 2)
    soft = (2 * sharp + np.roll(sharp, 1, 1) + np.roll(sharp, 1, 2)) // 4
    low, high = (Planes(values.astype(np.uint8), 255) for values in (soft, sharp))
    return PatchDataset(low, [(1.0, high)], align=1)
