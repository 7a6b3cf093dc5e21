"""What training minimises: how far pictures are from targets, and features from a teacher's.

Spatial affinity is which places of a picture resemble each other, in the eyes of a network: He et
al., "FAKD: Feature-Affinity Based Knowledge Distillation for Efficient Image Super-Resolution",
ICIP 2020. It compares networks of any width, so it needs no projection.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own convention

__all__ = [
    "LEAST",
    "LOSSES",
    "Loss",
    "affinity_loss",
    "center_crop_like",
    "harm",
    "log_mse",
    "spatial_affinity",
]

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

LEAST = 1e-5
"""Added to a mean square: 50 dB, beyond which nobody sees anything."""


def log_mse(ours_NCHW: torch.Tensor, target_NCHW: torch.Tensor) -> torch.Tensor:
    """(N,): the logarithm of each picture's mean square; 10 dB of PSNR are 2.3 of it.

    So each kind of picture counts by what it gains in decibels, the nearly sharp as the coarse.
    """
    return torch.log((ours_NCHW - target_NCHW).square().mean((1, 2, 3)) + LEAST)


def harm(
    ours_NCHW: torch.Tensor, input_NCHW: torch.Tensor, target_NCHW: torch.Tensor
) -> torch.Tensor:
    """How much worse than the input, on the scale of `log_mse`; the mean over the pictures.

    A gain on one makes up for nothing on another. From the first step on nothing else would be
    learned: whatever a student begins with harms some pictures more than it helps others.
    """
    before = log_mse(input_NCHW, target_NCHW)
    return F.relu(log_mse(ours_NCHW, target_NCHW) - before).mean()


LOSSES: dict[str, Loss] = {
    "mse": F.mse_loss,
    "l1": F.l1_loss,
    # L1 that is smooth at zero (Charbonnier et al., ICIP 1994); 1e-3 is a quarter grey level.
    "charbonnier": lambda a, b: torch.sqrt((a - b) ** 2 + 1e-6).mean(),
    "psnr": lambda a, b: log_mse(a, b).mean(),
}


def center_crop_like(target: torch.Tensor, output: torch.Tensor) -> torch.Tensor:
    """The middle of `target` that `output` is about."""
    rows, columns = (
        slice((whole - inner) // 2, (whole + inner) // 2)
        for whole, inner in zip(target.shape[-2:], output.shape[-2:], strict=True)
    )
    return target[..., rows, columns]


def spatial_affinity(features_NCHW: torch.Tensor) -> torch.Tensor:
    """(N, C, H, W) -> (N, HW, HW): the cosine between the channels of each two places, -1..1."""
    places = F.normalize(features_NCHW.flatten(2), dim=1)
    return places.mT @ places


def affinity_loss(ours_NCHW: torch.Tensor, theirs_NCHW: torch.Tensor) -> torch.Tensor:
    """Mean absolute difference of both affinities; channels may differ in number, sides may not."""
    return F.l1_loss(spatial_affinity(ours_NCHW), spatial_affinity(theirs_NCHW))
