"""`make up` and `make down` with the real servers, and a person's answer in Prefect's pages."""

import base64
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import psutil
import pytest

from pipeline.services.state import Service
from tests.integration.servers import free_port
from tests.integration.test_retrain import environment, left_over
from tests.pipeline.flows.test_flows import DVC_YAML, ROOT, STAGE

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]


class Stand:
    """A checkout with two small stages, and its servers."""

    def __init__(self, root):
        self.root = root
        self.mlflow_port = free_port()  # not the usual one: other tests run beside this

    def run(self, *command, **env):
        return subprocess.run(
            [sys.executable, *command],
            cwd=self.root,
            env=environment(**env),
            capture_output=True,
            text=True,
        )

    def up(self, *options):
        return self.run("-m", "pipeline", "up", *options, MLFLOW_PORT=str(self.mlflow_port))

    def down(self):
        return self.run("-m", "pipeline", "down")

    def state(self):
        path = self.root / ".services/state.json"
        notes = json.loads(path.read_text()) if path.exists() else []
        return {note["name"]: Service(**note) for note in notes}

    @property
    def api(self):
        return f"{self.state()['prefect'].address}/api"

    def ask(self, path, body=None):
        """What Prefect's server answers."""
        return ask(f"{self.api}/{path}", body or {})

    def runs(self, **wanted):
        """Flow runs, the newest first."""
        found = self.ask("flow_runs/filter", {"sort": "START_TIME_DESC"})
        return [run for run in found if all(run[key] == wanted[key] for key in wanted)]

    def log(self, name):
        return (self.root / f".services/{name}.log").read_text()


def make_stand(root):
    """A committed checkout with two small stages, at `root`."""
    root.mkdir()
    shutil.copy(ROOT / "params.yaml", root)
    shutil.copy(ROOT / "prefect.yaml", root)
    (root / "stage.py").write_text(STAGE)
    (root / "dvc.yaml").write_text(DVC_YAML)
    (root / "mode.txt").write_text("well")
    (root / ".gitignore").write_text("/.services/\n/.worktree/\n/.prefect/\n/mlruns/\n")
    for command in (["git", "init", "-q"], [sys.executable, "-m", "dvc", "init", "-q"]):
        subprocess.run(command, cwd=root, check=True)
    commit(root)
    return root


@pytest.fixture(scope="module")
def stand(tmp_path_factory):
    root = make_stand(tmp_path_factory.mktemp("stands") / "stand")
    stand = Stand(root)
    yield stand
    stand.down()
    assert left_over(root) == []


@pytest.fixture
def servers(stand):
    done = stand.up()
    assert done.returncode == 0, done.stderr
    return stand


def commit(root):
    author = ["-c", "user.name=test", "-c", "user.email=test@example.invalid"]
    for command in (["add", "-A"], [*author, "commit", "-q", "--allow-empty", "-m", "Change"]):
        subprocess.run(["git", *command], cwd=root, check=True)


def ask(address, body, password=None):
    headers = {"Content-Type": "application/json"}
    if password:
        headers["Authorization"] = f"Basic {base64.b64encode(password.encode()).decode()}"
    request = urllib.request.Request(address, json.dumps(body).encode(), headers)
    for _ in range(20):
        # 503 asks to come again: the server is busy with its database. Prefect's own client does.
        try:
            return _answer(request)
        except urllib.error.HTTPError as error:
            if error.code != 503:
                raise
        time.sleep(1)
    return _answer(request)


def _answer(request):
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def wait_for(happened, seconds=240):
    """What `happened()` returns, once that is true."""
    deadline = time.monotonic() + seconds
    while not (found := happened()):
        assert time.monotonic() < deadline
        time.sleep(0.5)
    return found


def test_a_start_that_fails_leaves_nothing(stand):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = stand.up("--mlflow-port", str(port))
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(f"pipeline: error: port {port}: ")
    assert done.stderr.count("\n") == 1
    assert stand.state() == {}
    assert left_over(stand.root) == []


def test_up_gives_addresses(servers):
    state = servers.state()
    prefect, mlflow = state["prefect"].address, state["mlflow"].address
    with urllib.request.urlopen(f"{prefect}/ui-settings", timeout=30) as answer:
        assert json.load(answer)["api_url"] == f"{prefect}/api"
    deployments = servers.ask("deployments/filter")
    limits = {
        each["name"]: (each["work_pool_name"], each["global_concurrency_limit"]["limit"])
        for each in deployments
    }
    assert limits == dict.fromkeys(
        ["weekly", "monitor", "drift", "promote", "rollback"], ("kdsharp", 1)
    )
    (weekly,) = (each for each in deployments if each["name"] == "weekly")
    (schedule,) = weekly["schedules"]
    assert (schedule["schedule"]["cron"], schedule["schedule"]["timezone"]) == ("0 3 * * 0", "UTC")
    experiments = ask(f"{mlflow}/api/2.0/mlflow/experiments/search", {"max_results": 10})
    assert "kdsharp" in {each["name"] for each in experiments["experiments"]}
    hosts = {
        connection.laddr.ip
        for service in state.values()
        for process in [
            psutil.Process(service.pid),
            *psutil.Process(service.pid).children(recursive=True),
        ]
        for connection in process.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }
    assert hosts == {"127.0.0.1"}
    again = servers.up()
    assert again.stdout.startswith("already up:\n")
    assert prefect in again.stdout
    assert mlflow in again.stdout
    assert servers.state() == state
    other = servers.up("--prefect-port", "4299")
    assert other.returncode == 2
    assert f"prefect is up at {prefect}: make down first" in other.stderr


