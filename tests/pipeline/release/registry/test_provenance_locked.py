import json
import subprocess
from pathlib import Path

import pytest

from kdsharp.errors import UserError
from pipeline.release.gate.checks import provenance_checks
from pipeline.release.registry.provenance import (
    OUTS,
    changed_params,
    commit_lock,
    is_sound,
    locked_data_hash,
    locked_outs,
    read_lock,
    read_provenance,
)

LOCK = """schema: '2.0'
stages:
  acquire:
    cmd: x
    outs:
    - path: data/raw/manifest.csv
      md5: {md5}
"""


def git(*words):
    author = ["-c", "user.name=t", "-c", "user.email=t@example.invalid"]
    subprocess.run(["git", *author, *words], check=True, capture_output=True)


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    git("init", "-q")
    Path("dvc.lock").write_text(LOCK.format(md5="old"))
    git("add", "-A")
    git("commit", "-qm", "Old")
    return tmp_path


def test_the_lock_of_the_checkout_and_that_of_a_commit(checkout):
    Path("dvc.lock").write_text(LOCK.format(md5="new"))
    assert locked_data_hash(read_lock()) == "new"
    assert locked_data_hash(commit_lock("HEAD")) == "old"


def test_what_is_not_there(checkout):
    assert commit_lock("0" * 40) is None
    assert locked_data_hash(None) is None
    assert locked_data_hash({"acquire": {"outs": []}}) is None
    Path("dvc.lock").unlink()
    with pytest.raises(UserError, match="dvc repro writes it"):
        read_lock()


@pytest.mark.parametrize("text", ["", "stages: 3", "a: [", "[]"])
def test_a_damaged_lock_is_named(checkout, text):
    Path("dvc.lock").write_text(text)
    with pytest.raises(UserError, match=r"dvc.lock is damaged .*git checkout dvc.lock"):
        read_lock()


def test_parameters_that_were_changed_since(checkout):
    Path("params.yaml").write_text("data: {source: sample, min_side: 64}\nother: 1\n")
    lock = {"acquire": {"params": {"params.yaml": {"data": {"source": "sample", "min_side": 64}}}}}
    assert changed_params(lock, ["acquire", "missing"]) == []
    lock = {"acquire": {"params": {"params.yaml": {"data.min_side": 128, "other": 1}}}}
    assert changed_params(lock, ["acquire"]) == ["data.min_side"]


TRAINED = (
    LOCK.format(md5="photos")
    + """  patches:
    outs:
    - path: data/patches
      md5: p.dir
  teacher:
    outs:
    - path: models/teacher.safetensors
      md5: t
    - path: reports/curves/teacher.csv
      md5: c
  student:
    outs:
    - path: models/student.safetensors
      md5: {student}
  export:
    outs:
    - path: models/export
      md5: e.dir
"""
)


def test_a_commit_that_gives_another_student_is_no_lineage(checkout):
    """Parameters are changed, the student is trained anew, and params.yaml alone is committed."""
    Path("dvc.lock").write_text(TRAINED.format(student="old"))
    git("commit", "-qam", "Train")
    Path("params.yaml").write_text("student: {}\n")
    git("add", "params.yaml")
    git("commit", "-qm", "Other parameters")
    Path("dvc.lock").write_text(TRAINED.format(student="new"))

    def tags(role="student"):
        head = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True)
        return {
            "kdsharp.git_commit": head.stdout.strip(),
            "kdsharp.dirty": "false",
            "kdsharp.data_hash": "photos",
            "kdsharp.params_hash": "e" * 64,
            OUTS: json.dumps(locked_outs(read_lock(), role)),
        }

    assert not is_sound(tags())
    (said,) = [c.text for c in provenance_checks(read_provenance(tags())) if not c.passed]
    assert said.startswith("models/student.safetensors is not what dvc.lock of its commit")
    assert is_sound(tags("teacher"))
    assert list(locked_outs(read_lock(), "teacher")) == [
        "data/patches",
        "models/teacher.safetensors",
    ]
    git("commit", "-qam", "Lock")
    assert is_sound(tags())
    assert not is_sound({name: text for name, text in tags().items() if name != OUTS})
