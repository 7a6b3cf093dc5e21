import dataclasses
import logging
import math
import os
import signal

import pytest
import torch

from kdsharp.errors import UserError
from kdsharp.runtime import hardware
from kdsharp.train.dataset.batches import PatchDataset
from kdsharp.train.loop.checkpoint import load_checkpoint
from kdsharp.train.loop.distributed import pick_precision
from kdsharp.train.loop.fit import fit, learning_rate
from kdsharp.train.loop.interrupt import StopSignals
from kdsharp.train.loop.loss import LOSSES
from kdsharp.train.training import psnr_y
from tests.kdsharp.train.networks import LOOP, blurred, student


def train(path, loop=LOOP, on_epoch=lambda _: None, validate=None, fingerprint="a", steps=None):
    examples = blurred()
    ((_, truth),) = examples.targets
    validate = validate or (lambda n: psnr_y(n, examples.inputs, truth, border=2))
    return fit(student(), examples, validate, loop, path, fingerprint, on_epoch, steps)


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def test_training_makes_it_better(tmp_path):
    loop = dataclasses.replace(LOOP, epochs=10)
    done = train(tmp_path / "c.pt", loop)
    scores = [row["val_psnr_y"] for row in done.history]
    assert scores[-1] > scores[0] + 0.5
    assert [row["epoch"] for row in done.history] == list(range(1, 11))
    assert done.best_epoch == 1 + scores.index(max(scores))


def test_in_bf16_products_are_rounded_and_weights_are_not(tmp_path):
    loop = dataclasses.replace(LOOP, epochs=10)
    fp32 = train(tmp_path / "a.pt", loop)
    bf16 = train(tmp_path / "b.pt", dataclasses.replace(loop, precision="bf16"))
    assert (fp32.precision, bf16.precision) == ("fp32", "bf16")
    assert not same(fp32.weights, bf16.weights)
    scores = [done.history[-1]["val_psnr_y"] for done in (fp32, bf16)]
    assert scores[0] == pytest.approx(scores[1], abs=0.3)
    for weights in bf16.weights.values():
        assert weights.dtype == torch.float32
        assert not torch.equal(weights, weights.bfloat16().float())


@pytest.mark.parametrize(
    ("flags", "precision"),
    [({"avx512_bf16"}, "bf16"), ({"amx_bf16", "avx2"}, "bf16"), ({"avx2", "avx512f"}, "fp32")],
)
def test_auto_takes_bf16_where_the_cpu_has_it(flags, precision, monkeypatch):
    monkeypatch.setattr(hardware, "cpu_flags", lambda: frozenset(flags))
    cpu = torch.device("cpu")
    assert pick_precision("auto", cpu) == precision
    assert [pick_precision(named, cpu) for named in ("fp32", "bf16")] == ["fp32", "bf16"]


class Killed(BaseException):
    pass


SOAP = dataclasses.replace(LOOP, optimizer="soap", crop=8, repeats=2, epochs=1)
BF16 = dataclasses.replace(SOAP, precision="bf16")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_saves_the_step_and_says_how_to_go_on(tmp_path, monkeypatch, caplog, number):
    caplog.set_level(logging.INFO)
    loop = dataclasses.replace(LOOP, checkpoint_minutes=60)
    whole = train(tmp_path / "whole.pt", loop)
    path, original, calls = tmp_path / "stopped.pt", LOSSES["mse"], []

    def interrupted(a, b):
        calls.append(a)
        if len(calls) == 5:
            os.kill(os.getpid(), number)
        return original(a, b)

    before = signal.getsignal(number)
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setitem(LOSSES, "mse", interrupted)
        train(path, loop)
    assert signal.getsignal(number) is before
    assert len(calls) == load_checkpoint(path, "a").step == 5
    assert "stopped at step 5 of" in caplog.text
    assert "the same command goes on from there" in caplog.text
    assert same(train(path, loop).weights, whole.weights)
    assert "resuming at step 5" in caplog.text


def test_a_second_ctrl_c_does_not_wait():
    with StopSignals() as signals:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)
        assert signals.asked
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize("loop", [LOOP, SOAP, BF16])
@pytest.mark.parametrize("at", [1, 3, 4, 5, 7])
def test_a_run_killed_at_any_step_ends_with_the_same_weights(tmp_path, at, loop, monkeypatch):
    whole = train(tmp_path / "whole.pt", loop)
    path = tmp_path / "killed.pt"
    calls = 0
    original = LOSSES["mse"]

    def killer(a, b):
        nonlocal calls
        calls += 1
        if calls == at + 1:
            raise Killed
        return original(a, b)

    with monkeypatch.context() as patched:
        patched.setitem(LOSSES, "mse", killer)
        with pytest.raises(Killed):
            train(path, loop)
    resumed_at = load_checkpoint(path, "a").step
    assert resumed_at == at
    again = train(path, loop)
    assert same(again.weights, whole.weights)
    assert again.history == whole.history


def test_a_finished_training_is_not_done_again(tmp_path):
    path = tmp_path / "c.pt"
    whole = train(path)
    epochs = []
    assert same(train(path, on_epoch=epochs.append).weights, whole.weights)
    assert epochs == []


def test_a_checkpoint_of_another_training_is_left_aside(tmp_path):
    path = tmp_path / "c.pt"
    train(path)
    epochs = []
    train(path, on_epoch=epochs.append, fingerprint="b")
    assert len(epochs) == LOOP.epochs


