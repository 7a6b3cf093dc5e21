"""The quantised student as an ONNX file: 8 bit in, 8 bit out, whole numbers in between.

`QuantizeLinear` and `DequantizeLinear` stand around the convolutions, the form that OpenVINO and
ONNX Runtime turn into integer arithmetic; the residual is a float and is rounded with the picture
that it is added to. `Reshape` and `Transpose` fold the pixels, because ONNX Runtime has
`SpaceToDepth` for floats alone.
"""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from kdsharp.errors import KdsharpError
from kdsharp.train.export.fp32 import ODD_SIZES, OUTPUT, padding_nodes, size_constants, write_graph
from kdsharp.train.export.quantize import QuantizedStudent

__all__ = ["check_int8", "compute_int8", "write_int8"]

Pixels = npt.NDArray[np.uint8]
"""(N, C, H, W), 8 bit."""

_DIFFERENT = 5e-4
"""Share of the values that may differ by 1, for each convolution: what float32 puts on the other
side of a half there is passed on to the next ones."""


def write_int8(quantized: QuantizedStudent, path: Path) -> None:
    """Write `quantized` to `path`: (N, C, H, W) uint8 -> the same."""
    constants = _constants(copy.deepcopy(quantized).double())
    write_graph(path, quantized.planes, TensorProto.UINT8, _nodes(quantized), constants)


@torch.no_grad()
def compute_int8(quantized: QuantizedStudent, planes_NCHW: Pixels) -> Pixels:
    """What the file must give, in exact arithmetic."""
    exact = copy.deepcopy(quantized).double()
    sharp = exact(torch.from_numpy(planes_NCHW).double() / 255)
    levels = torch.round(255 * sharp).clamp(0, 255)
    return np.asarray(levels.to(torch.uint8).numpy())


def check_int8(quantized: QuantizedStudent, run: Callable[[Pixels], Pixels]) -> float:
    """The share of values in which `run` and `compute_int8` differ, over odd sizes.

    Raises `KdsharpError` when one differs by more than 1 of 255, or more than 1 in 2,000 for each
    convolution differ.
    """
    random = np.random.default_rng(0)
    different = values = 0
    for height, width in ODD_SIZES:
        x_NCHW = random.integers(0, 256, (2, quantized.planes, height, width), dtype=np.uint8)
        expected, found = compute_int8(quantized, x_NCHW), run(x_NCHW)
        difference = np.abs(found.astype(int) - expected)
        if difference.max() > 1:
            raise KdsharpError(
                f"the int8 student differs from exact arithmetic by {difference.max()} of 255 at "
                f"{height}x{width}: at most 1 is allowed"
            )
        different, values = different + int(difference.sum()), values + difference.size
    most = _DIFFERENT * quantized.config.convs
    if different > most * values:
        raise KdsharpError(
            f"the int8 student differs from exact arithmetic in {different} of {values} values, "
            f"more than {most:.2%}"
        )
    return different / values


def _nodes(quantized: QuantizedStudent) -> list[onnx.NodeProto]:
    node, layers = helper.make_node, range(quantized.config.convs)
    return [
        *padding_nodes(),
        # (N, C, H, W) -> (N, C, rows, grid, columns, grid) -> (N, C grid grid, rows, columns)
        node("Shape", ["padded"], ["whole"], "whole", start=2, end=4),
        node("Div", ["whole", "grid"], ["cells"], "cells"),
        node("Split", ["cells"], ["rows", "columns"], "split", axis=0),
        node("Concat", ["same", "rows", "side", "columns", "side"], ["apart"], "apart", axis=0),
        node("Reshape", ["padded", "apart"], ["spread"], "spread"),
        node("Transpose", ["spread"], ["turned"], "turn", perm=[0, 1, 3, 5, 2, 4]),
        node("Concat", ["channels", "cells"], ["coarse"], "coarse", axis=0),
        node("Reshape", ["turned", "coarse"], ["q0"], "fold"),
        *(made for index in layers for made in _conv(quantized, index)),
        # The picture is added while it is folded: OpenVINO makes that a part of the convolution.
        node("Slice", ["q0", "inside", "outside", "axes"], ["middle"], "middle"),
        node("DequantizeLinear", ["middle", "one", "zero"], ["picture"], "picture"),
        node("Add", [f"z{layers[-1]}", "picture"], ["sum"], "residual"),
        node("QuantizeLinear", ["sum", "one", "zero"], ["sharp"], "round"),
        # (N, C grid grid, rows, columns) -> (N, C, grid, grid, rows, columns) -> (N, C, H, W)
        node("Shape", ["sharp"], ["inner"], "inner", start=2, end=4),
        node("Concat", ["same", "side", "side", "inner"], ["layers"], "layers", axis=0),
        node("Reshape", ["sharp", "layers"], ["layered"], "layered"),
        node("Transpose", ["layered"], ["woven"], "weave", perm=[0, 1, 4, 2, 5, 3]),
        node("Mul", ["inner", "grid"], ["pixels"], "pixels"),
        node("Concat", ["same", "pixels"], ["full"], "full", axis=0),
        node("Reshape", ["woven", "full"], ["unfolded"], "unfold"),
        node("Slice", ["unfolded", "corner", "size", "axes"], [OUTPUT], "crop"),
    ]


def _conv(quantized: QuantizedStudent, index: int) -> list[onnx.NodeProto]:
    """`q` -> `z`, and before the last the next `q`, which ends at 0: no Relu is needed."""
    node, i = helper.make_node, index
    shape = [quantized.config.sides[i]] * 2
    nodes = [
        node("DequantizeLinear", [f"q{i}", _scale(i), "zero"], [f"x{i}"], f"input{i}"),
        node("DequantizeLinear", [f"w{i}", f"w{i}_scale"], [f"weight{i}"], f"weight{i}", axis=0),
        node("DequantizeLinear", [f"b{i}", f"b{i}_scale"], [f"bias{i}"], f"bias{i}", axis=0),
        node(
            "Conv", [f"x{i}", f"weight{i}", f"bias{i}"], [f"z{i}"], f"conv{i}", kernel_shape=shape
        ),
    ]
    if index < quantized.config.convs - 1:
        inputs = [f"z{i}", _scale(i + 1), "zero"]
        nodes.append(node("QuantizeLinear", inputs, [f"q{i + 1}"], f"hidden{i}"))
    return nodes


def _scale(index: int) -> str:
    return f"q{index}_scale" if index else "one"


@torch.no_grad()
def _constants(exact: QuantizedStudent) -> list[onnx.TensorProto]:
    grid, planes = exact.config.unshuffle_factor, exact.planes
    same, channels = [0, planes], [0, planes * grid**2]
    inside = exact.margin // grid
    sizes = size_constants(
        grid,
        exact.margin,
        same=same,
        side=[grid],
        channels=channels,
        inside=[inside] * 2,
        outside=[-inside] * 2,
    )
    values: dict[str, Any] = {"one": np.float32(1), "zero": np.uint8(0)}
    for index in range(exact.config.convs):
        weight, bias = exact.whole(index)
        values[f"w{index}"] = weight.numpy().astype(np.int8)
        values[f"w{index}_scale"] = exact.weight_scales[index].numpy().astype(np.float32)
        values[f"b{index}"] = bias.numpy().astype(np.int32)
        values[f"b{index}_scale"] = exact.sum_scale(index).numpy().astype(np.float32)
        if index:
            values[_scale(index)] = exact.input_scale(index).numpy().astype(np.float32)
    return sizes + [numpy_helper.from_array(np.asarray(v), name) for name, v in values.items()]
