"""One stage through DVC, in a process of its own: its lines, what became of it, why it failed."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Literal

from kdsharp.errors import KdsharpError
from pipeline.stages.run import ERROR_FILE

__all__ = ["Outcome", "StageError", "repro"]

Outcome = Literal["ran", "restored from cache", "unchanged"]


class StageError(KdsharpError):
    """A stage failed; the message is the stage's own line."""

    def __init__(self, message: str, exit_code: int = 1, *, transient: bool = False) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.transient = transient
        """Whether another try may help: nothing that the user did is wrong."""


# Said by DVC, and of no use within a flow. What a stage says passes.
_CHATTER = (
    "Generating lock file",
    "Updating lock file",
    "To track the changes with git, run:",
    "git add ",
    "To enable auto staging, run:",
    "dvc config core.autostage true",
    "Use `dvc push` to send your updates",
    "Data and pipelines are up to date.",
    "Running stage '",
    "> ",
    # These come back as the error, once.
    "ERROR: failed to reproduce",
    "pipeline: error: ",
)
# What dash (where bash would say nothing) says of a command that a signal ended: it is the error.
_OBITUARIES = {"Killed", "Terminated", "Segmentation fault", "Aborted", "Bus error"}
_BUSY = ("Unable to acquire lock", "is busy, it is being blocked by")
_EXITED = re.compile(r"exited with (-?\d+)")
_COLOR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_PATIENCE_S = {signal.SIGINT: 20, signal.SIGTERM: 5}
"""How long a stage may take to write its checkpoint when it is told to stop."""


def repro(stage: str, say: Callable[[str], None]) -> Outcome:
    """Run `dvc repro --single-item STAGE`; `say` gets each line worth reading.

    Raises `StageError`. Whatever interrupts the call ends DVC and the stage as well.
    """
    with tempfile.TemporaryDirectory(prefix="kdsharp-") as folder:
        error_file = Path(folder) / "error.json"
        # A session of its own: one signal reaches DVC, the stage and the stage's workers.
        with subprocess.Popen(
            [sys.executable, "-m", "dvc", "repro", "--single-item", stage],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=_environment(error_file),
            start_new_session=True,
        ) as process:
            try:
                outcome, last = _follow(_lines(process), stage, say)
                code = process.wait()
            except BaseException:
                _stop(process)
                raise
        if code != 0:
            raise _failure(stage, code, last, error_file)
    return outcome


def _environment(error_file: Path) -> dict[str, str]:
    # The commands in dvc.yaml say `python`: it must be this one, also where no venv is active.
    here = str(Path(sys.executable).parent)
    return {
        **os.environ,
        "PATH": os.pathsep.join([here, os.environ.get("PATH", os.defpath)]),
        "PYTHONUNBUFFERED": "1",
        "DVC_NO_ANALYTICS": "1",
        ERROR_FILE: str(error_file),
    }


def _lines(process: subprocess.Popen[bytes]) -> Iterable[str]:
    """Lines as a terminal would show them: what a carriage return overwrites is gone."""
    assert process.stdout is not None
    for raw in process.stdout:
        text = raw.decode("utf-8", errors="replace").rstrip()
        yield _COLOR.sub("", text.rpartition("\r")[2]).rstrip()


def _follow(
    lines: Iterable[str], stage: str, say: Callable[[str], None]
) -> tuple[Outcome, deque[str]]:
    outcome: Outcome = "unchanged"
    last: deque[str] = deque(maxlen=40)
    for line in lines:
        last.append(line)
        if line == f"Running stage '{stage}':":
            outcome = "ran"
        elif line.startswith(f"Stage '{stage}' is cached - skipping run"):
            outcome = "restored from cache"
        elif line == f"Stage '{stage}' didn't change, skipping":
            pass
        elif line and line not in _OBITUARIES and not line.lstrip().startswith(_CHATTER):
            say(line)
    return outcome, last


def _failure(stage: str, code: int, last: Iterable[str], error_file: Path) -> StageError:
    with contextlib.suppress(OSError, ValueError, LookupError, TypeError):
        record = json.loads(error_file.read_text(encoding="utf-8"))
        return StageError(
            record["message"], int(record["exit_code"]), transient=bool(record["transient"])
        )
    text = "\n".join(last)
    if any(words in text for words in _BUSY):
        message = f"{stage}: another DVC command is at work in this checkout: wait for it to end"
        return StageError(message, 2, transient=True)
    exited = _EXITED.search(text)
    number = _signal(int(exited[1]) if exited else code)
    if number is not None:
        message = f"{stage} was killed by {number.name}"
        if number is signal.SIGKILL:
            message += " (out of memory?)"
        return StageError(f"{message}: run the same command again", transient=True)
    errors = [line.removeprefix("ERROR: ") for line in last if line.startswith("ERROR: ")]
    # What DVC itself complains of (a missing file, a wrong dvc.yaml) the user can put right.
    own = exited is None and bool(errors) and "unexpected error" not in text
    return StageError(f"{stage}: {errors[-1] if errors else f'DVC ended with {code}'}", 1 + own)


def _signal(code: int) -> signal.Signals | None:
    """-9 as Python says it, or 137 as a shell does."""
    with contextlib.suppress(ValueError):
        if code < 0 or 128 < code < 128 + 65:
            return signal.Signals(-code if code < 0 else code - 128)
    return None


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the whole group: politely first, so that a training writes its checkpoint."""
    try:
        for number, seconds in _PATIENCE_S.items():
            os.killpg(process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.communicate(timeout=seconds)
                return
    except ProcessLookupError:
        pass
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
