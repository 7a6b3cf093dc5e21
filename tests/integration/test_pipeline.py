"""The whole pipeline through real DVC, at sizes that take seconds."""

import contextlib
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import time

import psutil
import pytest
from PIL import Image

from kdsharp import Sharpener
from kdsharp.imageio.decode import read_rgb
from tests.integration.checkout import Checkout, make_checkout
from tests.integration.conftest import commit
from tests.integration.servers import free_port

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

SAME = ("data/patches", "models/teacher.safetensors", "models/student.safetensors", "models/export")
STUDENT = "models/student.safetensors"
METRICS = {"psnr_y", "ssim_y", "psnr_rgb", "ssim_rgb"}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A checkout in which `dvc repro` has run from nothing to the report."""
    checkout = make_checkout(tmp_path_factory.mktemp("finished") / "checkout")
    checkout.run("dvc", "repro")
    return checkout


def test_the_results_have_the_agreed_form(finished):
    metrics = json.loads((finished.root / "reports/metrics.json").read_text())
    assert set(metrics) == {"val", "test"}
    for rows in metrics.values():
        names = {"input", "unsharp", "teacher", "student", "student_onnx", "student_int8"}
        assert set(rows) == names
        assert all(set(row) == METRICS for row in rows.values())
    # What is scored as the exported student is the trained one, to a rounding of 8 bit, and no file
    # that does nothing.
    for rows in metrics.values():
        values = {name: row["psnr_y"] for name, row in rows.items()}
        gain = abs(values["student"] - values["input"])
        assert gain > 0.02
        assert values["student_onnx"] == pytest.approx(values["student"], abs=gain / 10)
        assert values["student_int8"] == pytest.approx(values["student"], abs=gain / 4)


def test_everything_that_people_look_at_is_there(finished):
    for name in ("images.csv", "report.html", "curves/teacher.csv", "curves/student.csv"):
        assert (finished.root / "reports" / name).stat().st_size > 0
    assert list((finished.root / "reports/comparison").glob("*.png"))


def test_git_is_left_with_what_dvc_writes_about_the_files(finished):
    changed = finished.run("git", "status", "--porcelain").stdout.split("\n")
    assert {line[3:] for line in changed if line} == {"dvc.lock", "metrics.json"}


def test_a_second_repro_changes_nothing_quickly(finished):
    before = finished.outs()
    began = time.monotonic()
    said = finished.run("dvc", "repro").stdout
    assert "up to date" in said
    assert time.monotonic() - began < 30
    assert finished.outs() == before


def test_the_runs_of_one_retraining_belong_together(finished):
    with sqlite3.connect(finished.root / "mlruns/mlflow.db") as store:
        rows = store.execute("select run_uuid, key, value from tags").fetchall()
        states = store.execute("select status from runs").fetchall()
    store.close()
    runs = {}
    for run, key, value in rows:
        runs.setdefault(run, {})[key] = value
    stages = {tags["kdsharp.stage"]: tags for tags in runs.values()}
    assert set(stages) == {"retraining", "teacher", "student", "evaluate"}
    (parent,) = (run for run, tags in runs.items() if tags["kdsharp.stage"] == "retraining")
    below = {tags.get("mlflow.parentRunId") for run, tags in runs.items() if run != parent}
    assert below == {parent}
    assert len({tags["kdsharp.retraining"] for tags in stages.values()}) == 1
    assert states == [("FINISHED",)] * 4
    teacher_run = next(r for r, tags in runs.items() if tags["kdsharp.stage"] == "teacher")
    assert stages["student"]["kdsharp.teacher_run"] == teacher_run
    assert stages["teacher"]["kdsharp.dirty"] == "false"
    assert stages["teacher"]["kdsharp.data_hash"] == finished.outs()["data/raw/manifest.csv"]


def test_the_exported_model_sharpens_a_photo(finished, tmp_path):
    """As what is exported computes it in this process."""
    photo = finished.root / "data/raw/test/chelsea.png"
    model = finished.root / "models/export"
    low = read_rgb(photo)
    for precision in ("fp32", "int8"):
        expected = Sharpener(model, precision=precision).image(low)
        assert expected.tobytes() != low.tobytes()
        target = tmp_path / f"{precision}.png"
        finished.run(
            "kdsharp", "sharpen", str(photo), "-o", str(target), "--model", "models/export",
            "--precision", precision,
        )  # fmt: skip
        with Image.open(target) as sharp:
            assert sharp.convert("RGB").tobytes() == expected.tobytes()


def test_killed_five_times_it_ends_with_the_same_bytes(finished, tmp_path):
    checkout = make_checkout(tmp_path / "killed")
    root = checkout.root
    moments = {
        "photos are copied": lambda: (root / "data/.acquire").exists(),
        "patches are cut": lambda: any(root.glob("data/.part-patches-*/*_lr.npy")),
        "the teacher is training": lambda: any(root.glob(".checkpoints/teacher-*/last.pt")),
        "the teacher is written": lambda: (root / "models/teacher.safetensors").exists(),
        "the student is training": lambda: any(root.glob(".checkpoints/student-*/last.pt")),
    }
    for moment, reached in moments.items():
        process = checkout.start("dvc", "repro")
        while not reached():
            assert process.poll() is None, f"ended before {moment}"
            time.sleep(0.002)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    checkout.run("dvc", "repro")
    ours, theirs = checkout.outs(), finished.outs()
    assert {name: ours[name] for name in SAME} == {name: theirs[name] for name in SAME}


def test_a_plain_copy_without_git_works(finished, tmp_path):
    checkout = make_checkout(tmp_path / "copy", git=False)
    checkout.run("dvc", "repro")
    ours, theirs = checkout.outs(), finished.outs()
    assert {name: ours[name] for name in SAME} == {name: theirs[name] for name in SAME}


def test_push_and_pull_carry_the_results_to_another_machine(finished, tmp_path):
    remote = tmp_path / "remote"
    finished.run("dvc", "remote", "add", "-f", "--local", "-d", "store", str(remote))
    finished.run("dvc", "push")
    other = make_checkout(tmp_path / "other")
    for committed in ("dvc.lock", "metrics.json"):
        shutil.copy(finished.root / committed, other.root)
    other.run("dvc", "remote", "add", "--local", "-d", "store", str(remote))
    other.run("dvc", "pull")
    assert "up to date" in other.run("dvc", "repro").stdout
    assert (other.root / "reports/report.html").exists()
    for name in ("models/student.safetensors", "models/export/student.onnx"):
        assert (other.root / name).read_bytes() == (finished.root / name).read_bytes()


def test_changes_are_compared_and_experiments_run(finished, tmp_path):
    """What docs/daily-work.md shows: the diff has the numbers of the commit and of the files."""
    shutil.copytree(finished.root, tmp_path / "compared", symlinks=True)
    checkout = Checkout(tmp_path / "compared")
    commit(checkout, "Train")
    # A clone has no cache, and compares all the same.
    clone = Checkout(tmp_path / "clone")
    checkout.run("git", "clone", "-q", ".", str(clone.root))
    names = {"test.student.psnr_y", "test.student.gain_db", "model.parameters"}
    known = json.loads(clone.run("dvc", "metrics", "show", "--json").stdout)
    before = known[""]["data"]["metrics.json"]["data"]
    assert before["model"]["parameters"] > 0
    checkout.run("dvc", "exp", "run", "-S", "student.channels=4", "--name", "narrow")
    said = json.loads(checkout.run("dvc", "metrics", "diff", "--json").stdout)
    change = said["metrics.json"]
    assert names <= set(change)
    assert change["test.student.psnr_y"]["old"] == before["test"]["student"]["psnr_y"]
    # The teacher is the same, and so it is in no line.
    assert "test.teacher.psnr_y" not in change
    shown = checkout.run("dvc", "exp", "show", "--csv", "--only-changed").stdout
    assert "narrow" in shown
    assert "test.student.psnr_y" in shown
    assert "test.student.psnr_y" in checkout.run("dvc", "exp", "diff", "HEAD", "narrow").stdout
    checkout.run("dvc", "plots", "diff", "-o", "plots")
    page = (checkout.root / "plots/index.html").read_text()
    assert "student_csv" in page
    assert {"HEAD", "workspace"} <= set(re.findall(r'"rev": ?"(\w+)"', page))


def test_an_experiment_of_the_queue_keeps_its_runs(finished, tmp_path):
    checkout = copied(finished, tmp_path / "queued")
    commit(checkout, "Train")
    before = runs_of(checkout)
    checkout.run("dvc", "exp", "run", "--queue", "-S", "student.loop.seed=7")
    checkout.run("dvc", "exp", "run", "--run-all")
    assert runs_of(checkout) == before + 3  # student, evaluate, and the run above them
    assert checkout.run("git", "status", "--porcelain").stdout == ""


def runs_of(checkout):
    with contextlib.closing(sqlite3.connect(checkout.root / "mlruns/mlflow.db")) as store:
        return store.execute("select count(*) from runs").fetchone()[0]


def test_after_a_failed_experiment_two_commands_restore_everything(finished, tmp_path):
    """What docs/daily-work.md says."""
    checkout = copied(finished, tmp_path / "failed")
    commit(checkout, "Train")
    before = checkout.outs()
    checkout.run("dvc", "exp", "run", "-S", "student.loop.batch_size=1000", code=None)
    assert not (checkout.root / STUDENT).exists()
    checkout.run("git", "checkout", "-q", "HEAD", "--", "params.yaml", "dvc.lock", "metrics.json")
    assert not (checkout.root / STUDENT).exists()  # git alone does not bring it back
    checkout.run("dvc", "checkout")
    assert checkout.outs() == before
    assert (checkout.root / STUDENT).exists()
    assert checkout.run("git", "status", "--porcelain").stdout == ""
    assert "up to date" in checkout.run("dvc", "status").stdout


def test_the_teacher_is_trained_when_it_is_needed_and_not_when_its_weight_changes(
    finished, tmp_path
):
    checkout = make_checkout(tmp_path / "alone")
    checkout.set(student__teacher_weight=0.0, student__truth_weight=1.0)
    alone = checkout.run("dvc", "repro").stdout
    assert "no teacher is needed" in alone
    assert "teacher epoch" not in alone
    metrics = json.loads((checkout.root / "reports/metrics.json").read_text())
    assert "teacher" not in metrics["test"]
    assert metrics["test"]["student"]["psnr_y"] > metrics["test"]["input"]["psnr_y"] - 1
    checkout.set(student__teacher_weight=0.5)
    assert "teacher epoch  1/2" in checkout.run("dvc", "repro").stdout
    taught = (checkout.root / "models/teacher.safetensors").read_bytes()
    assert taught == (finished.root / "models/teacher.safetensors").read_bytes()
    checkout.set(student__teacher_weight=0.25)
    again = checkout.run("dvc", "repro", "student").stdout
    assert "teacher epoch" not in again
    assert "student epoch  1/2" in again


def test_added_photos_are_noticed(finished, tmp_path):
    checkout = make_checkout(tmp_path / "folder")
    photos = tmp_path / "my photos"
    shutil.copytree(finished.root / "data/raw", photos, ignore=shutil.ignore_patterns("*.csv"))
    added = photos / "train/moon.png"
    kept = added.read_bytes()
    added.unlink()
    checkout.set(data__source="folder", data__folder__path=str(photos))
    checkout.run("dvc", "repro", "patches")
    before = checkout.outs()
    added.write_bytes(kept)
    assert "up to date" not in checkout.run("dvc", "repro", "patches").stdout
    assert checkout.outs()["data/raw/train"] != before["data/raw/train"]
    assert checkout.outs()["data/raw/test"] == before["data/raw/test"]


def test_several_processes_train_one_network(finished, tmp_path):
    checkout = make_checkout(tmp_path / "several")
    checkout.set(teacher__loop__processes=2)
    checkout.run("dvc", "repro", "teacher")
    whole = (finished.root / "reports/curves/teacher.csv").read_text().splitlines()[-1].split(",")
    shared = (checkout.root / "reports/curves/teacher.csv").read_text().splitlines()[-1].split(",")
    assert [float(v) for v in shared] == pytest.approx([float(v) for v in whole], rel=1e-3)


def test_two_processes_are_one_training_also_when_it_is_forced(finished, tmp_path):
    """One clears the old checkpoint, asks the teacher and writes; the other finds what it needs."""
    checkout = copied(finished, tmp_path / "two")
    checkout.set(student__loop__processes=2, student__ensemble=True)
    repro, weights = ("dvc", "repro", "-s", "student"), checkout.root / STUDENT
    first = checkout.run(*repro).stdout
    assert first.count("asking the teacher") == 1
    assert first.count("student epoch  1/2") == 1
    made = weights.read_bytes()
    again = checkout.run(*repro, "-f").stdout
    assert again.count("student epoch  1/2") == 1
    assert "asking the teacher" not in again
    assert weights.read_bytes() == made
    noted = json.loads((checkout.root / "reports/environment/student.json").read_text())
    assert (noted["processes"], noted["threads"]) == (2, 1)


def test_two_machines_train_one_network(finished, tmp_path):
    """Each with folders of its own; the second begins without the first one's checkpoint."""
    machines = [copied(finished, tmp_path / name) for name in ("here", "there")]
    for checkout in machines:
        (checkout.root / STUDENT).unlink()
        shutil.rmtree(checkout.root / ".checkpoints")
    for expected in (["  1/2", "  2/2"], []):  # at the second time it is only delivered again
        said = together(machines)
        epochs = re.findall(r"student epoch( +\d/\d)", said[0])
        assert epochs == expected
        assert "epoch" not in said[1]
    here, there = (checkout.root for checkout in machines)
    assert not (there / STUDENT).exists()
    curve = "reports/curves/student.csv"
    ours, theirs = (
        [float(v) for v in (root / curve).read_text().splitlines()[-1].split(",")]
        for root in (here, finished.root)
    )
    assert ours == pytest.approx(theirs, rel=1e-3)


