"""Crispening after all else: of arrays, images, files and enlarged pictures."""

import io

import numpy as np
import pytest
from PIL import Image
from skimage import data

from kdsharp import Sharpener
from kdsharp.errors import UserError
from kdsharp.runtime import crisp as crispening
from kdsharp.runtime.catalog import SHIPPED

NANO = SHIPPED / "nano-x2"


@pytest.fixture(scope="module")
def photo():
    return np.ascontiguousarray(data.chelsea()[::2, ::2])


@pytest.fixture(scope="module")
def crisp():
    return Sharpener(NANO, engine="onnxruntime", crisp=0.7)


def test_it_comes_after_the_model_and_adds_equal_steps_to_all_channels(crisp, photo):
    plain = crisp.with_crisp(0).array(photo)
    alone = crisp.with_strength(0)
    expected = np.empty_like(photo)
    crisp.crispening.array(plain, expected)
    np.testing.assert_array_equal(crisp.array(photo), expected)
    change = alone.array(photo).astype(int) - photo
    inside = ((photo > 40) & (photo < 215)).all(axis=2)
    assert np.abs(change[inside]).max() > 2
    assert np.ptp(change[inside], axis=1).max() == 0


def test_every_way_in_gives_the_same(crisp, photo, tmp_path):
    expected = crisp.array(photo)
    np.testing.assert_array_equal(np.asarray(crisp.image(Image.fromarray(photo))), expected)
    Image.fromarray(photo).save(tmp_path / "a.png")
    done = crisp.file(tmp_path / "a.png", tmp_path / "b.png")
    assert (done.model, done.crisp) == ("nano-x2", 0.7)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "b.png")), expected)
    np.testing.assert_array_equal(crisp.plane(photo[..., 1]), crisp.array(photo[..., 1]))


def test_what_is_enlarged_is_crispened_at_its_new_size(crisp, photo):
    large, expected = crisp.with_crisp(0).upscale(photo, 2), crisp.upscale(photo, 2)
    assert (large != expected).any()
    crisp.crispening.array(large, large)
    np.testing.assert_array_equal(large, expected)


def test_a_photo_that_no_model_helps_is_crispened_and_not_copied(photo, monkeypatch):
    monkeypatch.delenv("KDSHARP_MODEL", raising=False)
    sharpener = Sharpener(engine="onnxruntime")
    given = io.BytesIO()
    Image.fromarray(photo).save(given, "PNG")
    for amount in (0.0, 0.5):
        out = io.BytesIO()
        done = sharpener.with_crisp(amount).file(given, out)
        assert (done.model, done.crisp) == (None, amount)
        assert (out.getvalue() == given.getvalue()) == (amount == 0)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_more_is_crisper_and_depth_is_kept(crisp, photo, dtype):
    deep = photo.astype(dtype) * (257 if dtype == np.uint16 else 1)
    alone = crisp.with_strength(0)
    steps = [
        np.abs(np.diff(alone.with_crisp(amount).array(deep).astype(float), axis=1)).mean()
        for amount in (0, 0.25, 0.5, 1)
    ]
    assert steps == sorted(set(steps))


def test_nothing_is_loaded_for_none_and_once_for_all(monkeypatch, photo):
    calls = []
    load = crispening.load_engine
    monkeypatch.setattr(crispening, "load_engine", lambda *a: calls.append(a) or load(*a))
    plain = Sharpener(NANO, engine="onnxruntime")
    plain.array(photo)
    assert not calls
    for amount in (0.2, 0.4):
        plain.with_crisp(amount).with_strength(0.5).array(photo)
    assert len(calls) == 1


@pytest.mark.parametrize("amount", [-0.1, 1.1, float("nan")])
def test_another_amount_is_refused_at_once(crisp, amount):
    for make in (lambda: Sharpener(NANO, crisp=amount), lambda: crisp.with_crisp(amount)):
        with pytest.raises(UserError, match="crisp must be from 0 to 1"):
            make()
