"""One stage through DVC's API, and its outcome: `repro` runs this in a process of its own."""

import json
import logging
import os
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from kdsharp.errors import describe, exit_code
from pipeline.parent import end_with_parent
from pipeline.paths import ERROR_FILE
from pipeline.workspace.rwlock import mend_rwlock

__all__ = ["Outcome", "killed_by", "main"]

Outcome = Literal["ran", "restored from cache", "unchanged"]


def main(name: str, outcome: str) -> int:
    """Do the stage `name`; the file `outcome` receives one of `Outcome`; returns an exit code.

    The file of `ERROR_FILE` receives why the stage failed, where it has not said so itself.
    """
    import dvc  # noqa: F401 - sets its logging up, which we then change

    # What a stage says passes; DVC's own words only if something is odd.
    logging.getLogger("dvc").setLevel(logging.WARNING)
    try:
        Path(outcome).write_text(_reproduce(name), encoding="utf-8")
    except Exception as error:  # noqa: BLE001 - all of DVC
        said = Path(os.environ[ERROR_FILE])
        if not said.exists():
            message, code, transient = _reason(list(_causes(error)))
            record = {"message": f"{name}{message}", "exit_code": code, "transient": transient}
            said.write_text(json.dumps(record), encoding="utf-8")
        return 1
    return 0


def killed_by(status: int) -> str | None:
    """What to say of a process that a signal ended: -9 as Python says it, 137 as a shell does."""
    with suppress(ValueError):
        if status < 0 or 128 < status < 128 + 65:
            number = signal.Signals(-status if status < 0 else status - 128)
            why = " (out of memory?)" if number is signal.SIGKILL else ""
            return f" was killed by {number.name}{why}: run the same command again"
    return None


def _reproduce(name: str) -> Outcome:
    from dvc.repo import Repo

    ran = False

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal ran
        # DVC passes the stage's name to every command that it runs.
        if event == "subprocess.Popen" and "DVC_STAGE" in (arguments[3] or {}):
            ran = True

    sys.addaudithook(watch)
    with Repo() as repo:
        mend_rwlock(repo)
        changed = repo.reproduce(name, single_item=True)
    if not changed:
        return "unchanged"
    return "ran" if ran else "restored from cache"


def _reason(chain: list[BaseException]) -> tuple[str, int, bool]:
    """The message behind the stage's name, the exit code, and whether another try may help."""
    from dvc.exceptions import DvcException
    from dvc.lock import LockError
    from dvc.stage.exceptions import StageCmdFailedError

    if any(isinstance(cause, LockError) for cause in chain):
        return ": another DVC command is at work in this checkout: wait for it to end", 2, True
    cause = chain[-1]
    text = " ".join(str(cause).split())
    if isinstance(cause, StageCmdFailedError):
        # The only place where DVC leaves the number.
        status = re.search(r"-?\d+$", text)
        killed = killed_by(int(status[0])) if status else None
        return killed or f": {text}", 1, killed is not None
    if isinstance(cause, DvcException):
        # A missing file, a wrong dvc.yaml: the user can fix it.
        return f": {text}", 2, False
    return f": {describe(cause)}", exit_code(cause), False


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """`error` and what it was raised from, the innermost last."""
    while error is not None:
        yield error
        error = error.__cause__


if __name__ == "__main__":
    end_with_parent(group=True)
    sys.exit(main(*sys.argv[1:]))
