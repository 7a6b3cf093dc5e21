"""The trained student as an ONNX file that takes any size, and the proof that it is the same.

The graph is built node by node: a dozen nodes that every runtime knows, the same bytes each time,
and names that one can read in a viewer. `SpaceToDepth` orders channels as (block, channel) and
pixel-unshuffle as (channel, block), so the first filters are reordered for it.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from kdsharp.errors import KdsharpError
from kdsharp.files import atomic_file
from kdsharp.train.student import Student

__all__ = ["INPUT", "ODD_SIZES", "OUTPUT", "check_parity", "write_onnx"]

INPUT, OUTPUT = "input", "output"
OPSET, IR_VERSION = 17, 8  # old enough for every runtime in use, browsers among them
ODD_SIZES = ((1, 1), (1, 2), (7, 5), (16, 16), (33, 47), (64, 61), (97, 128))
"""Heights and widths on which the exported student is compared with the trained one."""


def write_onnx(student: Student, path: Path) -> None:
    """Write `student` to `path`: (N, C, H, W) float32 in 0..1 -> the same shape, not clipped."""
    graph = helper.make_graph(
        _nodes(student), "student", [_port(student, INPUT)], [_port(student, OUTPUT)],
        initializer=_constants(student),
    )  # fmt: skip
    model = helper.make_model(
        graph,
        producer_name="kdsharp",
        ir_version=IR_VERSION,
        opset_imports=[helper.make_opsetid("", OPSET)],
    )
    onnx.checker.check_model(model, full_check=True)
    with atomic_file(path) as temporary:
        temporary.write_bytes(model.SerializeToString(deterministic=True))


def check_parity(
    student: Student,
    run: Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]],
    tolerance: float,
) -> float:
    """The largest difference between `run` and `student` over odd sizes, on a range of 1.

    Raises `KdsharpError` when it is above `tolerance`.
    """
    random = np.random.default_rng(0)
    worst = 0.0
    for height, width in ODD_SIZES:
        x_NCHW = random.random((2, student.planes, height, width), dtype=np.float32)
        with torch.no_grad():
            expected = student(torch.from_numpy(x_NCHW)).numpy()
        difference = float(np.abs(run(x_NCHW) - expected).max())
        worst = max(worst, difference)
        # Written so that NaN fails as well.
        if not difference <= tolerance:
            raise KdsharpError(
                f"the exported student differs from the trained one by {difference:.2g} at "
                f"{height}x{width}, more than export.tolerance {tolerance:.2g}"
            )
    return worst


def _port(student: Student, name: str) -> onnx.ValueInfoProto:
    shape: list[str | int | None] = ["batch", student.planes, "height", "width"]
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def _nodes(student: Student) -> list[onnx.NodeProto]:
    node = helper.make_node
    kernels, grid = student.config.kernels, student.config.grid
    return [
        # Continue the sides to the grid: pads = (0, 0, 0, 0, 0, 0, -H mod grid, -W mod grid).
        node("Shape", [INPUT], ["size"], "size", start=2, end=4),
        node("Neg", ["size"], ["negative"], "negative"),
        node("Mod", ["negative", "grid"], ["rest"], "rest"),
        node("Concat", ["no_pads", "rest"], ["pads"], "pads", axis=0),
        node("Pad", [INPUT, "pads"], ["padded"], "pad", mode="edge"),
        node("SpaceToDepth", ["padded"], ["folded"], "fold", blocksize=grid),
        _conv("folded", 0, kernels[0]),
        node("Relu", ["z0"], ["a0"], "relu0"),
        _conv("a0", 1, kernels[1]),
        node("Relu", ["z1"], ["a1"], "relu1"),
        _conv("a1", 2, kernels[2]),
        node("DepthToSpace", ["z2"], ["detail"], "unfold", blocksize=grid, mode="CRD"),
        node("Add", ["padded", "detail"], ["sharp"], "residual"),
        node("Slice", ["sharp", "corner", "size", "axes"], [OUTPUT], "crop"),
    ]


def _conv(source: str, index: int, kernel: int) -> onnx.NodeProto:
    inputs, outputs = [source, f"w{index}", f"b{index}"], [f"z{index}"]
    shape, pads = [kernel] * 2, [kernel // 2] * 4
    return helper.make_node("Conv", inputs, outputs, f"conv{index}", kernel_shape=shape, pads=pads)


def _constants(student: Student) -> list[onnx.TensorProto]:
    integers = {
        "grid": [student.config.grid] * 2,
        "no_pads": [0] * 6,
        "corner": [0, 0],
        "axes": [2, 3],
    }
    constants = [
        numpy_helper.from_array(np.asarray(value, np.int64), name)
        for name, value in integers.items()
    ]
    for index, conv in enumerate(student.convs):
        weight = conv.weight.detach().cpu().numpy()
        if index == 0:
            weight = _blocks_first(weight, student.planes)
        constants.append(numpy_helper.from_array(np.ascontiguousarray(weight), f"w{index}"))
        assert conv.bias is not None
        bias = conv.bias.detach().cpu().numpy()
        constants.append(numpy_helper.from_array(bias, f"b{index}"))
    return constants


def _blocks_first(weight: npt.NDArray[np.float32], planes: int) -> npt.NDArray[np.float32]:
    """Input channels from (channel, block) to (block, channel)."""
    outputs, inputs, height, width = weight.shape
    split = weight.reshape(outputs, planes, inputs // planes, height, width)
    return split.transpose(0, 2, 1, 3, 4).reshape(weight.shape)
