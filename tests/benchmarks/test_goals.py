"""The goals: reached, missed by how much, or not known."""

from benchmarks.front.goals import check_goals
from benchmarks.front.networks import SRCNN
from tests.benchmarks.found import found, method, row


def verdicts(*rows, **about):
    return {verdict.what: verdict for verdict in check_goals(found(*rows, **about))}


def test_a_run_without_students_reaches_and_misses_nothing():
    all_of_them = verdicts(row(method("unsharp mask"), (30, 30, 30), 5.0))
    assert {verdict.reached for verdict in all_of_them.values()} == {None}
    assert any("x3" in what for what in all_of_them)
    assert any("x4" in what for what in all_of_them)


def test_quality_is_judged_set_by_set_as_the_tables_round_it():
    said = verdicts(
        row(method("small-x2"), (37.1, 32.696, 31.6)), row(method("small-x2", "int8"), (37, 32, 31))
    )
    int8 = said["small-x2: Set5 / Set14 / B100, int8"]
    assert (int8.reached, int8.by) == (False, "+0.00 / -0.70 / -0.52")
    lost = said["small-x2: int8 below fp32 by"]
    assert (lost.reached, lost.found) == (False, "0.696 dB")
    said = verdicts(row(method("small-x2", "int8"), (37.1, 32.696, 31.52)))
    int8 = said["small-x2: Set5 / Set14 / B100, int8"]
    assert (int8.reached, int8.by) == (True, "+0.10 / +0.00 / +0.00")


def test_computation_and_time_have_upper_limits():
    said = verdicts(row(method("small-x2")), row(method("small-x2", "int8"), (), 10.5))
    assert said["small-x2: GMAC at 720p"].reached
    late = said["small-x2: int8, 720p, 2 threads"]
    assert (late.reached, late.by) == (False, "+0.5")


def test_srcnn_must_take_twelve_times_as_long():
    what = "small-x2: time beside SRCNN, int8, 720p, 2 threads"
    srcnn = row(method(SRCNN, "int8"), (), 120.0)
    assert verdicts(row(method("small-x2", "int8"), (), 10.0), srcnn)[what].reached
    missed = verdicts(row(method("small-x2", "int8"), (), 11.0), srcnn)[what]
    assert (missed.reached, missed.found, missed.by) == (False, "1/10.9", "1.10 times")


def test_the_other_engine_does_not_count():
    said = verdicts(row(method("small-x2", "int8", "onnxruntime"), (38, 33, 32), 1.0))
    assert said["small-x2: int8, 720p, 2 threads"].reached is None


def test_every_student_of_three_is_set_beside_espcn():
    said = verdicts(row(method("small-x3", "int8", scale=3), (33.2,)))
    verdict = said["small-x3: Set5 above ESPCN as published, int8"]
    assert (verdict.aim, verdict.reached) == ("at least 33.13 dB", True)


def test_the_deep_ones_have_goals_before_they_ship():
    said = verdicts(row(method("deep-large-x3", "int8", scale=3), (33.1,)))
    missed = said["deep-large-x3: Set5 above ESPCN as published, int8"]
    assert (missed.reached, missed.by) == (False, "-0.03")
    for name in ("deep-small-x3", "deep-small-x4", "deep-large-x4"):
        assert said[f"{name}: Set5 above ESPCN as published, int8"].reached is None
    aims = {v.what: v.aim for v in said.values()}
    what = "Set5 / Set14 / B100, int8"
    assert aims[f"deep-small-x2: {what}"] == "at least 37.25 / 32.85 / 31.63 dB"
    assert aims[f"deep-large-x2: {what}"] == "at least 37.50 / 33.05 / 31.85 dB"


def test_a_deep_one_may_take_a_tenth_more_than_the_plain_one():
    fp32 = row(method("deep-small-x2"), (), 44.0), row(method("small-x2"), (), 40.0)
    int8 = row(method("deep-small-x2", "int8"), (), 11.5), row(method("small-x2", "int8"), (), 10.0)
    said = verdicts(*fp32, *int8)
    reached, missed = (
        said[f"deep-small-x2: time beside small-x2, {p}, 720p, 2 threads"] for p in ("fp32", "int8")
    )
    assert (reached.reached, reached.found) == (True, "1.10 times")
    assert (missed.reached, missed.found, missed.by) == (False, "1.15 times", "1.05 times")
    what = "deep-large-x2: time beside large-x2, int8, 720p, 2 threads"
    assert verdicts(row(method("deep-large-x2", "int8"), (), 1.0))[what].reached is None


def test_without_the_sets_of_the_field_quality_is_not_known():
    said = verdicts(row(method("small-x2", "int8"), (40.0,)), sets=("Set5",))
    assert said["small-x2: Set5 / Set14 / B100, int8"].reached is None
