"""The real commands, from pictures to a verdict, and the flow with its page."""

import json
import os
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
