"""From a trained student to production and back, by the commands that people type."""

import contextlib
import hashlib
import json
import shutil
import sqlite3
import sys

import numpy as np
import pytest

from kdsharp.runtime.card import read_card
from kdsharp.runtime.engine import load_engine
from kdsharp.sharpening.sharpener import Sharpener
from tests.integration.checkout import Checkout
from tests.integration.conftest import commit
from tests.integration.verbs import verbs
from tests.pickled import pickled

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
    assert "kdsharp-teacher-x2-robust version 1: registered" in said
    assert f"{NAME}-robust version 1: registered" in said
    said = pipeline(project, "promote")
    assert "version 1: promoted: " in said
    assert "doing nothing" in said
    assert read_card(project.root / f"{FOLDER}-robust").degradation == "robust"
    gate = json.loads((project.root / "data/gate/index.json").read_text())
    assert gate["made"]["degradation"] == "robust"
    (version,) = status(project)["versions"]
    assert version["teacher"] == {"name": "kdsharp-teacher-x2-robust", "version": 1}
    # Judged on another degradation than its own, a teacher does not get through.
    project.set(degradation__name="bicubic")
    project.run("dvc", "repro", "-q", "gate")
    assert "degradation.name is not what was committed" in pipeline(project, "promote", code=2)
    commit(project, "Judge on another degradation")
    words = ("promote", "--model", "kdsharp-teacher-x2-robust")
    assert "made for robust x2, the gate set for bicubic x2" in pipeline(project, *words, code=1)


def test_a_student_that_no_teacher_taught_is_published(project):
    """From parameters to the package; the teacher of an earlier run lies beside it."""
    alone = {"student__teacher_weight": 0.0, "student__truth_weight": 1.0}
    said = retrained(project, "Nano", student__channels=16, **alone)
    name = "kdsharp-student-nano-x2"
    assert "teacher: none (learned from the truth alone)" in said
    assert f"{name} version 1: registered" in said
    assert "no teacher is registered" in pipeline(project, "status", "--model", "teacher", code=2)
    (version,) = status(project)["versions"]
    assert version["teacher"] is None

    to = ("--to", "weights")
    line = pipeline(project, "publish", *to, code=2)
    assert f"no version of {name} is in production" in line
    assert "never judged" in pipeline(project, "publish", "--version", "1", *to, code=2)
    pipeline(project, "promote")
    said = pipeline(project, "publish", *to, real=True)
    found = status(project)
    decision = found["history"][0]["decision"]
    assert f"{name} version 1, which passed the gate by decision {decision}" in said
    assert f"passed {decision}" in pipeline(project, "status", COLUMNS="200")
    folder = project.root / "weights/nano-x2"
    card, exported = read_card(folder), read_card(project.root / "models/export")
    assert card.gate["decision"] == decision == found["versions"][0]["gate"]["decision"]
    assert card.gate["gate_set"]["sha256"] == found["versions"][0]["gate"]["gate_set"]
    assert (card.sha256, card.int8) == (exported.sha256, exported.int8)
    page = (folder / "README.md").read_text()
    assert f"Decision `{decision}`" in page
    assert "no teacher took part" in page
    # The record that the id is the hash of is where MLflow's page of the run shows it.
    (record,) = (project.root / "mlruns").glob("artifacts/**/decision.json")
    assert hashlib.sha256(record.read_bytes()).hexdigest().startswith(decision)
    assert "ship is now publish" in pipeline(project, "ship", code=2)
    line = pipeline(project, "retrain", "--distill-only", real=True, code=2)
    assert "learns from no teacher" in line


