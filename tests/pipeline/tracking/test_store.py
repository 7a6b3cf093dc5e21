"""Addresses of stores; the stores themselves are in test_tracking.py and test_scale.py."""

import logging

import pytest

from kdsharp.errors import UserError
from pipeline.tracking import runs as tracking
from pipeline.tracking.store import open_store, shown_uri, store_uri
from tests.pipeline.tracking.test_runs import LINEAGE


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_DEFAULT_ARTIFACT_ROOT", raising=False)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("postgresql://me:secret@db.test/mlflow", "postgresql://db.test/mlflow"),
        ("postgresql+psycopg2://me:s%40cret@db.test:1/m", "postgresql+psycopg2://db.test:1/m"),
        ("postgresql://db.test/mlflow?user=me&password=secret", "postgresql://db.test/mlflow"),
    ],
)
def test_a_database_is_shown_without_its_password(monkeypatch, address, shown):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    assert shown_uri() == shown


def test_a_database_needs_a_place_for_artifacts(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://me:secret@127.0.0.1:9/mlflow")
    with pytest.raises(UserError, match=r"^MLFLOW_DEFAULT_ARTIFACT_ROOT is not set: ") as raised:
        open_store()
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("address", ["postgres://me:secret@db.test/mlflow", "./files", "file:///x"])
def test_an_address_of_no_store(monkeypatch, address):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    with pytest.raises(UserError, match=r"^MLFLOW_TRACKING_URI: .* is not a store: ") as raised:
        open_store()
    assert "secret" not in str(raised.value)


def test_a_database_that_is_not_there(monkeypatch, caplog):
    caplog.set_level(logging.WARNING)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://me:secret@127.0.0.1:9/mlflow")
    monkeypatch.setenv("MLFLOW_DEFAULT_ARTIFACT_ROOT", "s3://bucket/mlflow")
    with tracking.start("teacher", LINEAGE) as run:
        assert run.run_id is None
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith("MLflow at postgresql://127.0.0.1:9/mlflow is not reachable (connection")
    assert "secret" not in line


def test_a_copy_that_dvc_runs_an_experiment_in_records_in_the_checkout(folder, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert store_uri() == f"sqlite:///{folder}/mlruns/mlflow.db"
    monkeypatch.setenv("DVC_ROOT", "/checkout")
    assert store_uri() == "sqlite:////checkout/mlruns/mlflow.db"
