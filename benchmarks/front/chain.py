"""Chains of convolutions with random weights as model folders, for their time alone.

SRCNN 9-5-5 is one, with 64 and 32 channels on luma (Dong et al., "Image super-resolution using
deep convolutional networks", 2014). Another shows how fast the engines can multiply here at best.
The time does not depend on the weights.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.common.graph import INPUT, OUTPUT, PIXEL, Graph, Levels

__all__ = ["LARGE", "LARGE_SIZE", "SRCNN_LAYERS", "Layer", "chain", "macs_per_pixel", "parameters"]

Layer = tuple[int, int, int]
"""Input channels, output channels, kernel."""

SRCNN_LAYERS: tuple[Layer, ...] = ((1, 64, 9), (64, 32, 5), (32, 1, 5))
LARGE: tuple[Layer, ...] = ((1, 256, 3), *[(256, 256, 3)] * 3, (256, 1, 3))
LARGE_SIZE = (48, 48)
"""Height and width at which `LARGE` is timed: its planes then fit into the caches."""

# After Kaiming weights and a ReLU few values are larger than 4.
_HIDDEN: Levels = (np.float32(4 / 255), np.uint8(0))


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
    graph = Graph()
    value, levels = INPUT, PIXEL
    random = np.random.default_rng(0)
    for index, (inputs, outputs, kernel) in enumerate(layers):
        spread = (2 / (inputs * kernel**2)) ** 0.5
        weight = random.normal(0, spread, (outputs, inputs, kernel, kernel)).astype(np.float32)
        bias = np.zeros(outputs, np.float32)
        last = index == len(layers) - 1
        if int8:
            value = graph.conv_int8(value, weight, bias, levels)
            levels = PIXEL if last else _HIDDEN
            # What is below 0 is cut on the way to 8 bit, which is the ReLU.
            value = graph.rounded(value, levels)
        else:
            value = graph.conv(value, weight, bias)
            value = value if last else graph.add("Relu", [value])
    graph.add("Identity", [value], OUTPUT)
    return graph.model("chain", (layers[0][0], layers[-1][1]), int8=int8)
