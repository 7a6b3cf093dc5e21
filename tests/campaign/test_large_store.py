"""A store with years of runs and versions: the verbs stay quick."""

import shutil

import pytest

from tests.campaign.store import grow
from tests.integration.conftest import commit
from tests.integration.test_promotion import NAME, pipeline
from tests.integration.verbs import verbs

pytestmark = [pytest.mark.integration, pytest.mark.timeout(0)]

SMALL = 10  # versions
WHY = ("--why", "a test")
VERBS = (("register",), ("status",), ("judge",), ("promote", "--force", *WHY), ("rollback", *WHY))
MUST = {"status", "judge", "promote"}
TIMES = 2.0
NOISE_S = 0.3


@pytest.mark.campaign(
    "`register`, `status`, `judge`, `promote`, `rollback` in a store with ten times as many runs",
    unit="versions",
    slice=0,
    day=1000,
    full=1000,
)
def test_a_large_store(part, project, tmp_path):
    """CPU time of the commands, without Python's imports, in forks that have made them."""
    pipeline(project, "register")
    pipeline(project, "promote")
    project.set(student__loop__seed=2)
    project.run("dvc", "repro", "-q")
    commit(project, "Another")
    seconds = {}
    for versions in (SMALL, part.rounds):
        root = shutil.copytree(project.root, tmp_path / str(versions), symlinks=True)
        grow(root / "mlruns/mlflow.db", NAME, 10 * versions, versions)
        seconds[versions] = {words[0]: timed(root, *words) for words in VERBS}
        shutil.rmtree(root)
    few, many = seconds[SMALL], seconds[part.rounds]
    for verb in few:
        times = many[verb] / few[verb]
        part.note(
            f"`{verb}` {few[verb]:.1f} s with {SMALL} versions, {many[verb]:.1f} s: x{times:.1f}"
        )
    for verb in MUST:
        assert many[verb] < TIMES * few[verb] + NOISE_S, (verb, few, many)


def timed(root, *words):
    """CPU seconds; what only asks is asked twice, and the better time counts."""
    took = []
    for _ in range(2 if words[0] in {"status", "judge"} else 1):
        done = verbs()(root, *words)
        assert done.returncode in (0, 1), (
            done.stdout + done.stderr
        )  # 1: refused, judged all the same
        assert "Traceback" not in done.stderr
        took.append(done.cpu_s)
    return min(took)
