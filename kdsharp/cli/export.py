"""`kdsharp export`."""

from pathlib import Path
from typing import Annotated

import typer

from kdsharp.cli.options import Model, Quiet, Strength

__all__ = ["export"]


def export(
    target: Annotated[
        str, typer.Option("--to", metavar="TARGET", help="glsl, webgl2, wgsl or onnx-nhwc.")
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="The file to write.")],
    model: Model = None,
    upscale: Annotated[
        int | None,
        typer.Option(min=2, max=4, help="Of the shaders: enlarge 2, 3 or 4 times as well."),
    ] = None,
    strength: Strength = 1.0,
    precision: Annotated[
        str, typer.Option(help="fp32, or of onnx-nhwc int8 if the model has it.")
    ] = "fp32",
    quiet: Quiet = False,
) -> None:
    """Write a model as a file that other programs run, without kdsharp.

    glsl is a user shader for mpv, FFmpeg and whatever uses libplacebo; webgl2 and wgsl are modules
    for browsers; onnx-nhwc is for OpenVINO Model Server and Triton.

    \b
    Examples:
      kdsharp export --to glsl --model nano-x2 -o nano.glsl && mpv --glsl-shader=nano.glsl FILM
      kdsharp export --to webgl2 --model nano --upscale 2 -o upscale.js
      kdsharp export --to onnx-nhwc --model small-x2 -o models/kdsharp/1/model.onnx
    """  # noqa: D301 - the option parser's mark for "do not wrap"
    from kdsharp.export.targets import export as write
    from kdsharp.runtime.catalog import find_model

    folder = find_model(model, upscale)
    enlarge = upscale is not None
    made = write(folder, target, out, upscale=enlarge, strength=strength, precision=precision)
    if not quiet:
        passes = f", {made.passes} passes" if made.passes else ""
        typer.echo(f"Wrote {out}: {made.name} as {target}{passes}, {made.size / 1000:.0f} KB")
