"""A decision as people read it, in MLflow's and Prefect's pages alike: Markdown and a picture."""

import textwrap
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kdsharp.files import atomic_file
from pipeline.paths import printable
from pipeline.release.gate.evidence import Comparison, Decision, Floats, Quality
from pipeline.release.gate.interval import photo_means
from pipeline.release.gate.quality import OTHER, differences, worst_decile

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
from collections.abc import Sequence

__all__ = ["headline", "markdown", "picture"]

# The colours of reports/report.html.
_PAPER, _INK, _FAINT, _LINE = "#fafafa", "#18181b", "#5f5f69", "#e4e4e7"
_GAIN, _LOSS, _MEAN = "#15803d", "#b91c1c", "#0d9488"
_NAMED = 24  # more photos than these get no name
_SHORT = 22
_INCHES, _DPI = (11.0, 5.6), 120

_VERDICT = {True: "Passed", False: "Refused"}
# Words: not every font has check marks.
_MARK = {True: "yes", False: "**no**"}
_MODELS = ("candidate", "incumbent", "input")
# Rows of the table: title, where the number is, how it is written.
_ROWS: tuple[tuple[str, Sequence[str], Callable[[float], str]], ...] = (
    ("Y-PSNR (dB)", ("psnr_y", "{model}"), "{:.3f}".format),
    ("SSIM on Y", ("ssim_y", "{model}"), "{:.5f}".format),
    ("time (ms)", ("{model}", "latency_ms"), "{:.1f}".format),
    ("size (bytes)", ("{model}", "size_bytes"), "{:,.0f}".format),
    ("parameters", ("{model}", "parameters"), "{:,.0f}".format),
    ("multiply-accumulates a pixel", ("{model}", "macs_per_pixel"), "{:,.0f}".format),
)
_INT8_ROWS = tuple((f"{title}, int8", ("int8", *path), form) for title, path, form in _ROWS[:4])


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


def headline(decision: Decision) -> str:
    """One line: passed or refused, and why."""
    return f"{_VERDICT[decision.passed]}: {printable(decision.reason)}"


def markdown(decision: Decision, title: str) -> str:
    """The verdict, the checks and the numbers under the heading `title`."""
    numbers, gate = decision.numbers, decision.numbers["gate"]
    checks = [[check.name, _MARK[check.passed], check.text] for check in decision.checks]
    models = [name for name in _MODELS if name == "input" or name in numbers]
    rows = [
        [row, *(_number(numbers, path, model, form) for model in models)]
        for row, path, form in (*_ROWS, *(_INT8_ROWS if "int8" in numbers else ()))
    ]
    whose = f" from {_cell(gate['source'])}" if "source" in gate else ""
    set_of = (
        f"Measured on {gate['crops']} crops (photos: {gate['photos']}){whose}, "
        f"{gate['degradation']} x{gate['scale']}, gate set `{decision.gate_sha256[:12]}`. In the "
        "means every photo weighs the same."
    )
    blocks = [
        [f"## {_cell(title)}"],
        [f"**{_VERDICT[decision.passed]}**: {_cell(decision.reason)}"],
        _table(["check", "passed", "found"], checks),
        _table(["", *models], rows),
        _differences(numbers, OTHER[decision.against]),
        [set_of],
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def _differences(numbers: dict[str, Any], other: str) -> list[str]:
    """The comparison as a table of its own; nothing where there was none."""
    if "worst_decile" not in numbers:
        return []
    rows = []
    for form, found in (("", numbers), (", int8", numbers.get("int8", {}))):
        if "worst_decile" not in found:
            continue
        for title, key, digits in (("Y-PSNR (dB)", "psnr_y", 3), ("SSIM on Y", "ssim_y", 5)):
            parts = (f"{found[key][part]:+.{digits}f}" for part in ("mean", "low", "high"))
            rows.append([f"{title}{form}", *parts])
        worst = found["worst_decile"]
        what = f"Y-PSNR on the worst {worst['crops']} crops{form}"
        rows.append([what, f"{worst['mean']:+.3f}", "", ""])
    return _table([f"candidate minus {other}", "mean", "interval from", "to"], rows)


def _number(
    numbers: dict[str, Any], path: Sequence[str], model: str, form: Callable[[float], str]
) -> str:
    found: Any = numbers
    for key in path:
        found = found.get(key.format(model=model)) if isinstance(found, dict) else None
    return "" if found is None else form(found)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [heads, ["---"] * len(heads), *rows]
    return [f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines]


def _cell(text: str) -> str:
    """`text` on one line, its pipes and tags made harmless."""
    return printable(text).replace("|", "\\|").replace("<", "&lt;")
