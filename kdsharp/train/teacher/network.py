"""The teacher: an encoder, a decoder with skips, and a path that never loses a pixel.

An encoder (ResNet18 or Swin-T, `arch`) takes 3/4 of the rows and columns away before its first
block, and sharpening is about just that detail. So a second path keeps it: the picture folded to
the half-size grid (pixel-unshuffle), `width` channels, residual blocks. The encoder (up to `depth`
of its four stages) sees the surroundings, on the picture shrunk by `shrink`; its features come up
through pixel-shuffle with skips and are added to the detail once. That sum and the global residual
start at zero: an untrained teacher is the identity, and the encoder joins in as it learns. With
`arch` none the second path is all. What each choice is worth: docs/teacher.md.
"""

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own convention
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from kdsharp.train.config import SPANDREL, TeacherConfig
from kdsharp.train.loop.weights import load_network, role_of, save_weights
from kdsharp.train.teacher.encoder import Architecture
from kdsharp.train.teacher.interface import AnyTeacher
from kdsharp.train.teacher.resnet import RESNET18
from kdsharp.train.teacher.spandrel import SpandrelTeacher
from kdsharp.train.teacher.swin import SWIN_T

__all__ = ["ARCHITECTURES", "Teacher", "find_teacher", "load_teacher", "save_no_teacher"]


_NONE = "none"
"""The kind of a file that stands where a teacher's would."""

ARCHITECTURES: dict[str, Architecture] = {"resnet18": RESNET18, "swin": SWIN_T}


