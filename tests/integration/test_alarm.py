"""From an alarm to a retraining, through a real Prefect server: started once, and not twice."""

import dataclasses
import json
import subprocess
import sys

import pytest
from ruamel.yaml import YAML

from kdsharp.observe.log import Log
from tests.integration.checkout import set_params
from tests.integration.servers import free_port, running
from tests.integration.test_services import Stand, ask, commit, make_stand, wait_for
from tests.pipeline.monitoring.seen import NOW, make_seen

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]

WEEK = 7 * 86_400
ENDED = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}


def observe(root):
    """Two weeks of a log: the second has blocks, and is what routing calls JPEG 40."""
    log = Log(root / "observations")
    weeks = (NOW - WEEK, {}, "jpeg-95"), (NOW, {"blocks": 2}, "jpeg-40")
    for when, shifted, lost in weeks:
        for seen in make_seen(60, int(when) % 97, when, **shifted):
            log.write(dataclasses.replace(seen, statistics=seen.statistics | {f"as {lost}": 0.9}))


@pytest.fixture
def stand(tmp_path):
    root = make_stand(tmp_path / "stand")
    set_params(root, {"monitor.retrain": "auto"})
    path = root / "prefect.yaml"
    # Its stages make no models that could be registered.
    found = YAML(typ="safe").load(path)
    (drift,) = (each for each in found["deployments"] if each["name"] == "drift")
    assert drift["parameters"] == {"promote": True, "commit": True}
    drift["parameters"]["promote"] = False
    YAML(typ="safe").dump(found, path)
    (root / "data/raw").mkdir(parents=True)
    (root / "data/raw/manifest.csv").write_text("name,split,sha256\n")  # its branch is named by it
    with (root / ".gitignore").open("a") as ignored:
        ignored.write("/observations/\n/reports/\n/models/\n")
    commit(root)
    observe(root)
    stand = Stand(root)
    yield stand
    stand.down()


def git(root, *words):
    done = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def run_of(stand, deployment):
    """A run of `deployment`, once it has ended."""
    (found,) = (each for each in stand.ask("deployments/filter") if each["name"] == deployment)
    begun = stand.ask(f"deployments/{found['id']}/create_flow_run")

    def ended():
        (now,) = (each for each in stand.runs() if each["id"] == begun["id"])
        return now if now["state_type"] in ENDED else None

    return wait_for(ended, 400)


def drift_runs(stand):
    (found,) = (each for each in stand.ask("deployments/filter") if each["name"] == "drift")
    return stand.runs(deployment_id=found["id"])


ANSWER = """
import json
from pipeline.flows.respond import respond
from pipeline.monitoring.verdict import Evidence, Verdict
about = {"lost": {"jpeg-coarse": (0.1, 0.4)}}
found = Verdict("falling", ["the gain fell"], Evidence(60, 60, "the week before"), about)
print(json.dumps([respond(found, may_start=True) for _ in range(3)]))
"""


def test_the_automation_makes_one_run_of_three_alarms(tmp_path):
    """Without a worker, so that the run stays where the automation has put it."""
    root = make_stand(tmp_path / "here")
    set_params(root, {"monitor.retrain": "auto"})
    api = f"http://127.0.0.1:{free_port()}/api"
    settings = {"PREFECT_API_URL": api, "PREFECT_HOME": str(tmp_path / "prefect")}
    port = api.rpartition(":")[2].removesuffix("/api")
    command = [sys.executable, "-m", "prefect", "server", "start", "--port", port]
    stand = Stand(root)
    with running(command, f"{api}/health", **settings):
        none = stand.run("-c", ANSWER, **settings)
        assert none.returncode == 0, none.stderr
        assert "Prefect's server has no retrain/drift: make up" in none.stdout
        assert not (root / "models/.retraining.json").exists()
        done = stand.run("-m", "pipeline.services.deploy", **settings)
        assert done.returncode == 0, done.stderr
        said = stand.run("-c", ANSWER, **settings)
        assert said.returncode == 0, said.stderr
        first, *others = json.loads(said.stdout.splitlines()[-1])
        assert first.startswith("a retraining was started: "), first
        assert all("within monitor.cooldown_days: none is started" in one for one in others)
        deployments = ask(f"{api}/deployments/filter", {})
        (drift,) = (each["id"] for each in deployments if each["name"] == "drift")
        runs = ask(f"{api}/flow_runs/filter", {})  # the hourly ones of the monitor, too
        (run,) = (each for each in runs if each["deployment_id"] == drift)
    claim = json.loads((root / "models/.retraining.json").read_text())
    assert run["parameters"]["proposal"] == claim["proposal"]
    assert (run["parameters"]["promote"], run["parameters"]["commit"]) == (True, True)


def test_an_alarm_starts_one_retraining(stand):
    done = stand.up()
    assert done.returncode == 0, done.stderr
    expected = [each["trigger"].get("expect") for each in stand.ask("automations/filter")]
    assert ["kdsharp.monitor.retrain"] in expected

    first = run_of(stand, "monitor")
    assert first["state_name"] in ("Drifted", "Falling"), first["state"]["message"]
    assert "a retraining was started: " in first["state"]["message"]
    claim = json.loads((stand.root / "models/.retraining.json").read_text())
    assert claim["how"] == "started"

    # It learns what was proposed, and commits it with its results.
    def ended():
        (now,) = drift_runs(stand)
        return now if now["state_type"] in ENDED else None

    run = wait_for(ended, 400)
    assert run["state_type"] == "COMPLETED", run["state"]["message"]
    assert run["parameters"]["proposal"] == claim["proposal"]
    branch = git(stand.root, "for-each-ref", "--format=%(refname:short)", "refs/heads/retrain/")
    params = YAML(typ="safe").load(git(stand.root, "show", f"{branch}:params.yaml"))
    name = params["degradation"]["name"]
    assert name.startswith("drift-2")
    assert params["degradation"]["recipes"] == {name: {"jpeg-coarse": 0.9}}
    summaries = stand.ask("artifacts/filter", {"artifacts": {"key": {"any_": ["retrain-summary"]}}})
    said = f"makes `kdsharp-student-small-x2-{name}`, a model of its own"
    assert any(said in each["data"] for each in summaries)  # in the later one
    assert git(stand.root, "status", "--porcelain") == ""
    here = YAML(typ="safe").load((stand.root / "params.yaml").read_text())
    assert here["degradation"]["name"] == "bicubic"

    # The same alarm an hour later; and after `make up`, which writes the automation anew.
    for again in (False, True):
        if again:
            stand.down()
            assert stand.up().returncode == 0
        later = run_of(stand, "monitor")
        assert later["state_name"] == first["state_name"]
        assert "within monitor.cooldown_days: none is started" in later["state"]["message"]
        assert json.loads((stand.root / "models/.retraining.json").read_text()) == claim
    assert [each["id"] for each in drift_runs(stand)] == [run["id"]]
