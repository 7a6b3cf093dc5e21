import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kdsharp.errors import run
from pipeline.cli import app as cli
from pipeline.paths import PARAMS

ROOT = Path.cwd()
COMMANDS = [
    "retrain", "preset", "publish", "results", "evaluate", "gc", "ui", "judge", "compare", "status",
    "monitor",
]  # fmt: skip


@pytest.fixture
def command(monkeypatch):
    """Run `python -m pipeline ARGUMENTS` in this process; give its exit code."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["pipeline", *arguments])
        return run(cli.main, program="pipeline")

    return call


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    shutil.copy(PARAMS, tmp_path)
    shutil.copytree("presets", tmp_path / "presets")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)  # MLflow sets it for its process
    return tmp_path


def test_help_lists_the_commands(command, capsys):
    assert command("--help") == 0
    text = capsys.readouterr().out
    assert all(name in text for name in COMMANDS)
    assert "ship " not in text.replace("that ship ", "")
    assert command() == 0
    assert capsys.readouterr().out == text


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_shows_an_example(command, capsys, name):
    assert command(name, "--help") == 0
    assert f"Example: python -m pipeline {name}" in capsys.readouterr().out


def test_help_answers_at_once():
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    times = []
    for _ in range(3):
        began = time.monotonic()
        subprocess.run(
            [sys.executable, "-m", "pipeline", "--help"], env=env, capture_output=True, check=True
        )
        times.append(time.monotonic() - began)
    assert min(times) < 0.6


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train"], "No such command 'train'"),
        (["retrain", "now"], "unexpected extra argument"),
        (["ui", "--port", "x"], "Invalid value for '--port'"),
        (["ui", "--port", "70000"], "Invalid value for '--port'"),
        (["preset"], "which preset?"),
        (["preset", "nope"], "there is no preset 'nope'"),
        (["results"], "reports/metrics.json is missing"),
        (["evaluate"], "Missing option '--on'"),
        (["evaluate", "--on", "nowhere"], "data/raw/manifest.csv is missing"),
        (["ship"], "ship is now publish: python -m pipeline register"),
        (["ship", "--to", "weights"], "ship is now publish"),
        (["publish", "--model", "teacher"], "kdsharp-teacher: teachers do not ship"),
        (["publish"], "kdsharp-student is not registered: python -m pipeline register"),
        (["promote", "--dry-run", "--force"], "--dry-run changes nothing: leave out --force"),
        (["status"], "no student is registered in mlruns/mlflow.db: python -m pipeline register"),
        (["compare", "1", "2"], "no student is registered"),
    ],
)
def test_mistakes_are_one_line_and_2(checkout, command, capsys, arguments, words):
    assert command(*arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("pipeline: error: ")
    assert said.err.count("\n") == 1
    assert words in said.err


def test_preset(checkout, command, capsys):
    assert command("preset", "--list") == 0
    assert "original" in capsys.readouterr().out
    assert command("preset", "original") == 0
    assert "teacher.pretrained: false -> true" in capsys.readouterr().out
    assert command("preset", "original") == 0
    assert "already" in capsys.readouterr().out
    assert command("preset", "release", "nano-x2") == 0
    said = capsys.readouterr().out
    assert "data.source: div2k -> folder" in said
    assert "student.channels: 32 -> 16" in said


def test_results(checkout, command, capsys):
    row = {"psnr_y": 30.0, "ssim_y": 0.9, "psnr_rgb": 28.0, "ssim_rgb": 0.9}
    (checkout / "reports").mkdir()
    metrics = {split: {"input": row, "student": row} for split in ("val", "test")}
    (checkout / "reports/metrics.json").write_text(json.dumps(metrics))
    assert command("results") == 0
    assert "student" in capsys.readouterr().out


def test_ui_of_a_server_names_its_address(command, capsys, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@tracking.test:5000")
    assert command("ui") == 2
    said = capsys.readouterr().err
    assert "http://tracking.test:5000" in said
    assert "secret" not in said


def test_a_python_without_the_packages_is_told_where_they_are():
    """`python3 -m pipeline register` before `. .venv/bin/activate`."""
    command = [sys.executable, "-S", "-m", "pipeline", "register"]
    env = {k: v for k, v in os.environ.items() if k != "KDSHARP_DEBUG"} | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert f"{sys.executable} has no package typer: make setup, then . .venv/bin/activate" in (
        done.stderr
    )
