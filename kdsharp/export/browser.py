"""A module for browsers: the student, its shaders in WebGL2 or WGSL, and the lines that run them.

The shaders are the same for every student: what they need to know and the weights are written into
the module, which is one file and loads nothing. The picture goes in as RGB; luma is made in it.
"""

import base64
import json
from importlib.resources import files

import numpy as np

from kdsharp.export.network import Layer, Network

__all__ = ["module"]

_PLACE = "__NETWORK__"


def module(network: Network, language: str, *, upscale: bool, strength: float) -> str:
    """The module of `network` in `language`, `webgl2` or `wgsl`.

    With `upscale` it takes the small picture and gives one that is `grid` times as large.
    """
    described = {
        "name": network.card.name,
        "sha256": network.card.sha256,
        "planes": network.planes,
        "grid": network.grid,
        "times": network.grid if upscale else 1,
        "strength": strength,
        # Groups of four channels, and the side of the kernel.
        "layers": [
            {"inputs": layer.inputs, "outputs": layer.outputs, "side": 2 * layer.reach + 1}
            for layer in network.layers
        ],
        "weights": _packed(network.layers),
    }
    text = (files(__package__) / f"{language}.js").read_text(encoding="utf-8")
    return text.replace(_PLACE, json.dumps(described, indent=2))


def _packed(layers: tuple[Layer, ...]) -> str:
    """Layer by layer its matrices, column by column, by (output, y, x, input), then its biases.

    Base64 of float32 with the least byte first.
    """
    parts = []
    for layer in layers:
        outputs = range(layer.outputs)
        parts += [term.matrix.T.ravel() for group in outputs for term in layer.terms(group)]
        parts += [layer.start(group) for group in outputs]
    return base64.b64encode(np.concatenate(parts).astype("<f4").tobytes()).decode()
