"""A student's weights, read from its model folder, and its convolutions as matrices of 4x4.

Shaders hold four channels a texture, so a convolution is a sum of such matrices, each times the
four channels of one place. ONNX is the only format that is read, and nothing is trained or run.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kdsharp.errors import UserError
from kdsharp.runtime.card import Card, read_card
from kdsharp.runtime.catalog import PLAIN

__all__ = ["FOUR", "Layer", "Network", "Term", "groups", "import_onnx", "read_network"]

FOUR = 4
"""Channels of a texture."""

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Term:
    """`matrix` (4 outputs, 4 inputs) times the group `source` of inputs, `x` and `y` further on.

    Both count from 0, the place of the output, to the kernel's side: the picture has a margin, and
    what comes out has that much less.
    """

    x: int
    y: int
    source: int
    matrix: Floats


@dataclass(frozen=True)
class Layer:
    """A convolution: `weight` (outputs, inputs, side, side), `bias` (outputs), both float32."""

    weight: Floats
    bias: Floats

    @property
    def reach(self) -> int:
        """How far it looks on each side."""
        return int(self.weight.shape[2]) // 2

    @property
    def inputs(self) -> int:
        """Groups of four that it reads."""
        return groups(self.weight.shape[1])

    @property
    def outputs(self) -> int:
        """Groups of four that it writes."""
        return groups(self.weight.shape[0])

    def terms(self, group: int) -> Iterator[Term]:
        """What the outputs `group` are the sum of, place by place; `start` is left to be added."""
        rows = slice(FOUR * group, FOUR * group + FOUR)
        part = _filled(_filled(self.weight[rows], 0), 1)
        side = self.weight.shape[2]
        for y, x, source in np.ndindex(side, side, self.inputs):
            inputs = slice(FOUR * source, FOUR * source + FOUR)
            yield Term(x, y, source, part[:, inputs, y, x])

    def start(self, group: int) -> Floats:
        """The biases of the outputs `group`, four of them."""
        return _filled(self.bias[FOUR * group : FOUR * group + FOUR], 0)


@dataclass(frozen=True)
class Network:
    """`fold to a grid of cells -> layers with ReLU between -> unfold`, added to the picture.

    A cell is `grid` x `grid` pixels. Its channels are ordered (row, column, plane) where the first
    layer reads them, and (plane, row, column) where the last one writes them.
    """

    card: Card
    layers: tuple[Layer, ...]

    @property
    def planes(self) -> int:
        """1 for luma, 3 for RGB."""
        return self.card.input.channels

    @property
    def grid(self) -> int:
        """Pixels on a side of a cell."""
        return self.card.grid

    @property
    def channels(self) -> int:
        """The most that a layer writes."""
        return max(len(layer.bias) for layer in self.layers)

    def margins(self) -> tuple[int, ...]:
        """Cells around the picture: of what the first layer reads, then of what each writes."""
        reaches = [layer.reach for layer in self.layers]
        return tuple(sum(reaches[index:]) for index in range(len(reaches) + 1))

    def require_upscaler(self, path: Path) -> None:
        """Raises `UserError`, which names `path`, if the student does not undo enlarging."""
        card = self.card
        if card.degradation != PLAIN or card.scale != card.grid:
            raise UserError(
                f"{path}: cannot enlarge: it undoes {card.degradation} by {card.scale} on a grid "
                f"of {card.grid}: choose one of {PLAIN} whose grid is its scale, such as nano-x2"
            )


def groups(channels: int) -> int:
    """Textures that hold so many channels."""
    return -(-channels // FOUR)


def import_onnx() -> Any:
    """The package onnx; `UserError` that says how to install it where it is missing."""
    try:
        import onnx
    except ImportError as error:
        raise UserError('exporting needs onnx: pip install "kdsharp[export]"') from error
    return onnx


def read_network(folder: Path) -> Network:
    """The student in the model folder `folder`.

    Raises `UserError` for a folder that is no model, and for a model that is not a student, or one
    whose kernels follow from the picture.
    """
    onnx, card = import_onnx(), read_card(folder)
    path = Path(folder) / card.file
    if card.mixture is not None:
        raise UserError(f"{path}: a mixture of kernels, which follow from the picture: no export")
    try:
        stored = onnx.load(path).graph.initializer
        found = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in stored}
    except Exception as error:  # the parser has errors of its own
        raise UserError(f"{path}: cannot be read as ONNX") from error
    layers = _layers(found)
    network = Network(card, layers)
    sides = [network.grid] * 2
    if not (
        layers
        and list(found.get("grid", ())) == sides
        and list(found.get("margin", ())) == [network.margins()[0] * network.grid] * 2
        and _fits(network)
    ):
        raise UserError(f"{path}: not a student's file, which is all that can be exported")
    return network


def _layers(found: Mapping[str, Any]) -> tuple[Layer, ...]:
    """`w0`, `b0`, `w1` ... as far as they go."""
    layers: list[Layer] = []
    while f"w{len(layers)}" in found and f"b{len(layers)}" in found:
        weight, bias = found[f"w{len(layers)}"], found[f"b{len(layers)}"]
        if weight.ndim != FOUR or weight.dtype != np.float32 or len(bias) != len(weight):
            return ()
        layers.append(Layer(weight, bias))
    return tuple(layers)


def _fits(network: Network) -> bool:
    """Whether each layer reads what the one before writes, and both ends are cells."""
    cell = network.planes * network.grid**2
    reads = [layer.weight.shape[1] for layer in network.layers]
    writes = [layer.weight.shape[0] for layer in network.layers]
    return reads == [cell, *writes[:-1]] and writes[-1] == cell


def _filled(values: Floats, axis: int) -> Floats:
    """`values` with zeros up to whole groups of four along `axis`."""
    more = [(0, -size % FOUR if at == axis else 0) for at, size in enumerate(values.shape)]
    return np.pad(values, more)
