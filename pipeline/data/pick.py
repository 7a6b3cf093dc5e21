"""A part of many photos, where all of them would take too long: seeded, stable, and with a name."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

__all__ = ["pick", "sample_name"]

Item = TypeVar("Item")


def pick(items: Sequence[Item], most: int, seed: int, of: Callable[[Item], str]) -> list[Item]:
    """`most` of the items, or all if there are no more, in their order.

    `of` says what an item is called: whether it is taken follows from that and the seed, so an item
    that is added to the others replaces one of them at most.
    """

    def place(index: int) -> bytes:
        return hashlib.sha256(f"{seed} {of(items[index])}".encode()).digest()

    return [items[index] for index in sorted(sorted(range(len(items)), key=place)[:most])]


def sample_name(names: Iterable[str]) -> str:
    """Eight digits that stand for these names, in whatever order."""
    return hashlib.sha256("\n".join(sorted(names)).encode()).hexdigest()[:8]
