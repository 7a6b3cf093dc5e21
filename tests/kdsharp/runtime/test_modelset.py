"""A set of models: chosen from by the picture, and refused where it is not whole."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image
from skimage import data

from kdsharp import Sharpener
from kdsharp.degrade import degrade, known_recipe
from kdsharp.errors import UserError
from kdsharp.runtime.modelset import CHOICE, read_set
from tests.sets import write_shipped_set


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "set"
    return write_shipped_set(folder, {"small-x2": "small-x2", "mine": "small-x2-blocky"})


def test_each_picture_gets_the_model_that_gains_most(made):
    sharpener = Sharpener(made)
    assert sharpener.models == ("small-x2", "mine")
    photo = Image.fromarray(data.coffee()[:256, :256])
    enlarged, blocky = (
        np.asarray(degrade(photo, known_recipe(name), 2, 1)) for name in ("bicubic", "jpeg-coarse")
    )
    assert sharpener.choose(enlarged) == "small-x2"
    assert sharpener.choose(blocky) == "mine"
    np.testing.assert_array_equal(sharpener.array(blocky), Sharpener(made / "mine").array(blocky))
    assert sharpener.choose(np.zeros((64, 64, 3), np.uint8)) is None


def test_a_scale_is_that_of_its_plain_model(made):
    assert Sharpener(made, scale=2).models == ("small-x2",)
    with pytest.raises(UserError, match="none of its models is for plain enlarging by 3"):
        Sharpener(made, scale=3)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("format", 9, "update kdsharp"),
        ("degradations", ["a"], "are damaged"),
        ("models", 3, "says nothing to choose by"),
        ("models", [], "names no model"),
    ],
)
def test_a_damaged_set_is_refused(made, tmp_path, key, value, said):
    folder = tmp_path / "set"
    shutil.copytree(made, folder)
    rows = json.loads((folder / CHOICE).read_text())
    (folder / CHOICE).write_text(json.dumps(rows | {key: value}))
    with pytest.raises(UserError, match=said):
        Sharpener(folder)


def test_it_is_about_the_models_and_degradations_that_it_was_made_of(made, tmp_path):
    folder = tmp_path / "set"
    shutil.copytree(made, folder)
    rows = json.loads((folder / CHOICE).read_text())
    other = rows | {"degradations": [f"not {name}" for name in rows["degradations"]]}
    (folder / CHOICE).write_text(json.dumps(other))
    with pytest.raises(UserError, match="another choice than this version's"):
        Sharpener(folder)
    rows["models"][1]["sha256"] = "0" * 64
    (folder / CHOICE).write_text(json.dumps(rows))
    with pytest.raises(UserError, match="mine is another model than the set was made of"):
        Sharpener(folder)
    rows["models"][1]["name"] = "../mine"
    (folder / CHOICE).write_text(json.dumps(rows))
    with pytest.raises(UserError, match="is no name of a folder"):
        read_set(folder)
