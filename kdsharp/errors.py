"""Errors that people read: one line that says what is wrong, where, and what to do."""

import errno
import os
import sys
import traceback
from collections.abc import Callable

__all__ = [
    "INTERRUPTED",
    "KdsharpError",
    "TransientError",
    "UserError",
    "describe",
    "exit_code",
    "run",
]

INTERRUPTED = 130
"""The exit code after Ctrl-C."""


class KdsharpError(Exception):
    """A failure of ours; the message is one line for a person. Exit code 1."""

    exit_code = 1


class UserError(KdsharpError):
    """Something that the user can fix: a parameter, a file, a disk. Exit code 2."""

    exit_code = 2


class TransientError(UserError):
    """A failure that may pass, such as a dropped connection: worth another try."""


_DISK = {errno.ENOSPC: "the disk is full", errno.EDQUOT: "the disk quota is used up"}
_ACCESS = {
    errno.EACCES: "permission denied",
    errno.EPERM: "operation not permitted",
    errno.EROFS: "the file system is read-only",
    errno.ENOENT: "no such file or folder",
    errno.ENOTDIR: "not a folder",
    errno.EISDIR: "is a folder",
    errno.ENAMETOOLONG: "the file name is too long",
    errno.EFBIG: "is larger than this file system allows",
    errno.ELOOP: "its links form a loop",
}


def describe(error: BaseException) -> str:
    """The one line shown for `error`, without a trailing newline."""
    if isinstance(error, KdsharpError):
        return " ".join(str(error).split())
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    # A name may hold a line break; the message is one line.
    name = " ".join(str(getattr(error, "filename", None) or "").split())
    if isinstance(error, OSError) and error.errno in _DISK:
        where = f" while writing {name}" if name else ""
        return f"{_DISK[error.errno]}{where}: free some space, then run the same command again"
    if isinstance(error, OSError) and error.errno in _ACCESS and name:
        return f"{name}: {_ACCESS[error.errno]}"
    text = " ".join(str(error).split()) or "no message"
    hint = "set KDSHARP_DEBUG=1 for the traceback"
    return f"internal error, {type(error).__name__}: {text} ({hint})"


def exit_code(error: BaseException) -> int:
    """2 for what the user can fix, 130 for Ctrl-C, 1 for a failure of ours."""
    if isinstance(error, KdsharpError):
        return error.exit_code
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED
    known = isinstance(error, OSError) and (
        error.errno in _DISK or (error.errno in _ACCESS and bool(error.filename))
    )
    return 2 if known else 1


def run(main: Callable[[], object], *, program: str = "kdsharp") -> int:
    """Run `main` and turn any exception into one line on stderr; return the exit code.

    Entry points end with `sys.exit(run(main))`. The line is the last thing printed, so that it
    stays in view below progress bars and logs.
    """
    try:
        main()
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException as error:  # noqa: BLE001 - the last line of defence
        if os.environ.get("KDSHARP_DEBUG"):
            traceback.print_exc()
        sys.stdout.flush()
        print(f"{program}: error: {describe(error)}", file=sys.stderr, flush=True)
        return exit_code(error)
    return 0
