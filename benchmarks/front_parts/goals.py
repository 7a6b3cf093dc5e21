"""What this project set out to reach, and by how much it does."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.front_parts.networks import SRCNN
from benchmarks.front_parts.published import load_published
from benchmarks.front_parts.results import Found, Row

__all__ = ["Verdict", "judge"]

_FIELD = ("Set5", "Set14", "B100")
_ENGINE, _THREADS, _SIZE = "openvino", 2, "720p"
_INT8_LOSS = 0.1
_SRCNN_RATIO = 12.0


@dataclass(frozen=True)
class _Goal:
    """At most `gmac` and `ms` (720p, int8, two threads), at least `psnr` on `_FIELD`."""

    gmac: float
    ms: float
    psnr: tuple[float, float, float]


_X2 = {
    "nano": _Goal(1, 6, (36.5, 32.3, 31.2)),
    "small": _Goal(4, 10, (37.0, 32.7, 31.6)),
    "large": _Goal(12, 28, (37.3, 32.9, 31.75)),
}


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


def judge(found: Found) -> list[Verdict]:
    """Every goal, in the order of the sizes."""
    verdicts: list[Verdict] = []
    for size, goal in _X2.items():
        verdicts += _size(found, f"{size}-x2", goal)
    verdicts += _beside_srcnn(found)
    espcn = {p.scale: p.psnr["Set5"] for p in load_published() if p.name == "ESPCN"}
    for scale, aim in espcn.items():
        own = [row.method.name for row in found.of(scale) if row.method.kind == "ours"]
        for name in dict.fromkeys(own):
            what = f"{name}: Set5 above ESPCN as published"
            verdicts += _each_precision(found, name, what, (aim,), _FIELD[:1])
            verdicts.append(_loss(found, name))
        if not own:
            what = f"x{scale}: Set5 above ESPCN as published"
            verdicts.append(_unknown(what, f"at least {aim:.2f} dB"))
    return verdicts


def _size(found: Found, name: str, goal: _Goal) -> Iterator[Verdict]:
    fp32, int8 = (found.find(name, _ENGINE, precision) for precision in ("fp32", "int8"))
    gmac = fp32.gmac if fp32 else None
    ms = int8.ms(_THREADS, _SIZE) if int8 else None
    yield _at_most(f"{name}: GMAC at 720p", goal.gmac, gmac, "GMAC", 2)
    yield _at_most(f"{name}: int8, 720p, {_THREADS} threads", goal.ms, ms, "ms", 1)
    yield from _each_precision(found, name, f"{name}: {' / '.join(_FIELD)}", goal.psnr, _FIELD)
    yield _loss(found, name)


def _each_precision(
    found: Found, name: str, what: str, aims: Sequence[float], sets: Sequence[str]
) -> Iterator[Verdict]:
    for precision in ("fp32", "int8"):
        row = found.find(name, _ENGINE, precision)
        yield _at_least(f"{what}, {precision}", aims, _psnr(row, sets))


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
    what = f"small-x2: above SRCNN as published, {' / '.join(_FIELD)}"
    yield from _each_precision(found, "small-x2", what, aims, _FIELD)


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
