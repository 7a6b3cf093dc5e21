"""An edited policy or gate set judges nobody."""

import hashlib
import shutil
from pathlib import Path

import pytest
from dvc_data.hashfile.hash_info import HashInfo
from dvc_data.hashfile.tree import Tree

from kdsharp.errors import UserError
from pipeline.params import load_params
from pipeline.release.gate.crops import FILES
from pipeline.release.promotion.committed import folder_md5, require_committed
from tests.integration.checkout import set_params
from tests.pipeline.release.registry.test_provenance_locked import git

REPOSITORY = Path(__file__).parents[4]
LOCK = "stages:\n  gate:\n    outs:\n    - path: data/gate\n      md5: {}\n"


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A repository with parameters and a gate set; that the set is none does not matter here."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(REPOSITORY / "params.yaml", tmp_path)
    set_params(tmp_path, {"student.loop.crop": 0, "teacher.loop.crop": 0})  # for any scale
    gate = Path("data/gate")
    gate.mkdir(parents=True)
    for name in FILES:
        (gate / name).write_text(name)
    Path("dvc.lock").write_text(LOCK.format(folder_md5(gate, FILES)))
    Path(".gitignore").write_text("data\n")
    git("init", "-q")
    git("add", "-A")
    git("commit", "-qm", "Start")
    return tmp_path


def test_the_md5_is_that_of_dvc(checkout):
    tree = Tree()
    for name in FILES:
        md5 = hashlib.md5((Path("data/gate") / name).read_bytes()).hexdigest()
        tree.add((name,), None, HashInfo("md5", md5))
    tree.digest()
    assert folder_md5(Path("data/gate"), FILES) == tree.hash_info.value


def test_what_was_committed_judges(checkout):
    require_committed(load_params())
    # How a model is made is a matter of the candidate's own commit.
    set_params(checkout, {"student.channels": 16, "promotion.enough_photos": 20})
    require_committed(load_params())


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("promotion.margin_db", 10.0),
        ("promotion.approval", "manual"),
        ("gate.version", 2),
        ("degradation.scale", 3),
        ("data.duplicate_distance", 0),
        ("evaluate.held_out", "elsewhere"),
    ],
)
def test_an_edited_policy_does_not(checkout, key, value):
    set_params(checkout, {key: value})
    with pytest.raises(UserError, match=f"params.yaml: {key} is not what was committed"):
        require_committed(load_params())
    git("commit", "-qam", "Judge by other terms")
    require_committed(load_params())


def test_another_gate_set_does_not_either(checkout):
    (Path("data/gate") / "low.npy").write_text("easy")
    with pytest.raises(UserError, match=r"data/gate is not the set that dvc\.lock of HEAD"):
        require_committed(load_params())
    Path("dvc.lock").write_text(LOCK.format(folder_md5(Path("data/gate"), FILES)))
    with pytest.raises(UserError, match=r"commit dvc\.lock"):
        require_committed(load_params())
    git("commit", "-qam", "Another set")
    require_committed(load_params())


def test_without_git_the_lineage_is_refused_elsewhere(checkout):
    shutil.rmtree(".git")
    set_params(checkout, {"promotion.margin_db": 10.0})
    require_committed(load_params())
