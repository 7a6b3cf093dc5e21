import hashlib
import shutil
import subprocess

import pytest

from kdsharp.errors import UserError
from pipeline.params import load_params
from pipeline.paths import PARAMS
from pipeline.tracking.lineage import read_lineage


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    params = PARAMS.resolve()
    monkeypatch.chdir(tmp_path)
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)
    shutil.copy(params, "params.yaml")
    for folder in ("kdsharp", "pipeline", "data/raw", "models", "reports"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "kdsharp/code.py").write_text("x = 1\n")
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    (tmp_path / "dvc.lock").write_text("schema: '2.0'\n")
    (tmp_path / "data/raw/manifest.csv").write_bytes(b"name\r\nphoto\n")
    return tmp_path


def git(*arguments, cwd=None):
    done = subprocess.run(
        ["git", "-c", "user.name=t", "-c", "user.email=t@t", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


@pytest.fixture
def committed(checkout):
    git("init", "-q")
    git("add", "kdsharp", "params.yaml", "dvc.yaml", "dvc.lock")
    git("commit", "-q", "-m", "all")
    return checkout


def lineage():
    return read_lineage(load_params())


def test_hashes_are_those_of_dvc_and_params(checkout):
    found = lineage()
    assert found.data_hash == hashlib.md5(b"name\r\nphoto\n").hexdigest()
    assert found.params_hash == load_params().digest()
    both = (found.data_hash + found.params_hash).encode()
    assert found.retraining == hashlib.sha256(both).hexdigest()[:12]


def test_outside_git(checkout):
    found = lineage()
    assert (found.git_commit, found.dirty) == (None, None)
    assert found.tags()["kdsharp.git_commit"] == found.tags()["kdsharp.dirty"] == ""


def test_no_git_at_all(committed, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    assert lineage().git_commit is None


def test_without_a_commit(checkout):
    git("init", "-q")
    assert lineage().git_commit is None


def test_inside_some_other_repository(committed, monkeypatch):
    inner = committed / "inner"
    for name in ("data", "params.yaml"):
        source = committed / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, _made(inner) / name)
    monkeypatch.chdir(inner)
    assert lineage().git_commit is None


def _made(folder):
    folder.mkdir(exist_ok=True)
    return folder


def test_clean_commit(committed):
    found = lineage()
    assert found.git_commit == git("rev-parse", "HEAD")
    assert found.dirty is False
    assert set(found.tags()) == {
        "kdsharp.git_commit",
        "kdsharp.dirty",
        "kdsharp.data_hash",
        "kdsharp.params_hash",
        "kdsharp.retraining",
    }
    assert found.tags()["kdsharp.dirty"] == "false"


@pytest.mark.parametrize(
    "path", ["kdsharp/code.py", "kdsharp/new.py", "pipeline/new.py", "params.yaml", "dvc.yaml"]
)
def test_changed_code_is_dirty(committed, path):
    with (committed / path).open("a") as opened:
        opened.write("# changed\n")
    assert lineage().dirty is True


@pytest.mark.parametrize(
    "path", ["dvc.lock", "models/new.py", "reports/metrics.json", "kdsharp/notes.txt", "README.md"]
)
def test_outputs_are_not_dirty(committed, path):
    with (committed / path).open("a") as opened:
        opened.write("changed\n")
    assert lineage().dirty is False


def test_missing_manifest_is_named(checkout):
    (checkout / "data/raw/manifest.csv").unlink()
    with pytest.raises(UserError, match=r"data/raw/manifest\.csv is missing"):
        lineage()
