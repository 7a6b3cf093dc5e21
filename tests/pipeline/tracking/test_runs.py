import logging
import multiprocessing
import os
import pickle
import shutil
import time
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from kdsharp.errors import UserError
from pipeline.tracking import runs as tracking
from pipeline.tracking.lineage import Lineage
from pipeline.tracking.store import EXPERIMENT, open_store, shown_uri, store_uri
from tests.pickled import pickled

ROOT = Path(__file__).parents[3]
LINEAGE = Lineage("a" * 40, True, "d" * 32, "p" * 64, "r" * 12)


@pytest.fixture(scope="module")
def fresh_store(tmp_path_factory):
    """A store without runs: creating one takes seconds, copying it none."""
    folder = tmp_path_factory.mktemp("store")
    before = Path.cwd()
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.chdir(folder)
        open_store()
    assert Path.cwd() == before
    return folder


@pytest.fixture
def checkout(fresh_store, tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    shutil.copytree(fresh_store / "mlruns", tmp_path / "mlruns")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def warnings(caplog):
    caplog.set_level(logging.WARNING, logger="pipeline.tracking.runs")
    return lambda: [
        record.getMessage() for record in caplog.records if record.name == "pipeline.tracking.runs"
    ]


def stored(run_id):
    client, _ = open_store()
    return client.get_run(run_id)


def test_a_run_from_start_to_end(checkout, warnings):
    began = time.monotonic()
    with tracking.start("teacher", LINEAGE, tags={"kdsharp.note": "x"}) as run:
        time.sleep(0.3)
        assert stored(run.run_id).info.status == "RUNNING"
        run.params({"loop": {"lr": 0.1, "deep": {"er": None}}, "kernels": (5, 3, 3)})
        run.metrics({"loss": 2.0}, step=1)
        run.metrics({"loss": 1.0, "odd": float("nan")}, step=2)
        run.tags({"kdsharp.more": "y"})
    took = time.monotonic() - began
    found = stored(run.run_id)
    assert found.info.run_name == "teacher"
    assert found.info.status == "FINISHED"
    assert found.data.params == {"loop.lr": "0.1", "loop.deep.er": "None", "kernels": "(5, 3, 3)"}
    assert found.data.metrics["loss"] == 1.0
    assert 0.2 < found.data.metrics["duration_s"] < took + 0.1
    assert found.data.tags.items() >= {**LINEAGE.tags(), "kdsharp.note": "x"}.items()
    assert found.data.tags["kdsharp.stage"] == "teacher"
    assert found.data.tags["kdsharp.more"] == "y"
    history = open_store()[0].get_metric_history(run.run_id, "loss")
    assert [(point.step, point.value) for point in history] == [(1, 2.0), (2, 1.0)]
    assert warnings() == []


def test_long_and_many_values(checkout, warnings):
    with tracking.start("teacher", LINEAGE) as run:
        run.params({f"p{number}": number for number in range(150)} | {"long": "x" * 7000})
        run.tags({"long": "x" * 9000})
        run.metrics({f"m{number}": number for number in range(1500)})
    found = stored(run.run_id)
    assert len(found.data.params) == 151
    assert len(found.data.params["long"]) == 6000
    ours = [name for name in found.data.metrics if not name.startswith("system/")]
    assert len(ours) == 1501
    assert warnings() == []


def test_files_and_pictures(checkout):
    picture = checkout / "panel one.png"
    picture.write_bytes(b"png")
    with tracking.start("evaluate", LINEAGE) as run:
        run.picture(picture, "comparison")
        run.file(picture)
    files = checkout / "mlruns/artifacts" / run.run_id / "artifacts"
    assert (files / "comparison/panel one.png").read_bytes() == b"png"
    assert (files / "panel one.png").exists()


def test_what_is_refused_costs_only_itself(checkout, warnings):
    with tracking.start("teacher", LINEAGE) as run:
        run.params({"lr": 1})
        run.params({"lr": 2})  # MLflow lets no parameter change
        run.file(checkout / "missing.png")
        run.metrics({"loss": 1.0})
    found = stored(run.run_id)
    assert (found.data.params, found.data.metrics["loss"]) == ({"lr": "1"}, 1.0)
    assert found.info.status == "FINISHED"
    refused, missing = warnings()
    assert refused.startswith("MLflow did not accept params (")
    assert "missing.png" in missing
    assert "\n" not in refused + missing


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (UserError("teacher.weights: no\nsuch file"), "FAILED", "teacher.weights: no such file"),
        (KeyboardInterrupt(), "KILLED", "interrupted"),
    ],
)
def test_a_failure_is_told_and_passed_on(checkout, error, status, line):
    with pytest.raises(type(error)), tracking.start("teacher", LINEAGE) as run:
        raise error
    found = stored(run.run_id)
    assert found.info.status == status
    assert found.data.tags["kdsharp.error"] == line