def test_retrain_uses_the_standing_server(servers):
    done = servers.run("-m", "pipeline", "retrain")
    assert done.returncode == 0, done.stderr
    assert "starting Prefect" not in done.stdout
    assert "second: ran" in done.stdout
    (run,) = servers.runs(deployment_id=None)
    assert run["state"]["type"] == "COMPLETED"


QUESTION = """
import sys
from prefect import flow
from pipeline.flows.approval import approver

@flow
def question():
    return approver("kdsharp-student 7", float(sys.argv[1]))("**0.2 dB** better")

answer = question()
print("answer:", answer.approved, answer.who, answer.why, sep="|")
"""


@pytest.mark.parametrize(
    ("fields", "answer"),
    [
        ({"approve": True, "why": "sharper", "who": "Ada"}, "answer:|True|Ada|sharper"),
        ({"approve": False}, "answer:|False|somebody in Prefect's pages|"),
    ],
)
def test_a_person_answers_in_the_pages(servers, fields, answer):
    (servers.root / "question.py").write_text(QUESTION)
    with asked(servers) as process:
        name = "approve kdsharp-student 7"
        (paused,) = wait_for(lambda: servers.runs(name=name, state_type="PAUSED"))
        assert "**0.2 dB** better" in wait_for(lambda: description(servers, paused))
        # Nothing goes on without the answer.
        assert resume(servers, paused, {})["status"] == "REJECT"
        assert resume(servers, paused, fields)["status"] == "ACCEPT"
        assert answer in process.communicate(timeout=120)[0].splitlines()


@contextlib.contextmanager
def asked(servers):
    """The process that asks; it ends with the test, whatever comes of it."""
    with subprocess.Popen(
        [sys.executable, "question.py", "1"],
        cwd=servers.root,
        env=environment(PREFECT_API_URL=servers.api, PREFECT_HOME=str(servers.root / ".prefect")),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def description(servers, paused):
    """What the pages say to a person: Prefect writes it a moment after the run is paused."""
    try:
        with urllib.request.urlopen(
            f"{servers.api}/flow_runs/{paused['id']}/input/paused-1-description", timeout=30
        ) as shown:
            return shown.read().decode()
    except urllib.error.HTTPError:
        return None


def resume(servers, paused, fields):
    return servers.ask(f"flow_runs/{paused['id']}/resume", {"run_input": fields})


def test_no_answer_is_a_no(servers):
    (servers.root / "question.py").write_text(QUESTION)
    home = str(servers.root / ".prefect")
    hours = "0.0005"
    done = servers.run("question.py", hours, PREFECT_API_URL=servers.api, PREFECT_HOME=home)
    assert f"answer:|False|nobody|no answer within {hours} h" in done.stdout, done.stderr


@pytest.mark.parametrize("name", ["prefect", "worker"])
def test_what_was_killed_starts_again(servers, name):
    before = servers.state()
    os.kill(before[name].pid, signal.SIGKILL)
    wait_for(lambda: not before[name].alive)
    done = servers.up()
    assert done.returncode == 0, done.stderr
    after = servers.state()
    assert after[name].pid != before[name].pid
    assert after[name].address == before[name].address
    assert {key: after[key] for key in after if key != name} == {
        key: before[key] for key in before if key != name
    }


def begin_run(servers, mode):
    """Commit `mode` and start a retraining; the id of its run."""
    return begin(servers, mode, servers.api)


def begin(servers, mode, api, password=None):
    """The same with the Prefect server at `api`."""
    (servers.root / "mode.txt").write_text(mode)
    commit(servers.root)
    found = ask(f"{api}/deployments/filter", {}, password)
    (weekly,) = (each for each in found if each["name"] == "weekly")
    body = {"parameters": {"promote": False, "commit": False}}
    return ask(f"{api}/deployments/{weekly['id']}/create_flow_run", body, password)["id"]


def state_of(servers, run_id):
    (run,) = servers.runs(id=run_id)
    return run["state"]["type"]


def test_after_a_power_cut_the_schedule_goes_on(servers):
    """A run that ended without a word must not hold its deployment's only place for ever."""
    cut = begin_run(servers, "long")
    wait_for((servers.root / ".worktree/pid.txt").exists)
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get("KDSHARP_SERVICE") in marks(servers):
                process.kill()
    assert servers.up().returncode == 0
    assert state_of(servers, cut) == "CRASHED"
    run = begin_run(servers, "well")
    wait_for(lambda: state_of(servers, run) in {"COMPLETED", "FAILED", "CRASHED"})
    assert state_of(servers, run) == "COMPLETED"


def marks(servers):
    return {service.mark for service in servers.state().values()}


def test_down_stops_a_run_with_its_stage(servers):
    """The stage writes its checkpoint; the run is told of as ended, not as running for ever."""
    run = begin_run(servers, "long")
    worktree = servers.root / ".worktree"
    wait_for((worktree / "pid.txt").exists)
    state = servers.state()
    done = servers.down()
    assert done.stdout.splitlines() == ["worker: stopped", "prefect: stopped", "mlflow: stopped"]
    assert (worktree / "checkpoint.txt").read_text() == "saved"
    assert not any(service.alive for service in state.values())
    assert left_over(servers.root) == left_over(worktree) == []
    assert servers.down().stdout == "nothing is running here\n"
    assert servers.up().returncode == 0
    assert state_of(servers, run) == "CRASHED"
