"""What the teacher needs of an encoder, whichever network it is taken from."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from torchvision.models import WeightsEnum

from kdsharp.train.config import TeacherConfig

__all__ = ["Architecture", "Encoder", "Weights"]

Weights = dict[str, torch.Tensor]
"""Tensors by their names in a network."""


@dataclass(frozen=True)
class Encoder:
    """The parts of an encoder of (N, 3, H, W) pictures, normalised as ImageNet's are.

    Parts and not one module, because the teacher holds them under the names `stem`, `pool` and
    `stages`, which are the names in its files.
    """

    stem: nn.Module
    """(N, 3, H, W) -> (N, channels[0], H / 2, W / 2)."""
    pool: nn.Module
    """What the stem gives -> what the first stage takes, at H / 4 x W / 4."""
    stages: nn.ModuleList
    """The first keeps the size, each further one halves it; all take and give NCHW."""
    channels: tuple[int, ...]
    """Of what the stem and each stage give."""
    grid: int
    """H and W have to be multiples of it."""
    reach: int
    """Pixels on each side of a position of the deepest stage that it may depend on (a bound)."""


@dataclass(frozen=True)
class Architecture:
    """A network of torchvision that encoders are taken from."""

    title: str
    """For people."""
    build: Callable[[TeacherConfig], Encoder]
    """With random weights."""
    imagenet: WeightsEnum
    """Torchvision's weights of the whole network."""
    adopt: Callable[[Weights, Weights], Weights]
    """Those weights by torchvision's names, and the teacher's own -> the encoder's in the teacher.

    Raises `KeyError`, `RuntimeError`, `TypeError` or `AttributeError` on anything else.
    """
