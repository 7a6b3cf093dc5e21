"""Start a process that outlives us, wait until it answers, stop it with all it has started."""

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from kdsharp.errors import KdsharpError, UserError
from pipeline.services.state import MARK, SERVICES, Service, runs

__all__ = ["answers", "free_port", "is_free", "last_line", "start", "stop", "wait_until_ready"]

_PATIENCE_S = 25.0
"""A stage that is told to stop may take 20 s to write its checkpoint."""

_SHOWN_S = 5.0
"""How long a new process may take to show that it is ours."""

_REPORT_S = 2.0
"""How long the worker has to report to the server that a run ended."""


def free_port(port: int, option: str) -> int:
    """`port`, or one that the system chooses where it is 0.

    Raises `UserError` that names `option` where the port is taken or not allowed.
    """
    try:
        return _bind(port)
    except OSError as error:
        reason = os.strerror(error.errno or 0).lower()
        raise UserError(f"port {port}: {reason}; choose another with {option}") from None


def is_free(port: int) -> bool:
    """Whether a server could listen on it now."""
    try:
        return bool(_bind(port))
    except OSError:
        return False


def answers(address: str) -> bool:
    """Whether a server says at `address`, http://..., that it is well."""
    try:
        urllib.request.urlopen(address, timeout=5).close()  # noqa: S310 - our own address
    except OSError:
        return False
    return True


def _bind(port: int) -> int:
    with socket.socket() as probe:
        # Connections that have just ended do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))
        return int(probe.getsockname()[1])


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
            env={**env, MARK: mark},
            stdin=subprocess.DEVNULL,
            stdout=opened,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    service = Service(name, process.pid, mark, address)
    # The system shows what marks it as ours a moment after the program has begun.
    deadline = time.monotonic() + _SHOWN_S
    while not service.alive and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.001)
    # It is to outlive this object, which would warn of that.
    process.returncode = 0
    return service


def wait_until_ready(service: Service, answers: Callable[[], bool], seconds: float = 180.0) -> None:
    """Return once `answers()` is true and it is `service` that answers.

    Servers answer after 5 to 25 s on an idle machine with 2 cores.
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
    """End flow runs first: a stage writes its checkpoint, and the worker reports the end."""
    flows = []
    with contextlib.suppress(psutil.Error):
        flows = worker.children()
    _signal(flows, signal.SIGTERM)
    if flows:
        _wait(flows)
        time.sleep(_REPORT_S)


def _family(service: Service) -> list[psutil.Process]:
    """Every process that is marked as ours, also those whose parent was killed."""
    return [process for process in psutil.process_iter() if service.owns(process)]


def _signal(processes: Sequence[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.send_signal(number)


def _wait(processes: Sequence[psutil.Process]) -> list[psutil.Process]:
    """Those that still run after a while."""
    deadline = time.monotonic() + _PATIENCE_S
    while (left := [p for p in processes if runs(p)]) and time.monotonic() < deadline:
        time.sleep(0.1)
    return left


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
