"""What these networks are: convolutions in a row, and a pixel-shuffle; read from their files.

The files are those of the repository ECNUSR/ETDS (Apache-2.0), experiments/pretrained_models: plain
convolutions, because what was parallel in training has been folded. RGB in 0..1, from the small
picture to the large one.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from benchmarks.common.graph import Floats
from kdsharp.errors import UserError

if TYPE_CHECKING:
    import torch

__all__ = ["FORMS", "Act", "Form", "Layer", "Network", "compute", "read_network"]

Act = Literal["none", "relu", "prelu", "tanh"]

_PLANES = 3  # RGB
_FIRST_LINE = 120


@dataclass(frozen=True)
class Layer:
    """A convolution (O, I, k, k) and what follows it; `slopes` (O,) are those of a PReLU."""

    weight: Floats
    bias: Floats
    act: Act = "none"
    slopes: Floats | None = None


@dataclass(frozen=True)
class Network:
    """Layers, then a pixel-shuffle by `scale`.

    `skip`: before that the input is added, each plane to all parts of its own. `sigmoid`: after it.
    """

    layers: tuple[Layer, ...]
    scale: int
    skip: bool = False
    sigmoid: bool = False

    @property
    def parameters(self) -> int:
        """Weights, biases and slopes."""
        return sum(
            layer.weight.size + layer.bias.size + (0 if layer.slopes is None else layer.slopes.size)
            for layer in self.layers
        )

    @property
    def macs_per_pixel(self) -> float:
        """Multiply-accumulates for a pixel of the output, biases not counted."""
        return sum(layer.weight.size for layer in self.layers) / self.scale**2


@dataclass(frozen=True)
class Form:
    """A network by the name of its file, and how it is made of what is in there."""

    file: str
    scale: int
    make: Callable[[Mapping[str, Floats]], Network]


def compute(
    network: Network, x_NCHW: "torch.Tensor", see: Callable[[int, "torch.Tensor"], None]
) -> "torch.Tensor":
    """What the network makes of small RGB pictures (N, 3, h, w) in 0..1, in torch; not clipped.

    `see` gets the number of each layer, from 0, and what comes out of it.
    """
    import torch
    from torch.nn import functional

    value = x_NCHW
    for index, layer in enumerate(network.layers):
        weight, bias = torch.from_numpy(layer.weight), torch.from_numpy(layer.bias)
        value = functional.conv2d(value, weight, bias, padding=weight.shape[-1] // 2)
        if layer.act == "relu":
            value = functional.relu(value)
        elif layer.act == "tanh":
            value = torch.tanh(value)
        elif layer.slopes is not None:
            value = functional.prelu(value, torch.from_numpy(layer.slopes))
        see(index, value)
    if network.skip:
        value = value + x_NCHW.repeat_interleave(network.scale**2, 1)
    value = functional.pixel_shuffle(value, network.scale)
    return torch.sigmoid(value) if network.sigmoid else value


def read_network(path: Path, form: Form) -> Network:
    """The network in the file of PyTorch at `path`; nothing but tensors is read from it.

    Raises `UserError` for a file that is not of that form.
    """
    import torch

    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # each kind of damage has its own
        line = str(error).strip().split("\n")[0][:_FIRST_LINE]
        raise UserError(f"{path}: is not a file of weights alone: {line}") from error
    if not isinstance(found, Mapping) or not all(torch.is_tensor(v) for v in found.values()):
        raise UserError(f"{path}: does not hold weights by their names")
    values = {str(name): value.float().numpy() for name, value in found.items()}
    try:
        network = form.make(values)
    except KeyError as error:
        raise UserError(f"{path}: {error.args[0]} is missing, so it is another network") from error
    _check(path, network, sum(value.size for value in values.values()))
    return network


def _check(path: Path, network: Network, held: int) -> None:
    """Layers fit together, nothing in the file is left over, and the whole enlarges RGB."""
    shapes = [layer.weight.shape for layer in network.layers]
    fits = all(len(shape) == 4 and shape[2] == shape[3] and shape[2] % 2 for shape in shapes)
    fits = fits and all(one[0] == other[1] for one, other in pairwise(shapes))
    ends = _PLANES, _PLANES * network.scale**2
    if not fits or (shapes[0][1], shapes[-1][0]) != ends or held != network.parameters:
        raise UserError(f"{path}: its layers {shapes} are not those of this network")


def _ecbsr(values: Mapping[str, Floats]) -> Network:
    """Zhang et al., "Edge-oriented convolution block for real-time super resolution", 2021."""
    last = sum(1 for name in values if re.fullmatch(r"backbone\.\d+\.1\.weight", name))
    layers = [
        _layer(values, f"backbone.{at}.0", "prelu", f"backbone.{at}.1.weight") for at in range(last)
    ]
    return Network((*layers, _layer(values, f"backbone.{last}.0")), 2, skip=True)


def _etds(values: Mapping[str, Floats]) -> Network:
    """Chao et al., "Equivalent transformation and dual stream network construction", 2023."""
    hidden = sum(1 for name in values if re.fullmatch(r"backbone_convs\.\d+\.weight", name))
    names = ["conv_first", *(f"backbone_convs.{at}" for at in range(hidden))]
    layers = [_layer(values, name, "relu") for name in (*names, "conv_last", "conv_clip")]
    return Network(tuple(layers), 2)


def _espcn(values: Mapping[str, Floats]) -> Network:
    """Shi et al., "Real-time single image and video super-resolution", 2016."""
    hidden = [_layer(values, name, "tanh") for name in ("conv1", "conv2")]
    return Network((*hidden, _layer(values, "conv3")), 2, sigmoid=True)


def _layer(values: Mapping[str, Floats], name: str, act: Act = "none", slopes: str = "") -> Layer:
    weight, bias = values[f"{name}.weight"], values[f"{name}.bias"]
    return Layer(weight, bias, act, values[slopes] if slopes else None)


FORMS: Mapping[str, Form] = {
    "ESPCN, retrained": Form("ESPCN_x2.pth", 2, _espcn),
    "ECBSR-M4C16": Form("ECBSR_M4C16_x2.pth", 2, _ecbsr),
    "ETDS-T": Form("ETDS_M5C16_x2.pth", 2, _etds),
    "ECBSR-M4C32": Form("ECBSR_M4C32_x2.pth", 2, _ecbsr),
}
"""Every network by its name."""
