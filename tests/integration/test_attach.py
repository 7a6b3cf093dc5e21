"""`make up` where Prefect and MLflow run already, with their own authentication; and notices."""

import http.server
import importlib.util
import json
import socketserver
import sys
import threading
import urllib.error
import urllib.request
from typing import ClassVar

import pytest

from tests.integration.servers import free_port, running
from tests.integration.test_retrain import left_over
from tests.integration.test_services import Stand, begin, make_stand, wait_for

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1500)]

PREFECT, MLFLOW = "admin:a prefect", "an-mlflow-password"


@pytest.fixture
def prefect(tmp_path):
    """A server with a password, as somebody else runs it; yields the address of its API."""
    api = f"http://127.0.0.1:{free_port()}/api"
    command = [sys.executable, "-m", "prefect", "server", "start"]
    command += ["--port", api.rpartition(":")[2].removesuffix("/api")]
    settings = {
        "PREFECT_SERVER_API_AUTH_STRING": PREFECT,
        "PREFECT_API_AUTH_STRING": PREFECT,
        "PREFECT_API_URL": api,
        "PREFECT_HOME": str(tmp_path / "prefect"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
    }
    with running(command, f"{api}/health", **settings):
        yield api


@pytest.fixture
def mlflow(tmp_path):
    """The same of MLflow."""
    if importlib.util.find_spec("flask_wtf") is None:
        pytest.skip("Flask-WTF is not installed: pip install 'mlflow[auth]'")
    address = f"http://127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "mlflow", "server", "--app-name", "basic-auth"]
    command += ["--workers", "1", "--port", address.rpartition(":")[2]]
    settings = {
        "MLFLOW_AUTH_ADMIN_PASSWORD": MLFLOW,
        "MLFLOW_FLASK_SERVER_SECRET_KEY": "a-secret-of-the-server",
        "MLFLOW_BACKEND_STORE_URI": f"sqlite:///{tmp_path}/mlflow.db",
        "MLFLOW_ARTIFACTS_DESTINATION": str(tmp_path / "artifacts"),
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    with running(command, f"{address}/health", **settings):
        yield address


@pytest.fixture
def hook():
    """A webhook on loopback; yields its address and what it has received."""
    received = []

    class Hook(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Hook) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/hook", received
        server.shutdown()


def test_up_attaches_to_a_prefect_that_is_there_and_failures_are_told(tmp_path, prefect, hook):
    stand = Stand(make_stand(tmp_path / "here"))
    address, received = hook
    env = {
        "PREFECT_API_URL": prefect,
        "PREFECT_API_AUTH_STRING": PREFECT,
        "KDSHARP_NOTIFY": address,
    }
    try:
        done = stand.run("-m", "pipeline", "up", **env)
        assert done.returncode == 0, done.stderr
        assert f"Prefect  {prefect}  (PREFECT_API_URL)" in done.stdout
        assert set(stand.state()) == {"worker", "mlflow"}
        assert stand.state()["worker"].attached == prefect
        # Nobody else's pool is taken over.
        other = Stand(make_stand(tmp_path / "there"))
        refused = other.run("-m", "pipeline", "up", **env)
        assert refused.returncode == 2
        assert f"Prefect's work pool kdsharp is served in {stand.root}" in refused.stderr
        assert other.state() == {}

        begin(stand, "wrong", api=prefect, password=PREFECT)
        wait_for(lambda: received)
        assert received[0]["title"] == "kdsharp: retrain Failed"
        assert "teacher.weights: no such file" in received[0]["text"]
    finally:
        said = stand.down().stdout
    assert said.splitlines() == ["worker: stopped", "mlflow: stopped"]
    assert left_over(stand.root) == []
    urllib.request.urlopen(f"{prefect}/health", timeout=10).close()


def test_up_says_so_where_the_named_server_does_not_answer(tmp_path):
    stand = Stand(make_stand(tmp_path / "here"))
    for variable in ("PREFECT_API_URL", "MLFLOW_TRACKING_URI"):
        nowhere = f"http://127.0.0.1:{free_port()}"
        done = stand.run("-m", "pipeline", "up", **{variable: nowhere})
        assert done.returncode == 2
        assert f"{variable}: no server answers at {nowhere}" in done.stderr
        assert stand.state() == {}


SEND = """
import sys
from pipeline.services.prefect_server import configure
configure()
from pipeline.services.notices import receiver
receiver(sys.argv[1]).notify(subject="kdsharp: retrain Failed", body="disk full")
"""


class Smtp(socketserver.StreamRequestHandler):
    """As much of a mail server as one letter needs."""

    letters: ClassVar[list[str]] = []

    def handle(self):
        self.wfile.write(b"220 here\r\n")
        while line := self.rfile.readline().strip():
            if line.upper() == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                lines = iter(self.rfile.readline, b".\r\n")
                self.letters.append(b"".join(lines).decode())
            self.wfile.write(b"250 fine\r\n")
            if line.upper() == b"QUIT":
                return


def test_a_notice_by_mail(tmp_path):
    stand = Stand(tmp_path)
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Smtp) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"mailto://127.0.0.1:{server.server_address[1]}"
        address += "?from=kdsharp@example.org&to=ann@example.org&mode=insecure"
        done = stand.run("-c", SEND, address)
        server.shutdown()
    assert done.returncode == 0, done.stderr
    (letter,) = Smtp.letters
    assert "Subject: kdsharp: retrain Failed" in letter
    assert "To: ann@example.org" in letter
    refused = stand.run("-c", SEND, "carrier-pigeon://loft")
    assert "KDSHARP_NOTIFY: carrier-pigeon is no address that Apprise can send to" in refused.stderr


RECORD = """
from pipeline.tracking.runs import start
from tests.pipeline.tracking.test_runs import LINEAGE
with start("evaluate", LINEAGE) as run:
    run.metrics({"psnr_y": 30.5})
print("recorded", run.run_id)
"""


def test_mlflow_with_its_own_authentication(tmp_path, mlflow):
    stand = Stand(make_stand(tmp_path / "here"))
    user = {"MLFLOW_TRACKING_URI": mlflow, "MLFLOW_TRACKING_USERNAME": "admin"}
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(f"{mlflow}/api/2.0/mlflow/experiments/get-by-name?x=1")
    wrong = stand.run("-c", RECORD, **user, MLFLOW_TRACKING_PASSWORD="guessed")
    assert "recorded None" in wrong.stdout
    assert "this run is not recorded" in wrong.stderr + wrong.stdout
    done = stand.run("-c", RECORD, **user, MLFLOW_TRACKING_PASSWORD=MLFLOW)
    assert done.returncode == 0, done.stderr
    assert "recorded None" not in done.stdout
