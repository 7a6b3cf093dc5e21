"""Gains and gaps, from made-up numbers."""

import pandas as pd
import pytest

from kdsharp.metrics import METRICS
from pipeline.evaluation.held_out import GAP, gain, headline, measured, with_gaps, worst_dataset
from pipeline.evaluation.scoring import averages

LOW = 30.0


def scores(gains):
    """A table of scores: split -> the student's gains in dB, one a photo."""
    rows = [
        {"split": split, "name": f"{number}.png", "method": method, **row(LOW + change)}
        for split, changes in gains.items()
        for number, step in enumerate(changes)
        for method, change in (("input", 0.0), ("student", step), ("teacher", 2 * step))
    ]
    return pd.DataFrame(rows)


def row(psnr):
    return {key: psnr if key.startswith("psnr") else psnr / 100 for key in METRICS}


def test_the_gap_is_the_share_of_the_gain_that_is_lost():
    table = scores(
        {"val": [9.0], "test": [2.0, 2.0], "held_out/Set5": [1.0], "held_out/a": [1.9, 1.7]}
    )
    results = with_gaps(averages(table))
    assert list(results) == ["val", "test", "held_out/Set5", "held_out/a", "held_out"]
    assert results["held_out/Set5"]["student"][GAP] == 50.0
    assert results["held_out/a"]["student"][GAP] == 10.0
    # Every set weighs the same, however many photos it has.
    assert gain(results, "held_out", "student") == pytest.approx(1.4)
    assert results["held_out"]["student"][GAP] == 30.0
    assert results["held_out"]["teacher"][GAP] == 30.0
    assert GAP not in results["held_out"]["input"]
    assert GAP not in results["test"]["student"]
    assert worst_dataset(results) == ("Set5", 50.0)
    assert headline(results) == (
        "The student gains +1.40 dB on held-out photos and +2.00 dB on seen ones: "
        "a gap of 30.0 % (worst: Set5, 50.0 %)"
    )


def test_lines_of_the_tables_have_the_field_s_order_and_photos():
    table = scores({"val": [1.0], "test": [2.0], "held_out/A": [1.0], "held_out/Set14": [1.0, 1.0]})
    lines = measured(with_gaps(averages(table)), table)
    assert [(line.title, line.photos) for line in lines] == [
        ("seen", 1), ("Set14", 2), ("A", 1), ("all held-out", 3)
    ]  # fmt: skip


def test_more_gain_on_unseen_photos_is_a_gap_below_zero():
    results = with_gaps(averages(scores({"test": [1.0], "held_out/a": [1.5]})))
    assert results["held_out"]["student"][GAP] == -50.0


@pytest.mark.parametrize("seen", [0.0, -0.5, 0.00001])
def test_where_nothing_is_gained_there_is_no_gap(seen):
    results = with_gaps(averages(scores({"test": [seen], "held_out/a": [1.0]})))
    assert GAP not in results["held_out"]["student"]
    assert worst_dataset(results) is None
    assert headline(results).endswith("there is no gap to report")


def test_without_unseen_sets_nothing_changes():
    results = averages(scores({"val": [1.0], "test": [2.0]}))
    assert with_gaps(results) is results
