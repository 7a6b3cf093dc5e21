"""The gain over the input as coloured cells: rows are degradations, columns what is compared."""

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.robust.columns import INPUT
from benchmarks.robust.results import Found
from benchmarks.robust.rows import SHARP
from benchmarks.robust.tables import short
from kdsharp.files import atomic_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw"]

_LOSS, _GAIN = -1.0, 2.5  # dB at the ends of the colours
_CLEAN, _SAME = 45.0, 100.0  # dB, of a sharp photo
_WIDTH, _HEIGHT, _LEFT, _TOP = 0.95, 0.33, 1.95, 1.0  # inches: of a cell, and for the words
_INK, _PALE, _NEUTRAL = "#1f2937", "#9ca3af", "#eef0f3"
_COLOURS = ["#c2410c", "#fdfdfd", "#0f766e"]


def draw(found: Found, path: Path) -> None:
    """Write the picture to `path`, atomically: one panel for each set, below each other."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    names = [[n for n in [*found.groups, *found.cited] if _shown(found, t, n)] for t in found.sets]
    most, down = max(map(len, names)), _TOP + _HEIGHT * len(found.rows)
    width, height = _LEFT + _WIDTH * most + 0.1, (down + 0.1) * len(found.sets)
    figure = pyplot.figure(figsize=(width, height))
    for number, (title, columns) in enumerate(zip(found.sets, names, strict=True)):
        bottom = height - (down + 0.1) * number - down
        place = (
            _LEFT / width, bottom / height,
            _WIDTH * len(columns) / width, _HEIGHT * len(found.rows) / height,
        )  # fmt: skip
        _panel(figure.add_axes(place), found, title, columns)
    with atomic_file(path) as temporary:
        figure.savefig(temporary, dpi=100, metadata={"Software": None}, format="png")
    pyplot.close(figure)


def _shown(found: Found, title: str, name: str) -> bool:
    return name != INPUT and any(found.psnr(title, row, name) is not None for row in found.rows)


def _panel(axis: "Axes", found: Found, title: str, names: list[str]) -> None:
    for down, row in enumerate(found.rows):
        nothing = found.psnr(title, row, INPUT)
        assert nothing is not None
        values = {n: v for n in names if (v := found.psnr(title, row, n)) is not None}
        quick = {n: v for n, v in values.items() if found.groups.get(n) != "teacher"}
        best = max(quick.values())
        for across, name in enumerate(names):
            if name not in values:
                axis.text(across, down, "–", ha="center", va="center", color=_PALE)
            elif row == SHARP:  # against itself: there is nothing to gain
                _sharp(axis, (across, down), values[name])
            else:
                first = name in quick and round(values[name], 2) == round(best, 2)
                _gained(axis, (across, down), values[name] - nothing, first=first)
    _words(axis, found, title, names)


def _gained(axis: "Axes", at: tuple[int, int], gain: float, *, first: bool) -> None:
    from matplotlib.colors import LinearSegmentedColormap, TwoSlopeNorm

    colours = LinearSegmentedColormap.from_list("gain", _COLOURS)
    place = TwoSlopeNorm(0, _LOSS, _GAIN)(min(max(gain, _LOSS), _GAIN))
    _cell(axis, at, colours(place), f"{gain:+.2f}", first=first)


def _sharp(axis: "Axes", at: tuple[int, int], value: float) -> None:
    colour = _NEUTRAL if value >= _CLEAN else "#f3b391"
    _cell(axis, at, colour, f"{value:.1f} dB" if value < _SAME else "the same", first=False)


def _cell(axis: "Axes", at: tuple[int, int], colour: Any, text: str, *, first: bool) -> None:
    from matplotlib.colors import to_rgb
    from matplotlib.patches import Rectangle

    red, green, blue = to_rgb(colour)
    ink = "white" if 0.299 * red + 0.587 * green + 0.114 * blue < 0.55 else _INK
    edge = _INK if first else "none"
    corner = (at[0] - 0.47, at[1] - 0.43)
    axis.add_patch(Rectangle(corner, 0.94, 0.86, facecolor=colour, edgecolor=edge, linewidth=1.8))
    weight = "bold" if first else "normal"
    axis.text(*at, text, ha="center", va="center", fontsize=9.5, fontweight=weight, color=ink)


def _words(axis: "Axes", found: Found, title: str, names: list[str]) -> None:
    inputs = {row: found.psnr(title, row, INPUT) for row in found.rows}
    rows = [row if row == SHARP else f"{row}   {value:.2f}" for row, value in inputs.items()]
    axis.set(xlim=(-0.5, len(names) - 0.5), ylim=(len(rows) - 0.5, -0.5))
    axis.set_yticks(range(len(rows)), rows, fontsize=9.5)
    headings = [textwrap.fill(short(found, name), 12) for name in names]
    axis.set_xticks(range(len(names)), headings, fontsize=9)
    axis.xaxis.tick_top()
    axis.tick_params(length=0, colors=_INK)
    for label, name in zip(axis.get_xticklabels(), names, strict=True):
        label.set_fontweight("bold" if found.groups.get(name) == "ours" else "normal")
    axis.spines[:].set_visible(False)
    said = f"{title}, {len(found.scores[title])} photos: Y-PSNR over the input (dB; its own beside)"
    axis.set_title(said, loc="left", fontsize=11, fontweight="bold", color=_INK, pad=12)
