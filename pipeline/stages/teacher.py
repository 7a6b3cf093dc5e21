"""Stage `teacher`: low quality -> high quality, an encoder and a decoder."""

from kdsharp.train.batches import Examples, Planes
from kdsharp.train.teacher import pretrained_teacher
from kdsharp.train.validate import psnr_y
from pipeline.params import Params
from pipeline.paths import TEACHER
from pipeline.stages.run import run_stage
from pipeline.stages.training import Training, on_several_processes

__all__ = ["main"]


def main(params: Params) -> None:
    """Train the teacher on the patches and write models/teacher.safetensors."""
    if on_several_processes("teacher", params.teacher.loop):
        return
    training = Training("teacher", params, params.teacher.loop, params.teacher, TEACHER)
    low, high = Planes(training.train.lr_NHWC, 255), Planes(training.train.hr_NHWC, 255)
    val = Planes(training.val.lr_NHWC, 255), Planes(training.val.hr_NHWC, 255)
    training.run(
        pretrained_teacher(params.teacher),
        Examples(low, [(1.0, high)]),
        lambda network: psnr_y(network, *val, border=training.val.scale),
        {"architecture": params.teacher.arch, "pretrained": params.teacher.pretrained},
    )


if __name__ == "__main__":
    run_stage(main)