class Teacher(AnyTeacher):
    """(N, C, H, W) in [0, 1] -> the same shape, not clipped; any size from 1x1.

    C is 3 for RGB and 1 for luma, which the encoder sees as grey RGB.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, config: TeacherConfig) -> None:
        super().__init__()
        self.config = config
        self.planes = 1 if config.color == "luma" else 3
        width, folded = config.width, 4 * self.planes
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1))
        self.grid, self.reach = 2, 0
        """Full-size pixels: sides are continued to a multiple; how far the encoder looks."""
        self.architecture = ARCHITECTURES.get(config.arch)
        if self.architecture:
            encoder = self.architecture.build(config)
            self.grid, self.reach = config.shrink * encoder.grid, config.shrink * encoder.reach
            self.stem, self.pool, self.stages = encoder.stem, encoder.pool, encoder.stages
        self.detail = _conv(folded, width)
        if self.architecture:
            channels = encoder.channels
            # From the deepest stage up to the first; each doubles the size and meets its skip.
            self.ups = nn.ModuleList(_Up(low, skip) for low, skip in pairwise(channels[:0:-1]))
            self.to_stem = _grow(channels[1], width)
            self.to_detail = _grow(width + channels[0], width, config.shrink)
        self.body = nn.ModuleList(_Residual(width, config.slope) for _ in range(config.num_blocks))
        self.last = _conv(width, folded)
        self._initialise()

    def _initialise(self) -> None:
        for name, module in self.named_modules():
            if isinstance(module, nn.Conv2d) and not name.startswith(("stem", "pool", "stages")):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]
        with torch.no_grad():
            for block in self.body:
                # At the start only: as a constant factor it would slow learning down.
                block.second.weight *= 0.1  # type: ignore[union-attr, operator]
            # The first filters see detail and not brightness; see the student.
            self.detail.weight -= self.detail.weight.mean((1, 2, 3), keepdim=True)
            joints = (self.to_detail[0], self.last) if self.architecture else (self.last,)
            for start_at_zero in joints:
                nn.init.zeros_(start_at_zero.weight)  # type: ignore[arg-type]

    def forward(self, x_NCHW: torch.Tensor) -> torch.Tensor:
        """Restore; sides are continued by their last pixels, as far as training did without them.

        In training only the inner pixels, `config.margin` less on each side: a crop is not a whole
        picture, and near its sides the network sees mostly what was made up.
        """
        output, _ = self.with_features(x_NCHW)
        margin = self.config.margin if self.training else 0
        height, width = output.shape[-2:]
        return output[..., margin : height - margin, margin : width - margin]

    def with_features(self, x_NCHW: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The output and what its last convolution saw: (N, width, H / 2, W / 2), even sides."""
        height, width = x_NCHW.shape[-2:]
        # Whole steps of the grid, so that a tile's pixels keep their places on it.
        start = 0 if self.training else -(-self.config.margin // self.grid) * self.grid
        right, below = (start + -side % self.grid for side in (width, height))
        x = F.pad(x_NCHW, (start, right, start, below), mode="replicate")
        z = self._features(x)
        output = x + F.pixel_shuffle(self.last(z), 2)
        half = start // 2
        return (
            output[..., start : start + height, start : start + width],
            z[..., half : half + height // 2, half : half + width // 2],
        )

    def _features(self, x: torch.Tensor) -> torch.Tensor:
        z = F.leaky_relu(self.detail(F.pixel_unshuffle(x, 2)), self.config.slope)
        if self.architecture:
            z = z + self._surroundings(x)
        for block in self.body:
            z = block(z)
        return z

    def _surroundings(self, x: torch.Tensor) -> torch.Tensor:
        """What the encoder adds to the detail."""
        colored = x if self.planes == 3 else x.expand(-1, 3, -1, -1)
        stem = self.stem(F.avg_pool2d((colored - self.mean) / self.std, self.config.shrink))
        features = [self.pool(stem)]
        for stage in self.stages:
            features.append(stage(features[-1]))
        z = features.pop()
        for up in self.ups:
            z = up(z, features.pop())
        joined: torch.Tensor = self.to_detail(torch.cat([self.to_stem(z), stem], 1))
        return joined

    @property
    def title(self) -> str:
        """What its encoder is, for people."""
        return f"{self.architecture.title} encoder" if self.architecture else "no encoder"

    @property
    def about(self) -> str:
        """Its encoder, what that started from, and its body."""
        config = self.config
        depth = f" ({config.depth} of 4 stages)" if self.architecture else ""
        start = "from ImageNet weights" if config.pretrained else "from scratch"
        return (
            f"{self.title}{depth}, trained {start}, and residual blocks of {config.width} "
            f"channels, {config.color}"
        )

    @property
    def features(self) -> int:
        """Channels of what its last convolution sees."""
        return self.config.width

    @property
    def stride(self) -> int:
        """Full-size pixels that one position of the deepest stage (or of the body) stands for."""
        return self.config.shrink << (self.config.depth + 1) if self.architecture else 2

    @property
    def macs_per_pixel(self) -> float:
        """Multiply-accumulates of all products for one pixel, biases not counted."""
        side = 2 * self.grid
        counter = FlopCounterMode(display=False)
        with torch.no_grad(), counter:
            self.last(self._features(torch.zeros(1, self.planes, side, side)))
        return float(counter.get_total_flops() / 2 / side**2)

    @property
    def receptive_radius(self) -> int:
        """Full-size pixels on each side that an output pixel may depend on (an upper bound)."""
        half_grid = 2 * (2 + 2 * self.config.num_blocks)
        # Up to one deep position more, because an upsampled pixel sits anywhere inside it.
        return self.reach + half_grid + self.stride


class _Up(nn.Module):
    """Twice the size by pixel-shuffle, then joined with the encoder's features of that size."""

    def __init__(self, low: int, skip: int) -> None:
        super().__init__()
        self.grow = _grow(low, skip)
        self.join = nn.Conv2d(2 * skip, skip, 1)

    def forward(self, z: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
        joined: torch.Tensor = F.relu(self.join(torch.cat([self.grow(z), skip], 1)))
        return joined


class _Residual(nn.Module):
    """conv, leaky ReLU, conv, added to the input; the branch starts small."""

    def __init__(self, width: int, slope: float) -> None:
        super().__init__()
        self.slope = slope
        self.first, self.second = _conv(width, width), _conv(width, width)

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        branch: torch.Tensor = self.second(F.leaky_relu(self.first(z), self.slope))
        return z + branch


def _grow(inputs: int, outputs: int, times: int = 2) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, times**2 * outputs, 1), nn.PixelShuffle(times))


def _conv(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1)


def load_teacher(path: Path | str) -> AnyTeacher:
    """The teacher in a `.safetensors` file; `UserError` if the file does not hold one.

    That of another's network needs the package spandrel, and `UserError` says so.
    """

    def build(config: TeacherConfig, weights: Mapping[str, torch.Tensor]) -> AnyTeacher:
        if config.arch == SPANDREL:
            return SpandrelTeacher(config, weights, str(path))
        teacher = Teacher(config)
        teacher.load_state_dict(weights)
        return teacher

    return load_network(path, "teacher", TeacherConfig, build)


def find_teacher(path: Path | str) -> AnyTeacher | None:
    """The same; None where the file says that nobody needed a teacher (`save_no_teacher`)."""
    return None if role_of(path) == _NONE else load_teacher(path)


def save_no_teacher(path: Path) -> None:
    """Write in the teacher's place that the student learned from the truth alone."""
    save_weights(path, _NONE, None, {}, {"why": "the student learned from the truth alone"})
