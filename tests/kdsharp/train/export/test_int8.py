import dataclasses
import importlib.util
import os
import platform
import subprocess
import sys

import numpy as np
import onnx
import pytest

from kdsharp.errors import KdsharpError
from kdsharp.runtime.card import Tensor
from kdsharp.runtime.engine import ENGINES
from kdsharp.runtime.openvino import import_openvino
from kdsharp.train.export.fp32 import INPUT, OUTPUT
from kdsharp.train.export.int8 import check_int8, compute_int8, write_int8
from kdsharp.train.export.quantize import quantize
from tests.kdsharp.train.networks import TINY, blurred, student

BOTH = pytest.mark.parametrize("name", [n for n in ENGINES if importlib.util.find_spec(n)])
X86 = pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64") or not importlib.util.find_spec("openvino"),
    reason="needs OpenVINO on x86-64",
)
OTHER_CPU = """
import sys
from pathlib import Path
from tests.kdsharp.train.export.test_int8 import check_int8, made, runner, write_int8
quantized = made(channels=16)
write_int8(quantized, Path(sys.argv[1]))
check_int8(quantized, runner("openvino", Path(sys.argv[1])))
"""


def made(**changes):
    """A quantised student with random weights."""
    network = student(dataclasses.replace(TINY, **changes), trained=True)
    pixels = blurred(planes=network.planes).inputs.array_NHWC.transpose(0, 3, 1, 2).copy()
    return quantize(network, pixels)


def runner(name, path, planes=1):
    ports = (Tensor(port, planes, dtype="uint8", range=(0, 255)) for port in (INPUT, OUTPUT))
    return ENGINES[name](path, *ports, 1, 1).infer


@BOTH
@pytest.mark.parametrize(
    "changes",
    [{"color": "luma"}, {"color": "rgb"}, {"kernels": (5, 3, 1)}, {"convs": 6}]
    + [{"unshuffle_factor": grid, "color": "rgb"} for grid in (1, 3, 4)],
    ids=str,
)
def test_every_engine_computes_what_exact_arithmetic_gives(tmp_path, name, changes):
    quantized = made(**changes)
    write_int8(quantized, tmp_path / "s.onnx")
    run = runner(name, tmp_path / "s.onnx", quantized.planes)
    assert 0 <= check_int8(quantized, run) <= 1e-3
    pixels = np.random.default_rng(1).integers(0, 256, (1, quantized.planes, 9, 6), np.uint8)
    assert (run(pixels) != pixels).any()
    assert run(pixels).dtype == compute_int8(quantized, pixels).dtype == np.uint8


@X86
@pytest.mark.parametrize("convs", [3, 6])
def test_openvino_runs_every_convolution_in_8_bit(tmp_path, convs):
    write_int8(made(channels=16, convs=convs), tmp_path / "s.onnx")
    compiled = import_openvino().Core().compile_model(tmp_path / "s.onnx", "CPU")
    layers = [layer.get_rt_info() for layer in compiled.get_runtime_model().get_ordered_ops()]
    ran = [(info["layerType"].value, info["runtimePrecision"].value) for info in layers]
    assert [precision for layer, precision in ran if layer == "Convolution"] == ["u8"] * convs


@X86
def test_a_cpu_without_vnni_computes_the_same(tmp_path):
    """There pairs of products are added in 16 bit: larger weights would be cut off."""
    environment = os.environ | {"ONEDNN_MAX_CPU_ISA": "AVX2", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", OTHER_CPU, str(tmp_path / "s.onnx")]
    subprocess.run(command, check=True, env=environment)


def test_8_bit_at_both_ends_and_any_size(tmp_path):
    write_int8(made(), tmp_path / "s.onnx")
    graph = onnx.load(tmp_path / "s.onnx").graph
    for port in (*graph.input, *graph.output):
        kind = port.type.tensor_type
        assert kind.elem_type == onnx.TensorProto.UINT8
        assert [d.dim_param or d.dim_value for d in kind.shape.dim] == [
            "batch", 1, "height", "width",
        ]  # fmt: skip


def test_the_same_student_gives_the_same_bytes(tmp_path):
    for name in "ab":
        write_int8(made(), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_file_that_computes_something_else_is_refused():
    quantized = made()

    def exact(x_NCHW):
        return compute_int8(quantized, x_NCHW)

    def far(x_NCHW):
        found = exact(x_NCHW)
        found[0, 0, 0, 0] ^= 2
        return found

    def often(x_NCHW):
        found = exact(x_NCHW)
        found[..., ::20] ^= 1
        return found

    assert check_int8(quantized, exact) == 0
    with pytest.raises(KdsharpError, match="differs from exact arithmetic by 2 of 255 at 1x1"):
        check_int8(quantized, far)
    with pytest.raises(KdsharpError, match=r"in \d+ of \d+ values, more than 0\.15%"):
        check_int8(quantized, often)
