"""A schedule that really fires: new photos, a new model in production, then nothing new."""

import itertools
import json
import shutil
import sqlite3
import urllib.request

import pytest
from PIL import Image

from tests.integration.checkout import REPOSITORY
from tests.integration.conftest import commit
from tests.integration.test_retrain import left_over
from tests.integration.test_services import Stand, wait_for

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1500)]

CRON, EVERY_MINUTE = 'cron: "0 3 * * 0"', 'cron: "* * * * *"'
LINE = "nothing changed: all"


@pytest.fixture
def stand(project):
    """A trained project with photos of its own, whose schedule fires every minute."""
    photos = project.root / "data/photos"
    for split in ("train", "val", "test"):
        shutil.copytree(project.root / "data/raw" / split, photos / split)
    with Image.open(photos / "train/astronaut.png") as photo:
        photo.rotate(90).save(photos / "train/new.png")
    project.set(data__source="folder")
    path = project.root / "prefect.yaml"
    assert CRON in path.read_text()
    path.write_text(path.read_text().replace(CRON, EVERY_MINUTE))
    change_code(project.root, "HEAD says: nothing changed: all")
    commit(project, "A folder of photos")
    # What is not committed must not be used.
    change_code(project.root, "not committed: nothing changed: all")
    stand = Stand(project.root)
    yield stand
    stand.down()
    assert left_over(project.root) == left_over(project.root / ".worktree") == []


def change_code(root, line):
    """Let the flow say `line` instead."""
    path = root / "pipeline/flows/retrain.py"
    text = (REPOSITORY / "pipeline/flows/retrain.py").read_text()
    assert LINE in text
    path.write_text(text.replace(LINE, line))


def finished(stand, count):
    """The first `count` runs that have ended, or nothing while there are fewer."""
    ended = [
        run
        for run in stand.runs()
        if run["name"] not in {"approve", "monitor"}
        and run["state_type"] in {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}
    ]
    assert all(run["state_type"] == "COMPLETED" for run in ended), stand.log("worker")
    return sorted(ended, key=lambda run: run["start_time"]) if len(ended) >= count else None


def logged(stand, run):
    """What the run has said; Prefect sends its last line a moment after its state."""
    body = {"logs": {"flow_run_id": {"any_": [run["id"]]}}, "sort": "TIMESTAMP_ASC"}

    def whole():
        lines = stand.ask("logs/filter", body)
        ours = [line["message"] for line in lines if line["task_run_id"] is None]
        return ours if ours and ours[-1].startswith("Finished in state") else None

    return wait_for(whole, 60)


def summary(stand, run):
    body = {
        "artifacts": {"flow_run_id": {"any_": [run["id"]]}, "key": {"any_": ["retrain-summary"]}}
    }
    return max(stand.ask("artifacts/filter", body), key=lambda each: each["created"])["data"]


def test_a_schedule_retrains_promotes_and_ends_early_when_nothing_is_new(stand, project):
    git = lambda *arguments: project.run("git", *arguments).stdout.strip()  # noqa: E731
    head, dirty = git("rev-parse", "HEAD"), git("status", "--porcelain")
    done = stand.up()
    assert done.returncode == 0, done.stderr

    # New photos: retrained, committed, registered, promoted.
    (first,) = wait_for(lambda: finished(stand, 1), 900)[:1]
    assert first["auto_scheduled"]
    lines = logged(stand, first)
    assert f"works on {git('log', '-1', '--format=%h %s')}" in lines
    assert "left out because not committed: pipeline/flows/retrain.py" in lines
    branch = git("for-each-ref", "--format=%(refname:short)", "refs/heads/retrain/")
    assert f"dvc.lock is committed: git merge {branch}" in lines
    assert git("diff", "--name-only", head, branch) == "dvc.lock\nmetrics.json"
    text = summary(stand, first)
    assert f"git merge {branch} && dvc checkout" in text
    assert "promoted" in text
    # The checkout is as it was, but for the model in production.
    assert (git("rev-parse", "HEAD"), git("status", "--porcelain")) == (head, dirty)
    assert git("-C", ".worktree", "status", "--porcelain") == ""
    (production,) = (project.root / "models").glob("production*")
    assert (production / "student.onnx").exists()
    with sqlite3.connect(project.root / "mlruns/mlflow.db") as store:
        commits = store.execute(
            "SELECT value FROM model_version_tags WHERE key = 'kdsharp.git_commit'"
        ).fetchall()
    assert commits == [(git("rev-parse", branch),)] * 2

    # The same photos, and nobody has merged yet: nothing is registered again.
    second = finished_after(stand, first)
    assert any(line.startswith(f"nothing new: {branch} has") for line in logged(stand, second))

    # Merged: every stage is up to date, by the committed code.
    change_code(project.root, "HEAD says: nothing changed: all")
    git("merge", "-q", branch)
    third = finished_after(stand, second)
    if any(line.startswith("nothing new") for line in logged(stand, third)):
        third = finished_after(stand, third)  # that one had begun before the merge
    assert any(line.startswith("HEAD says: nothing changed: all") for line in logged(stand, third))
    assert "**Nothing changed**" in summary(stand, third)
    assert git("for-each-ref", "refs/heads/retrain/").count("\n") == 0
    with sqlite3.connect(project.root / "mlruns/mlflow.db") as store:
        assert store.execute("SELECT COUNT(*) FROM model_versions").fetchone() == (2,)

    # One at a time, although it fired every minute.
    times = [(run["start_time"], run["end_time"]) for run in finished(stand, 3)]
    assert all(end <= start for (_, end), (start, _) in itertools.pairwise(times))

    # The deployments that people start, in the checkout itself, brought up to date as the summary
    # says.
    project.run("dvc", "checkout")
    assert started(stand, "promote/promote")["state_name"] == "Unchanged"
    assert (
        started(stand, "rollback/rollback")["state_type"] == "FAILED"
    )  # one promotion, no way back


def started(stand, deployment):
    """A run of `deployment`, once it has ended."""
    with urllib.request.urlopen(f"{stand.api}/deployments/name/{deployment}") as answer:
        found = json.load(answer)
    run = stand.ask(f"deployments/{found['id']}/create_flow_run")

    def ended():
        (now,) = (each for each in stand.runs() if each["id"] == run["id"])
        return now if now["state_type"] in {"COMPLETED", "FAILED", "CRASHED"} else None

    return wait_for(ended, 600)


def finished_after(stand, run):
    def later():
        found = [each for each in finished(stand, 1) if each["start_time"] > run["end_time"]]
        return found[0] if found else None

    return wait_for(later, 600)
