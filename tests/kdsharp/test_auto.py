import dataclasses

import numpy as np
import pytest
from PIL import Image
from skimage import data

from kdsharp import Sharpener
from kdsharp.auto import choose
from kdsharp.degrade import crop_to_multiple, degrade
from kdsharp.engine import load_engine


@pytest.fixture(scope="module")
def sharpeners(luma_model):
    engine = load_engine(luma_model)
    made = [(s, dataclasses.replace(engine.card, scale=s)) for s in (2, 4)]
    return {s: Sharpener(engine=dataclasses.replace(engine, card=card)) for s, card in made}


@pytest.mark.parametrize(("made", "taken"), [(1, None), (2, 2), (3, 2), (4, 4)])
def test_the_nearest_is_taken(sharpeners, made, taken):
    photo = crop_to_multiple(Image.fromarray(data.astronaut()).reduce(2), 12)
    sharpener, scale = choose(sharpeners, np.asarray(degrade(photo, "bicubic", made)))
    assert (scale, sharpener) == (taken, sharpeners.get(taken))


def test_the_only_one_is_what_was_asked_for(sharpeners, picture):
    assert choose({4: sharpeners[4]}, picture) == (sharpeners[4], 4)
