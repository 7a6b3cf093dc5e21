"""Chains of convolutions with random weights as model folders, for their time alone.

SRCNN 9-5-5 is one, with 64 and 32 channels on luma (Dong et al., "Image super-resolution using
deep convolutional networks", 2014). Another shows how fast the engines can multiply here at best.
The time does not depend on the weights. int8 has the form of the students' int8 files: every tensor
between two convolutions goes through QuantizeLinear and DequantizeLinear, weights have a scale for
each channel, and biases are whole numbers.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["LARGE", "LARGE_SIZE", "SRCNN_LAYERS", "Layer", "chain", "macs_per_pixel", "parameters"]

Layer = tuple[int, int, int]
"""Input channels, output channels, kernel."""

SRCNN_LAYERS: tuple[Layer, ...] = ((1, 64, 9), (64, 32, 5), (32, 1, 5))
LARGE: tuple[Layer, ...] = ((1, 256, 3), *[(256, 256, 3)] * 3, (256, 1, 3))
LARGE_SIZE = (48, 48)
"""Height and width at which `LARGE` is timed: its planes then fit into the caches."""

_OPSET, _IR_VERSION = 17, 8
_PIXEL = np.float32(1 / 255)
# After Kaiming weights and a ReLU few values are larger than 4.
_STEP = np.float32(4 / 255)


def macs_per_pixel(layers: Sequence[Layer]) -> int:
    """Multiply-accumulates for a pixel, biases not counted."""
    return sum(inputs * outputs * kernel**2 for inputs, outputs, kernel in layers)


def parameters(layers: Sequence[Layer]) -> int:
    """Weights and biases."""
    return macs_per_pixel(layers) + sum(outputs for _, outputs, _ in layers)


def chain(layers: Sequence[Layer], *, int8: bool) -> Any:
    """The ONNX model: convolutions of `layers` with a ReLU between them, for any height and width.

    Input and output are float32 planes in 0..1, or uint8 planes with `int8`.
    """
    from onnx import TensorProto, checker, helper

    graph = _Graph()
    value, step = "input", _PIXEL
    random = np.random.default_rng(0)
    for index, (inputs, outputs, kernel) in enumerate(layers):
        spread = (2 / (inputs * kernel**2)) ** 0.5
        weight = random.normal(0, spread, (outputs, inputs, kernel, kernel)).astype(np.float32)
        last = index == len(layers) - 1
        if int8:
            before, step = step, _PIXEL if last else _STEP
            value = graph.conv_int8(value, weight, (before, step))
        else:
            value = graph.conv(value, weight, relu=not last)
    graph.add("Identity", [value], "output")
    kind = TensorProto.UINT8 if int8 else TensorProto.FLOAT
    ports = [
        helper.make_tensor_value_info(name, kind, ["n", channels, "h", "w"])
        for name, channels in (("input", layers[0][0]), ("output", layers[-1][1]))
    ]
    made = helper.make_graph(graph.nodes, "chain", ports[:1], ports[1:], graph.constants)
    model = helper.make_model(
        made, ir_version=_IR_VERSION, opset_imports=[helper.make_opsetid("", _OPSET)]
    )
    checker.check_model(model)
    return model


class _Graph:
    """Nodes and constants, each result with a name of its own."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, value: npt.ArrayLike) -> str:
        from onnx import numpy_helper

        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def add(self, kind: str, inputs: list[str], output: str = "", **about: Any) -> str:
        from onnx import helper

        output = output or f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [output], **about))
        return output

    def conv(self, value: str, weight: npt.NDArray[np.float32], *, relu: bool) -> str:
        """A convolution that keeps height and width."""
        names = [self.constant(weight), self.constant(np.zeros(len(weight), np.float32))]
        return self._conv(value, names, weight.shape[2], relu=relu)

    def conv_int8(
        self, value: str, weight: npt.NDArray[np.float32], steps: tuple[np.float32, np.float32]
    ) -> str:
        """The same from uint8 to uint8; `steps` are what 1 stands for before and after.

        What is below 0 is cut on the way to uint8, which is the ReLU.
        """
        before, after = (self.constant(step) for step in steps)
        zero = self.constant(np.uint8(0))
        step = np.abs(weight).max((1, 2, 3)) / np.float32(127)
        whole = np.rint(weight / step[:, None, None, None]).astype(np.int8)
        bias = np.zeros(len(weight), np.int32)
        names = [
            self._real(whole, step),
            self._real(bias, step * steps[0]),
        ]
        value = self.add("DequantizeLinear", [value, before, zero])
        value = self._conv(value, names, weight.shape[2], relu=False)
        return self.add("QuantizeLinear", [value, after, zero])

    def _conv(self, value: str, weight_and_bias: list[str], kernel: int, *, relu: bool) -> str:
        value = self.add("Conv", [value, *weight_and_bias], pads=[kernel // 2] * 4)
        return self.add("Relu", [value]) if relu else value

    def _real(self, whole: npt.NDArray[Any], step: npt.NDArray[np.float32]) -> str:
        """Constants of whole numbers times `step`, one for each of their first axis."""
        zeros = np.zeros(len(step), whole.dtype)
        names = [self.constant(value) for value in (whole, step, zeros)]
        return self.add("DequantizeLinear", names, axis=0)
