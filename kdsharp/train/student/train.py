"""Train a student: on the truth, on a teacher's answers, or on both."""

from functools import partial
from pathlib import Path

import torch

from kdsharp.train.config import StudentConfig
from kdsharp.train.dataset.examples import make_dataset
from kdsharp.train.dataset.rows import Rows
from kdsharp.train.loop.distributed import DistributedContext
from kdsharp.train.student.distill import answers_of
from kdsharp.train.student.mixture import MixedStudent
from kdsharp.train.student.network import Student
from kdsharp.train.student.reparam import ReparamStudent
from kdsharp.train.teacher.interface import AnyTeacher
from kdsharp.train.training import Lesson, Trained, train

__all__ = ["train_student"]


def train_student(
    config: StudentConfig,
    lesson: Lesson,
    teacher: AnyTeacher | None = None,
    answers: Path | None = None,
    unlabelled_NHWC: Rows | None = None,
) -> Trained[Student]:
    """A student that has learned what `config` says from the truth and from `teacher`.

    The teacher's answers are kept in the folder `answers`, None for the checkpoint's own folder.
    `unlabelled_NHWC` are inputs without a truth, RGB (N, size, size, 3); they are learned from if
    there is a teacher. Raises `ValueError` if `config` needs a teacher and none is given,
    `UserError` if it sees other colours or shows no features, and as `kdsharp.train.loop.fit.fit`.
    """
    with DistributedContext(config.loop) as workers:
        torch.manual_seed(config.loop.seed)
        trainee = _trainee(config, teacher)
        said = None
        if config.needs_teacher:
            if teacher is None:
                raise ValueError("the student has to learn from a teacher, but there is none")
            ask = partial(
                answers_of,
                teacher.to(workers.device),
                lesson.train,
                config,
                answers or lesson.checkpoint.parent,
                unlabelled_NHWC,
                trainee.margin,
            )
            said = workers.first_then_others(ask)
        examples = make_dataset(
            lesson.train, config.color, config.truth_weight, said, config.harm_weight
        )
        done = train(trainee, examples, config.color, config.loop, lesson)
        return Trained(trainee.fuse(done.weights).cpu().eval(), done)


def _trainee(config: StudentConfig, teacher: AnyTeacher | None) -> ReparamStudent | MixedStudent:
    if config.mixture:
        return MixedStudent(config)
    return ReparamStudent(config, teacher.features if teacher else 0)
