"""A tiny random student with a mixture, and its model folder as the export writes it."""

import dataclasses
from pathlib import Path

import numpy as np
import torch

from kdsharp.files import sha256_file
from kdsharp.runtime.card import File, Mixture, read_card, write_card
from kdsharp.train.config import StudentConfig
from kdsharp.train.export.codes import Looks, add_codes, look_at
from kdsharp.train.export.fp32 import write_onnx
from kdsharp.train.export.mixture import write_kernels, write_mixer
from kdsharp.train.student.mixture import MixedStudent
from tests.models import make_card

CONFIG = StudentConfig(channels=8, mixture=3, teacher_weight=0.0, truth_weight=1.0)


def make_student(config: StudentConfig = CONFIG, seed: int = 0) -> MixedStudent:
    """Of which no weight is zero, and whose shares follow from the picture."""
    torch.manual_seed(seed)
    student = MixedStudent(config)
    with torch.no_grad():
        for parameter in student.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
        student.mixer.out.weight.mul_(10)
    return student.fuse(student.state_dict()).eval()


def make_mixed_model(folder: Path, student: MixedStudent | None = None) -> Path:
    """The model folder of `student`."""
    student = student or make_student()
    folder.mkdir(parents=True, exist_ok=True)
    write_onnx(student, folder / "student.onnx")
    write_mixer(student.mixer, folder / "mixer.onnx")
    write_kernels(student, folder / "kernels.onnx")
    mixer, kernels = (
        File(name, sha256_file(folder / name)) for name in ("mixer.onnx", "kernels.onnx")
    )
    card = dataclasses.replace(
        make_card(folder / "student.onnx"),
        degradation="mixture",
        receptive_radius=student.receptive_radius,
        mixture=Mixture(student.config.mixture, mixer, kernels),
    )
    write_card(folder, card)
    return folder


def make_looks(student: MixedStudent, count: int = 12) -> Looks:
    """Patches from smooth to noisy, each of another mixture; the truth is what that makes of it."""
    random = np.random.default_rng(0)
    rows, columns = np.mgrid[0:40, 0:40]
    wave = 128 + 60 * np.sin(rows / 3) * np.cos(columns / 4)
    levels = np.arange(count)[:, None, None] * 6
    low = np.clip(wave + levels * random.standard_normal((count, 40, 40)), 0, 255).astype(np.uint8)
    with torch.no_grad():
        made = student(torch.from_numpy(low / np.float32(255))[:, None])[:, 0].numpy()
    return look_at(student, low, np.rint(255 * made.clip(0, 1)).astype(np.uint8))


def make_code_book(folder: Path, student: MixedStudent | None = None, count: int = 3) -> Path:
    """The model folder of `student` with a code book of `count` mixtures."""
    student = student or make_student()
    make_mixed_model(folder, student)
    add_codes(folder, read_card(folder), student, make_looks(student), count, 4)
    return folder
