"""Charts as inline SVG and HTML: learning curves, and the gain of every photo."""

import math
from collections.abc import Mapping

import pandas as pd

from pipeline.evaluation.report.html import signed, text

__all__ = ["MOST_BARS", "curves", "gains"]

MOST_BARS = 24
"""Of more photos than these, only the best and the worst get a bar."""

_WIDTH, _HEIGHT = 480, 260
_LEFT, _RIGHT, _TOP, _BELOW = 56, 84, 40, 36


def curves(histories: Mapping[str, pd.DataFrame], column: str, title: str, log: bool) -> str:
    """One SVG with a line for each history (by name: teacher, student) of `column` by epoch."""
    lines = {
        name: [
            (float(x), math.log10(max(float(y), 1e-12)) if log else float(y))
            for x, y in zip(history["epoch"], history[column], strict=True)
        ]
        for name, history in histories.items()
    }
    xs = [x for line in lines.values() for x, _ in line]
    ys = [y for line in lines.values() for _, y in line]
    scale = _Scale((min(xs), max(xs)), _padded(min(ys), max(ys)))
    parts = [f'<text class="title" x="0" y="16">{text(title)}</text>']
    parts += [_grid_line(scale, tick, log) for tick in _ticks(*scale.y, log)]
    parts += [_epoch(scale, epoch) for epoch in _epochs(int(min(xs)), int(max(xs)))]
    parts.append(f'<text class="axis" x="{_WIDTH - _RIGHT + 10}" y="{_HEIGHT - 12}">epoch</text>')
    ends = _apart({name: scale.at(*line[-1])[1] for name, line in lines.items()}, 20)
    for name, line in lines.items():
        points = [scale.at(*point) for point in line]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        x, y = points[-1]
        parts.append(f'<polyline class="line {name}" points="{path}" />')
        parts.append(f'<circle class="dot {name}" cx="{x:.1f}" cy="{y:.1f}" r="4" />')
        parts.append(
            f'<text class="{name}" x="{x + 10:.1f}" y="{ends[name] + 5:.1f}">{name}</text>'
        )
    label = text(f"{title}, by epoch")
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{label}">\n'
        + "\n".join(parts)
        + "\n</svg>"
    )


def gains(table: pd.DataFrame, split: str) -> str:
    """Bars of what student and teacher gain over the input, the student's best photo first."""
    wide = table[table["split"] == split].pivot(index="name", columns="method", values="gain_y")
    names = [
        str(name) for name in wide["student"].sort_values(ascending=False, kind="stable").index
    ]
    methods = [method for method in ("student", "teacher") if method in wide]
    shown = wide[methods].to_numpy()
    low, high = min(float(shown.min()), 0.0), max(float(shown.max()), 0.1)
    half = MOST_BARS // 2
    gain = {method: wide[method].to_dict() for method in methods}
    rows = [_bars(name, {m: gain[m][name] for m in gain}, low, high) for name in names]
    if len(rows) > MOST_BARS:
        between = f'<p class="between">and {len(rows) - 2 * half} photos between them</p>'
        rows = [*rows[:half], between, *rows[-half:]]
    return '<div class="bars">\n' + "\n".join(rows) + "\n</div>"


def _bars(name: str, gain: Mapping[str, float], low: float, high: float) -> str:
    bars = "".join(_bar(method, value, low, high) for method, value in gain.items())
    shown = text(name)
    return (
        f'<div class="row"><span class="name" title="{shown}">{shown}</span>'
        f'<span class="track">{bars}</span>'
        f'<span class="number">{signed(gain["student"])}</span></div>'
    )


def _bar(method: str, value: float, low: float, high: float) -> str:
    start, stop = sorted(100 * (edge - low) / (high - low) for edge in (0.0, value))
    style = f"left:{start:.2f}%;width:{stop - start:.2f}%"
    return f'<i class="{method}" style="{style}"></i>'


class _Scale:
    """From epoch and value to the places in the drawing."""

    def __init__(self, x: tuple[float, float], y: tuple[float, float]) -> None:
        self.x, self.y = x, y

    def at(self, x: float, y: float) -> tuple[float, float]:
        wide, tall = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BELOW
        along = (x - self.x[0]) / (self.x[1] - self.x[0]) if self.x[1] > self.x[0] else 0.5
        up = (y - self.y[0]) / (self.y[1] - self.y[0])
        return _LEFT + along * wide, _HEIGHT - _BELOW - up * tall


def _padded(low: float, high: float) -> tuple[float, float]:
    room = max((high - low) * 0.08, 0.01)
    return low - room, high + room


def _ticks(low: float, high: float, log: bool) -> list[float]:
    """Two to five round values; powers of ten where the values are logarithms of wide ranges."""
    if log and high - low > 1.5:
        step = float(math.ceil((high - low) / 5))
    else:
        rough = (high - low) / 5
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(f * power for f in (1, 2, 5, 10) if f * power >= rough)
    first, last = math.ceil(low / step), math.floor(high / step)
    return [number * step for number in range(first, last + 1)]


def _epochs(first: int, last: int) -> list[int]:
    step = max(math.ceil((last - first) / 6), 1)
    return list(range(first, last + 1, step))


def _grid_line(scale: _Scale, tick: float, log: bool) -> str:
    _, y = scale.at(scale.x[0], tick)
    shown = f"{10**tick:.2g}" if log else f"{round(tick, 6):g}"
    return (
        f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" />'
        f'<text class="axis end" x="{_LEFT - 8}" y="{y + 5:.1f}">{shown}</text>'
    )


def _epoch(scale: _Scale, epoch: int) -> str:
    x, _ = scale.at(epoch, scale.y[0])
    return f'<text class="axis mid" x="{x:.1f}" y="{_HEIGHT - 12}">{epoch}</text>'


def _apart(heights: Mapping[str, float], least: float) -> dict[str, float]:
    """The heights of the labels, moved so that none covers another."""
    placed: dict[str, float] = {}
    previous = -math.inf
    for name in sorted(heights, key=heights.__getitem__):
        previous = placed[name] = max(heights[name], previous + least)
    return placed
