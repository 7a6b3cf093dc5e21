"""The student: three convolutions on a coarser grid, added to its input.

`pixel_unshuffle(grid) -> conv -> ReLU -> conv -> ReLU -> conv -> pixel_shuffle(grid)`. The last
conv starts at zero, so an untrained student is the identity.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own convention
from torch import nn

from kdsharp.train.config import StudentConfig
from kdsharp.train.weights import load_weights

__all__ = ["Student", "inner_pixels", "load_student"]


class Student(nn.Module):
    """(N, C, H, W) in [0, 1] -> the same shape, not clipped; C is 1 for luma and 3 for RGB."""

    def __init__(self, config: StudentConfig) -> None:
        super().__init__()
        self.config = config
        self.planes = 1 if config.color == "luma" else 3
        folded, wide = self.planes * config.grid**2, config.channels
        self.first = _conv(folded, wide, config.kernels[0])
        self.second = _conv(wide, wide, config.kernels[1])
        self.last = _conv(wide, folded, config.kernels[2])
        self._initialise()

    def _initialise(self) -> None:
        """Kaiming; the first filters sum to zero, so that they see detail and not brightness.

        From torch's own start values L1 was seen to learn nothing in 200 steps, from these it does.
        """
        for conv in self.convs:
            nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
            nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
        with torch.no_grad():
            self.first.weight -= self.first.weight.mean((1, 2, 3), keepdim=True)
        nn.init.zeros_(self.last.weight)

    @property
    def convs(self) -> tuple[nn.Conv2d, nn.Conv2d, nn.Conv2d]:
        """The three convolutions, first to last."""
        return self.first, self.second, self.last

    def forward(self, x_NCHW: torch.Tensor) -> torch.Tensor:
        """Sharpen; sides are continued by their last pixels, as far as the kernels see.

        Training sees inner pixels alone: zeros around a picture would be something unknown.
        """
        height, width = x_NCHW.shape[-2:]
        grid, margin = self.config.grid, self.margin
        sides = (margin, margin + -width % grid, margin, margin + -height % grid)
        padded = F.pad(x_NCHW, sides, mode="replicate")
        layers = [(conv.weight, conv.bias) for conv in self.convs if conv.bias is not None]
        sharp, _ = inner_pixels(padded, layers, grid)
        return sharp[..., :height, :width]

    @property
    def margin(self) -> int:
        """Full-size pixels on each side that the three kernels take away without padding."""
        return self.config.grid * sum(kernel // 2 for kernel in self.config.kernels)

    @property
    def parameter_count(self) -> int:
        """Weights and biases of the three convolutions."""
        return sum(p.numel() for p in self.parameters())

    @property
    def macs_per_pixel(self) -> float:
        """Multiply-accumulates for one output pixel (all channels), biases not counted."""
        return sum(conv.weight.numel() for conv in self.convs) / self.config.grid**2

    @property
    def receptive_radius(self) -> int:
        """Full-size pixels on each side that an output pixel may depend on."""
        return self.margin + self.config.grid - 1


def inner_pixels(
    x_NCHW: torch.Tensor, layers: Sequence[tuple[torch.Tensor, torch.Tensor]], grid: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """What a student with these kernels makes of the pixels whose surroundings are there.

    (N, C, H, W), sides whole multiples of `grid` -> `Student.margin` pixels less on each side, and
    the second hidden layer (N, channels, h, w).
    """
    z = F.pixel_unshuffle(x_NCHW, grid)
    for kernel, bias in layers[:2]:
        hidden = z = F.relu(F.conv2d(z, kernel, bias))
    detail = F.pixel_shuffle(F.conv2d(z, *layers[2]), grid)
    rows, columns = (
        slice((whole - inner) // 2, (whole + inner) // 2)
        for whole, inner in zip(x_NCHW.shape[-2:], detail.shape[-2:], strict=True)
    )
    return x_NCHW[..., rows, columns] + detail, hidden


def _conv(inputs: int, outputs: int, kernel: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel)


def load_student(path: Path | str) -> Student:
    """The student in a `.safetensors` file; `UserError` when the file is none."""
    return load_weights(path, "student", StudentConfig, Student)
