import re
import sys
import time

from kdsharp import progress
from kdsharp.progress import Progress


def test_nothing_is_drawn_when_it_is_quick_or_no_terminal(monkeypatch, capsys):
    for terminal in (True, False):
        monkeypatch.setattr(sys.stderr, "isatty", lambda terminal=terminal: terminal)
        with Progress(2, "Work") as bar:
            bar.step()
            bar.say("line [b]1[/b]")
    assert capsys.readouterr().err == "line [b]1[/b]\n" * 2


def test_a_bar_comes_when_it_takes_longer(monkeypatch, capsys):
    monkeypatch.setattr(progress, "_PATIENCE", 0.01)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    with Progress(2, "Work") as bar:
        time.sleep(0.5)
        bar.step()
        bar.say("line [b]1[/b]")
    shown = capsys.readouterr().err
    assert "Work" in shown
    assert re.search(r"1/2\S* \d+\.\d per second, 0:0\d left", shown)
    assert "line [b]1[/b]" in shown
