import numpy as np
import pytest
import torch

from kdsharp.runtime.tiles import cut
from kdsharp.train.config import TeacherConfig
from kdsharp.train.engine import torch_engine
from kdsharp.train.teacher.network import Teacher
from tests.kdsharp.train.networks import student


def test_an_engine_of_a_network_computes_what_the_network_computes():
    made = student(trained=True)
    x_NCHW = np.random.default_rng(0).random((2, 1, 7, 9), dtype=np.float32)
    with torch.no_grad():
        expected = made(torch.from_numpy(x_NCHW)).numpy()
    np.testing.assert_allclose(torch_engine(made).run(x_NCHW), expected, atol=1e-6)


@pytest.mark.parametrize("size", [(250, 97), (64, 301)])
@pytest.mark.parametrize("arch", ["resnet18", "swin"])
@pytest.mark.parametrize(("color", "margin"), [("rgb", 0), ("luma", 6)])
def test_a_teacher_in_tiles_equals_the_whole(size, arch, color, margin):
    torch.manual_seed(0)
    config = TeacherConfig(arch=arch, depth=1, width=8, num_blocks=1, color=color, margin=margin)
    teacher = Teacher(config)
    for start_at_zero in (teacher.to_detail[0], teacher.last):
        torch.nn.init.normal_(start_at_zero.weight, std=0.05)
    engine = torch_engine(teacher)
    x_NCHW = np.random.default_rng(0).random((1, teacher.planes, *size), dtype=np.float32)
    tiled_HWC = np.zeros((*size, teacher.planes), np.float32)
    for part_HWC, tile in cut(x_NCHW[0].transpose(1, 2, 0), engine.card, 48):
        done_NCHW = engine.run(part_HWC.transpose(2, 0, 1)[None])
        tiled_HWC[tile.write] = done_NCHW[0].transpose(1, 2, 0)[tile.keep]
    np.testing.assert_allclose(tiled_HWC.transpose(2, 0, 1), engine.run(x_NCHW)[0], atol=1e-5)