def test_from_a_run_to_production_and_back(project):
    said = pipeline(project, "register", real=True)
    assert f"{NAME} version 1: registered" in said
    assert "kdsharp-teacher version 1: registered" in said
    again = pipeline(project, "register")
    assert f"{NAME} version 1: already registered, nothing to do" in again

    # Three photos: params.yaml accepts weak evidence, and the history says that it was.
    said = pipeline(project, "promote", real=True)
    assert "version 1: promoted: " in said
    assert "doing nothing" in said
    folder = project.root / FOLDER
    first = read_card(folder).sha256
    assert first == read_card(project.root / "models/export").sha256
    assert read_card(folder).int8 == read_card(project.root / "models/export").int8 is not None
    assert "in production already: nothing moves" in pipeline(project, "promote")

    # Trained on noise's terms: hardly at all.
    retrained(project, "Worse", student__loop__epochs=1, student__loop__lr=0.00001)
    refused = pipeline(project, "promote", code=1)
    assert "version 2: refused: " in refused
    assert "than the incumbent" in refused
    assert read_card(folder).sha256 == first

    line = pipeline(project, "promote", "--force", code=2)
    assert "--force needs --why" in line
    forced = pipeline(project, "promote", "--force", "--why", "to see it fail")
    assert "version 2: promoted: to see it fail" in forced
    back = pipeline(project, "rollback", "--why", "it failed", real=True)
    assert "version 1 is in production again, instead of version 2" in back
    assert read_card(folder).sha256 == first

    retrained(project, "Better", student__loop__epochs=8, student__loop__lr=0.002)
    said = pipeline(project, "promote")
    assert "version 3: promoted: " in said
    assert "the incumbent" in said
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
    assert all(e["weak"] for e in found["history"] if e["action"] == "promote")
    second = found["versions"][1]
    assert not second["gate"]["passed"]
    assert "than the incumbent" in second["gate"]["reason"]
    assert "weak evidence" in second["gate"]["reason"]
    assert second["teacher"] == {"name": "kdsharp-teacher", "version": 1}
    for key in ("commit", "data_hash", "params_hash", "parameters", "macs_per_pixel"):
        assert second[key]

    shown = pipeline(project, "status", real=True)
    assert "promote 1 -> 3" in shown
    assert (project.root / f"reports/promotion/{NAME}.html").read_text().count("<tr>") > 7
    assert "only 1 step back" in pipeline(project, "rollback", "--steps", "2", code=2)

    pipeline(project, "pull", "--alias", "production", "--to", "elsewhere", real=True)
    picture = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
    expected = Sharpener(folder).array(picture)
    assert np.array_equal(Sharpener(project.root / "elsewhere").array(picture), expected)


def test_no_artifact_is_a_pickle(project):
    """Of a whole run with teacher and student, both registered, judged and promoted."""
    pipeline(project, "register")
    pipeline(project, "promote")
    stored = list((project.root / "mlruns/artifacts").rglob("*.*"))
    assert {path.suffix for path in stored} >= {".onnx", ".safetensors", ".png", ".json"}
    assert pickled(project.root / "mlruns") == []
    assert pickled(project.root / "models") == []


def test_the_version_can_be_served_by_mlflow(project):
    """`models:/NAME@production` loads with MLflow alone, for any size."""
    pipeline(project, "register")
    pipeline(project, "promote")
    code = (
        "import mlflow, numpy as np\n"
        f"m = mlflow.pyfunc.load_model('models:/{NAME}@production')\n"
        "x = np.random.default_rng(0).random((1, 1, 33, 47), dtype=np.float32)\n"
        "(y,) = m.predict(x).values() if isinstance(m.predict(x), dict) else (m.predict(x),)\n"
        "np.save('answer.npy', y)\n"
    )
    store = f"sqlite:///{project.root}/mlruns/mlflow.db"
    project.run(sys.executable, "-W", "ignore", "-c", code, MLFLOW_TRACKING_URI=store)
    planes_NCHW = np.random.default_rng(0).random((1, 1, 33, 47), dtype=np.float32)
    expected = load_engine(project.root / FOLDER, "onnxruntime").run(planes_NCHW)
    np.testing.assert_allclose(np.load(project.root / "answer.npy"), expected, atol=1e-5)
    assert not np.allclose(expected, planes_NCHW, atol=1e-3)


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
        "assert len(c.get_metric_history(v.run_id, 'curve/val_psnr_y')) == 4\n"
        "assert run.data.params['student.channels'] == '8'\n"
        "assert run.data.metrics['test/psnr_y/student_onnx'] > 20\n"
    )
    project.run(sys.executable, "-W", "ignore", "-c", code)
    pipeline(project, "promote")
    assert status(project)["production"] == 1


def test_what_does_not_exist_is_one_line(project):
    for words in (["status"], ["promote"], ["rollback"], ["pull", "--to", "x"]):
        line = pipeline(project, *words, code=2)
        assert NAME in line or "no student is registered" in line
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
    with (project.root / "pipeline/services/mlflow_server.py").open("a") as opened:
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
    assert "repaired" in pipeline(project, "register")
    assert stored.read_bytes() == sound
    pipeline(project, "promote")
    stored.unlink()
    line = pipeline(project, "pull", "--alias", "production", "--to", "x", code=2)
    assert "run `python -m pipeline register`" in line
    # The incumbent is damaged: a sound candidate still gets in, measured against the input.
    retrained(project, "Longer", student__loop__epochs=6)
    said = pipeline(project, "promote")
    assert f"warning: {NAME} version 1: student.onnx" in said
    assert f"{NAME} version 2: promoted: " in said
    assert "doing nothing" in said
    assert status(project)["production"] == 2
    assert not stored.exists()


