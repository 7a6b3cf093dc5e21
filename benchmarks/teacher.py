"""Which teacher learns most per minute: each variant trains for the same CPU time on one core.

    python -m benchmarks.teacher                      # all variants, 3 minutes each
    python -m benchmarks.teacher --seconds 60         # a quicker look
    python -m benchmarks.teacher --photos DIR         # DIR holds Set5, Set14 ...; add --ensemble
    python -m benchmarks.teacher --only "no encoder" default "ImageNet weights" --imagenet FILE

    python -m benchmarks.teacher --file FILE --photos DIR    # one that is trained already

Trains on data/patches (`dvc repro patches`) from random weights and prints Y-PSNR (dB) after it.
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

from benchmarks.common.command import parser_of
from benchmarks.common.photos import find_datasets
from benchmarks.common.training import psnr_on, train_for, with_changes
from kdsharp.errors import UserError
from kdsharp.files import sha256_file
from kdsharp.train.student.distill import self_ensemble
from kdsharp.train.teacher.network import Teacher, load_teacher
from kdsharp.train.teacher.train import train_teacher
from pipeline.params import load_params

__all__ = ["VARIANTS", "main"]

VARIANTS: dict[str, dict[str, object]] = {
    "default": {},
    "no encoder": {"arch": "none"},
    "ImageNet weights": {"pretrained": True},
    "encoder at full size": {"shrink": 1},
    "no residual blocks": {"num_blocks": 0},
    "body 3": {"num_blocks": 3},
    "body 10": {"num_blocks": 10},
    "width 48": {"width": 48},
    "width 24": {"width": 24},
    "depth 1": {"depth": 1},
    "depth 3": {"depth": 3},
    "depth 4": {"depth": 4},
    "adam": {"optimizer": "adam", "lr": 0.001},
    "mse": {"loss": "mse"},
    "whole patches": {"crop": 0, "batch_size": 2},
    "rgb": {"color": "rgb"},
    "margin 0": {"margin": 0},
    "margin 4": {"margin": 4},
    "margin 8": {"margin": 8},
    "margin 16": {"margin": 16},
    "margin 8, rgb": {"margin": 8, "color": "rgb"},
    "lr 0.004": {"lr": 0.004},
    "swin": {"arch": "swin"},
    "swin, depth 1": {"arch": "swin", "depth": 1},
    "swin, depth 1, windows of 8": {"arch": "swin", "depth": 1, "window": 8},
    "swin, windows of 8, at full size": {"arch": "swin", "shrink": 1, "window": 8},
    "swin, lr 0.0015": {"arch": "swin", "lr": 0.0015},
}


def main() -> None:
    """Train and score every variant."""
    parser = parser_of("teacher", __doc__)
    parser.add_argument("--seconds", type=float, default=180.0, help="CPU time for each")
    parser.add_argument("--steps", type=int, help="for each, instead of time")
    parser.add_argument("--only", nargs="*", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--photos", type=Path, help="a folder of folders of photos")
    parser.add_argument("--ensemble", action="store_true", help="also the mean over eight turns")
    parser.add_argument("--file", type=Path, help="score the teacher in this file, train none")
    parser.add_argument("--imagenet", type=Path, help="a file of the encoder's ImageNet weights")
    chosen = parser.parse_args()
    sets, said = find_datasets(chosen.photos)
    scale = load_params().degradation.scale
    print(f"{said}\n\n| variant | parameters | MAC/px | steps | {' | '.join(sets)} |")
    print(f"| --- | --- | --- | --- |{' --- |' * len(sets)}", flush=True)
    for name, teacher, steps in _teachers(chosen):
        size = f"{teacher.parameter_count:,} | {teacher.macs_per_pixel:,.0f} | {steps}"
        rows = [(name, teacher)]
        if chosen.ensemble:
            rows.append((f"{name}, self-ensemble", _Ensemble(teacher)))
        for title, network in rows:
            cells = " | ".join(f"{score:.2f}" for score in psnr_on(sets, network, scale))
            print(f"| {title} | {size} | {cells} |", flush=True)


def _teachers(chosen: argparse.Namespace) -> Iterator[tuple[str, Teacher, str]]:
    """Each with its name and the number of its steps, where that is known."""
    if chosen.file:
        yield chosen.file.stem, _ready(chosen.file), ""
        return
    for name in chosen.only:
        config = with_changes(load_params().teacher, {**VARIANTS[name], "threads": 1})
        if config.pretrained and chosen.imagenet:
            digest = sha256_file(chosen.imagenet)
            config = replace(config, weights=str(chosen.imagenet), weights_sha256=digest)
        teacher, steps = train_for(partial(train_teacher, config), chosen.seconds, chosen.steps)
        yield name, teacher, f"{steps:,}"


def _ready(path: Path) -> Teacher:
    teacher = load_teacher(path)
    if not isinstance(teacher, Teacher):
        raise UserError(f"{path} holds a network for teacher.arch spandrel, not one of ours")
    return teacher


class _Ensemble(Teacher):
    """A teacher that answers with the mean over the eight turns of the picture."""

    def __init__(self, teacher: Teacher) -> None:
        super().__init__(teacher.config)
        self.load_state_dict(teacher.state_dict())

    def forward(self, x_NCHW: torch.Tensor) -> torch.Tensor:
        return self_ensemble(super().with_features, x_NCHW)[0]


if __name__ == "__main__":
    main()
