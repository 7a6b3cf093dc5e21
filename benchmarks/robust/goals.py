"""What this project set out to reach on every group of input, and by how much it does."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.robust.columns import INPUT
from benchmarks.robust.results import MOST, Found
from benchmarks.robust.rows import SHARP

__all__ = ["BEST", "Case", "Verdict", "check_goals"]

BEST = "best of ours"
"""Stands for a choice that always knew the row: what an automatic one could reach at most."""

_LEVEL, _HARM, _CLEAN = 0.05, -0.05, 45.0  # dB
_GAINS = {"jpeg60": 0.9, "videocall": 0.9, "jpeg90": 1.6}  # dB, of rows whose names begin so

Case = tuple[str, str]
"""Set and row."""


@dataclass(frozen=True)
class Verdict:
    """One goal for one column; `by` is what was found in the worst row less the goal.

    `reached` is None where this run did not measure what it takes to say so.
    """

    column: str
    goal: str
    found: str
    reached: bool | None
    by: str = ""


def check_goals(found: Found) -> list[Verdict]:
    """Every goal for each of our columns, and for the best of them where there are several."""
    cases = [(title, row) for title in found.sets for row in found.rows]
    picked = {name: dict.fromkeys(cases, name) for name in found.own}
    if len(found.own) > 1:
        picked[BEST] = {case: _best(found, case) for case in cases}
    return [v for name, columns in picked.items() for v in _column(found, name, columns)]


def _column(found: Found, name: str, columns: Mapping[Case, str]) -> Iterator[Verdict]:
    """`columns` is what stands for `name` in each row of each set."""
    worse = {case: column for case, column in columns.items() if case[1] != SHARP}
    over = {case: _over_others(found, case, column) for case, column in worse.items()}
    gains = {case: (_gain(found, case, column), "") for case, column in worse.items()}
    goal = f"over the first of the others, or {_LEVEL} dB below it, in every row"
    yield _least(name, goal, -_LEVEL, over)
    yield _least(name, "not below the input in any row", 0, gains)
    yield _share(found, name, worse)
    for row, aim in _GAINS.items():
        which = {case: gain for case, gain in gains.items() if case[1].startswith(row)}
        yield _least(name, f"{row}: {aim} dB over the input", aim, which)
    kept = {
        case: (_psnr(found, case, column), "")
        for case, column in columns.items()
        if case[1] == SHARP
    }
    goal = f"a sharp photo goes through at {_CLEAN:.0f} dB, {MOST:.0%} of photos"
    yield _least(name, goal, _CLEAN, kept, sign="")


def _least(
    name: str, goal: str, aim: float, values: Mapping[Case, tuple[float, str]], sign: str = "+"
) -> Verdict:
    """The least of `values` in dB, each with what it is measured against."""
    if not values:
        return Verdict(name, goal, "not measured", None)
    reached = sum(value >= aim for value, _ in values.values())
    worst = min(values, key=lambda case: values[case][0])
    value, other = values[worst]
    where = ", ".join(filter(None, [worst[1], worst[0], other]))
    said = f"{value:{sign}.2f} dB ({where}); {reached} of {len(values)} rows"
    return Verdict(name, goal, said, value >= aim, f"{value - aim:+.2f} dB")


def _share(found: Found, name: str, columns: Mapping[Case, str]) -> Verdict:
    """Photos that are not made worse, in the row that has the fewest."""
    goal = f"{MOST:.0%} of photos over {_HARM} dB against the input, in every row"
    shares = {
        case: float(np.mean(gains > _HARM))
        for case, column in columns.items()
        if (gains := found.gains(*case, column)) is not None
    }
    if not shares:
        return Verdict(name, goal, "not measured", None)
    reached = sum(share >= MOST for share in shares.values())
    worst = min(shares, key=lambda case: shares[case])
    said = f"{shares[worst]:.0%} ({worst[1]}, {worst[0]}); {reached} of {len(shares)} rows"
    by = f"{100 * (shares[worst] - MOST):+.0f} points"
    return Verdict(name, goal, said, shares[worst] >= MOST, by)


def _over_others(found: Found, case: Case, column: str) -> tuple[float, str]:
    """Over the first of those that are not ours and run in real time, and its name."""
    names: Sequence[str] = [n for n, group in found.groups.items() if group in ("input", "peer")]
    others = {n: v for n in [*names, *found.cited] if (v := found.psnr(*case, n)) is not None}
    first = max(others, key=lambda name: others[name])
    return _psnr(found, case, column) - others[first], first


def _best(found: Found, case: Case) -> str:
    return max(found.own, key=lambda name: _psnr(found, case, name))


def _gain(found: Found, case: Case, column: str) -> float:
    return _psnr(found, case, column) - _psnr(found, case, INPUT)


def _psnr(found: Found, case: Case, column: str) -> float:
    value = found.psnr(*case, column)
    assert value is not None  # ours and the input are there in every row
    return value
