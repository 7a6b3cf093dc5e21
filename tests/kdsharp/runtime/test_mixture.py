import dataclasses
import importlib.util
import shutil

import numpy as np
import onnxruntime
import pytest

from kdsharp import Sharpener
from kdsharp.errors import UserError
from kdsharp.files import sha256_file
from kdsharp.routing.router import Choice
from kdsharp.runtime.card import File, read_card, write_card
from kdsharp.runtime.engine import ENGINES, load_engine
from kdsharp.runtime.mixture import nearest
from kdsharp.train.export.mixture import write_mixer
from tests.mixed import CONFIG, make_student

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


def test_the_nearest_is_by_squared_differences_and_of_equals_the_first():
    points = np.array([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]])
    assert [nearest(points, s) for s in ((0.8, 0.2), (0.7, 0.3), (0.25, 0.75))] == [0, 1, 1]


@BOTH
def test_in_int8_a_picture_gets_the_nearest_code(code_book, name):
    engine = load_engine(code_book, name, precision="int8")
    codes = read_card(code_book).mixture.codes
    points = np.array([code.shares for code in codes])
    picture = noise(90, 100)
    code = codes[nearest(points, engine.mixing.look(picture))]
    found = engine.run8(picture[None, None])
    np.testing.assert_array_equal(engine.mixed(code.shares).run8(picture[None, None]), found)
    # It is the plain file, as ONNX Runtime alone runs it.
    alone = onnxruntime.InferenceSession(code_book / code.file)
    (expected,) = alone.run(None, {"input": picture[None, None]})
    assert np.abs(found.astype(int) - expected).max() <= 1


@BOTH
def test_codes_differ_and_those_of_a_code_are_shared(code_book, name):
    engine = load_engine(code_book, name, precision="int8")
    codes = engine.card.mixture.codes
    assert len(codes) == 3
    picture = noise(64, 70)[None, None]
    first, *others = (engine.mixed(code.shares).run8(picture) for code in codes)
    assert any((first != other).any() for other in others)
    shares = codes[0].shares
    near = (shares[0] + 0.01, *shares[1:])
    assert engine.mixing.fold(near) is engine.mixing.fold(shares)
    assert engine.alone().mixing is None


def test_tiles_in_int8_give_what_the_whole_gives(code_book):
    sharpener = Sharpener(code_book, threads=1, precision="int8")
    picture = noise(700, 620)
    model = sharpener.router.fitted(sharpener.choice(picture))
    tiled = np.empty_like(picture)
    model.array(picture, tiled)
    np.testing.assert_array_equal(tiled, model.planes(picture[None], 255, 5000)[0])
    np.testing.assert_array_equal(sharpener.array(picture), tiled)


def test_few_codes_stay_ready(code_book, monkeypatch):
    monkeypatch.setattr("kdsharp.runtime.mixture._KEPT", 1)
    fold = load_engine(code_book, precision="int8").mixing.fold
    first, second = (code.shares for code in read_card(code_book).mixture.codes[:2])
    one = fold(first)
    assert fold(first) is one
    fold(second)
    assert fold(first) is not one


@BOTH
def test_a_code_that_was_replaced_meanwhile_is_told(code_book, tmp_path, name):
    folder = shutil.copytree(code_book, tmp_path / "model")
    engine = load_engine(folder, name, precision="int8")
    code = engine.card.mixture.codes[1]
    (folder / code.file).write_bytes(b"another model's")
    with pytest.raises(UserError, match=f"{code.file}: is damaged, or not this card's model"):
        engine.mixed(code.shares)


def test_a_code_that_is_no_model_is_told(code_book, tmp_path):
    folder = shutil.copytree(code_book, tmp_path / "model")
    card = read_card(folder)
    (folder / card.int8.file).write_bytes(b"no")
    digest = sha256_file(folder / card.int8.file)
    first, *others = card.mixture.codes
    codes = (dataclasses.replace(first, sha256=digest), *others)
    int8 = dataclasses.replace(card.int8, sha256=digest)
    mixture = dataclasses.replace(card.mixture, codes=codes)
    write_card(folder, dataclasses.replace(card, int8=int8, mixture=mixture))
    with pytest.raises(UserError, match=rf"{card.int8.file}: cannot be run by") as told:
        load_engine(folder, precision="int8")
    assert str(told.value).count("cannot be run") == 1


def test_a_mixer_of_other_sets_is_told(code_book, tmp_path):
    folder = shutil.copytree(code_book, tmp_path / "model")
    other = make_student(dataclasses.replace(CONFIG, mixture=2))
    write_mixer(other.mixer, folder / "mixer.onnx")
    card = read_card(folder, files=False)
    mixer = File("mixer.onnx", sha256_file(folder / "mixer.onnx"))
    mixture = dataclasses.replace(card.mixture, mixer=mixer)
    write_card(folder, dataclasses.replace(card, mixture=mixture))
    for precision in ("fp32", "int8"):
        with pytest.raises(UserError, match=r"it gives shares \(2,\), not those of 3 sets"):
            load_engine(folder, precision=precision)


def test_fp32_keeps_mixing_where_there_are_codes(code_book, mixed_model):
    picture = noise(50, 60)[None, None]
    both = (load_engine(folder).run8(picture) for folder in (code_book, mixed_model))
    np.testing.assert_array_equal(*both)
