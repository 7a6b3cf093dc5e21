"""What registered models are called."""

from pathlib import Path
from typing import get_args

from kdsharp.errors import UserError
from kdsharp.train.config import StudentConfig, student_name
from pipeline.params import Params
from pipeline.paths import PRODUCTION
from pipeline.release.gate.evidence import Role

__all__ = ["production_folder", "registered_name", "registered_student", "role_of"]


_PREFIX = "kdsharp-"
_DEFAULT = "small-x2"


def registered_name(model: str, params: Params) -> str:
    """The registered model that `model` means.

    `teacher` and `student` mean those that `params` describe; a full name stands for itself. The
    default student (`small`, x2, luma, bicubic) is `kdsharp-student`, any other has a suffix:
    `kdsharp-student-nano-x2`, `kdsharp-student-c24-x3-rgb`, `kdsharp-student-small-x2-robust`.
    A teacher is one for each degradation and scale: `kdsharp-teacher`, `kdsharp-teacher-x3`,
    `kdsharp-teacher-x2-robust`. Raises `UserError` for other words.
    """
    scale, recipe = params.degradation.scale, params.degradation.name
    if model == "student":
        return registered_student(params.student, scale, recipe)
    if model == "teacher":
        return f"{_PREFIX}teacher{_suffix(_without_size(_DEFAULT), _taught(scale, recipe))}"
    role_of(model)
    return model


def registered_student(config: StudentConfig, scale: int, recipe: str) -> str:
    """The registered model of such a student."""
    return f"{_PREFIX}student{_suffix(_DEFAULT, student_name(config, scale, recipe))}"


def role_of(name: str) -> Role:
    """Whether the registered model `name` is a teacher or a student."""
    roles: tuple[Role, ...] = get_args(Role)
    for role in roles:
        if f"{name}-".startswith(f"{_PREFIX}{role}-"):
            return role
    raise UserError(
        f"no model {name!r}: use student, teacher, or a registered name such as "
        f"{_PREFIX}student-nano-x2"
    )


def production_folder(name: str) -> Path:
    """The folder in use of the student `name`: models/production, for variants with a suffix."""
    return PRODUCTION.with_name(PRODUCTION.name + name.removeprefix(f"{_PREFIX}student"))


def _suffix(default: str, name: str) -> str:
    return "" if name == default else f"-{name}"


def _taught(scale: int, recipe: str) -> str:
    """What a teacher's students have in common, whatever their size and colour."""
    return _without_size(student_name(StudentConfig(), scale, recipe))


def _without_size(name: str) -> str:
    return name.partition("-")[2]
