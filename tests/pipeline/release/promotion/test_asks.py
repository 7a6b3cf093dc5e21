"""When a person decides, and how to answer where nobody can be asked."""

import numpy as np
import pytest

from kdsharp.errors import UserError
from pipeline.params import load_params
from pipeline.release.promotion.decision_record import Recorded
from pipeline.release.promotion.judge import Judged
from pipeline.release.promotion.promote import Answer, _settle, question
from pipeline.release.registry.history import Entry
from pipeline.release.registry.versions import Version
from tests.pipeline.release.gated import POLICY, compare

NOBODY, ANN = Answer(True, "me", ""), Answer(True, "ann", "looked at them")


def judged(photos, gain=0.5, weak="ask"):
    policy = POLICY.model_copy(update={"weak": weak})
    _, decision = compare(np.zeros(120) + gain, photos=photos, incumbent=False, policy=policy)
    version = Version("kdsharp-student", 1, {}, 0, "models:/m-1", None)
    nothing = Entry(0, "promote", (), None, "", "", "")
    return Judged(version, nothing, None, decision, Recorded("0" * 12, "report", b""))


def params(approval="auto", weak="ask"):
    found = load_params()
    promotion = found.promotion.model_copy(update={"approval": approval, "weak": weak})
    return found.model_copy(update={"promotion": promotion})


def test_enough_evidence_asks_nobody():
    assert question(judged(20), params(), weak=False) == ""
    assert _settle(judged(20), False, NOBODY, "", None).outcome == "promoted"


def test_weak_evidence_waits_for_a_person():
    case = judged(3)
    assert case.decision.passed
    asked = question(case, params(), weak=True)
    with pytest.raises(UserError, match="3 photos, so a person decides: promote at a"):
        _settle(case, False, NOBODY, asked, None)
    assert "--accept-weak" in asked
    assert "\n" not in asked
    shown = []
    yes = _settle(case, False, NOBODY, asked, lambda report: shown.append(report) or ANN)
    assert (yes.outcome, yes.who, yes.reason, shown) == (
        "promoted", "ann", "looked at them", ["report"]
    )  # fmt: skip
    no = _settle(case, False, NOBODY, asked, lambda _: Answer(False, "ann", "too few"))
    assert (no.outcome, no.reason) == ("rejected", "too few")


def test_what_is_refused_asks_nobody():
    case = judged(3, gain=-0.5)
    assert _settle(case, False, NOBODY, "a question", None).outcome == "refused"


def test_the_reason_says_that_the_mean_alone_counted():
    gains = np.repeat([0.8, 2.4, 1.5], 40)
    verdict = _settle(judged(3, gains), False, NOBODY, "", None)
    assert verdict.reason == (
        "+1.567 dB against doing nothing by the mean alone, on weak evidence (-0.426 to +3.559 dB)"
    )


def test_approval_is_asked_for_whatever_the_evidence():
    asked = question(judged(20), params("manual"), weak=False)
    assert asked.startswith("promotion.approval is manual: promote at a terminal")
