"""compose.yaml has the form that people rely on; its images are not started here."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

import kdsharp

ROOT = Path(__file__).parents[1]
COMPOSE = YAML(typ="safe").load(ROOT / "compose.yaml")
SERVICES = COMPOSE["services"]


def locked(package):
    """The version of `package` in requirements.lock."""
    lock = (ROOT / "requirements.lock").read_text()
    return re.search(rf"^{package}==(\S+)", lock, re.MULTILINE)[1]


def test_the_servers_have_the_versions_of_their_clients():
    assert SERVICES["mlflow"]["image"] == f"ghcr.io/mlflow/mlflow:v{locked('mlflow')}-full"
    assert SERVICES["prefect"]["image"] == f"prefecthq/prefect:{locked('prefect')}-python3.12"


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_service_is_pinned_private_and_watched(name):
    service = SERVICES[name]
    assert re.search(r":v?\d+\.\d+[\w.-]*$", service["image"])
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
    assert service["healthcheck"]["test"][0] == "CMD"
    for other, condition in service.get("depends_on", {}).items():
        assert other in SERVICES
        assert condition == {"condition": "service_healthy"}
    for volume in service.get("volumes", []):
        assert volume.split(":")[0] in {*COMPOSE["volumes"], "."}
    for config in service.get("configs", []):
        assert config["source"] in COMPOSE["configs"]


def test_passwords_come_from_the_environment():
    for service in SERVICES.values():
        for name, value in service["environment"].items():
            if name.endswith(("PASSWORD", "KEY", "KEY_ID")) or "@" in value:
                assert re.search(r"\$\{(POSTGRES|AWS)_\w+:-[\w-]+\}", value), name


def test_the_page_names_what_is_served():
    page = (ROOT / "docs/scaling.md").read_text()
    for service in SERVICES.values():
        for port in service.get("ports", []):
            assert f"http://{port.rpartition(':')[0]}" in page


def test_the_worker_is_built_from_the_lock_file_and_starts_only_when_asked_for():
    worker = SERVICES["worker"]
    assert worker["profiles"] == ["worker"]
    assert worker["image"].endswith(f":{kdsharp.__version__.rpartition('.')[0]}")
    steps = (ROOT / "Dockerfile").read_text()
    assert "pip install --no-cache-dir --require-hashes -r requirements.lock" in steps
    copied = [
        name
        for line in re.findall(r"^COPY (.*) \S+$", steps, re.MULTILINE)
        for name in line.split()
    ]
    assert {"requirements.lock", "kdsharp", "pipeline"} <= set(copied)
    assert [name for name in copied if not (ROOT / name).exists()] == []
    # What is not let through does not reach the builder.
    let_through = re.findall(r"^!(\S+)", (ROOT / ".dockerignore").read_text(), re.MULTILINE)
    assert set(copied) == set(let_through)
    modules = re.findall(r"-m (pipeline[\w.]*)", steps)
    assert [m for m in modules if not (ROOT / f"{m.replace('.', '/')}.py").exists()] == []


def docker(*arguments):
    command = shutil.which("docker")
    if command is None:
        pytest.skip("there is no docker")
    return subprocess.run([command, *arguments], cwd=ROOT, capture_output=True, text=True)


@pytest.mark.parametrize("profile", [(), ("--profile", "worker")])
def test_compose_itself_reads_the_file(profile):
    if docker("compose", "version").returncode:
        pytest.skip("docker has no compose")
    done = docker("compose", *profile, "config", "--quiet")
    assert done.returncode == 0, done.stderr


def test_the_workflow_calls_what_is_there():
    flow = YAML(typ="safe").load(ROOT / ".github/workflows/results.yml")
    (job,) = flow["jobs"].values()
    runs = [step["run"] for step in job["steps"] if "run" in step]
    scripts = [word for run in runs for word in run.split() if word.startswith("scripts/")]
    assert scripts == ["scripts/results_report"]
    assert all(os.access(ROOT / name, os.X_OK) for name in scripts)
    assert set(flow["on" if "on" in flow else True]["pull_request"]["paths"]) == {
        "dvc.lock",
        "metrics.json",
        "params.yaml",
    }
