"""Shared by the integration tests: one tiny project, trained once, copied for each; the site."""

import shutil
from collections.abc import Iterator

import pytest

from tests.integration.browsing import make_site, serving
from tests.integration.checkout import Checkout, make_checkout

AUTHOR = ("-c", "user.name=test", "-c", "user.email=test@example.invalid")


@pytest.fixture(scope="session")
def trained(tmp_path_factory) -> Checkout:
    """A tiny checkout after `dvc repro`, with dvc.lock committed; not to be changed."""
    checkout = make_checkout(tmp_path_factory.mktemp("trained"))
    # Enough to gain something, so that the gate lets it through.
    checkout.set(
        student__teacher_weight=0.1,
        student__truth_weight=1.0,
        student__loop__epochs=4,
        student__loop__batch_size=4,
        promotion__resamples=500,
    )
    checkout.run("dvc", "repro", "-q")
    commit(checkout, "Train")
    return checkout


@pytest.fixture
def project(trained, tmp_path) -> Checkout:
    """A copy of `trained` for one test."""
    shutil.copytree(trained.root, tmp_path / "project", symlinks=True)
    return Checkout(tmp_path / "project")


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
