import dataclasses

import pytest
import torch

from kdsharp.train.dataset.batches import PatchDataset, Planes
from kdsharp.train.loop.fit import fit
from kdsharp.train.loop.loss import affinity_loss
from kdsharp.train.student.network import Student
from kdsharp.train.student.reparam import ReparamStudent
from kdsharp.train.training import psnr_y
from tests.kdsharp.train.networks import DEEP, LOOP, TINY, blurred

WIDE = dataclasses.replace(TINY, expansion=16)


def shaken(trainee):
    """Weights of which none is zero."""
    with torch.no_grad():
        for parameter in trainee.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return trainee


@pytest.mark.parametrize("config", [TINY, WIDE, dataclasses.replace(DEEP, expansion=16)])
@pytest.mark.parametrize("features", [0, 5])
def test_what_is_delivered_computes_what_was_trained(config, features):
    torch.manual_seed(0)
    config = dataclasses.replace(config, feature_weight=float(features))
    trainee = shaken(ReparamStudent(config, features)).eval()
    student = trainee.fuse(trainee.state_dict())
    x = torch.rand(2, 1, 10, 14)
    assert type(student) is Student
    assert student.parameter_count == Student(config).parameter_count
    torch.testing.assert_close(student(x), trainee(x), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("config", [TINY, WIDE, DEEP])
def test_untrained_it_is_the_identity(config):
    x = torch.rand(1, 1, 8, 8)
    torch.testing.assert_close(ReparamStudent(config).eval()(x), x)


@pytest.mark.parametrize("grid", [2, 3])
def test_in_training_it_answers_the_inner_pixels_as_the_student_does(grid):
    torch.manual_seed(0)
    config = dataclasses.replace(WIDE, unshuffle_factor=grid, kernels=(5, 3, 3))
    trainee = shaken(ReparamStudent(config))
    margin = trainee.student.margin
    x = torch.rand(1, 1, 12 * grid, 14 * grid)
    inner = trainee(x)
    whole = trainee.eval()(x)
    torch.testing.assert_close(inner, whole[..., margin:-margin, margin:-margin])


def test_the_head_answers_in_training_alone():
    trainee = ReparamStudent(dataclasses.replace(TINY, feature_weight=1.0), features=5)
    output, features = trainee(torch.rand(2, 1, 20, 20))
    assert output.shape == (2, 1, 8, 8)
    assert features.shape == (2, 5, 6, 6)
    assert isinstance(trainee.eval()(torch.rand(2, 1, 8, 8)), torch.Tensor)


@pytest.mark.parametrize("optimizer", ["adam", "soap"])
@pytest.mark.parametrize(("config", "features"), [(TINY, 0), (WIDE, 0), (WIDE, 4)])
def test_it_learns(tmp_path, optimizer, config, features):
    torch.manual_seed(0)
    examples = blurred()
    ((_, truth),) = examples.targets
    if features:
        coarse = truth.array_NHWC[:, ::2, ::2].repeat(features, 3).astype("float16") / 255
        examples = dataclasses.replace(examples, features=(0.01, Planes(coarse, 1)))
    loop = dataclasses.replace(LOOP, epochs=20, optimizer=optimizer)
    trainee = ReparamStudent(dataclasses.replace(config, feature_weight=0.01 * features), features)
    score = lambda network: psnr_y(network, examples.inputs, truth, border=2)  # noqa: E731
    before = score(trainee.eval())
    done = fit(trainee, examples, score, loop, tmp_path / "c.pt", "a")
    after = score(trainee.fuse(done.weights))
    assert after > before + 0.5
    assert after == pytest.approx(done.history[done.best_epoch - 1]["val_psnr_y"], abs=1e-3)


@pytest.mark.parametrize("match", ["projection", "affinity"])
def test_features_pull_on_the_hidden_layers(tmp_path, match):
    examples = blurred()
    none = PatchDataset(examples.inputs, [(0.0, examples.inputs)], align=1)
    coarse = examples.inputs.array_NHWC[:, ::2, ::2].repeat(4, 3).astype("float16") / 255
    measure = {"projection": torch.nn.functional.mse_loss, "affinity": affinity_loss}[match]
    with_them = dataclasses.replace(none, features=(1.0, Planes(coarse, 1)), match=measure)
    torch.manual_seed(0)
    trainee = ReparamStudent(dataclasses.replace(TINY, feature_weight=1.0, feature_match=match), 4)
    start = trainee.student.first.weight.clone()
    done = fit(trainee, with_them, lambda _: 0.0, LOOP, tmp_path / "c.pt", "a")
    assert not torch.equal(done.weights["student.first.weight"], start)
