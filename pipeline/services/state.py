"""Which servers of this checkout are up, as `.services/state.json` notes them."""

import contextlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from kdsharp.files import write_json

__all__ = ["SERVICES", "Service", "Standing", "read_state", "standing", "write_state"]

SERVICES = Path(".services")
"""Logs and the note, below the root of the checkout; git ignores it."""
_STATE = SERVICES / "state.json"
_CLOCK_S = 5.0
"""So far a process's time of creation may move, which is counted from a clock that is set."""


@dataclass(frozen=True)
class Service:
    """One of our processes; its children belong to it."""

    name: str
    pid: int
    created: float
    """Seconds since 1970: a later process with the same number is another one."""
    mark: str
    """In the environment of the process and of all that it starts."""
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
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.created) < _CLOCK_S
            return same and process.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return False


@dataclass(frozen=True)
class Standing:
    """The addresses of the servers that are up, each http://127.0.0.1:PORT or None."""

    prefect: str | None
    mlflow: str | None


def standing() -> Standing | None:
    """The servers of the checkout in the working directory; None when none is up.

    Cheap: reads one file and asks no server.
    """
    up = {s.name: s.address for s in read_state().values() if s.ready and s.alive}
    if not up:
        return None
    return Standing(prefect=up.get("prefect"), mlflow=up.get("mlflow"))


def read_state() -> dict[str, Service]:
    """What was started and not stopped, by name; empty where nothing readable is noted."""
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
