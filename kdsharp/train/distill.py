"""What the student learns from: the teacher's output, the ground truth, or a mixture.

The teacher answers each patch once, before the first step; turned or mirrored patches reuse the
answer turned alike. Teacher and luma planes are kept at 16 bit, so that nothing of the teacher is
lost to rounding.
"""

import logging
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from kdsharp.color import luma
from kdsharp.files import atomic_file
from kdsharp.train.batches import Examples, Planes
from kdsharp.train.config import StudentConfig
from kdsharp.train.patches import PatchSet

__all__ = ["FINE", "planes_of", "student_examples", "teacher_planes"]

log = logging.getLogger(__name__)

FINE = 255 * 256
"""The 16-bit value that stands for 1.0: 256 steps for each of 8 bit's."""


def planes_of(rgb_NHWC: npt.NDArray[np.uint8], color: str) -> Planes:
    """RGB patches as what a student of this colour sees: as they are, or their 16-bit luma."""
    if color == "rgb":
        return Planes(rgb_NHWC, 255)
    fine = np.empty((*rgb_NHWC.shape[:3], 1), np.uint16)
    for index, patch in enumerate(rgb_NHWC):
        fine[index, ..., 0] = np.rint(luma(patch) * 256)
    return Planes(fine, FINE)


def student_examples(
    patches: PatchSet, teacher: torch.nn.Module | None, config: StudentConfig, cache: Path
) -> Examples:
    """Inputs and weighted targets for the student; `teacher` is needed if its weight is above 0.

    The teacher's answers are kept in the file `cache`, for a run that is interrupted.
    """
    targets = []
    if config.teacher_weight > 0:
        assert teacher is not None, "a teacher's weight above 0 needs a teacher"
        answers = teacher_planes(teacher, patches.lr_NHWC, config.color, cache)
        targets.append((config.teacher_weight, answers))
    if config.truth_weight > 0:
        targets.append((config.truth_weight, planes_of(patches.hr_NHWC, config.color)))
    return Examples(planes_of(patches.lr_NHWC, config.color), targets)


@torch.no_grad()
def teacher_planes(
    teacher: torch.nn.Module, lr_NHWC: npt.NDArray[np.uint8], color: str, cache: Path
) -> Planes:
    """The teacher's answers to all patches, 16 bit, from the file `cache` if it is there."""
    if not cache.exists():
        shape = (*lr_NHWC.shape[:3], 1 if color == "luma" else 3)
        with atomic_file(cache) as temporary:
            answers = np.lib.format.open_memmap(temporary, "w+", np.uint16, shape)
            _ask(teacher.eval(), lr_NHWC, answers)
            answers.flush()
    return Planes(np.load(cache, mmap_mode="r", allow_pickle=False), FINE)


def _ask(
    teacher: torch.nn.Module, lr_NHWC: npt.NDArray[np.uint8], answers_NHWC: npt.NDArray[np.uint16]
) -> None:
    device = next(teacher.parameters()).device
    log.info("asking the teacher about %d patches", len(lr_NHWC))
    for start in range(0, len(lr_NHWC), 16):
        rows = slice(start, start + 16)
        batch = torch.from_numpy(lr_NHWC[rows].astype(np.float32) / 255).permute(0, 3, 1, 2)
        output = teacher(batch.to(device)).clamp(0, 1).cpu().permute(0, 2, 3, 1).numpy()
        if answers_NHWC.shape[-1] == 1:
            output = luma(output)[..., None]
        answers_NHWC[rows] = np.rint(output * FINE)
