import dataclasses
import importlib.util

import numpy as np
import pytest

from kdsharp import Sharpener
from kdsharp.errors import UserError
from kdsharp.routing.router import Choice
from kdsharp.runtime.card import read_card, write_card
from kdsharp.runtime.engine import ENGINES, load_engine

INSTALLED = [name for name in ENGINES if importlib.util.find_spec(name)]
BOTH = pytest.mark.parametrize("name", INSTALLED)


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width), np.uint8)


@BOTH
def test_a_picture_gets_the_mixture_that_it_needs(mixed_model, name):
    mixing = load_engine(mixed_model, name).mixing
    one, other = mixing.look(noise(90, 100)), mixing.look(np.full((90, 100), 128, np.uint8))
    assert one != other
    planes = np.random.default_rng(1).random((1, 1, 20, 30), dtype=np.float32)
    made = [mixing.fold(shares)(planes) for shares in (one, other)]
    assert np.abs(made[0] - made[1]).max() > 1e-4


@BOTH
def test_parts_of_a_picture_have_one_mixture(mixed_model, name):
    engine = load_engine(mixed_model, name)
    planes = np.random.default_rng(1).random((2, 1, 40, 50), dtype=np.float32)
    planes[1] *= 0.2
    fixed = engine.mixed((0.5, 0.25, 0.25))
    assert fixed.mixing is None
    assert fixed.mixed((1.0, 0.0, 0.0)) is fixed
    np.testing.assert_array_equal(
        fixed.run(planes), np.concatenate([fixed.run(p[None]) for p in planes])
    )
    # Without, each looks for itself.
    alone = np.concatenate([engine.run(p[None]) for p in planes])
    np.testing.assert_array_equal(engine.run(planes), alone)


def test_what_was_folded_is_kept(mixed_model):
    fold = load_engine(mixed_model).mixing.fold
    assert fold((0.2, 0.3, 0.5)) is fold((0.2, 0.3, 0.5))


@BOTH
@pytest.mark.parametrize("origin", [(0, 0), (1, 0), (1, 1)])
def test_tiles_give_what_the_whole_gives(mixed_model, name, origin):
    sharpener = Sharpener(mixed_model, engine=name, threads=1)
    picture = noise(700, 620)
    choice = dataclasses.replace(sharpener.choice(picture), origin=origin)
    model = sharpener.router.fitted(choice)
    tiled = np.empty_like(picture)
    model.array(picture, tiled)
    whole = model.planes(picture[None], 255, 5000)[0]
    assert np.abs(tiled.astype(int) - whole).max() <= 1  # what is rounded twice
    assert np.mean(tiled != whole) < 1e-3


def test_a_choice_holds_the_mixture_of_the_whole_picture(mixed_model):
    sharpener, picture = Sharpener(mixed_model), noise(130, 140)
    choice = sharpener.choice(picture)
    assert choice == Choice("model", (0, 0), sharpener.engine.mixing.look(picture))
    done = picture.copy()
    sharpener.router.fitted(choice).array(picture, done)
    np.testing.assert_array_equal(sharpener.array(picture), done)


def test_it_is_not_made_for_enlarging(mixed_model):
    with pytest.raises(UserError, match="mixture is not made for enlarging"):
        Sharpener(mixed_model).upscale(noise(20, 20), 2)


def test_a_damaged_mixer_is_told(mixed_model, tmp_path):
    card = read_card(mixed_model)
    for path in mixed_model.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "mixer.onnx").write_bytes(b"no")
    with pytest.raises(UserError, match=r"mixer\.onnx: is damaged"):
        read_card(tmp_path)
    mixer = dataclasses.replace(card.mixture.mixer, file="../mixer.onnx")
    write_card(
        tmp_path, dataclasses.replace(card, mixture=dataclasses.replace(card.mixture, mixer=mixer))
    )
    with pytest.raises(UserError, match=r"mixture\.mixer\.file must be a plain file name"):
        read_card(tmp_path)
