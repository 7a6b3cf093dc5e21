"""A teacher's answers to patches, computed once, before the student's first step.

Turned or mirrored patches reuse the answer turned alike. Answers are kept at 16 bit, so that
nothing of the teacher is lost to rounding.
"""

import logging
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own convention

from kdsharp.color import luma
from kdsharp.errors import UserError
from kdsharp.files import atomic_file
from kdsharp.train.config import StudentConfig
from kdsharp.train.dataset.batches import Planes
from kdsharp.train.dataset.examples import FINE, Answers, planes_of
from kdsharp.train.dataset.patches import PatchSet
from kdsharp.train.dataset.rows import Joined, Rows
from kdsharp.train.loop.loss import affinity_loss
from kdsharp.train.teacher.interface import AnyTeacher

__all__ = ["TURNS", "answers_of", "cache_teacher_outputs", "self_ensemble"]

log = logging.getLogger(__name__)

TURNS = tuple((quarters, mirrored) for mirrored in (False, True) for quarters in range(4))
"""The eight ways to lay a picture down: quarter turns, and whether it is mirrored first."""


def answers_of(
    teacher: AnyTeacher,
    patches: PatchSet,
    config: StudentConfig,
    cache: Path,
    unlabelled_NHWC: Rows | None,
    margin: int,
) -> Answers:
    """What the student of `config` is to learn from `teacher`.

    The answers are kept in the folder `cache`, in case the run is interrupted. Only those at least
    `config.answer_margin` away from a patch's sides are used. The student's own inputs may lie
    nearer: `margin` is how many pixels at each side of a crop it does not answer about.
    Raises `UserError` as `cache_teacher_outputs`.
    """
    low_NHWC = patches.lr_NHWC
    if unlabelled_NHWC is not None:
        low_NHWC = Joined([low_NHWC, unlabelled_NHWC])
    planes, seen = cache_teacher_outputs(teacher, low_NHWC, config, cache)
    return Answers(
        planes,
        config.teacher_weight,
        (config.feature_weight, seen) if seen else None,
        affinity_loss if config.feature_match == "affinity" else F.mse_loss,
        max(0, config.answer_margin - margin),
        unlabelled_NHWC,
    )


@torch.no_grad()
def cache_teacher_outputs(
    teacher: AnyTeacher, lr_NHWC: Rows, config: StudentConfig, cache: Path
) -> tuple[Planes, Planes | None]:
    """The teacher's answers to all patches, 16 bit, and its features if the student wants them.

    With `config.ensemble` both are means over the eight turns, each turned back: for the answers
    this is the field's self-ensemble; for the features it makes them turn with the picture, which
    is what training on turned patches takes for granted. Features have a standard deviation of 1
    in each channel, and half precision. Both are read from the folder `cache` if they are there.
    Raises `UserError` for a student in RGB and a teacher that sees luma alone, and for features
    of a teacher that shows none.
    """
    if (teacher.config.color, config.color) == ("luma", "rgb"):
        raise UserError(
            "student.color is rgb, but the teacher knows only luma: train one with "
            "teacher.color: rgb"
        )
    if config.feature_weight > 0 and not teacher.features:
        raise UserError("student.feature_weight is above 0, but its teacher shows no features")
    answers, features = cache / "teacher.npy", cache / "features.npy"
    wanted = [answers] + [features] * (config.feature_weight > 0)
    if not all(path.exists() for path in wanted):
        count, height, width = lr_NHWC.shape[:3]
        shapes = [(count, height, width, 1 if config.color == "luma" else 3)]
        shapes += [(count, height // 2, width // 2, teacher.features)]
        with ExitStack() as stack:
            files = [
                np.lib.format.open_memmap(
                    stack.enter_context(atomic_file(path)), "w+", dtype, shape
                )
                for path, dtype, shape in zip(wanted, (np.uint16, np.float16), shapes, strict=False)
            ]
            _ask(teacher.eval(), lr_NHWC, files, TURNS if config.ensemble else TURNS[:1])
            for file in files:
                file.flush()
    kept = [np.load(path, mmap_mode="r", allow_pickle=False) for path in wanted]
    return Planes(kept[0], FINE), Planes(kept[1], 1) if config.feature_weight > 0 else None


def _ask(
    teacher: AnyTeacher,
    lr_NHWC: Rows,
    files: Sequence[npt.NDArray[Any]],
    turns: Sequence[tuple[int, bool]],
) -> None:
    device = next(teacher.parameters()).device
    log.info("asking the teacher about %d patches, %d times each", len(lr_NHWC), len(turns))
    for start in range(0, len(lr_NHWC), 16):
        rows = slice(start, start + 16)
        planes = planes_of(lr_NHWC[rows], teacher.config.color)
        x_NHWC = planes.array_NHWC[:].astype(np.float32) / planes.peak
        batch = torch.from_numpy(x_NHWC).permute(0, 3, 1, 2)
        output, seen = self_ensemble(teacher.with_features, batch.to(device), turns)
        pixels = output.clamp(0, 1).cpu().permute(0, 2, 3, 1).numpy()
        if files[0].shape[-1] < pixels.shape[-1]:
            pixels = luma(pixels)[..., None]
        files[0][rows] = np.rint(pixels * FINE)
        if len(files) > 1:
            files[1][rows] = seen.cpu().permute(0, 2, 3, 1).numpy()
    if len(files) > 1:
        # Of the first patches: enough to know how far each channel reaches.
        files[1] /= files[1][:64].astype(np.float32).std((0, 1, 2)) + 1e-6


def self_ensemble(
    answer: Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]],
    x_NCHW: torch.Tensor,
    turns: Sequence[tuple[int, bool]] = TURNS,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Output and features that `answer` gives for `x_NCHW`, the mean over `turns`, turned back."""
    outputs: list[torch.Tensor] = []
    features: list[torch.Tensor] = []
    for quarters, mirrored in turns:
        x = x_NCHW.flip(-1) if mirrored else x_NCHW
        made_both = answer(x.rot90(quarters, (-2, -1)))
        for kept, made in zip((outputs, features), made_both, strict=True):
            back = made.rot90(-quarters, (-2, -1))
            kept.append(back.flip(-1) if mirrored else back)
    return torch.stack(outputs).mean(0), torch.stack(features).mean(0)
