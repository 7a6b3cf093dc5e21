"""The same models with another strength."""

import numpy as np
import pytest

from kdsharp import Sharpener
from kdsharp.errors import UserError
from kdsharp.runtime import engine as loading
from kdsharp.runtime.catalog import SHIPPED


@pytest.fixture
def sharpener(monkeypatch):
    """It loads its model once and nothing after that."""
    made = Sharpener(SHIPPED / "nano-x2", engine="onnxruntime")
    made.upscale(np.zeros((4, 4), np.uint8), 2)
    monkeypatch.setattr(loading, "_load", None)
    return made


def test_it_is_as_one_that_was_made_so(sharpener, picture, monkeypatch):
    half = sharpener.with_strength(0.5)
    monkeypatch.undo()
    made = Sharpener(SHIPPED / "nano-x2", engine="onnxruntime", strength=0.5)
    np.testing.assert_array_equal(half.array(picture), made.array(picture))
    np.testing.assert_array_equal(half.upscale(picture, 2), made.upscale(picture, 2))
    assert (half.strength, sharpener.strength) == (0.5, 1.0)


def test_nothing_is_loaded_again(sharpener, picture):
    np.testing.assert_array_equal(sharpener.with_strength(0).array(picture), picture)
    sharpener.with_strength(0.3).upscale(picture, 2)
    again = sharpener.with_strength(0.3).with_strength(1.0)
    np.testing.assert_array_equal(again.array(picture), sharpener.array(picture))
    np.testing.assert_array_equal(again.upscale(picture, 2), sharpener.upscale(picture, 2))


def test_a_wrong_strength_is_refused_at_once(sharpener):
    with pytest.raises(UserError, match="strength must be from 0 to 2"):
        sharpener.with_strength(2.5)
