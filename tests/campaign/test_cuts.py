"""The tracking server, its database and S3 go away and come back while a student is trained."""

import subprocess
import sys
from collections import Counter

import pytest
from mlflow import MlflowClient

from tests.campaign.faults import Way, at_random, faults_of
from tests.integration.checkout import Checkout
from tests.integration.conftest import commit
from tests.integration.servers import (
    BUCKET,
    create_database,
    free_port,
    running,
    running_postgres,
    running_s3,
)
from tests.integration.test_promotion import NAME, pipeline

pytestmark = [pytest.mark.integration, pytest.mark.timeout(0)]

EPOCHS = 12
WARNING = "training goes on, this run is not recorded"


@pytest.fixture
def ways(monkeypatch):
    """(address of MLflow's server, the ways to it, its database and S3)."""
    made = []

    def way(target):
        made.append(Way(target))
        return made[-1]

    with running_postgres() as postgres, running_s3() as s3:
        database, store = way(_port(postgres)), way(_port(s3["AWS_ENDPOINT_URL"]))
        server = way(free_port())
        address = create_database(postgres, "cut").replace(str(database.target), str(database.port))
        command = [sys.executable, "-m", "mlflow", "server", "--workers", "1"]
        command += ["--port", str(server.target)]
        settings = s3 | {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{store.port}",
            "MLFLOW_BACKEND_STORE_URI": address,
            "MLFLOW_ARTIFACTS_DESTINATION": f"s3://{BUCKET}/cut",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }
        health = f"http://127.0.0.1:{server.target}/health"
        with running(command, health, **settings):
            yield (
                f"http://127.0.0.1:{server.port}",
                {"server": server, "database": database, "S3": store},
            )
        for one in made:
            one.close()


def _port(address):
    return int(address.rpartition(":")[2])


@pytest.mark.campaign(
    "trainings while MLflow's server, PostgreSQL and S3 are cut off, or frozen by SIGSTOP, "
    "for 1 to 15 s at a time; then `register`",
    unit="trainings",
    slice=0,
    day=4,
    full=50,
)
def test_cuts(part, project: Checkout, ways):
    address, each = ways
    client, store = MlflowClient(address), {"MLFLOW_TRACKING_URI": address}
    faults = [fault for name, way in each.items() for fault in faults_of(name, way)]
    pipeline(project, "register", **store)
    happened, recorded, imported, warned = Counter(), 0, 0, 0
    for number in range(2, part.rounds + 2):
        project.set(student__loop__seed=number, student__loop__epochs=EPOCHS)
        with at_random(faults, part.rng, 1, 15) as names:
            done = subprocess.run(
                ["dvc", "repro", "evaluate"],
                cwd=project.root,
                env=project.env | store,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        happened.update(names)
        assert done.returncode == 0, done.stdout[-3000:]
        assert "Traceback" not in done.stdout, done.stdout[-3000:]
        commit(project, "Train")
        pipeline(project, "register", **store)
        version = client.get_model_version(NAME, str(number))
        run = client.get_run(version.run_id)
        assert run.data.params["student.loop.seed"] == str(number)
        assert len(client.get_metric_history(version.run_id, "curve/val_psnr_y")) == EPOCHS
        whole = run.data.tags.get("kdsharp.imported") != "true"
        recorded, imported = recorded + whole, imported + (not whole)
        # What is not recorded as it happened has been told.
        told = WARNING in done.stdout
        assert whole or told, done.stdout
        warned += told
    faults_told = ", ".join(f"{name} {count} times" for name, count in sorted(happened.items()))
    part.note(
        f"{faults_told}: every training ended; {recorded} recorded as they went, {imported} "
        f"imported by `register` from their files, with all {EPOCHS} epochs, as told in a line"
    )
    assert sum(happened.values()) > 0
