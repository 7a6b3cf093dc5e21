"""What production says beside the frozen set: it may refuse or be a reason, and no more."""

import dataclasses
import json

import numpy as np
import pytest

from kdsharp.errors import UserError
from kdsharp.runtime.card import read_card
from pipeline.release.gate.evidence import Check
from pipeline.release.promotion.production_evidence import with_production
from pipeline.release.promotion.pseudo_truth import (
    PseudoTruth,
    read_pseudo_truth,
    score,
    slice_check,
    write_pseudo_truth,
)
from pipeline.release.promotion.shadow import shadow_check
from tests.models import make_model
from tests.pipeline.release.gated import BEFORE, POLICY, SOUND, compare, quality


def made(pictures=10, crops=4, seed=0):
    random = np.random.default_rng(seed)
    high = random.integers(0, 256, (pictures * crops, 24, 24, 3), dtype=np.uint8)
    photo = np.repeat(np.arange(pictures), crops)
    return PseudoTruth(high // 2 + 60, high, photo, {"days": ["2026-01-31"]})


def checked(change, pictures=10):
    """The check for a candidate that differs by `change` dB on each of its pictures."""
    base = np.full(pictures * 4, 30.0)
    spread = np.repeat(np.linspace(-0.05, 0.05, pictures), 4)
    ours, other = (quality(base + by, pictures) for by in (change + spread, 0))
    return slice_check(ours, other, "incumbent", made(pictures), POLICY)


def test_the_slice_comes_back_and_only_its_owner_reads_it(tmp_path):
    folder = tmp_path / ".pseudo-truth"
    assert read_pseudo_truth(folder) is None
    write_pseudo_truth(made(3), folder)
    write_pseudo_truth(made(), folder)
    found = read_pseudo_truth(folder)
    assert found.pictures == 10
    assert np.array_equal(found.high_NHWC, made().high_NHWC)
    assert folder.stat().st_mode & 0o777 == 0o700
    (folder / "photo.npy").write_bytes(b"no")
    with pytest.raises(UserError, match=r"is damaged .*remove it"):
        read_pseudo_truth(folder)


def test_no_pickle_is_opened(tmp_path):
    write_pseudo_truth(made(), tmp_path / "slice")
    np.save(tmp_path / "slice/photo.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(UserError, match="is damaged"):
        read_pseudo_truth(tmp_path / "slice")


def test_scores_are_of_every_crop():
    found = made(2)
    perfect = score(lambda _: found.high_NHWC[0], found, POLICY)
    assert perfect.psnr_y[0] == POLICY.ceiling_db
    assert len(perfect.psnr_y) == len(perfect.photo) == 8


@pytest.mark.parametrize(
    ("change", "pictures", "passed", "verdict"),
    [(0.3, 10, True, "better"), (0.0, 10, True, "not told apart"), (-0.3, 10, False, "worse"),
     (-0.3, 5, True, "worse")],
)  # fmt: skip
def test_what_is_shown_to_be_worse_is_refused_from_eight_pictures_on(
    change, pictures, passed, verdict
):
    check, numbers = checked(change, pictures)
    assert (check.name, check.passed) == ("pseudo-truth", passed)
    assert (numbers["verdict"], numbers["photos"]) == (verdict, pictures)
    assert numbers["low"] < numbers["mean"] < numbers["high"]
    assert ("decide nothing" in check.text) == (pictures < 8)


def test_worse_in_production_refuses_what_the_frozen_set_passed():
    _, decision = compare(np.full(120, 0.5))
    assert decision.passed
    found = with_production(decision, [checked(-0.3)])
    assert not found.passed
    assert found.reason.startswith("worse there: -0.3")
    assert found.numbers["psnr_y"] == decision.numbers["psnr_y"]
    assert found.gate_sha256 == decision.gate_sha256


def test_better_in_production_is_a_reason_but_no_excuse():
    same = dataclasses.replace(BEFORE, data_hash=SOUND.data_hash)  # no new data
    change = np.tile([-0.005, 0.005], 60)
    _, refused = compare(change, before=same)
    assert [c.name for c in refused.checks if not c.passed] == ["reason"]
    assert not with_production(refused, [checked(0.0)]).passed
    found = with_production(refused, [checked(0.3)])
    assert found.passed
    assert found.reason.startswith("no worse on the frozen set, and better on production's own")
    # Five pictures are no reason, and what is worse on the frozen set stays refused.
    assert not with_production(refused, [checked(0.3, 5)]).passed
    _, worse = compare(np.full(120, -0.2), before=same)
    found = with_production(worse, [checked(0.3)])
    assert not found.passed
    assert "worse than the incumbent" in found.reason


def test_without_evidence_nothing_changes():
    _, decision = compare(np.full(120, 0.5))
    assert with_production(decision, []) is decision
    shown = with_production(decision, [(Check("shadow", True, "seen"), {"seen": 3})])
    assert (shown.passed, shown.reason) == (True, decision.reason)
    assert shown.numbers["shadow"] == {"seen": 3}


def test_the_shadow_s_lines_are_those_of_this_model(tmp_path):
    model = make_model(tmp_path / "model")
    version = read_card(model).sha256[:12]
    line = {"sent": 1000, "shadow_sent": 1100, "shadow_seconds": 0.02, "shadow_version": version}
    lines = [line | {"psnr": psnr} for psnr in (30.0, 40.0, None)]
    lines += [line | {"shadow_version": "other", "psnr": 3.0}, {"problem": "no picture"}]
    log = tmp_path / "shadow.jsonl"
    log.write_text("\n".join(map(json.dumps, lines)) + '\n{"half')
    check, numbers = shadow_check(log, model)
    assert check.passed
    assert numbers == {
        "seen": 3, "failed": 1, "psnr_between": 40.0, "bytes_ratio": pytest.approx(1.1),
        "seconds": 0.02,
    }  # fmt: skip
    assert "it saw 3 pictures: 40.0 dB" in check.text
    log.write_text("")
    assert "has no line about it" in shadow_check(log, model)[0].text
    assert "is not there" in shadow_check(tmp_path / "none", model)[0].text
