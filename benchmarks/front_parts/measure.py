"""From a list of methods to rows: their quality on photos and their times in rounds."""

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from benchmarks.front_parts.chain import LARGE_SIZE
from benchmarks.front_parts.method import Method
from benchmarks.front_parts.networks import SRCNN, network_methods, students
from benchmarks.front_parts.peers import peer_methods, pillow_methods
from benchmarks.front_parts.photos import Sets, samples
from benchmarks.front_parts.quality import Quality, score_set
from benchmarks.front_parts.results import SIZES
from benchmarks.front_parts.timing import Cell, Timing, run_rounds
from pipeline.params import EvaluateParams

__all__ = ["list_methods", "measure_quality", "measure_time", "say"]

Times = dict[tuple[int, str], Timing]
"""By thread number and size."""

Peaks = dict[tuple[str, int], float]
"""GMAC/s by precision and thread number."""


def list_methods(
    scale: int,
    extra: Sequence[Path],
    srcnn: Path,
    peers: Path | None,
    engines: Sequence[str],
    evaluate: EvaluateParams,
) -> tuple[list[Method], list[str]]:
    """What is compared at `scale`, and what had to be left out.

    `extra` are students beside those that ship, `srcnn` is its model folder, and `peers` holds the
    files that OpenCV reads.
    """
    methods = pillow_methods(scale, evaluate.unsharp_radius, evaluate.unsharp_percent)
    methods_of_peers, notes = peer_methods(peers, scale)
    own = [(name, folder) for name, folder, card in students(extra) if card.scale == scale]
    if not own:
        notes.append(f"x{scale}: no student ships for it, and none was named (`--model`).")
    for name, folder in own:
        found, missing = network_methods(name, folder, "ours", engines)
        methods, notes = methods + found, notes + missing
    if scale == 2:  # its time is the same at every scale
        methods += network_methods(SRCNN, srcnn, "peer", engines)[0]
    return methods + methods_of_peers, notes


def measure_quality(
    methods: Sequence[Method], sets: Sets, scale: int
) -> dict[Method, dict[str, Quality]]:
    """The quality of every method that has one, on every set."""
    scored = [(method, method.load) for method in methods if method.load]
    found: dict[Method, dict[str, Quality]] = {method: {} for method, _ in scored}
    for title, paths in sets.items():
        say(f"x{scale}: quality of {len(scored)} rows on {len(paths)} photos of {title}")
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
    say(f"timing {len(turns)} cases in {rounds} rounds")
    where = SIZES | {"peak": LARGE_SIZE}
    cells = [Cell(turn, partial(turn[0].prepare, turn[1], *where[turn[2]])) for turn in turns]
    taken = run_rounds(cells, rounds, lambda n: say(f"round {n} of {rounds} is done"))
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


def say(line: str) -> None:
    """Progress, on stderr: the page may go to stdout."""
    print(line, file=sys.stderr, flush=True)
