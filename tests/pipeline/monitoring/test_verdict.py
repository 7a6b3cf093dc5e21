"""From evidence to a word: what fires, what does not, and for which reason."""

import json

import numpy as np
import pytest
from scipy import stats

from pipeline.monitoring.record import metrics_of
from pipeline.monitoring.two_samples import Change, compare_means, holm, two_samples
from pipeline.monitoring.verdict import Evidence, compared, judge, novel
from tests.pipeline.monitoring.seen import make_seen


def judged(now, before, **more):
    drift, change = compared(now, before)
    return judge(Evidence(len(now), len(before), "the week before", change, drift=drift, **more))


def test_another_sample_of_the_same_is_fine():
    words = [judged(make_seen(100, s), make_seen(100, 1000 + s)).verdict for s in range(40)]
    assert sum(word != "fine" for word in words) <= 3
    assert not {"drifted", "falling"} & set(words)


def test_drift_names_what_has_changed():
    found = judged(make_seen(100, 1, blocks=1.5), make_seen(100, 2))
    assert (found.verdict, found.alarms) == ("drifted", True)
    assert "blocks" in found.reasons[0]
    assert found.evidence.drift[0].shift == pytest.approx(1.5, abs=0.5)


def test_a_gain_that_falls_is_worse_than_drift():
    found = judged(make_seen(100, 1, gain=0.5, blocks=1.5), make_seen(100, 2))
    assert found.verdict == "falling"
    assert "expected gain fell" in found.reasons[0]
    assert any("blocks" in reason for reason in found.reasons)


def test_a_small_fall_is_watched():
    found = judged(make_seen(2000, 1, gain=0.95), make_seen(2000, 2))
    assert (found.verdict, found.alarms) == ("watch", False)


def test_a_gain_that_rises_is_no_alarm():
    assert judged(make_seen(200, 1, gain=2), make_seen(200, 2)).verdict == "fine"


def test_few_pictures_say_nothing():
    found = judged(make_seen(12, 1, gain=0, light=5), make_seen(100, 2))
    assert (found.verdict, found.reasons) == ("fine", ["only 12 pictures, 30 are needed to judge"])
    assert "only 3 pictures before" in judged(make_seen(100), make_seen(3)).reasons[0]


def test_pseudo_truth_counts_from_eight_pictures():
    fell = Change(1.0, 0.4, -0.9, -0.3)
    few = Evidence(100, 100, "x", pseudo=fell, pseudo_now=[0.4] * 7)
    assert judge(few).verdict == "fine"
    assert judge(Evidence(100, 100, "x", pseudo=fell, pseudo_now=[0.4] * 8)).verdict == "falling"


def test_pictures_beyond_the_fit_are_watched():
    assert judge(Evidence(100, 100, "x", outside=0.4)).verdict == "watch"
    known = {"light": list(np.linspace(0, 1, 100))}
    assert novel({"light": [0.5, 3.0, -2.0, 0.1]}, known) == 0.5


def test_the_tests_are_scipys():
    random = np.random.default_rng(0)
    for moved in (0, 0.2, 0.5):
        one, other = random.normal(size=90), random.normal(moved, size=120)
        (found,) = two_samples({"x": one}, {"x": other})
        known = stats.ks_2samp(one, other, method="asymp")
        assert found.distance == pytest.approx(known.statistic)
        assert found.p == pytest.approx(known.pvalue, abs=0.05)
        change = compare_means(one, other)
        interval = stats.ttest_ind(one, other, equal_var=False).confidence_interval(0.99)
        assert (change.low, change.high) == pytest.approx((interval.low, interval.high), abs=0.02)


def test_holm():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_json_and_metrics_hold_numbers():
    found = judged(make_seen(100, 1, blocks=1.5), make_seen(100, 2))
    assert json.loads(json.dumps(found.to_json(), allow_nan=False))["verdict"] == "drifted"
    metrics = metrics_of(found)
    assert (metrics["verdict"], metrics["pictures"]) == (2, 100)
    assert metrics["drift.blocks"] > 0.3
