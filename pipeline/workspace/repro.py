"""One stage through DVC, in a process of its own: its lines, its outcome, why it failed."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import cast

from kdsharp.errors import KdsharpError
from pipeline.parent import PARENT
from pipeline.paths import ERROR_FILE
from pipeline.workspace.stage import Outcome, killed_by

__all__ = ["StageError", "repro"]


class StageError(KdsharpError):
    """A stage failed; the message is the stage's own line."""

    def __init__(self, message: str, exit_code: int = 1, *, transient: bool = False) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.transient = transient
        """Whether another try may help: nothing that the user did is wrong."""


# Both come back as the error: the last line of a stage, and what dash (where bash would say
# nothing) says of a command that a signal ended.
_LAST_LINE = "pipeline: error: "
_OBITUARIES = {signal.strsignal(number) for number in signal.valid_signals()}
# This code, not that of the commit that a worktree holds.
_ROOT = Path(__file__).parents[2]
_COLOR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_PATIENCE_S = {signal.SIGINT: 20, signal.SIGTERM: 5}
"""How long a stage may take to write its checkpoint when it is told to stop."""


def repro(stage: str, log: Callable[[str], None]) -> Outcome:
    """Run `dvc repro --single-item STAGE`; `log` gets each line worth reading.

    Raises `StageError`. Whatever interrupts the call ends DVC and the stage as well.
    """
    with tempfile.TemporaryDirectory(prefix="kdsharp-") as folder:
        outcome, error = Path(folder) / "outcome", Path(folder) / "error.json"
        # A session of its own: one signal reaches DVC, the stage and the stage's workers.
        with subprocess.Popen(
            [sys.executable, "-P", "-m", "pipeline.workspace.stage", stage, str(outcome)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=_environment(error),
            start_new_session=True,
        ) as process:
            try:
                for line in _lines(process):
                    if line and line not in _OBITUARIES and not line.startswith(_LAST_LINE):
                        log(line)
                code = process.wait()
            except BaseException:
                _stop(process)
                raise
        if code == 0:
            return cast(Outcome, outcome.read_text(encoding="utf-8"))
        raise _failure(stage, code, error)


def _environment(error: Path) -> dict[str, str]:
    # The commands in dvc.yaml say `python`: it must be this one, also where no venv is active.
    here = str(Path(sys.executable).parent)
    return {
        **os.environ,
        "PATH": os.pathsep.join([here, os.environ.get("PATH", os.defpath)]),
        # `-P` leaves out the working directory, which comes first for the stages themselves.
        "PYTHONPATH": os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH")])),
        "PYTHONUNBUFFERED": "1",
        ERROR_FILE: str(error),
        PARENT: str(os.getpid()),
    }


def _lines(process: subprocess.Popen[bytes]) -> Iterable[str]:
    """Lines as a terminal would show them: what a carriage return overwrites is gone."""
    assert process.stdout is not None
    for raw in process.stdout:
        text = raw.decode("utf-8", errors="replace").rstrip()
        yield _COLOR.sub("", text.rpartition("\r")[2]).rstrip()


def _failure(stage: str, code: int, error: Path) -> StageError:
    with contextlib.suppress(OSError, ValueError):
        said = json.loads(error.read_text(encoding="utf-8"))
        return StageError(said["message"], said["exit_code"], transient=said["transient"])
    killed = killed_by(code)
    message = f"{stage}{killed or f': DVC ended with {code}'}"
    return StageError(message, transient=killed is not None)


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
