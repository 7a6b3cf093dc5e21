"""Pairs of patches as memory-mapped arrays; `kdsharp.train.dataset.cut` cuts them."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kdsharp.errors import UserError

__all__ = ["INFO", "UNLABELLED", "PatchSet", "Pixels", "load_patches", "load_unlabelled"]

Pixels = npt.NDArray[np.uint8]
"""8-bit RGB."""

INFO = "patches.json"
"""What the arrays beside it were made with."""

UNLABELLED = "unlabelled"
"""The split of patches that have no truth: low quality alone."""


@dataclass(frozen=True)
class PatchSet:
    """Pairs of one split: uint8 RGB, (N, size, size, 3), memory-mapped and read-only."""

    lr_NHWC: Pixels
    hr_NHWC: Pixels
    scale: int

    def __len__(self) -> int:
        return len(self.lr_NHWC)


def load_patches(folder: Path, split: str) -> PatchSet:
    """Map the pairs of `split` from `folder`; `UserError` when they are missing or damaged."""
    try:
        info = json.loads((folder / INFO).read_text(encoding="utf-8"))
        lr, hr = (
            np.load(folder / f"{split}_{quality}.npy", mmap_mode="r", allow_pickle=False)
            for quality in ("lr", "hr")
        )
        scale = int(info["scale"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{folder} holds no {split} patches ({error}): run dvc repro") from None
    if lr.shape != hr.shape or lr.ndim != 4 or lr.dtype != np.uint8 or hr.dtype != np.uint8:
        raise UserError(f"{folder}: {split} patches are not pairs of 8-bit RGB: run dvc repro -f")
    return PatchSet(lr, hr, scale)


def load_unlabelled(folder: Path) -> Pixels | None:
    """Map the inputs that have no truth, (N, size, size, 3) as those of the pairs.

    None where there are none; raises `UserError` when the file is damaged.
    """
    path = folder / f"{UNLABELLED}_lr.npy"
    if not path.exists():
        return None
    try:
        lr: Pixels = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is damaged ({error}): run dvc repro") from None
    if lr.ndim != 4 or lr.shape[-1] != 3 or lr.dtype != np.uint8:
        raise UserError(f"{path} does not hold 8-bit RGB: run dvc repro -f")
    return lr
