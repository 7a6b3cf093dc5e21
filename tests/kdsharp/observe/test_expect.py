"""Trees as numbers, what ships, and what is refused."""

import json

import numpy as np
import pytest

from kdsharp.errors import UserError
from kdsharp.observe.expect import SHIPPED, Expected, read_expects, shipped_expects
from kdsharp.observe.statistics import FEATURES
from kdsharp.observe.trees import Forest, Tree
from kdsharp.runtime.catalog import shipped_cards


def test_a_tree_asks_from_the_top():
    tree = Tree([0, 1, 1], [0.5, 1.0, 2.0], [1.0, 2.0, 3.0, 4.0])
    rows = np.array([[0.5, 1.0], [0.0, 1.5], [1.0, 2.0], [1.0, 2.5]])
    assert tree(rows).tolist() == [1, 2, 3, 4]
    forest = Forest(10.0, [tree, tree])
    read = Forest.of_json(json.loads(json.dumps(forest.to_json())))
    assert read(rows).tolist() == [12, 14, 16, 18]
    assert len(forest(rows[:0])) == 0


def test_what_ships_was_fitted_for_the_models_that_ship():
    expects = shipped_expects()
    cards = shipped_cards()
    for name in ("deep-small-x2", "small-x2-blocky"):
        assert cards[name].sha256[:12] in expects.versions
    assert expects.about["other_photos"]["held"] > 0.85
    assert set(expects.reference) == set(FEATURES)
    usual = {name: float(np.median(values)) for name, values in expects.reference.items()}
    found = expects(usual)
    assert found.low < found.gain < found.high


def test_gains_of_others_are_unknown_and_nothing_gains_nothing():
    expects = shipped_expects()
    assert expects.of({}, "other", "000000000000") is None
    assert expects.of({}, None, "000000000000") == Expected(0, 0, 0)


@pytest.mark.parametrize("change", [{"format": 9}, {"gain": 3}, {"reference": {}}, {"factor": "x"}])
def test_what_is_wrong_is_refused(tmp_path, change):
    path = tmp_path / "gain.json"
    path.write_text(json.dumps(json.loads(SHIPPED.read_text()) | change))
    with pytest.raises(UserError, match="monitor --fit"):
        read_expects(path)
