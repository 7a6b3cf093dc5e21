"""How to train a student: each variant trains for the same CPU time on one core, on the truth.

    python benchmarks/student.py                              # all variants, 3 minutes each
    python benchmarks/student.py --seconds 60 --only soap adam
    python benchmarks/student.py --photos DIR                 # DIR holds Set5, Set14, B100

Trains on data/patches (`dvc repro patches`) and prints Y-PSNR (dB) after it.
"""

import argparse
import sys
from pathlib import Path

# The folder of this file comes first otherwise, and in it `pipeline` is a benchmark.
sys.path[0] = str(Path(__file__).parents[1])

import torch

from benchmarks.front_parts.photos import find_sets
from benchmarks.timed import psnr_on, train_for, with_changes
from kdsharp.train.batches import Examples
from kdsharp.train.config import StudentConfig
from kdsharp.train.distill import planes_of
from kdsharp.train.patches import load_patches
from kdsharp.train.student import Student
from kdsharp.train.trainee import Trainee
from pipeline.params import load_params
from pipeline.paths import PATCHES

_COMMON = {"loss": "l1", "batch_size": 16, "crop": 44, "clip": 1.0}
_SOAP = {**_COMMON, "optimizer": "soap", "basis": 800, "lr": 0.004}
_BASE: dict[str, object] = {"kernels": (3, 3, 3), "feature_weight": 0.0}
_ADAM = {**_SOAP, "optimizer": "adam", "lr": 0.002}

VARIANTS: dict[str, dict[str, object]] = {
    "soap": _SOAP,
    "adam": _ADAM,
    "adam, collapsible": {**_ADAM, "expansion": 256},
    "soap, collapsible": {**_SOAP, "expansion": 256},
    "soap, kernels 5-3-3": {**_SOAP, "kernels": (5, 3, 3), "crop": 48},
    "soap, kernels 3-3-5": {**_SOAP, "kernels": (3, 3, 5), "crop": 48},
    "soap, rgb": {**_SOAP, "color": "rgb"},
    "soap, mse": {**_SOAP, "loss": "mse"},
    "soap, charbonnier": {**_SOAP, "loss": "charbonnier"},
    "soap, mse at the end": {**_SOAP, "mse_share": 0.2},
    "soap, batch 8": {**_SOAP, "batch_size": 8},
    "soap, lr 0.008": {**_SOAP, "lr": 0.008},
    "soap, lr 0.002": {**_SOAP, "lr": 0.002},
    "soap, basis 320": {**_SOAP, "basis": 320},
    "soap, crop 76": {**_SOAP, "crop": 76},
}


def main() -> None:
    """Train and score every variant."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=180.0, help="CPU time for each")
    parser.add_argument("--only", nargs="*", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--photos", type=Path, help="a folder of folders of photos")
    chosen = parser.parse_args()
    sets, said = find_sets(chosen.photos)
    scale = load_params().degradation.scale
    print(f"{said}\n\n| variant | GMAC at 720p | steps | {' | '.join(sets)} |")
    print(f"| --- | --- | --- |{' --- |' * len(sets)}")
    for name in chosen.only:
        config = with_changes(load_params().student, {**_BASE, **VARIANTS[name]})
        student, steps = trained(config, chosen.seconds)
        scores = psnr_on(sets, student, scale)
        size = f"{student.macs_per_pixel * 1280 * 720 / 1e9:.2f} | {steps:,}"
        print(f"| {name} | {size} | {' | '.join(f'{s:.2f}' for s in scores)} |", flush=True)


def trained(config: StudentConfig, seconds: float) -> tuple[Student, int]:
    """The student after `seconds` of CPU time on the ground truth, and its steps."""
    torch.manual_seed(config.loop.seed)
    pairs = load_patches(PATCHES, "train")
    low, high = (planes_of(p, config.color) for p in (pairs.lr_NHWC, pairs.hr_NHWC))
    trainee = Trainee(config)
    examples = Examples(low, [(1.0, high)], align=pairs.scale)
    averaged, steps = train_for(trainee, examples, config.loop, seconds)
    return averaged.deliver(averaged.state_dict()), steps


if __name__ == "__main__":
    main()