def test_a_moved_checkout(project, tmp_path):
    pipeline(project, "register")
    pipeline(project, "promote")
    project.root.rename(tmp_path / "moved")
    moved = Checkout(tmp_path / "moved")
    assert status(moved)["production"] == 1
    pipeline(moved, "pull", "--alias", "production", "--to", "elsewhere")
    assert "already registered" in pipeline(moved, "register")
    assert "nothing moves" in pipeline(moved, "promote")
    shutil.rmtree(moved.root / "mlruns/artifacts")
    assert "repaired" in pipeline(moved, "register")
    pipeline(moved, "pull", "--alias", "production", "--to", "again")
    assert not project.root.exists()


def test_a_student_from_the_production_teacher(project):
    """No teacher is trained, and a later whole retraining still knows that it has to."""
    pipeline(project, "register")
    pipeline(project, "promote", "--model", "teacher")
    before = project.outs()["models/teacher.safetensors"]
    project.set(teacher__loop__epochs=1, student__loop__epochs=5)
    commit(project, "Other parameters")
    (project.root / "models/teacher.safetensors").unlink()
    # One student has learned from it, and the second of three runs trains no other teacher.
    words = ("retrain", "--teacher-every", "3", "--promote")
    lines = pipeline(project, *words, real=True, code=1).splitlines()
    (said,) = [line for line in lines if line.startswith("no new teacher yet: kdsharp-teacher v")]
    assert "1 student learned from it so far" in said
    assert any("version 1 is less than a day old (registered" in line for line in lines)
    # A refused run is not green.
    with contextlib.closing(sqlite3.connect(project.root / ".prefect/prefect.db")) as database:
        states = database.execute("SELECT state_type, state_name FROM flow_run").fetchall()
    assert ("FAILED", "Refused") in states
    assert "kdsharp-teacher version 1: the student learns from it" in lines
    assert "student: ran" in lines
    assert not any(line.startswith("teacher: ") for line in lines)
    # The commit gives another student until it has the dvc.lock of this one.
    (line,) = [line for line in lines if line.startswith(f"{NAME} 2: refused: ")]
    assert "commit dvc.lock, then register again" in line
    commit(project, "Lock")
    assert "now with the lineage of" in pipeline(project, "register")
    assert f"{NAME} version 2: promoted: " in pipeline(project, "promote")
    assert project.outs()["models/teacher.safetensors"] == before
    stale = project.run("dvc", "status", "--json").stdout
    assert list(json.loads(stale)) == ["teacher"]
    assert "kdsharp-teacher version 1: known, the student learned from it" in lines
    taught_by = status(project)["versions"][-1]["teacher"]
    assert taught_by == {"name": "kdsharp-teacher", "version": 1}
    # The third one does, and judges it before its student.
    lines = pipeline(project, *words, real=True, code=1).splitlines()
    assert any(line.startswith("a new teacher is trained: ") for line in lines)
    assert "teacher: ran" in lines
    decided = [line.split(" ")[:3] for line in lines if ": refused: " in line]
    assert decided == [["kdsharp-teacher", "2:", "refused:"], [NAME, "3:", "refused:"]]


def test_a_person_decides(project):
    """Nobody to ask is a mistake; no is recorded; who was overtaken while waiting is told."""
    pipeline(project, "register")
    project.set(promotion__approval="manual")
    line = pipeline(project, "promote", code=2)
    assert "promotion.approval is not what was committed" in line
    commit(project, "Let a person decide")
    assert "promote at a terminal" in pipeline(project, "promote", code=2)
    code = """
from kdsharp.errors import TransientError
from pipeline.release.promotion.promote import Answer, promote

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


def test_weak_evidence_asks_a_person(project):
    """Without one nothing is promoted, and it is said how to answer."""
    pipeline(project, "register")
    project.set(promotion__weak="ask")
    commit(project, "Ask about weak evidence")
    line = pipeline(project, "promote", code=2)
    assert "passed on weak evidence, 30 crops of 3 photos, so a person decides" in line
    assert status(project)["production"] is None
    pipeline(project, "promote", "--accept-weak", "--why", "looked at them")
    (entry,) = status(project)["history"]
    assert (entry["why"], entry["weak"], entry["forced"]) == ("looked at them", True, False)


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
        project.root / "data/raw/test", project.root / "data/held_out", dirs_exist_ok=True
    )
    assert "evaluate is not up to date" in pipeline(project, "register", code=2)
    project.run("dvc", "repro", "-q")
    commit(project, "Measure on held-out photos")
    said = pipeline(project, "register")
    assert f"{NAME} version 1: already registered, now with the numbers of the last" in said
    pipeline(project, "promote")
    (version,) = status(project)["versions"]
    assert version["gate"]["numbers"]["held_out"]["gap_percent"] == 0
