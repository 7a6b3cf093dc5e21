"""From a trained student to production and back, by the commands that people type."""

import json
import shutil
import sys

import numpy as np
import pytest

from kdsharp.card import read_card
from kdsharp.sharpen import Sharpener
from tests.integration.checkout import Checkout
from tests.integration.conftest import commit
from tests.integration.verbs import verbs

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

NAME, FOLDER = "kdsharp-student-c8-x2", "models/production-c8-x2"
"""The tiny student is another variant than the default."""


def pipeline(checkout, *words, code=0, real=False, **env):
    """Run a verb; returns what it printed. Mistakes are one line without a traceback.

    `real` starts the command as people do, which takes ten seconds longer.
    """
    if real:
        done = checkout.run(sys.executable, "-m", "pipeline", *words, code=None, **env)
    else:
        done = verbs()(checkout.root, *words, **env)
    assert done.returncode == code, done.stdout + done.stderr
    if code:
        assert "Traceback" not in done.stdout + done.stderr
    if code == 2:
        (line,) = [line for line in done.stderr.splitlines() if "error: " in line]
        return line
    return done.stdout


def status(checkout, *words, **env):
    return json.loads(pipeline(checkout, "status", "--json", *words, **env))


def retrained(checkout, message, **params):
    """Another student: parameters changed, trained by DVC, committed, registered."""
    checkout.set(**params)
    checkout.run("dvc", "repro", "-q")
    commit(checkout, message)
    return pipeline(checkout, "register")


def test_a_swin_teacher_goes_the_same_way(project):
    said = retrained(
        project,
        "Swin",
        teacher__arch="swin",
        teacher__window=2,
        teacher__loop__epochs=4,
        student__feature_weight=0.1,
    )
    assert "kdsharp-teacher version 1: registered" in said
    assert f"{NAME} version 1: registered" in said
    assert "version 1: promoted" in pipeline(project, "promote", "--model", "teacher")
    assert "version 1: promoted" in pipeline(project, "promote")
    assert "Swin-T encoder" in (project.root / "reports/report.html").read_text()
    card = json.loads((project.root / FOLDER / "card.json").read_text())
    assert card["lineage"]["teacher"]["arch"] == "swin"


def test_a_student_for_every_kind_of_input_goes_the_same_way(project):
    said = retrained(project, "Robust", degradation__name="robust", promotion__worst_decile_db=0.5)
    assert f"{NAME}-robust version 1: registered" in said
    assert "version 1: promoted: better than doing nothing" in pipeline(project, "promote")
    assert read_card(project.root / f"{FOLDER}-robust").degradation == "robust"
    gate = json.loads((project.root / "data/gate/index.json").read_text())
    assert gate["made"]["degradation"] == "robust"


def test_from_a_run_to_production_and_back(project):
    said = pipeline(project, "register", real=True)
    assert f"{NAME} version 1: registered" in said
    assert "kdsharp-teacher version 1: registered" in said
    again = pipeline(project, "register")
    assert f"{NAME} version 1: registered before, nothing to do" in again

    assert "version 1: promoted: better than doing nothing" in pipeline(
        project, "promote", real=True
    )
    folder = project.root / FOLDER
    first = read_card(folder).sha256
    assert first == read_card(project.root / "models/export").sha256
    assert read_card(folder).int8 == read_card(project.root / "models/export").int8 is not None
    assert "in production already: nothing moves" in pipeline(project, "promote")

    # Trained on noise's terms: hardly at all.
    retrained(project, "Worse", student__loop__epochs=1, student__loop__lr=0.00001)
    refused = pipeline(project, "promote", code=1)
    assert "version 2: refused: " in refused
    assert "worse than the incumbent" in refused
    assert read_card(folder).sha256 == first

    line = pipeline(project, "promote", "--force", code=2)
    assert "--force needs --why" in line
    forced = pipeline(project, "promote", "--force", "--why", "to see it fail")
    assert "version 2: promoted: to see it fail" in forced
    back = pipeline(project, "rollback", "--why", "it failed", real=True)
    assert "version 1 is in production again, instead of version 2" in back
    assert read_card(folder).sha256 == first

    retrained(project, "Better", student__loop__epochs=8, student__loop__lr=0.002)
    assert "version 3: promoted: better than the incumbent" in pipeline(project, "promote")
    third = read_card(folder).sha256
    assert third == read_card(project.root / "models/export").sha256

    found = status(project)
    assert (found["production"], found["previous"]) == (3, 1)
    assert found["in_place"]
    assert [(e["action"], e["from"], e["to"], e["forced"]) for e in found["history"]] == [
        ("promote", None, 1, False),
        ("promote", 1, 2, True),
        ("rollback", 2, 1, False),
        ("promote", 1, 3, False),
    ]
    assert all(e["who"] and e["when"] and "now" in e["psnr_y"] for e in found["history"])
    second = found["versions"][1]
    assert second["kdsharp.gate"] == "refused"
    assert "worse than the incumbent" in second["kdsharp.gate_reason"]
    assert second["kdsharp.teacher_version"] == "kdsharp-teacher/1"
    for key in ("git_commit", "data_hash", "params_hash", "parameters", "macs_per_pixel"):
        assert second[f"kdsharp.{key}"]

    shown = pipeline(project, "status", real=True)
    assert "promote 1 -> 3" in shown
    assert (project.root / f"reports/promotion/{NAME}.html").read_text().count("<tr>") > 7
    assert "only 1 step back" in pipeline(project, "rollback", "--steps", "2", code=2)

    pipeline(project, "pull", "--alias", "production", "--to", "elsewhere", real=True)
    picture = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
    expected = Sharpener(folder).array(picture)
    assert np.array_equal(Sharpener(project.root / "elsewhere").array(picture), expected)


