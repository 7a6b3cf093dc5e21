"""Batches that are a pure function of (seed, step): any run can begin at any step.

Pictures stay compact in memory (8 or 16 bit, possibly memory-mapped); only a batch is ever turned
to float.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch

from kdsharp.errors import UserError

__all__ = ["Batch", "Examples", "Planes", "batches"]


@dataclass(frozen=True)
class Planes:
    """Pictures of one kind: (N, H, W, C), uint8 or uint16, where `peak` stands for 1.0."""

    array_NHWC: npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
    peak: int


@dataclass(frozen=True)
class Examples:
    """What a network sees and what it should answer; each target has a weight in the loss."""

    inputs: Planes
    targets: Sequence[tuple[float, Planes]]

    def __len__(self) -> int:
        return len(self.inputs.array_NHWC)


@dataclass(frozen=True)
class Batch:
    """Float tensors (N, C, H, W) in [0, 1], channels last in memory."""

    inputs_NCHW: torch.Tensor
    targets: Sequence[tuple[float, torch.Tensor]]


def batches(
    examples: Examples,
    size: int,
    seed: int,
    start: int,
    stop: int,
    rank: int = 0,
    world: int = 1,
    *,
    ahead: bool = False,
) -> Iterator[Batch]:
    """The batches of steps `start` to `stop`; process `rank` of `world` gets its share of each.

    With `ahead` a thread makes the next batch meanwhile. That is for a GPU: on a CPU the thread
    takes more from the network's own threads than the fraction of a millisecond that it saves.

    Each epoch is a fresh permutation, its incomplete last batch left out; each example is turned
    or mirrored at random, all its pictures alike. Raises `UserError` when there is no whole batch.
    """
    per_epoch = len(examples) // size
    if not per_epoch:
        raise UserError(f"{len(examples)} patches make no batch of {size}: lower batch_size")

    @lru_cache(maxsize=1)
    def order_of(epoch: int) -> npt.NDArray[np.int64]:
        return np.random.default_rng([seed, 0, epoch]).permutation(len(examples))

    def make(step: int) -> Batch:
        epoch, position = divmod(step, per_epoch)
        chosen = np.arange(position * size, (position + 1) * size)
        turns = np.random.default_rng([seed, 1, step]).integers(8, size=size)
        rows, mine = order_of(epoch)[chosen][rank::world], turns[rank::world]
        return Batch(
            _gather(examples.inputs, rows, mine),
            [(weight, _gather(planes, rows, mine)) for weight, planes in examples.targets],
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


def _gather(
    planes: Planes, rows: npt.NDArray[np.int64], turns: npt.NDArray[np.int64]
) -> torch.Tensor:
    array = planes.array_NHWC
    batch = np.empty((len(rows), *array.shape[1:]), np.float32)
    for target, row, turn in zip(batch, rows, turns, strict=True):
        turned = np.rot90(array[row], int(turn) % 4)
        target[...] = turned[::-1] if turn >= 4 else turned
    batch *= 1.0 / planes.peak
    return torch.from_numpy(batch).permute(0, 3, 1, 2)
