"""From a list of methods to rows: their quality on photos and their times in rounds."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.common.command import log
from benchmarks.common.method import Method
from benchmarks.common.peers import peer_methods, pillow_methods
from benchmarks.common.photos import Quality, Sets, samples, score_set
from benchmarks.common.timing import Cell, Timing, run_rounds
from benchmarks.front.chain import LARGE_SIZE
from benchmarks.front.networks import SRCNN, network_methods, students
from benchmarks.front.results import SIZES
from benchmarks.front.retrained.methods import retrained_methods
from benchmarks.front.untrained import missing_sizes, untrained_student
from pipeline.params import EvaluateParams

__all__ = ["Peaks", "Plan", "Times", "list_methods", "measure_quality", "measure_time"]

Times = dict[tuple[int, str], Timing]
"""By thread number and size."""

Peaks = dict[tuple[str, int], float]
"""GMAC/s by precision and thread number."""


@dataclass(frozen=True)
class Plan:
    """What is compared.

    `extra` are students beside those that ship, `srcnn` is its model folder, `peers` holds the
    files of peers, and files that are made on the way go into the folder `scratch`. `timed`: sizes
    that do not ship are there as well, with random weights.
    """

    extra: Sequence[Path]
    srcnn: Path
    peers: Path | None
    engines: Sequence[str]
    evaluate: EvaluateParams
    scratch: Path
    timed: bool = True


def list_methods(plan: Plan, scale: int) -> tuple[list[Method], list[str]]:
    """What is compared at `scale`, and what had to be left out."""
    radius, percent = plan.evaluate.unsharp_radius, plan.evaluate.unsharp_percent
    methods = pillow_methods(scale, radius, percent)
    opencv, notes = peer_methods(plan.peers, scale)
    retrained, missing = retrained_methods(plan.peers, scale, plan.engines, plan.scratch)
    own, said = _own(plan, scale)
    methods += own
    if scale == 2:  # its time is the same at every scale
        methods += network_methods(SRCNN, plan.srcnn, "peer", plan.engines)[0]
    return methods + retrained + opencv, notes + missing + said


def _own(plan: Plan, scale: int) -> tuple[list[Method], list[str]]:
    """The students at `scale`, by their computation."""
    found = [student for student in students(plan.extra) if student[2].scale == scale]
    absent = missing_sizes(scale, [card for *_, card in found])
    methods: list[Method] = []
    notes: list[str] = []
    for name, folder, _ in found:
        made, missing = network_methods(name, folder, "ours", plan.engines, scored=True)
        methods, notes = methods + made, notes + missing
    if not found:
        notes.append(f"x{scale}: no student ships for it, and none was named (`--model`).")
    for size in absent:
        name, less = f"{size}-x{scale}", "its quality is left empty"
        if plan.timed:
            folder = untrained_student(size, scale, plan.scratch)
            methods += network_methods(name, folder, "ours", plan.engines)[0]
            less = f"its time is that of random weights, and {less}"
        notes.append(f"{name}: does not ship yet, so {less}.")
    return sorted(methods, key=lambda method: method.macs_per_pixel or 0), notes


def measure_quality(
    methods: Sequence[Method], sets: Sets, scale: int
) -> dict[Method, dict[str, Quality]]:
    """The quality of every method that has one, on every set."""
    scored = [(method, method.load) for method in methods if method.load]
    found: dict[Method, dict[str, Quality]] = {method: {} for method, _ in scored}
    for title, paths in sets.items():
        log(f"x{scale}: quality of {len(scored)} rows on {len(paths)} photos of {title}")
        photos = list(samples(paths, scale))
        for method, load in scored:  # one model in memory at a time
            found[method][title] = score_set(photos, load(), scale)
    return found


def measure_time(
    methods: Sequence[Method],
    peak: Sequence[Method],
    rounds: int,
    threads: Sequence[int],
    sizes: Sequence[str],
) -> tuple[dict[Method, Times], Peaks]:
    """Times by method, and the rate of the quickest of `peak`, networks made to be quick.

    Nothing is timed when `sizes` is empty.
    """
    if not sizes:
        return {}, {}
    turns = [
        (method, count, size)
        for method in methods
        for count in ([1] if method.single else threads)
        for size in sizes
    ]
    turns += [(method, count, "peak") for method in peak for count in threads]
    log(f"timing {len(turns)} cases in {rounds} rounds")
    where = SIZES | {"peak": LARGE_SIZE}
    cells = [Cell(turn, partial(turn[0].prepare, turn[1], *where[turn[2]])) for turn in turns]
    taken = run_rounds(cells, rounds, lambda n: log(f"round {n} of {rounds} is done"))
    times: dict[Method, Times] = {method: {} for method in methods}
    peaks: Peaks = {}
    for method, count, size in turns:
        timing = taken[method, count, size]
        if size == "peak":
            key = (method.precision, count)
            peaks[key] = max(peaks.get(key, 0.0), _rate(method, timing))
        else:
            times[method][count, size] = timing
    return times, peaks


def _rate(method: Method, timing: Timing) -> float:
    """GMAC/s on the pixels that the large convolutions are timed on."""
    assert method.macs_per_pixel is not None
    return method.macs_per_pixel * LARGE_SIZE[0] * LARGE_SIZE[1] / 1e6 / timing.median
