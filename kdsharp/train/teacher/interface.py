"""What students, evaluation and registry need of a teacher, whoever made and trained it."""

from abc import ABC, abstractmethod

import torch
from torch import nn

from kdsharp.train.config import TeacherConfig

__all__ = ["AnyTeacher"]


class AnyTeacher(nn.Module, ABC):
    """(N, C, H, W) in [0, 1] -> the same shape; any size from 1x1.

    C is `planes`: 3 for RGB and 1 for luma.
    """

    config: TeacherConfig
    planes: int
    grid: int
    """Tiles of a picture have to begin at multiples of so many pixels."""
    foreign = False
    """Whether it is another's network, which was trained elsewhere, and whose code is not ours."""

    @abstractmethod
    def with_features(self, x_NCHW: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The output, and features (N, `features`, H / 2, W / 2) that a student may learn from."""

    @property
    @abstractmethod
    def features(self) -> int:
        """Channels of its features; 0 if it shows none."""

    @property
    @abstractmethod
    def about(self) -> str:
        """What it is and where its weights come from, for people."""

    @property
    @abstractmethod
    def macs_per_pixel(self) -> float:
        """Multiply-accumulates of all products for one pixel, biases not counted."""

    @property
    @abstractmethod
    def receptive_radius(self) -> int:
        """Pixels on each side of a tile that are read besides it."""

    @property
    def parameter_count(self) -> int:
        """Weights and biases; frozen statistics do not count."""
        return sum(p.numel() for p in self.parameters())
