"""Chains of convolutions compute what they say, in both precisions."""

import numpy as np
import onnxruntime
import pytest
import torch
from onnx import numpy_helper
from torch.nn.functional import conv2d

from benchmarks.front.chain import SRCNN_LAYERS, chain, macs_per_pixel, parameters

STEP = 4 / 255
"""What 1 stands for between the layers of the int8 chain."""


@pytest.fixture
def planes():
    return np.random.default_rng(1).integers(0, 256, (1, 1, 9, 13), np.uint8)


def test_srcnn_has_the_published_size():
    assert parameters(SRCNN_LAYERS) == 57_281
    assert macs_per_pixel(SRCNN_LAYERS) * 1280 * 720 / 1e9 == pytest.approx(52.7, abs=0.01)


def test_fp32_is_what_torch_computes(planes):
    model = chain(SRCNN_LAYERS, int8=False)
    value = torch.from_numpy(planes).double() / 255
    wanted = computed(model, value, lambda hidden: hidden.clamp(min=0))
    found = _run(model, planes.astype(np.float32) / 255)
    np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_int8_is_what_whole_numbers_give_and_follows_fp32(planes):
    model = chain(SRCNN_LAYERS, int8=True)
    value = torch.from_numpy(planes).double() / 255
    wanted = computed(model, value, lambda hidden: (hidden / STEP).round().clamp(0, 255) * STEP)
    found = _run(model, planes)
    assert found.dtype == np.uint8
    assert found.shape == planes.shape
    off = np.abs(found - np.clip(np.rint(wanted * 255), 0, 255))
    # float32 puts what is near a half on the other side, which later layers make larger.
    assert off.max() <= 1
    real = _run(chain(SRCNN_LAYERS, int8=False), planes.astype(np.float32) / 255)
    # Random weights spread the values over all of 0..255: the mean would be 80 away.
    assert np.abs(found - np.clip(np.rint(real * 255), 0, 255)).mean() < 2


def computed(model, value, between):
    """The convolutions of a chain after each other in torch, with what comes between them."""
    constants = {c.name: numpy_helper.to_array(c) for c in model.graph.initializer}
    made = {node.output[0]: node.input for node in model.graph.node}
    convs = [node for node in model.graph.node if node.op_type == "Conv"]
    assert len(convs) == len(SRCNN_LAYERS)
    for index, node in enumerate(convs):
        weight, bias = (
            torch.tensor(_real(name, constants, made)).double() for name in node.input[1:]
        )
        assert (weight.shape[1], weight.shape[0], weight.shape[2]) == SRCNN_LAYERS[index]
        value = conv2d(value, weight, bias, padding="same")
        value = between(value) if index < len(convs) - 1 else value
    return value.numpy()


def _real(name, constants, made):
    """A constant, or one of whole numbers times the steps of its first axis."""
    if name in constants:
        return constants[name]
    whole, step, _ = (constants[part] for part in made[name])
    return whole * step.reshape(-1, *[1] * (whole.ndim - 1))


def _run(model, planes):
    """As the graph says: where the CPU multiplies no int8, what is fused saturates."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return session.run(None, {"input": planes})[0]
