"""Where `mlflow-artifacts:/...`, MLflow's address for what its server keeps, lies without a server.

MLflow writes the place of every picture and model into its database. An absolute one would lead
whoever moved or copied the checkout to the folder of the original; this one is relative to the
server that is asked, and to the SQLite file where none is.
"""

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from mlflow.store.artifact.artifact_repo import ArtifactRepository

__all__ = ["SCHEME", "SQLITE", "artifacts_of", "database_of", "repository"]

SCHEME = "mlflow-artifacts"
SQLITE = "sqlite:///"


def repository(
    artifact_uri: str, tracking_uri: str | None = None, registry_uri: str | None = None
) -> "ArtifactRepository":
    """What MLflow asks for `mlflow-artifacts:`; pyproject.toml beside this file says so to it.

    `artifact_uri` is asked of the server where `tracking_uri` is one, or where it names one itself.
    """
    from mlflow import get_tracking_uri
    from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository
    from mlflow.store.artifact.mlflow_artifacts_repo import MlflowArtifactsRepository

    tracking_uri = tracking_uri or get_tracking_uri()
    parts, database = urlsplit(artifact_uri), database_of(tracking_uri)
    if database is None or parts.netloc:
        return MlflowArtifactsRepository(artifact_uri, tracking_uri, registry_uri)
    folder = artifacts_of(database)
    place = (folder / unquote(parts.path).lstrip("/")).resolve()
    if not place.is_relative_to(folder):
        raise ValueError(f"{artifact_uri}: leads out of {folder}")
    return LocalArtifactRepository(place.as_uri(), tracking_uri, registry_uri)


def database_of(tracking_uri: str) -> Path | None:
    """The SQLite file of a store without a server; None for any other."""
    if not tracking_uri.startswith(SQLITE):
        return None
    return Path(tracking_uri.removeprefix(SQLITE)).resolve()


def artifacts_of(database: Path) -> Path:
    """The folder beside `database` that holds its pictures and models."""
    return database.parent / "artifacts"
