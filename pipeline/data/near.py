"""Which of many perceptual hashes are near each other, without comparing each with each.

Hashes at most `distance` bits apart agree in one of `distance + 1` parts of their bits at least, so
only those that share a part are compared. Neighbouring bits go to different parts: the lowest
frequencies, in which photos are most alike, would else fill a part by themselves.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["near_groups", "near_pairs"]

_BITS = 64
_AT_ONCE = 4_000_000  # pairs compared at a time: some 150 MB


def near_pairs(hashes: Sequence[int | None], distance: int) -> NDArray[np.int64]:
    """Positions (N, 2) of all pairs at most `distance` bits apart, the lower first, in order.

    None stands for a picture without a hash, which is near to no other.
    """
    known = np.array([i for i, bits in enumerate(hashes) if bits is not None], np.int64)
    bits = np.array([hashes[i] for i in known], np.uint64)
    found = [_pairs_of(bits, part, distance) for part in _parts(bits, distance + 1)]
    pairs = np.concatenate([np.empty((0, 2), np.int64), *found])
    each_once: NDArray[np.int64] = known[np.unique(pairs, axis=0)]
    return each_once


def near_groups(hashes: Sequence[int | None], distance: int) -> list[list[int]]:
    """All positions in groups, in order; what is near, also by way of others, is together."""
    first: dict[int, int] = {}
    same = [(first.setdefault(bits, i), i) for i, bits in enumerate(hashes) if bits is not None]
    # Of a thousand equal hashes one is compared with the others.
    alone = [
        bits if bits is not None and first[bits] == i else None for i, bits in enumerate(hashes)
    ]
    parent = list(range(len(hashes)))
    for one, other in [*same, *near_pairs(alone, distance).tolist()]:
        low, high = sorted((_root(parent, one), _root(parent, other)))
        parent[high] = low
    groups: dict[int, list[int]] = {}
    for member in range(len(hashes)):
        groups.setdefault(_root(parent, member), []).append(member)
    return list(groups.values())


def _root(parent: list[int], member: int) -> int:
    while parent[member] != member:
        parent[member] = parent[parent[member]]
        member = parent[member]
    return member


def _parts(bits: NDArray[np.uint64], count: int) -> Iterator[NDArray[np.uint64]]:
    """Every `count`-th bit of each hash, from the first, the second ... on."""
    for first in range(count):
        mask = sum(1 << bit for bit in range(first, _BITS, count))
        yield bits & np.uint64(mask)


def _pairs_of(
    bits: NDArray[np.uint64], part: NDArray[np.uint64], distance: int
) -> NDArray[np.int64]:
    """The near pairs among hashes with an equal `part`."""
    order = np.argsort(part, kind="stable")
    starts = np.flatnonzero(np.diff(part[order], prepend=~part[order[:1]]))
    sizes = np.diff(starts, append=len(order))
    # How many members of the same part stand behind each one: so many pairs begin with it.
    behind = np.repeat(starts + sizes, sizes) - np.arange(len(order)) - 1
    total = np.cumsum(behind)
    found = [np.empty((0, 2), np.int64)]
    first = done = 0
    while first < len(order):
        last = max(first + 1, int(np.searchsorted(total, done + _AT_ONCE, "right")))
        many = behind[first:last]
        one = np.repeat(np.arange(first, last), many)
        begun = np.repeat(total[first:last] - many - done, many)
        other = one + 1 + np.arange(len(one)) - begun
        pairs = np.stack([order[one], order[other]], axis=1)
        near = np.bitwise_count(bits[pairs[:, 0]] ^ bits[pairs[:, 1]]) <= distance
        found.append(np.sort(pairs[near], axis=1))
        first, done = last, int(total[last - 1])
    return np.concatenate(found)
