"""Fit boosted trees in numpy: small, the same bytes for the same rows, and stored as JSON."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kdsharp.observe.trees import Floats, Forest, Tree

__all__ = ["Settings", "boost"]

_BINS = 32
_DIGITS = 6


@dataclass(frozen=True)
class Settings:
    """Of `boost`: how many trees, how deep, and how much of each counts.

    A leaf has `least` rows or more.
    """

    trees: int = 200
    depth: int = 3
    rate: float = 0.08
    least: int = 8
    share: float = 0.7
    seed: int = 0


def boost(rows: Floats, values: Floats, settings: Settings) -> Forest:
    """What predicts `values` (N,) from `rows` (N, inputs) by the mean squared error.

    Each tree sees a `share` of the rows, drawn by the seed.
    """
    random = np.random.default_rng(settings.seed)
    edges = [
        np.unique(np.quantile(column, np.linspace(0, 1, _BINS + 1)[1:-1])) for column in rows.T
    ]
    binned = np.stack(
        [np.searchsorted(edge, column) for edge, column in zip(edges, rows.T, strict=True)], axis=1
    )
    base = round(float(values.mean()), _DIGITS)
    left, trees = values - base, []
    for _ in range(settings.trees):
        some = np.flatnonzero(random.random(len(rows)) < settings.share)
        tree = _grow(binned[some], left[some], edges, settings)
        trees.append(tree)
        left = left - tree(rows)
    return Forest(base, trees)


def _grow(binned: npt.NDArray[np.int64], left: Floats, edges: list[Floats], s: Settings) -> Tree:
    nodes = [np.arange(len(left))]
    inputs, limits = [], []
    for at in range(2**s.depth - 1):
        column, split = _best(binned[nodes[at]], left[nodes[at]], s.least)
        inputs.append(column)
        limits.append(round(float(edges[column][split]), _DIGITS) if split >= 0 else 1e30)
        below = binned[nodes[at], column] <= split if split >= 0 else np.full(len(nodes[at]), True)
        nodes += [nodes[at][below], nodes[at][~below]]
    leaves = nodes[2**s.depth - 1 :]
    means = [s.rate * float(left[leaf].sum()) / (len(leaf) + s.least) for leaf in leaves]
    return Tree(inputs, limits, [round(mean, _DIGITS) for mean in means])


def _best(binned: npt.NDArray[np.int64], left: Floats, least: int) -> tuple[int, int]:
    """The input and the last bin of the lower side that part the rows best; bin -1: none does."""
    if len(left) < 2 * least:
        return 0, -1
    width = binned.shape[1]
    place = (binned + np.arange(width) * _BINS).ravel()
    shape = (width, _BINS)
    counts = np.bincount(place, minlength=width * _BINS).reshape(shape).cumsum(axis=1)
    weights = np.repeat(left, width)
    sums = np.bincount(place, weights, width * _BINS).reshape(shape).cumsum(axis=1)
    total, rest = sums[:, -1:], len(left) - counts
    with np.errstate(divide="ignore", invalid="ignore"):
        gain = np.square(sums) / counts + np.square(total - sums) / rest
    gain[(counts < least) | (rest < least)] = -np.inf
    column, split = divmod(int(np.argmax(gain)), _BINS)
    return (column, split) if np.isfinite(gain[column, split]) else (0, -1)
