import shutil
import subprocess
import sys

import pytest

from kdsharp.errors import TransientError, UserError
from kdsharp.train.dataset.bucket import Bucket
from pipeline.data.patches import VARIABLE, find_patches, identity
from pipeline.paths import PATCHES


@pytest.fixture
def pushed(tmp_path, monkeypatch):
    """A project whose two files of patches lie in DVC's remote alone."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_NO_ANALYTICS", "1")
    (tmp_path / PATCHES).mkdir(parents=True)
    for name in ("patches.json", "train_lr.npy"):
        (tmp_path / PATCHES / name).write_text(name)
    remote = tmp_path / "remote"
    for words in (
        "init --no-scm -q",
        f"remote add -q -d remote {remote}",
        f"add -q {PATCHES}",
        "push -q",
    ):
        subprocess.run([sys.executable, "-m", "dvc", *words.split()], check=True)
    shutil.rmtree(PATCHES)
    shutil.rmtree(".dvc/cache")
    monkeypatch.setenv(VARIABLE, "remote")
    return remote


def test_without_the_variable_they_are_in_their_folder(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    assert find_patches() == PATCHES


def test_in_the_remote_they_are_named_by_what_they_hold(pushed):
    found = find_patches()
    assert isinstance(found, Bucket)
    assert found.text("patches.json") == "patches.json"
    assert not PATCHES.exists()
    first, second = identity(found)
    assert first.startswith("patches.json ")
    assert second.startswith("train_lr.npy ")
    assert first.split()[1] != second.split()[1]


def test_a_remote_without_them_is_a_line(pushed):
    shutil.rmtree(pushed)
    with pytest.raises(TransientError, match=r"does not give the list of data/patches .*dvc push"):
        find_patches()


def test_a_project_without_them_is_a_line(pushed):
    PATCHES.with_suffix(".dvc").unlink()
    with pytest.raises(UserError, match=r"does not name data/patches .*KDSHARP_DVC_REMOTE"):
        find_patches()


def test_another_value_is_refused(monkeypatch):
    monkeypatch.setenv(VARIABLE, "s3://bucket")
    with pytest.raises(UserError, match="must be remote, or unset"):
        find_patches()
