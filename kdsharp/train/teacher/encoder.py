"""What the teacher needs from an encoder, whichever network it is; and its ImageNet weights."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from torchvision.models import WeightsEnum

from kdsharp.errors import TransientError, UserError
from kdsharp.train.config import TeacherConfig
from kdsharp.train.teacher.local import local_weights

__all__ = ["Architecture", "Encoder", "Weights", "imagenet_weights"]

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

    Raises `KeyError`, `RuntimeError`, `TypeError` or `AttributeError` for anything else.
    """


def imagenet_weights(config: TeacherConfig, published: WeightsEnum) -> Weights:
    """The weights in `config.weights` (checked against `weights_sha256`), else `published`.

    The latter come from torchvision's own loader and cache. Names are torchvision's. Raises
    `UserError` when they cannot be had.
    """
    return local_weights(config) if config.weights else _downloaded(published)


def _downloaded(published: WeightsEnum) -> Weights:
    try:
        state: Weights = published.get_state_dict(progress=True, check_hash=True, weights_only=True)
    except OSError as error:
        raise TransientError(
            f"the ImageNet weights could not be downloaded from {published.url} ({error}): "
            "set teacher.weights to a local file, or teacher.pretrained to false"
        ) from None
    except RuntimeError as error:
        raise UserError(
            f"the ImageNet weights from {published.url} are damaged ({error})"
        ) from None
    return state
