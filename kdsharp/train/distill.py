"""What the student learns from: the teacher's output, the ground truth, or a mixture.

The teacher answers each patch once, before the first step; turned or mirrored patches reuse the
answer turned alike. Teacher and luma planes are kept at 16 bit, so that nothing of the teacher is
lost to rounding.
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
from kdsharp.files import atomic_file
from kdsharp.train.affinity import affinity_loss
from kdsharp.train.batches import Examples, Planes
from kdsharp.train.config import StudentConfig
from kdsharp.train.patches import PatchSet
from kdsharp.train.teacher import Teacher

__all__ = ["FINE", "TURNS", "ask_teacher", "mean_of_turns", "planes_of", "student_examples"]

log = logging.getLogger(__name__)

FINE = 255 * 256
"""The 16-bit value that stands for 1.0: 256 steps for each of 8 bit's."""

TURNS = tuple((quarters, mirrored) for mirrored in (False, True) for quarters in range(4))
"""The eight ways to lay a picture down: quarter turns, and whether it is mirrored first."""


def planes_of(rgb_NHWC: npt.NDArray[np.uint8], color: str) -> Planes:
    """RGB patches as what a student of this colour sees: as they are, or their 16-bit luma."""
    if color == "rgb":
        return Planes(rgb_NHWC, 255)
    fine = np.empty((*rgb_NHWC.shape[:3], 1), np.uint16)
    for index, patch in enumerate(rgb_NHWC):
        fine[index, ..., 0] = np.rint(luma(patch) * 256)
    return Planes(fine, FINE)


def student_examples(
    patches: PatchSet,
    teacher: Teacher | None,
    config: StudentConfig,
    cache: Path,
    unlabelled_NHWC: npt.NDArray[np.uint8] | None = None,
) -> Examples:
    """Inputs and weighted targets for the student; `teacher` is needed if `config` says so.

    The teacher's answers are kept in the folder `cache`, for a run that is interrupted. They are
    the truth of the `unlabelled_NHWC` inputs as well, which are of no use without a teacher.
    """
    targets, features = [], None
    low_NHWC, truth = patches.lr_NHWC, planes_of(patches.hr_NHWC, config.color)
    if config.needs_teacher:
        assert teacher is not None, "a teacher's weight above 0 needs a teacher"
        if unlabelled_NHWC is not None:
            low_NHWC = np.concatenate([low_NHWC, unlabelled_NHWC])
        answers, seen = ask_teacher(teacher, low_NHWC, config, cache)
        truth = _continued(truth, answers)
        if config.teacher_weight > 0:
            targets.append((config.teacher_weight, answers))
        if seen:
            features = (config.feature_weight, seen)
    if config.truth_weight > 0:
        targets.append((config.truth_weight, truth))
    inputs = planes_of(low_NHWC, config.color)
    match = affinity_loss if config.feature_match == "affinity" else F.mse_loss
    return Examples(inputs, targets, features, patches.scale, match)


def _continued(truth: Planes, answers: Planes) -> Planes:
    """The truth, and where there is none, behind it, the teacher's answers."""
    known = len(truth.array_NHWC)
    if known == len(answers.array_NHWC):
        return truth
    fine = truth.array_NHWC.astype(np.uint16) * np.uint16(answers.peak // truth.peak)
    return Planes(np.concatenate([fine, answers.array_NHWC[known:]]), answers.peak)


@torch.no_grad()
def ask_teacher(
    teacher: Teacher, lr_NHWC: npt.NDArray[np.uint8], config: StudentConfig, cache: Path
) -> tuple[Planes, Planes | None]:
    """The teacher's answers to all patches, 16 bit, and its features if the student wants them.

    With `config.ensemble` both are means over the eight turns, each turned back: for the answers
    this is the field's self-ensemble; for the features it makes them turn with the picture, which
    is what training on turned patches takes for granted. Features have a standard deviation of 1
    in each channel, and half precision. Both are read from the folder `cache` if they are there.
    """
    answers, features = cache / "teacher.npy", cache / "features.npy"
    wanted = [answers] + [features] * (config.feature_weight > 0)
    if not all(path.exists() for path in wanted):
        count, height, width = lr_NHWC.shape[:3]
        shapes = [(count, height, width, 1 if config.color == "luma" else 3)]
        shapes += [(count, height // 2, width // 2, teacher.config.width)]
        with ExitStack() as stack:
            files = [
                np.lib.format.open_memmap(stack.enter_context(atomic_file(path)), "w+", kind, shape)
                for path, kind, shape in zip(wanted, (np.uint16, np.float16), shapes, strict=False)
            ]
            _ask(teacher.eval(), lr_NHWC, files, TURNS if config.ensemble else TURNS[:1])
            for file in files:
                file.flush()
    kept = [np.load(path, mmap_mode="r", allow_pickle=False) for path in wanted]
    return Planes(kept[0], FINE), Planes(kept[1], 1) if config.feature_weight > 0 else None


def _ask(
    teacher: Teacher,
    lr_NHWC: npt.NDArray[np.uint8],
    files: Sequence[npt.NDArray[Any]],
    turns: Sequence[tuple[int, bool]],
) -> None:
    device = next(teacher.parameters()).device
    log.info("asking the teacher about %d patches, %d times each", len(lr_NHWC), len(turns))
    for start in range(0, len(lr_NHWC), 16):
        rows = slice(start, start + 16)
        batch = torch.from_numpy(lr_NHWC[rows].astype(np.float32) / 255).permute(0, 3, 1, 2)
        output, seen = mean_of_turns(teacher.with_features, batch.to(device), turns)
        pixels = output.clamp(0, 1).cpu().permute(0, 2, 3, 1).numpy()
        if files[0].shape[-1] == 1:
            pixels = luma(pixels)[..., None]
        files[0][rows] = np.rint(pixels * FINE)
        if len(files) > 1:
            files[1][rows] = seen.cpu().permute(0, 2, 3, 1).numpy()
    if len(files) > 1:
        # Of the first patches: enough to know how far each channel reaches.
        files[1] /= files[1][:64].astype(np.float32).std((0, 1, 2)) + 1e-6


def mean_of_turns(
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
