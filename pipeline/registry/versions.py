"""Versions in the registry: finding them, and getting their files back unharmed."""

import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kdsharp.errors import UserError
from kdsharp.files import sha256_file
from pipeline.registry.connect import Registry
from pipeline.registry.names import Kind, kind_of
from pipeline.store import store_uri
from pipeline.tracking import reason

__all__ = [
    "CANDIDATE",
    "FILES",
    "METRICS",
    "PREVIOUS",
    "PRODUCTION",
    "STAGE_ENTRY",
    "Version",
    "fetch_files",
    "find_content",
    "find_version",
    "list_versions",
]

CANDIDATE, PRODUCTION, PREVIOUS = "candidate", "production", "previous"
"""The aliases in use."""

FILES = "files"
"""The folder of a version's artifacts that holds the files as DVC has them."""

METRICS = "kdsharp.metrics"
"""The tag with the numbers of the evaluation, as JSON: `split.method.metric` -> number."""

STAGE_ENTRY = "stage.json"
"""Among them: the stage's own entry in dvc.lock, what the model was made from, by content."""


@dataclass(frozen=True)
class Version:
    """One version of a registered model."""

    name: str
    number: int
    tags: Mapping[str, str]
    created_ms: int
    source: str
    """MLflow's address of the logged model, models:/m-..."""
    run_id: str | None

    @property
    def kind(self) -> Kind:
        """Teacher or student."""
        return kind_of(self.name)

    @property
    def files(self) -> dict[str, str]:
        """Name of each file -> its SHA-256; empty for a version that was not registered here."""
        return dict(json.loads(self.tags.get("kdsharp.files", "{}")))

    @property
    def url(self) -> str | None:
        """Its page, where the store is a server."""
        uri = store_uri().rstrip("/")
        if not uri.startswith("http"):
            return None
        return f"{uri}/#/models/{self.name}/versions/{self.number}"

    def __str__(self) -> str:
        return f"{self.name} version {self.number}"


def list_versions(registry: Registry, name: str) -> list[Version]:
    """All versions of `name`, oldest first; empty where it is not registered."""
    found: list[Version] = []
    token = None
    while True:
        page = registry.client.search_model_versions(f"name='{name}'", 1000, page_token=token)
        found += [_version(entry) for entry in page]
        token = page.token
        if not token:
            return sorted(found, key=lambda version: version.number)


def find_content(registry: Registry, name: str, content: str) -> Version | None:
    """The latest version of `name` whose model files have the hash `content`."""
    same = [v for v in list_versions(registry, name) if v.tags.get("kdsharp.content") == content]
    return same[-1] if same else None


def find_version(registry: Registry, name: str, which: int | str) -> Version:
    """Version number `which`, or the one with that alias; `UserError` names what there is."""
    from mlflow.exceptions import MlflowException

    try:
        if isinstance(which, int):
            return _version(registry.client.get_model_version(name, str(which)))
        return _version(registry.client.get_model_version_by_alias(name, which))
    except MlflowException as error:
        if error.error_code not in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}:
            raise
    raise UserError(_missing(registry, name, which))


def fetch_files(registry: Registry, version: Version, folder: Path) -> None:
    """Copy the version's files into the empty `folder`.

    Every file must be there with the SHA-256 that was noted at registration, else `UserError`:
    registering again from the checkout that made it repairs it.
    """
    import mlflow.artifacts
    from mlflow.exceptions import MlflowException

    if not version.files:
        raise UserError(f"{version} was not made by `register`: it does not say what its files are")
    repair = "run `python -m pipeline register` where DVC has this model"
    try:
        location = registry.client.get_model_version_download_uri(version.name, str(version.number))
        with tempfile.TemporaryDirectory() as scratch:
            got = mlflow.artifacts.download_artifacts(
                artifact_uri=f"{location.rstrip('/')}/{FILES}",
                dst_path=scratch,
                tracking_uri=store_uri(),
            )
            for name, sha256 in version.files.items():
                source = Path(got) / name
                if not source.is_file():
                    raise UserError(f"{version}: {name} is missing in the store: {repair}")
                if sha256_file(source) != sha256:
                    raise UserError(
                        f"{version}: {name} is damaged in the store (its SHA-256 differs): {repair}"
                    )
                shutil.copyfile(source, folder / name)
    except (OSError, MlflowException) as error:
        if isinstance(error, ConnectionError | TimeoutError):
            raise
        raise UserError(
            f"{version}: its files are not in the store ({reason(error)}): {repair}"
        ) from error


def _version(entry: Any) -> Version:
    return Version(
        name=entry.name,
        number=int(entry.version),
        tags=dict(entry.tags),
        created_ms=int(entry.creation_timestamp),
        source=str(entry.source),
        run_id=entry.run_id,
    )


def _missing(registry: Registry, name: str, which: int | str) -> str:
    numbers = [version.number for version in list_versions(registry, name)]
    if not numbers:
        return f"{name} has no versions: python -m pipeline register"
    what = f"version {which}" if isinstance(which, int) else f"alias {which!r}"
    return f"{name} has no {what}: its versions are {', '.join(map(str, numbers[-20:]))}"
