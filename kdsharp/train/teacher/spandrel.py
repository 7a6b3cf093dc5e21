"""Another's network as teacher: whatever the package spandrel opens (RCAN, SwinIR, HAT, SPAN ...).

spandrel finds the architecture and its sizes by the weights alone, so the teacher's file holds
nothing but them. A network that enlarges gets the small picture, which is taken out of the enlarged
one (`kdsharp.train.teacher.small`); to everything else it looks like a network that sharpens in
place.
"""

import dataclasses
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own convention
from torch.utils.flop_counter import FlopCounterMode

from kdsharp.errors import UserError
from kdsharp.files import sha256_file
from kdsharp.train.config import TeacherConfig
from kdsharp.train.loop.weights import save_weights
from kdsharp.train.teacher.interface import AnyTeacher
from kdsharp.train.teacher.local import local_weights
from kdsharp.train.teacher.small import small_picture

__all__ = ["SpandrelTeacher", "open_teacher", "save_teacher"]

INSTALL = 'teacher.arch spandrel needs an extra: pip install "kdsharp[spandrel]"'

_OVERLAP = 32  # of tiles, in pixels: how far such a network looks is not known
_OVERLAP_SMALL = 16  # the same in pixels of the small picture
_COUNTED = 32  # side of the picture whose multiply-accumulates are counted
_PURPOSES = ("SR", "Restoration")


class SpandrelTeacher(AnyTeacher):
    """(N, C, H, W) in [0, 1] -> the same shape, clipped; any size from 1x1.

    `weights` are the network's, by its own names; `where` they come from, for errors. Raises
    `UserError` if spandrel is missing or knows no network with such weights, and if the network
    does anything but enlarge or restore pictures in `config.color`.
    """

    foreign = True

    def __init__(
        self, config: TeacherConfig, weights: Mapping[str, torch.Tensor], where: str
    ) -> None:
        super().__init__()
        opened = _open(weights, where)
        self.config = config
        self.weights = dict(weights)
        """As they were given: what spandrel knows the network by."""
        self.network: torch.nn.Module = opened.model
        self.scale: int = opened.scale
        """How many times it enlarges; 1 for one that restores."""
        self.architecture = " ".join([opened.architecture.name, *opened.tags])
        self.planes: int = opened.input_channels
        self.grid = self.scale * opened.size_requirements.multiple_of
        self._opened = opened
        self._check(where)

    def _check(self, where: str) -> None:
        told = f"{where}: is {self.architecture}"
        if self._opened.purpose not in _PURPOSES:
            raise UserError(f"{told}, which does {self._opened.purpose}: nothing to learn from")
        if self.planes not in (1, 3) or self._opened.output_channels != self.planes:
            raise UserError(
                f"{told}, with {self.planes} channels in and {self._opened.output_channels} out: "
                "a teacher has to take and give RGB, or one channel"
            )
        color = "luma" if self.planes == 1 else "rgb"
        if self.config.color != color:
            raise UserError(
                f"{told}, a network of {self.planes} channels, but teacher.color is "
                f"{self.config.color}: set it to {color}"
            )

    def forward(self, x_NCHW: torch.Tensor) -> torch.Tensor:
        """What the network makes of the picture, or of the small one that it was enlarged from."""
        return self.with_features(x_NCHW)[0]

    @torch.no_grad()
    def with_features(self, x_NCHW: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The output, and no features: (N, 0, H / 2, W / 2)."""
        height, width = x_NCHW.shape[-2:]
        x = x_NCHW
        if self.scale > 1:
            right, below = (-side % self.scale for side in (width, height))
            x = small_picture(F.pad(x, (0, right, 0, below), mode="replicate"), self.scale)
        return self.alone(x)[..., :height, :width], x_NCHW.new_zeros(
            len(x_NCHW), 0, height // 2, width // 2
        )

    @torch.no_grad()
    def alone(self, x_NCHW: torch.Tensor) -> torch.Tensor:
        """What the network itself makes of pictures, `scale` times as large as they are."""
        # One at a time: spandrel promises no more. It pads to the sizes that the network takes.
        return torch.cat([self._opened(one[None].contiguous()) for one in x_NCHW])

    @property
    def features(self) -> int:
        """None."""
        return 0

    @property
    def about(self) -> str:
        """Its architecture, the file that it was in, and that file's licence."""
        does = f"x{self.scale}" if self.scale > 1 else "for pictures of full size"
        return (
            f"{self.architecture} {does}, {self.config.color}, trained elsewhere: "
            f"{Path(self.config.weights or '').name}, licence {self.config.weights_licence}"
        )

    @cached_property
    def macs_per_pixel(self) -> float:
        """Multiply-accumulates of all products for one pixel of its output.

        Of a small picture: what looks at all of it takes more a pixel for larger ones.
        """
        right, below = self._opened.size_requirements.get_padding(_COUNTED, _COUNTED)
        device = next(self.parameters()).device
        x = torch.zeros(1, self.planes, _COUNTED + below, _COUNTED + right, device=device)
        counter = FlopCounterMode(display=False)
        with counter:
            output = self._opened(x)
        return float(counter.get_total_flops() / 2 / output[0, 0].numel())

    @property
    def receptive_radius(self) -> int:
        """Pixels that tiles overlap by, and no bound: many such networks look at everything."""
        return max(_OVERLAP, _OVERLAP_SMALL * self.scale)


def open_teacher(config: TeacherConfig) -> SpandrelTeacher:
    """The network in the file `config.weights`; raises `UserError` if it cannot be a teacher.

    The config of what comes back names the file without its folder, and by its whole SHA-256.
    """
    spandrel = _spandrel()
    found = spandrel.canonicalize_state_dict(local_weights(config))
    weights = {name: value for name, value in found.items() if isinstance(value, torch.Tensor)}
    path = Path(config.weights or "")
    known = dataclasses.replace(config, weights=path.name, weights_sha256=sha256_file(path))
    return SpandrelTeacher(known, weights, f"teacher.weights: {path}").eval()


def save_teacher(path: Path, teacher: SpandrelTeacher, notes: Mapping[str, Any]) -> None:
    """Write `teacher` to `path`, as `kdsharp.train.teacher.network.load_teacher` reads it.

    `notes` go into the file beside the names of architecture, package and licence.
    """
    told = {
        "architecture": teacher.architecture,
        "spandrel": _spandrel().__version__,
        "weights_licence": teacher.config.weights_licence,
        **notes,
    }
    # Copies, because a safetensors file refuses tensors that share their memory.
    weights = {name: tensor.clone() for name, tensor in teacher.weights.items()}
    save_weights(path, "teacher", teacher.config, weights, told)


def _spandrel() -> Any:
    try:
        import spandrel
    except ImportError:
        raise UserError(INSTALL) from None
    return spandrel


def _open(weights: Mapping[str, torch.Tensor], where: str) -> Any:
    """What spandrel makes of these weights: the network with its description."""
    spandrel = _spandrel()
    try:
        opened = spandrel.MAIN_REGISTRY.load(dict(weights))
    except spandrel.UnsupportedModelError:
        raise UserError(f"{where}: holds no network that spandrel knows") from None
    except Exception as error:  # noqa: BLE001 - each architecture fails in its own way
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"{where}: spandrel cannot build its network ({reason:.200})") from None
    if not isinstance(opened, spandrel.ImageModelDescriptor):
        raise UserError(f"{where}: is {opened.architecture.name}, which needs a mask as well")
    return opened.eval()
