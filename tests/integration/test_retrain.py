"""The flow `retrain` through real Prefect and DVC, on a tiny project."""

import json
import os
import pty
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.integration.checkout import make_short
from tests.pipeline.flows.test_flows import DVC_YAML, ROOT, STAGE

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

RETRAIN = [sys.executable, "-m", "pipeline", "retrain"]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """Tests change mode.txt and share the rest, as runs in one checkout do."""
    return make_short(tmp_path_factory.mktemp("retrain"), STAGE, DVC_YAML)


def environment(**values):
    outside = ("PREFECT_", "MLFLOW_", "KDSHARP_", "DVC_")
    env = {key: value for key, value in os.environ.items() if not key.startswith(outside)}
    # No venv is active: the flow itself must find the right Python for the stages.
    return env | {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"} | values


def retrain(folder, **env):
    return subprocess.run(
        RETRAIN, cwd=folder, env=environment(**env), capture_output=True, text=True
    )


def ask(folder, query):
    """Rows of Prefect's own database in the project's folder."""
    with sqlite3.connect(folder / ".prefect/prefect.db") as connection:
        return connection.execute(query).fetchall()


def states(folder):
    return [row[0] for row in ask(folder, "SELECT state_name FROM flow_run ORDER BY created")]


def test_runs_then_finds_nothing_to_do(checkout):
    first = retrain(checkout)
    assert first.returncode == 0, first.stderr
    lines = first.stdout.splitlines()
    assert "first: ran" in lines
    assert lines.count("learning well") == 1
    assert first.stderr == ""

    second = retrain(checkout)
    assert second.returncode == 0, second.stderr
    assert "nothing changed: all 2 stages are up to date" in second.stdout
    assert "ran" not in second.stdout.split()

    (checkout / "second.txt").unlink()
    third = retrain(checkout)
    assert "second: restored from cache" in third.stdout
    assert states(checkout) == ["Completed"] * 3
    tasks = ask(checkout, "SELECT name FROM task_run")
    assert len(tasks) == 6  # no cached results: each flow run asks DVC
    logged = [row[0] for row in ask(checkout, "SELECT message FROM log")]
    assert logged.count("learning well") == 1
    summaries = ask(checkout, "SELECT data FROM artifact WHERE key = 'retrain-summary'")
    assert any("Nothing changed" in json.loads(row[0]) for row in summaries)


@pytest.mark.parametrize(("mode", "code"), [("wrong", 2), ("bug", 1)])
def test_a_failure_is_the_last_line_and_is_not_tried_again(checkout, mode, code):
    (checkout / "mode.txt").write_text(mode)
    done = retrain(checkout)
    assert done.returncode == code
    line = done.stderr.splitlines()[-1]
    assert line.startswith("pipeline: error: ")
    assert ("teacher.weights: no such file" if mode == "wrong" else "oops") in line
    assert "Traceback" not in done.stdout + done.stderr
    assert done.stdout.count("learning") == 1
    assert states(checkout)[-1] == "Failed"


def test_what_may_pass_is_tried_again(checkout, tmp_path):
    """The stage is killed once, and well at the second try."""
    folder = tmp_path / "checkout"
    # The server of the run before may still be folding its journal into its database.
    shutil.copytree(checkout, folder, ignore=shutil.ignore_patterns(".prefect"))
    killed = STAGE.replace(
        "os.kill(os.getpid()", "Path('mode.txt').write_text('well'); os.kill(os.getpid()"
    )
    (folder / "stage.py").write_text(killed)
    (folder / "dvc.yaml").write_text(DVC_YAML.replace(", mode.txt", ", stage.py"))
    (folder / "mode.txt").write_text("killed")
    done = retrain(folder)
    assert done.returncode == 0, done.stderr
    assert "second was killed by SIGKILL" in done.stdout
    assert "trying again in 5 s" in done.stdout
    assert "second: ran" in done.stdout


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("teecher: 1\n", "teecher is not a known key"),
        (None, "params.yaml is missing"),
    ],
)
def test_params_are_checked_before_anything_starts(checkout, tmp_path, change, words):
    folder = tmp_path / "checkout"
    shutil.copytree(checkout, folder, ignore=shutil.ignore_patterns(".prefect"))
    if change:
        with (folder / "params.yaml").open("a") as opened:
            opened.write(change)
    else:
        (folder / "params.yaml").unlink()
    done = retrain(folder)
    assert done.returncode == 2
    assert done.stdout == ""
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (folder / ".prefect").exists()


