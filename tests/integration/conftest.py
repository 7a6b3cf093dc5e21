"""Shared by the integration tests: the tiny project that tests/conftest.py trains; the site."""

import dataclasses
import time
from collections.abc import Iterator

import pytest

from tests.integration.browsing import make_site, serving
from tests.integration.checkout import Checkout, make_checkout

# Whoever takes one of these last is waited for: the longest files come first.
LONGEST = [
    "schedule",
    "promotion",
    "promotion_faults",
    "pipeline",
    "benchmarks",
    "services",
    "alarm",
]

AUTHOR = ("-c", "user.name=test", "-c", "user.email=test@example.invalid")


# Enough to gain something, so that the gate lets it through.
TRAINED = {
    "student__teacher_weight": 0.1,
    "student__truth_weight": 1.0,
    "student__loop__epochs": 4,
    "student__loop__batch_size": 4,
    "promotion__resamples": 500,
}


def train(root) -> Checkout:
    """A tiny checkout after `dvc repro`, with dvc.lock committed."""
    checkout = make_checkout(root)
    checkout.set(**TRAINED)
    began = time.monotonic()
    checkout.run("dvc", "repro", "-q")
    commit(checkout, "Train")
    return dataclasses.replace(checkout, seconds=time.monotonic() - began)


def pytest_collection_modifyitems(items):
    def place(item):
        name = item.path.stem.removeprefix("test_")
        return LONGEST.index(name) if name in LONGEST else len(LONGEST)

    items.sort(key=place)


@pytest.fixture(scope="session")
def site(tmp_path_factory) -> Iterator[str]:
    """The address of the static site, below a path of its own."""
    folder = tmp_path_factory.mktemp("host")
    make_site(folder / "some" / "path")
    with serving(folder) as address:
        yield f"{address}/some/path/"


def commit(checkout: Checkout, message: str) -> None:
    checkout.run("git", "add", "-A")
    checkout.run("git", *AUTHOR, "commit", "-qm", message)
