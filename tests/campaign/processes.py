"""Trees of processes: whom to kill, and who is left."""

import contextlib
import os
import signal
import time
from pathlib import Path

import numpy as np
import psutil


def working_in(folder: Path) -> list[psutil.Process]:
    """Processes that run in `folder` or below it; this one, and what has ended, are none."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            lives = process.status() != psutil.STATUS_ZOMBIE and process.pid != os.getpid()
            if lives and Path(process.cwd()).is_relative_to(folder):
                found.append(process)
    return found


def kill_some(root: psutil.Process, rng: np.random.Generator) -> str:
    """SIGKILL for a process of the tree below `root`, or all of it; returns which."""
    with contextlib.suppress(psutil.NoSuchProcess):
        tree = [root, *root.children(recursive=True)]
        if rng.random() < 0.4:
            for process in tree:
                with contextlib.suppress(psutil.Error):
                    process.kill()
            return "all"
        number = int(rng.integers(len(tree)))
        with contextlib.suppress(psutil.Error):
            tree[number].kill()
            return "the first" if number == 0 else "one below it"
    return "none"


def wait_until_alone(folder: Path, seconds: float) -> float:
    """How long it took until no process works in `folder`; ends those that stay, and fails."""
    began = time.monotonic()
    while left := working_in(folder):
        if time.monotonic() - began > seconds:
            said = [process.cmdline() for process in left if process.is_running()]
            for process in left:
                with contextlib.suppress(psutil.Error):
                    process.send_signal(signal.SIGKILL)
            raise AssertionError(f"after {seconds} s there still work: {said}")
        time.sleep(0.1)
    return time.monotonic() - began
