"""Stage `needs`: what the student learns from decides what has to be trained before it.

A stage of its own, because DVC asks by content: the weights of the student's loss may change as
they like, the teacher is retrained only when this answer does.
"""

import json
import logging
from dataclasses import asdict, dataclass

from kdsharp.errors import UserError
from kdsharp.files import write_json
from kdsharp.train.config import SPANDREL
from pipeline.params import Params
from pipeline.paths import NEEDS
from pipeline.stages.run import run_stage

__all__ = ["Needs", "main", "read_needs"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Needs:
    """What the student needs beside the truth."""

    teacher: bool


def main(params: Params) -> None:
    """Write data/needs.json; `UserError` if teacher and student do not go together."""
    student, teacher = params.student, params.teacher
    if student.needs_teacher and (teacher.color, student.color) == ("luma", "rgb"):
        raise UserError(
            "params.yaml: student.color is rgb, but with teacher.color luma its teacher knows only "
            "luma: set teacher.color to rgb"
        )
    if student.feature_weight and teacher.arch == SPANDREL:
        raise UserError(
            "params.yaml: student.feature_weight is above 0, but a teacher of arch spandrel shows "
            "no features: set it to 0"
        )
    write_json(NEEDS, asdict(Needs(student.needs_teacher)))
    if not student.needs_teacher:
        _log.info("the student learns from the truth alone: no teacher is needed")


def read_needs() -> Needs:
    """The answer; `UserError` if it has not been written."""
    try:
        return Needs(bool(json.loads(NEEDS.read_text(encoding="utf-8"))["teacher"]))
    except (OSError, ValueError, LookupError, TypeError):
        raise UserError(f"{NEEDS} is missing or damaged: dvc repro needs writes it") from None


if __name__ == "__main__":
    run_stage(main)
