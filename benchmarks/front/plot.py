"""Two pictures of the front: quality beside computation, and quality beside measured time."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.common.peers import BICUBIC, UNSHARP
from benchmarks.front.networks import SRCNN
from benchmarks.front.results import Found
from benchmarks.front.series import Series, by_cost, by_time
from kdsharp.files import atomic_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Box", "draw", "place"]

_GAP = 5.0
_STEPS = 12

_SET = "Set14"
_NEAR = 16  # pixels; a label farther from its mark is tied to it by a line


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels, x to the right and y upwards."""

    left: float
    bottom: float
    width: float
    height: float

    def nearest(self, x: float, y: float) -> tuple[float, float]:
        """The point of the box that is nearest to (x, y)."""
        right, top = self.left + self.width, self.bottom + self.height
        return min(max(x, self.left), right), min(max(y, self.bottom), top)

    def overlap(self, other: "Box") -> float:
        """The area that both cover."""
        across = min(self.left + self.width, other.left + other.width) - max(self.left, other.left)
        along = min(self.bottom + self.height, other.bottom + other.height) - max(
            self.bottom, other.bottom
        )
        return max(across, 0.0) * max(along, 0.0)


def place(
    marks: Sequence[Box], sizes: Sequence[tuple[float, float]], taken: Sequence[Box], frame: Box
) -> list[Box]:
    """A box for each mark's label, of the width and height in `sizes`, in the same order.

    One label after the other takes the nearest of eight directions, and then steps away from the
    mark, that covers no mark, nothing in `taken`, no label before it, and leaves not `frame`; where
    there is none, the place that covers least.
    """
    boxes: list[Box] = []
    for mark, size in zip(marks, sizes, strict=True):
        blocked = [*marks, *taken, *boxes]
        boxes.append(min(_places(mark, size), key=lambda box: _cost(box, blocked, frame)))
    return boxes


def _cost(box: Box, blocked: Sequence[Box], frame: Box) -> int:
    """The area covered, and that outside the frame, in whole pixels.

    `min` takes the first of equals, which is the nearest; unrounded, noise would decide.
    """
    outside = box.width * box.height - box.overlap(frame)
    return round(sum(box.overlap(other) for other in blocked) + outside)


def _places(mark: Box, size: tuple[float, float]) -> Iterator[Box]:
    """Right, above, below, left, and the corners; then the same farther away."""
    width, height = size
    middle_x, middle_y = mark.left + mark.width / 2, mark.bottom + mark.height / 2
    for step in range(_STEPS):
        gap = _GAP * (1 + 2 * step)
        right, left = mark.left + mark.width + gap, mark.left - gap - width
        above, below = mark.bottom + mark.height + gap, mark.bottom - gap - height
        centre_x, centre_y = middle_x - width / 2, middle_y - height / 2
        for x, y in (
            (right, centre_y), (centre_x, above), (centre_x, below), (left, centre_y),
            (right, above), (right, below), (left, above), (left, below),
        ):  # fmt: skip
            yield Box(x, y, width, height)


