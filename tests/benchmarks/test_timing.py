"""Rounds: everybody's turn in each, and numbers in milliseconds."""

from functools import partial

import pytest

from benchmarks.common.timing import Cell, run_rounds, summary


def test_every_cell_has_its_turn_in_every_round_and_another_begins():
    events: list[str] = []

    def prepare(key: str):
        events.append(f"load {key}")
        return lambda: events.append(f"call {key}")

    rounds: list[int] = []
    times = run_rounds([Cell(key, partial(prepare, key)) for key in "abc"], 2, rounds.append)
    assert [event[-1] for event in events if event.startswith("load")] == list("abcbca")
    assert rounds == [1, 2]
    # Quick calls are counted five times a turn, after one that is not.
    assert events[:7] == ["load a", *["call a"] * 6]
    assert {key: timing.calls for key, timing in times.items()} == dict.fromkeys("abc", 10)


def test_a_summary_is_in_milliseconds():
    timing = summary([0.004, 0.001, 0.002, 0.003, 0.005])
    assert (timing.median, timing.least, timing.calls) == (3, 1, 5)
    assert (timing.low, timing.high) == (2, 4)
    assert summary([0.5]).high == pytest.approx(500)


def test_nothing_to_time_is_no_error():
    assert run_rounds([], 3) == {}
