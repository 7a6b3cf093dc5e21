"""Whole pictures through whole recipes."""

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from kdsharp.color import luma_studio
from kdsharp.degrade import crop_to_multiple, degrade, known_recipe, recipe_table
from kdsharp.degrade.builtin import ABOUT, BUILTIN, ROWS
from kdsharp.errors import UserError
from kdsharp.imageio.decode import read_rgb
from kdsharp.metrics import psnr


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 40),
    st.integers(1, 40),
    st.floats(1, 4),
    st.sampled_from(sorted(BUILTIN)),
    st.integers(0, 2**32),
)
def test_every_recipe_keeps_the_size_and_the_same_seed_gives_the_same_bytes(
    width, height, scale, name, seed
):
    noise = np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)
    image = Image.fromarray(noise)
    result = degrade(image, name, scale, seed)
    assert (result.size, result.mode) == (image.size, "RGB")
    assert result.tobytes() == degrade(image, name, scale, seed).tobytes()


def test_another_seed_gives_other_bytes_where_something_is_drawn(picture):
    image = Image.fromarray(picture)
    for name in BUILTIN:
        results = {degrade(image, name, 2, seed).tobytes() for seed in range(8)}
        assert (len(results) > 1) == known_recipe(name).random
        assert known_recipe(name).random == (name in ABOUT and name not in ("bicubic", "sharp"))


def test_bicubic_is_pillow_s_down_and_up_again(picture):
    image = crop_to_multiple(Image.fromarray(picture), 3)
    small = image.resize((image.width // 3, image.height // 3), Image.Resampling.BICUBIC)
    expected = small.resize(image.size, Image.Resampling.BICUBIC)
    assert degrade(image, "bicubic", 3).tobytes() == expected.tobytes()


def test_the_bytes_of_bicubic_stay(picture):
    """Of the time when there was no other recipe: models were trained on them."""
    image = crop_to_multiple(Image.fromarray(picture), 2)
    digest = hashlib.sha256(degrade(image, "bicubic", 2).tobytes()).hexdigest()
    assert digest == "79a9a878d573df99f4e93539842fdb3ee1f5269071f75638cb68bc3208380b73"


def test_cropping_cuts_right_and_below(picture):
    image = crop_to_multiple(Image.fromarray(picture), 4)
    np.testing.assert_array_equal(np.asarray(image), picture[:36, :52])
    assert crop_to_multiple(image, 4) is image


@pytest.mark.parametrize("name", sorted(ROWS.keys() - {"noise5"}))
def test_a_flat_picture_stays_flat(name):
    """But for the rounding of Y, Cb and Cr, and their quantisation."""
    flat = np.full((48, 64, 3), (60, 200, 90), np.uint8)
    change = np.asarray(degrade(Image.fromarray(flat), name, 2)).astype(int) - flat
    coded = name.startswith(("jpeg", "webp", "video"))
    assert np.abs(change.mean((0, 1))).max() <= (4 if coded else 0)


def test_an_unknown_recipe_names_the_known():
    with pytest.raises(UserError, match=r"'sepia' is unknown: choose one of bicubic, .*robust"):
        degrade(Image.new("RGB", (12, 9)), "sepia", 2)


def test_the_table_has_every_recipe():
    lines = recipe_table()
    assert [line.split()[0] for line in lines] == list(BUILTIN)
    assert ABOUT.keys() <= BUILTIN.keys()
    assert "jpeg60" in ROWS and any("jpeg quality 60 4:2:0" in line for line in lines)


# Y-PSNR (dB) of doing nothing on Set14 x2, as measured with OpenCV's and Pillow's own functions.
NOTHING = {"pil-bicubic": 30.32, "area": 30.51, "cubic": 30.84, "jpeg90": 29.95, "jpeg60": 28.62}


@pytest.mark.parametrize("row", NOTHING)
def test_rows_are_as_hard_as_those_that_peers_were_measured_on(shared_data, row):
    found = []
    for path in sorted((shared_data / "benchmarks" / "Set14").glob("*.png")):
        truth = crop_to_multiple(read_rgb(path), 2)
        planes = [luma_studio(np.asarray(p))[2:-2, 2:-2] for p in (degrade(truth, row, 2), truth)]
        found.append(psnr(*planes))
    assert np.mean(found) == pytest.approx(NOTHING[row], abs=0.006)
