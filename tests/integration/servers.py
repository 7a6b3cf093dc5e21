"""Real servers for the tests: PostgreSQL from the system's packages, and moto's S3.

Both listen on 127.0.0.1 alone, at a free port, and lose everything at the end.
"""

import contextlib
import getpass
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

BUCKET = "kdsharp"


@contextlib.contextmanager
def running_postgres() -> Iterator[str]:
    """A fresh cluster; yields `postgresql://postgres@127.0.0.1:PORT`, without a database's name.

    Skips the test where PostgreSQL's programs are not installed.
    """
    programs = _postgres_programs()
    user = _postgres_user()
    folder = Path(tempfile.mkdtemp(prefix="kdsharp-pg-"))
    # PostgreSQL does not run as root, and whoever runs it must own its folder.
    as_user = {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}
    options = as_user if os.getuid() == 0 else {}
    try:
        if options:
            shutil.chown(folder, user)
        data = folder / "data"
        command = [programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-N"]
        done = subprocess.run(command, capture_output=True, text=True, cwd=folder, **options)
        assert done.returncode == 0, done.stderr
        port = free_port()
        command = [programs / "postgres", "-D", data, "-p", str(port), "-k", folder]
        for setting in ("listen_addresses=127.0.0.1", "fsync=off", "full_page_writes=off"):
            command += ["-c", setting]
        log = folder / "log.txt"
        with (
            log.open("wb") as opened,
            subprocess.Popen(
                command, cwd=folder, stdout=opened, stderr=opened, start_new_session=True, **options
            ) as server,
        ):
            try:
                address = f"postgresql://postgres@127.0.0.1:{port}"
                _wait_for(lambda: _accepts(address), server, log)
                yield address
            finally:
                server.send_signal(signal.SIGINT)  # ends the connections of whoever is left
    finally:
        shutil.rmtree(folder)


def create_database(server: str, name: str) -> str:
    """Create the database `name` on `server`; returns its address."""
    import psycopg2

    connection = psycopg2.connect(f"{server}/postgres")
    connection.autocommit = True
    with contextlib.closing(connection), connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
    return f"{server}/{name}"


def query(database: str, text: str) -> list[tuple]:
    """The rows that PostgreSQL answers."""
    import psycopg2

    with contextlib.closing(psycopg2.connect(database)) as connection, connection.cursor() as rows:
        rows.execute(text)
        return rows.fetchall()


@contextlib.contextmanager
def running_s3() -> Iterator[dict[str, str]]:
    """moto's server with the bucket `BUCKET`; yields the AWS_* variables that lead to it."""
    with tempfile.TemporaryDirectory(prefix="kdsharp-s3-") as folder:
        port = free_port()
        address = f"http://127.0.0.1:{port}"
        log = Path(folder) / "log.txt"
        command = [sys.executable, "-W", "ignore", "-m", "moto.server", "-p", str(port)]
        with (
            log.open("wb") as opened,
            subprocess.Popen(
                command, cwd=folder, stdout=opened, stderr=opened, start_new_session=True
            ) as server,
        ):
            try:
                _wait_for(lambda: _answers(f"{address}/moto-api/"), server, log)
                make = urllib.request.Request(f"{address}/{BUCKET}", method="PUT")
                urllib.request.urlopen(make, timeout=30).close()
                yield {
                    "AWS_ENDPOINT_URL": address,
                    "AWS_ACCESS_KEY_ID": "test",
                    "AWS_SECRET_ACCESS_KEY": "test",
                    "AWS_DEFAULT_REGION": "us-east-1",
                }
            finally:
                server.kill()


@contextlib.contextmanager
def running(command: list[str], health: str, **env: str) -> Iterator[None]:
    """`command` in a process group of its own, once `health` answers; the group ends with it."""
    with tempfile.TemporaryDirectory(prefix="kdsharp-server-") as folder:
        log = Path(folder) / "log.txt"
        with (
            log.open("wb") as opened,
            subprocess.Popen(
                command,
                cwd=folder,
                env=os.environ | env,
                stdout=opened,
                stderr=opened,
                start_new_session=True,
            ) as server,
        ):
            try:
                _wait_for(lambda: _answers(health), server, log)
                yield
            finally:
                _end(server)


def _end(server: subprocess.Popen) -> None:
    """End it and its children, by force where asking does not help."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(timeout=20)


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _postgres_programs() -> Path:
    """The folder with `initdb` and `postgres`; Debian keeps them off the PATH."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: int(p.parent.name))
    if on_path := shutil.which("initdb"):
        return Path(on_path).resolve().parent
    if debian:
        return debian[-1]
    pytest.skip("PostgreSQL is not installed (on Debian and Ubuntu: apt install postgresql)")


def _postgres_user() -> str:
    if os.getuid() != 0:
        return getpass.getuser()
    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError:
        pytest.skip("PostgreSQL does not run as root, and there is no user postgres")


def _accepts(server: str) -> bool:
    import psycopg2

    try:
        psycopg2.connect(f"{server}/postgres").close()
    except psycopg2.OperationalError:
        return False
    return True


def _answers(address: str) -> bool:
    try:
        urllib.request.urlopen(address, timeout=5).close()
    except OSError:
        return False
    return True


def _wait_for(ready, server: subprocess.Popen, log: Path, seconds: int = 400) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        ended = server.poll() is not None
        assert not ended and time.monotonic() < deadline, log.read_text(errors="replace")[-3000:]
        time.sleep(0.1)


@contextlib.contextmanager
def running_dask(workers: int, *options: str) -> Iterator[str]:
    """A Dask scheduler and so many worker processes of one thread; yields `127.0.0.1:PORT`.

    `options` are those of dask worker. Skips the test where Dask is not installed.
    """
    pytest.importorskip("distributed", reason="Dask is not installed (the extra dask)")
    address = f"127.0.0.1:{free_port()}"
    host, port = address.split(":")
    dask = [sys.executable, "-W", "ignore", "-m", "dask"]
    scheduler = [*dask, "scheduler", "--host", host, "--port", port, "--no-dashboard"]
    with tempfile.TemporaryDirectory(prefix="kdsharp-dask-") as folder:
        worker = [*dask, "worker", f"tcp://{address}", "--nworkers", str(workers)]
        worker += ["--nthreads", "1", "--no-dashboard", "--local-directory", folder, *options]
        repository = str(Path(__file__).parents[2])
        with _started(scheduler, folder, lambda: _listens(host, int(port)), repository):
            ready = f"tcp://{address}"
            if not workers:
                yield address
                return
            with _started(worker, folder, lambda: workers_of(ready, workers), repository):
                yield address


def workers_of(address: str, expected: int = 0) -> dict[str, int]:
    """The workers of a Dask scheduler and their process ids, once there are so many."""
    from distributed import Client

    # One client that waits: each has threads and connections of its own.
    with Client(address, timeout=60, set_as_default=False) as client:
        if expected:
            client.wait_for_workers(expected, timeout=240)
        return client.run(os.getpid)


@contextlib.contextmanager
def _started(command: list[str], folder: str, ready, path: str) -> Iterator[None]:
    log = Path(folder) / f"{command[5]}.txt"
    with (
        log.open("wb") as opened,
        subprocess.Popen(
            command,
            cwd=folder,
            env=os.environ | {"PYTHONPATH": path},
            stdout=opened,
            stderr=opened,
            start_new_session=True,
        ) as server,
    ):
        try:
            _wait_for(ready, server, log)
            yield
        finally:
            _end(server)


def _listens(host: str, port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=5):
        return True
    return False
