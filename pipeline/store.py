"""MLflow's store: where it lies, and opening it once, quietly and safely."""

import contextlib
import fcntl
import logging
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from kdsharp.errors import UserError
from pipeline.paths import MLRUNS

if TYPE_CHECKING:
    from mlflow import MlflowClient

__all__ = ["EXPERIMENT", "open_store", "quiet", "shown_uri", "store_uri"]

EXPERIMENT = "kdsharp"

_SQLITE = "sqlite:///"
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
    # Alembic tells of every migration of a fresh store, some fifty lines; urllib3 of every retry;
    # botocore of where it found its credentials.
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger("botocore").setLevel(logging.WARNING)
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)
    # It prints a traceback of what it then raises.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)


def store_uri() -> str:
    """$MLFLOW_TRACKING_URI, else the SQLite file under mlruns/."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"{_SQLITE}{MLRUNS.resolve() / 'mlflow.db'}"


def shown_uri() -> str:
    """The store's address for people: relative where it can be, and without a password."""
    uri = store_uri()
    if (database := _database(uri)) is not None:
        with contextlib.suppress(ValueError):
            return str(database.relative_to(Path.cwd()))
        return str(database)
    parts = urlsplit(uri)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()


def open_store() -> "tuple[MlflowClient, str]":
    """A client and the experiment's id; creates store and experiment where they are missing.

    Raises `UserError` for an address that is no store or lacks a place for artifacts, and
    whatever MLflow, its database or the network raise.
    """
    quiet()
    from mlflow import MlflowClient

    uri = store_uri()
    database = _database(uri)
    if database is None:
        with _connected(uri) as artifacts:
            client = MlflowClient(uri, uri)
            return client, _experiment(client, artifacts)
    with _locked(database.parent):
        artifacts = (database.parent / "artifacts").as_uri()
        _follow_move(database, artifacts)
        # Making the client already creates the tables.
        client = MlflowClient(uri, uri)
        return client, _experiment(client, artifacts)


def _database(uri: str) -> Path | None:
    return Path(uri.removeprefix(_SQLITE)).resolve() if uri.startswith(_SQLITE) else None


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One process at a time: of three that create one fresh store, MLflow lets two crash."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


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
            f"MLFLOW_TRACKING_URI: {shown_uri()} is no store: "
            "it begins with http://, https://, postgresql:// or sqlite:///"
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
        # Else MLflow's pages open in the mode for language models.
        kind = {"mlflow.experimentKind": "custom_model_development"}
        return client.create_experiment(EXPERIMENT, artifacts, kind)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    found = client.get_experiment_by_name(EXPERIMENT)
    if found is None:
        raise MlflowException(f"the experiment {EXPERIMENT} vanished while it was opened")
    if found.lifecycle_stage != "active":
        client.restore_experiment(found.experiment_id)
    return str(found.experiment_id)


_LOCATIONS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "storage_location"),
)


def _follow_move(database: Path, artifacts: str) -> None:
    """Point a store that was moved or copied with its checkout to the artifacts beside it.

    MLflow stores absolute addresses and offers no way to change them; without this a copied
    checkout would write its pictures into the folder of the original.
    """
    if not database.is_file():
        return
    with contextlib.closing(sqlite3.connect(database, timeout=10)) as connection, connection:
        old = _recorded_location(connection)
        if old is None or old == artifacts:
            return
        for table, column in _LOCATIONS:
            connection.execute(
                f"UPDATE {table} SET {column} = ? || substr({column}, ?) "  # noqa: S608
                f"WHERE substr({column}, 1, ?) = ?",
                (artifacts, len(old) + 1, len(old), old),
            )


def _recorded_location(connection: sqlite3.Connection) -> str | None:
    table = "SELECT 1 FROM sqlite_master WHERE name = 'experiments'"
    if connection.execute(table).fetchone() is None:
        return None
    query = "SELECT artifact_location FROM experiments WHERE name = ?"
    row = connection.execute(query, (EXPERIMENT,)).fetchone()
    return None if row is None else str(row[0])
