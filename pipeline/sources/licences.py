"""Whose the photos of a folder are, and what their licence is."""

import csv
from pathlib import Path

from kdsharp.errors import UserError

__all__ = ["LICENCES", "read_licences"]

LICENCES = "LICENCES.csv"
"""The file at the top of a folder of photos: columns name, licence, author."""

_COLUMNS = ["name", "licence", "author"]


def read_licences(folder: Path) -> dict[str, str]:
    """By each photo's name below `folder`, with forward slashes: its "licence, author".

    Empty where the folder has no such file; an author may be left empty. Raises `UserError` for a
    file that is no such table.
    """
    path = folder / LICENCES
    if not path.is_file():
        return {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as opened:
            table = csv.DictReader(opened, strict=True)
            if table.fieldnames is None or not set(_COLUMNS) <= set(table.fieldnames):
                raise UserError(f"{path}: needs the columns {','.join(_COLUMNS)}")
            return {row["name"]: _words(path, table.line_num, row) for row in table}
    except (csv.Error, UnicodeDecodeError) as error:
        raise UserError(f"{path}: is no CSV in UTF-8: {error}") from None


def _words(path: Path, line: int, row: dict[str, str | None]) -> str:
    licence, author = (" ".join((row[key] or "").split()) for key in _COLUMNS[1:])
    if not licence:
        raise UserError(f"{path}: line {line} has no licence")
    return f"{licence}, {author}" if author else licence
