import dataclasses

import numpy as np
import onnxruntime
import pytest
import torch

from kdsharp.routing.classifier import COUNT
from kdsharp.runtime.windows import windows
from kdsharp.train.classifier import (
    DegradationClassifier,
    Pictures,
    Recipe,
    accuracy,
    train_classifier,
    write_classifier,
)
from kdsharp.train.config import LoopConfig

LOOP = LoopConfig(
    epochs=2, batch_size=8, optimizer="soap", lr=0.003, ema=0.9, grad_clip_norm=1.0, device="cpu"
)
TINY = Recipe(steps=40, across=2, count=4, loop=LOOP)


def drawn(seed):
    """Noise, and the same made smooth: two kinds that differ in texture alone."""
    random = np.random.default_rng(seed)
    noise = [random.integers(60, 200, (96, 120)).astype(np.uint8) for _ in range(8)]
    smooth = [
        (p[:-1, :-1] // 4 + p[1:, :-1] // 4 + p[:-1, 1:] // 4 + p[1:, 1:] // 4) for p in noise
    ]
    return Pictures([*noise, *smooth], np.repeat([0, 1], 8))


@pytest.fixture(scope="module")
def pictures():
    return drawn(3)


def judged(network, plane):
    with torch.no_grad():
        return network(torch.from_numpy(windows(plane, 8, COUNT)[None])).softmax(1)[0].numpy()


def test_it_learns_to_tell_kinds_of_pictures_apart_that_it_never_saw(tmp_path, pictures):
    new, untrained = drawn(5), DegradationClassifier(2)
    network = train_classifier(pictures, drawn(4), TINY, tmp_path, "a")
    assert accuracy(untrained, new) < 0.8
    assert accuracy(network, new) == 1
    told = [int(judged(network, plane).argmax()) for plane in new.planes]
    assert told == new.labels.tolist()


def test_an_interrupted_training_ends_with_the_same_weights(tmp_path, pictures):
    class Killed(BaseException):
        pass

    def stop(epoch):
        raise Killed

    whole = train_classifier(pictures, pictures, TINY, tmp_path / "whole", "a")
    with pytest.raises(Killed):
        train_classifier(pictures, pictures, TINY, tmp_path / "cut", "a", stop)
    again = train_classifier(pictures, pictures, TINY, tmp_path / "cut", "a")
    assert torch.equal(again.out.weight, whole.out.weight)


def test_the_same_seed_gives_the_same_weights(tmp_path, pictures):
    few = dataclasses.replace(TINY, steps=3)
    one, same, other = (
        train_classifier(
            pictures,
            pictures,
            dataclasses.replace(few, loop=dataclasses.replace(LOOP, seed=seed)),
            tmp_path / str(number),
            "a",
        ).out.weight
        for number, seed in enumerate((1, 1, 2))
    )
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_the_file_gives_what_the_network_gives(tmp_path, pictures):
    torch.manual_seed(4)
    network = DegradationClassifier(5).eval()
    write_classifier(network, tmp_path / "degradation_classifier.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "degradation_classifier.onnx")
    for plane in pictures.planes[::5]:
        (shares,) = session.run(None, {"windows": windows(plane, 8, COUNT)[:, None]})
        np.testing.assert_allclose(shares, judged(network, plane), atol=1e-6)
