"""How to train a student: each variant trains for the same CPU time on one core, on the truth.

    python -m benchmarks.student                              # all variants, 3 minutes each
    python -m benchmarks.student --seconds 60 --only soap adam
    python -m benchmarks.student --photos DIR                 # DIR holds Set5, Set14, B100

Trains on data/patches (`dvc repro patches`) and prints Y-PSNR (dB) after it.
"""

from functools import partial
from pathlib import Path

from benchmarks.common.command import parser_of
from benchmarks.common.photos import find_datasets
from benchmarks.common.training import psnr_on, train_for, with_changes
from kdsharp.train.student.train import train_student
from pipeline.params import load_params

__all__ = ["VARIANTS", "main"]

_COMMON = {"loss": "l1", "batch_size": 16, "crop": 44, "grad_clip_norm": 1.0}
_SOAP = {**_COMMON, "optimizer": "soap", "max_precond_dim": 800, "lr": 0.004}
_BASE: dict[str, object] = {
    "kernels": (3, 3, 3),
    "teacher_weight": 0.0,
    "truth_weight": 1.0,
    "feature_weight": 0.0,
}
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
    "soap, basis 320": {**_SOAP, "max_precond_dim": 320},
    "soap, crop 76": {**_SOAP, "crop": 76},
}


def main() -> None:
    """Train and score every variant."""
    parser = parser_of("student", __doc__)
    parser.add_argument("--seconds", type=float, default=180.0, help="CPU time for each")
    parser.add_argument("--steps", type=int, help="for each, instead of time")
    parser.add_argument("--only", nargs="*", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--photos", type=Path, help="a folder of folders of photos")
    chosen = parser.parse_args()
    sets, said = find_datasets(chosen.photos)
    scale = load_params().degradation.scale
    print(f"{said}\n\n| variant | GMAC at 720p | steps | {' | '.join(sets)} |")
    print(f"| --- | --- | --- |{' --- |' * len(sets)}")
    for name in chosen.only:
        changes = {**_BASE, **VARIANTS[name], "threads": 1}
        config = with_changes(load_params().student, changes)
        student, steps = train_for(partial(train_student, config), chosen.seconds, chosen.steps)
        scores = psnr_on(sets, student, scale)
        size = f"{student.macs_per_pixel * 1280 * 720 / 1e9:.2f} | {steps:,}"
        print(f"| {name} | {size} | {' | '.join(f'{s:.2f}' for s in scores)} |", flush=True)


if __name__ == "__main__":
    main()
