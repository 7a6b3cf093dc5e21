"""The student as it is trained: over-parameterised, and showing features to the teacher.

A convolution may be trained as the product of two, the first `expansion` channels wide, with a
short way past both where the shapes allow it (collapsible linear blocks: Bhardwaj et al.,
"Collapsible Linear Blocks for Super-Efficient Super Resolution", MLSys 2022). The product is folded
into one kernel at every step, so that pictures only ever pass through the convolutions of the
student, and training costs no more.

What it shows is its last hidden layer: through a head, one 1x1 convolution to the teacher's
features (Romero et al., "FitNets", ICLR 2015), which is dropped when the weights are delivered, or
as it is, where only affinities are compared (`kdsharp.train.loop.loss`).
"""

import math
from typing import Any

import torch
from torch import nn
from torch.func import functional_call

from kdsharp.train.config import StudentConfig
from kdsharp.train.student.network import Student, inner_pixels, names_of

__all__ = ["ReparamStudent"]

Weights = dict[str, torch.Tensor]


class ReparamStudent(nn.Module):
    """Like `Student`; in training it also returns features, if `config.feature_weight` is not 0.

    `features` is the number of the teacher's feature channels, for the head.
    """

    def __init__(self, config: StudentConfig, features: int = 0) -> None:
        super().__init__()
        self.shows = config.feature_weight > 0
        self.student = Student(config)
        self.blocks = nn.ModuleDict()
        if config.expansion:
            for name, conv in self.student.named_children():
                assert isinstance(conv, nn.Conv2d)
                self.blocks[name] = _Block(conv, config.expansion)
                conv.weight.requires_grad_(False)
        projects = self.shows and config.feature_match == "projection"
        self.head = nn.Conv2d(config.channels, features, 1) if projects else nn.Identity()

    @property
    def margin(self) -> int:
        """Full-size pixels on each side that it does not answer about in training."""
        return self.student.margin

    def forward(self, x_NCHW: torch.Tensor) -> Any:
        """(N, C, H, W) in [0, 1] -> the same shape, in evaluation mode.

        In training only the inner pixels, `Student.margin` less on each side: a patch is not a
        whole picture, and what lies around it must not be made up.
        """
        if not self.training:
            return functional_call(self.student, self._folded(), x_NCHW)
        output, hidden = inner_pixels(x_NCHW, self._layers(), self.student.config.unshuffle_factor)
        return (output, self.head(hidden)) if self.shows else output

    def _layers(self) -> list[tuple[torch.Tensor, torch.Tensor]]:
        state = {**dict(self.student.named_parameters()), **self._folded()}
        names = names_of(self.student.config.convs)
        return [(state[f"{name}.weight"], state[f"{name}.bias"]) for name in names]

    def _folded(self) -> Weights:
        return {f"{name}.weight": block() for name, block in self.blocks.items()}

    @torch.no_grad()
    def fuse(self, weights: Weights) -> Student:
        """The plain student that `weights`, a state of this module, stand for."""
        self.load_state_dict(weights)
        student = Student(self.student.config)
        student.load_state_dict({**self.student.state_dict(), **self._folded()})
        return student


class _Block(nn.Module):
    """A kernel (O, I, h, w) as a product (O, E)(E, I h w), plus the identity where O equals I."""

    past: torch.Tensor

    def __init__(self, conv: nn.Conv2d, expansion: int) -> None:
        super().__init__()
        self.shape = conv.weight.shape
        flat = conv.weight.detach().flatten(1)
        past = torch.zeros_like(conv.weight)
        if conv.in_channels == conv.out_channels and flat.any():
            nn.init.dirac_(past)
        self.register_buffer("past", past, persistent=False)
        self.wide = nn.Parameter(torch.randn(expansion, flat.shape[1]) / math.sqrt(flat.shape[1]))
        self.narrow = nn.Parameter(torch.randn(len(flat), expansion) * math.sqrt(2 / expansion))
        with torch.no_grad():
            if not flat.any():
                self.narrow.zero_()  # the last convolution starts at zero
            elif not past.any():
                self.wide.sub_(self.wide.mean(1, keepdim=True))  # see `Student._initialise`

    def forward(self) -> torch.Tensor:
        """The kernel that this stands for."""
        return (self.narrow @ self.wide).view(self.shape) + self.past
