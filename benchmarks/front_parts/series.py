"""What the plot shows: rows and published networks as marks of one kind each."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.front_parts.networks import SRCNN
from benchmarks.front_parts.peers import BICUBIC
from benchmarks.front_parts.published import MARKS, load_published
from benchmarks.front_parts.results import Row, quickest

__all__ = ["Series", "by_cost", "by_time"]

_CITED = {"P": ("#334155", "s"), "R": ("#7c8798", "D"), "M": ("#0f766e", "^")}
_ENGINES = {"openvino": "OpenVINO", "onnxruntime": "ONNX Runtime"}


@dataclass(frozen=True)
class Series:
    """Marks of one kind, each (x, PSNR, label); a `line` style connects them: they are ours."""

    legend: str
    color: str
    marker: str
    line: str = ""
    points: list[tuple[float, float, str]] = field(default_factory=list)


def by_cost(rows: Sequence[Row], name: str) -> list[Series]:
    """PSNR by GMAC: ours, the peers that ran, and the published ones."""
    ours = Series("kdsharp", "#c2410c", "o", "-")
    here = Series("peers measured in this run", "#1d4ed8", "v")
    for row in rows:
        method = row.method
        if row.gmac is None or name not in row.quality or method.precision != "fp32":
            continue
        series = ours if method.kind == "ours" else here
        point = (row.gmac, row.quality[name].psnr, _short(row))
        if all(point[2] != label for *_, label in series.points):
            series.points.append(point)
    cited = {m: Series(MARKS[m], color, mark) for m, (color, mark) in _CITED.items()}
    for peer in load_published():
        if rows and peer.scale == rows[0].method.scale and peer.gmac and name in peer.psnr:
            cited[peer.mark].points.append((peer.gmac, peer.psnr[name], peer.name))
    return [ours, here, *cited.values()]


def by_time(rows: Sequence[Row], name: str, threads: int, size: str) -> list[Series]:
    """PSNR by milliseconds: ours in each precision in the quickest engine, and what ran beside."""
    ours = {
        "int8": Series("kdsharp, int8, quickest engine", "#c2410c", "o", "-"),
        "fp32": Series("kdsharp, fp32, quickest engine", "#f59e0b", "o", "--"),
    }
    here = Series("peers measured in this run, fp32", "#1d4ed8", "v")
    srcnn = Series("time measured with random weights, quality as published", "#7c3aed", "P")
    published = {(p.scale, p.name): p.psnr.get(name) for p in load_published()}
    own = [row for row in rows if row.method.kind == "ours" or row.method.name == SRCNN]
    others = [row for row in rows if row not in own and row.method.name != BICUBIC]
    for row in (*quickest(own, threads, size), *others):
        ms, method = row.ms(threads, size), row.method
        if ms is None:
            continue
        if row.method.name == SRCNN:
            if psnr := published.get((method.scale, SRCNN)):
                srcnn.points.append((ms, psnr, f"{SRCNN}, {method.precision}"))
        elif method.kind == "ours":
            ours[method.precision].points.append((ms, row.quality[name].psnr, _short(row)))
        else:
            engine = _ENGINES.get(method.engine, method.engine)
            net = method.name.split(" (")[0]
            label = method.name if method.single else f"{net} in {engine}"
            here.points.append((ms, row.quality[name].psnr, label))
    return [*ours.values(), here, srcnn]


def _short(row: Row) -> str:
    """The name without the scale."""
    return row.method.name.removesuffix(f"-x{row.method.scale}")
