"""Swin-T against torchvision's own; what holds for any encoder is in test_teacher.py."""

import hashlib

import pytest
import torch
from torch.export import Dim
from torchvision.models import swin_t
from torchvision.models.swin_transformer import SwinTransformer

from kdsharp.errors import UserError
from kdsharp.train.config import TeacherConfig
from kdsharp.train.teacher.network import Teacher
from kdsharp.train.teacher.train import pretrained_teacher


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A file of the form that torchvision publishes, and the network in it."""
    torch.manual_seed(5)
    network = swin_t(weights=None).eval()
    for name, tensor in network.state_dict().items():
        if "norm" in name or "bias" in name:
            tensor.normal_(std=0.5)  # or many would be all the same
    path = tmp_path_factory.mktemp("weights") / "swin_t.pth"
    torch.save(network.state_dict(), path)
    return path, network


def config(path, **changes):
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    chosen = {"pretrained": True, "weights": str(path), "weights_sha256": digest[:8]}
    return TeacherConfig(arch="swin", width=8, num_blocks=0, **(chosen | changes))


def test_the_encoder_computes_what_torchvision_computes(weights):
    path, reference = weights
    assert isinstance(reference, SwinTransformer)
    made = pretrained_teacher(config(path, window=7))
    x = torch.rand(2, 3, 112, 168)
    with torch.no_grad():
        first, second = reference.features[:2](x), reference.features[:4](x)
        ours = made.stages[0](made.pool(made.stem(x)))
        torch.testing.assert_close(ours.permute(0, 2, 3, 1), first)
        torch.testing.assert_close(made.stages[1](ours).permute(0, 2, 3, 1), second)


@pytest.mark.parametrize("window", [4, 8])
def test_an_offset_keeps_its_bias_in_windows_of_another_size(weights, window):
    path, reference = weights
    made = pretrained_teacher(config(path, window=window, depth=1))
    ours = made.stages[0][1].attn.get_relative_position_bias()[0]
    theirs = reference.features[1][1].attn.get_relative_position_bias()[0]
    for row, column in ((0, 0), (0, 3), (2, 1), (3, 3)):
        there = theirs[:, 0, row * 7 + column]
        assert torch.equal(ours[:, 0, row * window + column], there)
        back = theirs[:, row * 7 + column, 0]
        assert torch.equal(ours[:, row * window + column, 0], back)


def test_with_imagenet_weights_it_is_still_the_identity(weights):
    x = torch.rand(1, 3, 20, 33)
    assert torch.equal(pretrained_teacher(config(weights[0]))(x), x)


def test_another_file_than_the_promised_one_is_refused(weights):
    with pytest.raises(UserError, match=r"SHA-256 of .* begins with .*, not with 00000000"):
        pretrained_teacher(config(weights[0], weights_sha256="00000000"))


def test_the_digest_of_the_resnet18_is_refused_at_once():
    with pytest.raises(ValueError, match="that of its Swin-T begins with 704ceda3"):
        TeacherConfig(arch="swin", pretrained=True, weights="swin_t.pth")


def test_an_exported_graph_holds_for_other_sizes():
    """What the registry keeps; the sizes are multiples of the grid."""
    torch.manual_seed(0)
    made = Teacher(TeacherConfig(arch="swin", depth=1, width=8, num_blocks=0)).eval()
    for start_at_zero in (made.to_detail[0], made.last):
        torch.nn.init.normal_(start_at_zero.weight, std=0.05)
    sizes = {0: Dim.AUTO, 2: Dim.AUTO, 3: Dim.AUTO}
    graph = torch.export.export(made, (torch.zeros(2, 3, 64, 64),), dynamic_shapes=(sizes,))
    for size in ((1, 3, 64, 64), (3, 3, 96, 128)):
        x = torch.rand(size)
        torch.testing.assert_close(graph.module()(x), made(x))
