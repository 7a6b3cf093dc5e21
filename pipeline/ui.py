"""MLflow's pages over the store, for this computer only."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator

from kdsharp.errors import KdsharpError, UserError
from pipeline.paths import MLRUNS
from pipeline.services.mlflow_server import mlflow_server, shown_backend
from pipeline.services.ports import answers, free_port
from pipeline.store import shown_uri, store_uri

__all__ = ["serve_ui"]

_LOG = MLRUNS / "ui.log"
_START_S = 120
"""MLflow answers after 5 to 10 s on an idle machine."""


def serve_ui(port: int = 0) -> None:
    """Serve until Ctrl-C or SIGTERM; `port` 0 lets the system choose.

    Raises `UserError` where the port is taken, or where the store is a server, which has its own
    pages.
    """
    if store_uri().startswith("http"):
        raise UserError(f"the store is a server: open {shown_uri()} in a browser")
    port = free_port(port, "--port")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with contextlib.suppress(KeyboardInterrupt), _server(port) as server:
        _wait(server, port)
        print(f"MLflow on {shown_backend()}: http://127.0.0.1:{port} (Ctrl-C ends it)", flush=True)
        code = server.wait()
        raise KdsharpError(f"MLflow's server ended by itself ({code}): see {_LOG}")


@contextlib.contextmanager
def _server(port: int) -> Iterator[subprocess.Popen[bytes]]:
    command, environment = mlflow_server(port)
    _LOG.parent.mkdir(parents=True, exist_ok=True)
    # A session of its own: Ctrl-C reaches us alone, and we end the server and its workers.
    with (
        _LOG.open("wb") as log,
        subprocess.Popen(
            command, env=environment, start_new_session=True, stdout=log, stderr=log
        ) as server,
    ):
        try:
            yield server
        finally:
            _end(server)


def _end(server: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(timeout=10)
            break


def _wait(server: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise KdsharpError(f"MLflow's server did not start: see {_LOG}")
        if answers(f"http://127.0.0.1:{port}/health"):
            return
        time.sleep(0.2)
    raise KdsharpError(f"MLflow's server did not answer within {_START_S} s: see {_LOG}")
