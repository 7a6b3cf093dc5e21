"""More than one machine: MLflow and Prefect on PostgreSQL, artifacts and DVC's files on S3."""

import logging
import multiprocessing
import os
import shutil
import sys
import tempfile
from pathlib import Path

import boto3
import numpy as np
import pytest
from PIL import Image

from kdsharp.errors import UserError
from pipeline.tracking import runs as tracking
from pipeline.tracking.store import open_store
from tests.integration.checkout import Checkout, make_checkout
from tests.integration.servers import (
    BUCKET,
    create_database,
    free_port,
    query,
    running,
    running_postgres,
    running_s3,
)
from tests.integration.test_retrain import retrain
from tests.pipeline.flows.test_flows import DVC_YAML, ROOT, STAGE
from tests.pipeline.tracking.test_runs import LINEAGE, tiny_onnx

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def postgres():
    with running_postgres() as server:
        yield server


@pytest.fixture(scope="module")
def s3():
    with running_s3() as variables:
        yield variables


@pytest.fixture
def machine(tmp_path, monkeypatch, s3):
    """An empty folder, with a way to S3 and nothing else in the environment."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "MLFLOW_", "PREFECT_", "KDSHARP_", "DVC_", "PG")):
            monkeypatch.delenv(name)
    for name, value in s3.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def stored(prefix):
    """The names in the bucket below `prefix`."""
    found = boto3.client("s3").list_objects_v2(Bucket=BUCKET, Prefix=prefix)
    return [entry["Key"] for entry in found.get("Contents", [])]


def record_and_read_back(folder, caplog):
    """A run with a number, a file and a model, and all three as the store gives them back."""
    import mlflow

    caplog.set_level(logging.INFO)
    note = folder / "note.txt"
    note.write_text("on S3")
    one_NCHW = np.random.default_rng(1).random((1, 1, 8, 9), dtype=np.float32)
    with tracking.start("evaluate", LINEAGE) as run:
        run.params({"lr": 1})
        run.metrics({"psnr_y": 30.5}, step=1)
        run.file(note, "notes")
        run.model_onnx(tiny_onnx(folder / "student.onnx"), "student", one_NCHW)
    ours = ("pipeline", "mlflow", "alembic", "botocore")
    assert [r.getMessage() for r in caplog.records if r.name.startswith(ours)] == []
    client, experiment = open_store()
    assert client.get_run(run.run_id).data.metrics["psnr_y"] == 30.5
    read = client.download_artifacts(run.run_id, "notes/note.txt", tempfile.mkdtemp(dir=folder))
    assert Path(read).read_text() == "on S3"
    (model,) = client.search_logged_models([experiment])
    student = mlflow.pyfunc.load_model(model.model_uri)
    assert student.predict(one_NCHW)["y"].shape == one_NCHW.shape
    assert not (folder / "mlruns").exists()
    return run.run_id


def test_mlflow_on_postgresql_and_s3(machine, monkeypatch, postgres, caplog):
    database = create_database(postgres, "direct")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", database)
    with pytest.raises(UserError, match="MLFLOW_DEFAULT_ARTIFACT_ROOT is not set"):
        open_store()
    assert query(database, "SELECT 1 FROM pg_tables WHERE schemaname = 'public'") == []
    monkeypatch.setenv("MLFLOW_DEFAULT_ARTIFACT_ROOT", f"s3://{BUCKET}/direct")
    run_id = record_and_read_back(machine, caplog)
    assert (run_id, "FINISHED") in query(database, "SELECT run_uuid, status FROM runs")
    assert stored(f"direct/{run_id}/artifacts/notes") == [
        f"direct/{run_id}/artifacts/notes/note.txt"
    ]
    assert stored("direct/models/")
    monkeypatch.setenv("MLFLOW_DEFAULT_ARTIFACT_ROOT", f"s3://{BUCKET}/elsewhere")
    client, experiment = open_store()
    assert client.get_experiment(experiment).artifact_location == f"s3://{BUCKET}/direct"


def _open(folder, barrier, results):
    # MLflow's own lock is a file among the temporary ones: another machine has another.
    os.environ["TMPDIR"] = str(folder)
    os.chdir(folder)
    barrier.wait()
    with tracking.start("teacher", LINEAGE) as run:
        run.metrics({"loss": 1.0})
    results.put(run.run_id)


def test_three_machines_create_one_store(machine, monkeypatch, postgres):
    database = create_database(postgres, "fresh")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", database)
    monkeypatch.setenv("MLFLOW_DEFAULT_ARTIFACT_ROOT", f"s3://{BUCKET}/fresh")
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(3), context.Queue()
    processes = []
    for number in range(3):
        folder = machine / str(number)
        folder.mkdir()
        processes.append(context.Process(target=_open, args=(folder, barrier, results)))
    for process in processes:
        process.start()
    runs = {results.get(timeout=200) for _ in processes}
    for process in processes:
        process.join(60)
    assert len(runs - {None}) == 3
    assert {row[0] for row in query(database, "SELECT run_uuid FROM runs")} > runs


def test_an_mlflow_server_on_postgresql_and_s3(machine, monkeypatch, postgres, caplog):
    """The clients know neither the database nor S3."""
    database = create_database(postgres, "served")
    address = f"http://127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "mlflow", "server", "--workers", "1"]
    command += ["--port", address.rpartition(":")[2]]
    settings = {
        "MLFLOW_BACKEND_STORE_URI": database,
        "MLFLOW_ARTIFACTS_DESTINATION": f"s3://{BUCKET}/served",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    with running(command, f"{address}/health", **settings), monkeypatch.context() as client:
        client.setenv("MLFLOW_TRACKING_URI", address)
        client.setenv("AWS_ACCESS_KEY_ID", "")
        client.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        run_id = record_and_read_back(machine, caplog)
    (location,) = query(
        database, "SELECT artifact_location FROM experiments WHERE name = 'kdsharp'"
    )
    assert location[0].startswith("mlflow-artifacts:")
    assert (run_id, "FINISHED") in query(database, "SELECT run_uuid, status FROM runs")
    assert [
        name for name in stored("served/") if name.endswith(f"{run_id}/artifacts/notes/note.txt")
    ]


def test_prefect_on_postgresql(machine, postgres):
    for name, content in {"stage.py": STAGE, "dvc.yaml": DVC_YAML, "mode.txt": "well"}.items():
        (machine / name).write_text(content)
    shutil.copy(ROOT / "params.yaml", machine)
    Checkout(machine).run("dvc", "init", "--no-scm", "-q")
    database = create_database(postgres, "prefect")
    address = f"http://127.0.0.1:{free_port()}/api"
    command = [sys.executable, "-m", "prefect", "server", "start"]
    command += ["--port", address.rpartition(":")[2].removesuffix("/api")]
    settings = {
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": database.replace("://", "+asyncpg://"),
        "PREFECT_HOME": str(machine / "server"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
    }
    with running(command, f"{address}/health", **settings):
        done = retrain(machine, PREFECT_API_URL=address)
    assert done.returncode == 0, done.stderr
    assert "second: ran" in done.stdout
    assert query(database, "SELECT state_name FROM flow_run") == [("Completed",)]
    assert len(query(database, "SELECT id FROM task_run")) == 2
    assert not list((machine / "server").glob("*.db"))


def test_dvc_on_s3(machine, s3):
    """One machine pushes, another pulls, and both know the remote from the environment."""
    variables = s3 | {"KDSHARP_DVC_REMOTE": f"s3://{BUCKET}/dvc"}
    configure = (
        "python",
        "-c",
        "from pipeline.workspace.dag import configure_remote as c; print(c())",
    )
    here, there = Checkout(machine / "here"), Checkout(machine / "there")
    here.root.mkdir()
    here.run("dvc", "init", "--no-scm", "-q")
    shutil.copytree(here.root / ".dvc", there.root / ".dvc")
    (here.root / "photo.txt").write_text("a photo")
    here.run("dvc", "add", "-q", "photo.txt")
    shutil.copy(here.root / "photo.txt.dvc", there.root)
    for checkout in (here, there):
        said = checkout.run(*configure, PYTHONPATH=str(ROOT), **variables).stdout
        assert said.strip() == variables["KDSHARP_DVC_REMOTE"]
    here.run("dvc", "push", **variables)
    there.run("dvc", "pull", **variables)
    assert (there.root / "photo.txt").read_text() == "a photo"
    assert stored("dvc/files/md5/")


def test_a_promoted_model_reaches_another_machine(machine, project, s3, postgres):
    """Registered, judged and promoted here; served there, where nothing was trained."""
    variables = s3 | {
        "MLFLOW_TRACKING_URI": create_database(postgres, "shared"),
        "MLFLOW_DEFAULT_ARTIFACT_ROOT": f"s3://{BUCKET}/shared",
    }
    pipeline = ("python", "-m", "pipeline")
    there = make_checkout(machine / "there")
    project.run(*pipeline, "register", **variables)
    project.run(*pipeline, "promote", "--force", "--why", "to share it", **variables)
    for checkout in (project, there):
        said = checkout.run(*pipeline, "status", "--json", **variables).stdout
        assert "to share it" in said
    there.run(*pipeline, "pull", "--alias", "production", "--to", "pulled", **variables)
    for name in ("student.onnx", "student_int8.onnx", "card.json"):
        ours, theirs = project.root / "models/export" / name, there.root / "pulled" / name
        assert ours.read_bytes() == theirs.read_bytes()
    photo = machine / "photo.png"
    Image.fromarray(np.full((20, 30, 3), 128, np.uint8)).save(photo)
    there.run("kdsharp", "sharpen", str(photo), "-o", "sharp.png", "--model", "pulled")
    assert not (there.root / "mlruns/mlflow.db").exists()