def test_a_damaged_checkpoint_costs_time_only(tmp_path, caplog):
    path = tmp_path / "c.pt"
    whole = train(path)
    path.write_bytes(path.read_bytes()[:500])
    assert same(train(path).weights, whole.weights)
    assert "cannot be read" in caplog.text


def test_the_best_epoch_is_kept_not_the_last(tmp_path):
    scores = iter([1.0, 3.0, 2.0])
    kept = []

    def validate(network):
        kept.append({k: v.clone() for k, v in network.state_dict().items()})
        return next(scores)

    loop = dataclasses.replace(LOOP, epochs=3)
    done = train(tmp_path / "c.pt", loop, validate=validate)
    assert done.best_epoch == 2
    assert same(done.weights, kept[1])
    assert not same(done.weights, kept[2])


def test_what_is_validated_is_the_moving_average(tmp_path):
    """An average without memory is the weights themselves."""
    seen = []
    loop = dataclasses.replace(LOOP, ema=0.0)
    train(tmp_path / "a.pt", loop, validate=lambda n: seen.append(n.last.weight.clone()) or 0.0)
    last = load_checkpoint(tmp_path / "a.pt", "a").model["last.weight"]
    torch.testing.assert_close(seen[-1], last)


@pytest.mark.parametrize("loss", sorted(LOSSES))
def test_every_loss_is_zero_where_equal_and_grows(loss):
    a = torch.rand(1, 1, 4, 4)
    assert LOSSES[loss](a, a) <= 1.01e-3
    assert LOSSES[loss](a, a + 0.1) > LOSSES[loss](a, a + 0.05)


@pytest.mark.parametrize("late", ["mse", "psnr"])
def test_the_last_share_of_the_steps_is_on_the_late_loss(tmp_path, monkeypatch, late):
    used = []
    for name in ("l1", late):
        loss = LOSSES[name]
        spy = lambda a, b, name=name, loss=loss: used.append(name) or loss(a, b)  # noqa: E731
        monkeypatch.setitem(LOSSES, name, spy)
    config = dataclasses.replace(LOOP, loss="l1", mse_share=0.25, late_loss=late)
    train(tmp_path / "c.pt", config)
    assert used == ["l1"] * 6 + [late] * 2


def test_an_epoch_may_be_several_passes(tmp_path):
    done = train(tmp_path / "c.pt", dataclasses.replace(LOOP, epochs=2, repeats=3))
    assert [row["epoch"] for row in done.history] == [1, 2]
    assert load_checkpoint(tmp_path / "c.pt", "a").step == 2 * 3 * 4


@pytest.mark.parametrize(("steps", "ends"), [(7, [4, 7]), (1, [1])])
def test_a_number_of_steps_is_shared_among_the_epochs(tmp_path, steps, ends):
    at = []
    done = train(
        tmp_path / "c.pt",
        on_epoch=lambda _: at.append(load_checkpoint(tmp_path / "c.pt", "a").step),
        steps=steps,
    )
    assert at == ends
    assert [row["epoch"] for row in done.history] == list(range(1, len(ends) + 1))
    # The cosine ends with the last step, however many there are.
    assert done.history[-1]["lr"] == learning_rate(steps - 1, steps, LOOP)


def test_steps_that_the_config_would_take_anyway_change_nothing(tmp_path):
    one, two = train(tmp_path / "1.pt"), train(tmp_path / "2.pt", steps=8)
    assert same(one.weights, two.weights)
    assert one.history == two.history


def test_targets_are_weighted(tmp_path):
    examples = blurred()
    ((_, truth),) = examples.targets
    half = PatchDataset(examples.inputs, [(0.25, truth), (0.75, truth)], align=1)
    score = lambda n: psnr_y(n, examples.inputs, truth, border=2)  # noqa: E731
    one = fit(student(), examples, score, LOOP, tmp_path / "1.pt", "a")
    two = fit(student(), half, score, LOOP, tmp_path / "2.pt", "a")
    for name, weight in one.weights.items():
        torch.testing.assert_close(two.weights[name], weight, atol=1e-4, rtol=1e-3)


def test_a_loss_that_is_not_finite_stops_with_its_step(tmp_path):
    loop = dataclasses.replace(LOOP, lr=1.0, grad_clip_norm=1e30, warmup_steps=0, epochs=200)
    with pytest.raises(UserError, match=r"the loss is (nan|inf) at step \d+: lower lr"):
        fit(
            _Exploding(),
            blurred(),
            lambda _: 0.0,
            loop,
            tmp_path / "c.pt",
            "a",
        )


class _Exploding(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(()))

    def forward(self, x):
        return x * torch.exp(10 * self.weight.abs() * (1 + 100 * (self.weight != 1)))


def test_the_learning_rate_warms_up_and_decays():
    rates = [
        learning_rate(step, 1000, dataclasses.replace(LOOP, warmup_steps=50))
        for step in range(1000)
    ]
    assert rates[0] < LOOP.lr / 40
    assert max(rates) == pytest.approx(LOOP.lr, rel=0.01)
    assert rates.index(max(rates)) == 50
    assert rates[-1] == pytest.approx(0.01 * LOOP.lr, rel=0.01)
    assert all(math.isfinite(rate) and rate > 0 for rate in rates)