def test_an_interrupted_run_goes_on(checkout):
    with pytest.raises(KeyboardInterrupt), tracking.start("teacher", LINEAGE) as first:
        first.metrics({"loss": 2.0}, step=1)
        raise KeyboardInterrupt
    with tracking.start("teacher", LINEAGE, resume=first.run_id) as run:
        assert run.run_id == first.run_id
        assert stored(run.run_id).info.status == "RUNNING"
        run.metrics({"loss": 1.0}, step=2)
    found = stored(run.run_id)
    assert found.info.status == "FINISHED"
    assert "kdsharp.error" not in found.data.tags


@pytest.mark.parametrize("unknown", ["0" * 32, "../../etc", ""])
def test_a_run_that_the_store_does_not_know(checkout, warnings, unknown):
    with tracking.start("teacher", LINEAGE, resume=unknown) as run:
        assert run.run_id not in {None, unknown}
    assert warnings() == []


def test_a_run_that_was_deleted(checkout):
    with tracking.start("teacher", LINEAGE) as first:
        pass
    open_store()[0].delete_run(first.run_id)
    with tracking.start("teacher", LINEAGE, resume=first.run_id) as run:
        assert run.run_id != first.run_id


def test_find_run(checkout):
    wanted = {"kdsharp.retraining": "r" * 12}
    assert tracking.find_run("teacher", wanted) is None
    for _ in range(2):
        with tracking.start("teacher", LINEAGE) as run:
            pass
        time.sleep(0.01)
    with pytest.raises(UserError), tracking.start("teacher", LINEAGE):
        raise UserError("no")
    assert tracking.find_run("teacher", wanted) == run.run_id
    assert tracking.find_run("student", wanted) is None
    assert tracking.find_run("teacher", {"kdsharp.retraining": "other"}) is None


@pytest.fixture
def nobody(monkeypatch, checkout):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://name:secret@127.0.0.1:9")
    return checkout


def test_no_server(nobody, warnings):
    began = time.monotonic()
    with tracking.start("teacher", LINEAGE, resume="1" * 32) as run:
        assert run.run_id is None
        run.params({"lr": 1})
        run.metrics({"loss": 1.0})
        run.tags({"a": "b"})
        run.file(nobody / "missing.png")
        run.model_onnx(nobody / "missing.onnx", "student", np.zeros((2, 1, 8, 8), np.float32))
    assert tracking.find_run("teacher", {}) is None
    assert time.monotonic() - began < 20
    (line,) = warnings()
    assert line.startswith("MLflow at http://127.0.0.1:9 is not reachable (")
    assert line.endswith("training goes on, this run is not recorded")
    assert "secret" not in line


def test_errors_of_the_training_pass_without_a_server(nobody):
    with pytest.raises(UserError, match="mine"), tracking.start("teacher", LINEAGE):
        raise UserError("mine")


@pytest.mark.parametrize("uri", ["nonsense://x", "./files"])
def test_a_store_that_is_none(checkout, monkeypatch, warnings, uri):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with tracking.start("teacher", LINEAGE) as run:
        assert run.run_id is None
    assert len(warnings()) == 1


def test_a_store_that_is_damaged(checkout, warnings):
    (checkout / "mlruns/mlflow.db").write_bytes(b"no database" * 1000)
    with tracking.start("teacher", LINEAGE) as run:
        assert run.run_id is None
    assert len(warnings()) == 1


