import dataclasses
import functools
import importlib.util
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdsharp import Sharpener
from kdsharp.runtime.card import Tensor
from kdsharp.runtime.catalog import find_model, shipped_models
from kdsharp.runtime.engine import ENGINES, Engine, load_engine
from kdsharp.runtime.model import LoadedModel
from kdsharp.runtime.tiles import cut, filled, lacking, tile_size
from kdsharp.train.export.fp32 import INPUT, OUTPUT, write_onnx
from kdsharp.train.export.int8 import write_int8
from kdsharp.train.export.quantize import quantize
from tests.kdsharp.train.networks import TINY, blurred, student
from tests.models import make_card

INSTALLED = [name for name in ENGINES if importlib.util.find_spec(name)]
BOTH = pytest.mark.parametrize("name", INSTALLED)
CARD = make_card(Path(__file__))  # any file will do
SIZES = [(1, 1), (1, 2), (3, 1), (16, 16), (37, 53), (65, 32)]
# One value in so many may be 1 of 255 apart: engines may sum in another order.
RARE = 100_000


def planes(height, width, channels=1, count=1):
    rng = np.random.default_rng(height * 100 + width)
    return rng.random((count, channels, height, width), dtype=np.float32)


@functools.cache
def exported(grid, color, precision, name):
    """A student with random weights, exported as those that ship."""
    network = student(dataclasses.replace(TINY, unshuffle_factor=grid, color=color), trained=True)
    path = Path(tempfile.mkdtemp()) / "student.onnx"
    if precision == "int8":
        pixels = blurred(planes=network.planes).inputs.array_NHWC.transpose(0, 3, 1, 2).copy()
        write_int8(quantize(network, pixels), path)
        ports = [Tensor(p, network.planes, dtype="uint8", range=(0, 255)) for p in (INPUT, OUTPUT)]
    else:
        write_onnx(network, path)
        ports = [Tensor(p, network.planes) for p in (INPUT, OUTPUT)]
    card = dataclasses.replace(
        make_card(path, color), grid=grid, receptive_radius=network.receptive_radius
    )
    return Engine(name, card, ENGINES[name](path, *ports, 1, 1).infer, precision)


def in_tiles(engine, planes_NCHW, size):
    """`engine.run` on each tile of planes (1, C, H, W)."""
    out_NCHW = np.zeros_like(planes_NCHW)
    for part_HWC, tile in cut(planes_NCHW[0].transpose(1, 2, 0), engine.card, size):
        done_NCHW = engine.run(part_HWC.transpose(2, 0, 1)[None])
        out_NCHW[:, :, *tile.write] = done_NCHW[:, :, *tile.keep]
    return out_NCHW


