import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from kdsharp.errors import TransientError
from pipeline.lock import locked, waiting


@pytest.fixture(autouse=True)
def checkout(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def hold(taken, seconds):
    with locked("promote"):
        taken.set()
        time.sleep(seconds)


@pytest.fixture
def start():
    """Start a process that holds the lock for some seconds."""
    context = multiprocessing.get_context("fork")
    started = []

    def start(seconds):
        taken = context.Event()
        started.append(context.Process(target=hold, args=(taken, seconds)))
        started[-1].start()
        assert taken.wait(60)
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.join()


def test_the_second_is_told_who_is_at_work(start):
    holder = start(60)
    with pytest.raises(TransientError, match=rf"another promote .* \(process {holder.pid}, since"):
        locked("promote").__enter__()
    with locked("register"):
        pass


def test_who_is_patient_waits(start):
    start(0.5)
    with locked("promote", wait_s=60):
        pass


def test_a_killed_holder_lets_go(start):
    holder = start(60)
    os.kill(holder.pid, signal.SIGKILL)
    holder.join()
    with locked("promote"):
        pass


def test_released_for_a_while():
    with locked("promote") as lock:
        with pytest.raises(TransientError):
            locked("promote").__enter__()
        with lock.released(), locked("promote"):
            pass
        with pytest.raises(TransientError):
            locked("promote").__enter__()


def test_one_waits_for_the_other_and_says_so(tmp_path, caplog):
    caplog.set_level(logging.INFO, logger="pipeline.lock")
    path, events = tmp_path / "a" / "lock", []

    def second():
        with waiting(path, "the download"):
            events.append("second")

    with waiting(path, "the download"):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(0.2)
        events.append("first")
    thread.join()
    assert events == ["first", "second"]
    assert caplog.messages == ["another process is busy with the download: waiting for it"]


def test_what_a_holder_starts_does_not_hold():
    """A server or a stage that outlives its starter keeps nobody out."""
    with locked("promote"):
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
        fork = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
        fork.start()
    with locked("promote"):
        pass
    assert child.poll() is None
    assert fork.is_alive()
    fork.kill()  # first: it has the other end of the pipe that the child reads, too
    fork.join()
    child.communicate()
