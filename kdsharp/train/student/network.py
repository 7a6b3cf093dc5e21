"""The student: three to eight convolutions on a coarser grid, added to its input.

`pixel_unshuffle(r) -> conv -> ReLU -> conv -> ReLU -> ... -> conv -> pixel_shuffle(r)`. The last
conv starts at zero, so an untrained student is the identity.
"""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own convention
from torch import nn

from kdsharp.train.config import StudentConfig
from kdsharp.train.loop.weights import load_weights

__all__ = ["Student", "inner_pixels", "load_student", "names_of"]

_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh")


class Student(nn.Module):
    """(N, C, H, W) in [0, 1] -> the same shape, not clipped; C is 1 for luma and 3 for RGB."""

    def __init__(self, config: StudentConfig) -> None:
        super().__init__()
        self.config = config
        self.planes = 1 if config.color == "luma" else 3
        folded, wide = self.planes * config.unshuffle_factor**2, config.channels
        channels = (folded, *[wide] * (config.convs - 1), folded)
        for name, (inputs, outputs), side in zip(
            names_of(config.convs), pairwise(channels), config.sides, strict=True
        ):
            self.add_module(name, nn.Conv2d(inputs, outputs, side))
        self._initialise()

    def _initialise(self) -> None:
        """Kaiming; the first filters sum to zero, so that they see detail and not brightness.

        From torch's own start values L1 was seen to learn nothing in 200 steps, from these it does.
        """
        for conv in self.convs:
            nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
            nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
        with torch.no_grad():
            first = self.convs[0].weight
            first -= first.mean((1, 2, 3), keepdim=True)
        nn.init.zeros_(self.convs[-1].weight)

    @property
    def convs(self) -> tuple[nn.Conv2d, ...]:
        """The convolutions, first to last."""
        return tuple(conv for conv in self.children() if isinstance(conv, nn.Conv2d))

    def forward(self, x_NCHW: torch.Tensor) -> torch.Tensor:
        """Sharpen; sides are continued by their last pixels, as far as the kernels see.

        Training sees inner pixels alone: zeros around a picture would be something unknown.
        """
        height, width = x_NCHW.shape[-2:]
        grid, margin = self.config.unshuffle_factor, self.margin
        sides = (margin, margin + -width % grid, margin, margin + -height % grid)
        padded = F.pad(x_NCHW, sides, mode="replicate")
        layers = [(conv.weight, conv.bias) for conv in self.convs if conv.bias is not None]
        sharp, _ = inner_pixels(padded, layers, grid)
        return sharp[..., :height, :width]

    @property
    def margin(self) -> int:
        """Full-size pixels on each side that the kernels take away without padding."""
        return self.config.unshuffle_factor * sum(side // 2 for side in self.config.sides)

    @property
    def parameter_count(self) -> int:
        """Weights and biases of the convolutions."""
        return sum(p.numel() for p in self.parameters())

    @property
    def macs_per_pixel(self) -> float:
        """Multiply-accumulates for one output pixel (all channels), biases not counted."""
        return sum(conv.weight.numel() for conv in self.convs) / self.config.unshuffle_factor**2

    @property
    def receptive_radius(self) -> int:
        """Full-size pixels on each side that an output pixel may depend on."""
        return self.margin + self.config.unshuffle_factor - 1


def inner_pixels(
    x_NCHW: torch.Tensor, layers: Sequence[tuple[torch.Tensor, torch.Tensor]], grid: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """What a student with these kernels makes of the pixels whose surroundings are known.

    (N, C, H, W), sides whole multiples of `grid` -> `Student.margin` pixels less on each side, and
    the last hidden layer (N, channels, h, w).
    """
    hidden = F.pixel_unshuffle(x_NCHW, grid)
    for kernel, bias in layers[:-1]:
        hidden = F.relu(F.conv2d(hidden, kernel, bias))
    detail = F.pixel_shuffle(F.conv2d(hidden, *layers[-1]), grid)
    rows, columns = (
        slice((whole - inner) // 2, (whole + inner) // 2)
        for whole, inner in zip(x_NCHW.shape[-2:], detail.shape[-2:], strict=True)
    )
    return x_NCHW[..., rows, columns] + detail, hidden


def names_of(convs: int) -> tuple[str, ...]:
    """What so many convolutions are called in a student and in its files, first to last."""
    return (*_ORDINALS[: convs - 1], "last")


def load_student(path: Path | str) -> Student:
    """The student in a `.safetensors` file; `UserError` if the file does not hold one."""
    return load_weights(path, "student", StudentConfig, _built)


def _built(config: StudentConfig) -> Student:
    if not config.mixture:
        return Student(config)
    from kdsharp.train.student.mixture import MixedStudent  # which is made of students

    return MixedStudent(config)
