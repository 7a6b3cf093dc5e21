"""A model for servers: pictures as they come, (N, H, W, 3) `uint8` RGB, in and out.

It is the student's own file, fp32 or int8, with the making of luma before it and the adding after
it, as `kdsharp.runtime.model` does both; so a client needs to know neither luma nor ranges.
"""

from pathlib import Path
from typing import Any

import numpy as np

from kdsharp.color import BT601
from kdsharp.errors import UserError
from kdsharp.export.network import Network, import_onnx
from kdsharp.runtime.card import Card, Int8

__all__ = ["INPUT", "OUTPUT", "model"]

INPUT, OUTPUT = "input", "output"
_PREFIX = "student/"
_PEAK = 255.0


def model(network: Network, folder: Path, *, strength: float, precision: str) -> bytes:
    """The ONNX file of `network`, whose model folder is `folder`.

    Raises `UserError` where `precision` is int8 and the folder has no such file.
    """
    onnx, card = import_onnx(), network.card
    part = card.int8 if precision == "int8" else card
    if part is None:
        raise UserError(f"{folder}: has no int8 model: leave out --precision int8")
    inner = onnx.compose.add_prefix(onnx.load(Path(folder) / part.file), _PREFIX)
    read, written = (_PREFIX + port.name for port in (part.input, part.output))
    nodes = [
        *_before(network, read, whole=precision == "int8"),
        *inner.graph.node,
        *_after(written, "rounded" if precision == "int8" else read, whole=precision == "int8"),
    ]
    shape = ["batch", "height", "width", 3]
    ports = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.UINT8, shape)
        for name in (INPUT, OUTPUT)
    ]
    constants = [*inner.graph.initializer, *_constants(strength, whole=precision == "int8")]
    graph = onnx.helper.make_graph(nodes, "kdsharp", ports[:1], ports[1:], initializer=constants)
    made = onnx.helper.make_model(
        graph,
        producer_name="kdsharp",
        ir_version=inner.ir_version,
        opset_imports=inner.opset_import,
        doc_string=_about(card, part),
    )
    onnx.checker.check_model(made, full_check=True)
    return bytes(made.SerializeToString(deterministic=True))


def _before(network: Network, target: str, *, whole: bool) -> list[Any]:
    """`INPUT` -> `levels` (N, 3, H, W) of 0..255 -> what the student reads, `target`."""
    node = import_onnx().helper.make_node
    nodes = [
        node("Cast", [INPUT], ["numbers"], "numbers", to=import_onnx().TensorProto.FLOAT),
        node("Transpose", ["numbers"], ["levels"], "levels", perm=[0, 3, 1, 2]),
    ]
    planes = "levels"
    if network.planes == 1:
        nodes.append(node("Conv", ["levels", "luma"], ["planes"], "luma", kernel_shape=[1, 1]))
        planes = "planes"
    if whole:
        nodes.append(node("Round", [planes], ["rounded"], "rounded"))
        kind = import_onnx().TensorProto.UINT8
        return [*nodes, node("Cast", ["rounded"], [target], "whole", to=kind)]
    return [*nodes, node("Div", [planes, "peak"], [target], "range")]


def _after(source: str, read: str, *, whole: bool) -> list[Any]:
    """What the student made of `read`, as a change of whole levels, added -> `OUTPUT`."""
    node, kinds = import_onnx().helper.make_node, import_onnx().TensorProto
    nodes = []
    if whole:
        nodes.append(node("Cast", [source], ["sharp_levels"], "sharp_levels", to=kinds.FLOAT))
        source = "sharp_levels"
    return [
        *nodes,
        node("Sub", [source, read], ["change"], "change"),
        node("Mul", ["change", "factor"], ["scaled"], "scaled"),
        node("Round", ["scaled"], ["steps"], "steps"),
        # Equal steps on R, G and B change luma alone: the chroma differences cancel.
        node("Add", ["levels", "steps"], ["sum"], "sum"),
        node("Clip", ["sum", "black", "peak"], ["clipped"], "clipped"),
        node("Transpose", ["clipped"], ["pixels"], "pixels", perm=[0, 2, 3, 1]),
        node("Cast", ["pixels"], [OUTPUT], "output", to=kinds.UINT8),
    ]


def _constants(strength: float, *, whole: bool) -> list[Any]:
    values = {
        "luma": np.asarray(BT601).reshape(1, 3, 1, 1),
        "peak": np.asarray(_PEAK),
        "black": np.asarray(0.0),
        "factor": np.asarray(strength if whole else strength * _PEAK),
    }
    make = import_onnx().numpy_helper.from_array
    return [make(value.astype(np.float32), name) for name, value in values.items()]


def _about(card: Card, part: Card | Int8) -> str:
    return (
        f"{card.name} sharpens RGB pictures: undoes {card.degradation} by {card.scale}. "
        f"Made by kdsharp export from {part.file} with SHA-256 {part.sha256}."
    )
