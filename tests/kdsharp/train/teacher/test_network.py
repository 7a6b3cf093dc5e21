import dataclasses
import hashlib

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.models import resnet18
from torchvision.models.swin_transformer import ShiftedWindowAttention

from kdsharp.errors import UserError
from kdsharp.train.config import LoopConfig, TeacherConfig
from kdsharp.train.loop.fit import fit
from kdsharp.train.loop.weights import read_about, save_weights
from kdsharp.train.student.distill import cache_teacher_outputs
from kdsharp.train.teacher.network import Teacher, load_teacher
from kdsharp.train.teacher.train import pretrained_teacher
from kdsharp.train.training import psnr_y
from tests.kdsharp.train.networks import TINY as STUDENT
from tests.kdsharp.train.networks import blurred

TINY = TeacherConfig(depth=2, width=8, num_blocks=1)
SWIN = dataclasses.replace(TINY, arch="swin", shrink=1, window=2)
NONE = dataclasses.replace(TINY, arch="none", num_blocks=2)
both = pytest.mark.parametrize("config", [TINY, SWIN], ids=["resnet18", "swin"])
each = pytest.mark.parametrize("config", [TINY, SWIN, NONE], ids=["resnet18", "swin", "none"])


def teacher(config=TINY, trained=True):
    torch.manual_seed(0)
    made = Teacher(config).eval()
    if trained:
        joints = [made.to_detail[0], made.last] if made.architecture else [made.last]
        for start_at_zero in joints:
            torch.nn.init.normal_(start_at_zero.weight, std=0.05)
    return made


@each
@pytest.mark.parametrize("size", [(1, 1), (5, 3), (16, 16), (33, 50)])
def test_an_untrained_teacher_is_the_identity(size, config):
    x = torch.rand(2, 3, *size)
    assert torch.equal(teacher(config, trained=False)(x), x)


@each
def test_a_picture_s_result_does_not_depend_on_its_batch(config):
    made, x = teacher(config), torch.rand(3, 3, 21, 34)
    together, features = made.with_features(x)
    assert together.shape == x.shape
    assert features.shape == (3, config.width, 10, 17)
    for index in range(3):
        torch.testing.assert_close(made(x[index : index + 1])[0], together[index])


def test_with_a_slope_a_channel_below_zero_still_learns():
    """Under plain ReLU it gets no gradient, so it stays silent for good."""
    for slope, learns in ((0.0, False), (0.1, True)):
        made = teacher(dataclasses.replace(NONE, slope=slope))
        with torch.no_grad():
            made.body[0].first.bias[2] = -100.0
        made(torch.rand(1, 3, 16, 16)).square().sum().backward()
        assert bool(made.body[0].first.weight.grad[2].any()) == learns


@each
def test_it_is_trained_saved_and_loaded(tmp_path, config):
    examples, made = blurred(planes=3), teacher(config, trained=False)
    ((_, truth),) = examples.targets
    loop = LoopConfig(
        epochs=1, batch_size=4, lr=3e-3, optimizer="soap", grad_clip_norm=1.0, warmup_steps=0
    )
    part = made.stages[0] if made.architecture else made.body[0]
    start = {name: tensor.clone() for name, tensor in part.state_dict().items()}
    done = fit(
        made,
        examples,
        lambda network: psnr_y(network, examples.inputs, truth, border=2),
        dataclasses.replace(loop, repeats=2, ema=0.0, device="cpu"),
        tmp_path / "last.pt",
        "a",
    )
    made.load_state_dict(done.weights)
    assert any(not torch.equal(part.state_dict()[n], t) for n, t in start.items())
    path = tmp_path / "teacher.safetensors"
    save_weights(path, "teacher", config, made.state_dict(), {})
    loaded = load_teacher(path)
    assert loaded.config == config
    x = torch.rand(1, 3, 19, 30)
    torch.testing.assert_close(loaded(x), made.eval()(x), atol=1e-5, rtol=0)
    assert not torch.equal(loaded(x), x)


