"""What the teacher is worth: a student with and without it, at equal steps, several seeds.

    dvc repro teacher && python -m benchmarks.distill               # 10 ways, 3 seeds, 12000 steps
    python -m benchmarks.distill --steps 3000 --photos DIR          # DIR holds Set5, Set14, B100
    python -m benchmarks.distill --truths 20 --photos DIR           # 20 photos have a truth

Trains the student of params.yaml on data/patches and models/teacher.safetensors and prints the
Y-PSNR (dB) on whole photos, mean and standard deviation over the seeds, and the difference from
the student that saw the ground truth alone, seed by seed. With `--truths N` only the patches of the
first N training photos have a truth, and the teacher alone speaks about the others. "two steps"
learns from a student of six convolutions and 32 channels that learned from truth and teacher, with
the same seed and number of steps. What is trained stays in `--work`: run again, it goes on where it
was.
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from benchmarks.common.command import parser_of
from benchmarks.common.photos import Sets, find_datasets
from benchmarks.common.training import psnr_on, with_changes
from kdsharp.train.config import StudentConfig, TeacherConfig
from kdsharp.train.dataset.cut import patches_per_photo
from kdsharp.train.dataset.patches import PatchSet, load_patches
from kdsharp.train.student.network import Student
from kdsharp.train.student.train import train_student
from kdsharp.train.teacher.interface import AnyTeacher
from kdsharp.train.teacher.network import load_teacher
from kdsharp.train.training import Lesson
from pipeline.manifest import read_manifest
from pipeline.params import load_params
from pipeline.paths import PATCHES, RAW, TEACHER
from pipeline.stages.student import answers_folder
from pipeline.stages.training import fingerprint

__all__ = ["WAYS", "main", "scores"]

_NONE = {"teacher_weight": 0.0, "truth_weight": 0.0, "feature_weight": 0.0, "ensemble": False}
WAYS: dict[str, dict[str, object]] = {
    "truth alone": {"truth_weight": 1.0},
    "response": {"teacher_weight": 1.0},
    "truth and a quarter response": {"truth_weight": 0.75, "teacher_weight": 0.25},
    "truth and response": {"truth_weight": 0.5, "teacher_weight": 0.5},
    "response and a quarter truth": {"truth_weight": 0.25, "teacher_weight": 0.75},
    "truth and features": {"truth_weight": 1.0, "feature_weight": 0.002},
    "response and features": {"teacher_weight": 1.0, "feature_weight": 0.002},
    "response and affinity": {
        "teacher_weight": 1.0, "feature_weight": 0.005, "feature_match": "affinity",
    },
    "response of a self-ensemble": {"teacher_weight": 1.0, "ensemble": True},
    "two steps": {"truth_weight": 0.5, "teacher_weight": 0.5},
}  # fmt: skip
_DEEP = {"convs": 6, "channels": 32, "lr": 0.002, "crop": 56}
"""The student between teacher and student of "two steps": deep-large-x2."""


def main() -> None:
    """Train every way with every seed and print the table."""
    parser = parser_of("distill", __doc__)
    parser.add_argument("--steps", type=int, default=12_000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="*", choices=WAYS, default=list(WAYS))
    parser.add_argument("--photos", type=Path, help="a folder of folders of photos")
    parser.add_argument("--truths", type=int, help="so many photos have a truth (all)")
    parser.add_argument("--work", type=Path, default=Path(".checkpoints/distill"))
    parser.add_argument("--threads", type=int, help="of torch; the bytes depend on it")
    chosen = parser.parse_args()
    if chosen.threads:
        torch.set_num_threads(chosen.threads)
    sets, said = find_datasets(chosen.photos)
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
    config = with_changes(load_params().student, {**_NONE, **WAYS[way], "seed": seed})
    teacher = load_teacher(TEACHER)
    if way == "two steps":
        deep = _train("its teacher", with_changes(config, _DEEP), teacher, chosen)
        teacher = _StudentTeacher(deep, teacher.config)
    network = _train(way, config, teacher, chosen)
    return psnr_on(sets, network, load_patches(PATCHES, "val").scale)


def _train(
    way: str, config: StudentConfig, teacher: AnyTeacher, chosen: argparse.Namespace
) -> Student:
    train, val = load_patches(PATCHES, "train"), load_patches(PATCHES, "val")
    low_NHWC = None
    if chosen.truths:
        found = read_manifest()
        names = sorted(found["name"][found["split"] == "train"])
        photos = [RAW / "train" / name for name in names]
        known = sum(patches_per_photo(photos, len(train))[: chosen.truths])
        low_NHWC = train.lr_NHWC[known:]
        train = PatchSet(train.lr_NHWC[:known], train.hr_NHWC[:known], train.scale)
    name = f"{way.replace(' ', '-')}-{chosen.truths or 'all'}-{config.loop.seed}"
    files: tuple[Path, ...] = (*sorted(PATCHES.iterdir()), TEACHER)
    answers = answers_folder(config, files, chosen.work)
    if isinstance(teacher, _StudentTeacher):
        answers = chosen.work / f"{name}-answers"
    key = fingerprint("student", (config, chosen.steps, len(train)), files)
    lesson = Lesson(train, val, chosen.work / f"{name}.pt", key, steps=chosen.steps)
    return train_student(config, lesson, teacher, answers, low_NHWC).network


class _StudentTeacher(AnyTeacher):
    """A student that another learns from; `config` is its teacher's, whose colours it has."""

    features = 0
    about = "a student"

    def __init__(self, student: Student, config: TeacherConfig) -> None:
        super().__init__()
        self.student, self.config = student, config
        self.planes, self.grid = student.planes, student.config.unshuffle_factor

    def with_features(self, x_NCHW: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Its output, and no features."""
        return self.student(x_NCHW), x_NCHW[:, :0, ::2, ::2]

    @property
    def macs_per_pixel(self) -> float:
        """The student's."""
        return self.student.macs_per_pixel

    @property
    def receptive_radius(self) -> int:
        """The student's."""
        return self.student.margin


def _spread(values: np.ndarray) -> np.ndarray:
    """Standard deviation over the seeds; zero for a single one."""
    return np.std(values, axis=0, ddof=1) if len(values) > 1 else np.zeros_like(values[0])


if __name__ == "__main__":
    main()
