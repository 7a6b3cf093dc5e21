"""Stage `teacher`: low quality -> high quality, if one is needed.

An encoder and a decoder are trained; a network that is ready (arch `spandrel` or `file`) is opened
and measured.
"""

import logging
import shutil
from functools import partial

import pandas as pd
import torch

from kdsharp.degrade.enlarged import why_not_enlarged
from kdsharp.errors import UserError
from kdsharp.files import atomic_file, sha256_file
from kdsharp.train.config import SPANDREL, UNTRAINED
from kdsharp.train.dataset.examples import planes_of
from kdsharp.train.dataset.patches import load_patches
from kdsharp.train.loop.distributed import pick_device
from kdsharp.train.teacher.interface import AnyTeacher
from kdsharp.train.teacher.local import checked_file
from kdsharp.train.teacher.network import save_no_teacher
from kdsharp.train.teacher.spandrel import SpandrelTeacher, open_teacher, save_teacher
from kdsharp.train.teacher.train import own_teacher, train_teacher
from kdsharp.train.training import psnr_y
from pipeline.data.patches import find_patches
from pipeline.environment import write_environment
from pipeline.params import DegradationParams, Params
from pipeline.paths import CURVES, TEACHER
from pipeline.stages.needs import read_needs
from pipeline.stages.run import run_stage
from pipeline.stages.training import CURVE, Training, on_several_processes
from pipeline.tracking.lineage import read_lineage
from pipeline.tracking.runs import start

__all__ = ["main"]

_log = logging.getLogger(__name__)


def main(params: Params) -> None:
    """Train the teacher on the patches and write models/teacher.safetensors.

    Where the student learns from the truth alone nothing is trained, and the file says so. A
    network of others is taken over as it is; `UserError` if it is for another degradation.
    """
    config = params.teacher
    if not read_needs().teacher:
        save_no_teacher(TEACHER)
        _write_no_curve()
        write_environment("teacher", None)
        _log.info("teacher: none is trained, because the student learns from the truth alone")
        return
    if config.arch in UNTRAINED:
        _take_over(params)
        return
    if on_several_processes("teacher", config.loop):
        return
    training = Training("teacher", params, config, TEACHER)
    notes: dict[str, object] = {"architecture": config.arch, "pretrained": config.pretrained}
    training.run(partial(train_teacher, config), notes)


def _take_over(params: Params) -> None:
    """A network that is ready: nothing is trained, but it is measured on the validation patches."""
    teacher: AnyTeacher
    if params.teacher.arch == SPANDREL:
        teacher = open_teacher(params.teacher)
        _check_scale(teacher, params.degradation)
        tags = {"kdsharp.architecture": teacher.architecture}
    else:
        teacher, tags = own_teacher(params.teacher), {}
    with start("teacher", read_lineage(params), tags=tags, params=params) as run:
        run.params({"teacher": {**vars(teacher.config), "loop": vars(teacher.config.loop)}})
        nothing, score = _scores(teacher, pick_device(params.teacher.loop.device))
        _log.info("teacher: %s", teacher.about)
        _log.info(
            "teacher: val Y-PSNR %.3f dB, %+.3f dB over doing nothing", score, score - nothing
        )
        if score < nothing:
            _log.warning(
                "teacher: it makes the patches worse: was it made for %s x%d?",
                params.degradation.name,
                params.degradation.scale,
            )
        if isinstance(teacher, SpandrelTeacher):
            save_teacher(TEACHER, teacher.cpu(), {"val_psnr_y": score})
        else:
            with atomic_file(TEACHER) as temporary:
                shutil.copyfile(checked_file(params.teacher), temporary)
        _write_no_curve()
        write_environment("teacher", None)
        run.metrics({"best_val_psnr_y": score})
        run.tags({"kdsharp.sha256": sha256_file(TEACHER)})


def _check_scale(teacher: SpandrelTeacher, made: DegradationParams) -> None:
    """One that enlarges needs inputs that were enlarged, and as many times."""
    if teacher.scale == 1:
        return
    told = f"params.yaml: {teacher.architecture} enlarges {teacher.scale} times"
    if teacher.scale != made.scale:
        raise UserError(f"{told}, but degradation.scale is {made.scale}: set it to {teacher.scale}")
    if why_not := why_not_enlarged(made.recipe, made.scale):
        raise UserError(
            f"{told}, but the recipe {made.name} does not end with a plain enlargement by bicubic "
            f"({why_not}): take another recipe, or a teacher that does not enlarge"
        )


def _scores(teacher: AnyTeacher, device: torch.device) -> tuple[float, float]:
    """Y-PSNR in dB on the validation patches: of doing nothing, and of the teacher."""
    val = load_patches(find_patches(), "val")
    low, high = (planes_of(p, teacher.config.color) for p in (val.lr_NHWC, val.hr_NHWC))
    nothing = psnr_y(torch.nn.Identity(), low, high, val.scale)
    return nothing, psnr_y(teacher.to(device), low, high, val.scale)


def _write_no_curve() -> None:
    CURVES.mkdir(parents=True, exist_ok=True)
    with atomic_file(CURVES / "teacher.csv") as temporary:
        pd.DataFrame(columns=CURVE).to_csv(temporary, index=False, lineterminator="\n")


if __name__ == "__main__":
    run_stage(main)
