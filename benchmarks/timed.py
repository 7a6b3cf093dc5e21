"""Training for a given CPU time or number of steps: shared by the benchmarks of the networks."""

import dataclasses
import math
import time
from typing import Any, TypeVar

import torch

from benchmarks.front_parts.photos import Sets, samples
from benchmarks.front_parts.quality import score_set
from kdsharp.sharpen import Sharpener
from kdsharp.train.batches import Examples, batches
from kdsharp.train.config import LoopConfig
from kdsharp.train.engines import torch_engine
from kdsharp.train.loop import LOSSES, OPTIMIZERS, matching
from kdsharp.train.student import Student
from kdsharp.train.teacher import Teacher

__all__ = ["psnr_on", "train_for", "with_changes"]

Network = TypeVar("Network", bound=torch.nn.Module)
Config = TypeVar("Config")


def with_changes(config: Config, changes: dict[str, Any]) -> Config:
    """The config with some values changed, its loop's among them."""
    old: LoopConfig = config.loop  # type: ignore[attr-defined]
    loop = {key: value for key, value in changes.items() if hasattr(old, key)}
    rest = {key: value for key, value in changes.items() if key not in loop}
    return dataclasses.replace(config, loop=dataclasses.replace(old, **loop), **rest)  # type: ignore[type-var]


def train_for(
    network: Network, examples: Examples, loop: LoopConfig, seconds: float, steps: int | None = None
) -> tuple[Network, int]:
    """The averaged weights after `seconds` of CPU time on one core, and how many steps that was.

    CPU time and not wall time, so that another program on the machine disturbs less; the learning
    rate's cosine ends with the time. With `steps` after so many, whatever time they take.
    """
    torch.set_num_threads(1)
    network = network.to(memory_format=torch.channels_last).train()
    averaged = torch.optim.swa_utils.AveragedModel(
        network, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(loop.ema)
    )
    weights = [p for p in network.parameters() if p.requires_grad]
    optimizer = OPTIMIZERS[loop.optimizer](weights, loop)
    step, began = 0, time.process_time()
    for batch in batches(examples, loop.batch_size, loop.seed, 0, 10**9, crop=loop.crop):
        done = step / steps if steps else (time.process_time() - began) / seconds
        if done >= 1:
            break
        warm = min(1.0, (step + 1) / (loop.warmup_steps + 1))
        for group in optimizer.param_groups:
            group["lr"] = loop.lr * warm * (0.505 + 0.495 * math.cos(math.pi * done))
        optimizer.zero_grad()
        measure = LOSSES["mse" if done >= 1 - loop.mse_share else loop.loss]
        output = network(batch.inputs_NCHW)
        measure(output, matching(batch.targets[0][1], output)).backward()
        torch.nn.utils.clip_grad_norm_(weights, loop.clip)
        optimizer.step()
        averaged.update_parameters(network)
        step += 1
    return averaged.module.eval(), step


def psnr_on(sets: Sets, network: Student | Teacher, scale: int) -> list[float]:
    """Y-PSNR (dB) of a network on each set."""
    run = Sharpener(engine=torch_engine(network)).array
    return [
        score_set(samples(paths, scale), lambda photo: run(photo.low), scale).psnr
        for paths in sets.values()
    ]