def test_ctrl_c_at_a_terminal_ends_everything(checkout):
    """A terminal sends SIGINT to the whole group, Prefect's temporary server included."""
    (checkout / "mode.txt").write_text("long")
    (checkout / "pid.txt").unlink(missing_ok=True)
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(checkout)
        os.execve(RETRAIN[0], RETRAIN, environment())
    said = until(terminal, b"learning long")
    time.sleep(1)
    began = time.monotonic()
    os.write(terminal, b"\x03")
    said += until(terminal, None)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 130
    assert time.monotonic() - began < 60
    said = said.replace(b"\x1b[0m", b"").rstrip()  # colorama's farewell
    assert said.endswith(b"pipeline: error: interrupted")
    assert b"Traceback" not in said
    assert (checkout / "checkpoint.txt").read_text() == "saved"
    assert left_over(checkout) == []
    assert states(checkout)[-1] == "Crashed"


def test_sigterm_ends_everything(checkout):
    with learning_long(checkout) as flow:
        flow.send_signal(signal.SIGTERM)
        said = flow.communicate(timeout=60)[0]
    assert flow.returncode == 1
    assert said.rstrip().endswith(b"pipeline: error: ended by SIGTERM")
    assert (checkout / "checkpoint.txt").read_text() == "saved"
    assert left_over(checkout) == []


def test_it_ends_soon_after_its_temporary_server(checkout):
    with learning_long(checkout) as flow:
        for process in psutil.Process(flow.pid).children(recursive=True):
            if "uvicorn" in process.cmdline():
                process.kill()
        said = flow.communicate(timeout=60)[0]
    assert flow.returncode == 1
    assert said.rstrip().splitlines()[-1] == (
        b"pipeline: error: Prefect's temporary server ended with -9: "
        b"what the stages made is kept, run the same command again"
    )
    assert b"Traceback" not in said
    # The stage finds out by itself that nobody waits for it.
    deadline = time.monotonic() + 30
    while left_over(checkout) and time.monotonic() < deadline:
        pass
    assert (checkout / "checkpoint.txt").read_text() == "saved"
    assert left_over(checkout) == []


def test_a_server_of_its_own(checkout, tmp_path):
    """With PREFECT_API_URL nothing is started; without that server it is said at once."""
    (checkout / "mode.txt").write_text("well")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}/api"
    gone = retrain(checkout, PREFECT_API_URL=address, PREFECT_CLIENT_MAX_RETRIES="0")
    assert gone.returncode == 2
    assert "is not reachable" in gone.stderr.splitlines()[-1]

    env = environment(PREFECT_HOME=str(tmp_path / "home"), PREFECT_SERVER_ANALYTICS_ENABLED="false")
    command = [sys.executable, "-m", "prefect", "server", "start", "--port", str(port)]
    with subprocess.Popen(
        command, env=env, start_new_session=True, stdout=subprocess.DEVNULL
    ) as server:
        try:
            wait_for(f"{address}/health")
            done = retrain(checkout, PREFECT_API_URL=address)
            assert done.returncode == 0, done.stderr
            assert "starting Prefect" not in done.stdout
            assert "second: " in done.stdout
        finally:
            os.killpg(server.pid, signal.SIGTERM)


@contextmanager
def learning_long(folder):
    """A retraining whose first stage is at work, and would be for long."""
    (folder / "mode.txt").write_text("long")
    for name in ("pid.txt", "checkpoint.txt"):
        (folder / name).unlink(missing_ok=True)
    with subprocess.Popen(
        RETRAIN, cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as flow:
        until(flow.stdout.fileno(), b"learning long")
        time.sleep(1)
        yield flow


def until(descriptor, words):
    """What is said up to `words`; to the end if None."""
    said = b""
    while words is None or words not in said:
        try:
            part = os.read(descriptor, 4096)
        except OSError:  # the terminal's other side is closed
            break
        if not part:
            break
        said += part
    return said


def left_over(folder):
    """Command lines of processes that still work in `folder`."""
    time.sleep(1)
    found = []
    for process in psutil.process_iter():
        try:
            running = process.status() != psutil.STATUS_ZOMBIE and process.pid != os.getpid()
            if running and Path(process.cwd()) == folder:
                found.append(process.cmdline())
        except psutil.Error:
            continue
    return found


def wait_for(address, seconds=120):
    deadline = time.monotonic() + seconds
    while True:
        try:
            return urllib.request.urlopen(address, timeout=5).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.3)
