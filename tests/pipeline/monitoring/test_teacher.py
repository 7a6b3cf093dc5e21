"""A real teacher and a real student disagree where the student is lost."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

from kdsharp.degrade import degrade
from kdsharp.sharpening.sharpener import Sharpener
from kdsharp.train.teacher.network import save_no_teacher
from pipeline.monitoring import teacher

ROOT = Path(__file__).parents[3]
TEACHER = ROOT / "data/teachers/bicubic-x2.safetensors"


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").mkdir()
    shutil.copy(TEACHER, tmp_path / "models/teacher.safetensors")
    return tmp_path


def pictures(folder, recipe):
    folder.mkdir()
    for name, photo in (("astronaut", data.astronaut()), ("chelsea", data.chelsea())):
        part = Image.fromarray(photo).crop((60, 20, 252, 212))
        degrade(part, recipe, 2, 0).save(folder / f"{name}.png")
    (folder / "broken.png").write_text("no")
    return [path.name for path in sorted(folder.iterdir())]


def test_a_student_of_its_own_degradation_is_near_it(checkout):
    student = Sharpener("small-x2", engine="onnxruntime", threads=1)
    asked = []
    names = pictures(checkout / "usual", "bicubic")
    near = teacher.disagreement(checkout / "usual", names, student, lambda: asked.append(1))
    assert len(asked) == 3
    assert 38 < near < 60  # dB: it has learned from such a teacher, and is not it

    class Nothing:
        def array(self, pixels):
            return pixels

    apart = teacher.disagreement(checkout / "usual", names, Nothing(), lambda: None)
    assert apart < near - 3


def test_without_pictures_or_a_teacher_nothing_is_said(checkout):
    student = Sharpener("small-x2", engine="onnxruntime", threads=1)
    assert teacher.disagreement(checkout, ["none.png"], student, lambda: None) is None
    save_no_teacher(checkout / "models/teacher.safetensors")
    names = pictures(checkout / "usual", "bicubic")
    assert teacher.disagreement(checkout / "usual", names, student, lambda: None) is None


def test_the_answer_is_a_number_of_decibels(checkout):
    student = Sharpener("small-x2", engine="onnxruntime", threads=1)
    names = pictures(checkout / "noisy", "noise5")
    assert np.isfinite(teacher.disagreement(checkout / "noisy", names, student, lambda: None))
