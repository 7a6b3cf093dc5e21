"""A file that takes the small picture and gives the large one, sharpened: both steps in one.

It is made of a student's file. Bicubic enlarging to r times the size is a convolution: 5x5 pixels
of the small picture give the r x r of the large one that lie in its place, which are the channels
that the student's first convolution reads. So nothing is unfolded and folded again, and the result
is what the student adds to before it is unfolded, once.

The edges are Pillow's to the last pixel. It leaves out what lies outside and lets the other weights
sum to 1 again: zeros are padded, and the result is divided by what the same convolution makes of
ones, along each side. Then the sides are continued as in the student's file, by the last row or
column of the large picture, which is one of the channels of the last cell.

Folding bicubic further into the first convolution, to 7x7 on the small picture, is not possible
where cells are continued so: it would be another convolution for each of the rows at an edge.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from kdsharp.errors import UserError
from kdsharp.runtime.enlarge import REACH
from kdsharp.train.export.fp32 import INPUT, OUTPUT, write_graph

__all__ = ["bicubic_weights", "write_upscaler"]

_TAPS = 2 * REACH + 1
_A = -0.5  # Keys' free parameter as Pillow and MATLAB have it
_CHAIN = ("conv", "relu", "input", "weight", "bias", "hidden")  # the nodes that are taken over
_END = 2**62


def write_upscaler(source: Path, target: Path, grid: int) -> int:
    """Write the file of both steps for the student in `source`, float32 or int8, to `target`.

    (N, C, H, W) float32 in 0..1 -> (N, C, grid H, grid W), neither rounded nor clipped: the form
    with int8 rounds what its first convolution reads, but not the picture that it adds to. Returns
    how far an output depends on the input, in pixels of the input. Raises `UserError` if `source`
    is not a student on a grid of `grid` pixels, which is also how many times it enlarges.
    """
    graph = onnx.load(source).graph
    constants = {c.name: numpy_helper.to_array(c) for c in graph.initializer}
    chain = [node for node in graph.node if node.name.rstrip("0123456789") in _CHAIN]
    if "w0" not in constants or list(constants.get("grid", ())) != [grid] * 2:
        raise UserError(f"{source}: not a student's file on a grid of {grid} pixels")
    planes = int(graph.input[0].type.tensor_type.shape.dim[1].dim_value)
    int8 = constants["w0"].dtype == np.int8
    if not int8:
        constants["w0"] = _planes_first(constants["w0"], planes)
    margin = int(constants["margin"][0]) // grid
    whole = [_quantize()] if int8 else []
    front = [*_bicubic_nodes(planes), *whole, *_continued("whole" if int8 else "cells", int8)]
    nodes = [*front, *chain, *_end(f"z{_last(constants)}", grid, int8)]
    made = {**_bicubic_constants(planes, grid), **_side_constants(planes, grid, margin)}
    used = {name for node in chain for name in node.input}
    made |= {name: value for name, value in constants.items() if name in used}
    if int8:
        made |= {"one": np.asarray(1, np.float32), "zero": np.asarray(0, np.uint8)}
        made["level"] = np.asarray(1 / 255, np.float32)
    tensors = [numpy_helper.from_array(np.asarray(v), name) for name, v in made.items()]
    sides = ("large_height", "large_width")
    write_graph(target, planes, TensorProto.FLOAT, nodes, tensors, sides)
    return margin + REACH


def bicubic_weights(times: int) -> npt.NDArray[np.float64]:
    """Of the `times` pixels in the place of one, along a side, on the 5 around it: (times, 5).

    Keys' cubic convolution (IEEE TASSP 1981) with -0.5, at places where Pillow has them.
    """
    places = (np.arange(times) + 0.5) / times - 0.5
    distance = np.abs(places[:, None] - np.arange(-REACH, REACH + 1))
    near = ((_A + 2) * distance - (_A + 3)) * distance**2 + 1
    far = _A * (((distance - 5) * distance + 8) * distance - 4)
    return np.where(distance <= 1, near, np.where(distance < REACH, far, 0))


def _last(constants: dict[str, npt.NDArray[np.generic]]) -> int:
    """The number of the last convolution."""
    return sum(f"w{index}" in constants for index in range(len(constants))) - 1


def _planes_first(weight: npt.NDArray[np.generic], planes: int) -> npt.NDArray[np.generic]:
    """Input channels from (block, plane), as `SpaceToDepth` has them, to (plane, block)."""
    outputs, inputs, *kernel = weight.shape
    split = weight.reshape(outputs, inputs // planes, planes, *kernel)
    return np.ascontiguousarray(split.swapaxes(1, 2).reshape(weight.shape))


def _bicubic_nodes(planes: int) -> list[onnx.NodeProto]:
    """`INPUT` -> `cells`, the enlarged picture folded: (N, C grid grid, H, W)."""
    node, r = helper.make_node, REACH
    nodes = []
    for side, axis, shape, kernel, pads in (
        ("rows", 2, ["unit", "unit", "rows", "unit"], [_TAPS, 1], [r, 0, r, 0]),
        ("columns", 3, ["unit", "unit", "unit", "columns"], [1, _TAPS], [0, r, 0, r]),
    ):
        value = numpy_helper.from_array(np.ones(1, np.float32))
        nodes += [
            node("Shape", [INPUT], [side], side, start=axis, end=axis + 1),
            node("Concat", shape, [f"{side}_shape"], f"{side}_shape", axis=0),
            node("ConstantOfShape", [f"{side}_shape"], [f"{side}_1"], f"{side}_1", value=value),
            node(
                "Conv",
                [f"{side}_1", f"{side}_weights"],
                [f"{side}_sum"],
                f"{side}_sum",
                kernel_shape=kernel,
                pads=pads,
            ),
        ]
    enlarge = node(
        "Conv",
        [INPUT, "bicubic"],
        ["inner"],
        "bicubic",
        kernel_shape=[_TAPS] * 2,
        pads=[r] * 4,
        group=planes,
    )
    return [
        *nodes,
        enlarge,
        node("Div", ["inner", "rows_sum"], ["upright"], "edge_rows"),
        node("Div", ["upright", "columns_sum"], ["cells"], "edge_columns"),
    ]


def _bicubic_constants(planes: int, grid: int) -> dict[str, npt.NDArray[np.generic]]:
    weights = bicubic_weights(grid)
    both = np.einsum("pi,qj->pqij", weights, weights).reshape(-1, 1, _TAPS, _TAPS)
    rows = np.repeat(weights, grid, axis=0).reshape(-1, 1, _TAPS, 1)
    columns = np.tile(weights, (grid, 1)).reshape(-1, 1, 1, _TAPS)
    kernels = {"bicubic": both, "rows_weights": rows, "columns_weights": columns}
    made = {name: np.tile(k, (planes, 1, 1, 1)).astype(np.float32) for name, k in kernels.items()}
    return {**made, "unit": np.ones(1, np.int64)}


def _quantize() -> onnx.NodeProto:
    return helper.make_node("QuantizeLinear", ["cells", "level", "zero"], ["whole"], "round")


def _continued(source: str, int8: bool) -> list[onnx.NodeProto]:
    """`source` with its sides continued by the last row and column of the unfolded picture."""
    node = helper.make_node
    nodes = []
    for axis, sides, name in (
        ("down", ("top", "bottom"), "tall"),
        ("across", ("left", "right"), "q0" if int8 else "folded"),
    ):
        for side, start, end in zip(sides, ("first", "final"), ("second", "end"), strict=True):
            nodes += [
                node("Slice", [source, start, end, axis], [f"{side}_cell"], f"{side}_cell"),
                node("Gather", [f"{side}_cell", f"{side}_line"], [f"{side}_1"], side, axis=1),
                node("Tile", [f"{side}_1", f"{axis}_times"], [side], f"{side}_times"),
            ]
        joined = [sides[0], source, sides[1]]
        nodes.append(node("Concat", joined, [name], name, axis=2 if axis == "down" else 3))
        source = name
    return nodes


def _side_constants(planes: int, grid: int, margin: int) -> dict[str, npt.NDArray[np.generic]]:
    """`_line`: for each channel of a cell beyond an edge, the one of the last cell that goes on."""
    cell = np.arange(planes * grid**2).reshape(planes, grid, grid)
    lines = {
        "top": cell[:, :1].repeat(grid, 1),
        "bottom": cell[:, -1:].repeat(grid, 1),
        "left": cell[:, :, :1].repeat(grid, 2),
        "right": cell[:, :, -1:].repeat(grid, 2),
    }
    numbers: dict[str, Sequence[int]] = {
        **{f"{side}_line": line.ravel().tolist() for side, line in lines.items()},
        "first": [0],
        "second": [1],
        "final": [-1],
        "end": [_END],
        "down": [2],
        "across": [3],
        "down_times": [1, 1, margin, 1],
        "across_times": [1, 1, 1, margin],
    }
    return {name: np.asarray(value, np.int64) for name, value in numbers.items()}


def _end(last: str, grid: int, int8: bool) -> list[onnx.NodeProto]:
    """What the last convolution gives, added to the enlarged picture and unfolded."""
    node, nodes = helper.make_node, []
    if int8:  # it counts in grey levels
        nodes, last = [node("Mul", [last, "level"], ["detail"], "detail")], "detail"
    return [
        *nodes,
        node("Add", [last, "cells"], ["sharp"], "residual"),
        node("DepthToSpace", ["sharp"], [OUTPUT], "unfold", blocksize=grid, mode="CRD"),
    ]
