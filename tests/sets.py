"""Sets of models that ship, whose gains are known."""

import shutil

from kdsharp.routing.classifier import degradations, gains_by_degradation
from kdsharp.runtime.card import read_card
from kdsharp.runtime.catalog import SHIPPED
from kdsharp.runtime.modelset import ModelSet, write_set


def write_shipped_set(folder, models):
    """A set in `folder` of what `models` names: the name in the set, and that of what ships."""
    cards = {}
    for name, shipped in models.items():
        shutil.copytree(SHIPPED / shipped, folder / name)
        cards[name] = read_card(folder / name)
    gains = {name: list(values) for name, values in gains_by_degradation(cards).items()}
    hashes = {name: card.sha256 for name, card in cards.items()}
    write_set(folder, ModelSet(degradations(), gains, hashes))
    return folder
