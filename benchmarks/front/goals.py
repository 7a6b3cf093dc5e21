"""What this project set out to reach, and by how much it does."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.front.networks import SRCNN
from benchmarks.front.published import load_published
from benchmarks.front.results import Found, Row

__all__ = ["Verdict", "check_goals"]

_FIELD = ("Set5", "Set14", "B100")
_ENGINE, _THREADS, _SIZE = "openvino", 2, "720p"
_INT8_LOSS = 0.1
_SRCNN_RATIO = 12.0


_Psnr = tuple[float, float, float]


@dataclass(frozen=True)
class _Goal:
    """At least `psnr` on `_FIELD`, through the int8 file.

    At most `gmac` and `ms` (720p, int8, two threads), or `_SLOWER` times as long as the size
    `beside` takes.
    """

    psnr: _Psnr
    gmac: float | None = None
    ms: float | None = None
    beside: str | None = None


_X2 = {
    "nano": _Goal((36.80, 32.55, 31.38), gmac=1, ms=6),
    "small": _Goal((37.00, 32.70, 31.52), gmac=4, ms=10),
    "large": _Goal((37.20, 32.90, 31.65), gmac=12, ms=28),
    "deep-small": _Goal((37.25, 32.85, 31.63), beside="small"),
    "deep-large": _Goal((37.50, 33.05, 31.85), beside="large"),
}
_DEEP = [size for size, goal in _X2.items() if goal.beside]
_SLOWER = 1.1


@dataclass(frozen=True)
class Verdict:
    """One goal; `by` is what was found less the goal, or for a ratio how many times the goal.

    `reached` is None where this run did not measure what it takes to say so.
    """

    what: str
    aim: str
    found: str
    reached: bool | None
    by: str = ""


def check_goals(found: Found) -> list[Verdict]:
    """Every goal, in the order of the sizes."""
    verdicts: list[Verdict] = []
    for size, goal in _X2.items():
        verdicts += _size(found, f"{size}-x2", goal)
    verdicts += _beside_srcnn(found)
    espcn = {p.scale: p.psnr["Set5"] for p in load_published() if p.name == "ESPCN"}
    for scale, aim in espcn.items():
        own = [row.method.name for row in found.of(scale) if row.method.group == "ours"]
        for name in dict.fromkeys([*own, *(f"{size}-x{scale}" for size in _DEEP)]):
            what = f"{name}: Set5 above ESPCN as published, int8"
            int8 = found.find(name, _ENGINE, "int8")
            verdicts.append(_at_least(what, (aim,), _psnr(int8, _FIELD[:1])))
            verdicts.append(_loss(found, name))
    return verdicts


def _size(found: Found, name: str, goal: _Goal) -> Iterator[Verdict]:
    fp32, int8 = (found.find(name, _ENGINE, precision) for precision in ("fp32", "int8"))
    if goal.gmac is not None:
        gmac = fp32.gmac if fp32 else None
        yield _at_most(f"{name}: GMAC at 720p", goal.gmac, gmac, "GMAC", 2)
    if goal.ms is not None:
        ms = int8.ms(_THREADS, _SIZE) if int8 else None
        yield _at_most(f"{name}: int8, 720p, {_THREADS} threads", goal.ms, ms, "ms", 1)
    if goal.beside is not None:
        yield from _beside(found, name, f"{goal.beside}-x2")
    yield _at_least(f"{name}: {' / '.join(_FIELD)}, int8", goal.psnr, _psnr(int8, _FIELD))
    yield _loss(found, name)


def _beside(found: Found, name: str, other: str) -> Iterator[Verdict]:
    """The time of `name` in that of `other`: same engine, precision, threads and run."""
    aim = f"at most {_SLOWER:g} times"
    for precision in ("fp32", "int8"):
        what = f"{name}: time beside {other}, {precision}, {_SIZE}, {_THREADS} threads"
        rows = (found.find(one, _ENGINE, precision) for one in (name, other))
        own, others = (row and row.ms(_THREADS, _SIZE) for row in rows)
        if not own or not others:
            yield _unknown(what, aim)
            continue
        ratio = own / others
        by = f"{ratio / _SLOWER:.2f} times"
        yield Verdict(what, aim, f"{ratio:.2f} times", ratio <= _SLOWER, by)


def _loss(found: Found, name: str) -> Verdict:
    """How much int8 loses, on the set where it loses most."""
    what, aim = f"{name}: int8 below fp32 by", f"at most {_INT8_LOSS} dB"
    rows = [found.find(name, _ENGINE, precision) for precision in ("fp32", "int8")]
    before, after = (_psnr(row, found.sets) for row in rows)
    if not before or not after:
        return _unknown(what, aim)
    worst = max(fp32 - int8 for fp32, int8 in zip(before, after, strict=True))
    return Verdict(what, aim, f"{worst:.3f} dB", worst <= _INT8_LOSS, f"{worst - _INT8_LOSS:+.3f}")


def _beside_srcnn(found: Found) -> Iterator[Verdict]:
    """The time of `small` beside SRCNN's: same engine, precision, threads and run."""
    small, srcnn = (found.find(name, _ENGINE, "int8") for name in ("small-x2", SRCNN))
    aim = f"at most 1/{_SRCNN_RATIO:.0f}"
    for size in found.sizes:
        what = f"small-x2: time beside SRCNN, int8, {size}, {_THREADS} threads"
        ours, theirs = (row and row.ms(_THREADS, size) for row in (small, srcnn))
        if not ours or not theirs:
            yield _unknown(what, aim)
            continue
        ratio = theirs / ours
        by = f"{_SRCNN_RATIO / ratio:.2f} times"
        yield Verdict(what, aim, f"1/{ratio:.1f}", ratio >= _SRCNN_RATIO, by)
    published = next(p for p in load_published() if p.name == SRCNN and p.scale == 2)
    aims = tuple(published.psnr[name] for name in _FIELD)
    what = f"small-x2: above SRCNN as published, {' / '.join(_FIELD)}, int8"
    yield _at_least(what, aims, _psnr(small, _FIELD))


def _psnr(row: Row | None, sets: Sequence[str]) -> list[float] | None:
    """The PSNR on `sets`; None unless all of them, whole, were measured."""
    if row is None or not all(name in row.quality for name in sets):
        return None
    return [row.quality[name].psnr for name in sets]


def _at_most(what: str, aim: float, value: float | None, unit: str, digits: int) -> Verdict:
    limit = f"at most {aim:g} {unit}"
    if value is None:
        return _unknown(what, limit)
    found, by = f"{value:.{digits}f} {unit}", f"{value - aim:+.{digits}f}"
    return Verdict(what, limit, found, value <= aim, by)


def _at_least(what: str, aims: Sequence[float], values: Sequence[float] | None) -> Verdict:
    aim = "at least " + " / ".join(f"{value:.2f}" for value in aims) + " dB"
    if values is None:
        return _unknown(what, aim)
    # As far as the tables show: 36.996 is 37.00 to a reader.
    over = [round(value, 2) - aim for value, aim in zip(values, aims, strict=True)]
    found = " / ".join(f"{value:.2f}" for value in values) + " dB"
    return Verdict(what, aim, found, min(over) > -1e-9, " / ".join(f"{d:+.2f}" for d in over))


def _unknown(what: str, aim: str) -> Verdict:
    return Verdict(what, aim, "not measured", None)
