"""Stage `student`: a few convolutions that learn from the teacher, the truth, or both."""

import logging
import os
import shutil
from functools import partial
from pathlib import Path

from kdsharp.cluster.spread import cluster_address
from kdsharp.files import sha256_file
from kdsharp.train.config import StudentConfig
from kdsharp.train.dataset.bucket import Bucket
from kdsharp.train.dataset.patches import load_unlabelled
from kdsharp.train.loop.distributed import is_first
from kdsharp.train.student.label import label
from kdsharp.train.student.train import train_student
from kdsharp.train.teacher.network import load_teacher
from pipeline.data.patches import find_patches, identity
from pipeline.params import Params
from pipeline.paths import CHECKPOINTS, STUDENT, TEACHER
from pipeline.stages.run import run_stage
from pipeline.stages.training import Training, fingerprint, on_several_processes
from pipeline.tracking.runs import find_run

__all__ = ["answers_folder", "main"]

_log = logging.getLogger(__name__)


def answers_folder(
    config: StudentConfig, files: tuple[Path | str, ...], root: Path = CHECKPOINTS
) -> Path:
    """Where a teacher's answers to patches are kept below `root`; both are among `files`.

    Students that differ in their own shape, loss or loop share them: the teacher is asked once.
    """
    asked = (config.ensemble, config.color, config.feature_weight > 0)
    return root / f"answers-{fingerprint('student', asked, files)[:12]}"


def main(params: Params) -> None:
    """Train the student and write models/student.safetensors."""
    config = params.student
    patches = find_patches()
    if config.needs_teacher and cluster_address() and "RANK" not in os.environ:
        # Before torchrun starts others: they would wait for the first.
        if isinstance(patches, Path):
            label(TEACHER, patches, config, _answers(config, patches))
        else:
            _log.info("student: the teacher is asked here: the cluster needs the patches' files")
    if on_several_processes("student", config.loop):
        return
    if not config.needs_teacher:
        training = Training("student", params, config, STUDENT)
        training.run(partial(train_student, config), {"teacher_sha256": None})
        return
    teacher_sha256 = sha256_file(TEACHER)
    training = Training("student", params, config, STUDENT, also=(TEACHER,))
    if is_first():
        run_id = find_run("teacher", {"kdsharp.sha256": teacher_sha256})
        training.tags = {
            "kdsharp.teacher_sha256": teacher_sha256,
            "kdsharp.teacher_run": run_id or "",
        }
    answers = _answers(config, patches)
    train = partial(
        train_student,
        config,
        teacher=load_teacher(TEACHER),
        answers=answers,
        unlabelled_NHWC=load_unlabelled(patches),
    )
    training.run(train, {"teacher_sha256": teacher_sha256})
    if is_first():
        for other in CHECKPOINTS.glob("answers-*"):
            if other != answers:
                shutil.rmtree(other)


def _answers(config: StudentConfig, patches: Path | Bucket) -> Path:
    return answers_folder(config, (*identity(patches), TEACHER))


if __name__ == "__main__":
    run_stage(main)
