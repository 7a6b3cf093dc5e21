"""What the teacher is worth: a student with and without it, at equal steps, several seeds.

    dvc repro teacher && python benchmarks/distill.py               # 7 ways, 3 seeds, 12000 steps
    python benchmarks/distill.py --steps 3000 --photos DIR          # DIR holds Set5, Set14, B100

Trains the student of params.yaml on data/patches and models/teacher.safetensors and prints the
Y-PSNR (dB) on whole photos, mean and standard deviation over the seeds, and the difference from
the student that saw the ground truth alone, seed by seed. What is trained stays in `--work`: run
again, it goes on where it was.
"""

import argparse
import dataclasses
import sys
from pathlib import Path

# The folder of this file comes first otherwise, and in it `pipeline` is a benchmark.
sys.path[0] = str(Path(__file__).parents[1])

import numpy as np
import torch

from benchmarks.front_parts.photos import Sets, find_sets
from benchmarks.timed import psnr_on
from kdsharp.train.config import StudentConfig
from kdsharp.train.distill import planes_of, student_examples
from kdsharp.train.loop import fit
from kdsharp.train.patches import load_patches
from kdsharp.train.teacher import load_teacher
from kdsharp.train.trainee import Trainee
from kdsharp.train.validate import psnr_y
from pipeline.params import load_params
from pipeline.paths import PATCHES, TEACHER
from pipeline.stages.training import fingerprint

_NONE = {"teacher_weight": 0.0, "truth_weight": 0.0, "feature_weight": 0.0, "ensemble": False}
WAYS: dict[str, dict[str, object]] = {
    "truth alone": {"truth_weight": 1.0},
    "response": {"teacher_weight": 1.0},
    "truth and response": {"truth_weight": 0.5, "teacher_weight": 0.5},
    "truth and features": {"truth_weight": 1.0, "feature_weight": 0.002},
    "response and features": {"teacher_weight": 1.0, "feature_weight": 0.002},
    "response and affinity": {
        "teacher_weight": 1.0, "feature_weight": 0.005, "feature_match": "affinity",
    },
    "response of a self-ensemble": {"teacher_weight": 1.0, "ensemble": True},
}  # fmt: skip


def main() -> None:
    """Train every way with every seed and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=12_000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="*", choices=WAYS, default=list(WAYS))
    parser.add_argument("--photos", type=Path, help="a folder of folders of photos")
    parser.add_argument("--work", type=Path, default=Path(".checkpoints/distill"))
    parser.add_argument("--threads", type=int, help="of torch; the bytes depend on it")
    chosen = parser.parse_args()
    if chosen.threads:
        torch.set_num_threads(chosen.threads)
    sets, said = find_sets(chosen.photos)
    print(f"{said}\n\n| learns from | {' | '.join(sets)} | mean | above the truth alone |")
    print(f"| --- |{' --- |' * len(sets)} --- | --- |", flush=True)
    baseline = None
    for way in chosen.only:
        rows = [scores(way, seed, chosen, sets) for seed in range(1, chosen.seeds + 1)]
        scored = np.array([[*row, np.mean(row)] for row in rows])
        baseline = scored[:, -1] if baseline is None else baseline
        gain = scored[:, -1] - baseline
        cells = [f"{m:.3f} ± {s:.3f}" for m, s in zip(scored.mean(0), _spread(scored), strict=True)]
        cells.append(f"{gain.mean():+.3f} ± {float(_spread(gain)):.3f}" if gain.any() else "")
        print(f"| {way} | {' | '.join(cells)} |", flush=True)


def scores(way: str, seed: int, chosen: argparse.Namespace, sets: Sets) -> list[float]:
    """Y-PSNR (dB) on each set of one student."""
    config = configured(way, seed, chosen.steps)
    teacher = load_teacher(TEACHER)
    train, val = load_patches(PATCHES, "train"), load_patches(PATCHES, "val")
    low, high = (planes_of(p, config.color) for p in (val.lr_NHWC, val.hr_NHWC))
    files = (*sorted(PATCHES.iterdir()), TEACHER)
    # What the teacher says does not depend on the seed or the weights of the loss.
    asked = (config.ensemble, config.color, bool(config.feature_weight))
    answers = chosen.work / fingerprint(asked, files)[:12]
    torch.manual_seed(seed)
    trainee = Trainee(config, teacher.config.width)
    done = fit(
        trainee,
        student_examples(train, teacher, config, answers),
        lambda network: psnr_y(network, low, high, border=val.scale),
        config.loop,
        chosen.work / f"{way.replace(' ', '-').replace(',', '')}-{seed}.pt",
        fingerprint(config, files),
    )
    return psnr_on(sets, trainee.deliver(done.weights).eval(), val.scale)


def configured(way: str, seed: int, steps: int) -> StudentConfig:
    """The student of params.yaml that learns in this way, for about this many steps."""
    config = load_params().student
    per_pass = load_params().patches.train // config.loop.batch_size
    passes = max(1, steps // per_pass // 10)
    loop = dataclasses.replace(config.loop, epochs=10, passes=passes, seed=seed)
    return dataclasses.replace(config, **{**_NONE, **WAYS[way]}, loop=loop)  # type: ignore[arg-type]


def _spread(values: np.ndarray) -> np.ndarray:
    """Standard deviation over the seeds; zero for a single one."""
    return np.std(values, axis=0, ddof=1) if len(values) > 1 else np.zeros_like(values[0])


if __name__ == "__main__":
    main()
