"""Prefect's server and the worker of this checkout."""

import base64
import datetime
import json
import os
import sys
import urllib.request
from pathlib import Path

import psutil

from kdsharp.errors import UserError
from pipeline.params import PromotionParams
from pipeline.services.state import standing

__all__ = [
    "POOL",
    "WORKER",
    "configure",
    "environment",
    "given_api",
    "is_online",
    "require_pages",
    "server_command",
    "worker_command",
]

POOL = "kdsharp"
"""The work pool, as in prefect.yaml."""
WORKER = "kdsharp"

_PREFECT = (sys.executable, "-m", "prefect")
_SETTINGS = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "true",
    # 9 to 25 s were measured on 2 cores; beside a training it takes longer than the default 20.
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
}


def configure() -> None:
    """Settings that must stand before prefect is imported; what the user has set stays.

    The server of `make up` is used where it is up.
    """
    if "PREFECT_API_URL" not in os.environ and (address := standing().get("prefect")):
        os.environ["PREFECT_API_URL"] = f"{address}/api"
    os.environ.setdefault("PREFECT_HOME", str(Path(".prefect").resolve()))
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)


def given_api() -> str | None:
    """$PREFECT_API_URL: a server that somebody else runs, unless it is our own."""
    return (os.environ.get("PREFECT_API_URL") or "").rstrip("/") or None


def environment(api: str) -> dict[str, str]:
    """For the server whose API is at `api`, http://127.0.0.1:PORT/api, and all that talk to it."""
    configure()
    return {
        "PREFECT_WORKER_QUERY_SECONDS": "5",
        # In memory, the default, a server that is started again would not know that a run still
        # holds its deployment's place, and end that run.
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": (
            "prefect.server.concurrency.lease_storage.filesystem"
        ),
        **os.environ,
        "PREFECT_API_URL": api,
        # The pages stay blank on any port but 4200 without it.
        "PREFECT_SERVER_UI_API_URL": api,
    }


def server_command(port: int) -> list[str]:
    """For this computer only."""
    return [*_PREFECT, "server", "start", "--host", "127.0.0.1", "--port", str(port)]


def worker_command() -> list[str]:
    """The worker runs what is scheduled, and what a person starts in the pages."""
    return [*_PREFECT, "worker", "start", "--pool", POOL, "--type", "process", "--name", WORKER]


def is_online(api: str, pid: int) -> bool:
    """Whether the worker, the process `pid`, has reported to the server; not an earlier one."""
    headers = {"Content-Type": "application/json"}
    if password := os.environ.get("PREFECT_API_AUTH_STRING"):
        headers["Authorization"] = f"Basic {base64.b64encode(password.encode()).decode()}"
    request = urllib.request.Request(  # noqa: S310 - the address that we were given
        f"{api}/work_pools/{POOL}/workers/filter", b"{}", headers
    )
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310
            workers = json.load(answer)
        since = psutil.Process(pid).create_time()
    except (OSError, psutil.Error):
        return False
    beats = [worker["last_heartbeat_time"] for worker in workers if worker["name"] == WORKER]
    return any(datetime.datetime.fromisoformat(b).timestamp() > since for b in beats if b)


def require_pages(params: PromotionParams) -> None:
    """Raise `UserError` if a person has to approve and no Prefect server is running."""
    if params.approval == "manual" and not os.environ.get("PREFECT_API_URL"):
        raise UserError(
            "promotion.approval is manual, so a person answers in Prefect's pages: make up first"
        )
