"""MLflow's store: where it lies, and opening it once, quietly and safely."""

import contextlib
import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from kdsharp.errors import UserError
from pipeline.lock import waiting
from pipeline.paths import MLRUNS
from pipeline.tracking.artifacts import SCHEME, SQLITE, artifacts_of, database_of, repository
from pipeline.tracking.metrics import HEADLINE

if TYPE_CHECKING:
    from mlflow import MlflowClient

__all__ = [
    "EXPERIMENT",
    "open_store",
    "other_experiment",
    "quiet",
    "runs_page",
    "shown_uri",
    "store_uri",
]

EXPERIMENT = "kdsharp"

# MLflow's pages can be opened with choices that are kept in a tag, by a name of its own.
_VIEW = "kdsharp"
_VIEW_TAG = f"mlflow.sharedViewState.{_VIEW}"
_COLUMNS = [f"metrics.`{name}`" for name in HEADLINE]
_KIND = "mlflow.experimentKind"
_TAGS = {
    # Else MLflow's pages open in the mode for language models.
    _KIND: "custom_model_development",
    _VIEW_TAG: json.dumps({"selectedColumns": _COLUMNS}),
}

_log = logging.getLogger(__name__)

_ARTIFACTS = "MLFLOW_DEFAULT_ARTIFACT_ROOT"
_LOCK = int.from_bytes(b"kdsharp")
"""The number of our lock in PostgreSQL, which knows locks by number."""
_DEFAULTS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    # MLflow itself would retry for four minutes, at every epoch of the training.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    # PostgreSQL's library would wait for a silent host as long as the system does: minutes.
    "PGCONNECT_TIMEOUT": "10",
}


def quiet() -> None:
    """Settings that must stand before mlflow is imported; what the user has set stays."""
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)
    # Alembic logs every migration of a fresh store, some fifty lines; urllib3 every retry;
    # botocore where it found its credentials.
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger("botocore").setLevel(logging.WARNING)
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)
    # It prints a traceback of what it then raises.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)


def store_uri() -> str:
    """$MLFLOW_TRACKING_URI, else the SQLite file under mlruns/ of the checkout.

    An experiment of DVC's queue runs in a copy that is deleted afterwards; DVC tells it where the
    checkout is.
    """
    folder = Path(os.environ.get("DVC_ROOT", "")) / MLRUNS
    return os.environ.get("MLFLOW_TRACKING_URI") or f"{SQLITE}{folder.resolve() / 'mlflow.db'}"


def shown_uri() -> str:
    """The store's address for people: relative where it can be, and without a password."""
    uri = store_uri()
    if (database := database_of(uri)) is not None:
        with contextlib.suppress(ValueError):
            return str(database.relative_to(Path.cwd()))
        return str(database)
    parts = urlsplit(uri)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()


def open_store() -> "tuple[MlflowClient, str]":
    """A client and the experiment's id; creates store and experiment where they are missing.

    Raises `UserError` for an address that is not a store or lacks a place for artifacts, and
    whatever MLflow, its database or the network raise.
    """
    quiet()
    from mlflow import MlflowClient

    uri = store_uri()
    database = database_of(uri)
    if database is None:
        with _connected(uri) as artifacts, _older_is_told('"$MLFLOW_TRACKING_URI"'):
            client = MlflowClient(uri, uri)
            return client, _experiment(client, artifacts)
    _require_plugin()
    # Of three processes that create one fresh store, MLflow lets two crash.
    with waiting(database.parent / ".lock", "MLflow's store", _log.debug):
        # Making the client already creates the tables.
        with _older_is_told("sqlite:///" + shown_uri()):
            client = MlflowClient(uri, uri)
            experiment = _experiment(client, f"{SCHEME}:/")
        _require_address(client, experiment, database)
        return client, experiment


