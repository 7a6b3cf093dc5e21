"""The goals: reached, missed by how much, or not known."""

from benchmarks.front_parts.goals import judge
from benchmarks.front_parts.networks import SRCNN
from tests.benchmarks.found import found, method, row


def verdicts(*rows, **about):
    return {verdict.what: verdict for verdict in judge(found(*rows, **about))}


def test_a_run_without_students_reaches_and_misses_nothing():
    all_of_them = verdicts(row(method("unsharp mask"), (30, 30, 30), 5.0))
    assert {verdict.reached for verdict in all_of_them.values()} == {None}
    assert any("x3" in what for what in all_of_them)
    assert any("x4" in what for what in all_of_them)


def test_quality_is_judged_set_by_set_as_the_tables_round_it():
    said = verdicts(
        row(method("small-x2"), (37.1, 32.696, 31.6)), row(method("small-x2", "int8"), (37, 32, 31))
    )
    fp32 = said["small-x2: Set5 / Set14 / B100, fp32"]
    assert (fp32.reached, fp32.by) == (True, "+0.10 / +0.00 / +0.00")
    int8 = said["small-x2: Set5 / Set14 / B100, int8"]
    assert (int8.reached, int8.by) == (False, "+0.00 / -0.70 / -0.60")
    lost = said["small-x2: int8 below fp32 by"]
    assert (lost.reached, lost.found) == (False, "0.696 dB")


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
    said = verdicts(row(method("small-x3", scale=3), (33.2,)))
    verdict = said["small-x3: Set5 above ESPCN as published, fp32"]
    assert (verdict.aim, verdict.reached) == ("at least 33.13 dB", True)


def test_without_the_sets_of_the_field_quality_is_not_known():
    said = verdicts(row(method("small-x2"), (40.0,)), sets=("Set5",))
    assert said["small-x2: Set5 / Set14 / B100, fp32"].reached is None
