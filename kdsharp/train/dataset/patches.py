"""Pairs of patches as memory-mapped arrays; `kdsharp.train.dataset.cut` cuts them.

Those of many photos are in several files (shards), each with the patches of photos that follow each
other; `patches.json` names the shards in their order. The files lie in a folder, or in a bucket,
from which a training reads what it needs of them.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kdsharp.errors import UserError
from kdsharp.train.dataset.bucket import Bucket
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


def load_patches(folder: Path | Bucket, split: str) -> PatchSet:
    """Map the pairs of `split` from `folder`; `UserError` when they are missing or damaged.

    Those of a bucket are read as they are asked for; raises `TransientError` where it does not
    answer, also later.
    """
    try:
        info = json.loads(_text(folder))
        lr, hr = (_map(folder, info, split, quality) for quality in ("lr", "hr"))
        scale = int(info["scale"])
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        what = f"{_named(folder)} holds no {split} patches"
        raise UserError(f"{what} ({error}): run dvc repro") from None
    if lr.shape != hr.shape or len(lr.shape) != 4 or lr.dtype != np.uint8 or hr.dtype != np.uint8:
        what = f"{_named(folder)}: {split} patches are not pairs of 8-bit RGB"
        raise UserError(f"{what}: run dvc repro -f")
    return PatchSet(lr, hr, scale)


def load_unlabelled(folder: Path | Bucket) -> Rows | None:
    """Map the inputs that have no truth, (N, size, size, 3) as those of the pairs.

    None where there are none; raises `UserError` when a file is damaged, and as `load_patches`.
    """
    try:
        info = json.loads(_text(folder))
        if not all(_exists(folder, name) for name in _files(info, UNLABELLED, "lr")):
            return None
        lr = _map(folder, info, UNLABELLED, "lr")
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        what = f"{_named(folder)}: {UNLABELLED} patches are damaged ({error})"
        raise UserError(f"{what}: run dvc repro") from None
    if len(lr.shape) != 4 or lr.shape[-1] != 3 or lr.dtype != np.uint8:
        what = f"{_named(folder)}: {UNLABELLED} patches are not 8-bit RGB"
        raise UserError(f"{what}: run dvc repro -f")
    return lr


def shard_names(info: Mapping[str, Any], split: str) -> Sequence[str]:
    """The shards of `split` by the contents of its `INFO`: what their files' names begin with."""
    names: Sequence[str] = info.get("shards", {}).get(split, [split])
    return names


def _files(info: Mapping[str, Any], split: str, quality: str) -> list[str]:
    return [f"{name}_{quality}.npy" for name in shard_names(info, split)]


def _map(folder: Path | Bucket, info: Mapping[str, Any], split: str, quality: str) -> Rows:
    names = _files(info, split, quality)
    if isinstance(folder, Bucket):
        return folder.rows(names)
    return map_files([folder / name for name in names])


def _text(folder: Path | Bucket) -> str:
    if isinstance(folder, Bucket):
        return folder.text(INFO)
    return (folder / INFO).read_text(encoding="utf-8")


def _exists(folder: Path | Bucket, name: str) -> bool:
    return name in folder.paths if isinstance(folder, Bucket) else (folder / name).exists()


def _named(folder: Path | Bucket) -> str:
    return "the bucket" if isinstance(folder, Bucket) else str(folder)
