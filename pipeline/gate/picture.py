"""The evidence at a glance: what each photo and each crop gained or lost, as a PNG."""

import textwrap
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kdsharp.files import atomic_file
from pipeline.gate.bootstrap import photo_means
from pipeline.gate.decision import Decision
from pipeline.gate.evidence import Comparison, Floats, Quality
from pipeline.gate.quality import OTHER, differences, worst_decile
from pipeline.names import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["picture"]

# The colours of reports/report.html.
_PAPER, _INK, _FAINT, _LINE = "#fafafa", "#18181b", "#5f5f69", "#e4e4e7"
_GAIN, _LOSS, _MEAN = "#15803d", "#b91c1c", "#0d9488"
_NAMED = 24  # more photos than these get no name
_SHORT = 22
_INCHES, _DPI = (11.0, 5.6), 120


def picture(decision: Decision, comparison: Comparison, path: Path) -> None:
    """Draw `decision` about `comparison` to `path`, a PNG of 1320x672 pixels.

    Left: the difference in Y-PSNR of each photo, with the mean and its interval. Right: of each
    crop, with the worst tenth. Dashed: what the interval's lower end and the mean of the worst
    tenth have to reach. A candidate that could not be scored gets its verdict alone.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=_INCHES, dpi=_DPI, facecolor=_PAPER)
    FigureCanvasAgg(figure)
    _head(figure, decision)
    ours, other = comparison.candidate.quality, _other(decision, comparison)
    if "worst_decile" in decision.numbers and ours is not None and other is not None:
        change, _ = differences(ours, other)
        grid = figure.add_gridspec(1, 2, left=0.17, right=0.975, top=0.74, bottom=0.12, wspace=0.2)
        left, right = figure.add_subplot(grid[0]), figure.add_subplot(grid[1])
        for axes in (left, right):
            _plain(axes)
        _photos(left, change, ours, comparison.gate.names, decision.numbers["psnr_y"])
        _crops(right, change, decision.numbers["worst_decile"])
    with atomic_file(path) as temporary, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a name in a script that the font lacks
        figure.savefig(temporary, format="png")


def _other(decision: Decision, comparison: Comparison) -> Quality | None:
    if decision.against == "input" or comparison.incumbent is None:
        return comparison.input
    return comparison.incumbent.quality


def _head(figure: "Figure", decision: Decision) -> None:
    """The verdict, and below it the reason in at most three lines."""
    verdict, color = ("Passed", _GAIN) if decision.passed else ("Refused", _LOSS)
    against = f"candidate against {OTHER[decision.against]}"
    style: dict[str, Any] = {"va": "top", "parse_math": False}
    figure.text(0.025, 0.965, verdict, size=17, weight="bold", color=color, **style)
    figure.text(0.14, 0.957, against, size=12, color=_INK, **style)
    lines = textwrap.wrap(printable(decision.reason), 150, max_lines=3, placeholder=" ...")
    figure.text(0.025, 0.895, "\n".join(lines), size=9, color=_FAINT, linespacing=1.4, **style)


def _plain(axes: "Axes") -> None:
    axes.set_facecolor(_PAPER)
    axes.use_sticky_edges = False
    axes.tick_params(colors=_FAINT, labelsize=8.5, length=0)
    for name, spine in axes.spines.items():
        spine.set_visible(name == "bottom")
        spine.set_color(_LINE)


def _photos(
    axes: "Axes", change: Floats, quality: Quality, names: tuple[str, ...], found: dict[str, Any]
) -> None:
    """One bar a photo, the best on top, with its crops as dots; above them the mean of all."""
    means = photo_means(change, quality.photo)
    count, few = len(means), len(means) <= _NAMED
    row = np.empty(count)
    row[np.argsort(means, kind="stable")] = np.arange(count)
    axes.axvspan(found["low"], found["high"], color=_MEAN, alpha=0.13, linewidth=0, zorder=0)
    axes.axvline(0, color=_FAINT, linewidth=0.8)
    _limit(axes.axvline, found["limit"])
    axes.barh(row, means, height=0.5 if few else 1.0, color=_colors(means), alpha=0.6)
    if few:
        axes.scatter(change, row[quality.photo], s=9, color=_INK, alpha=0.3, linewidths=0, zorder=3)
    top = count * 1.05 + 0.2
    mark: dict[str, Any] = {"fmt": "D", "color": _MEAN, "markersize": 6, "capsize": 4}
    # An interval need not hold its mean where rounding is all there is.
    arms = [max(found["mean"] - found["low"], 0.0)], [max(found["high"] - found["mean"], 0.0)]
    axes.errorbar([found["mean"]], [top], xerr=arms, **mark)
    axes.set_ylim(-0.8, top + max(0.07 * count, 0.6))
    rows = {float(y): _short(name) for y, name in zip(row, names, strict=True)} if few else {}
    if not few:
        rows = {(count - 1) / 2: f"{count} photos,\nbest on top"}
    axes.set_yticks([top, *rows], ["all photos", *rows.values()], parse_math=False)
    _title(axes, f"Each photo: {_signed(found['mean'])} dB on average")
    _label(axes, "change of Y-PSNR in dB; the interval has to lie right of the dashed line")


def _crops(axes: "Axes", change: Floats, found: dict[str, Any]) -> None:
    """Every crop, worst first; the worst tenth is filled."""
    ordered, worst = np.sort(change), worst_decile(change)
    place = np.arange(len(ordered))
    axes.bar(place, ordered, width=1.0, color=_colors(ordered), alpha=0.35, linewidth=0)
    axes.bar(place[: len(worst)], worst, width=1.0, color=_colors(worst), linewidth=0)
    axes.axhline(0, color=_FAINT, linewidth=0.8)
    _limit(axes.axhline, found["limit"])
    axes.plot([-0.5, len(worst) - 0.5], [worst.mean()] * 2, color=_INK, linewidth=1.6)
    axes.set_xlim(-1, len(ordered))
    axes.set_xticks([])
    _title(axes, f"Each crop: {_signed(found['mean'])} dB on the worst {len(worst)}")
    _label(axes, f"{len(ordered)} crops; the black line has to lie above the dashed one")


def _limit(line: Callable[..., object], at: float) -> None:
    """Where the line of the interval's lower end, or of the worst tenth's mean, is drawn."""
    line(at, color=_LOSS, linewidth=1.0, linestyle=(0, (4, 3)))


def _colors(values: Floats) -> list[str]:
    return [_GAIN if value >= 0 else _LOSS for value in values]


def _label(axes: "Axes", text: str) -> None:
    axes.set_xlabel(text, size=8.5, color=_FAINT)


def _title(axes: "Axes", text: str) -> None:
    axes.set_title(text, loc="left", size=10, color=_INK)


def _signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", "\N{MINUS SIGN}")


def _short(name: str) -> str:
    shown, half = printable(name), _SHORT // 2
    return shown if len(shown) <= _SHORT else f"{shown[: half - 1]}...{shown[-half + 2 :]}"
