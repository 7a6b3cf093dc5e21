"""The options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["EngineName", "Model", "Precision", "Strength", "Threads"]

Model = Annotated[
    Path | None,
    typer.Option(
        metavar="NAME|PATH",
        help="A model that ships, see kdsharp models, or a model folder; else $KDSHARP_MODEL, else "
        "small-x2.",
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
        help="fp32, or int8 if the model has it: much faster in OpenVINO on CPUs with VNNI "
        "(AVX-VNNI, AVX512-VNNI), and hardly less good; elsewhere it may not pay."
    ),
]