@each
def test_its_features_are_what_students_learn_from(tmp_path, config):
    pictures = np.random.default_rng(0).integers(0, 256, (3, 16, 20, 3), np.uint8)
    wanted = dataclasses.replace(STUDENT, feature_weight=0.5)
    _, features = cache_teacher_outputs(teacher(config), pictures, wanted, tmp_path)
    assert features.array_NHWC.shape == (3, 8, 10, config.width)
    assert np.isfinite(features.array_NHWC).all()


def test_a_file_without_an_architecture_holds_a_resnet18(tmp_path):
    path = tmp_path / "teacher.safetensors"
    save_weights(path, "teacher", TINY, teacher().state_dict())
    assert {"arch", "window"}.isdisjoint(read_about(path))
    assert load_teacher(path).config.arch == "resnet18"
    save_weights(path, "teacher", SWIN, teacher(SWIN).state_dict())
    assert read_about(path)["arch"] == "swin"


def test_without_an_encoder_no_pixel_beyond_the_receptive_radius_matters():
    made = teacher(dataclasses.replace(NONE, color="luma", margin=4))
    side = 2 * made.receptive_radius + 4
    for middle in (side // 2, side // 2 + 1):
        x = torch.rand(1, 1, side, side, requires_grad=True)
        (gradient,) = torch.autograd.grad(made(x)[0, 0, middle, middle], x)
        reach = int((gradient[0, 0].nonzero() - middle).abs().max())
        assert made.receptive_radius - 2 <= reach <= made.receptive_radius


def test_an_encoder_that_is_left_out_has_no_weights_from_elsewhere():
    with pytest.raises(ValueError, match="with arch none there is no encoder"):
        dataclasses.replace(NONE, pretrained=True)


class TestOwn:
    """A teacher of this project in a file: training starts from it."""

    def config(self, path, config):
        save_weights(path, "teacher", config, teacher(config).state_dict())
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        return dataclasses.replace(
            config, pretrained=True, weights=str(path), weights_sha256=digest[:8]
        )

    @each
    def test_it_starts_from_all_of_its_weights(self, tmp_path, config):
        made = pretrained_teacher(self.config(tmp_path / "t.safetensors", config)).eval()
        x = torch.rand(1, 3, 20, 20)
        assert torch.equal(made(x), teacher(config)(x))
        assert not torch.equal(made(x), x)

    def test_one_of_another_shape_is_told(self, tmp_path):
        config = self.config(tmp_path / "t.safetensors", NONE)
        for changes, words in (
            ({"width": 16}, "holds a teacher of width 8, but teacher.width is 16: set it to 8"),
            ({"color": "luma"}, "holds a teacher of color rgb, but teacher.color is luma"),
            ({"weights_sha256": "00000000"}, "begins with .*, not with 00000000"),
        ):
            with pytest.raises(UserError, match=words):
                pretrained_teacher(dataclasses.replace(config, **changes))


@pytest.mark.parametrize(("depth", "shrink"), [(1, 2), (2, 2), (3, 1), (3, 2)])
def test_no_pixel_beyond_the_receptive_radius_matters(depth, shrink):
    made = teacher(TeacherConfig(depth=depth, shrink=shrink, width=8, num_blocks=1))
    side = 2 * made.receptive_radius + 2 * made.stride
    middle = side // 2
    x = torch.rand(1, 3, side, side, requires_grad=True)
    (gradient,) = torch.autograd.grad(made(x)[0, 0, middle, middle], x)
    reach = int((gradient[0].abs().sum(0).nonzero() - middle).abs().max())
    assert made.receptive_radius - 2 * made.stride <= reach <= made.receptive_radius


@pytest.mark.parametrize(("depth", "shrink", "window"), [(1, 1, 4), (2, 1, 2), (1, 2, 3)])
def test_no_pixel_beyond_the_windows_matters(depth, shrink, window):
    config = TeacherConfig(
        arch="swin", depth=depth, shrink=shrink, window=window, width=8, num_blocks=1
    )
    made = teacher(config)
    side = (2 * made.receptive_radius // made.grid + 2) * made.grid
    reach = 0
    # How far it is to the end of the windows differs from place to place.
    for middle in range(side // 2, side // 2 + made.grid, made.stride):
        x = torch.rand(1, 3, side, side, requires_grad=True)
        (gradient,) = torch.autograd.grad(made(x)[0, 0, middle, middle], x)
        reach = max(reach, int((gradient[0].abs().sum(0).nonzero() - middle).abs().max()))
    assert made.receptive_radius - 2 * made.stride <= reach <= made.receptive_radius


@each
def test_its_size_in_macs_is_that_of_all_products(config):
    made, counted = teacher(config), []

    def count(module, inputs, output):
        if isinstance(module, ShiftedWindowAttention):
            # Each token with each of its window, once for the weights and once for the values.
            counted.append(2 * output.numel() * module.window_size[0] ** 2)
        else:
            per_output = module.weight.numel() // len(module.weight)
            counted.append(output.numel() * per_output)

    for module in made.modules():
        if isinstance(module, nn.Conv2d | nn.Linear | ShiftedWindowAttention):
            module.register_forward_hook(count)
    with torch.no_grad():
        made(torch.zeros(1, 3, 64, 64))
    total = sum(counted) / 64**2
    assert made.macs_per_pixel == pytest.approx(total)


@each
def test_training_and_use_are_the_same_function(config):
    made, x = teacher(config), torch.rand(2, 3, 32, 32)
    assert torch.equal(made.train()(x), made.eval()(x))


LUMA = dataclasses.replace(TINY, color="luma", margin=6)


@pytest.mark.parametrize("size", [(1, 1), (5, 3), (33, 50)])
def test_a_teacher_of_luma_keeps_the_size_and_starts_as_the_identity(size):
    x = torch.rand(2, 1, *size)
    assert torch.equal(teacher(LUMA, trained=False)(x), x)
    assert teacher(LUMA)(x).shape == x.shape


def test_in_training_it_answers_about_inner_pixels_alone():
    """Those that it would answer about alike, were the crop a whole picture."""
    made, x = teacher(LUMA), torch.rand(2, 1, 32, 32)
    plain = teacher(dataclasses.replace(LUMA, margin=0))
    inner = made.train()(x)
    assert inner.shape == (2, 1, 20, 20)
    assert torch.equal(inner, plain(x)[..., 6:-6, 6:-6])


def test_in_use_a_picture_is_continued_by_its_last_pixels():
    """A flat picture has no border to be seen: all its pixels get the same change."""
    x = torch.full((1, 1, 24, 40), 0.5)
    seen, plain = teacher(LUMA)(x) - x, teacher(dataclasses.replace(LUMA, margin=0))(x) - x
    assert seen[..., 2:-2, 2:-2].std() < plain[..., 2:-2, 2:-2].std()


def test_a_margin_that_leaves_nothing_is_refused():
    with pytest.raises(ValueError, match=r"margin 32 leaves nothing of loop\.crop 64"):
        TeacherConfig(margin=32, loop=LoopConfig(crop=64))


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
        with pytest.raises(UserError, match=r"none\.pth is not a file"):
            pretrained_teacher(config)

    def test_a_file_of_something_else_is_refused(self, tmp_path):
        path = tmp_path / "text.pth"
        path.write_text("no weights")
        with pytest.raises(UserError, match="is not a file of torch weights"):
            pretrained_teacher(self.config(path))

    def test_weights_of_a_resnet18_are_no_swin(self, weights):
        config = self.config(weights[0], arch="swin")
        with pytest.raises(UserError, match="does not hold torchvision's Swin-T weights"):
            pretrained_teacher(config)

    def test_weights_of_another_network_are_refused(self, tmp_path):
        path = tmp_path / "other.pth"
        torch.save({"conv1.weight": torch.zeros(1)}, path)
        with pytest.raises(UserError, match="does not hold torchvision's ResNet18 weights"):
            pretrained_teacher(self.config(path))

    def test_code_in_the_file_is_not_run(self, tmp_path):
        class Evil:
            def __reduce__(self):
                return (print, ("executed",))

        path = tmp_path / "evil.pth"
        torch.save({"conv1.weight": Evil()}, path)
        with pytest.raises(UserError, match="is not a file of torch weights"):
            pretrained_teacher(self.config(path))
