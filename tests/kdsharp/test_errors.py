import errno

import pytest

from kdsharp.errors import KdsharpError, TransientError, UserError, describe, exit_code, run


@pytest.mark.parametrize(
    ("error", "line", "code"),
    [
        (UserError("bad  value\nof key"), "bad value of key", 2),
        (KdsharpError("ours"), "ours", 1),
        (TransientError("again"), "again", 2),
        (KeyboardInterrupt(), "interrupted", 130),
        (OSError(errno.ENOSPC, "x", "/a"), "the disk is full while writing /a: free some space", 2),
        (OSError(errno.ENOSPC, "x"), "the disk is full: free some space", 2),
        (PermissionError(errno.EACCES, "x", "/a b"), "/a b: permission denied", 2),
        (FileNotFoundError(errno.ENOENT, "x", "é\nf"), "é f: no such file or folder", 2),
        (OSError(errno.EFBIG, "x", "/a"), "/a: is larger than this file system allows", 2),
        (OSError(errno.EROFS, "x", "/a"), "/a: the file system is read-only", 2),
        (FileNotFoundError("no errno"), "internal error, FileNotFoundError: no errno", 1),
        (ZeroDivisionError(), "internal error, ZeroDivisionError: no message", 1),
    ],
)
def test_every_error_is_a_line_and_a_code(error, line, code, capsys):
    def fail():
        raise error

    assert line in describe(error)
    assert exit_code(error) == code
    assert run(fail) == code
    assert line.splitlines()[-1] in capsys.readouterr().err


def test_run_prints_one_last_line(capsys):
    def fail():
        print("before")
        raise UserError("over\nthere")

    assert run(fail, program="prog") == 2
    assert capsys.readouterr().err == "prog: error: over there\n"


@pytest.mark.parametrize(("code", "expected"), [(None, 0), (0, 0), (3, 3), ("text", 1)])
def test_run_passes_exit_codes_on(code, expected):
    def leave():
        raise SystemExit(code)

    assert run(leave) == expected
    assert run(lambda: None) == 0


def test_debug_shows_the_traceback(monkeypatch, capsys):
    monkeypatch.setenv("KDSHARP_DEBUG", "1")
    run(lambda: 1 / 0)
    assert "Traceback" in capsys.readouterr().err
