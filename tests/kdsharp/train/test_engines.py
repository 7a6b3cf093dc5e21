import numpy as np
import pytest
import torch

from kdsharp.tiles import run_tiled
from kdsharp.train.config import TeacherConfig
from kdsharp.train.engines import torch_engine
from kdsharp.train.teacher import Teacher
from tests.kdsharp.train.networks import student


def test_an_engine_of_a_network_computes_what_the_network_computes():
    made = student(trained=True)
    x_NCHW = np.random.default_rng(0).random((2, 1, 7, 9), dtype=np.float32)
    with torch.no_grad():
        expected = made(torch.from_numpy(x_NCHW)).numpy()
    np.testing.assert_allclose(torch_engine(made).run(x_NCHW), expected, atol=1e-6)


@pytest.mark.parametrize("size", [(250, 97), (64, 301)])
@pytest.mark.parametrize("arch", ["resnet18", "swin"])
def test_a_teacher_in_tiles_equals_the_whole(size, arch):
    torch.manual_seed(0)
    teacher = Teacher(TeacherConfig(arch=arch, depth=1, width=8, body=1))
    for start_at_zero in (teacher.to_detail[0], teacher.last):
        torch.nn.init.normal_(start_at_zero.weight, std=0.05)
    engine = torch_engine(teacher)
    x_NCHW = np.random.default_rng(0).random((1, 3, *size), dtype=np.float32)
    np.testing.assert_allclose(run_tiled(engine, x_NCHW, 48), engine.run(x_NCHW), atol=1e-5)
