"""What several commands share: their options, and the sharpener that they ask for."""

import dataclasses
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:  # numpy and Pillow would double the time of --help
    from kdsharp.sharpening.sharpener import Sharpener

__all__ = [
    "Codec",
    "Crf",
    "Crisp",
    "Drop",
    "EngineName",
    "Load",
    "Model",
    "Precision",
    "Preset",
    "Quiet",
    "Runtime",
    "Scale",
    "Steady",
    "Strength",
    "Threads",
    "load_sharpener",
    "names_of",
    "quicker_than",
]

Model = Annotated[
    str | None,  # as it is written: a path would lose the ./ that says folder
    typer.Option(
        metavar="NAME|PATH",
        help="A model that ships (see kdsharp models), a size, or the folder of one model or of a "
        "set; by default $KDSHARP_MODEL, else small.",
    ),
]
Scale = Annotated[
    str | None,
    typer.Option(
        metavar="2|3|4|auto",
        help="Undo smooth enlarging by this much. auto, the default where no model is named, "
        "chooses by the picture.",
    ),
]
Strength = Annotated[
    float,
    typer.Option(help="0 (unchanged) to 1 (all that the model adds), or up to 2: more than that."),
]
Crisp = Annotated[
    float,
    typer.Option(help="0 (not) to 1: crispen gently, photos that are sharp already too."),
]
EngineName = Annotated[str, typer.Option("--engine", help="auto, openvino or onnxruntime.")]
Threads = Annotated[int | None, typer.Option(help="Threads for the engine; by default it chooses.")]
Precision = Annotated[
    str,
    typer.Option(
        help="fp32, int8 if the model has it, or auto: int8 where it is worth it, in OpenVINO on "
        "CPUs with VNNI or AMX."
    ),
]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Print nothing but errors.")]


Codec = Annotated[
    str | None,
    typer.Option(
        help="For videos: h264, hevc, av1, vp9 or ffv1 (lossless); by default what suits the kind "
        "of file and the depth."
    ),
]
Crf = Annotated[
    int | None,
    typer.Option(help="For videos: the quality, lower is better and larger; 23 with h264."),
]
Preset = Annotated[
    str | None, typer.Option(help="For videos: the encoder's, slower is smaller; h264: veryfast.")
]
Steady = Annotated[
    bool,
    typer.Option(help="For videos: keep from flickering what stands still."),
]
Drop = Annotated[
    str,
    typer.Option(
        metavar="WHAT,...",
        help="For videos: what to leave out where the output cannot hold it, such as subtitles.",
    ),
]


def names_of(listed: str) -> frozenset[str]:
    """The names in a comma-separated list."""
    return frozenset(name.strip() for name in listed.split(",") if name.strip())


@dataclass(frozen=True)
class Runtime:
    """How models are run: the options that all commands share."""

    model: str | None = None
    strength: float = 1.0
    engine: str = "auto"
    precision: str = "auto"
    threads: int | None = None
    quiet: bool = False
    crisp: float = 0.0


@dataclass(frozen=True)
class Load:
    """`load_sharpener` for so many calls at a time, as plain values: another machine may do it."""

    runtime: Runtime
    scale: int | str | None = None

    def __call__(self, streams: int) -> "Sharpener":
        """The sharpener."""
        return load_sharpener(self.runtime, self.scale, streams)


def load_sharpener(
    runtime: Runtime, scale: int | str | None = None, streams: int = 1
) -> "Sharpener":
    """The sharpener of `runtime`; `scale` and `streams` are those of `kdsharp.Sharpener`.

    Says on stderr which models run where, unless it is to be quiet.
    """
    from kdsharp.sharpening.sharpener import Sharpener

    sharpener = Sharpener(
        runtime.model,
        scale=scale,
        engine=runtime.engine,
        strength=runtime.strength,
        threads=runtime.threads,
        precision=runtime.precision,
        streams=streams,
        crisp=runtime.crisp,
    )
    if not runtime.quiet:
        (names, *others), engine = sharpener.models, sharpener.engine
        if others:
            names += f" or one of {len(others)} others, by the picture"
        where = f"{engine.name} on {engine.device} in {engine.precision}"
        print(f"kdsharp: {names}: {where}", file=sys.stderr, flush=True)
    return sharpener


def quicker_than(
    runtime: Runtime, scale: int | str | None = None
) -> "Callable[[int], Sharpener] | None":
    """Loads nano models that run as `runtime` does, for so many streams.

    None where a model, a size or a scale is asked for, which is not ours to change.
    """
    from kdsharp.runtime.catalog import VARIABLE

    if runtime.model or os.environ.get(VARIABLE) or scale not in (None, "auto"):
        return None
    nano = dataclasses.replace(runtime, model="nano", quiet=True)
    return lambda streams: load_sharpener(nano, None, streams)
