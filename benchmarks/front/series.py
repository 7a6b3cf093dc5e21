"""What the plot shows: rows and published networks as marks of one group each."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.common.peers import BICUBIC
from benchmarks.front.networks import SRCNN
from benchmarks.front.published import MARKS, load_published
from benchmarks.front.results import Row, quickest
from kdsharp.runtime.catalog import DEPTHS

__all__ = ["Series", "by_cost", "by_time"]

_CITED = {"P": ("#334155", "s"), "R": ("#7c8798", "D"), "M": ("#0f766e", "^")}
_PLAIN = 3


@dataclass(frozen=True)
class Series:
    """Marks of one group, each (x, PSNR, label); a `line` style connects them: they are ours."""

    legend: str
    color: str
    marker: str
    line: str = ""
    points: list[tuple[float, float, str]] = field(default_factory=list)


def by_cost(rows: Sequence[Row], name: str) -> list[Series]:
    """PSNR by GMAC: ours, the peers that ran, and the published ones."""
    ours = {
        False: Series("kdsharp, three convolutions", "#c2410c", "o", "-"),
        True: Series("kdsharp, six convolutions", "#a21caf", "o", "-"),
    }
    here = Series("peers measured in this run", "#1d4ed8", "v")
    for row in rows:
        method = row.method
        if row.gmac is None or name not in row.quality or method.precision != "fp32":
            continue
        series = ours[_deep(row)] if method.group == "ours" else here
        point = (row.gmac, row.quality[name].psnr, _short(row))
        if all(point[2] != label for *_, label in series.points):
            series.points.append(point)
    cited = {m: Series(MARKS[m], color, mark) for m, (color, mark) in _CITED.items()}
    for peer in load_published():
        if rows and peer.scale == rows[0].method.scale and peer.gmac and name in peer.psnr:
            cited[peer.mark].points.append((peer.gmac, peer.psnr[name], peer.name))
    return [*ours.values(), here, *cited.values()]


def by_time(rows: Sequence[Row], name: str, threads: int, size: str) -> list[Series]:
    """PSNR by milliseconds, each in its quickest engine: ours, and what ran beside."""
    ours = {
        ("int8", False): Series("kdsharp, three convolutions, int8", "#c2410c", "o", "-"),
        ("fp32", False): Series("kdsharp, three convolutions, fp32", "#f59e0b", "o", "--"),
        ("int8", True): Series("kdsharp, six convolutions, int8", "#a21caf", "o", "-"),
        ("fp32", True): Series("kdsharp, six convolutions, fp32", "#d8709f", "o", "--"),
    }
    here = {
        False: Series("peers measured in this run, 8 bit", "#1e3a8a", "^"),
        True: Series("peers measured in this run, fp32", "#3b82f6", "v"),
    }
    srcnn = Series("time measured with random weights, quality as published", "#7c3aed", "P")
    published = {(p.scale, p.name): p.psnr.get(name) for p in load_published()}
    for row in quickest((r for r in rows if r.method.name != BICUBIC), threads, size):
        ms, method = row.ms(threads, size), row.method
        if ms is None:
            continue
        if row.method.name == SRCNN:
            if psnr := published.get((method.scale, SRCNN)):
                srcnn.points.append((ms, psnr, f"{SRCNN}, {method.precision}"))
            continue
        point = (ms, row.quality[name].psnr, _short(row))
        if method.group == "ours":
            ours[method.precision, _deep(row)].points.append(point)
        else:
            here[method.precision == "fp32"].points.append(point)
    return [*ours.values(), *here.values(), srcnn]


def _short(row: Row) -> str:
    """The name without the scale."""
    return row.method.name.removesuffix(f"-x{row.method.scale}")


def _deep(row: Row) -> bool:
    """Whether it is of a size with more convolutions than the plain ones; `--model` is not."""
    return _short(row) in DEPTHS and DEPTHS[_short(row)] > _PLAIN
