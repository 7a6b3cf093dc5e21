import dataclasses
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kdsharp.errors import UserError
from kdsharp.runtime.catalog import find_model, shipped_models
from kdsharp.runtime.engine import load_engine, load_upscaler
from kdsharp.runtime.enlarge import Enlarger, bicubic
from kdsharp.runtime.model import LoadedModel
from tests.upscaling import INSTALLED, make_upscaler

BOTH = pytest.mark.parametrize("name", INSTALLED)
SCALES = pytest.mark.parametrize("scale", [2, 3, 4])
BICUBIC = Image.Resampling.BICUBIC
PRECISIONS = pytest.mark.parametrize("precision", ["fp32", "int8"])
SIZES = [(1, 1), (1, 6), (13, 9), (25, 38)]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Model folders by scale and colour, with both files of one step."""
    root = tmp_path_factory.mktemp("upscalers")
    kinds = [(2, "luma"), (3, "luma"), (4, "luma"), (2, "rgb"), (3, "rgb")]
    return {kind: make_upscaler(root / f"x{kind[0]}-{kind[1]}", *kind) for kind in kinds}


def enlargers(folder, name="onnxruntime", precision="fp32", strength=1.0):
    """In one step, and in two."""
    engine = load_engine(folder, name, 1, precision)
    bare = dataclasses.replace(engine, folder=None)
    return [Enlarger(LoadedModel(e, strength)) for e in (engine, bare)]


def run(enlarger, small, alpha=None, **how):
    height, width = (side * enlarger.times for side in small.shape[:2])
    out = np.zeros((height, width, *small.shape[2:]), small.dtype)
    enlarger.array(small, out, alpha, **how)
    return out


def levels(shape, kind=np.uint8, seed=0):
    return np.random.default_rng(seed).integers(0, np.iinfo(kind).max, shape, kind, endpoint=True)


def by_the_formula(plane, times):
    """Keys' cubic in float64; weights outside of the picture are left out, the others sum to 1."""

    def weights(count):
        places = (np.arange(count * times) + 0.5) / times - 0.5
        x = np.abs(places[:, None] - np.arange(count))
        near, far = 1.5 * x**3 - 2.5 * x**2 + 1, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
        found = np.where(x < 1, near, np.where(x < 2, far, 0))
        return found / found.sum(1, keepdims=True)

    return weights(plane.shape[0]) @ plane.astype(np.float64) @ weights(plane.shape[1]).T


@SCALES
@pytest.mark.parametrize("size", SIZES)
def test_bicubic_is_unrounded_and_pillows(size, scale):
    plane = np.random.default_rng(1).random(size, np.float32)
    made = bicubic(np.stack([plane, 1 - plane]), scale)
    np.testing.assert_allclose(made[0], by_the_formula(plane, scale), atol=1e-6)
    np.testing.assert_allclose(made[1], by_the_formula(1 - plane, scale), atol=1e-6)
    whole = Image.fromarray(plane).resize((size[1] * scale, size[0] * scale), BICUBIC)
    np.testing.assert_array_equal(made[0], np.asarray(whole))


@BOTH
@PRECISIONS
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("scale", [2, 3, 4, "rgb"])
def test_one_step_is_two_to_a_level_edges_included(folders, name, precision, kind, scale):
    folder = folders[(3, "rgb") if scale == "rgb" else (scale, "luma")]
    one, two = enlargers(folder, name, precision)
    level = np.iinfo(kind).max // 255
    for size in SIZES:
        for shape in (size, (*size, 3)):
            # Not near black and white, where the int8 file clips.
            small = levels(shape, kind) // 2 + 64 * level
            found, expected = run(one, small).astype(int), run(two, small).astype(int)
            difference = np.abs(found - expected)
            if precision == "fp32":
                assert difference.max() <= 1
            else:  # levels at a half are rounded to either side before the first convolution
                assert difference.max() <= 3 * level
                assert difference.mean() <= 0.6 * level
            assert (found != run(enlargers(folder, name, strength=0)[1], small)).any()


@BOTH
@PRECISIONS
@pytest.mark.parametrize("kind", [(2, "luma"), (3, "luma"), (4, "luma"), (2, "rgb")])
def test_tiles_have_no_seams(folders, name, precision, kind):
    for enlarger in enlargers(folders[kind], name, precision):
        for shape in ((37, 53, 3), (53, 37)):
            small = levels(shape)
            difference = np.abs(run(enlarger, small, side=11).astype(int) - run(enlarger, small))
            assert difference.max() <= 1
            assert np.mean(difference > 0) < 1e-2


