"""Combine models into a set, a folder that `kdsharp sharpen --model` chooses from."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kdsharp.errors import UserError
from kdsharp.files import atomic_dir
from kdsharp.imageio.decode import SUFFIXES
from kdsharp.progress import Progress
from kdsharp.runtime.card import read_card
from kdsharp.runtime.catalog import find_model
from kdsharp.runtime.modelset import ModelSet, is_set, write_set
from kdsharp.sharpening.sharpener import Sharpener
from pipeline.choice.gains import mean_gains
from pipeline.choice.parts import DEGRADATIONS, draw_parts
from pipeline.paths import RAW

__all__ = ["PARTS", "combine"]

PARTS = 900
"""Of photos that gains are measured on, some twenty of each degradation."""


def combine(
    target: Path,
    models: Sequence[str | Path],
    photos: Path | None = None,
    parts: int = PARTS,
    seed: int = 2,
    *,
    quiet: bool = False,
) -> ModelSet:
    """Write the set of `models` (folders, or names of what ships) to `target`, in one step.

    What each gains is measured on parts of `photos`, else of data/raw/train. The first model is the
    one for plain enlarging. The same photos, models and seed give the same bytes. Raises
    `UserError` for fewer than two models, two of one name, and a folder that holds something else.
    """
    folders = _folders(models)
    if target.is_file() or (target.exists() and not is_set(target) and any(target.iterdir())):
        raise UserError(f"{target}: holds something else than a set of models: name another folder")
    paths = _photos(photos or RAW / "train")
    workers = os.cpu_count() or 1
    with Progress(parts, "Degrading", quiet=quiet) as progress:
        drawn = draw_parts(paths, parts, seed, workers, progress.step)
    how: dict[str, Any] = {"threads": 1, "precision": "fp32"}
    gains = mean_gains(drawn, [Sharpener(one, **how) for one in folders.values()], workers)
    found = dict(zip(folders, gains.tolist(), strict=True))
    hashes = {name: read_card(folder).sha256 for name, folder in folders.items()}
    made = ModelSet(list(DEGRADATIONS), found, hashes)
    with atomic_dir(target) as temporary:
        for name, folder in folders.items():
            shutil.copytree(folder, temporary / name)
        write_set(temporary, made)
    return made


def _folders(models: Sequence[str | Path]) -> dict[str, Path]:
    """By the names that they have in the set."""
    folders: dict[str, Path] = {}
    for model in models:
        folder = find_model(model)
        read_card(folder)
        name = folder.absolute().name
        if name in folders:
            raise UserError(f"{model}: there is a {name} in the set already: rename one of them")
        folders[name] = folder
    if len(folders) < 2:
        raise UserError("a set needs two models or more: name folders, or models that ship")
    return folders


def _photos(folder: Path) -> Sequence[Path]:
    found = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)
    if not found:
        raise UserError(f"{folder}: has no photos: dvc repro acquire, or name some with --photos")
    return found
