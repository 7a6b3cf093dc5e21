"""MLflow's own server: its pages over our store, and runs sent to one that goes away."""

import json
import logging
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np
import psutil
import pytest

from pipeline.tracking import runs as tracking
from pipeline.tracking.store import open_store
from tests.integration.servers import free_port
from tests.integration.test_retrain import environment, left_over
from tests.pipeline.tracking.test_runs import LINEAGE, tiny_onnx

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

UI = [sys.executable, "-m", "pipeline", "ui", "--port", str(free_port())]


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ask(address, path, body):
    request = urllib.request.Request(
        f"{address}/api/2.0/mlflow/{path}",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_ui_shows_the_runs_and_ends_cleanly(checkout, monkeypatch, end):
    picture = checkout / "panel.png"
    picture.write_bytes(b"png")
    with tracking.start("evaluate", LINEAGE) as run:
        run.picture(picture, "comparison")
    command = subprocess.Popen(UI, env=environment(), stdout=subprocess.PIPE, text=True)
    with command as ui:
        said = ui.stdout.readline()
        address = re.search(r"http://127\.0\.0\.1:\d+", said)[0]
        assert f"{address}/#/experiments/1/runs?workflowType=machine_learning" in said
        experiment = {"experiment_ids": ["1"]}
        found = {each["info"]["run_id"] for each in ask(address, "runs/search", experiment)["runs"]}
        assert run.run_id in found
        path = f"get-artifact?run_uuid={run.run_id}&path=comparison/panel.png"
        with urllib.request.urlopen(f"{address}/{path}", timeout=30) as answer:
            assert answer.read() == b"png"
        with monkeypatch.context() as client:
            client.setenv("MLFLOW_TRACKING_URI", address)
            with tracking.start("evaluate", LINEAGE) as through_the_server:
                through_the_server.picture(picture, "comparison")
        (port,) = {
            (connection.laddr.ip, connection.laddr.port)
            for process in [psutil.Process(ui.pid), *psutil.Process(ui.pid).children(True)]
            for connection in process.net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN
        }
        assert port[1] == int(UI[-1])
        assert port[0] == "127.0.0.1"  # nobody else can read it
        busy = subprocess.run(UI, env=environment(), capture_output=True, text=True)
        assert busy.returncode == 2
        assert "address already in use" in busy.stderr
        ui.send_signal(end)
        assert ui.wait(30) == 0
    client, _ = open_store()
    for run_id in (run.run_id, through_the_server.run_id):
        assert (
            Path(client.download_artifacts(run_id, "comparison/panel.png")).read_bytes() == b"png"
        )
    assert left_over(checkout) == []


def test_a_server_that_is_killed_costs_no_training(checkout, monkeypatch, caplog):
    caplog.set_level(logging.WARNING, logger="pipeline.tracking.runs")
    with subprocess.Popen(
        UI, env=environment(), stdout=subprocess.PIPE, start_new_session=True, text=True
    ) as ui:
        address = re.search(r"http://127\.0\.0\.1:\d+", ui.stdout.readline())[0]
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        example = np.zeros((2, 1, 8, 8), np.float32)
        with tracking.start("teacher", LINEAGE) as run:
            run.metrics({"loss": 1.0}, step=1)
            run.params({"lr": 1})
            run.file(tiny_onnx(checkout / "student.onnx"))
            run.model_onnx(checkout / "student.onnx", "student", example)
            assert run.run_id
            for process in psutil.Process(ui.pid).children(recursive=True):
                process.kill()
            ui.wait(60)
            began = time.monotonic()
            for step in range(2, 12):
                run.metrics({"loss": 1.0}, step=step)
            run.file(checkout / "student.onnx")
            assert time.monotonic() - began < 30
        assert run.run_id is None
    (line,) = [record.getMessage() for record in caplog.records if "MLflow" in record.getMessage()]
    assert line.startswith(f"MLflow at {address} is not reachable (")


def test_a_server_that_hangs_costs_seconds(checkout, monkeypatch, caplog):
    """A stopped process keeps its port open and answers nothing."""
    with subprocess.Popen(UI, env=environment(), stdout=subprocess.PIPE, text=True) as ui:
        address = re.search(r"http://127\.0\.0\.1:\d+", ui.stdout.readline())[0]
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        family = psutil.Process(ui.pid).children(recursive=True)
        for process in family:
            process.suspend()
        began = time.monotonic()
        with tracking.start("teacher", LINEAGE) as run:
            run.metrics({"loss": 1.0})
        assert run.run_id is None
        assert time.monotonic() - began < 40
        for process in family:
            process.resume()
        ui.send_signal(signal.SIGINT)
        ui.wait(60)
