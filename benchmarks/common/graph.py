"""ONNX graphs built node by node, for networks that are compared and not shipped.

In int8 they have the form of the students' files: every tensor between two convolutions goes
through QuantizeLinear and DequantizeLinear, weights have a scale for each output channel, and
biases are whole numbers.
"""

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["INPUT", "OUTPUT", "PIXEL", "Floats", "Graph", "Levels"]

INPUT, OUTPUT = "input", "output"
Floats: TypeAlias = npt.NDArray[np.float32]
Levels: TypeAlias = tuple[np.float32, np.uint8]
"""What 1 stands for in an 8-bit tensor, and which of its values stands for 0."""

PIXEL: Levels = (np.float32(1 / 255), np.uint8(0))
"""Of pixels in 0..1."""

_OPSET, _IR_VERSION = 17, 8


class Graph:
    """Nodes and constants, each result with a name of its own."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, value: npt.ArrayLike) -> str:
        """A name for `value`."""
        from onnx import numpy_helper

        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def add(self, group: str, inputs: list[str], output: str = "", **about: Any) -> str:
        """A node of the operator `group`; the name of its result."""
        from onnx import helper

        output = output or f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(group, inputs, [output], **about))
        return output

    def conv(self, value: str, weight: Floats, bias: Floats) -> str:
        """A convolution that keeps height and width; outside are zeros."""
        names = [self.constant(weight), self.constant(bias)]
        return self._conv(value, names, weight.shape[2])

    def conv_int8(self, value: str, weight: Floats, bias: Floats, levels: Levels) -> str:
        """The same in whole numbers, of `value` in 8 bit as `levels` says; the result is real."""
        step = (np.abs(weight).max((1, 2, 3)) / np.float32(127)).clip(1e-12)
        sums = step * levels[0]
        names = [
            self._real(np.rint(weight / step[:, None, None, None]).astype(np.int8), step),
            self._real(np.rint(bias / sums).astype(np.int32), sums),
        ]
        return self._conv(self.real(value, levels), names, weight.shape[2])

    def real(self, value: str, levels: Levels) -> str:
        """What `value` in 8 bit stands for."""
        return self.add(
            "DequantizeLinear", [value, self.constant(levels[0]), self.constant(levels[1])]
        )

    def rounded(self, value: str, levels: Levels) -> str:
        """`value` in 8 bit; what is beyond its ends is cut off."""
        return self.add(
            "QuantizeLinear", [value, self.constant(levels[0]), self.constant(levels[1])]
        )

    def model(self, name: str, channels: tuple[int, int], *, int8: bool) -> Any:
        """The checked model from `INPUT` to `OUTPUT`, which have so many `channels`.

        (N, C, H, W), float32 or, with `int8`, uint8.
        """
        from onnx import TensorProto, checker, helper

        group = TensorProto.UINT8 if int8 else TensorProto.FLOAT
        ports = [
            helper.make_tensor_value_info(port, group, ["n", count, f"{port}_h", f"{port}_w"])
            for port, count in zip((INPUT, OUTPUT), channels, strict=True)
        ]
        made = helper.make_graph(self.nodes, name, ports[:1], ports[1:], self.constants)
        model = helper.make_model(
            made, ir_version=_IR_VERSION, opset_imports=[helper.make_opsetid("", _OPSET)]
        )
        checker.check_model(model)
        return model

    def _conv(self, value: str, weight_and_bias: list[str], kernel: int) -> str:
        return self.add("Conv", [value, *weight_and_bias], pads=[kernel // 2] * 4)

    def _real(self, whole: npt.NDArray[Any], step: Floats) -> str:
        """Constants of whole numbers times `step`, one for each of their first axis."""
        zeros = np.zeros(len(step), whole.dtype)
        names = [self.constant(value) for value in (whole, step, zeros)]
        return self.add("DequantizeLinear", names, axis=0)
