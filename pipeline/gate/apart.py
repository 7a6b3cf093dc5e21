"""No photo that a candidate is judged on may be one that it was trained or chosen with."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from kdsharp.errors import UserError
from pipeline.gate.crops import Source
from pipeline.names import printable
from pipeline.sources.apart import find_twins

__all__ = ["check_apart"]


def check_apart(
    sources: Sequence[Source], manifest: pd.DataFrame, raw: Path, distance: int
) -> None:
    """Raise `UserError` if a photo of the gate is a training photo, or a near duplicate of one.

    `distance` is the most bits (of 64) by which the fingerprints of near duplicates differ.
    """
    for twin in find_twins(sources, manifest, raw, distance):
        raise UserError(
            f"the gate's photo {printable(twin.name)} is also {printable(twin.of)} ({twin.how}), "
            "so nothing can be judged on it: take it out of the training photos, or raise "
            "gate.edition for a gate without it"
        )
