import dataclasses
import hashlib

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from torchvision.models import resnet18

from kdsharp.errors import UserError
from kdsharp.train.config import TeacherConfig
from kdsharp.train.teacher import Teacher, pretrained_teacher

TINY = TeacherConfig(depth=2, width=8, body=1)


def teacher(config=TINY, trained=True):
    torch.manual_seed(0)
    made = Teacher(config).eval()
    if trained:
        for start_at_zero in (made.to_detail[0], made.last):
            torch.nn.init.normal_(start_at_zero.weight, std=0.05)
    return made


@pytest.mark.parametrize("size", [(1, 1), (5, 3), (16, 16), (33, 50)])
def test_an_untrained_teacher_is_the_identity(size):
    x = torch.rand(2, 3, *size)
    assert torch.equal(teacher(trained=False)(x), x)


@pytest.mark.parametrize(("depth", "shrink"), [(1, 2), (2, 2), (3, 1), (3, 2)])
def test_no_pixel_beyond_the_receptive_radius_matters(depth, shrink):
    made = teacher(TeacherConfig(depth=depth, shrink=shrink, width=8, body=1))
    side = 2 * made.receptive_radius + 2 * made.stride
    middle = side // 2
    x = torch.rand(1, 3, side, side, requires_grad=True)
    (gradient,) = torch.autograd.grad(made(x)[0, 0, middle, middle], x)
    reach = int((gradient[0].abs().sum(0).nonzero() - middle).abs().max())
    assert made.receptive_radius - 2 * made.stride <= reach <= made.receptive_radius


def test_its_size_in_macs_is_counted_as_torch_counts_it():
    made = teacher()
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        made(torch.zeros(1, 3, 64, 64))
    assert made.macs_per_pixel == pytest.approx(counter.get_total_flops() / 2 / 64**2)


def test_frozen_statistics_make_training_and_use_the_same_function():
    made, x = teacher(), torch.rand(2, 3, 32, 32)
    assert torch.equal(made.train()(x), made.eval()(x))


class TestPretrained:
    @pytest.fixture
    def weights(self, tmp_path):
        """A file of the form that torchvision publishes."""
        torch.manual_seed(5)
        network = resnet18(weights=None)
        network.bn1.running_mean.normal_()
        path = tmp_path / "resnet18.pth"
        torch.save(network.state_dict(), path)
        return path, network

    def config(self, path, **changes):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        chosen = {"pretrained": True, "weights": str(path), "weights_sha256": digest[:8]}
        return dataclasses.replace(TINY, **(chosen | changes))

    def test_the_encoder_computes_what_torchvision_computes(self, weights):
        path, reference = weights
        made = pretrained_teacher(self.config(path))
        reference.eval()
        x = torch.rand(1, 3, 64, 64)
        with torch.no_grad():
            stem = reference.maxpool(reference.relu(reference.bn1(reference.conv1(x))))
            expected = reference.layer2(reference.layer1(stem))
            ours = made.stages[1](made.stages[0](made.pool(made.stem(x))))
        torch.testing.assert_close(ours, expected)

    def test_it_is_still_the_identity(self, weights):
        x = torch.rand(1, 3, 20, 20)
        assert torch.equal(pretrained_teacher(self.config(weights[0]))(x), x)

    def test_another_file_than_the_promised_one_is_refused(self, weights):
        with pytest.raises(UserError, match=r"SHA-256 of .* begins with .*, not with 00000000"):
            pretrained_teacher(self.config(weights[0], weights_sha256="00000000"))

    def test_a_missing_file_is_named(self, tmp_path):
        config = dataclasses.replace(TINY, pretrained=True, weights=str(tmp_path / "none.pth"))
        with pytest.raises(UserError, match=r"none\.pth is no file"):
            pretrained_teacher(config)

    def test_a_file_of_something_else_is_refused(self, tmp_path):
        path = tmp_path / "text.pth"
        path.write_text("no weights")
        with pytest.raises(UserError, match="is no file of torch weights"):
            pretrained_teacher(self.config(path))

    def test_weights_of_another_network_are_refused(self, tmp_path):
        path = tmp_path / "other.pth"
        torch.save({"conv1.weight": torch.zeros(1)}, path)
        with pytest.raises(UserError, match="holds no ResNet18 weights"):
            pretrained_teacher(self.config(path))

    def test_code_in_the_file_is_not_run(self, tmp_path):
        class Evil:
            def __reduce__(self):
                return (print, ("executed",))

        path = tmp_path / "evil.pth"
        torch.save({"conv1.weight": Evil()}, path)
        with pytest.raises(UserError, match="is no file of torch weights"):
            pretrained_teacher(self.config(path))
