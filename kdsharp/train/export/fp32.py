"""The trained student as an ONNX file that takes any size, and the proof that it is the same.

The graph is built node by node: a dozen nodes that every runtime knows, the same bytes each time,
and names that are readable in a viewer. `SpaceToDepth` orders channels as (block, channel) and
pixel-unshuffle as (channel, block), so the first filters are reordered for it.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from kdsharp.errors import KdsharpError
from kdsharp.files import atomic_file
from kdsharp.train.student.mixture import plain_of
from kdsharp.train.student.network import Student

__all__ = [
    "INPUT",
    "IR_VERSION",
    "ODD_SIZES",
    "OPSET",
    "OUTPUT",
    "check_parity",
    "padding_nodes",
    "size_constants",
    "write_graph",
    "write_onnx",
]

INPUT, OUTPUT = "input", "output"
OPSET, IR_VERSION = 17, 8  # old enough for every runtime in use, browsers among them
ODD_SIZES = ((1, 1), (1, 2), (7, 5), (16, 16), (33, 47), (64, 61), (97, 128))
"""Heights and widths on which the exported student is compared with the trained one."""


def write_onnx(student: Student, path: Path) -> None:
    """Write `student` to `path`: (N, C, H, W) float32 in 0..1 -> the same shape, not clipped.

    Of one with a mixture the file of an even one: see `kdsharp.train.export.mixture`.
    """
    student = plain_of(student)
    write_graph(path, student.planes, TensorProto.FLOAT, _nodes(student), _constants(student))


def write_graph(
    path: Path,
    planes: int,
    dtype: int,
    nodes: Sequence[onnx.NodeProto],
    constants: Sequence[onnx.TensorProto],
    sides: tuple[str, str] = ("height", "width"),
) -> None:
    """Write a checked model file whose `INPUT` and `OUTPUT` are `planes` planes of any size.

    `sides` are the names of the output's, other ones where it has another size.
    """
    ports = [
        helper.make_tensor_value_info(name, dtype, ["batch", planes, *named])
        for name, named in ((INPUT, ("height", "width")), (OUTPUT, sides))
    ]
    model = helper.make_model(
        helper.make_graph(nodes, "student", ports[:1], ports[1:], initializer=constants),
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


def padding_nodes() -> list[onnx.NodeProto]:
    """`INPUT` of `size` -> `padded`: the margin on each side, and at the far ones to the grid."""
    node = helper.make_node
    return [
        # pads = (0, 0, margin, margin, 0, 0, margin + -H mod grid, margin + -W mod grid)
        node("Shape", [INPUT], ["size"], "size", start=2, end=4),
        node("Neg", ["size"], ["negative"], "negative"),
        node("Mod", ["negative", "grid"], ["rest"], "rest"),
        node("Add", ["rest", "margin"], ["far"], "far"),
        node("Concat", ["near", "far"], ["pads"], "pads", axis=0),
        node("Pad", [INPUT, "pads"], ["padded"], "pad", mode="edge"),
    ]


def size_constants(grid: int, margin: int, **more: Sequence[int]) -> list[onnx.TensorProto]:
    """The whole numbers that padding and cropping need, and `more` of them."""
    near = [0, 0, margin, margin, 0, 0]
    padding = {"grid": [grid] * 2, "margin": [margin] * 2, "near": near}
    values = {**padding, "corner": [0, 0], "axes": [2, 3], **more}
    return [numpy_helper.from_array(np.asarray(v, np.int64), name) for name, v in values.items()]


def _nodes(student: Student) -> list[onnx.NodeProto]:
    node = helper.make_node
    sides, grid = student.config.sides, student.config.unshuffle_factor
    last = len(sides) - 1
    chain = [_conv("folded", 0, sides[0])]
    for index in range(1, len(sides)):
        chain.append(node("Relu", [f"z{index - 1}"], [f"a{index - 1}"], f"relu{index - 1}"))
        chain.append(_conv(f"a{index - 1}", index, sides[index]))
    return [
        *padding_nodes(),
        node("SpaceToDepth", ["padded"], ["folded"], "fold", blocksize=grid),
        *chain,
        node("DepthToSpace", [f"z{last}"], ["detail"], "unfold", blocksize=grid, mode="CRD"),
        node("Slice", ["detail", "corner", "size", "axes"], ["cut"], "crop"),
        node("Add", [INPUT, "cut"], [OUTPUT], "residual"),
    ]


def _conv(source: str, index: int, kernel: int) -> onnx.NodeProto:
    inputs, outputs = [source, f"w{index}", f"b{index}"], [f"z{index}"]
    return helper.make_node("Conv", inputs, outputs, f"conv{index}", kernel_shape=[kernel] * 2)


def _constants(student: Student) -> list[onnx.TensorProto]:
    constants = size_constants(student.config.unshuffle_factor, student.margin)
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
