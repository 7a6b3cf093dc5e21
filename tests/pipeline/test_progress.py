import io
import sys

import pytest

from pipeline import progress as module
from pipeline.progress import progress


def test_what_is_over_soon_shows_nothing(capsys):
    with progress("checking photos", 3, "photos") as show:
        show(1)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("unit", "line"),
    [
        ("photos", "x: 60 of 100, 8 s left\n"),
        ("bytes", "x: 60 bytes of 100 bytes, 5 bytes/s, 8 s left\n"),
    ],
)
def test_lines_give_amount_speed_and_time_left(capsys, monkeypatch, unit, line):
    now = 0.0
    monkeypatch.setattr(module.time, "monotonic", lambda: now)
    with progress("x", 100, unit, done=10) as show:
        for now, done in ((1.0, 20), (10.0, 60), (11.0, 70)):  # noqa: B007
            show(done)
    assert capsys.readouterr().err == line


def test_a_terminal_gets_a_bar(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(module, "_QUIET", 0.0)
    monkeypatch.setenv("TERM", "xterm")
    with progress("a.zip", 1000, "bytes") as show:
        show(500)
    assert "a.zip" in terminal.getvalue()