def test_a_store_that_breaks_in_the_middle(checkout, warnings):
    with tracking.start("teacher", LINEAGE) as run:
        run.metrics({"loss": 1.0})
        os.truncate(checkout / "mlruns/mlflow.db", 5000)
        for step in range(3):
            run.metrics({"loss": 1.0}, step=step)
    assert run.run_id is None
    assert len(warnings()) == 1


def test_a_copied_checkout_keeps_its_pictures_to_itself(checkout, tmp_path_factory, monkeypatch):
    note = checkout / "note.txt"
    note.write_text("x")
    with tracking.start("teacher", LINEAGE) as old:
        old.file(note)
    copy = tmp_path_factory.mktemp("copy")
    shutil.copytree(checkout / "mlruns", copy / "mlruns")
    monkeypatch.chdir(copy)
    with tracking.start("teacher", LINEAGE) as new:
        new.file(note)
    for run in (old, new):
        assert stored(run.run_id).info.artifact_uri == f"mlflow-artifacts:/{run.run_id}/artifacts"
        (listed,) = open_store()[0].list_artifacts(run.run_id)
        assert listed.path == "note.txt"
        assert (copy / "mlruns/artifacts" / run.run_id / "artifacts/note.txt").exists()
    assert not (checkout / "mlruns/artifacts" / new.run_id).exists()


def test_from_another_folder_the_files_are_the_same(checkout, tmp_path_factory, monkeypatch):
    """A scheduled run works in a worktree and records in the checkout's store."""
    note = checkout / "note.txt"
    note.write_text("x")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store_uri())
    elsewhere = tmp_path_factory.mktemp("worktree")
    monkeypatch.chdir(elsewhere)
    with tracking.start("teacher", LINEAGE) as run:
        run.file(note)
    assert (checkout / "mlruns/artifacts" / run.run_id / "artifacts/note.txt").exists()
    assert list(elsewhere.iterdir()) == []


@pytest.fixture
def old(tmp_path, monkeypatch):
    """A checkout whose store has absolute addresses, as it once was made."""
    from mlflow import MlflowClient

    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    root = tmp_path / "old"
    (root / "mlruns").mkdir(parents=True)
    monkeypatch.chdir(root)
    MlflowClient(store_uri()).create_experiment(EXPERIMENT, (root / "mlruns/artifacts").as_uri())
    return root


def test_an_old_store_goes_on_in_its_place(old, warnings):
    (old / "note.txt").write_text("x")
    with tracking.start("teacher", LINEAGE) as run:
        run.file(old / "note.txt")
    assert (old / "mlruns/artifacts" / run.run_id / "artifacts/note.txt").exists()
    assert warnings() == []


def test_an_old_store_that_was_moved_says_what_to_do(old, monkeypatch, warnings):
    moved = old.with_name("moved")
    old.rename(moved)
    monkeypatch.chdir(moved)
    with pytest.raises(UserError, match=r"put it back.*/old/mlruns/artifacts$"):
        open_store()
    with tracking.start("teacher", LINEAGE) as run:
        assert run.run_id is None
    (line,) = warnings()
    assert "put it back, or move it aside for a new one" in line
    assert not old.exists()


def test_an_environment_that_was_not_set_up_is_told_so(checkout, monkeypatch):
    from mlflow.store.artifact import artifact_repository_registry as registry

    known = registry.get_registered_artifact_repositories()
    monkeypatch.setitem(known, "mlflow-artifacts", registry.MlflowArtifactsRepository)
    with pytest.raises(UserError, match="run scripts/setup"):
        open_store()


@pytest.mark.parametrize("address", ["mlflow-artifacts:/../x", "mlflow-artifacts:/%2e%2e/x"])
def test_no_address_leads_out_of_the_store(checkout, address):
    from mlflow.artifacts import download_artifacts

    with pytest.raises(ValueError, match="leads out of"):
        download_artifacts(artifact_uri=address, tracking_uri=store_uri())


