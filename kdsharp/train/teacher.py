"""The teacher: an encoder, a decoder with skips, and a path that never loses a pixel.

An encoder (ResNet18 or Swin-T, `arch`) takes 3/4 of the rows and columns away before its first
block, and sharpening is about just that detail. So a second path keeps it: the picture folded to
the half-size grid (pixel-unshuffle), `width` channels, residual blocks. The encoder (up to `depth`
of its four stages) sees the surroundings, on the picture shrunk by `shrink`; its features come up
through pixel-shuffle with skips and are added to the detail once. That sum and the global residual
start at zero: an untrained teacher is the identity, and the encoder joins in as it learns. What
each choice is worth: docs/teacher.md.
"""

import logging
from itertools import pairwise
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own convention
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from kdsharp.errors import UserError
from kdsharp.train.config import TeacherConfig
from kdsharp.train.encoder import Architecture
from kdsharp.train.encoder_resnet import RESNET18
from kdsharp.train.encoder_swin import SWIN_T
from kdsharp.train.imagenet import imagenet_weights
from kdsharp.train.weights import load_weights

__all__ = ["Teacher", "load_teacher", "pretrained_teacher"]

log = logging.getLogger(__name__)

ARCHITECTURES: dict[str, Architecture] = {"resnet18": RESNET18, "swin": SWIN_T}


class Teacher(nn.Module):
    """(N, 3, H, W) RGB in [0, 1] -> the same shape, not clipped; any size from 1x1."""

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, config: TeacherConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1))
        encoder = ARCHITECTURES[config.arch].build(config)
        self.grid, self.reach = config.shrink * encoder.grid, config.shrink * encoder.reach
        """Full-size pixels: sides are continued to a multiple; how far the encoder looks."""
        self.stem, self.pool, self.stages = encoder.stem, encoder.pool, encoder.stages
        channels = encoder.channels
        self.detail = _conv(12, width)
        # From the deepest stage up to the first; each doubles the size and meets its skip.
        self.ups = nn.ModuleList(_Up(low, skip) for low, skip in pairwise(channels[:0:-1]))
        self.to_stem = _grow(channels[1], width)
        self.to_detail = _grow(width + channels[0], width, config.shrink)
        self.body = nn.ModuleList(_Residual(width) for _ in range(config.body))
        self.last = _conv(width, 12)
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
        for start_at_zero in (self.to_detail[0], self.last):
            nn.init.zeros_(start_at_zero.weight)  # type: ignore[arg-type]

    def forward(self, x_NCHW: torch.Tensor) -> torch.Tensor:
        """Restore; sides are continued to a multiple of the grid and cut off again."""
        return self.with_features(x_NCHW)[0]

    def with_features(self, x_NCHW: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The output and what its last convolution saw: (N, width, H / 2, W / 2), even sides."""
        height, width = x_NCHW.shape[-2:]
        right, below = -width % self.grid, -height % self.grid
        x = F.pad(x_NCHW, (0, right, 0, below), mode="replicate") if right or below else x_NCHW
        z = self._features(x)
        output = x + F.pixel_shuffle(self.last(z), 2)
        return output[..., :height, :width], z[..., : height // 2, : width // 2]

    def _features(self, x: torch.Tensor) -> torch.Tensor:
        detail = F.relu(self.detail(F.pixel_unshuffle(x, 2)))
        stem = self.stem(F.avg_pool2d((x - self.mean) / self.std, self.config.shrink))
        features = [self.pool(stem)]
        for stage in self.stages:
            features.append(stage(features[-1]))
        z = features.pop()
        for up in self.ups:
            z = up(z, features.pop())
        z = detail + self.to_detail(torch.cat([self.to_stem(z), stem], 1))
        for block in self.body:
            z = block(z)
        return z  # type: ignore[no-any-return]

    @property
    def title(self) -> str:
        """The encoder's name, for people."""
        return ARCHITECTURES[self.config.arch].title

    @property
    def stride(self) -> int:
        """Full-size pixels that one position of the deepest stage stands for."""
        return self.config.shrink << (self.config.depth + 1)

    @property
    def parameter_count(self) -> int:
        """Weights and biases; the frozen statistics are none."""
        return sum(p.numel() for p in self.parameters())

    @property
    def macs_per_pixel(self) -> float:
        """Multiply-accumulates of all products for one pixel, biases not counted."""
        side = 2 * self.grid
        counter = FlopCounterMode(display=False)
        with torch.no_grad(), counter:
            self(torch.zeros(1, 3, side, side))
        return float(counter.get_total_flops() / 2 / side**2)

    @property
    def receptive_radius(self) -> int:
        """Full-size pixels on each side that an output pixel may depend on (an upper bound)."""
        half_grid = 2 * (2 + 2 * self.config.body)
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
    """conv, ReLU, conv, added to the input; the branch starts small."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = _conv(width, width), _conv(width, width)

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        branch: torch.Tensor = self.second(F.relu(self.first(z)))
        return z + branch


def _grow(inputs: int, outputs: int, times: int = 2) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, times**2 * outputs, 1), nn.PixelShuffle(times))


def _conv(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1)


def pretrained_teacher(config: TeacherConfig) -> Teacher:
    """A fresh teacher; its encoder has ImageNet weights if `config.pretrained`.

    They come from `config.weights` (checked against `weights_sha256`), else from torchvision's
    own loader and cache. Raises `UserError` when they cannot be had.
    """
    teacher = Teacher(config)
    if not config.pretrained:
        log.info("teacher: the encoder starts from random weights (teacher.pretrained is false)")
        return teacher
    architecture = ARCHITECTURES[config.arch]
    state = imagenet_weights(config, architecture.imagenet)
    try:
        teacher.load_state_dict(architecture.adopt(state, teacher.state_dict()), strict=False)
    except (KeyError, RuntimeError, TypeError, AttributeError) as error:
        where = config.weights or "torchvision's file"
        reason = str(error).splitlines()[0]
        raise UserError(
            f"{where} holds no {architecture.title} weights of torchvision ({reason})"
        ) from None
    log.info("teacher: the encoder starts from ImageNet weights")
    return teacher


def load_teacher(path: Path | str) -> Teacher:
    """The teacher in a `.safetensors` file; `UserError` when the file is none."""
    return load_weights(path, "teacher", TeacherConfig, Teacher)
