"""What a run found, as means, and as JSON that can be read again."""

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.robust.columns import INPUT, Group
from benchmarks.robust.measure import MEASURES, Scores
from benchmarks.robust.rows import SHARP
from kdsharp.errors import UserError

__all__ = ["MOST", "Found", "from_json", "to_json"]

MOST = 0.95
"""The share of photos that a goal for single photos has to hold for."""

_CITED = Path(__file__).with_name("cited.csv")


@dataclass(frozen=True)
class Found:
    """Set -> photo -> row -> column -> measures, and what is needed to read them.

    `groups` has the columns in their order. `about`: lines on how this run was made, `notes`: lines
    on what is missing and why.
    """

    scale: int
    groups: Mapping[str, Group]
    scores: Mapping[str, Mapping[str, Scores]]
    about: Sequence[str]
    notes: Sequence[str]

    @property
    def sets(self) -> list[str]:
        """Their titles, in order."""
        return list(self.scores)

    @property
    def rows(self) -> list[str]:
        """The degradations, in order."""
        return list(next(iter(next(iter(self.scores.values())).values())))

    @property
    def own(self) -> list[str]:
        """The columns that are ours and run in real time."""
        return [name for name, group in self.groups.items() if group == "ours"]

    def values(self, title: str, row: str, column: str) -> npt.NDArray[np.float64] | None:
        """(photos, measures); None where the column is not for this row."""
        found = [scores[row].get(column) for scores in self.scores[title].values()]
        return None if None in found else np.array(found)

    def mean(self, title: str, row: str, column: str, measure: str) -> float | None:
        """Over the photos of a set; None where the column is not for this row."""
        values = self.values(title, row, column)
        return None if values is None else float(values[:, MEASURES.index(measure)].mean())

    def psnr(self, title: str, row: str, column: str) -> float | None:
        """Its mean, of `SHARP` what `MOST` of the photos reach, or what is cited.

        A photo that is not changed has no finite PSNR, and so a mean with it says nothing.
        """
        if column in self.cited:
            return self.cited[column].get((title, row))
        values = self.values(title, row, column)
        if values is None or row != SHARP:
            return None if values is None else float(values[:, 0].mean())
        return float(np.sort(values[:, 0])[int((1 - MOST) * len(values))])

    def gains(self, title: str, row: str, column: str) -> npt.NDArray[np.float64] | None:
        """PSNR over that of the input, for each photo."""
        values, nothing = (self.values(title, row, name) for name in (column, INPUT))
        return None if values is None or nothing is None else values[:, 0] - nothing[:, 0]

    @cached_property
    def cited(self) -> Mapping[str, Mapping[tuple[str, str], float]]:
        """PSNR by (set, row) of networks that this run has not: their own weights, measured on
        these photos and degradations on another occasion.
        """
        if self.scale != 2:
            return {}
        with _CITED.open(encoding="utf-8", newline="") as opened:
            lines = list(csv.DictReader(opened))
        return {
            line["name"]: {(line["set"], row): float(line[row]) for row in list(line)[2:]}
            for line in lines
            if line["set"] in self.sets
        }


def to_json(found: Found) -> str:
    """Every number of every photo."""
    return json.dumps({"measures": MEASURES, **asdict(found)}, indent=1) + "\n"


def from_json(path: Path) -> Found:
    """What `to_json` wrote; `UserError` for anything else."""
    try:
        read: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if read.pop("measures") != list(MEASURES):
            raise ValueError("other measures")
        found = Found(**read)
        for row in found.rows:
            found.psnr(found.sets[0], row, INPUT)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, StopIteration) as error:
        raise UserError(f"{path}: not a result of robust.py ({error}): measure again") from None
    return found
