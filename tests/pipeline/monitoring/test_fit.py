"""What predicts the gain: deterministic, with intervals that hold as often as they say."""

import json

import numpy as np
import pytest

from kdsharp.errors import UserError
from kdsharp.observe.statistics import FEATURES
from kdsharp.sharpening.sharpener import Sharpener
from pipeline.monitoring.boost import Settings, boost
from pipeline.monitoring.fit import coverage, fit_expects
from pipeline.monitoring.measured import Row


def make_rows(count, seed=0, model="small-x2"):
    """The gain follows from blur and noise, and is less sure where there is noise."""
    random = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        values = {name: float(random.random()) for name in FEATURES}
        gain = 2 * values["blur"] - values["noise"] + random.normal(0, 0.05 + 0.4 * values["noise"])
        photo = f"{random.integers(2**32):08x}{number:04x}"
        rows.append(Row(photo, "made", values, model, float(gain)))
    return rows


@pytest.fixture(scope="module")
def sharpener(luma_model):
    return Sharpener(luma_model, engine="onnxruntime")


def test_trees_learn_what_depends_on_two_inputs():
    random = np.random.default_rng(0)
    x = random.random((600, 3))
    y = np.where(x[:, 0] > 0.5, x[:, 1], -x[:, 1])
    made = boost(x[:400], y[:400], Settings())
    assert np.abs(made(x[400:]) - y[400:]).mean() < 0.12 < np.abs(y[400:]).mean()


def test_equal_rows_do_not_divide():
    made = boost(np.ones((50, 2)), np.ones(50), Settings(trees=3))
    assert made(np.ones((2, 2))).tolist() == [1, 1]


def test_intervals_hold_and_are_wide_where_it_is_unsure(sharpener):
    expects = fit_expects(make_rows(1200), make_rows(200, 7), sharpener, 0)
    other = make_rows(600, 3)
    found = coverage(expects, other)
    assert 0.85 < found.held < 0.96
    assert abs(found.mean_error) < 0.05
    calm, noisy = ([r for r in other if (r.statistics["noise"] > 0.5) == n] for n in (False, True))
    assert coverage(expects, calm).width < coverage(expects, noisy).width
    assert expects.about["other_photos"]["rows"] > 200


def test_the_same_rows_give_the_same_bytes(sharpener):
    made = [fit_expects(make_rows(300), [], sharpener, 5).to_json() for _ in range(2)]
    assert json.dumps(made[0]) == json.dumps(made[1])


def test_few_rows_are_refused(sharpener):
    with pytest.raises(UserError, match="only 20 pictures"):
        fit_expects(make_rows(20), [], sharpener, 0)
