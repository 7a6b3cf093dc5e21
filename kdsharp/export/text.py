"""Pieces of shaders: numbers, vectors and matrices as GLSL and WGSL write them."""

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from kdsharp.export.network import FOUR, Layer

__all__ = ["matrix", "number", "pixels_of", "sums", "vector"]

_DIGITS = 7  # of a weight: float32 holds as many


def number(value: float) -> str:
    """With a point or an exponent, as GLSL wants it of what is not a whole number."""
    text = f"{float(value):.{_DIGITS}g}"
    return text if set(text) & set(".e") else f"{text}.0"


def vector(values: Iterable[float], name: str = "vec4") -> str:
    """Four numbers; `name` is the language's word for them."""
    return f"{name}({', '.join(map(number, values))})"


def matrix(values: npt.NDArray[np.float32], name: str = "mat4") -> str:
    """(4 outputs, 4 inputs) for `matrix * inputs`: the languages take it column by column."""
    return vector(values.T.ravel(), name)


def sums(layer: Layer, wanted: Sequence[int], fetch: str, name: str = "mat4") -> list[str]:
    """Statements that add up the outputs `wanted` of `layer` in `s0`, `s1` ...

    `fetch` reads four channels, with `{x}`, `{y}` and `{source}` to fill in; a value that several
    outputs need is read once, into `v`.
    """
    lines = []
    for terms in zip(*(layer.terms(group) for group in wanted), strict=True):
        first = terms[0]
        used = [(at, term.matrix) for at, term in enumerate(terms) if term.matrix.any()]
        if used:
            lines.append(f"v = {fetch.format(x=first.x, y=first.y, source=first.source)};")
        lines += [f"s{at} += {matrix(values, name)} * v;" for at, values in used]
    return lines


def pixels_of(group: int, planes: int, grid: int) -> list[tuple[int, int, int] | None]:
    """(row, column, plane) of the four channels `group` of a cell; None beyond the last one."""
    places = [(y, x, plane) for y in range(grid) for x in range(grid) for plane in range(planes)]
    channels = range(FOUR * group, FOUR * group + FOUR)
    return [places[channel] if channel < len(places) else None for channel in channels]