def together(machines):
    """What the stage says on each machine, when torchrun starts it by hand on both."""
    port = str(free_port())
    command = ["torchrun", "--nnodes", "2", "--nproc-per-node", "1", "--rdzv-backend", "c10d"]
    command += ["--rdzv-endpoint", f"127.0.0.1:{port}", "--rdzv-id", "kdsharp"]
    processes = []
    try:
        for number, checkout in enumerate(machines, start=1):
            address = f"127.0.0.{number}"
            processes.append(
                subprocess.Popen(
                    [*command, "--local-addr", address, "-m", "pipeline.stages.student"],
                    cwd=checkout.root,
                    env=checkout.env | {"GLOO_SOCKET_IFNAME": "lo"},
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                    start_new_session=True,
                )
            )
        said = [process.communicate(timeout=300)[0] for process in processes]
        assert [process.returncode for process in processes] == [0, 0], said
        # Whoever came first at the rendezvous is the first process, whichever machine that was.
        first = next((n for n, root in enumerate(machines) if (root.root / STUDENT).exists()), 0)
        if first:
            machines.reverse()
            said.reverse()
        return said
    finally:
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def test_ctrl_c_saves_a_checkpoint_of_both_processes(finished, tmp_path):
    checkout = copied(finished, tmp_path / "stopped")
    checkout.set(
        student__loop__processes=2, student__loop__epochs=200, student__loop__checkpoint_minutes=60
    )
    with repro_until(checkout, "student epoch  2/200") as (process, log):
        os.killpg(process.pid, signal.SIGINT)
        process.wait(timeout=300)
        (step,) = re.findall(r"stopped at step (\d+) of 1600, which is saved", log.read_text())
    with repro_until(checkout, f"resuming at step {step}"):
        pass


