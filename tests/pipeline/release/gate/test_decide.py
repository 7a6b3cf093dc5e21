import dataclasses
import json

import numpy as np
import pytest

from pipeline.release.gate.decide import decide
from pipeline.release.gate.evidence import Comparison
from tests.pipeline.release.gated import (
    BEFORE,
    NOT_ASKED,
    OUTS,
    POLICY,
    SOUND,
    compare,
    facts,
    measured,
    quality,
)


def noise(seed, photos=20, each=6, between=0.0, within=0.02):
    """(photos * each,) differences in dB without any true difference."""
    random = np.random.default_rng(seed)
    return np.repeat(random.normal(0, between, photos), each) + random.normal(
        0, within, photos * each
    )


def failed(decision):
    return [check.name for check in decision.checks if not check.passed]


def judged(candidate, incumbent, low):
    comparison = Comparison("student", candidate, incumbent, low, facts())
    return decide(comparison, SOUND, POLICY, NOT_ASKED, BEFORE)


def test_an_equal_model_passes_as_no_worse():
    _, decision = compare(np.zeros(120))
    assert decision.passed
    assert not decision.weak
    assert decision.against == "incumbent"
    assert decision.numbers["psnr_y"]["verdict"] == "no worse"
    assert decision.reason.startswith("no worse than the incumbent: +0.000 dB Y-PSNR")
    assert decision.gate_sha256 == "f" * 64


def test_small_noise_rarely_blocks_and_rarely_counts_as_better():
    """Photos that differ by 0.02 dB, many draws: the rates that a 95 % interval should have."""
    quick = POLICY.model_copy(update={"resamples": 500})
    decisions = [compare(noise(seed, between=0.02), policy=quick)[1] for seed in range(300)]
    verdicts = [decision.numbers["psnr_y"]["verdict"] for decision in decisions]
    assert np.mean([decision.passed for decision in decisions]) > 0.92
    assert verdicts.count("better") / 300 < 0.08
    worse = [verdict for verdict in verdicts if verdict.startswith("worse")]
    assert len(worse) / 300 < 0.08


def test_what_is_0_2_db_worse_is_refused():
    for seed in range(50):
        _, decision = compare(noise(seed, between=0.05, within=0.05) - 0.2)
        assert not decision.passed
        assert "psnr" in failed(decision)
    assert decision.reason.startswith("worse than the incumbent: -0.")
    assert "95 % interval -0." in decision.reason


def test_what_is_better_is_called_better():
    _, decision = compare(noise(1) + 0.12)
    assert decision.passed
    assert decision.reason.startswith("better than the incumbent: +0.1")


def test_a_loss_within_the_margin_is_a_loss():
    _, decision = compare(np.full(120, -0.02))
    assert failed(decision) == ["psnr"]
    assert decision.reason.startswith("worse than the incumbent: -0.020 dB")
    assert "which may not lie below 0" in decision.reason


def test_too_little_evidence_is_not_shown_to_be_no_worse():
    wide = np.repeat([-0.3, 0.3, -0.2, 0.25], 30)
    _, decision = compare(wide, photos=4, policy=weak("refuse"))
    assert failed(decision) == ["evidence", "psnr", "worst decile"]
    assert decision.numbers["psnr_y"]["verdict"] == "not shown to be no worse"


def test_a_better_mean_does_not_make_up_for_a_terrible_tenth():
    change = np.full(120, 0.3)
    change[::10] = -0.4
    _, decision = compare(change)
    assert failed(decision) == ["worst decile"]
    assert decision.numbers["psnr_y"]["verdict"] == "better"
    assert decision.numbers["worst_decile"] == {
        "crops": 12, "mean": pytest.approx(-0.4), "worst": pytest.approx(-0.4), "limit": -0.2
    }  # fmt: skip
    assert "-0.400 dB on average on the 12 of 120 crops" in decision.reason


def test_ssim_alone_can_refuse():
    comparison, _ = compare(np.zeros(120))
    ours = comparison.candidate
    worse = dataclasses.replace(ours.quality, ssim_y=ours.quality.ssim_y - 0.01)
    ours = dataclasses.replace(ours, quality=worse)
    decision = judged(ours, comparison.incumbent, comparison.input)
    assert failed(decision) == ["ssim"]
    assert "worse than the incumbent: -0.01000 SSIM" in decision.reason


