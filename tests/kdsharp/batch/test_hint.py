"""What is offered where no model helps, does help: crisper, without halos or more noise."""

import numpy as np
import pytest
from PIL import Image
from skimage import data

from benchmarks.crisp import edges, flat_noise, photo_scores
from kdsharp import Sharpener
from kdsharp.batch.request import HINT
from kdsharp.imageio.decode import read_rgb


@pytest.fixture
def offered(kdsharp, monkeypatch):
    """A way to run the command with the very words of the hint on an array."""
    monkeypatch.delenv("KDSHARP_MODEL")
    words = HINT.split()[:2]

    def run(rgb):
        Image.fromarray(rgb).save("in.png")
        assert kdsharp("sharpen", "in.png", "-o", "out.png", *words, "--precision", "fp32")[0] == 0
        return np.asarray(read_rgb("out.png"))

    return run


@pytest.mark.parametrize("name", ["astronaut", "chelsea", "coffee"])
@pytest.mark.parametrize("cut", [0, 1])
def test_a_photo_that_is_left_gets_crisper(offered, name, cut):
    photo = np.ascontiguousarray(np.asarray(Image.fromarray(getattr(data, name)()).reduce(2)))
    photo = np.ascontiguousarray(photo[cut:, cut:])
    assert Sharpener().choice(photo) is None
    sharpness, noise, *_ = photo_scores(offered, photo)
    assert sharpness > 1.02
    assert noise <= 1.1


def test_edges_get_no_halo_and_flat_areas_no_noise():
    crisp = Sharpener(engine="onnxruntime", strength=0, crisp=0.5)
    found = edges(crisp.array, 60, seed=11)
    assert found.mean() < 2
    assert flat_noise(crisp.array, 40, seed=11) <= 1.1
