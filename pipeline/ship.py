"""Put the exported student among the models that ship with the package."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from kdsharp.card import Card, read_card
from kdsharp.errors import UserError
from kdsharp.files import atomic_dir, sha256_file
from kdsharp.train.config import StudentConfig
from kdsharp.train.family import name_of, size_of
from pipeline.model_card import PAGE
from pipeline.paths import EXPORT, STUDENT

__all__ = ["LARGEST", "WEIGHTS", "ship"]

WEIGHTS = Path("kdsharp/weights")
"""Where the package keeps its models."""

LARGEST = 300_000
"""Bytes that a file of a model that ships may have."""


def ship(to: Path = WEIGHTS, say: Callable[[str], None] = print) -> Path:
    """Copy models/export to `to`/NAME, such as small-x2, and tell what was measured.

    All of the folder or nothing; a model of that name is replaced. Raises `UserError` when the
    student has been trained anew since the export, is no member of the family, or is too large.
    """
    card = read_card(EXPORT)
    _require_fresh(card)
    name = _name(card)
    files = sorted(path for path in EXPORT.iterdir() if path.is_file())
    if PAGE not in {path.name for path in files}:
        raise UserError(f"{EXPORT}: has no {PAGE}: dvc repro -f export writes it")
    for path in files:
        if (size := path.stat().st_size) > LARGEST:
            raise UserError(f"{path}: has {size:,} bytes; what ships may have {LARGEST:,}")
    with atomic_dir(to / name) as folder:
        for path in files:
            shutil.copyfile(path, folder / path.name)
    say(f"{to / name}: {', '.join(f'{p.name} {p.stat().st_size:,} bytes' for p in files)}")
    for line in _metrics(card):
        say(line)
    return to / name


def _require_fresh(card: Card) -> None:
    exported = _student(card).get("sha256")
    if not STUDENT.is_file():
        raise UserError(f"{STUDENT} is missing: dvc repro, or dvc pull, brings it")
    if exported != sha256_file(STUDENT):
        raise UserError(f"{EXPORT}: was not made from {STUDENT}: dvc repro export makes it anew")


def _name(card: Card) -> str:
    student = _student(card)
    keys = ("channels", "grid", "color")
    config = StudentConfig(**{key: student[key] for key in keys if key in student})
    name = name_of(config, card.scale, card.degradation)
    if size_of(config, card.scale) is None:
        raise UserError(
            f"{EXPORT}: {name} is no size that ships: python -m pipeline preset --list has those"
        )
    return name


def _student(card: Card) -> Mapping[str, Any]:
    found = card.lineage.get("student")
    return found if isinstance(found, Mapping) else {}


def _metrics(card: Card) -> list[str]:
    """One line for each method that the export has measured, with its gain over the input."""
    lines = []
    for split, methods in card.metrics.items():
        nothing = methods.get("input", {}).get("psnr_y")
        for name, row in methods.items():
            gain = f" ({row['psnr_y'] - nothing:+.2f})" if nothing and name != "input" else ""
            lines.append(f"  {split} {name}: PSNR Y {row['psnr_y']:.2f} dB{gain}")
    return lines
