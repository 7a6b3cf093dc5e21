"""A set of models in one folder: each picture gets the one that is likely to gain most on it.

    models/set/choice.json               # which models, and what each gains on which degradation
    models/set/small-x2/card.json ...    # a model folder for each, by its name

`python -m pipeline combine` makes one. The first model is the one for plain enlarging.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kdsharp.errors import UserError
from kdsharp.files import write_json
from kdsharp.runtime.card import Card

__all__ = ["CHOICE", "COMBINE", "ModelSet", "is_set", "read_set", "write_set"]

CHOICE = "choice.json"
"""The file that makes a folder a set."""

COMBINE = "python -m pipeline combine"
"""The command that makes a set."""

FORMAT = 1


@dataclass(frozen=True)
class ModelSet:
    """`gains` has for each model, by name, the dB of Y-PSNR that it gains on each degradation.

    `degradations` are those that routing told apart when it was made; `sha256` is that of each
    model's file.
    """

    degradations: Sequence[str]
    gains: Mapping[str, Sequence[float]]
    sha256: Mapping[str, str]

    def checked(self, folder: Path, cards: Mapping[str, Card], known: Sequence[str]) -> None:
        """Raise `UserError` if it is about other models than `cards`, or others than `known`."""
        for name, card in cards.items():
            if self.sha256.get(name) != card.sha256:
                raise UserError(
                    f"{folder}: {name} is another model than the set was made of: combine them "
                    f"again: {COMBINE}"
                )
        if list(self.degradations) != list(known):
            raise UserError(
                f"{folder}: was made for another choice than this version's: combine the models "
                f"again: {COMBINE}"
            )


def is_set(folder: Path) -> bool:
    """Whether the folder is meant to be a set."""
    return (folder / CHOICE).is_file()


def read_set(folder: Path) -> ModelSet:
    """The set in `folder`; `UserError`, one line, for a file that is damaged or too new."""
    path = folder / CHOICE
    try:
        said: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if said["format"] != FORMAT:
            raise UserError(f"{path}: has format {said['format']!r:.20}: update kdsharp to read it")
        names = [str(name) for name in said["degradations"]]
        rows = {str(row["name"]): row for row in said["models"]}
        gains = {name: [float(gain) for gain in row["gains"]] for name, row in rows.items()}
        sha256 = {name: str(row["sha256"]) for name, row in rows.items()}
    except OSError as error:
        raise UserError(f"{path}: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path}: says nothing to choose by: make it again: {COMBINE}") from error
    for name, values in gains.items():
        if len(values) != len(names) or not all(map(math.isfinite, values)):
            raise UserError(f"{path}: the gains of {name} are damaged: make it again: {COMBINE}")
        if not name or Path(name).name != name:
            raise UserError(f"{path}: {name!r:.60} is no name of a folder beside it")
    if not gains:
        raise UserError(f"{path}: names no model: make it again: {COMBINE}")
    return ModelSet(names, gains, sha256)


def write_set(folder: Path, made: ModelSet) -> None:
    """Write what `read_set` reads."""
    rows = [
        {"name": name, "sha256": made.sha256[name], "gains": [round(float(g), 3) for g in gains]}
        for name, gains in made.gains.items()
    ]
    said = {"format": FORMAT, "degradations": list(made.degradations), "models": rows}
    write_json(folder / CHOICE, said)