@contextlib.contextmanager
def _older_is_told(address: str) -> Iterator[None]:
    """Raise `UserError` with the command for a database that MLflow finds to be of another time.

    It upgrades none by itself, because older code does not read what was upgraded.
    """
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        if "out-of-date database schema" not in str(error):
            raise
        raise UserError(
            f"{shown_uri()}: was written by an older MLflow: make a backup, then "
            f"mlflow db upgrade {address}"
        ) from None


def _require_plugin() -> None:
    """Raise `UserError` where MLflow would not find what lies behind our addresses."""
    from mlflow.store.artifact.artifact_repository_registry import (
        get_registered_artifact_repositories,
    )

    known: dict[str, Any] = get_registered_artifact_repositories()
    if known.get(SCHEME) is not repository:
        raise UserError(
            "MLflow does not know pipeline/tracking/artifacts.py yet: run scripts/setup"
        )


def _require_address(client: "MlflowClient", experiment: str, database: Path) -> None:
    """Raise `UserError` if a store in the old format, with absolute addresses, was moved."""
    recorded = str(client.get_experiment(experiment).artifact_location)
    local = recorded.startswith(("file:", "/"))
    if local and recorded != artifacts_of(database).as_uri():
        raise UserError(
            f"{shown_uri()}: was moved, which its old format does not allow: put it back, or "
            f"move it aside for a new one; its files are at {recorded}"
        )


@contextlib.contextmanager
def _connected(uri: str) -> Iterator[str | None]:
    """Where the artifacts of a new experiment go: None lets an MLflow server decide.

    On PostgreSQL one process at a time goes on, whatever machine it is on.
    """
    scheme = urlsplit(uri).scheme.partition("+")[0]
    if scheme in {"http", "https"}:
        yield None
        return
    if scheme != "postgresql":
        # MLflow's own words would show the password in the address.
        raise UserError(
            f"MLFLOW_TRACKING_URI: {shown_uri()} is not a store: "
            "it must begin with http://, https://, postgresql:// or sqlite:///"
        )
    if not (artifacts := os.environ.get(_ARTIFACTS)):
        raise UserError(
            f"{_ARTIFACTS} is not set: a store in PostgreSQL needs a place for pictures and "
            "models, such as s3://bucket/mlflow"
        )
    from sqlalchemy import NullPool, create_engine, func, select

    # Ends with the transaction, so a process that dies frees it.
    with create_engine(uri, poolclass=NullPool).begin() as connection:
        connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
        yield artifacts


def _experiment(client: "MlflowClient", artifacts: str | None) -> str:
    from mlflow.exceptions import MlflowException

    try:
        return client.create_experiment(EXPERIMENT, artifacts, _TAGS)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    found = client.get_experiment_by_name(EXPERIMENT)
    if found is None:
        raise MlflowException(f"the experiment {EXPERIMENT} vanished while it was opened")
    if found.lifecycle_stage != "active":
        client.restore_experiment(found.experiment_id)
    for key, value in _TAGS.items():
        if found.tags.get(key) != value:  # of an earlier version
            client.set_experiment_tag(found.experiment_id, key, value)
    return str(found.experiment_id)


def other_experiment(client: "MlflowClient", name: str, beside: str) -> str:
    """The id of the experiment `name`; made where it is missing, with the place of `beside`."""
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        place = client.get_experiment(beside).artifact_location
        try:
            return str(client.create_experiment(name, place, {_KIND: _TAGS[_KIND]}))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            found = client.get_experiment_by_name(name)
    assert found is not None
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    return str(found.experiment_id)


def runs_page(address: str) -> str:
    """Where MLflow's server at `address` lists the runs, with the columns that tell most.

    Its front page is about language models. The address alone where the server does not say.
    """
    from mlflow import MlflowClient

    try:
        found = MlflowClient(address, address).get_experiment_by_name(EXPERIMENT)
    except Exception as error:  # noqa: BLE001 - the page is shown all the same
        _log.debug("%s: %s", address, error)
        found = None
    if found is None:
        return address
    query = f"workflowType=machine_learning&viewStateShareKey={_VIEW}"
    return f"{address}/#/experiments/{found.experiment_id}/runs?{query}"
