from pathlib import Path

import pytest

import pipeline.stages.environment as module
from pipeline.params import load_params
from pipeline.paths import ENVIRONMENT
from pipeline.stages.environment import main

ROOT = Path(__file__).parents[3]
LOCKED = "numpy==2.5.5 ; python_version >= '3.12' \\\n    --hash=sha256:22\n"
LOCKED += "numpy==2.4.6 \\\n    --hash=sha256:00\ntorch==2.15.0 \\\n    --hash=sha256:11\n"


@pytest.fixture
def params(tmp_path, monkeypatch):
    params = load_params(ROOT / "params.yaml")
    monkeypatch.chdir(tmp_path)
    Path("data").mkdir()
    Path("requirements.lock").write_text(LOCKED)
    return params


def noted(params, monkeypatch, **versions):
    monkeypatch.setattr(module, "version", lambda name: versions.get(name, "2.4.6"))
    main(params)
    return ENVIRONMENT.read_bytes()


def test_a_new_torch_changes_the_file_and_another_package_does_not(params, monkeypatch, caplog):
    before = noted(params, monkeypatch, torch="2.15.0+cpu")
    assert caplog.text == ""
    Path("requirements.lock").write_text(LOCKED + "onnx==9.9\n")
    assert noted(params, monkeypatch, torch="2.15.0") == before
    assert noted(params, monkeypatch, torch="2.16.0") != before
    assert "torch 2.16.0 is installed, requirements.lock has 2.15.0" in caplog.text


def test_ignored_no_version_counts(params, monkeypatch):
    params = params.model_copy(update={"environment": "ignore"})
    assert noted(params, monkeypatch, torch="1") == noted(params, monkeypatch, torch="2")
