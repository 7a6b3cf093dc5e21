"""Pairs of patches as memory-mapped arrays; `kdsharp.train.dataset.cut` cuts them.

Those of many photos are in several files (shards), each with the patches of photos that follow each
other. `patches.json` names the shards in their order, where there are several.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kdsharp.errors import UserError
from kdsharp.train.dataset.rows import Rows, map_files

__all__ = [
    "INFO",
    "UNLABELLED",
    "PatchSet",
    "Pixels",
    "load_patches",
    "load_unlabelled",
    "shard_names",
]

Pixels = npt.NDArray[np.uint8]
"""8-bit RGB."""

INFO = "patches.json"
"""What the arrays beside it were made with."""

UNLABELLED = "unlabelled"
"""The split of patches that have no truth: low quality alone."""


@dataclass(frozen=True)
class PatchSet:
    """Pairs of one split: uint8 RGB, (N, size, size, 3), memory-mapped and read-only."""

    lr_NHWC: Rows
    hr_NHWC: Rows
    scale: int

    def __len__(self) -> int:
        return len(self.lr_NHWC)


def load_patches(folder: Path, split: str) -> PatchSet:
    """Map the pairs of `split` from `folder`; `UserError` when they are missing or damaged."""
    try:
        info = json.loads((folder / INFO).read_text(encoding="utf-8"))
        lr, hr = (_map(folder, info, split, quality) for quality in ("lr", "hr"))
        scale = int(info["scale"])
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise UserError(f"{folder} holds no {split} patches ({error}): run dvc repro") from None
    if lr.shape != hr.shape or len(lr.shape) != 4 or lr.dtype != np.uint8 or hr.dtype != np.uint8:
        raise UserError(f"{folder}: {split} patches are not pairs of 8-bit RGB: run dvc repro -f")
    return PatchSet(lr, hr, scale)


def load_unlabelled(folder: Path) -> Rows | None:
    """Map the inputs that have no truth, (N, size, size, 3) as those of the pairs.

    None where there are none; raises `UserError` when a file is damaged.
    """
    try:
        info = json.loads((folder / INFO).read_text(encoding="utf-8"))
        if not all(path.exists() for path in _files(folder, info, UNLABELLED, "lr")):
            return None
        lr = _map(folder, info, UNLABELLED, "lr")
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        what = f"{folder}: {UNLABELLED} patches are damaged ({error})"
        raise UserError(f"{what}: run dvc repro") from None
    if len(lr.shape) != 4 or lr.shape[-1] != 3 or lr.dtype != np.uint8:
        raise UserError(f"{folder}: {UNLABELLED} patches are not 8-bit RGB: run dvc repro -f")
    return lr


def shard_names(info: Mapping[str, Any], split: str) -> Sequence[str]:
    """The shards of `split` by the contents of its `INFO`: what their files' names begin with."""
    names: Sequence[str] = info.get("shards", {}).get(split, [split])
    return names


def _files(folder: Path, info: Mapping[str, Any], split: str, quality: str) -> list[Path]:
    return [folder / f"{name}_{quality}.npy" for name in shard_names(info, split)]


def _map(folder: Path, info: Mapping[str, Any], split: str, quality: str) -> Rows:
    return map_files(_files(folder, info, split, quality))