def test_the_first_model_has_to_be_better_than_doing_nothing():
    _, decision = compare(np.full(120, 1.0), incumbent=False)
    assert decision.passed
    assert decision.against == "input"
    assert "better than doing nothing" in decision.reason
    assert "incumbent" not in decision.numbers
    _, decision = compare(np.zeros(120), incumbent=False)
    assert failed(decision) == ["psnr"]
    assert "not shown to be better than doing nothing" in decision.reason
    harmful = np.full(120, 2.0)
    harmful[:12] = -0.5
    assert failed(compare(harmful, incumbent=False)[1]) == ["worst decile"]


@pytest.mark.parametrize("error", ["card.json is missing", ""])
def test_an_incumbent_that_cannot_be_scored_is_said_and_not_in_the_way(error):
    scores = None if error else np.full(120, np.nan)
    broken = measured(scores, loads=not error, error=error)
    low = quality(np.full(120, 29.0))
    decision = judged(measured(np.full(120, 30.0)), broken, low)
    assert decision.passed
    assert decision.against == "input"
    said = {check.name: check.text for check in decision.checks}["incumbent"]
    assert (error or "120 of 120 crops have no finite score") in said


def test_a_model_that_does_not_load_is_refused_with_its_reason():
    broken = measured(None, loads=False, error="student.onnx: cannot be run", parity=None)
    low = quality(np.full(120, 29.0))
    decision = judged(broken, measured(np.full(120, 30.0)), low)
    assert failed(decision) == ["loads"]
    assert decision.reason == "it cannot be used: student.onnx: cannot be run"


def test_scores_that_are_no_numbers_are_refused():
    change = np.zeros(120)
    change[3] = np.nan
    _, decision = compare(change)
    assert failed(decision) == ["psnr"]
    assert "1 of 120 crops have no finite score" in decision.reason
    json.dumps(dataclasses.asdict(decision), allow_nan=False)
    assert failed(compare(np.full(120, np.inf))[1]) == ["psnr"]
    _, decision = compare(np.zeros(120), parity=np.nan, latency_ratio=np.nan)
    assert failed(decision) == ["parity", "latency"]
    json.dumps(dataclasses.asdict(decision), allow_nan=False)


@pytest.mark.parametrize(
    ("serving", "name", "said"),
    [
        ({"parity": 0.01}, "parity", "differ by 0.01 at most, 0.0001 is allowed"),
        ({"latency_ratio": 1.3}, "latency", "1.30 times the incumbent's time (10.0 and 10.0 ms)"),
        ({"latency_ms": 20.0}, "latency", "2.00 times the incumbent's time"),
        ({"latency_ms": None}, "latency", "could not be measured"),
        ({"size_bytes": 70_000}, "size", "1.40 times the incumbent's size (70,000 and 50,000"),
    ],
)
def test_what_serving_it_would_cost(serving, name, said):
    _, decision = compare(np.full(120, 0.2), **serving)
    assert failed(decision) == [name]
    assert said in decision.reason


@pytest.mark.parametrize(
    ("changes", "name", "said"),
    [
        ({"dirty": True}, "clean tree", "commit them, then register again"),
        ({"dirty": None}, "clean tree", "it is not known whether"),
        ({"git_commit": None, "dirty": None}, "lineage", "its commit is not known: register"),
        ({"git_commit": "", "data_hash": ""}, "lineage", "its commit and data hash are not known"),
        ({"params_hash": None}, "lineage", "hash of the parameters is not known"),
        ({"commit_data_hash": "a" * 32}, "data", "of its commit cccccccc names aaaaaaaa: commit"),
        ({"commit_data_hash": None}, "data", "has no dvc.lock that names its data: fetch"),
        ({"outs": {}}, "files", "it is not known which files dvc.lock had when it was registered"),
        (
            {"commit_outs": {**OUTS, "models/student.safetensors": "3" * 32}},
            "files",
            "models/student.safetensors is not what dvc.lock of its commit cccccccc names: commit",
        ),
        ({"commit_outs": {}}, "files", "data/patches and models/student.safetensors are not what"),
    ],
)
def test_what_is_not_known_of_its_origin_is_refused(changes, name, said):
    made = dataclasses.replace(SOUND, **changes)
    _, decision = compare(np.full(120, 0.2), provenance=made)
    assert failed(decision) == [name]
    assert said in decision.reason


