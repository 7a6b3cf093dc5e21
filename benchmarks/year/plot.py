"""The picture of the year: the gain of each week, and what each alarm came to."""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.year.lines import Line
from benchmarks.year.weeks import REGIMES, WEEKS
from kdsharp.files import atomic_file

__all__ = ["draw"]

_COLORS = ("#71717a", "#0d9488", "#7c3aed", "#ea580c")
_MARKS = {"promoted": "o", "forced": "D", "refused": "x"}


def draw(lines: Sequence[Line], path: Path) -> None:
    """Write it to `path`, a PNG."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axis = pyplot.subplots(figsize=(11, 5.2), layout="constrained")
    ends = [*(one.begins for one in REGIMES[1:]), WEEKS]
    for number, (regime, end) in enumerate(zip(REGIMES, ends, strict=True)):
        if number % 2:
            axis.axvspan(regime.begins - 0.5, end - 0.5, color="#f4f4f5", zorder=0)
        axis.text(
            (regime.begins + end - 1) / 2, 1.01, regime.name, ha="center", va="bottom",
            transform=axis.get_xaxis_transform(), fontsize=10,
        )  # fmt: skip
    shown = set()
    for line, color in zip(lines, _COLORS, strict=False):
        weeks = range(len(line.gains))
        axis.plot(weeks, line.gains, color=color, linewidth=1.8, label=line.name, zorder=3)
        for event in line.events:
            label = event.outcome if event.outcome not in shown else None
            shown.add(event.outcome)
            axis.plot(
                event.week, line.gains[event.week], _MARKS[event.outcome], color=color,
                markersize=9, markeredgewidth=2, label=label, linestyle="none", zorder=4,
            )  # fmt: skip
    axis.axhline(0, color="#a1a1aa", linewidth=0.8)
    axis.set(xlabel="week", ylabel="gain in production, mean of the week (dB of Y-PSNR)")
    axis.set_xlim(-0.5, WEEKS - 0.5)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)
    axis.legend(frameon=False, loc="best", fontsize=9)
    with atomic_file(path) as temporary:
        figure.savefig(temporary, dpi=100, metadata={"Software": None})
    pyplot.close(figure)
