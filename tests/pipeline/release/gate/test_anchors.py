"""Small losses do not add up, and the incumbent's place has to be earned."""

import dataclasses

import numpy as np
import pytest

from pipeline.release.gate.checks import Provenance
from pipeline.release.gate.evidence import Anchor
from pipeline.release.gate.measure import measure
from pipeline.release.gate.report import markdown
from tests.pipeline.release.gate.test_decide import failed
from tests.pipeline.release.gate.test_measure import gate_set, quick, student_folder
from tests.pipeline.release.gated import POLICY, SOUND, compare, measured

__all__ = ["gate_set", "quick"]  # fixtures

ZERO = np.zeros(120)


def anchor(psnr, name="best", int8=None, **serving):
    """A version of so many dB more than the incumbent has."""
    usual = {"latency_ratio": 1.0}
    model = measured(np.full(120, 30.0 + psnr), **usual | serving)
    if int8 is not None:
        fast = measured(np.full(120, 30.0 + int8), precision="int8", **usual)
        model = dataclasses.replace(model, int8=fast)
    return Anchor(name, 3, model)


def text_of(decision, name):
    return next(check.text for check in decision.checks if check.name == name)


def test_what_is_no_worse_than_the_incumbent_may_be_too_far_behind_the_best():
    _, decision = compare(ZERO, anchors=[anchor(0.02)])
    assert not failed(decision)
    assert text_of(decision, "best") == (
        "not behind version 3, the best so far: -0.020 dB (-0.020 to -0.020), "
        "1.00 times its time, 1.00 its size"
    )
    _, decision = compare(ZERO, anchors=[anchor(0.04), anchor(0.01, "first")])
    assert failed(decision) == ["best"]
    assert "worse than version 3, the best so far: -0.040 dB" in decision.reason
    assert decision.numbers["anchors"]["best"]["mean"] == pytest.approx(-0.04)
    assert "| best | **no** |" in markdown(decision, "title")


@pytest.mark.parametrize(
    ("serving", "said"),
    [
        ({"latency_ratio": 1.3}, "1.30 times version 3, the first's time"),
        ({"size_bytes": 30_000}, "1.67 times version 3, the first's size"),
    ],
)
def test_neither_may_it_grow_step_by_step(serving, said):
    _, decision = compare(ZERO, anchors=[anchor(0.0, "first", **serving)])
    assert failed(decision) == ["first"]
    assert said in decision.reason


def test_the_int8_file_as_well():
    equal = {"int8": ZERO, "their_int8": ZERO}
    assert not failed(compare(ZERO, **equal, anchors=[anchor(0.0, int8=0.02)])[1])
    _, decision = compare(ZERO, **equal, anchors=[anchor(0.0, int8=0.05)])
    assert failed(decision) == ["int8 best"]


def test_an_anchor_that_cannot_be_scored_is_no_bar():
    broken = measured(None, loads=False, error="it is gone")
    _, decision = compare(ZERO, anchors=[Anchor("first", 1, broken)])
    assert not failed(decision)
    assert "no bar, because it cannot be scored: it is gone" in text_of(decision, "first")


SAME = SOUND
"""An incumbent that was trained on the candidate's photos."""


def test_to_be_no_worse_is_no_reason():
    _, decision = compare(ZERO, before=SAME)
    assert failed(decision) == ["reason"]
    assert "nothing else speaks for it (new data, smaller, faster would count)" in decision.reason
    assert not failed(compare(ZERO + 0.1, before=SAME)[1])
    # Of an older incumbent it may not be known.
    unknown = Provenance(None, None, None, None, None)
    assert not failed(compare(ZERO, before=unknown)[1])


@pytest.mark.parametrize(
    ("reason", "case"),
    [
        ("new data", {}),
        ("smaller", {"before": SAME, "size_bytes": 45_000}),
        ("faster", {"before": SAME, "latency_ratio": 0.8}),
    ],
)
def test_the_policy_names_what_counts(reason, case):
    assert not failed(compare(ZERO, **case)[1])
    only = POLICY.model_copy(update={"reasons": (reason,)})
    _, decision = compare(ZERO, **case, policy=only)
    assert not failed(decision)
    others = POLICY.model_copy(update={"reasons": tuple({*POLICY.reasons} - {reason})})
    assert failed(compare(ZERO, **case, policy=others)[1]) == ["reason"]
    # It does not make up for a loss.
    assert failed(compare(ZERO - 0.02, **case)[1]) == ["psnr"]


def test_anchors_are_measured_as_the_incumbent_is(tmp_path, gate_set):
    folder = student_folder(tmp_path / "model")
    (tmp_path / "gone").mkdir()
    anchors = {("first", 1): folder, ("best", 2): tmp_path / "gone"}
    comparison = measure("student", folder, folder, gate_set, POLICY, anchors)
    first, best = comparison.anchors
    assert (first.name, first.version, best.name, best.version) == ("first", 1, "best", 2)
    assert (first.model.quality.psnr_y == comparison.candidate.quality.psnr_y).all()
    assert first.model.serving.latency_ratio > 0
    assert not best.model.serving.loads
