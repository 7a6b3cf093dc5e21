"""A tiny random student as ONNX with its card, for tests that need some model."""

import dataclasses
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from kdsharp.files import sha256_file
from kdsharp.runtime.card import FORMAT, Card, Int8, Tensor, write_card


def make_model(
    folder: Path, *, color: str = "luma", seed: int = 1, gain: float = 0.1, int8: bool = False
) -> Path:
    """A model folder: pad to even -> unshuffle -> 5x5, 3x3, 3x3 convs -> shuffle -> add -> crop.

    `gain` 0 makes the identity. `int8` adds the same with 8 bit at both ends.
    """
    folder.mkdir(parents=True, exist_ok=True)
    channels = 1 if color == "luma" else 3
    graph = _graph(channels, seed, gain)
    (folder / "student.onnx").write_bytes(graph.SerializeToString())
    card = make_card(folder / "student.onnx", color)
    if int8:
        (folder / "student_int8.onnx").write_bytes(_in_8_bit(graph).SerializeToString())
        card = dataclasses.replace(card, int8=make_int8(folder / "student_int8.onnx", channels))
    write_card(folder, card)
    return folder


def make_int8(file: Path, channels: int = 1) -> Int8:
    input8, output8 = (
        Tensor(name, channels, dtype="uint8", range=(0.0, 255.0)) for name in ("input", "output")
    )
    return Int8(file.name, sha256_file(file), input8, output8, 0.01)


def make_card(file: Path, color: str = "luma") -> Card:
    channels = 1 if color == "luma" else 3
    return Card(
        format=FORMAT,
        name="tiny",
        file=file.name,
        sha256=sha256_file(file),
        degradation="bicubic",
        scale=2,
        color=color,
        matrix="bt601-full" if color == "luma" else None,
        input=Tensor("input", channels),
        output=Tensor("output", channels),
        receptive_radius=9,
        grid=2,
        parameters=1,
        macs_per_pixel=1.0,
        lineage={},
        metrics={},
    )


def _graph(channels: int, seed: int, gain: float) -> onnx.ModelProto:
    rng = np.random.default_rng(seed)
    width, inner = 4, channels * 4
    constants = {
        "two": np.array([2, 2], np.int64),
        "zeros": np.zeros(2, np.int64),
        "axes": np.array([2, 3], np.int64),
        "w1": rng.normal(0, 0.2, (width, inner, 5, 5)),
        "b1": rng.normal(0, 0.2, width),
        "w2": rng.normal(0, 0.3, (width, width, 3, 3)),
        "b2": rng.normal(0, 0.2, width),
        "w3": rng.normal(0, 1, (inner, width, 3, 3)) * gain,
        "b3": np.zeros(inner),
    }
    node = helper.make_node
    nodes = [
        node("Shape", ["input"], ["size"], start=2, end=4),
        node("Mod", ["size", "two"], ["odd"]),
        node("Concat", ["zeros", "odd"], ["pads"], axis=0),
        node("Pad", ["input", "pads", "", "axes"], ["even"], mode="edge"),
        node("SpaceToDepth", ["even"], ["cells"], blocksize=2),
        node("Conv", ["cells", "w1", "b1"], ["c1"], pads=[2] * 4),
        node("Relu", ["c1"], ["r1"]),
        node("Conv", ["r1", "w2", "b2"], ["c2"], pads=[1] * 4),
        node("Relu", ["c2"], ["r2"]),
        node("Conv", ["r2", "w3", "b3"], ["c3"], pads=[1] * 4),
        node("DepthToSpace", ["c3"], ["detail"], blocksize=2, mode="CRD"),
        node("Add", ["even", "detail"], ["sharp"]),
        node("Slice", ["sharp", "zeros", "size", "axes"], ["output"]),
    ]
    plane = ["n", channels, "h", "w"]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, plane)],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, plane)],
        [numpy_helper.from_array(_typed(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    return model


def _in_8_bit(model: onnx.ModelProto) -> onnx.ModelProto:
    """`model` that reads and writes 0..255."""
    made = onnx.ModelProto()
    made.CopyFrom(model)
    graph = made.graph
    for node in graph.node:
        for names in (node.input, node.output):
            for index, name in enumerate(names):
                if name in ("input", "output"):
                    names[index] = f"{name}_float"
    scale = numpy_helper.from_array(np.float32(1 / 255), "scale")
    zero = numpy_helper.from_array(np.uint8(0), "zero")
    first = helper.make_node("DequantizeLinear", ["input", "scale", "zero"], ["input_float"])
    last = helper.make_node("QuantizeLinear", ["output_float", "scale", "zero"], ["output"])
    nodes = [first, *graph.node, last]
    del graph.node[:]
    graph.node.extend(nodes)
    graph.initializer.extend([scale, zero])
    for port in (*graph.input, *graph.output):
        port.type.tensor_type.elem_type = TensorProto.UINT8
    onnx.checker.check_model(made)
    return made


def _typed(value: np.ndarray) -> np.ndarray:
    return value if value.dtype == np.int64 else value.astype(np.float32)
