"""A teacher's answers to patches, computed once, before the student's first step.

Turned or mirrored patches reuse the answer turned alike. Answers are kept at 16 bit, so that
nothing of the teacher is lost to rounding.
"""

import logging
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own convention

from kdsharp.color import luma
from kdsharp.errors import UserError
from kdsharp.files import atomic_file
from kdsharp.train.config import StudentConfig
from kdsharp.train.dataset.batches import Planes
from kdsharp.train.dataset.examples import FINE, Answers, planes_of
from kdsharp.train.dataset.patches import PatchSet
from kdsharp.train.dataset.rows import Joined, Rows, write_rows
from kdsharp.train.loop.loss import affinity_loss
from kdsharp.train.teacher.interface import AnyTeacher

__all__ = [
    "BATCH",
    "TURNS",
    "answers_of",
    "ask",
    "cache_teacher_outputs",
    "self_ensemble",
    "write_answers",
]

log = logging.getLogger(__name__)

TURNS = tuple((quarters, mirrored) for mirrored in (False, True) for quarters in range(4))
"""The eight ways to lay a picture down: quarter turns, and whether it is mirrored first."""


BATCH = 16
"""Patches that the teacher sees at a time."""


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

    def fill(files: Sequence[Path]) -> None:
        teacher.eval()
        for start in range(0, len(lr_NHWC), BATCH):
            ask(teacher, lr_NHWC, slice(start, start + BATCH), config, files)

    write_answers(teacher, lr_NHWC.shape, config, cache, fill)
    kept = [np.load(path, mmap_mode="r", allow_pickle=False) for path in _wanted(config, cache)]
    return Planes(kept[0], FINE), Planes(kept[1], 1) if config.feature_weight > 0 else None


def write_answers(
    teacher: AnyTeacher,
    shape: Sequence[int],
    config: StudentConfig,
    cache: Path,
    fill: Callable[[Sequence[Path]], None],
) -> None:
    """Make the files of `cache_teacher_outputs` for patches of this `shape`, NHWC.

    As it is: none that are there, each whole or not at all, and with its errors. `fill` writes what
    the teacher says into the files it is given, one for the answers, another for features.
    """
    if (teacher.config.color, config.color) == ("luma", "rgb"):
        raise UserError(
            "student.color is rgb, but the teacher knows only luma: train one with "
            "teacher.color: rgb"
        )
    if config.feature_weight > 0 and not teacher.features:
        raise UserError("student.feature_weight is above 0, but its teacher shows no features")
    wanted = _wanted(config, cache)
    if all(path.exists() for path in wanted):
        return
    count, height, width = shape[:3]
    shapes = [(count, height, width, 1 if config.color == "luma" else 3)]
    shapes += [(count, height // 2, width // 2, teacher.features)]
    log.info("asking the teacher about %d patches, %d times each", count, len(_turns(config)))
    with ExitStack() as stack:
        files = [stack.enter_context(atomic_file(path)) for path in wanted]
        for path, dtype, size in zip(files, (np.uint16, np.float16), shapes, strict=False):
            np.lib.format.open_memmap(path, "w+", dtype, size)
        fill(files)
        for path in files[1:]:
            seen = np.load(path, mmap_mode="r+", allow_pickle=False)
            # Of the first patches: enough to know how far each channel reaches.
            seen /= seen[:64].astype(np.float32).std((0, 1, 2)) + 1e-6
            seen.flush()


def _wanted(config: StudentConfig, cache: Path) -> list[Path]:
    return [cache / "teacher.npy"] + [cache / "features.npy"] * (config.feature_weight > 0)


def _turns(config: StudentConfig) -> Sequence[tuple[int, bool]]:
    return TURNS if config.ensemble else TURNS[:1]


@torch.no_grad()
def ask(
    teacher: AnyTeacher,
    lr_NHWC: Rows,
    rows: slice,
    config: StudentConfig,
    files: Sequence[Path],
) -> None:
    """Write what the teacher says about these rows of the patches into the `files` for all."""
    device = next(teacher.parameters()).device
    planes = planes_of(lr_NHWC[rows], teacher.config.color)
    x_NHWC = planes.array_NHWC[:].astype(np.float32) / planes.peak
    batch = torch.from_numpy(x_NHWC).permute(0, 3, 1, 2)
    output, seen = self_ensemble(teacher.with_features, batch.to(device), _turns(config))
    pixels = output.clamp(0, 1).cpu().permute(0, 2, 3, 1).numpy()
    if config.color == "luma" and pixels.shape[-1] > 1:
        pixels = luma(pixels)[..., None]
    write_rows(files[0], rows.start, np.rint(pixels * FINE))
    if len(files) > 1:
        write_rows(files[1], rows.start, seen.cpu().permute(0, 2, 3, 1).numpy())


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
