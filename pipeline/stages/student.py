"""Stage `student`: three convolutions that learn from the teacher."""

from kdsharp.files import sha256_file
from kdsharp.train.distill import planes_of, student_examples
from kdsharp.train.patches import load_unlabelled
from kdsharp.train.teacher import load_teacher
from kdsharp.train.trainee import Trainee
from kdsharp.train.validate import psnr_y
from kdsharp.train.workers import pick_device
from pipeline.params import Params
from pipeline.paths import PATCHES, STUDENT, TEACHER
from pipeline.stages.run import run_stage
from pipeline.stages.training import Training, on_several_processes
from pipeline.tracking import find_run

__all__ = ["main"]


def main(params: Params) -> None:
    """Train the student on the teacher's answers and write models/student.safetensors."""
    if on_several_processes("student", params.student.loop):
        return
    config, teacher_sha256 = params.student, sha256_file(TEACHER)
    training = Training("student", params, config.loop, config, STUDENT, also=(TEACHER,))
    training.tags = {
        "kdsharp.teacher_sha256": teacher_sha256,
        "kdsharp.teacher_run": find_run("teacher", {"kdsharp.sha256": teacher_sha256}) or "",
    }
    teacher = load_teacher(TEACHER).to(pick_device(config.loop.device))
    trainee = Trainee(config, teacher.config.width)
    val = (planes_of(p, config.color) for p in (training.val.lr_NHWC, training.val.hr_NHWC))
    low, high = val
    training.run(
        trainee,
        student_examples(
            training.train, teacher, config, training.folder, load_unlabelled(PATCHES)
        ),
        lambda network: psnr_y(network, low, high, border=training.val.scale),
        {"teacher_sha256": teacher_sha256},
        trainee.deliver,
    )


if __name__ == "__main__":
    run_stage(main)
