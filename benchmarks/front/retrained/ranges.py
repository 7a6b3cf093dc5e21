"""What int8 needs to know of such a network: how far the values between its layers reach.

Channels of one layer are first brought to one range, which leaves a network of ReLUs or PReLUs as
it was (Nagel et al. 2019, arXiv 1906.04721), as for our students; a tanh allows no such thing.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from benchmarks.common.graph import Floats
from benchmarks.front.retrained.forms import Layer, Network, compute

__all__ = ["Ranges", "equalised", "find_ranges"]

Ranges = Sequence[tuple[float, float]]
"""The least and the largest value that comes out of each layer; 0 lies between them."""

_SMALLEST = 1 / 16  # channels below this share of the widest get no finer steps than that


def find_ranges(network: Network, pictures: Sequence[npt.NDArray[np.uint8]]) -> Ranges:
    """What comes out of the layers on small `pictures`, each (h, w, 3)."""
    return [(float(low.min()), float(high.max())) for low, high in _ends(network, pictures)]


def equalised(network: Network, pictures: Sequence[npt.NDArray[np.uint8]]) -> Network:
    """A network that computes the same, whose channels reach about as far on `pictures`."""
    layers = list(network.layers)
    for index, (low, high) in enumerate(_ends(network, pictures)[:-1]):
        if layers[index].act not in ("relu", "prelu"):
            continue
        widths = (high - low).clip(1e-6)
        shares = (widths / widths.max()).clip(_SMALLEST).astype(np.float32)
        layers[index] = _divided(layers[index], shares)
        after = layers[index + 1]
        layers[index + 1] = replace(after, weight=after.weight * shares[:, None, None])
    return replace(network, layers=tuple(layers))


def _divided(layer: Layer, shares: Floats) -> Layer:
    weight = layer.weight / shares[:, None, None, None]
    return replace(layer, weight=weight, bias=layer.bias / shares)


def _ends(
    network: Network, pictures: Sequence[npt.NDArray[np.uint8]]
) -> list[tuple[Floats, Floats]]:
    """The least and the largest value in each channel of each layer, and 0."""
    import torch

    ends = [(np.zeros_like(x.bias), np.zeros_like(x.bias)) for x in network.layers]

    def see(index: int, value: torch.Tensor) -> None:
        low, high = ends[index]
        np.minimum(low, value.amin((0, 2, 3)).numpy(), out=low)
        np.maximum(high, value.amax((0, 2, 3)).numpy(), out=high)

    with torch.no_grad():
        for picture in pictures:
            planes_NCHW = torch.from_numpy(picture.transpose(2, 0, 1)[None].astype(np.float32))
            compute(network, planes_NCHW / 255, see)
    return ends
