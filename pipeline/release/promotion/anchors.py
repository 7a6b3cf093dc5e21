"""Which versions a candidate is compared with: the incumbent, the best so far, and the first."""

from collections.abc import Iterator, Sequence
from typing import Literal

from pipeline.release.registry.history import Entry, known_scores

__all__ = ["Name", "anchors"]

Name = Literal["best", "first"]


def anchors(entries: Sequence[Entry], gate_set: str) -> Iterator[tuple[Name, int]]:
    """The names and numbers of versions that production is not to fall behind, most wanted first.

    Those that were taken back do not count. Where a person overruled the gate, production began
    anew: what was before is no bar. The best is the one with the highest Y-PSNR on the set with
    the SHA-256 `gate_set`; the others follow it, in case that it cannot be had.
    """
    forced = {e.version: e.forced for e in entries if e.action == "promote"}
    line = list(dict.fromkeys(entries[-1].stack if entries else ()))
    start = max((index for index, number in enumerate(line) if forced.get(number)), default=0)
    line = line[start:]
    if line:
        yield "first", line[0]
    scores = known_scores(entries, gate_set)
    for number in sorted((n for n in line if n in scores), key=lambda n: (-scores[n], n)):
        yield "best", number
