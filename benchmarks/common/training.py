"""Training for a given CPU time or number of steps: shared by the benchmarks of the networks.

What trains is what the stages train with (`kdsharp.train.training`); here is only how long.
"""

import dataclasses
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch

from benchmarks.common.photos import Sets, samples, score_set
from kdsharp.sharpening.sharpener import Sharpener
from kdsharp.train.config import StudentConfig, TeacherConfig
from kdsharp.train.dataset.patches import load_patches
from kdsharp.train.engine import torch_engine
from kdsharp.train.student.network import Student
from kdsharp.train.teacher.network import Teacher
from kdsharp.train.training import Lesson, Trained
from pipeline.paths import PATCHES

__all__ = ["Train", "psnr_on", "train_for", "with_changes"]

_Network = TypeVar("_Network", bound=torch.nn.Module)
_Config = TypeVar("_Config", StudentConfig, TeacherConfig)
Train = Callable[[Lesson], Trained[_Network]]

_FEW, _MORE = 50, 300  # steps that are timed: many, because each run has some seconds of its own


def with_changes(config: _Config, changes: dict[str, Any]) -> _Config:
    """The config with some values changed, its loop's among them."""
    loop = {key: value for key, value in changes.items() if hasattr(config.loop, key)}
    rest = {key: value for key, value in changes.items() if key not in loop}
    return dataclasses.replace(config, loop=dataclasses.replace(config.loop, **loop), **rest)


def train_for(train: Train[_Network], seconds: float, steps: int | None) -> tuple[_Network, int]:
    """What `train` makes of data/patches in `seconds` of CPU time on one core, and in how many
    steps.

    CPU time and not wall time, so that another program on the machine disturbs less; for the same
    reason `train` has to use one thread: two of them count the time that they wait for each other.
    How many steps fit in is found by timing a few. With `steps` that many, whatever time they take.
    """
    torch.set_num_threads(1)
    if steps is None:
        _train(train, 1)  # the first time pays for what is imported and set up
        each = (_cpu_time(train, _MORE) - _cpu_time(train, _FEW)) / (_MORE - _FEW)
        steps = max(1, round(seconds / each))
    return _train(train, steps).network, steps


def _cpu_time(train: Train[_Network], steps: int) -> float:
    began = time.process_time()
    _train(train, steps)
    return time.process_time() - began


def _train(train: Train[_Network], steps: int) -> Trained[_Network]:
    with tempfile.TemporaryDirectory(prefix="kdsharp-") as folder:
        pairs, val = load_patches(PATCHES, "train"), load_patches(PATCHES, "val")
        return train(Lesson(pairs, val, Path(folder) / "last.pt", "benchmark", steps=steps))


def psnr_on(sets: Sets, network: Student | Teacher, scale: int) -> list[float]:
    """Y-PSNR (dB) of a network on each set."""
    run = Sharpener(engine=torch_engine(network)).array
    return [
        score_set(samples(paths, scale), lambda photo: run(photo.low), scale).psnr
        for paths in sets.values()
    ]
