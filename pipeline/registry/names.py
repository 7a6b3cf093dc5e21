"""What registered models are called."""

from pathlib import Path
from typing import Literal, get_args

from kdsharp.errors import UserError
from kdsharp.train.family import name_of
from pipeline.params import Params
from pipeline.paths import PRODUCTION

__all__ = ["Kind", "kind_of", "production_folder", "registered_name"]

Kind = Literal["teacher", "student"]

_PREFIX = "kdsharp-"
_DEFAULT = "small-x2"


def registered_name(model: str, params: Params) -> str:
    """The registered model that `model` means.

    `teacher` and `student` mean those that `params` describe; a full name stands for itself. The
    default student (`small`, x2, luma, bicubic) is `kdsharp-student`, any other has a suffix:
    `kdsharp-student-nano-x2`, `kdsharp-student-c24-x3-rgb`, `kdsharp-student-small-x2-robust`.
    Raises `UserError` for other words.
    """
    if model == "student":
        return f"{_PREFIX}student{_suffix(params)}"
    if model in get_args(Kind):
        return f"{_PREFIX}{model}"
    kind_of(model)
    return model


def kind_of(name: str) -> Kind:
    """Whether the registered model `name` is a teacher or a student."""
    for kind in get_args(Kind):
        if f"{name}-".startswith(f"{_PREFIX}{kind}-"):
            return kind  # type: ignore[no-any-return]
    raise UserError(
        f"no model {name!r}: say student, teacher, or a registered name such as "
        f"{_PREFIX}student-nano-x2"
    )


def production_folder(name: str) -> Path:
    """The folder in use of the student `name`: models/production, for variants with a suffix."""
    return PRODUCTION.with_name(PRODUCTION.name + name.removeprefix(f"{_PREFIX}student"))


def _suffix(params: Params) -> str:
    name = name_of(params.student, params.degradation.scale, params.degradation.name)
    return "" if name == _DEFAULT else f"-{name}"