def test_the_version_can_be_served_by_mlflow(project):
    """`models:/NAME@production` loads with MLflow alone, for any size."""
    pipeline(project, "register")
    pipeline(project, "promote")
    code = (
        "import mlflow, numpy as np\n"
        f"m = mlflow.pyfunc.load_model('models:/{NAME}@production')\n"
        "x = np.random.default_rng(0).random((1, 1, 33, 47), dtype=np.float32)\n"
        "(y,) = m.predict(x).values() if isinstance(m.predict(x), dict) else (m.predict(x),)\n"
        "assert y.shape == x.shape\n"
    )
    store = f"sqlite:///{project.root}/mlruns/mlflow.db"
    project.run(sys.executable, "-W", "ignore", "-c", code, MLFLOW_TRACKING_URI=store)


def test_a_store_that_never_saw_the_run(project):
    """A fresh clone with files from the cache: the run is imported, curve and all."""
    shutil.rmtree(project.root / "mlruns")
    pipeline(project, "register")
    code = (
        "from mlflow import MlflowClient\n"
        f"c = MlflowClient('sqlite:///{project.root}/mlruns/mlflow.db')\n"
        f"v = c.get_model_version('{NAME}', '1')\n"
        "run = c.get_run(v.run_id)\n"
        "assert run.data.tags['kdsharp.imported'] == 'true', run.data.tags\n"
        "assert run.info.status == 'FINISHED'\n"
        "assert len(c.get_metric_history(v.run_id, 'val_psnr_y')) == 4\n"
        "assert run.data.params['student.channels'] == '8'\n"
        "assert run.data.metrics['test.student_onnx.psnr_y'] > 20\n"
    )
    project.run(sys.executable, "-W", "ignore", "-c", code)
    pipeline(project, "promote")
    assert status(project)["production"] == 1


def test_what_does_not_exist_is_one_line(project):
    for words in (["status"], ["promote"], ["rollback"], ["pull", "--to", "x"]):
        line = pipeline(project, *words, code=2)
        assert NAME in line
        assert "python -m pipeline register" in line
    pipeline(project, "register")
    assert "no version 7: its versions are 1" in pipeline(
        project, "promote", "--version", "7", code=2
    )
    line = pipeline(project, "pull", "--alias", "previous", "--to", "x", code=2)
    assert "no alias 'previous'" in line
    assert not (project.root / "x").exists()
    assert "no model 'stuudent'" in pipeline(project, "promote", "--model", "stuudent", code=2)
    assert "no way back" in pipeline(project, "rollback", code=2)
    line = pipeline(project, "pull", "--alias", "candidate", "--to", "docs", code=2)
    assert "holds no model" in line


def test_lineage_that_cannot_be_had_again_is_refused(project):
    """Uncommitted code, then the same files with it committed."""
    with (project.root / "pipeline/ui.py").open("a") as opened:
        opened.write("# changed\n")
    pipeline(project, "register")
    assert "commit them" in pipeline(project, "promote", code=1)
    assert status(project)["production"] is None
    commit(project, "Change")
    assert "now with the lineage of" in pipeline(project, "register")
    pipeline(project, "promote")
    project.set(student__loop__seed=2)
    assert "student is not up to date" in pipeline(project, "register", code=2)


