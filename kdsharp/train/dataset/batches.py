"""Batches that are a pure function of (seed, step): any run can begin at any step.

Pictures stay compact in memory (8 or 16 bit, possibly memory-mapped); only a batch is ever turned
to float.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from dataclasses import dataclass
from functools import lru_cache, partial, reduce

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own convention

from kdsharp.errors import UserError
from kdsharp.train.config import LoopConfig
from kdsharp.train.dataset.rows import Rows
from kdsharp.train.loop.loss import LOSSES, Loss, center_crop_like, harm

__all__ = ["Batch", "PatchDataset", "Planes", "batches"]


@dataclass(frozen=True)
class Planes:
    """Pictures of one kind: (N, H, W, C), where `peak` stands for 1.0; features may be smaller."""

    array_NHWC: Rows
    peak: int


@dataclass(frozen=True)
class PatchDataset:
    """What a network sees and what it should answer; each target has a weight in the loss.

    Pictures are cut at multiples of `align` only, because the degradation has a grid of its own,
    and `border` pixels, a multiple of it, are left out at each side. `features` are a teacher's,
    with their weight, on a grid that may be coarser than the inputs', and `match` measures how far
    the network's own are from them. `harm_weight` is that of decibels lost, where
    the loss counts them. `kdsharp.train.dataset.examples` makes them of patches.
    """

    inputs: Planes
    targets: Sequence[tuple[float, Planes]]
    align: int
    features: tuple[float, Planes] | None = None
    match: Loss = F.mse_loss
    border: int = 0
    harm_weight: float = 0.0

    def __len__(self) -> int:
        return len(self.inputs.array_NHWC)

    def batches(
        self, loop: LoopConfig, start: int, stop: int, share: tuple[int, int], *, ahead: bool
    ) -> Iterator["Batch"]:
        """The batches of steps `start` to `stop`, as `kdsharp.train.loop.fit.fit` wants them."""
        return batches(
            self, loop.batch_size, loop.seed, start, stop, *share, crop=loop.crop, ahead=ahead
        )

    def loss(
        self, network: torch.nn.Module, batch: "Batch", measure: Loss, device: torch.device
    ) -> torch.Tensor:
        """The weighted sum over targets and features.

        A network in training may answer about inner pixels alone, and is compared on those.
        """
        output = network(batch.inputs_NCHW.to(device))
        parts = []
        if batch.features:
            output, features = output
            weight, wanted = batch.features
            parts.append(
                weight * self.match(features, center_crop_like(wanted.to(device), features))
            )
        for weight, target in batch.targets:
            wanted = center_crop_like(target.to(device), output)
            parts.append(weight * measure(output, wanted))
            if self.harm_weight and measure is LOSSES["psnr"]:
                seen = center_crop_like(batch.inputs_NCHW.to(device), output)
                parts.append(weight * self.harm_weight * harm(output, seen, wanted))
        return reduce(torch.add, parts)


@dataclass(frozen=True)
class Batch:
    """Float tensors (N, C, H, W) in [0, 1], channels last in memory."""

    inputs_NCHW: torch.Tensor
    targets: Sequence[tuple[float, torch.Tensor]]
    features: tuple[float, torch.Tensor] | None = None


def batches(
    examples: PatchDataset,
    size: int,
    seed: int,
    start: int,
    stop: int,
    rank: int = 0,
    world: int = 1,
    *,
    crop: int = 0,
    ahead: bool = False,
) -> Iterator[Batch]:
    """The batches of steps `start` to `stop`; process `rank` of `world` gets its share of each.

    With `ahead` a thread makes the next batch meanwhile. That is for a GPU: on a CPU the thread
    takes more from the network's own threads than the fraction of a millisecond that it saves.

    Each epoch is a fresh permutation, its incomplete last batch left out; each example is turned
    or mirrored at random, all its pictures alike, and a random square of `crop` pixels is cut from
    it (0: the whole, as far as the examples' border allows). Raises `UserError` if there is no
    complete batch or no such square.
    """
    per_epoch = len(examples) // size
    side = min(examples.inputs.array_NHWC.shape[1:3])
    border, align = examples.border, examples.align
    usable = side - 2 * border
    if crop > usable or crop % align or usable < align:
        without = f" without their border of {border}" if border else ""
        raise UserError(
            f"crop {crop} must be a multiple of the scale {align} and fit into patches of "
            f"{side}{without}"
        )
    if border and not crop:
        crop = usable // align * align
    if not per_epoch:
        raise UserError(f"{len(examples)} patches do not fill a batch of {size}: lower batch_size")

    @lru_cache(maxsize=1)
    def order_of(epoch: int) -> npt.NDArray[np.int64]:
        return np.random.default_rng([seed, 0, epoch]).permutation(len(examples))

    def make(step: int) -> Batch:
        epoch, position = divmod(step, per_epoch)
        chosen = np.arange(position * size, (position + 1) * size)
        random = np.random.default_rng([seed, 1, step])
        turns = random.integers(8, size=size)
        cuts = _Cuts(crop, side, border, align, size, random)
        mine = slice(rank, None, world)
        take = partial(
            _gather, rows=order_of(epoch)[chosen][mine], turns=turns[mine], cuts=cuts.share(mine)
        )
        return Batch(
            take(examples.inputs),
            [(weight, take(planes)) for weight, planes in examples.targets],
            examples.features and (examples.features[0], take(examples.features[1])),
        )

    steps = range(start, stop)
    yield from _made_ahead(make, steps) if ahead else map(make, steps)


def _made_ahead(make: Callable[[int], Batch], steps: range) -> Iterator[Batch]:
    with ThreadPoolExecutor(1, thread_name_prefix="batches") as pool:
        ready = None
        for step in steps:
            following = pool.submit(make, step)
            if ready is not None:
                yield ready.result()
            ready = following
        if ready is not None:
            yield ready.result()


class _Cuts:
    """Where each example of a batch is cut: corners in pixels of inputs that are `side` wide."""

    def __init__(
        self,
        crop: int,
        side: int,
        border: int,
        align: int,
        count: int,
        random: np.random.Generator,
    ) -> None:
        self.side, self.crop = side, crop
        places = (side - 2 * border - crop) // align + 1
        self.corners = border + random.integers(places, size=(count, 2)) * align

    def share(self, mine: slice) -> "_Cuts":
        part = copy(self)
        part.corners = self.corners[mine]
        return part

    def of(self, shape: tuple[int, ...], index: int) -> tuple[slice, slice]:
        """The window in pictures of this `shape` (H, W, C), which may be coarser."""
        if not self.crop:
            return slice(None), slice(None)
        times = self.side // shape[0]
        y, x = (int(corner) // times for corner in self.corners[index])
        return slice(y, y + self.crop // times), slice(x, x + self.crop // times)


def _gather(
    planes: Planes, rows: npt.NDArray[np.int64], turns: npt.NDArray[np.int64], cuts: _Cuts
) -> torch.Tensor:
    whole = planes.array_NHWC[rows]  # at once: a bucket is asked for all of them together
    shape = whole[0][cuts.of(whole.shape[1:], 0)].shape
    batch = np.empty((len(rows), *shape), np.float32)
    for index, (target, picture, turn) in enumerate(zip(batch, whole, turns, strict=True)):
        turned = np.rot90(picture[cuts.of(whole.shape[1:], index)], int(turn) % 4)
        target[...] = turned[::-1] if turn >= 4 else turned
    batch *= 1.0 / planes.peak
    return torch.from_numpy(batch).permute(0, 3, 1, 2)
