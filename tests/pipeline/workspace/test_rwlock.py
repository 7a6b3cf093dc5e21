import subprocess
import sys

import pytest
from dvc.repo import Repo

from pipeline.workspace.rwlock import mend_rwlock

DVC_YAML = "stages:\n  one:\n    cmd: echo 1 > one.txt\n    outs:\n      - one.txt\n"


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    Repo.init(str(tmp_path), no_scm=True).close()
    (tmp_path / "dvc.yaml").write_text(DVC_YAML)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def listed(checkout):
    return checkout / ".dvc/tmp/rwlock"


def mended():
    with Repo() as repo:
        return mend_rwlock(repo)


def test_a_list_that_can_be_read_stays(listed):
    assert not mended()
    assert not listed.exists()
    listed.write_text('{"write": {}, "read": {}}')
    assert not mended()
    assert listed.read_text() == '{"write": {}, "read": {}}'


@pytest.mark.parametrize("left", ["", '{"write": {"one.txt": {"pi'])
def test_a_stage_runs_after_a_kill_that_left_half_a_list(checkout, listed, left, tmp_path):
    listed.write_text(left)
    dvc = [sys.executable, "-m", "dvc", "repro"]
    assert b"RWLock" in subprocess.run(dvc, capture_output=True).stderr
    outcome = tmp_path / "outcome"
    ours = [sys.executable, "-m", "pipeline.workspace.stage", "one", str(outcome)]
    subprocess.run(ours, check=True)
    assert outcome.read_text() == "ran"
    assert (checkout / "one.txt").read_text() == "1\n"
