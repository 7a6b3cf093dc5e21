"""Students that do not ship yet: which are missing, and that random ones stand in for them."""

import dataclasses

import numpy as np
import pytest

from benchmarks.front.untrained import missing_sizes, untrained_student
from kdsharp.runtime.card import read_card
from kdsharp.runtime.catalog import SHIPPED, WIDTHS, shipped_cards, size_of
from kdsharp.runtime.engine import load_engine


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_every_size_of_the_family_ships_or_is_missing(scale):
    cards = shipped_cards().values()
    missing = missing_sizes(scale, cards)
    there = {size for card in cards if card.scale == scale and (size := size_of(card))}
    assert {*missing, *there} == set(WIDTHS)
    assert not there & set(missing)
    assert missing_sizes(scale, []) == list(WIDTHS)


def test_one_for_other_input_does_not_stand_for_a_size():
    card = read_card(SHIPPED / "small-x2")
    assert "small" not in missing_sizes(2, [card])
    assert "small" in missing_sizes(2, [dataclasses.replace(card, degradation="noisy")])
    assert "small" in missing_sizes(3, [card])


@pytest.mark.parametrize(("size", "scale"), [("deep-small", 2), ("nano", 3), ("deep-small", 4)])
def test_a_random_student_is_a_whole_model_of_that_size(tmp_path, size, scale):
    folder = untrained_student(size, scale, tmp_path)
    card = read_card(folder)
    assert (folder.name, size_of(card)) == (f"{size}-x{scale}", size)
    assert missing_sizes(scale, [card]) == [name for name in WIDTHS if name != size]
    levels_NCHW = np.random.default_rng(1).integers(0, 256, (1, 1, 13, 17), np.uint8)
    for precision in ("fp32", "int8"):
        found = load_engine(folder, "onnxruntime", 1, precision=precision).run8(levels_NCHW)
        assert found.shape == levels_NCHW.shape
        assert (found != levels_NCHW).any()  # no layer of zeros that an engine might leave out
