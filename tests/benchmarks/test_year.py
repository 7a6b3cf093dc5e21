"""The year's bookkeeping: cool-down, a person's trade, the tables and the picture."""

import numpy as np
from PIL import Image

from benchmarks.year.__main__ import _events, _regimes
from benchmarks.year.lines import FALSE_ALARM, Happened, Line
from benchmarks.year.plot import draw
from benchmarks.year.weeks import REGIMES, WEEKS, regime_of
from pipeline.monitoring.verdict import Evidence, Verdict


def line(name="with the loop, the gate decides", gains=(), **more):
    return Line(name, None, loop=True, gains=list(gains), **more)


def happened(week, outcome):
    return Happened(week, "drifted", outcome, {"noisy": 0.3}, -0.01, 0.4, "a reason")


def verdict(word):
    return Verdict(word, ["why"], Evidence(60, 60, "x"))


def test_four_drifts_follow_each_other():
    assert [regime_of(week).name for week in (0, 8, 9, 51)] == [
        "usual",
        "usual",
        "stronger compression",
        "scans",
    ]
    assert len(REGIMES) == 5
    assert FALSE_ALARM < REGIMES[1].begins < WEEKS


def test_an_alarm_asks_once_in_the_cool_down():
    ours = line()
    assert not ours.asks(20, verdict("watch"))
    assert not ours.asks(20, None)
    assert ours.asks(20, verdict("falling"))
    ours.events.append(happened(20, "refused"))
    assert not ours.asks(21, verdict("falling"))
    assert ours.asks(22, verdict("falling"))
    assert line().asks(FALSE_ALARM, verdict("fine"))


def test_tables_and_picture(tmp_path):
    gains = np.linspace(1, 0, WEEKS)
    lines = [
        Line("without the loop", None, loop=False, gains=list(gains)),
        line(gains=gains + 0.2, events=[happened(FALSE_ALARM, "refused"), happened(9, "promoted")]),
        line("with the loop, and a person", gains=gains + 0.4, events=[happened(9, "forced")]),
    ]
    table = _regimes(lines)
    assert table.count("\n") == len(REGIMES) + 2
    assert "| the year |  | +0.50 | +0.70 | +0.90 |" in table
    rows = _events(lines).splitlines()[2:]
    assert [row.split(" | ")[0] for row in rows] == ["| 5", "| 9", "| 9"]
    assert "false alarm" in rows[0]
    assert "noisy 0.30" in rows[1]
    draw(lines, tmp_path / "year.png")
    with Image.open(tmp_path / "year.png") as drawn:
        assert drawn.size == (1100, 520)
        assert np.asarray(drawn.convert("L")).std() > 10
