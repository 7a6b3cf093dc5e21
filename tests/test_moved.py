"""Imports of version 0.1 raise an error that names the module of today."""

import importlib

import pytest

import kdsharp.moved
import pipeline.moved

ALL = {**kdsharp.moved.MOVED, **pipeline.moved.MOVED}


@pytest.mark.parametrize(("old", "new"), ALL.items())
def test_the_error_names_a_module_that_is_there(old, new):
    with pytest.raises(ModuleNotFoundError, match=f"^{old} is now {new}$".replace(".", r"\.")):
        importlib.import_module(old)
    assert importlib.util.find_spec(new) is not None


def test_from_a_package_too():
    with pytest.raises(
        ModuleNotFoundError, match=r"kdsharp\.images is now kdsharp\.imageio\.decode"
    ):
        from kdsharp import images  # noqa: F401
    with pytest.raises(ModuleNotFoundError, match=r"kdsharp\.photos is now kdsharp\.imageio"):
        import kdsharp.photos.reading  # noqa: F401


def test_names_of_modules_that_are_packages_now():
    with pytest.raises(ImportError, match=r"Router is now in kdsharp\.routing\.router"):
        from kdsharp.routing import Router  # noqa: F401
    with pytest.raises(ImportError, match=r"start is now in pipeline\.tracking\.runs"):
        from pipeline.tracking import start  # noqa: F401


def test_what_never_was_is_missing_as_ever():
    with pytest.raises(ModuleNotFoundError, match=r"No module named .kdsharp\.blurrer."):
        importlib.import_module("kdsharp.blurrer")
    with pytest.raises(ImportError, match="cannot import name 'Blurrer'"):
        from kdsharp import Blurrer  # noqa: F401