@contextlib.contextmanager
def repro_until(checkout, words):
    """`dvc repro` of the student once it has said `words`, and its log; it ends afterwards."""
    log = checkout.root.with_suffix(".log")
    with log.open("wb") as opened:
        process = subprocess.Popen(
            ("dvc", "repro", "-s", "student"),
            cwd=checkout.root,
            env=checkout.env | {"PYTHONUNBUFFERED": "1"},
            start_new_session=True,
            stdout=opened,
            stderr=opened,
        )
    try:
        while words not in log.read_text():
            assert process.poll() is None, log.read_text()
            time.sleep(0.1)
        yield process, log
    finally:
        # torchrun's processes have sessions of their own.
        for left in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if left.cwd() == str(checkout.root):
                    left.kill()
        process.wait(timeout=60)


def test_a_new_torch_makes_the_trainings_stale_and_another_package_does_not(finished, tmp_path):
    checkout = copied(finished, tmp_path / "upgraded")
    lock = checkout.root / "requirements.lock"
    kept = lock.read_text()

    def stale(**env):
        checkout.run("dvc", "repro", "environment", **env)
        said = json.loads(checkout.run("dvc", "status", "--json", **env).stdout)
        return set(said) & {"teacher", "student", "export"}

    lock.write_text(kept + "\nsomething==1.0\n")
    assert stale() == set()
    newer = tmp_path / "site/torch-99.0.dist-info"
    newer.mkdir(parents=True)
    (newer / "METADATA").write_text("Metadata-Version: 2.1\nName: torch\nVersion: 99.0\n")
    lock.write_text(kept + "\nsomething==2.0\n")
    assert stale(PYTHONPATH=str(newer.parent)) == {"teacher", "student", "export"}
    checkout.set(environment="ignore")
    ignored = (checkout.root / "data/environment.json").read_bytes()
    stale(PYTHONPATH=str(newer.parent))
    assert (checkout.root / "data/environment.json").read_bytes() != ignored


def copied(finished, root):
    shutil.copytree(finished.root, root, symlinks=True)
    return Checkout(root)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"teacher__loop__lr": 0.0}, "params.yaml: teacher.loop.lr is 0.0"),
        ({"teacher__loop__batch_size": 1000}, "64 patches do not fill a batch of 1000"),
        ({"teacher__loop__device": "cuda"}, "torch finds no CUDA GPU"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(finished, tmp_path, change, line):
    checkout = make_checkout(tmp_path / "mistake")
    shutil.copytree(finished.root / "data/patches", checkout.root / "data/patches")
    shutil.copy(finished.root / "data/needs.json", checkout.root / "data/needs.json")
    for name in finished.root.glob("data/raw/manifest.csv"):
        (checkout.root / "data/raw").mkdir(parents=True, exist_ok=True)
        shutil.copy(name, checkout.root / "data/raw")
    checkout.set(**change)
    python = shutil.which("python", path=checkout.env["PATH"])
    done = checkout.run(python, "-m", "pipeline.stages.teacher", code=2)
    last = done.stderr.strip().splitlines()[-1]
    assert line in last
    assert "Traceback" not in done.stdout + done.stderr
    assert not list((checkout.root / "models").glob("*.safetensors"))
