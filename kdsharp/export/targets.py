"""What a student can be exported to, and the one function that does it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kdsharp.errors import UserError
from kdsharp.export import browser, glsl, nhwc
from kdsharp.export.network import read_network
from kdsharp.files import atomic_file
from kdsharp.runtime.model import require_strength

__all__ = ["TARGETS", "Exported", "export"]

TARGETS: Mapping[str, str] = {
    "glsl": "a user shader for mpv and libplacebo",
    "webgl2": "a module for browsers, in WebGL2",
    "wgsl": "a module for browsers, in WebGPU",
    "onnx-nhwc": "uint8 RGB in and out, for OVMS and Triton",
}
"""Every target, and what it is."""

_SHADERS = ("glsl", "webgl2", "wgsl")


@dataclass(frozen=True)
class Exported:
    """What was written: the model's name, bytes, and passes of a user shader, else None."""

    name: str
    size: int
    passes: int | None = None


def export(
    folder: Path,
    target: str,
    out: Path,
    *,
    upscale: bool = False,
    strength: float = 1.0,
    precision: str = "fp32",
) -> Exported:
    """Write the student in the model folder `folder` as `target`, one of `TARGETS`, to `out`.

    With `upscale` the file takes a small picture and gives one that is as many times as large as
    the card's `scale`. `strength` 0..2 scales what the student adds. Raises `UserError` for what
    is not a student, and for what the target cannot do.
    """
    if target not in TARGETS:
        raise UserError(f"target {target!r} is unknown: choose {', '.join(TARGETS)}")
    require_strength(strength)
    if precision not in ("fp32", "int8"):
        raise UserError(f"precision {precision!r} is unknown: choose fp32 or int8")
    if precision == "int8" and target in _SHADERS:
        raise UserError(f"{target} computes in floating point: leave out --precision int8")
    if upscale and target not in _SHADERS:
        raise UserError(f"{target} keeps the size: leave out --upscale, or choose a shader")
    network, passes = read_network(folder), None
    if upscale:
        network.require_upscaler(folder)
    if target == "glsl":
        text, passes = glsl.shader(network, folder, upscale=upscale, strength=strength)
        content = text.encode()
    elif target in _SHADERS:
        text = browser.module(network, target, upscale=upscale, strength=strength)
        content = text.encode()
    else:
        content = nhwc.model(network, folder, strength=strength, precision=precision)
    with atomic_file(Path(out)) as temporary:
        temporary.write_bytes(content)
    return Exported(network.card.name, len(content), passes)