def weak(what):
    return POLICY.model_copy(update={"weak": what})


@pytest.mark.parametrize("what", ["ask", "accept"])
def test_where_few_photos_cannot_tell_the_mean_counts_and_it_is_said(what):
    """A person decides about it, or has decided to take it."""
    gains = np.repeat([0.8, 2.4, 1.5], 40)  # the default run's, against doing nothing
    _, decision = compare(gains, photos=3, incumbent=False, policy=weak(what))
    assert decision.passed
    assert decision.weak
    assert decision.numbers["psnr_y"]["low"] < 0
    assert "not shown to be better than doing nothing: +1.567 dB" in decision.reason
    assert "so few photos cannot tell, and the mean alone counted (weak" in decision.reason
    (said,) = [check.text for check in decision.checks if check.name == "evidence"]
    assert f"promotion.weak: {what}" in said
    # It does not make up for a mean that is too low, nor for a loss that is certain.
    _, decision = compare(gains - 2, photos=3, incumbent=False, policy=weak(what))
    assert "psnr" in failed(decision)
    assert "psnr" in failed(compare(np.full(120, -0.02), photos=3, policy=weak(what))[1])


def test_the_policy_may_refuse_weak_evidence():
    _, decision = compare(np.full(120, 0.5), photos=3, policy=weak("refuse"))
    assert failed(decision) == ["evidence"]
    assert "weak evidence: 120 crops of 3 photos, enough would be 100 of 20" in decision.reason
    assert not failed(compare(np.full(120, 0.5), policy=weak("refuse"))[1])


def test_weak_evidence_is_said():
    _, decision = compare(np.zeros(120), photos=3)
    assert decision.passed
    assert decision.weak
    assert decision.reason.endswith(
        "(weak evidence: 120 crops of 3 photos, enough would be 100 of 20)"
    )
    assert compare(np.zeros(80))[1].weak


@pytest.mark.parametrize(
    ("leaks", "said"),
    [
        (None, "it is not known which photos it was trained on: register it again"),
        (("a.png is also train/b.png (the same file)",), "the gate set: a.png is also train/b"),
        (("a", "b", "c"), "the gate set: a, and 2 more"),
    ],
)
def test_what_has_seen_the_gate_set_is_refused(leaks, said):
    made = dataclasses.replace(SOUND, leaks=leaks)
    _, decision = compare(np.full(120, 0.2), provenance=made)
    assert failed(decision) == ["leakage"]
    assert said in decision.reason


def test_it_is_said_which_versions_were_passed_over():
    comparison, _ = compare(np.full(120, 0.2))
    said = "version 3 is no bar: it leaks"
    decision = decide(comparison, SOUND, POLICY, NOT_ASKED, BEFORE, [said])
    assert decision.passed
    assert ("incumbent", said) in [(check.name, check.text) for check in decision.checks]


def test_every_reason_is_told():
    made = dataclasses.replace(SOUND, dirty=True, commit_data_hash="a" * 32)
    _, decision = compare(np.full(120, -0.5), provenance=made, parity=1.0, size_bytes=10**6)
    names = ["clean tree", "data", "parity", "psnr", "worst decile", "size"]
    assert failed(decision) == names
    assert decision.reason.count(";") >= len(names) - 1
    assert "\n" not in decision.reason


def test_different_crops_cannot_be_compared():
    two, three = measured(np.zeros(120), 20), measured(np.zeros(120), 30)
    with pytest.raises(ValueError, match="different crops"):
        judged(two, three, quality(np.zeros(120)))


@pytest.mark.parametrize(
    ("made_for", "refused"),
    [(("bicubic", 2), []), (("bicubic", 3), ["degradation"]), (("noisy", 2), ["degradation"])],
)
def test_it_is_judged_on_what_it_was_made_for(made_for, refused):
    """Of a teacher no card says so, and numbers of another degradation look like numbers."""
    made = dataclasses.replace(SOUND, made_for=made_for)
    _, decision = compare(np.full(120, 0.2), provenance=made)
    assert failed(decision) == refused
    (said,) = [check.text for check in decision.checks if check.name == "degradation"]
    assert said.startswith(f"it is made for {made_for[0]} x{made_for[1]}, ")
