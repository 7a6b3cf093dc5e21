"""The options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["EngineName", "Model", "Precision", "Quiet", "Scale", "Strength", "Threads"]

Model = Annotated[
    Path | None,
    typer.Option(
        metavar="NAME|PATH",
        help="A model that ships, see kdsharp models, a size of it, or a model folder; else "
        "$KDSHARP_MODEL, else small.",
    ),
]
Scale = Annotated[
    str | None,
    typer.Option(
        metavar="2|3|4|auto",
        help="Undo smooth enlarging by so much. auto, which goes without saying where no model is "
        "named, lets the picture choose.",
    ),
]
Strength = Annotated[float, typer.Option(help="0 (unchanged) to 1 (all that the model adds).")]
EngineName = Annotated[str, typer.Option("--engine", help="auto, openvino or onnxruntime.")]
Threads = Annotated[
    int | None, typer.Option(help="Threads of the engine; it chooses if not given.")
]
Precision = Annotated[
    str,
    typer.Option(
        help="fp32, int8 if the model has it, or auto: int8 where it pays, which is in OpenVINO on "
        "CPUs with VNNI or AMX."
    ),
]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Say nothing but errors.")]
