"""Every quantiser gets the same student and patches, and gives something close to it."""

import dataclasses
import importlib.util

import numpy as np
import onnx
import pytest
import torch
from PIL import Image
from skimage import data

from benchmarks.quantise.__main__ import FLOAT, Made, files, table
from benchmarks.quantise.ways import NNCF, OURS, Given, calibration, student_of, ways
from kdsharp.color import luma
from kdsharp.degrade import degrade
from kdsharp.errors import UserError
from kdsharp.runtime.card import read_card, write_card
from kdsharp.runtime.hardware import multiplies_int8
from kdsharp.train.export.fp32 import write_onnx
from tests.kdsharp.train.networks import TINY, student
from tests.models import make_card


def exported(folder, **changes):
    """A student with random weights, and the model folder that holds it."""
    network = student(dataclasses.replace(TINY, **changes), trained=True).eval()
    write_onnx(network, folder / "student.onnx")
    card = make_card(folder / "student.onnx", network.config.color)
    write_card(folder, dataclasses.replace(card, grid=network.config.unshuffle_factor))
    return network, read_card(folder)


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photos" / "cat.png"
    path.parent.mkdir()
    Image.fromarray(data.chelsea()[:192, :256]).save(path)
    return path


@pytest.mark.parametrize("color", ["luma", "rgb"])
@pytest.mark.parametrize("grid", [1, 2, 3])
def test_the_student_comes_back_from_its_file(tmp_path, color, grid):
    network, card = exported(tmp_path, color=color, unshuffle_factor=grid, kernels=(5, 3, 1))
    found = student_of(tmp_path, card)
    for one, other in zip(network.convs, found.convs, strict=True):
        assert torch.equal(one.weight, other.weight)
        assert torch.equal(one.bias, other.bias)


def test_another_network_is_refused(luma_model):
    with pytest.raises(UserError, match="not a student of three convolutions"):
        student_of(luma_model, read_card(luma_model))


@pytest.mark.parametrize("color", ["luma", "rgb"])
def test_patches_are_places_of_the_degraded_photo(tmp_path, photo, color):
    _, card = exported(tmp_path, color=color)
    (patch_CHW, *_) = calibration([photo], card, 3)
    low = np.asarray(degrade(Image.open(photo), "bicubic", 2))
    low = low if color == "rgb" else np.rint(luma(low)).astype(np.uint8)[..., None]
    places = np.lib.stride_tricks.sliding_window_view(low, (128, 128, low.shape[2]))[::2, ::2, 0]
    assert (places == patch_CHW.transpose(1, 2, 0)).all((2, 3, 4)).sum() == 1


def test_each_file_is_close_to_the_student_and_leaves_the_picture_out(tmp_path, photo):
    network, card = exported(tmp_path, channels=16)
    given = Given(network, tmp_path / card.file, calibration([photo], card, 4))
    listed, notes = ways()
    assert next(iter(listed)) == OURS
    assert len(notes) == (importlib.util.find_spec("nncf") is None)
    listed = {name: way for name, way in listed.items() if not name.startswith(NNCF)}
    (tmp_path / "made").mkdir()
    rows = files(given, listed, tmp_path / "made")
    levels_NCHW = given.planes_NCHW[:1]
    wanted_NCHW = Made(FLOAT, "onnxruntime", given.path, pixels=False).load(card).run8(levels_NCHW)
    change = np.abs(wanted_NCHW.astype(int) - levels_NCHW).mean()
    # A CPU without int8 products adds pairs of them in 16 bits, which weights of 8 bits overflow.
    exact = multiplies_int8()
    for row in rows:
        if exact or row.name in (FLOAT, OURS) or "7-bit" in row.name:
            found_NCHW = row.load(card).run8(levels_NCHW)
            # Of 7 bit the weights of random filters keep less.
            assert np.abs(found_NCHW.astype(int) - wanted_NCHW).mean() < 0.2 * change, row
        kinds = [node.op_type for node in onnx.load(row.path).graph.node]
        assert kinds.count("Conv") == 3
        if row.name not in (FLOAT, OURS):
            # One in front of each convolution, and none behind the last.
            assert kinds.count("QuantizeLinear") == 3


def test_losses_are_against_the_same_engine(tmp_path):
    path = tmp_path / "a.onnx"
    path.write_bytes(b"12345")
    rows = [Made(n, e, path, pixels=False) for n in (FLOAT, OURS) for e in ("one", "two")]
    scores = {row: [30.0 + index / 10] for index, row in enumerate(rows)}
    lines = table(rows, scores, {}, ["Set5"])
    assert lines[2:] == [
        "| fp32 | one | 5 | 30.000 dB |",
        "| fp32 | two | 5 | 30.100 dB |",
        "| ours | one | 5 | +0.200 |",
        "| ours | two | 5 | +0.200 |",
    ]
