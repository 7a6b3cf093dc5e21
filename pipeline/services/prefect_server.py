"""Prefect's server and the worker of this checkout."""

import datetime
import json
import os
import sys
import urllib.request

from pipeline.flows.launch import configure

__all__ = ["POOL", "WORKER", "environment", "is_online", "server_command", "worker_command"]

POOL = "kdsharp"
"""The work pool, as in prefect.yaml."""
WORKER = "kdsharp"

_PREFECT = (sys.executable, "-m", "prefect")


def environment(address: str) -> dict[str, str]:
    """For the server at http://127.0.0.1:PORT, and for all that talk to it."""
    configure()
    return {
        "PREFECT_WORKER_QUERY_SECONDS": "5",
        # In memory, the default, a server that is started again would not know that a run still
        # holds its deployment's place, and end that run.
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": (
            "prefect.server.concurrency.lease_storage.filesystem"
        ),
        **os.environ,
        "PREFECT_API_URL": f"{address}/api",
        # The pages stay blank on any port but 4200 without it.
        "PREFECT_SERVER_UI_API_URL": f"{address}/api",
    }


def server_command(port: int) -> list[str]:
    """For this computer only."""
    return [*_PREFECT, "server", "start", "--host", "127.0.0.1", "--port", str(port)]


def worker_command() -> list[str]:
    """The worker runs what is scheduled, and what a person starts in the pages."""
    return [*_PREFECT, "worker", "start", "--pool", POOL, "--type", "process", "--name", WORKER]


def is_online(address: str, since: float) -> bool:
    """Whether the worker has reported to the server after `since`, seconds since 1970."""
    request = urllib.request.Request(  # noqa: S310 - our own address
        f"{address}/api/work_pools/{POOL}/workers/filter",
        b"{}",
        {"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310
            workers = json.load(answer)
    except OSError:
        return False
    beats = [worker["last_heartbeat_time"] for worker in workers if worker["name"] == WORKER]
    return any(datetime.datetime.fromisoformat(b).timestamp() > since for b in beats if b)
