"""The registry, opened: versions are found in it, and their files come back unharmed."""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kdsharp.errors import KdsharpError, TransientError
from pipeline.tracking.runs import reason
from pipeline.tracking.store import open_store, shown_uri, store_uri

if TYPE_CHECKING:
    from mlflow import MlflowClient
import json
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

from kdsharp.errors import UserError
from kdsharp.files import sha256_file
from pipeline.release.gate.evidence import Role
from pipeline.release.registry.names import role_of

__all__ = [
    "CANDIDATE",
    "ENVIRONMENT",
    "FILES",
    "METRICS",
    "NO_TEACHER",
    "PREVIOUS",
    "PRODUCTION",
    "STAGE_ENTRY",
    "Log",
    "Registry",
    "Version",
    "fetch_files",
    "find_content",
    "find_version",
    "last_versions",
    "list_versions",
    "open_registry",
    "pick_versions",
]

# What the store answers; everything else is the way to it.
_ANSWERS = {
    "RESOURCE_DOES_NOT_EXIST",
    "RESOURCE_ALREADY_EXISTS",
    "INVALID_PARAMETER_VALUE",
    "BAD_REQUEST",
}

CANDIDATE, PRODUCTION, PREVIOUS = "candidate", "production", "previous"
"""The aliases in use."""

Log = Callable[[str], None]
"""Takes a line for the person who waits."""

FILES = "files"
"""The folder of a version's artifacts that holds the files as DVC has them."""

METRICS = "kdsharp.metrics"
"""The tag with the numbers of the evaluation, as JSON: `split.method.metric` -> number."""

NO_TEACHER = "none (learned from the truth alone)"
"""The tag `kdsharp.teacher_version` of a student that learned without a teacher."""

ENVIRONMENT = "environment.json"
"""Among a version's files: what its training ran with."""

STAGE_ENTRY = "stage.json"
"""Among them: the stage's own entry in dvc.lock, what the model was made from, by content."""


_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Registry:
    """MLflow's client and the experiment that runs go to."""

    client: "MlflowClient"
    experiment: str


@contextlib.contextmanager
def open_registry() -> Iterator[Registry]:
    """The registry at `store_uri()`; `TransientError` when it cannot be reached, now or later."""
    try:
        client, experiment = open_store()
        import mlflow

        # MLflow resolves models:/ addresses by this, whatever client asks.
        mlflow.set_tracking_uri(store_uri())
        mlflow.set_registry_uri(store_uri())
        yield Registry(client, experiment)
    except KdsharpError:
        raise
    except Exception as error:
        if not _is_unreachable(error):
            raise
        raise TransientError(
            f"MLflow at {shown_uri()} is not reachable ({reason(error)}): "
            "what DVC holds is safe; run the same command again when it is back"
        ) from error


def _is_unreachable(error: Exception) -> bool:
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError
    from mlflow.exceptions import MlflowException
    from requests import RequestException
    from sqlalchemy.exc import SQLAlchemyError

    if isinstance(error, MlflowException):
        return error.error_code not in _ANSWERS
    s3 = Boto3Error | BotoCoreError | ClientError
    other = RequestException | SQLAlchemyError | ConnectionError | TimeoutError
    return isinstance(error, s3 | other)


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
    def role(self) -> Role:
        """Teacher or student."""
        return role_of(self.name)

    @property
    def files(self) -> dict[str, str]:
        """Name of each file -> its SHA-256; empty for a version that was not registered here.

        `UserError` for a tag that is no such list: names become paths.
        """
        try:
            found = json.loads(self.tags.get("kdsharp.files", "{}"))
            sound = all(_NAME.fullmatch(name) and _SHA256.fullmatch(found[name]) for name in found)
        except (ValueError, TypeError):
            sound = False
        if not sound:
            raise UserError(
                f"{self}: its tag kdsharp.files is not a list of files with their SHA-256: "
                "somebody has changed it in the store"
            )
        return dict(found)

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
    """All versions of `name`, oldest first; empty where it is not registered.

    A thousand take more than a second: what asks for a few uses the functions below.
    """
    return _search(registry, f"name='{name}'")


def last_versions(registry: Registry, name: str, count: int) -> list[Version]:
    """The `count` newest versions of `name`, oldest first."""
    page = registry.client.search_model_versions(
        f"name='{name}'", count, order_by=["version_number DESC"]
    )
    return [_version(entry) for entry in reversed(page)]


def pick_versions(
    registry: Registry, name: str, numbers: Iterable[int | None]
) -> dict[int, Version]:
    """Those of the versions `numbers` that there are; None is none."""
    found: dict[int, Version] = {}
    for number in {number for number in numbers if number is not None}:
        with contextlib.suppress(_NoVersion):
            found[number] = _get(registry, name, number)
    return found


def find_content(registry: Registry, name: str, content: str) -> Version | None:
    """The latest version of `name` whose model files have the hash `content`."""
    same = _search(registry, f"name='{name}' and tags.`kdsharp.content` = '{content}'")
    return same[-1] if same else None


def _search(registry: Registry, query: str) -> list[Version]:
    found: list[Version] = []
    token = None
    while True:
        page = registry.client.search_model_versions(query, 1000, page_token=token)
        found += [_version(entry) for entry in page]
        token = page.token
        if not token:
            return sorted(found, key=lambda version: version.number)


class _NoVersion(Exception):  # noqa: N818 - caught here, and never shown
    pass


def _get(registry: Registry, name: str, which: int | str) -> Version:
    """By number or alias; raises `_NoVersion`."""
    from mlflow.exceptions import MlflowException

    try:
        if isinstance(which, int):
            return _version(registry.client.get_model_version(name, str(which)))
        return _version(registry.client.get_model_version_by_alias(name, which))
    except MlflowException as error:
        if error.error_code not in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}:
            raise
        raise _NoVersion from None


def find_version(registry: Registry, name: str, which: int | str) -> Version:
    """Version number `which`, or the one with that alias; `UserError` names what there is."""
    try:
        return _get(registry, name, which)
    except _NoVersion:
        raise UserError(_missing(registry, name, which)) from None


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
                    raise UserError(f"{version}: {name} is missing from the store: {repair}")
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
