import dataclasses

import pytest
import torch

from kdsharp.train.affinity import affinity_loss
from kdsharp.train.batches import Examples, Planes
from kdsharp.train.loop import fit
from kdsharp.train.student import Student
from kdsharp.train.trainee import Trainee
from kdsharp.train.validate import psnr_y
from tests.kdsharp.train.networks import LOOP, TINY, blurred

WIDE = dataclasses.replace(TINY, expansion=16)


def shaken(trainee):
    """Weights of which none is zero."""
    with torch.no_grad():
        for parameter in trainee.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return trainee


@pytest.mark.parametrize("config", [TINY, WIDE])
@pytest.mark.parametrize("features", [0, 5])
def test_what_is_delivered_computes_what_was_trained(config, features):
    torch.manual_seed(0)
    config = dataclasses.replace(config, feature_weight=float(features))
    trainee = shaken(Trainee(config, features)).eval()
    student = trainee.deliver(trainee.state_dict())
    x = torch.rand(2, 1, 10, 14)
    assert type(student) is Student
    assert student.parameter_count == Student(config).parameter_count
    torch.testing.assert_close(student(x), trainee(x), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("config", [TINY, WIDE])
def test_untrained_it_is_the_identity(config):
    x = torch.rand(1, 1, 8, 8)
    torch.testing.assert_close(Trainee(config).eval()(x), x)


@pytest.mark.parametrize("grid", [2, 3])
def test_in_training_it_answers_the_inner_pixels_as_the_student_does(grid):
    torch.manual_seed(0)
    config = dataclasses.replace(WIDE, grid=grid, kernels=(5, 3, 3))
    trainee = shaken(Trainee(config))
    margin = trainee.student.margin
    x = torch.rand(1, 1, 12 * grid, 14 * grid)
    inner = trainee(x)
    whole = trainee.eval()(x)
    torch.testing.assert_close(inner, whole[..., margin:-margin, margin:-margin])


def test_the_head_answers_in_training_alone():
    trainee = Trainee(dataclasses.replace(TINY, feature_weight=1.0), features=5)
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
    trainee = Trainee(dataclasses.replace(config, feature_weight=0.01 * features), features)
    score = lambda network: psnr_y(network, examples.inputs, truth, border=2)  # noqa: E731
    before = score(trainee.eval())
    done = fit(trainee, examples, score, loop, tmp_path / "c.pt", "a")
    after = score(trainee.deliver(done.weights))
    assert after > before + 0.5
    assert after == pytest.approx(done.history[done.best_epoch - 1]["val_psnr_y"], abs=1e-3)


@pytest.mark.parametrize("match", ["projection", "affinity"])
def test_features_pull_on_the_hidden_layers(tmp_path, match):
    examples = blurred()
    none = Examples(examples.inputs, [(0.0, examples.inputs)])
    coarse = examples.inputs.array_NHWC[:, ::2, ::2].repeat(4, 3).astype("float16") / 255
    measure = {"projection": torch.nn.functional.mse_loss, "affinity": affinity_loss}[match]
    with_them = dataclasses.replace(none, features=(1.0, Planes(coarse, 1)), match=measure)
    torch.manual_seed(0)
    trainee = Trainee(dataclasses.replace(TINY, feature_weight=1.0, feature_match=match), 4)
    start = trainee.student.first.weight.clone()
    done = fit(trainee, with_them, lambda _: 0.0, LOOP, tmp_path / "c.pt", "a")
    assert not torch.equal(done.weights["student.first.weight"], start)
