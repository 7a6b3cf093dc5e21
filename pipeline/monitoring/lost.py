"""What production's pictures have lost, by recipe, and what a retraining should see more of."""

from collections.abc import Mapping, Sequence

from kdsharp.observe.record import Observation
from pipeline.monitoring.pseudo import RECIPES

__all__ = ["Lost", "lost", "risen_in", "weighted_up"]

Lost = Mapping[str, tuple[float, float]]
"""By recipe: the share of pictures that it was done to, before and now, as routing says."""

_ANY_SCALE = "enlarged-any"  # for what was shrunk by another factor than 2
_RISE = 0.05  # of the share, from which on a recipe counts as drifted
_UP = 1.5  # times its share in production: what is new is to be learned first


def lost(
    now: Sequence[Observation], before: Sequence[Observation]
) -> dict[str, tuple[float, float]]:
    """Mean shares over the pictures, the largest rise first; what rarely occurs is left out."""
    shares = [_shares(seen) for seen in (before, now)]
    every = {name: (shares[0].get(name, 0.0), shares[1].get(name, 0.0)) for name in _recipes()}
    shown = {name: pair for name, pair in every.items() if max(pair) >= 0.005}
    return dict(sorted(shown.items(), key=lambda one: one[1][0] - one[1][1]))


def weighted_up(
    found: Lost, base: str, known: Mapping[str, float], most: float
) -> dict[str, float]:
    """Shares of training patches for recipes beside `base`: those that rose, and the `known` ones.

    What rose by 0.05 or more gets 1.5 times its share in production; what is known keeps at least
    the share that it has. Together they have at most `most`, so that `base` is not forgotten. Equal
    to `known` where nothing has risen.
    """
    risen = {name: _UP * now for name, now in risen_in(found).items() if name != base}
    if not risen:
        return dict(known)
    wanted = {name: max(risen.get(name, 0.0), known.get(name, 0.0)) for name in {**known, **risen}}
    scale = min(1.0, most / sum(wanted.values()))
    # Rounded down: the sum must not pass the limit.
    return {name: int(share * scale * 100) / 100 or 0.01 for name, share in wanted.items()}


def risen_in(found: Lost) -> dict[str, float]:
    """The recipes whose share rose by 0.05 or more, and their share in production now."""
    return {name: round(now, 2) for name, (before, now) in found.items() if now - before >= _RISE}


def _recipes() -> list[str]:
    return list(dict.fromkeys(_recipe(name) for name in RECIPES))


def _recipe(degradation: str) -> str:
    recipe, scale = RECIPES[degradation]
    return recipe if scale == 2 else _ANY_SCALE


def _shares(seen: Sequence[Observation]) -> dict[str, float]:
    total: dict[str, float] = {}
    for one in seen:
        for name, value in one.statistics.items():
            if name.startswith("as ") and (known := name[3:]) in RECIPES:
                total[_recipe(known)] = total.get(_recipe(known), 0.0) + value / len(seen)
    return total
