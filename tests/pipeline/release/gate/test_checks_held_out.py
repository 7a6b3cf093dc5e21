"""The gate's condition on photos of another source."""

import dataclasses
import json

import numpy as np
import pytest

from pipeline.release.gate.checks import HeldOut, read_held_out
from pipeline.release.gate.evidence import Decision
from pipeline.release.gate.report import markdown
from tests.pipeline.release.gated import compare

METRICS = {
    "test.input.psnr_y": 30.0,
    "test.student.psnr_y": 32.0,
    "held_out.input.psnr_y": 28.0,
    "held_out.student.psnr_y": 29.5,
    "held_out.student.gap_percent": 25.0,
    "held_out/Set5.student.gap_percent": 10.0,
    "held_out/a.b.student.gap_percent": 40.0,
    "held_out/a.b.student_onnx.gap_percent": 41.0,
}


def judged(metrics, asked=True, **policy):
    held_out = read_held_out(metrics, "student", "photos", asked)
    _, decision = compare(np.full(120, 0.1), held_out=held_out)
    (check,) = [check for check in decision.checks if check.name == "held_out"]
    assert check.passed == decision.passed
    return decision, check


def test_a_gap_within_the_limit_passes_with_its_numbers():
    decision, check = judged(METRICS)
    assert check.passed
    assert check.text == (
        "gains +1.50 dB on held-out photos, +2.00 dB on seen ones, a gap of 25.0 % "
        "(worst set: a.b, 40.0 %), 25 is allowed"
    )
    assert decision.numbers["held_out"] == {
        "seen_db": 2.0, "held_out_db": 1.5, "worst": "a.b", "gap_percent": 25.0, "limit": 25.0
    }  # fmt: skip
    assert Decision.of(dataclasses.asdict(decision)) == decision
    assert check.text in markdown(decision, "title")


def test_a_larger_gap_is_refused():
    decision, check = judged({**METRICS, "held_out.student.gap_percent": 25.1})
    assert not check.passed
    assert "a gap of 25.1 %" in decision.reason


def test_where_nothing_is_gained_on_seen_photos_it_is_refused():
    metrics = {k: v for k, v in METRICS.items() if "gap" not in k} | {"test.student.psnr_y": 29.9}
    decision, check = judged(metrics)
    assert not check.passed
    assert "there is no gain to keep a share of" in check.text
    json.dumps(dataclasses.asdict(decision), allow_nan=False)


@pytest.mark.parametrize("metrics", [{}, {"test.student.psnr_y": 32.0}])
def test_what_was_not_measured_is_skipped_in_words_or_refused_where_it_is_asked_for(metrics):
    decision, check = judged(metrics, asked=False)
    assert check.passed
    assert check.text == "skipped: photos holds no photos to measure the gain on held-out ones"
    assert "held_out" not in decision.numbers
    _, check = judged(metrics)
    assert not check.passed
    assert "is not known: dvc repro evaluate, then register again" in check.text


def test_what_was_measured_counts_even_where_nobody_asks():
    _, check = judged({**METRICS, "held_out.student.gap_percent": 60.0}, asked=False)
    assert not check.passed


def test_a_gap_that_is_no_number_is_refused():
    found = HeldOut("photos", True, 2.0, 1.0, float("nan"))
    _, decision = compare(np.full(120, 0.1), held_out=found)
    assert not decision.passed
