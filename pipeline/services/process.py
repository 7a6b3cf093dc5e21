"""Start a process that outlives us, wait until it answers, stop it with all it has started."""

import contextlib
import secrets
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from kdsharp.errors import KdsharpError
from pipeline.services.state import SERVICES, Service

__all__ = ["last_line", "start", "stop", "wait_until_ready"]

_MARK = "KDSHARP_SERVICE"
_PATIENCE_S = 25.0
"""A stage that is told to stop may take 20 s to write its checkpoint."""

_REPORT_S = 2.0
"""So long the worker has to tell the server about a run that ended."""


def start(
    name: str, command: Sequence[str], env: Mapping[str, str], address: str | None = None
) -> Service:
    """Start `command` in a session of its own, with its output in the service's log."""
    mark = secrets.token_hex(8)
    SERVICES.mkdir(exist_ok=True)
    log = SERVICES / f"{name}.log"
    with log.open("wb") as opened:
        process = subprocess.Popen(
            command,
            env={**env, _MARK: mark},
            stdin=subprocess.DEVNULL,
            stdout=opened,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    # It is to outlive this object, which would warn of that.
    process.returncode = 0
    created = psutil.Process(process.pid).create_time()
    return Service(name, process.pid, created, mark, address)


def wait_until_ready(service: Service, answers: Callable[[], bool], seconds: float) -> None:
    """Return once `answers()` is true and it is `service` that answers.

    Raises `KdsharpError` with the last line of the log when the process ends, when another one
    has its port, or after `seconds`.
    """
    deadline = time.monotonic() + seconds
    while not answers():
        if not service.alive:
            raise KdsharpError(f"{service.name} did not start: {last_line(service.log)}")
        if time.monotonic() > deadline:
            raise KdsharpError(
                f"{service.name} did not answer within {seconds:.0f} s: {last_line(service.log)}"
            )
        time.sleep(0.2)
    if service.address and urlsplit(service.address).port not in _ports(service):
        raise KdsharpError(f"{service.name}: another program answers at {service.address}")


def stop(service: Service) -> bool:
    """End the process and all that it has started; False when nothing of it was left.

    What does not end in good order gets SIGTERM after a while, and in the end SIGKILL.
    """
    family = _family(service)
    if service.alive:
        main = psutil.Process(service.pid)
        if service.name == "worker":
            _stop_runs(main)
        # The worker takes SIGTERM for an order to wait for its runs.
        _signal([main], signal.SIGINT if service.name == "worker" else signal.SIGTERM)
        _wait(family)
    left = _family(service)
    for number in (signal.SIGTERM, signal.SIGKILL):
        if left:
            _signal(left, number)
            left = _wait(left)
    return bool(family)


def _stop_runs(worker: psutil.Process) -> None:
    """End flow runs first: a stage writes its checkpoint, and the worker tells of the end."""
    runs = []
    with contextlib.suppress(psutil.Error):
        runs = worker.children()
    _signal(runs, signal.SIGTERM)
    if runs:
        _wait(runs)
        time.sleep(_REPORT_S)


def _family(service: Service) -> list[psutil.Process]:
    """Every process that is marked as ours, also those whose parent was killed."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get(_MARK) == service.mark and _runs(process):
                found.append(process)
    return found


def _signal(processes: Sequence[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.send_signal(number)


def _wait(processes: Sequence[psutil.Process]) -> list[psutil.Process]:
    """Those that still run after a while."""
    deadline = time.monotonic() + _PATIENCE_S
    while (left := [p for p in processes if _runs(p)]) and time.monotonic() < deadline:
        time.sleep(0.1)
    return left


def _runs(process: psutil.Process) -> bool:
    """Whether it has not ended; in a container nobody may ever collect what has."""
    with contextlib.suppress(psutil.Error):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def _ports(service: Service) -> set[int]:
    """The TCP ports that the process and its children listen on."""
    ports = set()
    for process in _family(service):
        with contextlib.suppress(psutil.Error):
            for connection in process.net_connections("tcp"):
                if connection.status == psutil.CONN_LISTEN:
                    ports.add(connection.laddr.port)
    return ports


def last_line(log: Path) -> str:
    """What was said last, on one line, and where the rest is."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    said = [line.strip() for line in lines if line.strip()]
    return f"{said[-1] if said else 'it said nothing'} (see {log})"
