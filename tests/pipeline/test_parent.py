"""Processes whose parent is killed end too."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs POSIX")

CHILD = """
import os, sys, time
from pathlib import Path
from pipeline import parent
parent._LOOK_S = 0.2
if "late" in sys.argv:
    while os.getppid() == int(sys.argv[-1]):
        time.sleep(0.01)
parent.end_with_parent(group="group" in sys.argv)
assert parent.PARENT not in os.environ
Path("pid").write_text(str(os.getpid()))
try:
    time.sleep(60)
except KeyboardInterrupt:
    Path("end").write_text("saved")
    raise SystemExit
"""
STARTER = """
import os, subprocess, sys, time
from pipeline.parent import PARENT
told = {PARENT: str(os.getpid())} if "told" in sys.argv else {}
command = [sys.executable, "child.py", *sys.argv[1:], str(os.getpid())]
subprocess.Popen(command, env=os.environ | told, start_new_session="session" in sys.argv)
print(flush=True)
time.sleep(60)
"""


def until(happened):
    deadline = time.monotonic() + 30
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def start(folder, *words):
    (folder / "child.py").write_text(CHILD)
    return subprocess.Popen(
        [sys.executable, "-c", STARTER, *words],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(Path.cwd())},
        stdout=subprocess.PIPE,
        start_new_session=True,
    )


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("session", "told", "group"),
        # Gone before the child looks: it knows by the session, or was told who its parent is.
        ("late",),
        ("late", "session", "told"),
    ],
)
def test_a_child_ends_as_by_ctrl_c_when_its_parent_is_killed(tmp_path, words):
    with start(tmp_path, *words) as parent:
        parent.stdout.readline()
        if "late" not in words:
            until((tmp_path / "pid").exists)
            time.sleep(0.2)
            assert not (tmp_path / "end").exists()
        os.kill(parent.pid, signal.SIGKILL)
        until(lambda: (tmp_path / "end").exists() and (tmp_path / "end").read_text() == "saved")
    pid = int((tmp_path / "pid").read_text())
    until(
        lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    )


def test_it_stays_while_its_parent_lives(tmp_path):
    with start(tmp_path) as parent:
        until((tmp_path / "pid").exists)
        time.sleep(1)
        assert not (tmp_path / "end").exists()
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)
        parent.kill()
