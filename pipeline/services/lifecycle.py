"""`make up` and `make down`: Prefect's server, its worker and MLflow's server in between."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from urllib.parse import urlsplit

from kdsharp.errors import KdsharpError, UserError
from pipeline.lock import waiting
from pipeline.services import mlflow_server, prefect_server
from pipeline.services.process import (
    answers,
    free_port,
    is_free,
    last_line,
    start,
    stop,
    wait_until_ready,
)
from pipeline.services.state import SERVICES, Service, read_state, write_state
from pipeline.tracking.store import runs_page, shown_uri, store_uri

__all__ = ["down", "up"]

# The worker first: it has to report to its server how its runs ended, and once that is gone it
# may ignore signals for minutes.
_ORDER = ("worker", "prefect", "mlflow")


def up(prefect_port: int = 0, mlflow_port: int = 0) -> None:
    """Start what is not up yet, wait until it answers, and print the addresses.

    A port of 0 is the last one used, if it is free, or any other; MLflow's first is 5000. A start
    that fails or is interrupted stops what it started.
    Raises `UserError` for a port that is taken and `KdsharpError` for a server that fails.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with waiting(SERVICES / "lock", "the servers"):
        starter = _Starter()
        try:
            starter.servers({"prefect": prefect_port, "mlflow": mlflow_port})
            starter.worker()
        except BaseException:
            starter.undo()
            raise
    _tell(starter)


class _Starter:
    """Starts what is missing and notes it on disk at once: whatever kills us, `down` finds it."""

    def __init__(self) -> None:
        self.services = read_state()
        self.started: list[str] = []
        self._last = {name: service.address for name, service in self.services.items()}
        last = self._last.get("prefect")
        given = prefect_server.given_api()
        self.given = None if given == f"{last}/api" else given
        """The API of a Prefect server that somebody else runs."""
        for service in list(self.services.values()):
            if not service.alive:
                stop(service)  # what it has left behind may still hold its port
                self._forget(service)

    def servers(self, ports: dict[str, int]) -> None:
        """Start both at once, then wait for both; what the environment names is only asked."""
        self._attach(ports)
        for name, port in ports.items():
            known = self.services.get(name)
            if known is None:
                self._start_server(name, port)
            elif port and urlsplit(known.address).port != port:
                raise UserError(f"{name} is up at {known.address}: make down first")
        for name, path in (("prefect", "/api/health"), ("mlflow", "/health")):
            if service := self.services.get(name):
                self._await(service, partial(answers, f"{service.address}{path}"))

    @property
    def api(self) -> str:
        """Where Prefect's server is asked."""
        return self.given or f"{self.services['prefect'].address}/api"

    def _attach(self, ports: dict[str, int]) -> None:
        """Leave out of `ports` the servers that others run; they must answer."""
        if self.given:
            own = self.services.get("prefect")
            if own or ports["prefect"]:
                is_own = f"Prefect is up here at {own.address}" if own else "--prefect-port is set"
                raise UserError(
                    f"{is_own}, but PREFECT_API_URL is {self.given}: "
                    "unset it, or make down first and leave the port out"
                )
            _require(f"{self.given}/health", "PREFECT_API_URL", self.given)
            del ports["prefect"]
        if "mlflow" not in self.services and _has_server_of_its_own():
            _require(f"{store_uri().rstrip('/')}/health", "MLFLOW_TRACKING_URI", shown_uri())
            del ports["mlflow"]

    def worker(self) -> None:
        """Start the worker; one whose server has a different address now is restarted."""
        api = self.api
        worker = self.services.get("worker")
        if worker and worker.attached != api:
            stop(worker)
            self._forget(worker)
            worker = None
        env = prefect_server.environment(api)
        if worker is None or "prefect" in self.started:
            _deploy(env, bury=worker is None)
        if worker is None:
            command = prefect_server.worker_command()
            self._note(replace(start("worker", command, env), attached=api))
            worker = self.services["worker"]
            self.started.append("worker")
        self._await(worker, partial(prefect_server.is_online, api, worker.pid))

    def undo(self) -> None:
        """End what this call has started, the last first."""
        for name in reversed(self.started):
            if service := self.services.get(name):
                stop(service)
                self._forget(service)

    def _start_server(self, name: str, port: int) -> None:
        last = urlsplit(self._last.get(name) or "").port
        if port == 0 and last and is_free(last):
            port = last
        if port == 0 and name == "mlflow":
            port = mlflow_server.usual_port()
        port = free_port(port, f"--{name}-port")
        address = f"http://127.0.0.1:{port}"
        if name == "mlflow":
            command, env = mlflow_server.mlflow_server(port)
        else:
            command = prefect_server.server_command(port)
            env = prefect_server.environment(f"{address}/api")
        self.started.append(name)
        self._note(start(name, command, env, address))

    def _await(self, service: Service, is_up: Callable[[], bool]) -> None:
        if not service.ready:
            wait_until_ready(service, is_up)
            self._note(replace(service, ready=True))

    def _note(self, service: Service) -> None:
        self.services[service.name] = service
        write_state(self.services)

    def _forget(self, service: Service) -> None:
        del self.services[service.name]
        write_state(self.services)


def _has_server_of_its_own() -> bool:
    """Whether the store is an MLflow server that somebody else runs."""
    return "MLFLOW_BACKEND_STORE_URI" not in os.environ and store_uri().startswith("http")


def _require(health: str, variable: str, shown: str) -> None:
    if not answers(health):
        raise UserError(
            f"{variable}: no server answers at {shown}: start it, or unset {variable} for one here"
        )


def _deploy(env: dict[str, str], *, bury: bool) -> None:
    command = [sys.executable, "-m", "pipeline.services.deploy", *(["--bury"] if bury else [])]
    log = SERVICES / "deploy.log"
    with log.open("wb") as opened:
        done = subprocess.run(
            command,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=opened,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode == UserError.exit_code:
        raise UserError(last_line(log).removeprefix("pipeline: error: "))
    if done.returncode:
        raise KdsharpError(f"Prefect did not take prefect.yaml: {last_line(log)}")


def _tell(starter: _Starter) -> None:
    own, mlflow = starter.services.get("prefect"), starter.services.get("mlflow")
    if not starter.started:
        print("already up:")
    if mlflow:
        assert mlflow.address is not None
        page = runs_page(mlflow.address)
        print(f"MLflow   {page}  runs and models of {mlflow_server.shown_backend()}")
    else:
        print(f"MLflow   {shown_uri()}  (MLFLOW_TRACKING_URI)")
    if own:
        print(f"Prefect  {own.address}  schedule, runs, questions to a person")
    else:
        print(f"Prefect  {starter.api}  (PREFECT_API_URL)")
    print(f"worker   {prefect_server.POOL}, for the deployments of prefect.yaml")
    print(f"retrain now: PREFECT_API_URL={starter.api} prefect deployment run retrain/weekly")
    print(f"make down stops all of it; logs are in {SERVICES}/")


def down() -> None:
    """Stop what `up` started, with all child processes, and say so."""
    if not read_state():
        print("nothing is running here")
        return
    with waiting(SERVICES / "lock", "the servers"):
        services = read_state()
        for name in _ORDER:
            if (service := services.get(name)) is None:
                continue
            stopped = stop(service)
            print(f"{name}: {'stopped' if stopped else 'was not running'}", flush=True)
            del services[name]
            write_state(services)
