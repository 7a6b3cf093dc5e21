"""Such a network as ONNX, in fp32 and in int8, and the proof that it computes the same.

Our students' int8 files are made by `kdsharp.train.export.quantize`, which needs ReLUs. Here the
plain way has to do: between layers 8 bit from the least to the largest value seen on photos, 8-bit
weights with a scale for each channel. So the time in int8 is what any such file takes, and the
quality is what one gets without further care.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.common.graph import INPUT, OUTPUT, PIXEL, Floats, Graph, Levels
from benchmarks.front.retrained.forms import Layer, Network, compute
from benchmarks.front.retrained.ranges import Ranges
from kdsharp.errors import KdsharpError

__all__ = ["check_parity", "network_graph"]

_PLANES = 3
_SIZES = ((1, 1), (5, 8), (24, 17))
_LEAST = 1e-6  # a layer of zeros needs some step


def network_graph(network: Network, ranges: Ranges | None = None) -> Any:
    """The ONNX model (N, 3, h, w) -> (N, 3, H, W): float32 in 0..1, not clipped, or 8 bit.

    With `ranges` it is the one in 8 bit.
    """
    graph, value, levels = Graph(), INPUT, PIXEL
    last = len(network.layers) - 1
    for index, layer in enumerate(network.layers):
        if ranges is None:
            value = graph.conv(value, layer.weight, layer.bias)
        else:
            value = graph.conv_int8(value, layer.weight, layer.bias, levels)
        value = _act(graph, value, layer)
        if ranges is not None and index < last:
            levels = _levels(*ranges[index])
            value = graph.rounded(value, levels)
    if network.skip:
        # Before the shuffle: OpenVINO makes it a part of the convolution.
        picture = INPUT if ranges is None else graph.real(INPUT, PIXEL)
        parts = graph.constant(np.repeat(np.arange(_PLANES), network.scale**2))
        value = graph.add("Add", [value, graph.add("Gather", [picture, parts], axis=1)])
    if network.sigmoid:
        value = graph.add("Sigmoid", [value])
    if ranges is not None:
        value = graph.rounded(value, PIXEL)
    graph.add("DepthToSpace", [value], OUTPUT, blocksize=network.scale, mode="CRD")
    return graph.model("network", (_PLANES, _PLANES), int8=ranges is not None)


def check_parity(network: Network, run: Callable[[Floats], Floats], tolerance: float) -> float:
    """The largest difference between `run` and torch on random pictures, of a range of 1.

    Raises `KdsharpError` when it is above `tolerance`.
    """
    import torch

    random, worst = np.random.default_rng(0), 0.0
    for height, width in _SIZES:
        x_NCHW = random.random((2, _PLANES, height, width), dtype=np.float32)
        with torch.no_grad():
            wanted = compute(network, torch.from_numpy(x_NCHW), lambda *_: None).numpy()
        worst = max(worst, float(np.abs(run(x_NCHW) - wanted).max()))
        # Written so that NaN fails as well.
        if not worst <= tolerance:
            raise KdsharpError(f"the graph differs from torch by {worst:.2g} at {height}x{width}")
    return worst


def _act(graph: Graph, value: str, layer: Layer) -> str:
    if layer.slopes is not None:
        return graph.add("PRelu", [value, graph.constant(layer.slopes[:, None, None])])
    operator = {"relu": "Relu", "tanh": "Tanh"}.get(layer.act)
    return graph.add(operator, [value]) if operator else value


def _levels(least: float, largest: float) -> Levels:
    """The finest that reach from one to the other and have a value for 0."""
    step = np.float32(max(largest - least, _LEAST) / 255)
    return step, np.uint8(round(-least / float(step)))
