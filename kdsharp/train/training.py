"""How a network learns from patches: the one way, for the stages and for the benchmarks.

The score that picks the best epoch is Y-PSNR on the validation patches.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Generic, TypeVar

import torch

from kdsharp.color import BT601
from kdsharp.train.config import LoopConfig
from kdsharp.train.dataset.batches import PatchDataset, Planes
from kdsharp.train.dataset.examples import planes_of
from kdsharp.train.dataset.patches import PatchSet
from kdsharp.train.loop.fit import Epoch, TrainResult, fit
from kdsharp.train.loop.loss import LEAST

__all__ = ["Lesson", "Trained", "luma_of", "psnr_y", "train"]

# What is 1 apart in full-range luma is this far apart in studio range (16..235 of 255).
_STUDIO = 219 / 255

Network = TypeVar("Network", bound=torch.nn.Module)


def luma_of(x_NCHW: torch.Tensor) -> torch.Tensor:
    """Full-range BT.601 luma (N, 1, H, W) of RGB; luma stays as it is."""
    if x_NCHW.shape[1] == 1:
        return x_NCHW
    weights = torch.tensor(BT601, device=x_NCHW.device).view(1, 3, 1, 1)
    return (x_NCHW * weights).sum(1, keepdim=True)


@torch.no_grad()
def psnr_y(
    network: torch.nn.Module,
    inputs: Planes,
    truth: Planes,
    border: int,
    batch: int = 16,
    least: float = 1e-10,
) -> float:
    """Mean Y-PSNR in dB of `network` over all patches, `border` pixels left out.

    The protocol of `kdsharp.metrics` but for the rounding to 8 bit. A mean square below `least`
    counts as that: 100 dB.
    """
    device = next(network.parameters(), torch.empty(0)).device
    inner = slice(border, -border or None)
    scores = []
    for start in range(0, len(inputs.array_NHWC), batch):
        rows = slice(start, start + batch)
        output, target = network(_tensor(inputs, rows, device)), _tensor(truth, rows, device)
        difference = (luma_of(output.clamp(0, 1)) - luma_of(target)) * _STUDIO
        mse = difference[:, :, inner, inner].square().mean((1, 2, 3))
        scores.append(-10 * torch.log10(mse.clamp_min(least)))
    return float(torch.cat(scores).double().mean())


def _tensor(planes: Planes, rows: slice, device: torch.device) -> torch.Tensor:
    array = planes.array_NHWC[rows].astype("float32") / planes.peak
    return torch.from_numpy(array).permute(0, 3, 1, 2).to(device)


@dataclass(frozen=True)
class Lesson:
    """What a training is given besides the network's config.

    `checkpoint` is the file of its unfinished state, which is resumed if it belongs to the same
    `fingerprint` (of data, parameters and code). `steps` None is as many as the config says.
    """

    train: PatchSet
    val: PatchSet
    checkpoint: Path
    fingerprint: str
    on_epoch: Callable[[Epoch], None] = lambda _: None
    steps: int | None = None


@dataclass(frozen=True)
class Trained(Generic[Network]):
    """The network with its best averaged weights, on the CPU, and how it got there."""

    network: Network
    fit: TrainResult


def train(
    network: torch.nn.Module, examples: PatchDataset, color: str, loop: LoopConfig, lesson: Lesson
) -> TrainResult:
    """Let `network`, which works in `color`, learn from `examples`; validated on `lesson.val`.

    Where the loss counts decibels, the score ends where they do: untouched patches at 100 dB would
    choose the state that does least.
    """
    low, high = (planes_of(p, color) for p in (lesson.val.lr_NHWC, lesson.val.hr_NHWC))
    counted = "psnr" in (loop.loss, loop.late_loss)
    return fit(
        network,
        examples,
        partial(
            psnr_y,
            inputs=low,
            truth=high,
            border=lesson.val.scale,
            least=LEAST if counted else 1e-10,
        ),
        loop,
        lesson.checkpoint,
        lesson.fingerprint,
        lesson.on_epoch,
        lesson.steps,
    )
