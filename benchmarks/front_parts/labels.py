"""Where the labels of a plot go so that they cover neither each other nor a mark."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

__all__ = ["Box", "place"]

_GAP = 5.0
_STEPS = 12


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