def test_a_damaged_file_in_the_store(project):
    """Found out before anything moves, and mended by registering again."""
    pipeline(project, "register")
    (stored,) = (project.root / "mlruns").glob("artifacts/**/files/student.onnx")
    sound = stored.read_bytes()
    stored.write_bytes(sound[:-1] + b"x")
    assert "student.onnx is damaged in the store" in pipeline(project, "promote", code=2)
    assert not (project.root / FOLDER).exists()
    assert status(project)["production"] is None
    assert "mended" in pipeline(project, "register")
    assert stored.read_bytes() == sound
    pipeline(project, "promote")
    # The incumbent may be damaged: a sound candidate still gets in, measured against the input.
    stored.unlink()
    line = pipeline(project, "pull", "--alias", "production", "--to", "x", code=2)
    assert "run `python -m pipeline register`" in line


def test_a_moved_checkout(project, tmp_path):
    pipeline(project, "register")
    pipeline(project, "promote")
    project.root.rename(tmp_path / "moved")
    moved = Checkout(tmp_path / "moved")
    assert status(moved)["production"] == 1
    pipeline(moved, "pull", "--alias", "production", "--to", "elsewhere")
    assert "registered before" in pipeline(moved, "register")
    assert "nothing moves" in pipeline(moved, "promote")


def test_a_student_from_the_production_teacher(project):
    """No teacher is trained, and a later whole retraining still knows that it has to."""
    pipeline(project, "register")
    pipeline(project, "promote", "--model", "teacher")
    before = project.outs()["models/teacher.safetensors"]
    project.set(teacher__loop__epochs=1, student__loop__epochs=5)
    commit(project, "Other parameters")
    (project.root / "models/teacher.safetensors").unlink()
    lines = pipeline(project, "retrain", "--distill-only", "--promote", real=True).splitlines()
    assert "kdsharp-teacher version 1: the student learns from it" in lines
    assert "student: ran" in lines
    assert not any(line.startswith("teacher: ") for line in lines)
    assert any(line.startswith(f"{NAME} 2: promoted: ") for line in lines)
    assert project.outs()["models/teacher.safetensors"] == before
    stale = project.run("dvc", "status", "--json").stdout
    assert list(json.loads(stale)) == ["teacher"]
    assert "kdsharp-teacher version 1: known, the student learned from it" in lines
    assert status(project)["versions"][-1]["kdsharp.teacher_version"] == "kdsharp-teacher/1"


def test_a_person_decides(project):
    """Nobody to ask is a mistake; no is recorded; who was overtaken while waiting is told."""
    pipeline(project, "register")
    project.set(promotion__approval="manual")
    assert "promote at a terminal" in pipeline(project, "promote", code=2)
    code = """
from kdsharp.errors import TransientError
from pipeline.promotion.promote import Answer, promote

def no(report):
    assert "Passed" in report
    return Answer(False, "ann", "halos")

def yes(report):
    return Answer(True, "bob", "fine")

def late(report):
    assert promote(approve=yes).outcome == "promoted"
    return Answer(True, "eve", "")

done = promote(approve=no)
assert (done.outcome, done.reason) == ("rejected", "halos")
try:
    promote(approve=late)
except TransientError as error:
    assert "meanwhile bob put version 1 into production" in str(error)
else:
    raise AssertionError
"""
    project.run(sys.executable, "-c", code)
    (entry,) = status(project)["history"]
    assert (entry["to"], entry["who"], entry["why"]) == (1, "bob", "fine")


def test_a_version_that_was_deleted_by_hand(project):
    """What is in production stays so for its users, and the next candidate gets in."""
    pipeline(project, "register")
    pipeline(project, "promote")
    served = read_card(project.root / FOLDER).sha256
    code = (
        "from mlflow import MlflowClient\n"
        f"MlflowClient('sqlite:///{project.root}/mlruns/mlflow.db')"
        f".delete_model_version('{NAME}', '1')\n"
    )
    project.run(sys.executable, "-W", "ignore", "-c", code)
    assert status(project)["production"] == 1
    assert read_card(project.root / FOLDER).sha256 == served
    assert "version 2: registered" in pipeline(project, "register")
    said = pipeline(project, "promote")
    assert "version 1, in production, was deleted" in said
    assert status(project)["production"] == 2
    assert "no version 1" in pipeline(project, "rollback", code=2)


def test_the_gate_asks_for_the_gain_on_unseen_photos(project):
    """The test photos once more: what is gained on them is what is gained on them."""
    pipeline(project, "register")
    shutil.copytree(
        project.root / "data/raw/test", project.root / "data/unseen", dirs_exist_ok=True
    )
    assert "evaluate is not up to date" in pipeline(project, "register", code=2)
    project.run("dvc", "repro", "-q")
    commit(project, "Measure on unseen photos")
    said = pipeline(project, "register")
    assert f"{NAME} version 1: registered before, now with the numbers of the last" in said
    pipeline(project, "promote")
    (version,) = status(project)["versions"]
    assert json.loads(version["kdsharp.gate_numbers"])["unseen.gap_percent"] == 0