def draw(found: Found, path: Path) -> None:
    """Write the plot of the first scale; some quality must have been measured."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    name = _SET if _SET in found.sets else next(iter(found.sets), "")
    rows = found.of(found.scales[0])
    rows = [row for row in rows if name in row.quality or row.method.name == SRCNN]
    panels = [(by_cost(rows, name), "multiply-accumulates for 1280x720 (thousand millions)")]
    if found.sizes:
        threads, size = max(found.threads), found.sizes[0]
        panels.append(
            (
                by_time(rows, name, threads, size),
                f"milliseconds for {size}, {threads} thread{'s' * (threads > 1)}",
            )
        )
    figure, axes = pyplot.subplots(
        1, len(panels), figsize=(7.4 * len(panels), 6.2), squeeze=False, layout="constrained"
    )
    for axis, (series, title) in zip(axes[0], panels, strict=True):
        axis.set(xscale="log", xlabel=title, ylabel=f"PSNR on Y, {name} x{found.scales[0]} (dB)")
        _panel(axis, [one for one in series if one.points])
        for row in rows:
            if row.method.name in (BICUBIC, UNSHARP) and axis is axes[0][0]:
                _baseline(axis, row.quality[name].psnr, row.method.name)
    figure.draw_without_rendering()  # else nothing has its place yet
    figure.set_layout_engine("none")  # and now nothing moves any more
    for axis, (series, _) in zip(axes[0], panels, strict=True):
        _label(figure, axis, [one for one in series if one.points])
    with atomic_file(path) as temporary:
        figure.savefig(temporary, dpi=100, metadata={"Software": None})
    pyplot.close(figure)


def _panel(axis: "Axes", series: Sequence[Series]) -> None:
    """Draw marks and lines; the labels come when everything has its place."""
    from matplotlib.ticker import LogLocator, NullFormatter

    for one in series:
        x, y, _ = zip(*sorted(one.points), strict=True)
        axis.plot(
            x, y, color=one.color, marker=one.marker, linestyle=one.line or "none",
            markersize=9 if one.line else 7, linewidth=2, label=one.legend, zorder=3,
        )  # fmt: skip
    axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.grid(True, which="major", color="#e5e7eb", zorder=0)
    axis.margins(x=0.12, y=0.08)
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.11), ncol=2, fontsize=9, frameon=False)


def _baseline(axis: "Axes", psnr: float, name: str) -> None:
    axis.axhline(psnr, color="#9ca3af", linewidth=1, linestyle=":", zorder=1)
    axis.annotate(
        name, (1, psnr), (-4, 2), xycoords=("axes fraction", "data"), ha="right",
        textcoords="offset points", fontsize=8, color="#6b7280",
    )  # fmt: skip


def _label(figure: Any, axis: Any, series: Sequence[Series]) -> None:
    """One text a mark, ours first, so that they get the best places."""
    renderer, to_pixels = figure.canvas.get_renderer(), axis.transData
    taken = [_box(text, renderer) for text in axis.texts]
    texts, marks = [], []
    for one in sorted(series, key=lambda one: not one.line):
        points = to_pixels.transform([point[:2] for point in sorted(one.points)])
        taken += _along(points) if one.line else []
        for x, y, label in sorted(one.points):
            weight = "bold" if one.line else "normal"
            texts.append(axis.text(x, y, label, fontsize=9, color=one.color, fontweight=weight))
        marks += [Box(x - 5, y - 5, 10, 10) for x, y in points]
    extents = [_box(text, renderer) for text in texts]
    sizes = [(box.width + 3, box.height) for box in extents]  # else neighbours read as one word
    places = place(marks, sizes, taken, _box(axis, renderer))
    for text, mark, box in zip(texts, marks, places, strict=True):
        text.set_verticalalignment("bottom")
        text.set_position(to_pixels.inverted().transform((box.left, box.bottom)))
        centre = (mark.left + mark.width / 2, mark.bottom + mark.height / 2)
        if math.dist(centre, box.nearest(*centre)) > _NEAR:
            ends = to_pixels.inverted().transform([centre, box.nearest(*centre)])
            axis.plot(*zip(*ends, strict=True), color=text.get_color(), linewidth=0.7, zorder=2)


def _box(artist: Any, renderer: Any) -> Box:
    extent = artist.get_window_extent(renderer)
    return Box(extent.x0, extent.y0, extent.width, extent.height)


def _along(points: Sequence[Sequence[float]]) -> list[Box]:
    """Small boxes all along the line through `points`."""
    boxes = []
    for (x0, y0), (x1, y1) in pairwise(points):
        steps = max(1, int(math.hypot(x1 - x0, y1 - y0) / 4))
        parts = [step / steps for step in range(steps + 1)]
        boxes += [Box(x0 + t * (x1 - x0) - 2, y0 + t * (y1 - y0) - 2, 4, 4) for t in parts]
    return boxes
