import dataclasses

import numpy as np
import onnx
import onnxruntime
import pytest

from kdsharp.errors import KdsharpError
from kdsharp.train.export.fp32 import check_parity, write_onnx
from tests.kdsharp.train.networks import DEEP, TINY, student


def session(path):
    made = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda x_NCHW: made.run(["output"], {"input": x_NCHW})[0]


@pytest.mark.parametrize("color", ["luma", "rgb"])
@pytest.mark.parametrize("config", [TINY, dataclasses.replace(TINY, kernels=(5, 3, 1)), DEEP])
def test_the_file_computes_what_the_student_computes(tmp_path, color, config):
    made = student(dataclasses.replace(config, color=color), trained=True)
    write_onnx(made, tmp_path / "s.onnx")
    assert 0 < check_parity(made, session(tmp_path / "s.onnx"), 1e-5) <= 1e-5


def test_sizes_and_batch_are_free_in_the_file(tmp_path):
    write_onnx(student(), tmp_path / "s.onnx")
    graph = onnx.load(tmp_path / "s.onnx").graph
    for port in (*graph.input, *graph.output):
        sizes = [d.dim_param or d.dim_value for d in port.type.tensor_type.shape.dim]
        assert sizes == ["batch", 1, "height", "width"]


def test_the_same_student_gives_the_same_bytes(tmp_path):
    for name in "ab":
        write_onnx(student(trained=True), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("wrong", [1e-3, np.nan])
def test_a_file_that_computes_something_else_is_refused(wrong):
    made = student()
    with pytest.raises(KdsharpError, match=r"differs from the trained one by .* at 1x1"):
        check_parity(made, lambda x_NCHW: x_NCHW + np.float32(wrong), 1e-4)
