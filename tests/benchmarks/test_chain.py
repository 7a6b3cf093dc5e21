"""Chains of convolutions compute what they say, in both precisions."""

import numpy as np
import onnxruntime
import pytest

from benchmarks.front_parts.chain import SRCNN_LAYERS, chain, macs_per_pixel, parameters


def test_srcnn_has_the_published_size():
    assert parameters(SRCNN_LAYERS) == 57_281
    assert macs_per_pixel(SRCNN_LAYERS) * 1280 * 720 / 1e9 == pytest.approx(52.7, abs=0.01)


def test_int8_follows_fp32():
    planes = np.random.default_rng(1).integers(0, 256, (1, 1, 9, 13), np.uint8)
    real = _run(chain(SRCNN_LAYERS, int8=False), planes.astype(np.float32) / 255)
    whole = _run(chain(SRCNN_LAYERS, int8=True), planes)
    assert real.shape == whole.shape == planes.shape
    assert whole.dtype == np.uint8
    wanted = np.clip(np.rint(real * 255), 0, 255)
    assert np.abs(whole - wanted).mean() < 10


def _run(model, planes):
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, {"input": planes})[0]
