"""Models are combined into a set."""

import shutil

import pytest
from PIL import Image
from skimage import data

from kdsharp import Sharpener
from kdsharp.errors import UserError
from kdsharp.routing.classifier import degradations, gains_by_degradation
from kdsharp.runtime.catalog import SHIPPED
from kdsharp.runtime.modelset import CHOICE, read_set
from pipeline.choice.combine import combine

PARTS = 500


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    for name in ("astronaut", "chelsea", "coffee"):
        Image.fromarray(getattr(data, name)()[:280, :280]).save(folder / f"{name}.png")
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory, photos):
    """What ships for enlarged photos, and one for JPEGs that somebody trained."""
    folder = tmp_path_factory.mktemp("models")
    shutil.copytree(SHIPPED / "small-x2-blocky", folder / "mine")
    combine(folder / "set", ["small-x2", folder / "mine"], photos, PARTS, quiet=True)
    return folder / "set"


def test_gains_are_measured_for_each_degradation(made):
    found = read_set(made)
    assert found.degradations == degradations()
    known = gains_by_degradation(Sharpener(made).router.cards)
    for degradation in ("bicubic", "jpeg-40"):
        index = found.degradations.index(degradation)
        better, shipped = (
            gains["mine"][index] - gains["small-x2"][index] for gains in (found.gains, known)
        )
        assert (better > 0) == (shipped > 0) == (degradation == "jpeg-40")


def test_the_same_photos_give_the_same_bytes(made, photos, tmp_path):
    combine(tmp_path / "set", ["small-x2", made / "mine"], photos, PARTS, quiet=True)
    assert (tmp_path / "set" / CHOICE).read_bytes() == (made / CHOICE).read_bytes()


def test_mistakes_are_said_in_a_line_and_nothing_is_written(made, photos, tmp_path):
    with pytest.raises(UserError, match="two models or more"):
        combine(tmp_path / "one", ["small-x2"], photos)
    with pytest.raises(UserError, match="there is a small-x2 in the set already"):
        combine(tmp_path / "one", ["small-x2", SHIPPED / "small-x2"], photos)
    with pytest.raises(UserError, match="holds something else"):
        combine(photos, ["small-x2", "nano-x2"], photos)
    with pytest.raises(UserError, match="has no photos"):
        combine(tmp_path / "one", ["small-x2", "nano-x2"], made / "mine")
    assert not (tmp_path / "one").exists()
