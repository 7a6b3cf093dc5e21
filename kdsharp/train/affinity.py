"""Spatial affinity: which places of a picture resemble each other, in the eyes of a network.

He et al., "FAKD: Feature-Affinity Based Knowledge Distillation for Efficient Image
Super-Resolution", ICIP 2020. It compares networks of any width, so it needs no projection.
"""

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own convention

__all__ = ["affinity_loss", "spatial_affinity"]


def spatial_affinity(features_NCHW: torch.Tensor) -> torch.Tensor:
    """(N, C, H, W) -> (N, HW, HW): the cosine between the channels of each two places, -1..1."""
    places = F.normalize(features_NCHW.flatten(2), dim=1)
    return places.mT @ places


def affinity_loss(ours_NCHW: torch.Tensor, theirs_NCHW: torch.Tensor) -> torch.Tensor:
    """Mean absolute difference of both affinities; channels may differ in number, sides may not."""
    return F.l1_loss(spatial_affinity(ours_NCHW), spatial_affinity(theirs_NCHW))
