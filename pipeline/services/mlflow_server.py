"""MLflow's server over the store of this checkout, for this computer only."""

import os
import sys

from pipeline.paths import MLRUNS
from pipeline.store import open_store, quiet, shown_uri, store_uri

__all__ = ["mlflow_server", "shown_backend"]

_BACKEND, _DESTINATION = "MLFLOW_BACKEND_STORE_URI", "MLFLOW_ARTIFACTS_DESTINATION"


def mlflow_server(port: int) -> tuple[list[str], dict[str, str]]:
    """The command and the environment of a server on `port`.

    It serves MLFLOW_BACKEND_STORE_URI where that is set, else the store of this checkout, which is
    created first if need be.
    """
    quiet()
    env = dict(os.environ)
    if _BACKEND not in env:
        open_store()
        # By the environment: everybody may read a command line, and it can hold a password.
        env[_BACKEND] = store_uri()
    env.setdefault(_DESTINATION, (MLRUNS / "artifacts").resolve().as_uri())
    # Eight more processes, for jobs that only language models need.
    env["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"
    # Else the server takes itself for its own client.
    env.pop("MLFLOW_TRACKING_URI", None)
    command = [sys.executable, "-m", "mlflow", "server", "--workers", "1"]
    return [*command, "--host", "127.0.0.1", "--port", str(port)], env


def shown_backend() -> str:
    """What the server serves, for people."""
    return _BACKEND if _BACKEND in os.environ else shown_uri()
