"""The models of a command, loaded, and the line that says what runs them."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kdsharp.errors import UserError

if TYPE_CHECKING:  # numpy and Pillow would double the time that --help takes
    from kdsharp.auto import AutoSharpener

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
) -> "AutoSharpener":
    """The sharpener for `scale`; with `auto` all that ship of the model's size, to choose among.

    Without a scale that is `auto` where no model or a size is named. `streams` is that of
    `kdsharp.engine.load_engine`. Says on stderr which models run where, unless it is to be quiet.
    Raises `UserError` for a model, a scale, an engine or a precision that is none.
    """
    from kdsharp.auto import AutoSharpener
    from kdsharp.model import family_of, find_model, named_size

    if scale not in (None, *_SCALES):
        raise UserError(f"scale {scale!r} is unknown: choose {', '.join(_SCALES[:-1])} or auto")
    if scale == "auto" or (scale is None and named_size(runtime.model)):
        folders = family_of(runtime.model)
    else:
        folders = [find_model(runtime.model, int(scale) if scale else None)]

    sharpeners = AutoSharpener.of(
        folders,
        engine=runtime.engine,
        strength=runtime.strength,
        threads=runtime.threads,
        precision=runtime.precision,
        streams=streams,
    )
    engine = sharpeners.first.engine  # mistakes are told before anything runs
    if not runtime.quiet:
        names = folders[0].name
        if len(folders) > 1:
            names += f" or one of {len(folders) - 1} others, by the picture"
        where = f"{engine.name} on {engine.device} in {engine.precision}"
        print(f"kdsharp: {names}: {where}", file=sys.stderr, flush=True)
    return sharpeners
