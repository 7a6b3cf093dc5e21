import io
import re
import sys
import time

import pytest

from kdsharp import progress
from kdsharp.progress import Progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def terminal(monkeypatch):
    """In the place of stderr, which a fixture cannot change for a test; draws at once."""
    made = Terminal()
    monkeypatch.setattr(sys, "stderr", made)
    monkeypatch.setattr(progress, "_PATIENCE", 0.0)
    monkeypatch.setattr(progress, "_EVERY", 0.01)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    return made


@pytest.fixture
def clock(monkeypatch):
    """Seconds that pass when a test says so."""
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def until(shown, text):
    """Waits for `text`, which a thread draws."""
    end = time.perf_counter() + 10
    while text not in shown():
        assert time.perf_counter() < end, shown()
        time.sleep(0.01)


def test_nothing_is_drawn_when_it_is_quick_or_no_terminal(monkeypatch, capsys):
    for is_terminal in (True, False):
        monkeypatch.setattr(sys.stderr, "isatty", lambda answer=is_terminal: answer)
        with Progress(2, "Work", lines=True) as bar:
            bar.step()
            bar.log("line [b]1[/b]")
    assert capsys.readouterr().err == "line [b]1[/b]\n" * 2


@pytest.mark.parametrize(
    ("total", "unit", "text"),
    [
        (100, "photos", "60 of 100 photos, 5.0 per second, 0:00:08 left"),
        (100, "", "60 of 100, 5.0 per second, 0:00:08 left"),
        (None, "frames", "60 frames, 5.0 per second"),
        (100, "bytes", "60 bytes of 100 bytes, 5 bytes per second, 0:00:08 left"),
        (90_000, "bytes", "60 bytes of 90.0 kB, 5 bytes per second, 4:59:48 left"),
        (59, "steps", "60 of 59 steps, 5.0 per second, 0:00:00 left"),
    ],
)
def test_it_tells_amount_speed_and_time_left(clock, total, unit, text):
    bar = Progress(total, "x", unit, done=10)
    clock[0] = 10.0
    bar.at(60)
    assert str(bar) == text


def test_what_was_done_before_is_no_speed_and_a_step_may_say_more(clock):
    bar = Progress(20, "train", "steps", done=10)
    clock[0] = 2.0
    assert str(bar) == "10 of 20 steps"
    bar.step("loss 0.25")
    assert str(bar) == "11 of 20 steps, 0.5 per second, 0:00:18 left, loss 0.25"
    bar.at(12, 22)
    assert str(bar).startswith("12 of 22 steps, 1.0 per second, 0:00:10 left")


def test_a_bar_comes_when_it_takes_longer(monkeypatch):
    drawn = terminal(monkeypatch).getvalue
    with Progress(2, "Work [b]on[/b]") as bar:
        bar.step()
        until(drawn, "1 of 2")
        bar.log("line [b]1[/b]")
        bar.step("[b]note[/b]")
        until(drawn, "2 of 2")
    shown = re.sub(r"\x1b\[[\d;?]*\w", "", drawn())
    assert "Work [b]on[/b] " in shown
    assert re.search(r"1 of 2, [\d.]+ per second, 0:00:0\d left", shown)
    assert "line [b]1[/b]\n" in shown
    assert "left, [b]note[/b]" in shown


def test_a_bar_of_bytes_and_one_that_is_quiet(monkeypatch):
    drawn = terminal(monkeypatch).getvalue
    with Progress(1000, "a.zip", "bytes") as bar:
        bar.at(500)
        until(drawn, "500 bytes of 1.0 kB")
    before = drawn()
    with Progress(1000, "a.zip", "bytes", quiet=True):
        time.sleep(0.05)
    assert drawn() == before


def test_lines_come_where_there_is_no_terminal(monkeypatch, capsys):
    monkeypatch.setattr(progress, "_PATIENCE", 0.0)
    shown = []

    def printed():
        shown.append(capsys.readouterr().err)
        return "".join(shown)

    bar = Progress(3, "checking", "photos", lines=True)
    bar.at(1)
    with bar:
        until(printed, "left\n")
    line = r"checking: 1 of 3 photos, [\d.]+ per second, \d+:\d\d:\d\d left\n"
    assert re.fullmatch(line, printed())


def test_without_lines_only_a_terminal_shows_it(monkeypatch, capsys):
    monkeypatch.setattr(progress, "_PATIENCE", 0.0)
    with Progress(3, "checking", "photos") as bar:
        bar.at(1)
        time.sleep(0.05)
    assert capsys.readouterr().err == ""


def test_a_step_costs_next_to_nothing(monkeypatch):
    """A network's training takes a thousand steps a second."""
    terminal(monkeypatch)
    with Progress(None, "train", "steps") as bar:
        start = time.process_time()
        for _ in range(20_000):
            bar.step("loss 0.25")
        assert (time.process_time() - start) / 20_000 < 50e-6
