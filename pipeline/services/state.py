"""Which servers of this checkout are up, as `.services/state.json` notes them."""

import contextlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from kdsharp.files import write_json

__all__ = ["MARK", "SERVICES", "Service", "read_state", "runs", "standing", "write_state"]

SERVICES = Path(".services")
"""Logs and the note, below the root of the checkout; git ignores it."""
_STATE = SERVICES / "state.json"
MARK = "KDSHARP_SERVICE"
"""The variable that holds a service's mark."""


@dataclass(frozen=True)
class Service:
    """One of our processes; its children belong to it."""

    name: str
    pid: int
    mark: str
    """In the environment of the process and of all that it starts, and of no other."""
    address: str | None = None
    """http://127.0.0.1:PORT; None for the worker, which listens on nothing."""
    attached: str | None = None
    """The address of the server that the worker works for."""
    ready: bool = False
    """Whether it has answered."""

    @property
    def log(self) -> Path:
        """What the process and its children print."""
        return SERVICES / f"{self.name}.log"

    @property
    def alive(self) -> bool:
        """Whether the very process that was started still runs."""
        with contextlib.suppress(psutil.Error):
            return self.owns(psutil.Process(self.pid))
        return False

    def owns(self, process: psutil.Process) -> bool:
        """Whether `process` is of this service, and has not ended."""
        with contextlib.suppress(psutil.Error, OSError):
            return process.environ().get(MARK) == self.mark and runs(process)
        return False


def runs(process: psutil.Process) -> bool:
    """Whether it has not ended; in a container nobody may ever collect what has."""
    with contextlib.suppress(psutil.Error):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def standing() -> dict[str, str]:
    """Name -> address, http://127.0.0.1:PORT, of the checkout's servers that are up.

    Cheap: reads one file and asks no server.
    """
    found = read_state().values()
    return {s.name: s.address for s in found if s.address and s.ready and s.alive}


def read_state() -> dict[str, Service]:
    """What was started and not stopped, by name; empty if no readable note exists."""
    with contextlib.suppress(OSError, ValueError, TypeError):
        notes = json.loads(_STATE.read_text(encoding="utf-8"))
        return {note["name"]: Service(**note) for note in notes}
    return {}


def write_state(services: Mapping[str, Service]) -> None:
    """Note `services`; none at all removes the note."""
    if services:
        write_json(_STATE, [asdict(service) for service in services.values()])
    else:
        _STATE.unlink(missing_ok=True)
