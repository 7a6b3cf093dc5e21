"""Which model: the one named, else the environment's, else the one that ships."""

import os
from pathlib import Path

from kdsharp.card import CARD
from kdsharp.errors import UserError

__all__ = ["VARIABLE", "find_model"]

VARIABLE = "KDSHARP_MODEL"
"""The environment variable that names a model folder."""

_SHIPPED = Path(__file__).parent / "weights"


def find_model(path: Path | None) -> Path:
    """The model folder to use: `path`, else `$KDSHARP_MODEL`, else the one that ships.

    Whether it holds a sound model is up to `kdsharp.card.read_card`. Raises `UserError` when
    nothing is named and no model ships.
    """
    if path is not None:
        return Path(path)
    if named := os.environ.get(VARIABLE):
        return Path(named)
    if (_SHIPPED / CARD).is_file():
        return _SHIPPED
    raise UserError(f"no model: name a model folder with --model PATH or ${VARIABLE}")