def test_tiles_of_a_coarser_grid_than_the_enlarging(folders):
    """A student on a grid of 3 that undoes enlarging by 2 has no file of both steps."""
    engine = load_engine(folders[3, "luma"], "onnxruntime", 1)
    card = dataclasses.replace(engine.card, scale=2)
    enlarger = Enlarger(LoadedModel(dataclasses.replace(engine, card=card, folder=None)))
    small = levels((37, 53))
    tiled, whole = (run(enlarger, small, side=side) for side in (10, 640))
    assert np.abs(tiled.astype(int) - whole).max() <= 1
    assert np.mean(tiled != whole) < 1e-3


@BOTH
def test_nothing_is_rounded_before_the_result(folders, name):
    """The result is what exact arithmetic gives, rounded once."""
    one, two = enlargers(folders[2, "luma"], name)
    small = levels((24, 31))
    exact = bicubic(small[None].astype(np.float32), 2)[0]
    sharp = two.model.engine.run(exact[None, None] / np.float32(255))[0, 0] * 255
    expected = np.clip(np.rint(sharp), 0, 255)
    for enlarger in (one, two):
        assert np.mean(run(enlarger, small) != expected) < 1e-3
    rounded = two.model.engine.run8(np.clip(np.rint(exact), 0, 255).astype(np.uint8)[None, None])
    assert np.mean(rounded[0, 0] != expected) > 0.05


def test_strength_scales_what_is_added(folders):
    small = levels((24, 31, 3))
    exact = bicubic(small.transpose(2, 0, 1).astype(np.float32), 2).transpose(1, 2, 0)
    plain = np.clip(np.rint(exact), 0, 255)
    for kind in ((2, "luma"), (2, "rgb")):
        for nothing in enlargers(folders[kind], strength=0):
            assert np.mean(run(nothing, small) != plain) < 1e-3
        half = [run(e, small) for e in enlargers(folders[kind], strength=0.5)]
        assert np.abs(half[0].astype(int) - half[1]).max() <= 1
        assert (half[0] != run(enlargers(folders[kind])[0], small)).any()


def test_16_bits_keep_their_depth(folders):
    ramp = np.linspace(0, 65535, 600).reshape(20, 30).astype(np.uint16)
    for enlarger in enlargers(folders[2, "luma"], strength=0):
        assert len(np.unique(run(enlarger, ramp))) > 600


def test_alpha_that_is_all_there_takes_one_step(folders, monkeypatch):
    one, _ = enlargers(folders[2, "luma"])
    small, alpha = levels((20, 30, 3)), np.full((20, 30), 255, np.uint8)
    expected = run(one, small)
    monkeypatch.setattr(one, "_sharpened", None)
    np.testing.assert_array_equal(run(one, small, alpha), expected)


def test_alpha_in_tiles_is_alpha_of_the_whole(folders):
    small, alpha = levels((37, 53, 3)), levels((37, 53), seed=2)
    alpha[10:20] = 255
    alpha[25:, :20] = 0
    for enlarger in enlargers(folders[2, "luma"]):
        tiled, whole = (run(enlarger, small, alpha, side=side) for side in (10, 640))
        assert np.abs(tiled.astype(int) - whole).max() <= 1
        assert (whole != run(enlarger, small)).any()


@BOTH
@PRECISIONS
@pytest.mark.parametrize("model", shipped_models())
def test_what_ships_enlarges_in_one_step_as_in_two(model, precision, name):
    engine = load_engine(find_model(Path(model)), name, 1, precision)
    if load_upscaler(engine) is None:
        plain = engine.card.degradation == "bicubic"
        assert not plain or (model, precision) in {
            *((f"large-x{scale}", "fp32") for scale in (2, 3, 4)),
            *((f"small-x{scale}", "fp32") for scale in (3, 4)),
            *((f"large-x{scale}", "int8") for scale in (3, 4)),
        }
        return
    y, x = np.mgrid[0:41, 0:57]
    waves = [127 + 120 * np.sin(x / (2 + c)) * np.cos(y / (3 + c)) for c in range(3)]
    small = np.stack(waves, axis=2).astype(np.uint8)
    one, two = (
        run(Enlarger(LoadedModel(e)), small)
        for e in (engine, dataclasses.replace(engine, folder=None))
    )
    difference = np.abs(one.astype(int) - two)
    assert difference.max() <= (1 if precision == "fp32" else 2)
    assert np.mean(difference > 1) < 1e-2


def test_a_file_that_does_not_enlarge_is_refused(folders, tmp_path):
    engine = load_engine(folders[2, "luma"], "onnxruntime", 1)
    card = dataclasses.replace(
        engine.card, upscaler=dataclasses.replace(engine.card.upscaler, file="student.onnx")
    )
    wrong = dataclasses.replace(engine, card=card)
    with pytest.raises(UserError, match="not a model that enlarges 2 times: 3x5 became"):
        Enlarger(LoadedModel(wrong))
