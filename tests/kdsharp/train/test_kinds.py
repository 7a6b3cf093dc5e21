import dataclasses

import numpy as np
import onnxruntime
import pytest
import torch

from kdsharp.kinds import COUNT, windows
from kdsharp.train.kinds import KindNet, Recipe, train_kinds, write_kinds

TINY = Recipe(steps=40, batch=8, across=2, count=4, ema=0.9)


@pytest.fixture(scope="module")
def planes():
    """Noise, and the same made smooth: two kinds that differ in texture alone."""
    random = np.random.default_rng(3)
    noise = [random.integers(60, 200, (96, 120)).astype(np.uint8) for _ in range(8)]
    smooth = [
        (p[:-1, :-1] // 4 + p[1:, :-1] // 4 + p[:-1, 1:] // 4 + p[1:, 1:] // 4) for p in noise
    ]
    return [*noise, *smooth], np.repeat([0, 1], 8)


def judged(network, plane):
    with torch.no_grad():
        return network(torch.from_numpy(windows(plane, 8, COUNT)[None])).softmax(1)[0].numpy()


def test_it_learns_to_tell_kinds_apart(planes):
    network = train_kinds(*planes, TINY, lambda _: None)
    assert [int(judged(network, plane).argmax()) for plane in planes[0]] == planes[1].tolist()


def test_the_same_seed_gives_the_same_weights(planes):
    few = dataclasses.replace(TINY, steps=3)
    one, same, other = (
        train_kinds(*planes, dataclasses.replace(few, seed=seed), lambda _: None).out.weight
        for seed in (1, 1, 2)
    )
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_the_file_gives_what_the_network_gives(tmp_path, planes):
    torch.manual_seed(4)
    network = KindNet(5).eval()
    write_kinds(network, tmp_path / "kinds.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "kinds.onnx")
    for plane in planes[0][::5]:
        (shares,) = session.run(None, {"windows": windows(plane, 8, COUNT)[:, None]})
        np.testing.assert_allclose(shares, judged(network, plane), atol=1e-6)
