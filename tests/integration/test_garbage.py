"""What nobody needs, with real DVC and a real store: looked at first, then removed."""

import os
import time
from pathlib import Path

import pytest

from pipeline.tracking import runs as tracking
from pipeline.tracking.store import open_store
from pipeline.workspace.garbage import collect
from tests.pipeline.tracking.test_runs import LINEAGE
from tests.pipeline.workspace import test_worktree
from tests.pipeline.workspace.test_worktree import dvc, save

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

checkout, template = test_worktree.checkout, test_worktree.template


@pytest.fixture
def used(checkout):
    """Two commits' results and an overwritten third, four runs, and two trainings' checkpoints."""
    Path("code.txt").write_text("two\n")
    dvc("repro", "-q", at=checkout)
    save(checkout, "Two")
    Path("code.txt").write_text("forgotten\n")
    dvc("repro", "-q", at=checkout)
    for name in ("code.txt", "dvc.lock"):
        test_worktree.git("checkout", "-q", "--", name)
    dvc("checkout", "-q", at=checkout)
    for name, days in (("teacher-1", 10), ("student-2", 1)):
        path = Path(".checkpoints", name, "last.pt")
        path.parent.mkdir(parents=True)
        path.write_bytes(b"x" * 1_000_000)
        then = time.time() - days * 86400
        for each in (path, path.parent):
            os.utime(each, (then, then))
    return checkout


def test_it_looks_first_and_removes_what_nobody_needs(used):
    client = open_store()[0]
    ids = []
    for _ in range(4):
        with tracking.start("evaluate", LINEAGE) as run:
            run.file(Path("params.yaml"))
        ids.append(run.run_id)
    kept, served, history, gone = ids
    for run_id in (served, history, gone):
        client.delete_run(run_id)
    client.create_registered_model("kdsharp-student", {"kdsharp.history": history})
    client.create_model_version("kdsharp-student", "file:///nowhere", served)
    files = sorted(Path(".dvc/cache/files").rglob("*"))
    artifact = Path("mlruns/artifacts", gone, "artifacts/params.yaml")
    assert artifact.is_file()

    said = [found.what for found in collect(7, delete=False)]
    assert said == [
        "1 files that no commit names",
        "1 deleted runs",
        "1 of trainings untouched for 7 days, 1.0 MB",
    ]
    assert sorted(Path(".dvc/cache/files").rglob("*")) == files

    assert [found.what for found in collect(7, delete=True)] == said
    assert [path.name for path in Path(".checkpoints").iterdir()] == ["student-2"]
    assert not artifact.exists()
    for run_id, stage in ((kept, "active"), (served, "deleted"), (history, "deleted")):
        assert client.get_run(run_id).info.lifecycle_stage == stage
    assert [found.what[0] for found in collect(7, delete=False)] == ["0", "0", "0"]
    test_worktree.git("checkout", "-q", "HEAD~1")
    dvc("checkout", "-q", at=used)
    assert Path("first.txt").read_text() == "one\na\n"
