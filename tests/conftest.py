"""Shared by all tests: the shared photos, a tiny model, and an environment that is our own."""

import dataclasses
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.models import make_model


def pytest_addoption(parser):
    """Of tests/campaign; here, because pytest looks for options in no deeper folder."""
    group = parser.getgroup("campaign")
    group.addoption(
        "--campaign", choices=["slice", "day", "full"], default="slice", help="its size"
    )
    group.addoption("--rounds", type=int, help="instead of what the size says")
    group.addoption("--seed", type=int, default=1, help="of its dice")


@pytest.fixture(autouse=True)
def no_model_from_outside(monkeypatch):
    monkeypatch.delenv("KDSHARP_MODEL", raising=False)
    monkeypatch.delenv("KDSHARP_DEBUG", raising=False)
    monkeypatch.delenv("KDSHARP_CLUSTER", raising=False)


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
def trained(tmp_path_factory):
    """A tiny checkout after `dvc repro`, of tests/integration and tests/campaign; not to change."""
    from tests.integration.conftest import train

    return train(tmp_path_factory.mktemp("trained"))


@pytest.fixture
def project(trained, tmp_path):
    """A copy of `trained` for one test."""
    root = shutil.copytree(trained.root, tmp_path / "project", symlinks=True)
    return dataclasses.replace(trained, root=root)
