import copy

import pytest
import torch

from kdsharp.train.loop.soap import Soap


def gradients(shape, count, kind=torch.float32):
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(shape, generator=generator, dtype=kind) for _ in range(count)]


def stepped(optimizer, weight, given):
    for gradient in given:
        weight.grad = gradient.clone()
        optimizer.step()
    return weight.detach().clone()


@pytest.mark.parametrize("shape", [(5, 3, 3, 3), (7,), (1, 4), ()])
def test_without_bases_it_is_adam(shape):
    start = torch.ones(shape)
    ours, theirs = (torch.nn.Parameter(start.clone()) for _ in range(2))
    given = gradients(shape, 20)
    soap = Soap([ours], lr=0.01, betas=(0.9, 0.99), largest=0)
    adam = torch.optim.Adam([theirs], lr=0.01, betas=(0.9, 0.99))
    torch.testing.assert_close(stepped(soap, ours, given), stepped(adam, theirs, given))


def test_it_does_not_care_in_which_axes_the_weights_are_written():
    """Adam does: turned weights take another path."""
    turn = torch.linalg.qr(torch.randn(6, 6, generator=torch.Generator().manual_seed(1)).double())[
        0
    ]
    given = gradients((6, 6), 60, torch.float64)
    paths = {}
    for largest in (320, 0):  # without bases it is Adam
        for by in (torch.eye(6).double(), turn):
            weight = torch.nn.Parameter(torch.zeros(6, 6).double())
            optimizer = Soap([weight], lr=0.01, every=1, largest=largest)
            path = stepped(optimizer, weight, [g @ by for g in given]) @ by.T
            paths.setdefault(largest, []).append(path)
    torch.testing.assert_close(*paths[320])
    assert (paths[0][0] - paths[0][1]).abs().max() > 0.01


def steps_to_solve(make):
    """Steps until a least squares problem whose axes are mixed and very unequal is solved."""
    generator = torch.Generator().manual_seed(2)
    turn = torch.linalg.qr(torch.randn(12, 12, generator=generator))[0]
    mixed = turn @ torch.diag(torch.logspace(0, -2, 12)) @ turn.T
    wanted = torch.randn(8, 12, generator=generator)
    weight = torch.nn.Parameter(torch.zeros(8, 12))
    optimizer = make([weight])
    for step in range(2000):
        loss = ((weight - wanted) @ mixed).square().mean()
        if loss < 1e-4:
            return step
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return 2000


def test_unequal_and_mixed_curvature_costs_it_half_of_adams_steps_at_most():
    adam = steps_to_solve(lambda p: torch.optim.Adam(p, lr=0.02))
    soap = steps_to_solve(lambda p: Soap(p, lr=0.02, every=5))
    assert soap < adam / 2


def test_it_begins_on_the_gradient_of_a_network_with_idle_channels():
    """Mostly zeros and small numbers: too much for an eigendecomposition in single precision."""
    generator = torch.Generator().manual_seed(0)
    busy = torch.randn(64, 8, 9, generator=generator) * 1e-4
    gradient = torch.zeros(64, 64, 9)
    gradient[:, ::8] = busy
    weight = torch.nn.Parameter(torch.zeros(64, 64, 3, 3))
    given = [gradient.view(64, 64, 3, 3)] * 30
    assert torch.isfinite(stepped(Soap([weight], lr=0.01, largest=640), weight, given)).all()


def test_from_its_saved_state_it_goes_on_to_the_same_bytes():
    given = gradients((4, 3, 3, 3), 40)
    weight = torch.nn.Parameter(torch.zeros(4, 3, 3, 3))
    optimizer = Soap([weight], lr=0.01, every=7)
    stepped(optimizer, weight, given[:17])
    other = torch.nn.Parameter(weight.detach().clone())
    resumed = Soap([other], lr=0.01, every=7)
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    whole = stepped(optimizer, weight, given[17:])
    assert torch.equal(whole, stepped(resumed, other, given[17:]))


def test_a_long_side_keeps_its_axes():
    weight = torch.nn.Parameter(torch.zeros(4, 30))
    optimizer = Soap([weight], lr=0.01, largest=10)
    stepped(optimizer, weight, gradients((4, 30), 2))
    assert "rows" in optimizer.state[weight]
    assert "columns" not in optimizer.state[weight]
