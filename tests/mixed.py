"""A tiny random student with a mixture, and its model folder as the export writes it."""

import dataclasses
from pathlib import Path

import torch

from kdsharp.files import sha256_file
from kdsharp.runtime.card import File, Mixture, write_card
from kdsharp.train.config import StudentConfig
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
