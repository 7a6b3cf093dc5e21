"""Shared by all tests: the shared photos, a tiny model, and an environment that is our own."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.models import make_model


@pytest.fixture(autouse=True)
def no_model_from_outside(monkeypatch):
    monkeypatch.delenv("KDSHARP_MODEL", raising=False)
    monkeypatch.delenv("KDSHARP_DEBUG", raising=False)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of shared photos; skips where $KDSHARP_SHARED_DATA does not name it."""
    folder = os.environ.get("KDSHARP_SHARED_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("KDSHARP_SHARED_DATA does not name a folder")
    return Path(folder)


@pytest.fixture(scope="session")
def luma_model(tmp_path_factory) -> Path:
    return make_model(tmp_path_factory.mktemp("luma") / "model")


@pytest.fixture(scope="session")
def rgb_model(tmp_path_factory) -> Path:
    return make_model(tmp_path_factory.mktemp("rgb") / "model", color="rgb")


@pytest.fixture(scope="session")
def int8_model(tmp_path_factory) -> Path:
    """Luma, in both precisions."""
    return make_model(tmp_path_factory.mktemp("int8") / "model", int8=True)


@pytest.fixture
def picture() -> np.ndarray:
    """(37, 53, 3), odd on both sides: waves, so that there is something to sharpen."""
    y, x = np.mgrid[0:37, 0:53]
    waves = [127 + 100 * np.sin(x / (3 + c)) * np.cos(y / (4 + c)) for c in range(3)]
    return np.stack(waves, axis=2).astype(np.uint8)


@pytest.fixture
def photo(tmp_path, picture) -> Path:
    """That picture as a PNG."""
    path = tmp_path / "photo.png"
    Image.fromarray(picture).save(path)
    return path


@pytest.fixture(scope="session")
def mixed_model(tmp_path_factory) -> Path:
    """Luma, with a mixture of three sets."""
    from tests.mixed import make_mixed_model  # imports torch

    return make_mixed_model(tmp_path_factory.mktemp("mixed") / "model")


@pytest.fixture(scope="session")
def code_book(tmp_path_factory) -> Path:
    """The same with a code book of three mixtures in int8."""
    from tests.mixed import make_code_book  # imports torch

    return make_code_book(tmp_path_factory.mktemp("codes") / "model")
