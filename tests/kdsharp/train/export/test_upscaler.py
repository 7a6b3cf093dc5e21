import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from kdsharp.errors import UserError
from kdsharp.runtime.enlarge import bicubic
from kdsharp.runtime.openvino import import_openvino
from kdsharp.train.export.fp32 import ODD_SIZES
from kdsharp.train.export.upscaler import bicubic_weights, write_upscaler
from tests.kdsharp.train.export.test_int8 import X86
from tests.models import make_model
from tests.upscaling import make_folder, make_student


def infer(path, x_NCHW):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(["output"], {"input": x_NCHW})[0]


def test_weights_of_a_side_sum_to_one():
    for times in (1, 2, 3, 4):
        assert bicubic_weights(times).shape == (times, 5)
        np.testing.assert_allclose(bicubic_weights(times).sum(1), 1)
    np.testing.assert_allclose(bicubic_weights(2)[0] * 128, [-3, 29, 111, -9, 0])


@pytest.mark.parametrize("convs", [3, 8])
@pytest.mark.parametrize("color", ["luma", "rgb"])
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_the_file_computes_what_the_student_makes_of_bicubic(tmp_path, scale, color, convs):
    network = make_student(scale, color, convs)
    make_folder(tmp_path, network)
    radius = write_upscaler(tmp_path / "student.onnx", tmp_path / "u.onnx", scale)
    assert radius == network.margin // scale + 2
    for height, width in ODD_SIZES:
        shape = (2, network.planes, height, width)
        x_NCHW = np.random.default_rng(0).random(shape, np.float32)
        large_NCHW = np.stack([bicubic(x_CHW, scale) for x_CHW in x_NCHW])
        with torch.no_grad():
            expected = network(torch.from_numpy(large_NCHW)).numpy()
        np.testing.assert_allclose(infer(tmp_path / "u.onnx", x_NCHW), expected, atol=2e-5)


def test_the_receptive_radius_is_as_far_as_it_looks(tmp_path):
    network = make_student(3)
    make_folder(tmp_path, network)
    radius = write_upscaler(tmp_path / "student.onnx", tmp_path / "u.onnx", 3)
    x_NCHW = np.random.default_rng(0).random((1, 1, 41, 41), np.float32)
    other = x_NCHW.copy()
    other[..., 20, 20] += 1
    moved = infer(tmp_path / "u.onnx", other) != infer(tmp_path / "u.onnx", x_NCHW)
    rows = np.flatnonzero(moved[0, 0].any(1)) // 3
    assert (rows.min(), rows.max()) == (20 - radius, 20 + radius)


def test_the_same_student_gives_the_same_bytes_and_sizes_are_free(tmp_path):
    make_folder(tmp_path, make_student(2))
    for source in ("student.onnx", "student_int8.onnx"):
        for name in "ab":
            write_upscaler(tmp_path / source, tmp_path / name, 2)
        assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
        graph = onnx.load(tmp_path / "a").graph
        sizes = [
            [d.dim_param or d.dim_value for d in port.type.tensor_type.shape.dim]
            for port in (*graph.input, *graph.output)
        ]
        assert sizes == [
            ["batch", 1, "height", "width"],
            ["batch", 1, "large_height", "large_width"],
        ]


@X86
def test_openvino_runs_the_students_convolutions_in_8_bit(tmp_path):
    make_folder(tmp_path, make_student(2))
    write_upscaler(tmp_path / "student_int8.onnx", tmp_path / "u.onnx", 2)
    compiled = import_openvino().Core().compile_model(tmp_path / "u.onnx", "CPU")
    layers = [layer.get_rt_info() for layer in compiled.get_runtime_model().get_ordered_ops()]
    ran = [
        info["runtimePrecision"].value
        for info in layers
        if info["layerType"].value == "Convolution"
    ]
    assert ran.count("u8") == 3


@pytest.mark.parametrize(("of", "grid"), [("student", 3), ("tiny", 2)])
def test_what_is_no_student_on_that_grid_is_refused(tmp_path, of, grid):
    if of == "tiny":
        make_model(tmp_path)
    else:
        make_folder(tmp_path, make_student(2))
    with pytest.raises(UserError, match=f"not a student's file on a grid of {grid} pixels"):
        write_upscaler(tmp_path / "student.onnx", tmp_path / "u.onnx", grid)
    assert not (tmp_path / "u.onnx").exists()
