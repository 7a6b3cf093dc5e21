"""Kills, races and servers that go away, while models are promoted.

`KDSHARP_FAULT_ROUNDS=20 make test-integration` repeats kills and races that many times.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mlflow import MlflowClient

from tests.integration.servers import free_port, running
from tests.integration.test_promotion import FOLDER, NAME, pipeline, retrained, status

pytestmark = [pytest.mark.integration, pytest.mark.timeout(7200)]

ROUNDS = int(os.environ.get("KDSHARP_FAULT_ROUNDS", "1"))
DRIVER = Path(__file__).with_name("kills.py")


def test_killed_between_any_two_steps(project):
    """What is in production is the old version or the new one, and the next promotion heals it."""
    pipeline(project, "register")
    pipeline(project, "promote")
    retrained(project, "Better", student__loop__epochs=6)
    command = [sys.executable, "-W", "ignore", str(DRIVER), str(ROUNDS)]
    done = project.run(*command, PYTHONPATH=str(project.root))
    steps = json.loads(done.stdout.splitlines()[-1])
    assert steps["promote"] > 15
    assert steps["rollback"] > 4


@pytest.mark.parametrize("attempt", range(ROUNDS))
def test_eight_promotions_at_once(project, attempt):
    pipeline(project, "register")
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "pipeline", "promote"],
            cwd=project.root,
            env=project.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for _ in range(8)
    ]
    said = [process.communicate()[0] for process in started]
    won = [text for text in said if ": promoted: " in text]
    assert len(won) == 1, said
    for text in said:
        expected = (": promoted: ", "another promote is at work", "nothing moves")
        assert any(words in text for words in expected), text
        assert "Traceback" not in text
    found = status(project)
    assert [entry["to"] for entry in found["history"]] == [1]
    assert found["in_place"]


@contextlib.contextmanager
def mlflow_server(folder, address):
    """MLflow's server over a store in `folder`, at the same address each time."""
    command = [sys.executable, "-m", "mlflow", "server", "--workers", "1"]
    command += ["--port", address.rpartition(":")[2]]
    settings = {
        "MLFLOW_BACKEND_STORE_URI": f"sqlite:///{folder}/server.db",
        "MLFLOW_ARTIFACTS_DESTINATION": str(folder / "artifacts"),
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    with running(command, f"{address}/health", **settings):
        yield MlflowClient(address)


def repro(project, address, **params):
    """Train another student; returns the process, which is at work."""
    project.set(**params)
    return project.start("dvc", "repro", "-q", "evaluate", MLFLOW_TRACKING_URI=address)


def commit(project):
    author = ("-c", "user.name=test", "-c", "user.email=test@example.invalid")
    project.run("git", *author, "commit", "-qam", "Train")


def test_a_tracking_server_that_is_down(project, tmp_path):
    """Before a training, during it and after it: nothing is lost, and nothing is half done."""
    address = f"http://127.0.0.1:{free_port()}"
    store = {"MLFLOW_TRACKING_URI": address}
    assert repro(project, address, student__loop__seed=2).wait() == 0
    commit(project)
    assert f"MLflow at {address} is not reachable" in pipeline(project, "register", code=2, **store)

    with mlflow_server(tmp_path, address) as client:
        pipeline(project, "register", **store)
        version = client.get_model_version(NAME, "1")
        assert client.get_run(version.run_id).data.tags["kdsharp.imported"] == "true"
        assert len(client.get_metric_history(version.run_id, "curve/val_psnr_y")) == 4

        training = repro(project, address, student__loop__seed=3, student__loop__epochs=12)
        wait_for(lambda: sum(name.startswith("student") for name in names(client)) == 2)
    assert training.wait() == 0
    commit(project)
    assert "is not reachable" in pipeline(project, "promote", code=2, **store)
    assert not (project.root / FOLDER).exists()

    with mlflow_server(tmp_path, address) as client:
        pipeline(project, "register", **store)
        version = client.get_model_version(NAME, "2")
        run = client.get_run(version.run_id)
        assert run.data.tags["kdsharp.imported"] == "true"
        assert run.data.params["student.loop.seed"] == "3"
        assert len(client.get_metric_history(version.run_id, "curve/val_psnr_y")) == 12
        pipeline(project, "promote", **store)
        assert status(project, **store)["production"] == 2


@pytest.mark.parametrize("moment", ["gate kdsharp", "history"])
def test_a_tracking_server_that_goes_away_during_a_promotion(project, tmp_path, moment):
    """After the decision's run has begun; after the entry in the history is written."""
    address = f"http://127.0.0.1:{free_port()}"
    store = {"MLFLOW_TRACKING_URI": address}
    with mlflow_server(tmp_path, address) as client:
        pipeline(project, "register", **store)
        command = [sys.executable, "-m", "pipeline", "promote"]
        promotion = subprocess.Popen(
            command, cwd=project.root, env=project.env | store, stderr=subprocess.PIPE, text=True
        )
        if moment == "history":
            history = client.get_registered_model(NAME).tags["kdsharp.history"]
            wait_for(lambda: client.get_run(history).data.params, pause_s=0)
        else:
            wait_for(lambda: any(name.startswith(moment) for name in names(client)), pause_s=0)
        promotion.send_signal(signal.SIGSTOP)
    promotion.send_signal(signal.SIGCONT)
    said = promotion.communicate(timeout=300)[1]
    assert promotion.returncode == 2
    assert f"MLflow at {address} is not reachable" in said.splitlines()[-1]
    assert "Traceback" not in said
    with mlflow_server(tmp_path, address):
        found = status(project, **store)
        assert found["production"] == (1 if moment == "history" else None)
        pipeline(project, "promote", **store)
        found = status(project, **store)
        assert (found["production"], found["in_place"]) == (1, True)
        assert (project.root / FOLDER / "card.json").exists()


def names(client):
    """The names of all runs."""
    experiments = [found.experiment_id for found in client.search_experiments()]
    return [run.info.run_name for run in client.search_runs(experiments)]


def wait_for(ready, pause_s=0.2, seconds=300):
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(pause_s)


def test_a_model_that_does_not_work_in_its_place(project):
    """All goes back, to nothing as well, and the history has both entries."""
    pipeline(project, "register")
    code = f"""
import os
from pathlib import Path
from kdsharp.errors import KdsharpError
from pipeline.release.promotion import production
from pipeline.release.promotion.promote import promote

real = production._sharpened
def broken(folder):
    pixels = real(folder)
    broken = folder == Path("{FOLDER}") and os.environ["BREAK"] == "yes"
    return pixels + 1 if broken else pixels
production._sharpened = broken
try:
    promote()
except KdsharpError as error:
    assert error.exit_code == 1
    print(error)
"""
    said = project.run(sys.executable, "-c", code, BREAK="yes").stdout
    assert "gives a different picture in models/production-c8-x2" in said
    assert "nothing is in production, as before" in said
    assert not (project.root / FOLDER).exists()
    found = status(project)
    assert (found["production"], found["in_place"]) == (None, True)
    assert [entry["action"] for entry in found["history"]] == ["promote", "undo"]
    project.run(sys.executable, "-c", code, BREAK="no")
    assert status(project)["production"] == 1

    # An alias that somebody moves follows the history again.
    retrained(project, "Another", student__loop__epochs=3)
    move = (
        "from mlflow import MlflowClient\n"
        f"client = MlflowClient('sqlite:///{project.root}/mlruns/mlflow.db')\n"
        f"client.set_registered_model_alias('{NAME}', 'production', '2')\n"
    )
    project.run(sys.executable, "-W", "ignore", "-c", move)
    assert not status(project)["in_place"]
    said = pipeline(project, "promote", "--version", "1")
    assert "finishing an interrupted change: kdsharp-student-c8-x2 version 1 in production" in said
    assert "nothing moves" in said
    assert status(project)["in_place"]
