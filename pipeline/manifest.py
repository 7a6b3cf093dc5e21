"""The list of photos that `acquire` writes, read back: DVC holds it, but people open it too."""

import csv
from pathlib import Path

import pandas as pd

from kdsharp.errors import UserError
from pipeline.paths import MANIFEST

__all__ = ["read_manifest"]

_NEEDED = ("name", "split", "sha256")


def read_manifest(path: Path = MANIFEST) -> pd.DataFrame:
    """All columns as text; raises `UserError` for what is not such a list."""
    repair = f"dvc checkout {path}, or dvc repro acquire, writes it again"
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except FileNotFoundError:
        raise UserError(f"{path} is missing: dvc repro acquire writes it") from None
    except (ValueError, csv.Error) as error:  # not UTF-8, or not a table
        said = " ".join(str(error).split())
        raise UserError(f"{path}: is not a list of photos ({said}): {repair}") from None
    if missing := [name for name in _NEEDED if name not in table]:
        raise UserError(f"{path}: has no column {missing[0]}: {repair}")
    return table
