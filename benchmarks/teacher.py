"""Which teacher learns most per minute: each variant trains for the same CPU time on one core.

    python benchmarks/teacher.py                      # all variants, 3 minutes each
    python benchmarks/teacher.py --seconds 60         # a quicker look
    python benchmarks/teacher.py --photos DIR         # DIR holds Set5, Set14 ...; add --ensemble

Trains on data/patches (`dvc repro patches`) from random weights and prints Y-PSNR (dB) after it.
"""

import argparse
import sys
from pathlib import Path

# The folder of this file comes first otherwise, and in it `pipeline` is a benchmark.
sys.path[0] = str(Path(__file__).parents[1])

import torch

from benchmarks.front_parts.photos import find_sets
from benchmarks.timed import psnr_on, train_for, with_changes
from kdsharp.train.batches import Examples, Planes
from kdsharp.train.config import TeacherConfig
from kdsharp.train.distill import mean_of_turns
from kdsharp.train.patches import load_patches
from kdsharp.train.teacher import Teacher
from pipeline.params import load_params
from pipeline.paths import PATCHES

VARIANTS: dict[str, dict[str, object]] = {
    "default": {},
    "encoder at full size": {"shrink": 1},
    "no residual blocks": {"body": 0},
    "body 3": {"body": 3},
    "body 10": {"body": 10},
    "width 48": {"width": 48},
    "width 24": {"width": 24},
    "depth 1": {"depth": 1},
    "depth 3": {"depth": 3},
    "depth 4": {"depth": 4},
    "adam": {"optimizer": "adam", "lr": 0.001},
    "mse": {"loss": "mse"},
    "whole patches": {"crop": 0, "batch_size": 2},
    "lr 0.004": {"lr": 0.004},
    "swin": {"arch": "swin"},
    "swin, depth 1": {"arch": "swin", "depth": 1},
    "swin, depth 1, windows of 8": {"arch": "swin", "depth": 1, "window": 8},
    "swin, windows of 8, at full size": {"arch": "swin", "shrink": 1, "window": 8},
    "swin, lr 0.0015": {"arch": "swin", "lr": 0.0015},
}


def main() -> None:
    """Train and score every variant."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=180.0, help="CPU time for each")
    parser.add_argument("--steps", type=int, help="for each, instead of time")
    parser.add_argument("--only", nargs="*", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--photos", type=Path, help="a folder of folders of photos")
    parser.add_argument("--ensemble", action="store_true", help="also the mean over eight turns")
    chosen = parser.parse_args()
    sets, said = find_sets(chosen.photos)
    scale = load_params().degradation.scale
    print(f"{said}\n\n| variant | parameters | MAC/px | steps | {' | '.join(sets)} |")
    print(f"| --- | --- | --- | --- |{' --- |' * len(sets)}", flush=True)
    for name in chosen.only:
        config = with_changes(load_params().teacher, VARIANTS[name])
        teacher, steps = trained(config, chosen.seconds, chosen.steps)
        size = f"{teacher.parameter_count:,} | {teacher.macs_per_pixel:,.0f} | {steps:,}"
        rows = [(name, teacher)]
        if chosen.ensemble:
            rows.append((f"{name}, self-ensemble", _Ensemble(teacher)))
        for title, network in rows:
            cells = " | ".join(f"{score:.2f}" for score in psnr_on(sets, network, scale))
            print(f"| {title} | {size} | {cells} |", flush=True)


def trained(config: TeacherConfig, seconds: float, steps: int | None) -> tuple[Teacher, int]:
    """The teacher after `seconds` of CPU time or `steps`, and how many steps that was."""
    torch.manual_seed(config.loop.seed)
    pairs = load_patches(PATCHES, "train")
    low, high = Planes(pairs.lr_NHWC, 255), Planes(pairs.hr_NHWC, 255)
    examples = Examples(low, [(1.0, high)], align=pairs.scale)
    return train_for(Teacher(config), examples, config.loop, seconds, steps)


class _Ensemble(Teacher):
    """A teacher that answers with the mean over the eight turns of the picture."""

    def __init__(self, teacher: Teacher) -> None:
        super().__init__(teacher.config)
        self.load_state_dict(teacher.state_dict())

    def forward(self, x_NCHW: torch.Tensor) -> torch.Tensor:
        return mean_of_turns(super().with_features, x_NCHW)[0]


if __name__ == "__main__":
    main()
