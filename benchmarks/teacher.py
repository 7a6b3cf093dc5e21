"""Which teacher learns most per minute: each variant trains for the same CPU time on one core.

    python benchmarks/teacher.py                 # all variants, 3 minutes each
    python benchmarks/teacher.py --seconds 60    # a quicker look

Trains on data/patches (`dvc repro patches`), prints the gain in Y-PSNR over the input on the
validation patches and on the whole test photos. CPU time and not wall time, so that another
program on the machine disturbs less; the learning rate's cosine ends with the time.
"""

import argparse
import dataclasses
import math
import sys
import time
from pathlib import Path

# The folder of this file comes first otherwise, and in it `pipeline` is a benchmark.
sys.path[0] = str(Path(__file__).parents[1])

import torch

from kdsharp.sharpen import Sharpener
from kdsharp.train.batches import Examples, Planes, batches
from kdsharp.train.config import TeacherConfig
from kdsharp.train.engines import torch_engine
from kdsharp.train.loop import LOSSES
from kdsharp.train.patches import load_patches
from kdsharp.train.teacher import Teacher
from kdsharp.train.validate import psnr_y
from pipeline.params import load_params
from pipeline.paths import PATCHES
from pipeline.scoring import list_photos, score

VARIANTS: dict[str, dict[str, object]] = {
    "default": {},
    "encoder at full size": {"shrink": 1},
    "depth 2": {"depth": 2},
    "depth 4": {"depth": 4},
    "width 32": {"width": 32},
    "width 64": {"width": 64},
    "body 1": {"body": 1},
    "body 5": {"body": 5},
    "batch 16": {"batch_size": 16},
    "lr 0.002": {"lr": 0.002},
    "l1": {"loss": "l1"},
}


def main() -> None:
    """Train and score every variant."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=180.0, help="CPU time for each")
    parser.add_argument("--only", nargs="*", choices=VARIANTS, default=list(VARIANTS))
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    print("| variant | parameters | MAC/px | steps | val | test |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name in chosen.only:
        config = variant(VARIANTS[name])
        teacher, steps = train(config, chosen.seconds)
        val, test = gains(teacher)
        size = f"{teacher.parameter_count:,} | {teacher.macs_per_pixel:,.0f}"
        print(f"| {name} | {size} | {steps:,} | {val:+.2f} | {test:+.2f} |", flush=True)


def variant(changes: dict[str, object]) -> TeacherConfig:
    """The teacher of params.yaml with some values changed, the loop's among them."""
    config = load_params().teacher
    loop = {k: v for k, v in changes.items() if hasattr(config.loop, k)}
    rest = {k: v for k, v in changes.items() if k not in loop}
    return dataclasses.replace(config, loop=dataclasses.replace(config.loop, **loop), **rest)  # type: ignore[arg-type]


def train(config: TeacherConfig, seconds: float) -> tuple[Teacher, int]:
    """The averaged weights after `seconds` of CPU time, and how many steps that was."""
    torch.manual_seed(config.loop.seed)
    teacher = Teacher(config).to(memory_format=torch.channels_last).train()
    averaged = torch.optim.swa_utils.AveragedModel(
        teacher, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(config.loop.ema)
    )
    optimizer = torch.optim.Adam(teacher.parameters(), fused=True)
    pairs = load_patches(PATCHES, "train")
    examples = Examples(Planes(pairs.lr_NHWC, 255), [(1.0, Planes(pairs.hr_NHWC, 255))])
    began = time.process_time()
    for step, batch in enumerate(batches(examples, config.loop.batch_size, 1, 0, 10**9)):
        done = (time.process_time() - began) / seconds
        if done >= 1:
            break
        warm = min(1.0, (step + 1) / (config.loop.warmup_steps + 1))
        for group in optimizer.param_groups:
            group["lr"] = config.loop.lr * warm * (0.505 + 0.495 * math.cos(math.pi * done))
        optimizer.zero_grad()
        LOSSES[config.loop.loss](teacher(batch.inputs_NCHW), batch.targets[0][1]).backward()
        torch.nn.utils.clip_grad_norm_(teacher.parameters(), config.loop.clip)
        optimizer.step()
        averaged.update_parameters(teacher)
    return averaged.module.eval(), step


def gains(teacher: Teacher) -> tuple[float, float]:
    """Gain in Y-PSNR (dB): over the validation patches, over the whole test photos."""
    pairs = load_patches(PATCHES, "val")
    low, high = Planes(pairs.lr_NHWC, 255), Planes(pairs.hr_NHWC, 255)
    identity = Teacher(teacher.config)
    val = psnr_y(teacher, low, high, pairs.scale) - psnr_y(identity, low, high, pairs.scale)
    methods = {"input": lambda x: x, "teacher": Sharpener(engine=torch_engine(teacher)).array}
    photos = [
        photo for photo in list_photos(Path("data/raw/manifest.csv")) if photo.split == "test"
    ]
    table = score(photos, methods, load_params().degradation)
    return val, float(table.loc[table["method"] == "teacher", "gain_y"].mean())


if __name__ == "__main__":
    main()
