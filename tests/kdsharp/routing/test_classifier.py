import dataclasses
import json

import numpy as np
import pytest

from kdsharp.errors import UserError
from kdsharp.routing import classifier as module
from kdsharp.routing.classifier import degradation_shares, degradations, gains_by_degradation
from kdsharp.runtime.catalog import shipped_cards, size_of


def cards_of_sizes():
    """Those that routing may choose: `crisp` is of no size, and comes after them."""
    return {name: card for name, card in shipped_cards().items() if size_of(card)}


def test_the_shares_are_of_all_kinds(picture):
    shares = degradation_shares(picture)
    assert len(shares) == len(degradations()) == len(set(degradations()))
    assert shares.sum() == pytest.approx(1)
    assert (shares >= 0).all()
    cards = cards_of_sizes()
    gains = gains_by_degradation(cards)
    assert set(gains) == set(cards)
    assert all(len(values) == len(shares) for values in gains.values())


def test_grey_and_16_bit_are_the_same_picture(picture):
    grey = picture[..., 1]
    same = np.repeat(grey[..., None], 3, axis=2)
    for other in (same, grey.astype(np.uint16) * 257):
        np.testing.assert_allclose(degradation_shares(other), degradation_shares(grey), atol=1e-3)


@pytest.fixture
def table(tmp_path, monkeypatch):
    """A function that puts a changed table of gains in the place of the one that ships."""
    rows = json.loads(module.FILE.read_text())

    def change(edit):
        edit(rows)
        file = tmp_path / "degradation_classifier.json"
        file.write_text(json.dumps(rows))
        monkeypatch.setattr(module, "FILE", file)
        module._known.cache_clear()

    yield change
    module._known.cache_clear()


def test_models_are_known_by_their_cards_and_not_by_their_names():
    cards = cards_of_sizes()
    gains = gains_by_degradation(cards)
    renamed = gains_by_degradation({"mine": cards["small-x2-blocky"]})
    np.testing.assert_array_equal(renamed["mine"], gains["small-x2-blocky"])
    np.testing.assert_array_equal(gains["nano-x3"], gains["small-x3"])
    assert (gains["small-x2"] != gains["small-x2-area"]).any()


def test_a_table_that_is_older_than_a_model_is_refused(table):
    cards = shipped_cards()
    table(lambda found: found["gains"][0].update(sha256="0" * 64))
    for asked in (cards, {"one": cards["deep-small-x3"]}):
        with pytest.raises(UserError) as error:
            gains_by_degradation(asked)
        assert str(error.value) == (
            f"{module.FILE}: is older than deep-small-x2: measure the gains again: "
            "python -m benchmarks.classifier --photos FOLDER --gains"
        )


def test_a_table_without_a_model_that_ships_is_refused(table):
    table(lambda found: found["gains"].pop())
    with pytest.raises(UserError, match=r"has nothing on small-x2-streamed: .*\.classifier"):
        gains_by_degradation({"one": shipped_cards()["small-x2-area"]})


def test_a_model_that_undoes_what_nobody_measured_is_refused():
    card = dataclasses.replace(shipped_cards()["small-x2"], degradation="rain")
    with pytest.raises(UserError, match="has nothing on mine: measure the gains again"):
        gains_by_degradation({"mine": card})
