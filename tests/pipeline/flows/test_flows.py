"""Stages through real DVC, without Prefect; tests/integration/test_retrain.py has the flow."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from kdsharp.errors import UserError
from pipeline.params import load_params
from pipeline.services.prefect_server import require_pages
from pipeline.workspace.dag import plan
from pipeline.workspace.repro import StageError, repro

ROOT = Path.cwd()

STAGE = """
import os, signal, sys, time
from pathlib import Path
from kdsharp.errors import TransientError, UserError
from pipeline.stages.run import run_stage

def main(params):
    mode = Path("mode.txt").read_text().strip()
    print("0 %\\r50 %\\r\\x1b[32mlearning\\x1b[0m", mode)
    if mode == "wrong":
        raise UserError("teacher.weights: no such file")
    if mode == "flaky":
        raise TransientError("the server cut off")
    if mode == "bug":
        raise RuntimeError("oops")
    if mode == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if mode == "long":
        Path("pid.txt").write_text(str(os.getpid()))
        try:
            time.sleep(60)
        except KeyboardInterrupt:
            Path("checkpoint.txt").write_text("saved")
            raise
    Path("second.txt").write_text(mode)

run_stage(main)
"""

DVC_YAML = """
stages:
  second:
    cmd: python stage.py
    deps: [first.txt, mode.txt]
    outs: [second.txt]
  first:
    cmd: echo one > first.txt
    outs: [first.txt]
"""


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """A checkout with two stages whose upstream one has run."""
    folder = tmp_path_factory.mktemp("template")
    shutil.copy(ROOT / "params.yaml", folder)
    (folder / "stage.py").write_text(STAGE)
    (folder / "dvc.yaml").write_text(DVC_YAML)
    (folder / "mode.txt").write_text("well")
    for arguments in (["init", "--no-scm", "-q"], ["repro", "-q", "first"]):
        subprocess.run([sys.executable, "-m", "dvc", *arguments], cwd=folder, check=True)
    return folder


@pytest.fixture
def checkout(template, tmp_path, monkeypatch):
    folder = tmp_path / "checkout"
    shutil.copytree(template, folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return folder


def set_mode(mode):
    Path("mode.txt").write_text(mode)


def test_each_stage_comes_after_what_it_needs(checkout):
    assert plan() == ["first", "second"]


def test_the_repo_s_own_plan():
    stages = plan()
    order = [stages.index(name) for name in ("acquire", "patches", "teacher", "student", "export")]
    assert order == sorted(order)
    assert stages.index("needs") < stages.index("teacher")
    assert stages[-1] == "evaluate"


@pytest.mark.parametrize("text", ["stages: 3\n", "stages:\n  a: {cmd: x, deps: [a], outs: [a]}\n"])
def test_a_wrong_dvc_yaml_is_named(checkout, text):
    Path("dvc.yaml").write_text(text)
    with pytest.raises(UserError, match=r"^dvc\.yaml: "):
        plan()


def test_no_stages(checkout):
    Path("dvc.yaml").unlink()
    with pytest.raises(UserError, match="no stages"):
        plan()


def test_a_person_needs_pages_to_answer_in(monkeypatch):
    params = load_params().promotion
    manual = params.model_copy(update={"approval": "manual"})
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    require_pages(params)
    with pytest.raises(UserError, match="make up first"):
        require_pages(manual)
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:4200/api")
    require_pages(manual)


def test_what_became_of_a_stage(checkout):
    said = []
    assert repro("second", said.append) == "ran"
    assert said == ["learning well"]  # no carriage returns, colours or chatter
    assert repro("second", said.append) == "unchanged"
    Path("second.txt").unlink()
    assert repro("second", said.append) == "restored from cache"
    assert said == ["learning well"]


def test_a_stage_that_is_not_ours_in_a_checkout_without_this_code(checkout):
    """A worktree may hold a commit that is older than the code that runs there."""
    Path("pipeline").mkdir()
    Path("pipeline/__init__.py").touch()
    assert repro("first", print) == "unchanged"
    Path("dvc.yaml").write_text(DVC_YAML.replace("echo one", "echo two"))
    assert repro("first", print) == "ran"
    assert Path("first.txt").read_text() == "two\n"


@pytest.mark.parametrize("shell", ["sh", "bash"])  # DVC takes $SHELL, and they speak differently
@pytest.mark.parametrize(
    ("mode", "message", "code", "transient"),
    [
        ("wrong", "teacher.weights: no such file", 2, False),
        ("flaky", "the server cut off", 2, True),
        ("bug", "internal error, RuntimeError: oops", 1, False),
        ("killed", "second was killed by SIGKILL (out of memory?)", 1, True),
    ],
)
def test_why_a_stage_failed(checkout, monkeypatch, mode, message, code, transient, shell):
    if (path := shutil.which(shell)) is None:
        pytest.skip(f"no {shell} here")
    monkeypatch.setenv("SHELL", path)
    set_mode(mode)
    said = []
    with pytest.raises(StageError) as error:
        repro("second", said.append)
    assert str(error.value).startswith(message)
    assert (error.value.exit_code, error.value.transient) == (code, transient)
    assert said == [f"learning {mode}"]


def test_dvc_s_own_errors(checkout):
    Path("mode.txt").unlink()
    with pytest.raises(StageError, match=r"second: .*mode\.txt") as error:
        repro("second", print)
    assert (error.value.exit_code, error.value.transient) == (2, False)


def test_another_dvc_at_work(checkout):
    set_mode("long")
    other = subprocess.Popen(
        [sys.executable, "-m", "dvc", "repro", "-q", "-s", "second"],
        env=os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(Path("pid.txt"))
        with pytest.raises(StageError, match="another DVC command") as error:
            repro("second", print)
        assert (error.value.exit_code, error.value.transient) == (2, True)
    finally:
        os.killpg(other.pid, signal.SIGKILL)
        other.wait()


def test_ctrl_c_ends_the_stage_politely(checkout):
    set_mode("long")
    main = threading.main_thread().ident

    def interrupt():
        wait_for(Path("pid.txt"))
        signal.pthread_kill(main, signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        repro("second", print)
    thread.join()
    assert Path("checkpoint.txt").read_text() == "saved"
    with pytest.raises(ProcessLookupError):
        os.kill(int(Path("pid.txt").read_text()), 0)


def wait_for(path):
    deadline = time.monotonic() + 60
    while not (path.exists() and path.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.1)


def test_nothing_of_prefect_is_loaded_before_its_settings_stand():
    """Else its console repeats each line, and prints the traceback of a user's mistake."""
    code = (
        "import sys, pipeline.flows.launch; from pipeline.params import load_params;"
        "from pipeline.services.prefect_server import configure, require_pages;"
        "from pipeline.workspace.dag import plan; print('prefect' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