def check_equal(tiled, whole, rare=0):
    difference = np.abs(tiled.astype(int) - whole)
    assert difference.max() <= 1
    assert np.count_nonzero(difference) <= max(rare, difference.size // RARE)


@BOTH
@pytest.mark.parametrize("precision", ["fp32", "int8"])
@pytest.mark.parametrize("color", ["luma", "rgb"])
@pytest.mark.parametrize("grid", [1, 2, 3, 4])
@settings(max_examples=8, deadline=None)
@given(height=st.integers(1, 80), width=st.integers(1, 80), size=st.integers(8, 50))
def test_the_levels_of_tiles_are_those_of_the_whole(
    grid, color, precision, name, height, width, size
):
    engine = exported(grid, color, precision, name)
    channels = engine.card.input.channels
    given_NCHW = np.rint(planes(height, width, channels) * 255).astype(np.uint8)
    tiled_CHW = LoadedModel(engine).planes(given_NCHW[0], 255, size)
    check_equal(tiled_CHW, engine.run8(given_NCHW)[0], rare=1)


@BOTH
@pytest.mark.parametrize("precision", ["fp32", "int8"])
@pytest.mark.parametrize("model", shipped_models())
def test_tiles_of_every_model_that_ships(model, precision, name):
    engine = load_engine(find_model(Path(model)), name, precision=precision)
    picture = (planes(1031, 1217, 3)[0].transpose(1, 2, 0) * 255).astype(np.uint8)
    whole = LoadedModel(engine)._whole(picture)
    check_equal(Sharpener(engine=engine).array(picture), whole)


@BOTH
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("tile", [1, 16, 17, 40])
def test_tiles_equal_the_whole(luma_model, name, size, tile):
    engine = load_engine(luma_model, name)
    given_NCHW = planes(*size)
    whole_NCHW = engine.run(given_NCHW)
    np.testing.assert_allclose(in_tiles(engine, given_NCHW, tile), whole_NCHW, atol=1e-5)


@BOTH
def test_tiles_of_int8_equal_the_whole(int8_model, name):
    engine = load_engine(int8_model, name, precision="int8")
    levels_NCHW = np.rint(planes(65, 32) * 255) / np.float32(255)
    tiled_NCHW, whole_NCHW = in_tiles(engine, levels_NCHW, 16), engine.run(levels_NCHW)
    assert (np.abs(tiled_NCHW - whole_NCHW) * 255).max() < 1.01


@BOTH
@pytest.mark.parametrize("precision", ["fp32", "int8"])
@pytest.mark.parametrize("grid", [2, 3, 4])
@settings(max_examples=8, deadline=None)
@given(data=st.data(), height=st.integers(20, 80), width=st.integers(20, 80))
def test_a_grid_may_begin_anywhere(grid, precision, name, data, height, width):
    """Of a cropped picture what lies far enough inside is that of the whole."""
    engine = exported(grid, "luma", precision, name)
    origin = data.draw(st.tuples(*[st.integers(0, grid - 1)] * 2))
    top, left = lacking(engine.card, origin)
    assert [(top + origin[0]) % grid, (left + origin[1]) % grid] == [0, 0]
    given_CHW = np.rint(planes(height, width)[0] * 255).astype(np.uint8)
    cropped_CHW = given_CHW[:, top:, left:]
    single = LoadedModel(engine, origin=origin)
    whole_CHW = single.planes(cropped_CHW, 255, 2 * max(height, width))
    radius = engine.card.receptive_radius
    inner = (slice(None), slice(radius, None), slice(radius, None))
    check_equal(whole_CHW[inner], engine.run8(given_CHW[None])[0][:, top:, left:][inner], rare=1)
    check_equal(single.planes(cropped_CHW, 255, data.draw(st.integers(8, 50))), whole_CHW, rare=1)
    out = cropped_CHW[0].copy()
    single.array(out, out)
    check_equal(out, whole_CHW[0], rare=1)


def test_a_halo_that_is_too_small_would_show(luma_model):
    engine = load_engine(luma_model, "onnxruntime")
    short = dataclasses.replace(engine, card=dataclasses.replace(engine.card, receptive_radius=6))
    difference = in_tiles(short, planes(37, 53), 16) - engine.run(planes(37, 53))
    assert np.abs(difference).max() > 1e-4


PICTURES = (st.integers(1, 70), st.integers(1, 70), st.integers(1, 40))
MODELS = (st.integers(0, 9), st.integers(1, 4))


@settings(deadline=None)
@given(*PICTURES, *MODELS, st.tuples(st.integers(0, 3), st.integers(0, 3)))
def test_tiles_cover_each_pixel_once(height, width, size, radius, grid, origin):
    card = dataclasses.replace(CARD, receptive_radius=radius, grid=grid)
    lack = lacking(card, origin)
    seen = np.zeros((height, width), int)
    numbers = np.arange(height * width).reshape(height, width)
    for part, tile in cut(numbers, card, size, origin):
        more = [0 if side.start else before for side, before in zip(tile.read, lack, strict=True)]
        np.testing.assert_array_equal(part, filled(numbers[tile.read], tuple(more)))
        seen[tile.write] += 1
        np.testing.assert_array_equal(part[tile.keep], numbers[tile.write])
        for read, write, side, before in zip(
            tile.read, tile.write, (height, width), lack, strict=True
        ):
            assert write.stop - write.start <= max(size, grid)
            assert read.start == 0 or (read.start + before) % grid == 0
            assert read.start <= max(write.start - radius, 0)
            assert read.stop >= min(write.stop + radius, side)
    assert (seen == 1).all()


@settings(deadline=None)
@given(*PICTURES, *MODELS)
def test_cutting_survives_writing_into_the_picture(height, width, size, radius, grid):
    card = dataclasses.replace(CARD, receptive_radius=radius, grid=grid)
    numbers = np.arange(height * width).reshape(height, width)
    pixels = numbers.copy()
    for part, tile in cut(pixels, card, size):
        np.testing.assert_array_equal(part, numbers[tile.read])
        pixels[tile.write] = -1
    assert (pixels == -1).all()


def test_a_large_picture_has_tiles_of_few_sizes():
    """Engines prepare themselves anew for every size."""
    for height, width in ((1080, 1920), (3001, 4003)):
        sizes = {
            tuple(side.stop - side.start for side in tile.read)
            for _, tile in cut(np.zeros((height, width), np.uint8), CARD)
        }
        assert len(sizes) <= CARD.grid**2
        assert max(max(size) for size in sizes) < tile_size(CARD) + 2 * CARD.receptive_radius + 6


def test_tiles_grow_with_the_halo():
    assert tile_size(CARD) == 512
    assert tile_size(dataclasses.replace(CARD, receptive_radius=100)) == 1024
