"""The teacher: ResNet18 as encoder, a decoder with skips, and a path that never loses a pixel.

ResNet18's stem and max pool take 3/4 of the rows and columns away before its first block, and
sharpening is about just that detail. So a second path keeps it: the picture folded to the
half-size grid (pixel-unshuffle), `width` channels, residual blocks. The encoder (up to `depth` of
its four stages) sees the surroundings, on the picture shrunk by `shrink`; its features come up
through pixel-shuffle with skips and are added to the detail once. That sum and the global residual
start at zero: an untrained teacher is the identity, and the encoder joins in as it learns. What
each choice is worth: docs/teacher.md.

Batch normalisation stays frozen at the statistics of the loaded weights (or the identity), so that
training, validation and use compute the same function, whatever the batch.
"""

import hashlib
import logging
import pickle
from itertools import pairwise
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own convention
from torch import nn
from torchvision.models import ResNet18_Weights, resnet18
from torchvision.models.resnet import BasicBlock
from torchvision.ops.misc import FrozenBatchNorm2d

from kdsharp.errors import TransientError, UserError
from kdsharp.train.config import TeacherConfig
from kdsharp.train.weights import load_weights

__all__ = ["Teacher", "load_teacher", "pretrained_teacher"]

log = logging.getLogger(__name__)

STAGES = (64, 64, 128, 256, 512)
"""Channels of ResNet18 after its stem and each of its four stages."""


class Teacher(nn.Module):
    """(N, 3, H, W) RGB in [0, 1] -> the same shape, not clipped; any size from 1x1."""

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, config: TeacherConfig) -> None:
        super().__init__()
        self.config = config
        width, depth = config.width, config.depth
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1))
        encoder = resnet18(weights=None, norm_layer=FrozenBatchNorm2d)
        self.stem = nn.Sequential(encoder.conv1, encoder.bn1, encoder.relu)
        self.pool = encoder.maxpool
        self.stages = nn.ModuleList(getattr(encoder, f"layer{i}") for i in range(1, depth + 1))
        self.detail = _conv(12, width)
        # From the deepest stage up to the first; each doubles the size and meets its skip.
        self.ups = nn.ModuleList(_Up(low, skip) for low, skip in pairwise(STAGES[depth:0:-1]))
        self.to_stem = _grow(STAGES[1], width)
        self.to_detail = _grow(width + STAGES[0], width, config.shrink)
        self.body = nn.ModuleList(_Residual(width) for _ in range(config.body))
        self.last = _conv(width, 12)
        self._initialise()

    def _initialise(self) -> None:
        for name, module in self.named_modules():
            if isinstance(module, nn.Conv2d) and not name.startswith(("stem", "stages")):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]
        for stage in self.stages:
            for block in stage.modules():
                if isinstance(block, BasicBlock):
                    # Without statistics to normalise by, full-strength branches would grow.
                    block.bn2.weight.fill_(0.2)
        with torch.no_grad():
            for block in self.body:
                # At the start only: as a constant factor it would slow learning down.
                block.second.weight *= 0.1  # type: ignore[union-attr, operator]
            # The first filters see detail and not brightness; see the student.
            self.detail.weight -= self.detail.weight.mean((1, 2, 3), keepdim=True)
        for start_at_zero in (self.to_detail[0], self.last):
            nn.init.zeros_(start_at_zero.weight)  # type: ignore[arg-type]

    def forward(self, x_NCHW: torch.Tensor) -> torch.Tensor:
        """Restore; sides are continued to a multiple of the deepest stride and cut off again."""
        return self.with_features(x_NCHW)[0]

    def with_features(self, x_NCHW: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The output and what its last convolution saw: (N, width, H / 2, W / 2), even sides."""
        height, width = x_NCHW.shape[-2:]
        right, below = -width % self.stride, -height % self.stride
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
    def stride(self) -> int:
        """Full-size pixels that one position of the deepest stage stands for."""
        return self.config.shrink << (self.config.depth + 1)

    @property
    def parameter_count(self) -> int:
        """Weights and biases; the frozen statistics are none."""
        return sum(p.numel() for p in self.parameters())

    @property
    def macs_per_pixel(self) -> float:
        """Multiply-accumulates of all convolutions for one pixel, biases not counted."""
        counted: list[float] = []

        def count(module: nn.Module, _: object, output: torch.Tensor) -> None:
            assert isinstance(module, nn.Conv2d)
            counted.append(module.weight.numel() * output.shape[-1] * output.shape[-2])

        convs = [module for module in self.modules() if isinstance(module, nn.Conv2d)]
        hooks = [conv.register_forward_hook(count) for conv in convs]
        side = 2 * self.stride
        with torch.no_grad():
            self(torch.zeros(1, 3, side, side))
        for hook in hooks:
            hook.remove()
        return sum(counted) / side**2

    @property
    def receptive_radius(self) -> int:
        """Full-size pixels on each side that an output pixel may depend on (an upper bound)."""
        encoder = 21 + sum(7 << stage for stage in range(2, self.config.depth + 1))
        half_grid = 2 * (2 + 2 * self.config.body)
        # Up to one deep position more, because an upsampled pixel sits anywhere inside it.
        return self.config.shrink * encoder + half_grid + self.stride


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
    state = _local_weights(config) if config.weights else _torchvision_weights()
    wanted = {
        "stem.0.weight": "conv1.weight",
        **{f"stem.1.{k}": f"bn1.{k}" for k in ("weight", "bias", "running_mean", "running_var")},
    }
    for name in teacher.state_dict():
        if name.startswith("stages."):
            _, index, rest = name.split(".", 2)
            wanted[name] = f"layer{int(index) + 1}.{rest}"
    try:
        chosen = {ours: state[theirs] for ours, theirs in wanted.items()}
        teacher.load_state_dict(chosen, strict=False)
    except (KeyError, RuntimeError, TypeError) as error:
        where = config.weights or "torchvision's file"
        reason = str(error).splitlines()[0]
        raise UserError(f"{where} holds no ResNet18 weights of torchvision ({reason})") from None
    log.info("teacher: the encoder starts from ImageNet weights")
    return teacher


def _local_weights(config: TeacherConfig) -> dict[str, torch.Tensor]:
    path = Path(config.weights or "")
    if not path.is_file():
        raise UserError(f"teacher.weights: {path} is no file")
    with path.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    if not digest.startswith(config.weights_sha256.lower()):
        raise UserError(
            f"teacher.weights: the SHA-256 of {path} begins with {digest[:16]}, not with "
            f"{config.weights_sha256}: it is another file, or a damaged one"
        )
    try:
        state: dict[str, torch.Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, OSError, EOFError, ValueError, pickle.UnpicklingError):
        raise UserError(f"teacher.weights: {path} is no file of torch weights") from None
    return state


def _torchvision_weights() -> dict[str, torch.Tensor]:
    weights = ResNet18_Weights.IMAGENET1K_V1
    try:
        state: dict[str, torch.Tensor] = weights.get_state_dict(
            progress=True, check_hash=True, weights_only=True
        )
    except OSError as error:
        raise TransientError(
            f"the ImageNet weights could not be downloaded from {weights.url} ({error}): "
            "set teacher.weights to a local file, or teacher.pretrained to false"
        ) from None
    except RuntimeError as error:
        raise UserError(f"the ImageNet weights from {weights.url} are damaged ({error})") from None
    return state


def load_teacher(path: Path | str) -> Teacher:
    """The teacher in a `.safetensors` file; `UserError` when the file is none."""
    return load_weights(path, "teacher", TeacherConfig, Teacher)
