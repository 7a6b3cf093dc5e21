"""What other networks reach by numbers that this run does not take: `published.csv`, read.

Every row carries where its numbers come from. All follow the field's protocol: input by MATLAB's
or Pillow's bicubic, PSNR and SSIM on Y, a border of `scale` pixels left out.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["MARKS", "Published", "load_published"]

MARKS = {
    "P": "published by its authors",
    "R": "recalled from its paper, not checked again",
    "M": "its own weights, measured under this protocol on another occasion",
}
"""What the marks in the tables mean."""

_TABLE = Path(__file__).with_name("published.csv")
_ABOUT = ("scale", "name", "parameters", "gmac", "mark")


@dataclass(frozen=True)
class Published:
    """A network at `scale`; `psnr` (dB) and `ssim` by set, as far as they are known.

    `gmac` counts an output of 1280x720; it and `parameters` are None where they are not known.
    """

    scale: int
    name: str
    parameters: int | None
    gmac: float | None
    mark: str
    psnr: Mapping[str, float]
    ssim: Mapping[str, float]


def load_published(path: Path = _TABLE) -> list[Published]:
    """Every row of the table, in its order."""
    with path.open(encoding="utf-8", newline="") as opened:
        return [_row(row) for row in csv.DictReader(opened)]


def _row(row: Mapping[str, str]) -> Published:
    pairs = {key: cell.split("/") for key, cell in row.items() if key not in _ABOUT and cell}
    return Published(
        scale=int(row["scale"]),
        name=row["name"],
        parameters=int(row["parameters"]) if row["parameters"] else None,
        gmac=float(row["gmac"]) if row["gmac"] else None,
        mark=row["mark"],
        psnr={key: float(pair[0]) for key, pair in pairs.items()},
        ssim={key: float(pair[1]) for key, pair in pairs.items() if len(pair) > 1},
    )
