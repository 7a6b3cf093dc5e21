"""The tables: what each way gains in each row, what the choice costs, and the goals."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from benchmarks.everyday.rows import SCREEN, SHARP
from benchmarks.everyday.ways import INSTALLED, RIVALS
from kdsharp.tables import markdown

__all__ = ["BEST", "GROUND", "INPUT", "Numbers", "goals", "rows_table"]

INPUT, BEST, GROUND = "input", "best", "flat ground"
"""Beside the ways: the input's PSNR, the best that a choice could gain, and the largest error on
flat ground of a drawing, in levels."""

Numbers = dict[str, float]
"""Of one picture: gains in dB by the ways' names, and those above."""

_HARM, _MOST, _SAME = 0.05, 0.95, 45.0
_SHARP = (SHARP, f"{SCREEN}, sharp")
_AIMS = {
    "Gaussian 0.5-0.7": 7.0, "Gaussian 0.9-1.1": 6.5, "Gaussian 1.5-1.7": 4.4,
    "Gaussian 0.9-1.1, JPEG 90-94": 4.3, "Gaussian 1.5-1.7, JPEG 82-88": 3.0,
    "JPEG 18-22": 1.25, "JPEG 38-42": 1.25, "JPEG 72-78": 0.9, "noise 4-6": 1.5,
    "noise 14-16": 5.0, "call, 300 kbit/s": 0.4, "call, 600 kbit/s": 0.5, "call, 1 Mbit/s": 0.5,
}  # fmt: skip
_REGRET, _LEVELS = 0.10, 4


def rows_table(found: Mapping[str, Sequence[Numbers]]) -> str:
    """Means over the pictures of each row; of what is installed the worst picture as well."""
    first = next(iter(found.values()))[0]
    ways = [name for name in first if name not in (INPUT, BEST, GROUND, INSTALLED)]
    heads = ["", INPUT, INSTALLED, "worst", "made worse", *ways, "best choice", "regret"]
    lines = []
    for row, numbers in found.items():
        by = _columns(numbers)
        ours = by[INSTALLED]
        cells = [f"{ours.mean():+.2f}", f"{ours.min():+.2f}", f"{(ours < -_HARM).mean():.0%}"]
        cells += [f"{by[way].mean():+.2f}" for way in ways]
        cells += [f"{by[BEST].mean():+.2f}", f"{(by[BEST] - ours).mean():.2f}"]
        lines.append([row, f"{by[INPUT].mean():.2f}", *cells])
    return markdown(heads, lines)


def goals(found: Mapping[str, Sequence[Numbers]]) -> str:
    """What was aimed at, and by how much it is reached or not."""
    rows = [[aim, "yes" if by >= 0 else "**no**", said] for aim, by, said in _goals(found)]
    return markdown(["goal", "reached", "found"], rows)


def _goals(found: Mapping[str, Sequence[Numbers]]) -> Iterator[tuple[str, float, str]]:
    by_row = {row: _columns(numbers) for row, numbers in found.items()}
    changed = {row: by for row, by in by_row.items() if row not in _SHARP}
    yield _worst("not below the input", {row: by[INSTALLED].mean() for row, by in changed.items()})
    filters = [name for name in next(iter(by_row.values())) if name in RIVALS and "CV" not in name]
    over = {
        row: by[INSTALLED].mean() - max(by[name].mean() for name in filters)
        for row, by in changed.items()
    }
    yield _worst("not below the best of both unsharp masks and cas", over)
    share = {row: float((by[INSTALLED] >= -_HARM).mean()) - _MOST for row, by in changed.items()}
    worst = min(share, key=lambda row: share[row])
    reached = sum(value >= 0 for value in share.values())
    yield (
        f"{_MOST:.0%} of pictures not made worse by {_HARM} dB",
        share[worst],
        f"{reached} of {len(share)} rows; {worst}: {share[worst] + _MOST:.0%}",
    )
    for row, aim in _AIMS.items():
        if row in by_row:
            mean = float(by_row[row][INSTALLED].mean())
            yield f"{row}: {aim:+.2f} dB", mean - aim, f"{mean:+.2f} dB"
    if SHARP in by_row:
        kept = by_row[SHARP][INPUT] + by_row[SHARP][INSTALLED]
        share_kept = float((kept >= _SAME).mean())
        said = f"{share_kept:.0%}; the worst {kept.min():.1f} dB"
        yield f"sharp photos: unchanged or above {_SAME:.0f} dB", kept.min() - _SAME, said
    for row, by in by_row.items():
        if row.startswith(SCREEN):
            off = by[GROUND].max()
            yield f"{row}: flat ground off by {_LEVELS} levels at most", _LEVELS - off, f"{off:.0f}"
    regret = float(np.mean([(by[BEST] - by[INSTALLED]).mean() for by in by_row.values()]))
    yield f"regret: {_REGRET:.2f} dB at most", _REGRET - regret, f"{regret:.2f} dB"


def _worst(aim: str, values: Mapping[str, float]) -> tuple[str, float, str]:
    worst = min(values, key=lambda row: values[row])
    reached = sum(value >= 0 for value in values.values())
    said = f"{reached} of {len(values)} rows; {worst}: {values[worst]:+.2f} dB"
    return f"each row {aim}", values[worst], said


def _columns(numbers: Sequence[Numbers]) -> dict[str, npt.NDArray[np.float64]]:
    return {key: np.array([one[key] for one in numbers]) for key in numbers[0]}
