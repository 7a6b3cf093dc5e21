"""What docs/operate.md says of backups: with git, DVC's remote and one archive all is back."""

import json
import shutil

import pytest

from tests.integration.checkout import Checkout

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

PIPELINE = ("python", "-m", "pipeline")


def test_a_lost_checkout_comes_back(project, tmp_path):
    project.run(*PIPELINE, "register")
    project.run(*PIPELINE, "promote", "--force", "--why", "to lose it")
    before = json.loads(project.run(*PIPELINE, "status", "--json").stdout)
    served = {p.name: p.read_bytes() for p in production(project).iterdir()}
    weights = (project.root / "models/student.safetensors").read_bytes()
    bare, archive = tmp_path / "project.git", tmp_path / "kdsharp-backup.tar"
    project.run("git", "init", "-q", "--bare", str(bare))
    project.run("git", "push", "-q", str(bare), "HEAD:refs/heads/main")
    project.run("dvc", "remote", "add", "-q", "--local", "-d", "store", str(tmp_path / "files"))
    project.run("dvc", "push", "-q")
    project.run("tar", "cf", str(archive), "mlruns")
    params = (project.root / "params.yaml").read_bytes()
    shutil.rmtree(project.root)

    restored = Checkout(tmp_path / "restored")
    clone = ("git", "clone", "-q", "-b", "main", str(bare), str(restored.root))
    Checkout(tmp_path).run(*clone)
    assert (restored.root / "params.yaml").read_bytes() == params
    restored.run("tar", "xf", str(archive))
    restored.run("dvc", "remote", "add", "-q", "--local", "-d", "store", str(tmp_path / "files"))
    restored.run("dvc", "pull", "-q")
    assert (restored.root / "models/student.safetensors").read_bytes() == weights
    assert "up to date" in restored.run("dvc", "status").stdout
    after = json.loads(restored.run(*PIPELINE, "status", "--json").stdout)
    assert after["history"] == before["history"]
    assert (before["here"], after["here"]) == (1, None)
    folder = production(restored, there=False)
    restored.run(*PIPELINE, "pull", "--alias", "production", "--to", str(folder))
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == served


def production(checkout, there=True):
    found = list((checkout.root / "models").glob("production*"))
    assert bool(found) == there
    return found[0] if found else checkout.root / "models/production"
