"""MLflow's server over the store of this checkout, for this computer only; `make ui` too."""

import os
import signal
import sys
import webbrowser
from functools import partial

import psutil

from kdsharp.errors import KdsharpError, UserError
from pipeline.paths import MLRUNS
from pipeline.services.process import (
    answers,
    free_port,
    is_free,
    last_line,
    start,
    stop,
    wait_until_ready,
)
from pipeline.tracking.artifacts import artifacts_of, database_of
from pipeline.tracking.store import open_store, quiet, runs_page, shown_uri, store_uri

__all__ = ["mlflow_server", "serve_ui", "shown_backend", "usual_port"]

_PORT = 5000

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
        if (database := database_of(store_uri())) is not None:
            env[_DESTINATION] = artifacts_of(database).as_uri()
    env.setdefault(_DESTINATION, (MLRUNS / "artifacts").resolve().as_uri())
    # Eight more processes, for jobs that only language models need.
    env["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"
    # Else the server takes itself for its own client.
    env.pop("MLFLOW_TRACKING_URI", None)
    command = [sys.executable, "-m", "mlflow", "server", "--workers", "1"]
    return [*command, "--host", "127.0.0.1", "--port", str(port)], env


def usual_port() -> int:
    """The port that people bookmark, MLflow's own; 0 while something else has it."""
    return _PORT if is_free(_PORT) else 0


def _has_windows() -> bool:
    """Whether a browser could show itself: one that draws in the terminal would be in the way."""
    screen = sys.platform in {"darwin", "win32"} or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")
    )
    return screen and sys.stdout.isatty()


def shown_backend() -> str:
    """What the server serves, for people."""
    return _BACKEND if _BACKEND in os.environ else shown_uri()


def serve_ui(port: int = 0, *, browser: bool = False) -> None:
    """Serve until Ctrl-C or SIGTERM; `port` 0 is the usual one, or any other while that is taken.

    With `browser` the page is opened, where a person sits at a screen.

    Raises `UserError` where the port is taken, or where the store is a server, which has its own
    pages.
    """
    if store_uri().startswith("http"):
        raise UserError(f"the store is a server: open {shown_uri()} in a browser")
    port = free_port(port or usual_port(), "--port")
    address = f"http://127.0.0.1:{port}"
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # A session of its own: Ctrl-C reaches us alone, and we end the server and its workers.
    server = start("ui", *mlflow_server(port), address)
    try:
        wait_until_ready(server, partial(answers, f"{address}/health"))
        page = runs_page(address)
        print(f"MLflow on {shown_backend()}: {page} (Ctrl-C stops it)", flush=True)
        if browser and _has_windows():
            webbrowser.open(page)
        code = psutil.Process(server.pid).wait()
        raise KdsharpError(f"MLflow's server stopped by itself ({code}): {last_line(server.log)}")
    except KeyboardInterrupt:
        pass
    finally:
        stop(server)
