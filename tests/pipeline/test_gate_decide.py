import dataclasses
import json

import numpy as np
import pytest

from kdsharp.errors import UserError
from pipeline.gate.decide import Decision, Provenance, decide
from tests.pipeline.gated import NOT_ASKED, POLICY, SOUND, compare, facts, measured, quality


def noise(seed, photos=20, each=6, between=0.0, within=0.02):
    """(photos * each,) differences in dB without any true difference."""
    random = np.random.default_rng(seed)
    return np.repeat(random.normal(0, between, photos), each) + random.normal(
        0, within, photos * each
    )


def failed(decision):
    return [check.name for check in decision.checks if not check.passed]


def test_an_equal_model_passes_as_no_worse():
    _, decision = compare(np.zeros(120))
    assert decision.passed
    assert not decision.weak
    assert decision.against == "incumbent"
    assert decision.numbers["psnr_y"]["verdict"] == "no worse"
    assert decision.reason.startswith("no worse than the incumbent: +0.000 dB Y-PSNR")
    assert decision.gate_sha256 == "f" * 64


def test_small_noise_neither_blocks_nor_counts_as_better():
    """Photos that differ by 0.02 dB, many draws: the rates that a 95 % interval should have."""
    quick = POLICY.model_copy(update={"resamples": 500})
    decisions = [compare(noise(seed, between=0.02), policy=quick)[1] for seed in range(300)]
    verdicts = [decision.numbers["psnr_y"]["verdict"] for decision in decisions]
    assert np.mean([decision.passed for decision in decisions]) > 0.99
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


def test_a_loss_within_the_margin_passes_and_is_called_a_loss():
    _, decision = compare(np.full(120, -0.02))
    assert decision.passed
    assert decision.reason.startswith("worse, but within the margin, than the incumbent")


def test_too_little_evidence_is_not_shown_to_be_no_worse():
    wide = np.repeat([-0.3, 0.3, -0.2, 0.25], 30)
    _, decision = compare(wide, photos=4)
    assert "psnr" in failed(decision)
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
    decision = decide(
        ours, comparison.incumbent, comparison.input, SOUND, POLICY, facts(), NOT_ASKED
    )
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
    decision = decide(measured(np.full(120, 30.0)), broken, low, SOUND, POLICY, facts(), NOT_ASKED)
    assert decision.passed
    assert decision.against == "input"
    said = {check.name: check.text for check in decision.checks}["incumbent"]
    assert (error or "120 of 120 crops have no finite score") in said


def test_a_model_that_does_not_load_is_refused_with_its_reason():
    broken = measured(None, loads=False, error="student.onnx: cannot be run", parity=None)
    low = quality(np.full(120, 29.0))
    decision = decide(broken, measured(np.full(120, 30.0)), low, SOUND, POLICY, facts(), NOT_ASKED)
    assert failed(decision) == ["loads"]
    assert decision.reason == "it cannot be used: student.onnx: cannot be run"


def test_scores_that_are_no_numbers_are_refused():
    change = np.zeros(120)
    change[3] = np.nan
    _, decision = compare(change)
    assert failed(decision) == ["psnr"]
    assert "1 of 120 crops have no finite score" in decision.reason
    json.loads(decision.to_json())
    assert failed(compare(np.full(120, np.inf))[1]) == ["psnr"]
    _, decision = compare(np.zeros(120), parity=np.nan, latency_ratio=np.nan)
    assert failed(decision) == ["parity", "latency"]
    json.loads(decision.to_json())


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
    ],
)
def test_what_is_not_known_of_its_origin_is_refused(changes, name, said):
    made = dataclasses.replace(SOUND, **changes)
    _, decision = compare(np.full(120, 0.2), provenance=made)
    assert failed(decision) == [name]
    assert said in decision.reason


def test_weak_evidence_is_said_and_refuses_nothing():
    _, decision = compare(np.zeros(120), photos=3)
    assert decision.passed
    assert decision.weak
    assert decision.reason.endswith(
        "(weak evidence: 120 crops of 3 photos, enough would be 100 of 20)"
    )
    assert compare(np.zeros(80))[1].weak


def test_every_reason_is_told():
    made = Provenance("c" * 40, True, "d" * 32, "e" * 64, "a" * 32)
    _, decision = compare(np.full(120, -0.5), provenance=made, parity=1.0, size_bytes=10**6)
    names = ["clean tree", "data", "parity", "psnr", "worst decile", "size"]
    assert failed(decision) == names
    assert decision.reason.count(";") >= len(names) - 1
    assert "\n" not in decision.reason


def test_different_crops_cannot_be_compared():
    two, three = measured(np.zeros(120), 20), measured(np.zeros(120), 30)
    with pytest.raises(ValueError, match="different crops"):
        decide(two, three, quality(np.zeros(120)), SOUND, POLICY, facts(), NOT_ASKED)


def test_a_decision_survives_json():
    _, decision = compare(noise(2))
    assert Decision.from_json(decision.to_json()) == decision
    assert compare(noise(2))[1].to_json() == decision.to_json()
    for text in ("", "{}", "[]", '{"checks": [1]}'):
        with pytest.raises(UserError, match="no record of a decision"):
            Decision.from_json(text)
