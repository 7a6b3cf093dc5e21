"""The models of a command, loaded, and the line that says what runs them."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kdsharp.errors import UserError

if TYPE_CHECKING:  # numpy and Pillow would double the time that --help takes
    from kdsharp.sharpen import Sharpener

__all__ = ["Runtime", "load_sharpeners"]

_SCALES = ("2", "3", "4", "auto")


@dataclass(frozen=True)
class Runtime:
    """How models are run: the options that all commands share."""

    model: Path | None = None
    strength: float = 1.0
    engine: str = "auto"
    precision: str = "auto"
    threads: int | None = None
    quiet: bool = False


def load_sharpeners(
    runtime: Runtime, scale: str | None = None, streams: int = 1
) -> "Mapping[int, Sharpener]":
    """A sharpener for `scale`, or with `auto` for each scale that ships, by its scale.

    `streams` is that of `kdsharp.engine.load_engine`. Says on stderr which models run where, unless
    it is to be quiet. Raises `UserError` for a model, a scale, an engine or a precision that is
    none.
    """
    from kdsharp.engine import load_engine
    from kdsharp.model import find_model, scales_of
    from kdsharp.sharpen import Sharpener

    if scale not in (None, *_SCALES):
        raise UserError(f"scale {scale!r} is unknown: choose {', '.join(_SCALES[:-1])} or auto")
    wanted = scales_of(runtime.model) if scale == "auto" else [int(scale) if scale else None]
    folders = [find_model(runtime.model, one) for one in wanted]
    options = (runtime.engine, runtime.threads, runtime.precision, streams)
    engines = [load_engine(folder, *options) for folder in folders]
    sharpeners = [Sharpener(engine=engine, strength=runtime.strength) for engine in engines]
    if not runtime.quiet:
        names, first = ", ".join(folder.name for folder in folders), engines[0]
        where = f"{first.name} on {first.device} in {first.precision}"
        print(f"kdsharp: {names}: {where}", file=sys.stderr, flush=True)
    return {one.card.scale: one for one in sharpeners}
