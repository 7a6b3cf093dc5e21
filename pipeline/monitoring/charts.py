"""Plots of the monitor's page, as inline SVG: two distributions, and a mean day by day."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import numpy as np

from pipeline.evaluation.report.html import text

__all__ = ["histograms", "weeks"]

_WIDTH, _HEIGHT, _LEFT, _TOP, _BELOW = 320, 170, 16, 40, 26
_BINS = 24
_CSS = {"before": "teacher", "now": "student"}
_DAY = 86_400


def histograms(title: str, series: Mapping[str, Sequence[float]]) -> str:
    """Both samples of one number as shares, `before` and `now`, one over the other."""
    known = {name: np.asarray(values, float) for name, values in series.items() if len(values)}
    every = np.concatenate(list(known.values())) if known else np.zeros(1)
    low, high = (float(v) for v in np.quantile(every, [0.005, 0.995]))
    high = high if high > low else low + 1.0
    shares = {
        name: np.histogram(np.clip(v, low, high), _BINS, (low, high))[0] / len(v)
        for name, v in known.items()
    }
    top = max((float(share.max()) for share in shares.values()), default=1.0)
    parts = [_title(title)]
    for name, share in shares.items():
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in _outline(share / top))
        parts.append(f'<polyline class="line {_CSS.get(name, name)}" points="{points}" />')
    for place, (name, css) in enumerate(_CSS.items()):
        if name in shares:
            parts.append(
                f'<text class="{css}" x="{_WIDTH - 110 + 62 * place}" y="18">{name}</text>'
            )
    parts += [_axis(_LEFT, f"{low:.3g}", "start"), _axis(_WIDTH - _LEFT, f"{high:.3g}", "end")]
    return _svg(f"{title}, before and now", parts)


def weeks(points: Sequence[tuple[float, float]]) -> str:
    """The mean of each day, of (seconds since 1970, value); empty for a single day."""
    days: dict[int, list[float]] = {}
    for when, value in points:
        days.setdefault(int(when // _DAY), []).append(value)
    if len(days) < 2:
        return ""
    means = {day: float(np.mean(values)) for day, values in sorted(days.items())}
    low, high = min(means.values()), max(means.values())
    room = max((high - low) * 0.1, 0.05)
    first, last = min(means), max(means)

    def at(day: int, value: float) -> tuple[float, float]:
        along = (day - first) / (last - first)
        up = (value - low + room) / (high - low + 2 * room)
        tall = _HEIGHT - _TOP - _BELOW
        return _LEFT + along * (_WIDTH - 2 * _LEFT), _HEIGHT - _BELOW - up * tall

    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in (at(*one) for one in means.items()))
    parts = [
        _title(f"mean gain a day: {low:.2f} to {high:.2f} dB"),
        f'<polyline class="line student" points="{line}" />',
        _axis(_LEFT, _date(first), "start"),
        _axis(_WIDTH - _LEFT, _date(last), "end"),
    ]
    return _svg("mean expected gain, day by day", parts)


def _outline(share: "np.ndarray") -> list[tuple[float, float]]:
    step, tall = (_WIDTH - 2 * _LEFT) / len(share), _HEIGHT - _TOP - _BELOW
    places = []
    for index, value in enumerate(share):
        y = _HEIGHT - _BELOW - float(value) * tall
        places += [(_LEFT + index * step, y), (_LEFT + (index + 1) * step, y)]
    return places


def _title(words: str) -> str:
    return f'<text class="title" x="{_LEFT}" y="18">{text(words)}</text>'


def _axis(x: float, words: str, anchor: str) -> str:
    return (
        f'<text class="axis" x="{x}" y="{_HEIGHT - 8}" text-anchor="{anchor}">{text(words)}</text>'
    )


def _date(day: int) -> str:
    return datetime.fromtimestamp(day * _DAY, UTC).strftime("%m-%d")


def _svg(label: str, parts: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{text(label)}">\n'
        + "\n".join(parts)
        + "\n</svg>"
    )
