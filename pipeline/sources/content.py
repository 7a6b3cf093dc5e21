"""A photo's split follows from its content, so that adding photos moves none of the others."""

from collections.abc import Sequence

from pipeline.sources.source import SPLITS, Photo, Split, Splits

__all__ = ["by_content", "position"]


def position(sha256: str) -> float:
    """Where a content lies in 0..1, evenly spread: the first 52 bits of its SHA-256."""
    return int(sha256[:13], 16) / 16**13


def by_content(photos: Sequence[Photo], val: float, test: float) -> Splits:
    """Test below the share `test`, val in the share `val` above it, train in the rest.

    A split that stays empty takes the photo whose position is nearest to its range, from a split
    that has more than one: a later photo that falls into the range by itself ends that.
    """
    ranges: dict[Split, tuple[float, float]] = {
        "test": (0.0, test),
        "val": (test, test + val),
        "train": (test + val, 1.0),
    }
    splits: Splits = {
        split: [p for p in photos if low <= position(p.sha256) < high]
        for split, (low, high) in ranges.items()
    }
    for split, (low, high) in ranges.items():
        if not splits[split]:
            _fill(splits, split, low, high)
    return {split: splits[split] for split in SPLITS}


def _fill(splits: Splits, empty: Split, low: float, high: float) -> None:
    spare = [(split, p) for split, members in splits.items() if len(members) > 1 for p in members]
    donor, photo = min(spare, key=lambda item: (_away(item[1], low, high), item[1].sha256))
    splits[donor].remove(photo)
    splits[empty].append(photo)


def _away(photo: Photo, low: float, high: float) -> float:
    here = position(photo.sha256)
    return max(low - here, here - high)
