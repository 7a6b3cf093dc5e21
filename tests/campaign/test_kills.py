"""SIGKILL at random moments, of everything or of one process; then one more run."""

import contextlib
import json
import shutil
import sqlite3
import subprocess
import sys
import time
from collections import Counter

import psutil
import pytest

from tests.campaign.processes import kill_some, wait_until_alone
from tests.integration.checkout import make_checkout, make_short
from tests.integration.conftest import TRAINED
from tests.integration.test_pipeline import SAME
from tests.integration.test_retrain import environment
from tests.pipeline.flows.test_flows import DVC_YAML

pytestmark = [pytest.mark.integration, pytest.mark.timeout(0)]

IN_A_ROW = 5  # kills before the run that is let alone
PATIENCE_S = 120.0  # in which all processes have to be gone; more than 25 only on a busy machine

# Trains for a few seconds, keeps a checkpoint, and gives bytes that depend on every step.
STAGE = """
import hashlib, time
from pathlib import Path
from kdsharp.files import atomic_file
from pipeline.stages.run import run_stage

def main(params):
    kept = Path("kept.txt")
    step, digest = kept.read_text().split() if kept.exists() else ("0", "")
    for number in range(int(step), 40):
        digest = hashlib.sha256(f"{digest} {number}".encode()).hexdigest()
        time.sleep(0.1)
        with atomic_file(kept) as temporary:
            temporary.write_text(f"{number + 1} {digest}")
    with atomic_file(Path("second.txt")) as temporary:
        temporary.write_text(digest)

run_stage(main)
"""


@pytest.mark.campaign(
    "SIGKILL at a random moment of `dvc repro`, of one process or all; then another run",
    unit="kills",
    slice=2,
    day=50,
    full=50,
)
def test_kills_of_repro(part, trained, tmp_path):
    who, slowest, before, halves = Counter(), 0.0, 0, 0
    for number in range(0, part.rounds, IN_A_ROW):
        kills = min(IN_A_ROW, part.rounds - number)
        checkout = make_checkout(tmp_path / str(number))
        checkout.set(**TRAINED)
        for _ in range(kills):
            process = checkout.start("dvc", "repro")
            # Each run goes on from where the last one was ended.
            wait = part.rng.uniform(1, trained.seconds / kills)
            with contextlib.suppress(subprocess.TimeoutExpired):
                assert process.wait(wait) == 0
                before += 1
                break
            who[kill_some(psutil.Process(process.pid), part.rng)] += 1
            process.wait(PATIENCE_S)
            slowest = max(slowest, wait_until_alone(checkout.root, PATIENCE_S))
            halves += half_written(checkout.root)
        checkout.run("dvc", "repro")
        ours, theirs = checkout.outs(), trained.outs()
        assert {name: ours[name] for name in SAME} == {name: theirs[name] for name in SAME}
        assert not [*checkout.root.rglob(".part-*")]
        running = unfinished(checkout.root / "mlruns/mlflow.db")
        shutil.rmtree(checkout.root)
    part.note(f"{told(who)}: the same bytes, no process left after {slowest:.0f} s")
    part.note(f"runs in MLflow that stay unfinished in the last store: {running}")
    part.note(f"DVC's own list of locks half-written, and deleted: {halves} times")
    assert sum(who.values()) + before > 0


def half_written(checkout):
    """Delete the list that DVC was writing when it was killed, as docs/daily-work.md says."""
    listed = checkout / ".dvc/tmp/rwlock"
    with contextlib.suppress(FileNotFoundError):
        try:
            json.loads(listed.read_text())
        except ValueError:
            listed.unlink()
            return True
    return False


def unfinished(database):
    with contextlib.closing(sqlite3.connect(database)) as store:
        return store.execute("select count(*) from runs where status = 'RUNNING'").fetchone()[0]


def told(who):
    return ", ".join(f"{name} {count} times" for name, count in sorted(who.items())) or "none"


@pytest.fixture
def small(tmp_path):
    """A checkout with two short stages."""
    return make_short(tmp_path / "small", STAGE, DVC_YAML)


RETRAIN = [sys.executable, "-m", "pipeline", "retrain"]


@pytest.mark.campaign(
    "SIGKILL at a random moment of `python -m pipeline retrain`, of one process or all; "
    "then another run (two short stages)",
    unit="kills",
    slice=2,
    day=50,
    full=50,
)
def test_kills_of_retrain(part, small):
    began = time.monotonic()
    run = subprocess.run(RETRAIN, cwd=small, env=environment(), capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    seconds, whole = time.monotonic() - began, (small / "second.txt").read_text()
    who, slowest = Counter(), 0.0
    for number in range(0, part.rounds, IN_A_ROW):
        for name in ("first.txt", "second.txt", "kept.txt", "dvc.lock"):
            (small / name).unlink()
        shutil.rmtree(small / ".dvc/cache", ignore_errors=True)
        for _ in range(min(IN_A_ROW, part.rounds - number)):
            with subprocess.Popen(
                RETRAIN,
                cwd=small,
                env=environment(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            ) as process:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    assert process.wait(part.rng.uniform(0.5, seconds)) == 0
                    who["ended before"] += 1
                    continue
                who[kill_some(psutil.Process(process.pid), part.rng)] += 1
                process.wait(PATIENCE_S)
            slowest = max(slowest, wait_until_alone(small, PATIENCE_S))
        done = subprocess.run(RETRAIN, cwd=small, env=environment(), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert (small / "second.txt").read_text() == whole
    part.note(f"{told(who)}: the same bytes, no process left after {slowest:.0f} s")
