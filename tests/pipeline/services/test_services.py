"""Processes that outlive their starter; tests/integration/test_services.py has the servers."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import psutil
import pytest

from kdsharp.errors import KdsharpError, UserError
from pipeline.cli.app import main
from pipeline.services import process
from pipeline.services.lifecycle import down
from pipeline.services.process import answers, free_port, is_free, start, stop, wait_until_ready
from pipeline.services.state import Service, read_state, standing, write_state

LISTEN = (
    "import http.server as h; h.test(h.SimpleHTTPRequestHandler, port={port}, bind='127.0.0.1')"
)
# A child in a session of its own, as Prefect's flow runs are.
PARENT = """
import subprocess, sys, time
child = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"
subprocess.Popen([sys.executable, "-c", child], start_new_session=True)
print("ready", flush=True)
time.sleep(60)
"""


@pytest.fixture
def begin(tmp_path, monkeypatch):
    """Start Python code as a service in an empty checkout; all of it ends with the test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(process, "_PATIENCE_S", 1.0)
    begun = []

    def call(code, name="mlflow", address=None):
        begun.append(start(name, [sys.executable, "-c", code], os.environ, address))
        return begun[-1]

    yield call
    for service in begun:
        stop(service)


def wait_for(happened):
    deadline = time.monotonic() + 30
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def runs(process):
    """In a container an ended process may stay as a zombie."""
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def said(service):
    return service.log.read_text()


def test_a_process_and_its_children_end_and_no_others(begin):
    other = begin("import time; time.sleep(60)", "prefect")
    service = begin(PARENT)
    wait_for(lambda: "ready" in said(service))
    family = [psutil.Process(service.pid), *psutil.Process(service.pid).children()]
    assert len(family) == 2
    assert stop(service)  # the child ignores SIGTERM
    assert not any(map(runs, family))
    assert other.alive
    assert not stop(service)


def test_children_of_a_killed_parent_end_too(begin):
    service = begin(PARENT)
    wait_for(lambda: "ready" in said(service))
    (child,) = psutil.Process(service.pid).children()
    os.kill(service.pid, signal.SIGKILL)
    wait_for(lambda: not service.alive)
    assert child.is_running()
    assert stop(service)
    assert not runs(child)


def test_what_has_just_started_is_known_as_ours(begin):
    for _ in range(20):
        assert begin("import time; time.sleep(60)").alive


def test_a_later_process_with_the_same_number_is_left_alone(begin):
    service = begin("import time; time.sleep(60)")
    earlier = replace(service, mark="another")
    assert not earlier.alive
    assert not stop(earlier)
    assert service.alive


def test_the_worker_s_runs_end_before_it_does(begin, monkeypatch):
    monkeypatch.setattr(process, "_REPORT_S", 0.1)
    service = begin(
        """
import signal, subprocess, sys, time
run = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print("ready", flush=True)
try:
    run.wait()
    print("run ended with", run.returncode, flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    print("told to end", flush=True)
""",
        "worker",
    )
    wait_for(lambda: "ready" in said(service))
    assert stop(service)
    assert said(service).split("\n")[1:3] == ["run ended with -15", "told to end"]


def test_standing_tells_what_answers(begin, tmp_path):
    assert standing() == {}
    prefect = begin("import time; time.sleep(60)", "prefect", "http://127.0.0.1:4200")
    write_state({"prefect": prefect})
    assert standing() == {}  # it has not answered yet
    write_state({"prefect": replace(prefect, ready=True)})
    assert standing() == {"prefect": "http://127.0.0.1:4200"}
    stop(prefect)
    assert standing() == {}
    assert read_state() == {"prefect": replace(prefect, ready=True)}
    (tmp_path / ".services/state.json").write_text("{")
    assert read_state() == {}


def test_standing_is_cheap():
    code = (
        "import sys; from pipeline.services.state import standing; standing(); print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"prefect", "mlflow", "torch", "numpy"} & set(done.stdout.split())


def test_waiting_for_an_answer(begin):
    port = free_port(0, "--port")
    address = f"http://127.0.0.1:{port}"
    service = begin(LISTEN.format(port=port), address=address)
    wait_until_ready(service, lambda: answers(address), 30)
    assert not is_free(port)
    other = begin("import time; time.sleep(60)", "prefect", address)
    with pytest.raises(KdsharpError, match="another program answers"):
        wait_until_ready(other, lambda: answers(address), 30)
    with pytest.raises(KdsharpError, match="did not answer within 0 s: it said nothing"):
        wait_until_ready(other, lambda: False, 0.3)


def test_a_start_that_fails_says_why(begin):
    service = begin("print('thinking'); raise SystemExit('no such database')")
    with pytest.raises(KdsharpError) as error:
        wait_until_ready(service, lambda: False, 30)
    assert str(error.value) == ("mlflow did not start: no such database (see .services/mlflow.log)")


def test_a_taken_port_is_named(begin):
    port = free_port(0, "--mlflow-port")
    address = f"http://127.0.0.1:{port}"
    wait_until_ready(begin(LISTEN.format(port=port), address=address), lambda: answers(address), 30)
    with pytest.raises(UserError, match=f"port {port}: .* choose another with --mlflow-port"):
        free_port(port, "--mlflow-port")


def test_a_port_by_the_server_s_own_variable(monkeypatch):
    for name in ("MLFLOW_PORT", "PREFECT_SERVER_API_PORT"):
        monkeypatch.delenv(name, raising=False)
    asked = []
    monkeypatch.setattr("pipeline.services.lifecycle.up", lambda *ports: asked.append(ports))

    def command(*words):
        monkeypatch.setattr(sys, "argv", ["pipeline", "up", *words])
        with pytest.raises(SystemExit):
            main()

    command()
    monkeypatch.setenv("MLFLOW_PORT", "5001")
    command()
    command("--mlflow-port", "5002")
    monkeypatch.setenv("PREFECT_SERVER_API_PORT", "70000")
    with pytest.raises(UserError, match=r"PREFECT_SERVER_API_PORT.* less than or equal to 65535"):
        command()
    assert asked == [(0, 0), (0, 5001), (0, 5002)]


def test_the_servers_know_no_flows():
    code = "import sys; from pipeline.services import lifecycle; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not [name for name in done.stdout.split() if name.startswith("pipeline.flows")]


def test_down(begin, capsys):
    down()
    assert capsys.readouterr().out == "nothing is running here\n"
    mlflow = begin("import time; time.sleep(60)")
    gone = Service("prefect", 2**22 + 1, "gone")
    write_state({"mlflow": mlflow, "prefect": gone})
    down()
    assert capsys.readouterr().out == "prefect: was not running\nmlflow: stopped\n"
    assert not mlflow.alive
    assert read_state() == {}
