"""A trained network behind the same interface as an exported one.

So that teacher and student are scored, tiled and written by the very code that ships.
"""

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from kdsharp.runtime.card import FORMAT, Card, Tensor
from kdsharp.runtime.engine import Engine, Planes
from kdsharp.runtime.hardware import Infer
from kdsharp.runtime.mixture import Mixing
from kdsharp.runtime.windows import Shares, looked_at
from kdsharp.train.student.mixture import MixedStudent
from kdsharp.train.student.network import Student
from kdsharp.train.teacher.interface import AnyTeacher

__all__ = ["torch_engine"]


def torch_engine(network: Student | AnyTeacher, device: torch.device | str = "cpu") -> Engine:
    """`network` in evaluation mode on `device` as an engine named "torch"."""
    # Channels last: a quarter less time for the teacher on a CPU. Code of others may not stand it.
    foreign = isinstance(network, AnyTeacher) and network.foreign
    layout = torch.contiguous_format if foreign else torch.channels_last
    network = network.to(device).to(memory_format=layout).eval()

    @torch.no_grad()
    def infer(planes_NCHW: Planes) -> Planes:
        x_NCHW = torch.from_numpy(planes_NCHW).to(device, memory_format=layout)
        output = network(x_NCHW)
        return np.ascontiguousarray(output.cpu().numpy(), np.float32)

    return Engine("torch", _card(network), infer, mixing=_mixing(network))


def _mixing(network: Student | AnyTeacher) -> Mixing | None:
    if not isinstance(network, MixedStudent):
        return None

    def look(picture: npt.NDArray[Any]) -> Shares:
        return network.shares_by(looked_at(picture))

    def fold(shares: Shares) -> Infer:
        return torch_engine(network.folded(torch.tensor(shares))).infer

    return Mixing(look, lru_cache(4)(fold))


def _card(network: Student | AnyTeacher) -> Card:
    luma = network.config.color == "luma"
    port = Tensor("", network.planes)
    return Card(
        format=FORMAT,
        name="student" if isinstance(network, Student) else "teacher",
        file="",
        sha256="",
        degradation="",
        scale=1,
        color="luma" if luma else "rgb",
        matrix="bt601-full" if luma else None,
        input=port,
        output=port,
        receptive_radius=network.receptive_radius,
        grid=network.config.unshuffle_factor if isinstance(network, Student) else network.grid,
        parameters=network.parameter_count,
        macs_per_pixel=network.macs_per_pixel,
        lineage={},
        metrics={},
    )
