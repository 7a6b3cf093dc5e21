"""What a run found: for every method its quality and its times."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.common.method import Method
from benchmarks.common.photos import Quality
from benchmarks.common.timing import Timing

__all__ = ["SIZES", "Found", "Row", "quickest"]

SIZES = {"720p": (720, 1280), "1080p": (1080, 1920)}
"""Height and width by name."""

_PIXELS = SIZES["720p"][0] * SIZES["720p"][1]


@dataclass(frozen=True)
class Row:
    """A method with its quality by set and its times by (threads, size)."""

    method: Method
    quality: Mapping[str, Quality] = field(default_factory=dict)
    times: Mapping[tuple[int, str], Timing] = field(default_factory=dict)

    @property
    def gmac(self) -> float | None:
        """G multiply-accumulates for an output of 1280x720."""
        macs = self.method.macs_per_pixel
        return None if macs is None else macs * _PIXELS / 1e9

    def rate(self, threads: int, size: str) -> float | None:
        """GMAC/s reached, from the median time; None where nothing was counted or timed."""
        if self.method.macs_per_pixel is None or (threads, size) not in self.times:
            return None
        height, width = SIZES[size]
        macs = self.method.macs_per_pixel * height * width
        return macs / 1e6 / self.times[threads, size].median

    def ms(self, threads: int, size: str) -> float | None:
        """The median time in milliseconds; a method of one thread has that time everywhere."""
        timing = self.times.get((1 if self.method.single else threads, size))
        return timing.median if timing else None


@dataclass(frozen=True)
class Found:
    """All rows, and what is needed to read them.

    `peaks`: GMAC/s of the large convolution by (scale, precision, threads); the scale names the
    turn in which it was timed. `sets`: titles. `about`: lines on how this run was made, `notes`:
    lines on what is missing and why.
    """

    rows: Sequence[Row]
    peaks: Mapping[tuple[int, str, int], float]
    sets: Sequence[str]
    sizes: Sequence[str]
    threads: Sequence[int]
    about: Sequence[str]
    notes: Sequence[str]

    @property
    def scales(self) -> list[int]:
        """Every scale that has rows, in order."""
        return sorted({row.method.scale for row in self.rows})

    def of(self, scale: int) -> list[Row]:
        """The rows at `scale`."""
        return [row for row in self.rows if row.method.scale == scale]

    def find(self, name: str, engine: str, precision: str) -> Row | None:
        """The row of a method in an engine and precision, if it was measured."""
        key = (name, engine, precision)
        for row in self.rows:
            if (row.method.name, row.method.engine, row.method.precision) == key:
                return row
        return None


def quickest(rows: Iterable[Row], threads: int, size: str) -> list[Row]:
    """Of each name and precision the row whose engine took the least time; order is kept."""
    best: dict[tuple[str, str], Row] = {}
    for row in rows:
        key = (row.method.name, row.method.precision)
        if key not in best or _time(row, threads, size) < _time(best[key], threads, size):
            best[key] = row
    return list(best.values())


def _time(row: Row, threads: int, size: str) -> float:
    return row.ms(threads, size) or float("inf")
