"""The registry, opened; what goes wrong in it, as one line for a person."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kdsharp.errors import KdsharpError, TransientError
from pipeline.store import open_store, shown_uri, store_uri
from pipeline.tracking import reason

if TYPE_CHECKING:
    from mlflow import MlflowClient

__all__ = ["Registry", "open_registry"]

# What the store answers; everything else is the way to it.
_ANSWERS = {
    "RESOURCE_DOES_NOT_EXIST",
    "RESOURCE_ALREADY_EXISTS",
    "INVALID_PARAMETER_VALUE",
    "BAD_REQUEST",
}


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