def test_where_the_store_lies(checkout, monkeypatch):
    assert store_uri() == f"sqlite:///{checkout}/mlruns/mlflow.db"
    assert shown_uri() == "mlruns/mlflow.db"
    client, experiment = open_store()
    location = client.get_experiment(experiment).artifact_location
    assert location == "mlflow-artifacts:/"
    assert client.get_experiment(experiment).name == EXPERIMENT
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:pass@tracking.test:1/path")
    assert shown_uri() == "https://tracking.test:1/path"


def test_a_deleted_experiment_comes_back(checkout):
    client, experiment = open_store()
    client.delete_experiment(experiment)
    with tracking.start("teacher", LINEAGE) as run:
        assert run.run_id is not None


@pytest.mark.integration
def test_models_take_any_batch_height_and_width(checkout, warnings):
    import mlflow

    one = np.random.default_rng(1).random((1, 1, 16, 16), dtype=np.float32)
    with tracking.start("student", LINEAGE) as run:
        run.model_onnx(tiny_onnx(checkout / "student.onnx"), "student", one)
    assert warnings() == []
    client, experiment = open_store()
    (model,) = client.search_logged_models([experiment])
    assert (model.status.name, model.source_run_id) == ("READY", run.run_id)
    x_NCHW = np.random.default_rng(2).random((3, 1, 21, 34), dtype=np.float32)
    with mlflow.tracking._tracking_service.utils._use_tracking_uri(store_uri()):
        student = mlflow.pyfunc.load_model(model.model_uri)
    assert student.predict(x_NCHW)["y"].shape == (3, 1, 21, 34)
    assert student.metadata.signature.inputs.inputs[0].shape == (-1, 1, -1, -1)


def test_weights_are_kept_as_they_are(checkout, warnings):
    """As a file and not as a module, which MLflow would pickle."""
    import safetensors.numpy

    path = checkout / "teacher.safetensors"
    safetensors.numpy.save_file({"w": np.ones(3, np.float32)}, path)
    with tracking.start("teacher", LINEAGE) as run:
        run.model_weights(path, "teacher")
        run.model_weights(checkout / "missing.safetensors", "student")
        run.metrics({"loss": 1.0})
    (line,) = warnings()  # a model that is not there costs only itself
    assert line.startswith("MLflow did not accept the model student (")
    assert stored(run.run_id).data.metrics["loss"] == 1.0
    (kept,) = (checkout / "mlruns").glob("artifacts/**/teacher.safetensors")
    assert kept.read_bytes() == path.read_bytes()
    assert pickled(checkout / "mlruns") == []
    # What is looked for is found.
    with zipfile.ZipFile(checkout / "mlruns/model.pt2", "w") as archive:
        archive.writestr("model/data.pkl", "")
        archive.writestr("model/samples", pickle.dumps([1, 2]))
    (checkout / "mlruns/plain").write_bytes(pickle.dumps({"a": 1}))
    assert pickled(checkout / "mlruns") == [
        "model.pt2",
        "model.pt2!model/data.pkl",
        "model.pt2!model/samples",
        "plain",
    ]


def tiny_onnx(path):
    weight = numpy_helper.from_array(np.ones((1, 1, 3, 3), np.float32), "w")
    x, y = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 1, "h", "w"]) for name in "xy"
    )
    conv = helper.make_node("Conv", ["x", "w"], ["y"], pads=[1, 1, 1, 1])
    graph = helper.make_graph([conv], "tiny", [x], [y], [weight])
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)
    return path


def _record(folder, barrier, results):
    os.chdir(folder)
    barrier.wait()
    with tracking.start("teacher", LINEAGE) as run:
        run.metrics({"loss": 1.0})
    results.put(run.run_id)


@pytest.mark.integration
def test_three_processes_create_one_store(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(3), context.Queue()
    processes = [
        context.Process(target=_record, args=(tmp_path, barrier, results)) for _ in range(3)
    ]
    for process in processes:
        process.start()
    runs = {results.get(timeout=200) for _ in processes}
    for process in processes:
        process.join(60)
    assert len(runs - {None}) == 3
