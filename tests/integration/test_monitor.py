"""The real commands, from pictures to a verdict, and the flow with its page."""

import json
import os
import sqlite3
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from skimage import data

from kdsharp.degrade import degrade
from tests.integration.checkout import REPOSITORY

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

FLOW = """
from pipeline.services.prefect_server import configure
configure()
from pipeline.flows.monitor import monitor
for folder in ("none", "seen"):
    state = monitor(folder=folder, return_state=True)
    print("STATE", state.name, state.message)
"""


def run(root, *words, code=0):
    env = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, *map(str, words)]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, env=env)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Two folders of pictures from the same photos: the worse ones from another camera."""
    root = tmp_path_factory.mktemp("monitor")
    photos = [data.astronaut(), data.coffee(), data.chelsea(), data.rocket()]
    random = np.random.default_rng(0)
    for name, recipe in (("usual", "jpeg-fine"), ("worse", "gaussian")):
        (root / name).mkdir()
        for number in range(36):
            photo = Image.fromarray(photos[number % 4])
            left, top = (int(random.integers(side - 191)) for side in photo.size)
            part = degrade(photo.crop((left, top, left + 192, top + 192)), recipe, 2, number)
            part.save(root / name / f"{number}.png")
    return root


def test_from_pictures_to_a_verdict(root):
    words = ("-m", "pipeline", "monitor", "worse", "--against", "usual")
    found = json.loads(run(root, *words, "--json").stdout)
    assert found["verdict"] in ("drifted", "falling")
    assert (found["count"], found["before"]) == (36, 36)
    page = (root / "reports/monitor/monitor.html").read_text()
    assert "data:image/jpeg" in page
    assert not (root / "mlruns").exists()  # no store is made for it
    told = run(root, "-m", "pipeline", "monitor", "usual", "-o", "page.html").stdout
    assert told.startswith(("fine", "watch"))
    assert (root / "page.html").exists()


def test_mistakes_are_told_in_a_line(root):
    for words in ((), ("none",), ("usual", "--fit"), ("usual", "--on", "usual")):
        done = run(root, "-m", "pipeline", "monitor", *words, code=2)
        assert done.stderr.count("\n") == 1


def test_what_the_command_observes_is_judged_by_the_flow(root):
    words = ("usual", "-o", "sharp/", "--observe", "seen", "-q")
    run(root, "-m", "kdsharp", "sharpen", *words)
    (log,) = (root / "seen").glob("*.jsonl")
    assert len(log.read_text().splitlines()) == 36
    assert "usual" not in log.read_text()
    said = run(root, "-c", FLOW).stdout
    assert "STATE Nothing none: nothing was observed" in said
    assert "STATE Fine " in said or "STATE Watch " in said


RECORD = """
import json, sys
from pathlib import Path
from pipeline.monitoring.record import record
from pipeline.monitoring.verdict import Evidence, judge
from pipeline.monitoring.two_samples import Change, Difference
from pipeline.tracking.store import open_store
if sys.argv[1] == "make":
    open_store()
Path("page.html").write_text("<p>the page</p>")
change = Change(1.5, 1.0, -0.8, -0.2)
drift = [Difference("blocks", 0.6, 0.0, 2.0, 0.04, 0.16)]
verdict = judge(Evidence(60, 60, "the week before", change, drift=drift, disagreement=41.5))
print("RUN", record(verdict, Path("page.html")))
"""


def test_a_verdict_is_a_run_in_a_real_store(tmp_path):
    """In SQLite, beside the trainings and not among them."""
    first = run(tmp_path, "-c", RECORD, "look").stdout
    assert "RUN None" in first  # no store is made for it
    assert not (tmp_path / "mlruns/mlflow.db").exists()
    said = run(tmp_path, "-c", RECORD, "make").stdout
    run_id = next(line.split()[1] for line in said.splitlines() if line.startswith("RUN"))
    with sqlite3.connect(tmp_path / "mlruns/mlflow.db") as store:
        rows = store.execute("SELECT key, value FROM metrics WHERE run_uuid = ?", (run_id,))
        metrics = dict(rows.fetchall())
        (status, experiment) = store.execute(
            "SELECT r.status, e.name FROM runs r JOIN experiments e USING (experiment_id) "
            "WHERE r.run_uuid = ?",
            (run_id,),
        ).fetchone()
        tags = dict(store.execute("SELECT key, value FROM tags WHERE run_uuid = ?", (run_id,)))
    assert (status, experiment) == ("FINISHED", "kdsharp-monitor")
    assert metrics["verdict"] == 3
    assert metrics["gain.expected.change"] == -0.5
    assert (metrics["drift.blocks"], metrics["disagreement.psnr"]) == (0.6, 41.5)
    assert tags["kdsharp.verdict"] == "falling"
    assert "fell from 1.50 to 1.00" in tags["kdsharp.reasons"]
    pages = list((tmp_path / "mlruns").rglob("page.html"))
    assert [page.read_text() for page in pages] == ["<p>the page</p>"]
